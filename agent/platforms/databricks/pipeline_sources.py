"""The datasets that a pipeline's source declares: names, files, and what each reads. Pure.

Read tolerantly from Python (`@dlt.table`, `@dp.materialized_view` ...) and SQL (`CREATE OR REFRESH
STREAMING TABLE ...`): what is put together at run time is left out.

Source: https://docs.databricks.com/aws/en/ldp/developer/python-ref
Source: https://docs.databricks.com/aws/en/ldp/developer/ldp-sql-ref
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent.code import cells
from agent.code.pythontext import Code, called

_DECLARE = frozenset(
    ("table", "view", "materialized_view", "temporary_view", "append_flow", "create_table")
)
_MODULES = frozenset(("dlt", "dp", "pipelines"))
_READ = frozenset(("read", "read_stream", "table"))
_CREATE = re.compile(
    r"\bCREATE\s+(?:OR\s+(?:REFRESH|REPLACE)\s+)?(?:TEMPORARY\s+|PRIVATE\s+)?"
    r"(?:STREAMING\s+(?:LIVE\s+)?TABLE|MATERIALIZED\s+VIEW|LIVE\s+(?:TABLE|VIEW)|(?:LIVE\s+)?VIEW)"
    r"\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>[\w.`]+)",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"\b(?:FROM|JOIN)\s+(?:STREAM\s*\(?\s*)?(?:LIVE\.)?(?P<name>[\w.`]+)", re.IGNORECASE
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class Dataset(NamedTuple):
    """One table or view of the pipeline."""

    name: str
    path: str
    line: int
    """1-based line of its declaration: the function, or the statement."""
    reads: tuple[str, ...]
    """Names of what it reads, as written; other datasets of the pipeline or tables elsewhere."""
    body: str
    """Its declaration: the function with its decorators, or the statement."""
    stored: bool = True
    """False for a view, which is computed anew by whoever reads it."""


def short(name: str) -> str:
    """Return the last part of a qualified name, without quotes."""
    return name.replace("`", "").rpartition(".")[2]


def declared(files: tuple[str, ...], read: Callable[[str], str | None]) -> tuple[Dataset, ...]:
    """Return the datasets of all files, those that others read first."""
    found: dict[str, Dataset] = {}
    for path in files:
        if not path.endswith((".py", ".sql", ".ipynb")):
            continue
        text = read(path)
        for dataset in _of(path, text) if text and _likely(text) else ():
            found.setdefault(dataset.name, dataset)
    return tuple(_ordered(found))


def upstream(dataset: Dataset, all_of_them: tuple[Dataset, ...]) -> tuple[str, ...]:
    """Return the datasets of the pipeline that a dataset reads."""
    names = {short(one.name): one.name for one in all_of_them if one.name != dataset.name}
    found = (names.get(short(name)) for name in dataset.reads)
    return tuple(dict.fromkeys(name for name in found if name))


def downstream(names: set[str], all_of_them: tuple[Dataset, ...]) -> set[str]:
    """Return the names and everything that reads them, directly or not."""
    found = set(names)
    while True:
        more = {d.name for d in all_of_them if found.intersection(upstream(d, all_of_them))}
        if more <= found:
            return found
        found |= more


def affected(
    before: tuple[Dataset, ...],
    after: tuple[Dataset, ...],
    changed: frozenset[str],
) -> tuple[str, ...]:
    """Return the later datasets whose declaration differs; `changed` are the files that do.

    A changed file in which no declaration differs concerns all that it declares, and one that
    declares nothing may be imported by any of them.
    """
    then = {d.name: d.body for d in before}
    own = {d.name for d in after if d.path in changed and then.get(d.name) != d.body}
    told = {d.path for d in after if d.name in own}
    declaring = {d.path for d in (*before, *after)}
    if any(path not in declaring and path.endswith(".py") for path in changed):
        return tuple(d.name for d in after)
    return tuple(
        d.name for d in after if d.name in own or (d.path in changed and d.path not in told)
    )


def _likely(text: str) -> bool:
    return bool(re.search(r"\bdlt\b|\bpipelines\b|\bdp\.|(?i:\bcreate\b)", text))


def _ordered(found: dict[str, Dataset]) -> Iterator[Dataset]:
    everything = tuple(found.values())
    done: set[str] = set()
    left = list(everything)
    while left:
        ready = [d for d in left if done.issuperset(upstream(d, everything))] or left[:1]
        yield from ready
        done |= {d.name for d in ready}
        left = [d for d in left if d.name not in done]


def _of(path: str, text: str) -> Iterator[Dataset]:
    for cell in cells.read(path, text):
        above = text.count("\n", 0, cell.starts[0]) if cell.text and not cell.escaped else 0
        if cell.language == "sql":
            yield from _sql(path, cell.text, above)
        else:
            yield from _python(path, cell.text)


def _sql(path: str, text: str, above: int) -> Iterator[Dataset]:
    plain = _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    starts = list(_CREATE.finditer(plain))
    for number, start in enumerate(starts):
        stop = starts[number + 1].start() if number + 1 < len(starts) else len(plain)
        reads = _FROM.finditer(plain, start.end(), stop)
        yield Dataset(
            start["name"].replace("`", ""),
            path,
            above + plain.count("\n", 0, start.start()) + 1,
            tuple(dict.fromkeys(m["name"].replace("`", "") for m in reads)),
            text[start.start() : stop].strip(),
            re.search(r"(?i)\bmaterialized\s+view|\btable\b", start[0]) is not None,
        )


def _python(path: str, text: str) -> Iterator[Dataset]:
    try:
        code = Code(text)
    except SyntaxError:
        return
    for node in ast.walk(code.tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if (name := _name(decorator, node.name, code)) is not None:
                    body = "\n".join(map(ast.unparse, (*node.decorator_list, node)))
                    stored = _kind(decorator) not in ("view", "temporary_view")
                    reads = tuple(dict.fromkeys(_reads(node, code)))
                    yield Dataset(name, path, node.lineno, reads, body, stored)


def _name(decorator: ast.expr, function: str, code: Code) -> str | None:
    """Return the dataset that a decorated function makes; None where it makes none."""
    call = decorator if isinstance(decorator, ast.Call) else None
    target = call.func if call else decorator
    if not (
        isinstance(target, ast.Attribute)
        and target.attr in _DECLARE
        and isinstance(target.value, ast.Name)
        and target.value.id in _MODULES
    ):
        return None
    given = {k.arg: k.value for k in call.keywords} if call else {}
    named = given.get("target") if target.attr == "append_flow" else given.get("name")
    return (code.string(named) if named is not None else None) or function


def _kind(decorator: ast.expr) -> str:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.attr if isinstance(target, ast.Attribute) else ""


def _reads(function: ast.FunctionDef, code: Code) -> Iterator[str]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args or node in function.decorator_list:
            continue
        text = code.string(node.args[0])
        if text is None:
            continue
        if called(node) in _READ and re.fullmatch(r"[\w.`]+", text):
            yield text.removeprefix("LIVE.").replace("`", "")
        elif called(node) == "sql":
            yield from (m["name"].replace("`", "") for m in _FROM.finditer(text))
