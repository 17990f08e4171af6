"""Files that Python opens or exports: read, written or appended to."""

import ast
from collections.abc import Iterator

from agent.effects import calls
from agent.effects.found import Found
from agent.effects.harmless import words
from agent.effects.names import Names

_OPENERS = words(
    "open io.open codecs.open gzip.open bz2.open lzma.open zipfile.ZipFile tarfile.open os.fdopen"
)


def opened(node: ast.Call, dotted: str, names: Names) -> list[Found] | None:
    """Return what opening this file does; None where the call opens none."""
    method = dotted.endswith(".open") and dotted not in _OPENERS
    if dotted not in _OPENERS and not method:
        return None
    if dotted.startswith(("webbrowser.", "PIL.", "Image.")):
        return None
    index = 0 if method else 1
    given = node.args[index] if len(node.args) > index else None
    given = next((k.value for k in node.keywords if k.arg == "mode"), given)
    modes = ("r",) if given is None else names.strings(given)
    path = "" if method or not node.args else ast.unparse(node.args[0])
    text = f"{path or dotted}"[:60]
    if modes is None:
        says = f"opens {text} in a mode that cannot be told"
        return [Found("unparsed", f"open {text}", says, node.lineno, again=True)]
    return list(_by_mode(modes, text, node.lineno))


def _by_mode(modes: tuple[str, ...], text: str, line: int) -> Iterator[Found]:
    for mode in modes:
        if "a" in mode:
            yield Found(
                "file_append", f"append {text}", f"appends to file {text}", line, again=True
            )
        elif "+" in mode and "w" not in mode:
            yield Found("file_write", f"change {text}", f"changes file {text}", line, again=True)
        elif "w" in mode or "x" in mode:
            yield Found("file_write", f"write {text}", f"writes file {text}", line)


def exported(node: ast.Call, method: str, call: calls.Call) -> Iterator[Found]:
    """Yield what `to_csv`, `to_parquet` ... do; without a path some return a text instead."""
    path = ast.unparse(node.args[0]) if node.args else ""
    keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
    path = path or next((v for k, v in keywords.items() if k and ("path" in k or k == "buf")), "")
    mode = keywords.get("mode", "").strip("'\"")
    if not path and method in ("to_csv", "to_json", "to_html", "to_markdown", "to_latex", "to_xml"):
        return
    if call.again and mode != "w":
        yield Found(call.kind, f"{method} {path}", f"{call.says}: {path}", node.lineno, again=True)
    elif mode.startswith("a"):
        says = f"appends to file {path}"
        yield Found("file_append", f"append {path}", says, node.lineno, again=True)
    elif mode and mode not in ("w", "wb", "x", "overwrite"):
        says = f"writes {path} in a mode that cannot be told"
        yield Found("unparsed", f"mode {path}", says, node.lineno, again=True)
    else:
        yield Found("file_write", f"write {path}", f"writes file {path}", node.lineno)


def to_sql(node: ast.Call, names: Names) -> Found:
    """Return what a frame's `to_sql` does: it fails, replaces or appends."""
    table = (names.strings(node.args[0]) if node.args else None) or ("a table",)
    given = next((k.value for k in node.keywords if k.arg == "if_exists"), None)
    modes = ("fail",) if given is None else names.strings(given)
    name, line = table[0].lower(), node.lineno
    if modes is None or "append" in modes:
        says = f"appends to table {name}"
        return Found("table_append", f"append {name}", says, line, again=True, name=name)
    if "replace" in modes:
        return Found(
            "table_overwrite", f"replace {name}", f"replaces table {name}", line, name=name
        )
    return Found("table_write", f"create {name}", f"creates table {name}", line, name=name)


def resets(found: Found, node: ast.Call, parents: dict[ast.AST, ast.AST]) -> Found:
    """Deleting what may be gone already, and is written later on, is no harm a second time."""
    if found.kind != "file_delete":
        return found
    about = node.args[0] if node.args else getattr(node.func, "value", node)
    names = {n.id for n in ast.walk(about) if isinstance(n, ast.Name)}
    texts = {n.value for n in ast.walk(about) if isinstance(n, ast.Constant)}
    tolerant = any(k.arg in ("missing_ok", "ignore_errors") for k in node.keywords)
    above: ast.AST | None = node
    root: ast.AST = node
    while above is not None:
        root = above
        tolerant = tolerant or (isinstance(above, ast.If) and "exists" in ast.unparse(above.test))
        above = parents.get(above)
    later = (n for n in ast.walk(root) if getattr(n, "lineno", 0) > (node.end_lineno or 0))
    used = any(
        (isinstance(n, ast.Name) and n.id in names)
        or (isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value in texts)
        for n in later
    )
    return found._replace(again=not (tolerant and used))
