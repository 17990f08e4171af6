"""A path that leads nowhere, where one file of the tree was clearly meant: name that file.

    pd.read_csv("sales.csv")           ->  pd.read_csv("data/sales.csv")
    sql_task: {file: {path: laod.sql}} ->  sql_task: {file: {path: load.sql}}

The path is a literal of the failing code, or of the job file where that names a missing file.
Tasks run in the root of the source, so the new path is relative to it.
Source: https://docs.python.org/3/library/exceptions.html#FileNotFoundError

A file that another task of the job makes is no wrong path: that is left to `missing_dependency`.

Left alone: several files fit, a task makes the file and is waited for already, a folder that
differs in meaning (another year, `raw` and `clean`), an absolute path, a path that the code writes
to, and one that is put together at run time.
"""

import ast
import posixpath
from collections.abc import Iterator

from sqlglot import exp

from agent.code import cells, edits, jobtext, products, spelling, sqltext, yamltext
from agent.code.pythontext import Code
from agent.fixers import Proposal, Work, missing_dependency


def propose(work: Work) -> Proposal | str:
    """Replace the wrong `path` by the one file of the tree that it must mean."""
    path = work.diagnosis.parameters.get("path", "").strip().strip("'\"")
    job = jobtext.of(work.failure, work.read)
    if not isinstance(job, str) and products.makers(job, work.read, file=path):
        return missing_dependency.propose(work)
    if not path or any(c in path for c in "*?\n\0"):
        return "the log does not name one file that is missing"
    found = _meant(path, work.failure.facts.files)
    if found is None:
        return f"no single file of the tree is clearly what {path} means"
    for place in _places(work):
        text = work.read(place)
        changes = _changes(place, text, path, found) if text is not None else []
        if isinstance(changes, str):
            return changes
        if changes and text is not None:
            return Proposal(
                edits.unique(place, text, changes),
                f"There is no file {path}; the tree has {found}.",
            )
    return f"no literal in the failing code or the job file names {path}"


def _places(work: Work) -> Iterator[str]:
    """Yield the files that may hold the literal: the job file for create, else the code."""
    facts, location = work.failure.facts, work.place()
    if work.failure.phase == "create":
        yield from [facts.job_file] if facts.job_file else []
        return
    code = [location.path] if location else []
    yield from dict.fromkeys([*code, *([facts.task_file] if facts.task_file else [])])


def _meant(path: str, files: tuple[str, ...]) -> str | None:
    """Return the one file with the same name, else the one clearly nearest in the same folder."""
    inside = [f for f in files if not f.startswith(("/", "../"))]
    name, folder = posixpath.basename(path), posixpath.dirname(path)
    if posixpath.normpath(path) in inside or not name:
        return None
    same = [f for f in inside if posixpath.basename(f) == name]
    if same:
        return same[0] if len(same) == 1 and _same_meaning(folder, same[0]) else None
    stem, ending = posixpath.splitext(name)
    beside = {
        posixpath.splitext(posixpath.basename(f))[0]: f
        for f in inside
        if _same_folder(folder, posixpath.dirname(f)) and posixpath.splitext(f)[1] == ending
    }
    near = spelling.nearest(stem, beside)
    return beside[near] if near else None


def _same_meaning(folder: str, file: str) -> bool:
    """Say whether the folders differ in name only: never another year, never `raw` for `clean`."""
    one, two = set(folder.split("/")), set(posixpath.dirname(file).split("/"))
    gone = set() if folder.startswith("/") else one - two
    return not any(spelling.changes_meaning(part) for part in gone | (two - one))


def _same_folder(asked: str, folder: str) -> bool:
    asked = posixpath.normpath(asked or ".")
    folder = posixpath.normpath(folder or ".")
    return asked == folder or (asked.startswith("/") and asked.endswith("/" + folder))


def _changes(place: str, text: str, path: str, new: str) -> list[edits.Change] | str:
    """Return the changes of every literal that is the path; a sentence where one is written to."""
    if place.endswith((".yaml", ".yml")):
        named = [s for s in yamltext.scalars(yamltext.compose(text)) if _is(s.value, path)]
        return [yamltext.rename(s, new) for s in named]
    if any(c in new for c in "'\"\\"):
        return f"{new} cannot be written in the place of {path}"
    if any(products.same_file(path, f) for f in products.made(place, text).files):
        return f"{place} writes {path} itself; the folder may be what is missing"
    changes: list[edits.Change] = []
    for cell in cells.read(place, text):
        spans = _sql(cell.text, path) if cell.language == "sql" else _python(cell.text, path)
        changes += [cell.change(start, end, new) for start, end in spans]
    return changes


def _is(literal: object, path: str) -> bool:
    """Say whether a literal is the path of the error, which may have been made absolute."""
    if not isinstance(literal, str) or literal.startswith("/") or not posixpath.basename(literal):
        return False
    one, two = posixpath.normpath(literal), posixpath.normpath(path)
    return one == two or (two.startswith("/") and two.endswith("/" + one.lstrip("./")))


def _python(text: str, path: str) -> Iterator[tuple[int, int]]:
    try:
        code = Code(text)
    except SyntaxError:
        return
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if _is(node.value, path) and not _is_part(code, node):
            place = code.inside(node, 0, len(node.value))
            if place is not None:
                yield place.start, place.end
        elif path in node.value and isinstance(code.parents.get(node), ast.Call):
            for start, end in _sql(node.value, path):
                place = code.inside(node, start, end)
                if place is not None:
                    yield place.start, place.end


def _is_part(code: Code, node: ast.Constant) -> bool:
    """Say whether a literal is joined with others to a path, or is a message."""
    parent = code.parents.get(node)
    return isinstance(parent, ast.BinOp | ast.JoinedStr | ast.Expr | ast.Compare) or (
        isinstance(parent, ast.Call)
        and (
            (isinstance(parent.func, ast.Name) and parent.func.id == "print")
            or (isinstance(parent.func, ast.Attribute) and parent.func.attr in ("join", "info"))
        )
    )


def _sql(text: str, path: str) -> Iterator[tuple[int, int]]:
    """Yield where SQL names the file, in quotes, without them."""
    for statement in sqltext.statements(text, "duckdb") or ():
        for node in statement.find_all(exp.Literal, exp.Identifier):
            start, end = node.meta.get("start"), node.meta.get("end")
            if _is(node.name, path) and isinstance(start, int) and isinstance(end, int):
                at = text.find(node.name, start, end + 1)
                if at >= 0:
                    yield at, at + len(node.name)
