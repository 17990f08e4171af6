"""Which tables and files a task's code makes, read from its text.

Only what is written out counts: a name that is put together at run time is not guessed.
"""

import ast
import posixpath
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from agent.code import cells, jobtext, sqltext
from agent.code.pythontext import Code, called

_WRITES_FILE = frozenset(
    re.findall(
        r"\w+",
        """
        to_csv to_parquet to_json to_excel to_pickle to_feather to_orc write_csv write_parquet
        write_json sink_parquet sink_csv savetxt save parquet csv json orc copyfile copy move
        replace rename
        """,
    )
)
_TARGET_SECOND = frozenset(("copyfile", "copy", "move", "savetxt"))
_READER = frozenset(("read", "readStream", "json", "pd", "pl", "csv"))
_WRITES_TABLE = frozenset(("saveAsTable", "insertInto", "to_table", "toTable"))
_MAKES_VIEW = frozenset(
    ("createOrReplaceTempView", "createTempView", "createOrReplaceGlobalTempView")
)
_DECORATORS = frozenset(("table", "view", "materialized_view", "temporary_view"))
_RUNS_SQL = frozenset(("execute", "executemany", "sql", "query", "run"))
_UNKNOWN = "runmend_unknown"


class Products(NamedTuple):
    """What code makes."""

    tables: frozenset[str]
    """Lower case, as qualified as written."""
    files: frozenset[str]
    """POSIX paths as written, normalised."""


_NOTHING = Products(frozenset(), frozenset())


def made(path: str, text: str) -> Products:
    """Return what the code in a file makes; what does not parse makes nothing."""
    found: set[str] = set()
    files: set[str] = set()
    dialect = "databricks" if re.search(r"\bspark\b|Databricks notebook", text) else "duckdb"
    for cell in cells.read(path, text):
        if cell.language == "sql":
            found |= sqltext.names(cell.text, dialect).makes
            continue
        try:
            code = Code(cell.text)
        except SyntaxError:
            continue
        files |= set(_files(code))
        found |= set(_tables(code))
        for statement in _statements(code):
            found |= sqltext.names(statement, dialect).makes
    known = {name for name in found | files if _UNKNOWN not in name}
    return Products(
        frozenset(name.lower() for name in known),
        frozenset(posixpath.normpath(name) for name in known),
    )


def views(path: str, text: str) -> frozenset[str]:
    """Return the temporary views and pipeline tables that the Python in a file declares."""
    found: set[str] = set()
    for cell in cells.read(path, text):
        try:
            code = Code(cell.text if cell.language == "python" else "")
        except SyntaxError:
            continue
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Call) and called(node) in _MAKES_VIEW:
                found |= {str(c.value).lower() for a in node.args[:1] for c in code.constants(a)}
            elif isinstance(node, ast.FunctionDef):
                found |= set(_declared(code, node))
    return frozenset(found)


def _declared(code: Code, function: ast.FunctionDef) -> Iterator[str]:
    """Yield the table of a pipeline that a decorated function makes: `@dp.table`."""
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call is not None else decorator
        if isinstance(target, ast.Attribute) and target.attr in _DECORATORS:
            named = (
                next((k.value for k in call.keywords if k.arg == "name"), None) if call else None
            )
            yield (code.string(named) or function.name).lower()


def makers(
    job: jobtext.Job,
    read: Callable[[str], str | None],
    *,
    table: str | None = None,
    file: str | None = None,
) -> tuple[str, ...]:
    """Return the keys of the tasks whose main file makes the table or the file."""
    found: list[str] = []
    for task in job.tasks:
        path = main_file(job, task, read)
        text = read(path) if path else None
        products = made(path, text) if path and text is not None else _NOTHING
        if (table and any(same_table(table, t) for t in products.tables)) or (
            file and any(same_file(file, f) for f in products.files)
        ):
            found.append(task.key)
    return tuple(found)


def main_file(
    job: jobtext.Job, task: jobtext.Task, read: Callable[[str], str | None]
) -> str | None:
    """Return the path in the tree of a task's main file; a notebook's may lack its ending."""
    if task.file is None:
        return None
    written = str(task.file.value)
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(job.path), written))
    for path in (written, beside):
        for ending in ("", ".ipynb", ".py", ".sql"):
            if not path.startswith("..") and read(path + ending) is not None:
                return path + ending
    return None


def same_table(one: str, two: str) -> bool:
    """Say whether two names are of one table: `sales` and `main.sales` are."""
    parts = [re.sub(r"[\"`\[\]]", "", name).lower().split(".")[::-1] for name in (one, two)]
    shared = min(len(parts[0]), len(parts[1]))
    return parts[0][:shared] == parts[1][:shared]


def same_file(asked: str, made: str) -> bool:
    """Say whether a path (also absolute, or a pattern) is the file made, relative to the tree."""
    asked, made = posixpath.normpath(asked), posixpath.normpath(made)
    if asked == made or (asked.startswith("/") and asked.endswith("/" + made)):
        return True
    return any(c in asked for c in "*?[") and fnmatchcase(made, asked)


def _files(code: Code) -> Iterator[str]:
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Call):
            continue
        for target in _targets(node):
            text = code.string(target)
            if text:
                yield text


def _targets(node: ast.Call) -> Iterator[ast.expr]:
    """Yield the expressions that name the file a call writes."""
    name = called(node)
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if name == "open":
        if _mode(node, at=1 if owner is None else 0) & set("wax"):
            yield from node.args[:1] if owner is None or _is_module(owner) else [owner]
    elif name in ("write_text", "write_bytes", "touch") and owner is not None:
        yield owner
    elif name in _WRITES_FILE and owner is not None and not _reads(owner):
        yield from node.args[1:2] if name in _TARGET_SECOND else node.args[:1]
        yield from (k.value for k in node.keywords if k.arg in ("path", "path_or_buf", "dst"))


def _mode(node: ast.Call, at: int) -> set[str]:
    given = [k.value for k in node.keywords if k.arg == "mode"] or node.args[at : at + 1]
    return {
        c
        for value in given
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
        for c in value.value
    }


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("io", "gzip", "bz2", "lzma", "codecs", "os")


def _reads(node: ast.expr) -> bool:
    """Say whether a method's owner reads: `spark.read.csv`, `json.load`."""
    return any(
        (isinstance(n, ast.Attribute) and n.attr in _READER)
        or (isinstance(n, ast.Name) and n.id in _READER)
        for n in ast.walk(node)
    )


def _tables(code: Code) -> Iterator[str]:
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Call):
            continue
        named = node.args[:1] if called(node) in _WRITES_TABLE | {"to_sql"} else []
        for target in named:
            text = code.string(target)
            if text:
                yield text


def _statements(code: Code) -> Iterator[str]:
    """Yield the SQL that is run; what is filled in at run time stands there as one odd word."""
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Call) or called(node) not in _RUNS_SQL:
            continue
        for argument in node.args[:1]:
            if isinstance(argument, ast.JoinedStr):
                yield "".join(
                    str(v.value) if isinstance(v, ast.Constant) else _UNKNOWN
                    for v in argument.values
                )
            elif text := code.string(argument):
                yield text
