"""A Spark frame's writes: `df.write.mode(...).option(...).saveAsTable(...)`, streams included."""

import ast

from agent.effects import calls
from agent.effects.found import Found
from agent.effects.names import Names


def read(
    node: ast.Call, names: Names, parents: dict[ast.AST, ast.AST]
) -> tuple[list[Found], list[Found]] | None:
    """Return the acts and guards of one call of such a chain; None where it belongs to none."""
    if not isinstance(node.func, ast.Attribute):
        return None
    method = node.func.attr
    if method in ("mode", "option", "options", "append", "overwrite", "outputMode"):
        return _setting(node, method, names, parents)
    if method in calls.WRITES and _writes(node, names):
        return _ending(node, method, names)
    return None


def _writes(node: ast.Call, names: Names) -> bool:
    parts = {
        part.replace("()", "").replace("[]", "")
        for dotted in names.dotted(node.func)
        for part in dotted.split(".")[:-1]
    }
    return bool(parts.intersection(calls.WRITERS)) or node.func.attr in (  # type: ignore[attr-defined]  # checked by the caller
        "saveAsTable",
        "insertInto",
        "toTable",
    )


def _ending(node: ast.Call, method: str, names: Names) -> tuple[list[Found], list[Found]]:
    target = _target(node, names)
    modes = _modes(node, names)
    line = node.lineno
    output = Found("output_removed", f"spark {target}", f"writes {target}", line)
    if method == "insertInto":
        over = any(k.arg == "overwrite" and ast.unparse(k.value) != "False" for k in node.keywords)
        modes = {"overwrite"} if over or "overwrite" in modes else {"append"}
    if method in ("toTable", "start"):
        # A stream goes on where its checkpoint says, so starting it again repeats nothing.
        found = Found(
            "table_append", f"stream {target}", f"streams into {target}", line, name=target
        )
        return [found], [output]
    acts = []
    if "overwrite" in modes:
        says = f"overwrites {target}"
        acts.append(Found("table_overwrite", f"overwrite {target}", says, line, name=target))
    if "append" in modes:
        says = f"appends to {target}"
        acts.append(Found("table_append", f"append {target}", says, line, again=True, name=target))
    if "?" in modes:
        says = f"writes {target} in a mode that cannot be told"
        acts.append(Found("unparsed", f"mode of {target}", says, line, again=True))
    if not modes - {"error", "errorifexists", "ignore"}:
        acts.append(Found("table_write", f"write {target}", f"writes {target}", line, name=target))
    return acts, [output]


def _target(node: ast.Call, names: Names) -> str:
    """Return where a chain writes, as far as it can be told."""
    given = node.args[0] if node.args else next((k.value for k in node.keywords), None)
    if given is None:
        return "somewhere"
    known = names.strings(given)
    return " or ".join(known).lower() if known else ast.unparse(given)


def _modes(node: ast.Call, names: Names) -> set[str]:
    """Return the write modes set anywhere in the chain before this call; `?` = cannot be told."""
    found: set[str] = set()
    for argument in [k.value for k in node.keywords if k.arg == "mode"]:
        found.update(names.strings(argument) or ("?",))
    below: ast.AST = node.func
    while isinstance(below, (ast.Attribute, ast.Call)):
        if isinstance(below, ast.Call):
            if isinstance(below.func, ast.Attribute) and below.func.attr == "mode":
                for argument in (*below.args, *(k.value for k in below.keywords)):
                    found.update(names.strings(argument) or ("?",))
            below = below.func
        else:
            below = below.value
    return {mode.lower() for mode in found}


def _setting(
    node: ast.Call, method: str, names: Names, parents: dict[ast.AST, ast.AST]
) -> tuple[list[Found], list[Found]] | None:
    if method == "mode":
        return _loose_mode(node, names, parents)
    if method in ("append", "overwrite"):
        return _write_to(node, method, names)
    if method in ("option", "options"):
        return _options(node, names), []
    return [], []


def _loose_mode(
    node: ast.Call, names: Names, parents: dict[ast.AST, ast.AST]
) -> tuple[list[Found], list[Found]] | None:
    """A mode on a writer that is ended elsewhere (`w = df.write.mode(...)`) counts by itself."""
    above: ast.AST | None = node
    while isinstance(above, (ast.Attribute, ast.Call)):
        if isinstance(above, ast.Call) and getattr(above.func, "attr", "") in calls.WRITES:
            return [], []
        above = parents.get(above)
    if not node.args:
        return None
    known = names.strings(node.args[0])
    if known is None:
        says = "writes in a mode that cannot be told"
        return [Found("unparsed", ast.unparse(node), says, node.lineno, again=True)], []
    acts = []
    for mode in (k.lower() for k in known):
        if mode == "overwrite":
            acts.append(Found("table_overwrite", "mode overwrite", "overwrites", node.lineno))
        elif mode == "append":
            acts.append(Found("table_append", "mode append", "appends", node.lineno, again=True))
    return acts, []


def _write_to(node: ast.Call, method: str, names: Names) -> tuple[list[Found], list[Found]] | None:
    """`df.writeTo(t).append()`; the append of a list or a connection is judged elsewhere."""
    if not any("writeTo" in dotted for dotted in names.dotted(node.func)):
        if method == "append" and len(node.args) == 2:
            target = _target(node, names)
            says = f"appends to {target}"
            return [Found("table_append", f"append {target}", says, node.lineno, again=True)], []
        return None
    if method == "append":
        return [Found("table_append", "writeTo append", "appends", node.lineno, again=True)], []
    return [Found("table_overwrite", "writeTo overwrite", "overwrites", node.lineno)], []


def _options(node: ast.Call, names: Names) -> list[Found]:
    pairs = [(k.arg or "", k.value) for k in node.keywords]
    if len(node.args) == 2 and (key := names.strings(node.args[0])):
        pairs.append((key[0], node.args[1]))
    return [f for key, value in pairs if (f := _option(key, value, node, names)) is not None]


def _option(key: str, value: ast.expr, node: ast.Call, names: Names) -> Found | None:
    known = names.strings(value) or (ast.unparse(value),)
    text = f"{key}={' or '.join(known)}"
    name = key.lower()
    on = any(k.lower() == "true" for k in known)
    if name == "checkpointlocation":
        return Found("checkpoint_change", text, f"keeps its checkpoint at {known[0]}", node.lineno)
    if name in ("overwriteschema", "replacewhere"):
        return (
            Found("table_overwrite", text, f"overwrites by {text}", node.lineno)
            if on or name == "replacewhere"
            else None
        )
    if name in ("mode", "badrecordspath") and any("PERMISSIVE" not in k.upper() for k in known):
        return Found("check_weakened", text, f"lets bad rows go: {text}", node.lineno)
    if name in (
        "mergeschema",
        "ignorechanges",
        "ignoredeletes",
        "skipchangecommits",
        "failondataloss",
    ):
        return Found("check_weakened", text, f"tolerates changes: {text}", node.lineno)
    if name in ("startingversion", "startingoffsets", "startingtimestamp", "txnversion"):
        return Found("checkpoint_change", text, f"starts reading at {text}", node.lineno)
    return None
