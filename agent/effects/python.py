"""What a Python text does: parsed with ast, names resolved by `names`, calls judged by `calls`.

What a call is about (a table, a path, a condition) is part of what is compared between two
versions; the names of columns are not, so that a renamed column is no new filter. Strings that are
run as SQL are read as SQL. What cannot be told counts as the worst it may be.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from agent.effects import calls, files, harmless, network, sparkwrite, sql
from agent.effects.found import Found, Reading, both, moved
from agent.effects.guards import guards, nulls, weak
from agent.effects.names import Names, shape

_HOLE = "unresolved_"


class _Text(NamedTuple):
    """A parsed text and what is needed to judge its calls."""

    names: Names
    parents: dict[ast.AST, ast.AST]
    own: frozenset[str]
    """Top-level names of the tree's own modules."""


def read(text: str, own: frozenset[str] = frozenset()) -> Reading:
    """Read a text; `own` are top-level modules of the same tree, whose effects are read there."""
    try:
        return _read(_with_attributes(ast.parse(text)), own)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        what = " ".join(text.split())
        return Reading(
            (Found("unparsed", what, "is Python that cannot be read", line, again=True),)
        )


def _with_attributes(tree: ast.Module) -> ast.Module:
    """Write `getattr(x, "name")` as `x.name` wherever the name can be told."""
    names = Names(tree)

    class _Attributes(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            if len(node.args) < 2 or names.dotted(node.func) != {"getattr"}:
                return node
            known = names.strings(node.args[1])
            if known is None or len(known) != 1 or not known[0].isidentifier():
                return node
            return ast.copy_location(ast.Attribute(node.args[0], known[0], ast.Load()), node)

    changed: ast.Module = _Attributes().visit(tree)
    return changed


def _read(tree: ast.Module, own: frozenset[str]) -> Reading:
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    known = _Text(Names(tree), parents, own)
    readings: list[Reading] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call():
                readings.append(_call(node, known))
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()):
                readings.append(Reading(tuple(_reference(node, known))))
            case ast.Import() | ast.ImportFrom():
                readings.append(Reading(tuple(_import(node, known))))
            case ast.Subscript(ctx=ast.Load(), slice=ast.Compare() | ast.BoolOp() | ast.BinOp()):
                readings.append(Reading(tuple(_mask(node))))
            case ast.Assign() | ast.AugAssign() | ast.Delete():
                readings.append(Reading(tuple(_changed(node, known))))
            case _:
                pass
    readings.append(Reading(tuple(weak(tree)), tuple(guards(tree, known.names))))
    return both(readings)


def _import(node: ast.Import | ast.ImportFrom, known: _Text) -> Iterator[Found]:
    import sys

    from agent.distributions import IMPORTS

    modules = (
        [alias.name for alias in node.names]
        if isinstance(node, ast.Import)
        else ["" if node.level else node.module or ""]
    )
    for module in filter(None, modules):
        top = module.partition(".")[0]
        ours = {*IMPORTS, "pyspark", "dlt", "databricks", "google", "azure", "snowflake", "mysql"}
        if top not in sys.stdlib_module_names and top not in ours and top not in known.own:
            yield Found("import_unknown", module, f"imports {module}", node.lineno)
    if any(alias.name == "*" for alias in node.names):
        what = ast.unparse(node)
        yield Found("exec_dynamic", what, f"imports whatever there is: {what}", node.lineno)


def _reference(node: ast.Name | ast.Attribute, known: _Text) -> Iterator[Found]:
    """A dangerous function that is handed on (`map(os.remove, files)`) counts as called."""
    parent = known.parents.get(node)
    if isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is node):
        return
    if isinstance(node, ast.Attribute) and node.attr in _INNER:
        says = f"reaches into Python's own insides: {node.attr}"
        yield Found("exec_dynamic", node.attr, says, node.lineno, again=True)
    for dotted in known.names.dotted(node):
        plain = _plain(dotted)
        call = calls.EXACT.get(plain) or (_under(plain) if "." in plain else None)
        if call is not None and call.kind in _HANDED_ON:
            yield Found(call.kind, dotted, f"{call.says} ({dotted})", node.lineno, call.again)


_HANDED_ON = ("file_delete", "shell_run", "exec_dynamic", "file_move")
_INNER = harmless.words(
    "__globals__ __builtins__ __subclasses__ __bases__ __mro__ __code__ __import__ __loader__"
)
_EVERYWHERE = ("os", "sys", "shutil", "subprocess", "builtins", "importlib", "pickle", "ctypes")
"""Modules that other modules hold as an attribute: `glob.os.remove`."""


def _plain(dotted: str) -> str:
    """Return a dotted name without brackets, from the last of the modules that are everywhere."""
    parts = dotted.replace("()", "").replace("[]", "").split(".")
    last = max((i for i, part in enumerate(parts) if part in _EVERYWHERE), default=0)
    return ".".join(parts[last:])


def _changed(node: ast.Assign | ast.AugAssign | ast.Delete, known: _Text) -> Iterator[Found]:
    """Changing the environment, or an attribute of somebody else's module."""
    targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
    for target in targets:
        if not isinstance(target, (ast.Subscript, ast.Attribute)):
            continue
        owners = known.names.dotted(target.value)
        if "os.environ" in owners or owners & known.names.modules:
            what = ast.unparse(node)
            says = f"changes the environment or a module: {what[:60]}"
            yield Found("config_change", what, says, node.lineno)


def _mask(node: ast.Subscript) -> Iterator[Found]:
    has_test = any(isinstance(n, ast.Compare) for n in ast.walk(node.slice))
    if has_test:
        what = f"mask {shape(node.slice)}"
        says = f"keeps fewer rows: [{ast.unparse(node.slice)[:60]}]"
        yield Found("rows_dropped", what, says, node.lineno)


def _call(node: ast.Call, known: _Text) -> Reading:
    if (found := _sql(node, known)) is not None:
        return found
    acts = [*_arguments(node), *nulls(node, known.names)]
    writing = _spark_write(node, known)
    if writing is not None:
        return Reading((*acts, *writing[0]), tuple(writing[1]))
    for dotted in sorted(known.names.dotted(node.func)):
        acts += _judged(node, dotted, known)
    return Reading(tuple({(f.kind, f.what): f for f in acts}.values()))


def _judged(node: ast.Call, dotted: str, known: _Text) -> Iterator[Found]:
    """Yield what one possible meaning of a call does."""
    method = dotted.rpartition(".")[2] if "." in dotted else ""
    plain = _plain(dotted)
    if dotted in ("getattr", "?getattr"):
        yield from _getattr(node, known)
    elif (found := files.opened(node, dotted, known.names)) is not None:
        yield from found
    elif (call := calls.EXACT.get(plain)) is not None:
        yield files.resets(_found(node, call, plain), node, known.parents)
    elif network.library(plain):
        yield network.call(node, dotted, known.names)
    elif (call := _under(plain)) is not None:
        yield _found(node, call, dotted)
    elif method in calls.METHODS and not _computes(plain):
        yield from _method(node, method, plain, known)
    elif not _harmless(dotted, method, known):
        yield network.unknown(node, dotted, method)


def _getattr(node: ast.Call, known: _Text) -> Iterator[Found]:
    name = node.args[1] if len(node.args) > 1 else None
    if known.names.strings(name) is None:
        what = ast.unparse(node)
        says = f"reaches for something by a name put together at run time: {what[:60]}"
        yield Found("exec_dynamic", what, says, node.lineno, again=True)


def _found(node: ast.Call, call: calls.Call, name: str) -> Found:
    what = f"{name}({', '.join(map(ast.unparse, node.args))})"
    return Found(call.kind, what, f"{call.says}: {ast.unparse(node)[:80]}", node.lineno, call.again)


def _under(plain: str) -> calls.Call | None:
    parts = plain.split(".")
    for end in range(len(parts), 0, -1):
        start = ".".join(parts[:end])
        if start in calls.UNDER:
            return calls.UNDER[start]
    if len(parts) > 1:
        stem = f"{parts[0]}.{parts[1]}"
        return next((c for u, c in calls.UNDER.items() if "." in u and stem.startswith(u)), None)
    return None


def _method(node: ast.Call, method: str, plain: str, known: _Text) -> Iterator[Found]:
    if method == "to_sql":
        yield files.to_sql(node, known.names)
        return
    call = calls.METHODS[method]
    if call.kind == "rows_dropped":
        what = f"{method}({', '.join(shape(a) for a in node.args)})"
        yield Found(call.kind, what, f"{call.says}: {ast.unparse(node)[-80:]}", node.lineno)
    elif method.startswith("to_"):
        yield from files.exported(node, method, call)
    elif method == "start" and not any(w in plain.split(".") for w in calls.WRITERS):
        return
    else:
        yield files.resets(_found(node, call, method), node, known.parents)


def _computes(plain: str) -> bool:
    """Return whether the method's owner only computes: `re.Match`, `itertools`, `math` ..."""
    return plain.partition(".")[0] in ("re", "math", "itertools", "str", "random", "threading")


def _harmless(dotted: str, method: str, known: _Text) -> bool:
    root = dotted.split(".")[0].split("(")[0].split("[")[0]
    if "." not in dotted:
        return root in harmless.FUNCTIONS or root in known.names.defined or dotted.startswith("<")
    if root in known.own or root in known.names.defined or dotted.startswith("."):
        return True
    if method.removesuffix("()").removesuffix("[]") in known.names.defined:
        return True
    name = method.removesuffix("()").removesuffix("[]")
    parts = _plain(dotted).split(".")
    if parts[0] in harmless.CONNECTIONS:
        return name in harmless.CONNECTED
    if any(".".join(parts[:end]) in harmless.MODULES for end in range(1, len(parts) + 1)):
        return True
    # A method's name says nothing where its owner comes from a module that is not known.
    runtime = parts[0] in ("dbutils", "oidlUtils")
    foreign = parts[0] in known.names.modules or parts[0] in _EVERYWHERE or runtime
    return not foreign and name in harmless.METHODS


def _arguments(node: ast.Call) -> Iterator[Found]:
    """Yield what single arguments do, whatever is called: time limits, leniency, write modes."""
    for keyword in node.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        text = f"{keyword.arg}={ast.unparse(keyword.value)}"
        if keyword.arg in calls.LIMITS:
            yield Found("limit_raised", text, f"sets {text}", node.lineno)
        elif keyword.arg in calls.LENIENT and value in calls.LENIENT[keyword.arg]:
            yield Found(
                "check_weakened", text, f"lets bad data or errors through: {text}", node.lineno
            )
        elif keyword.arg in ("full_refresh", "overwriteSchema") and value in (True, "true"):
            yield Found(
                "full_refresh", text, f"rebuilds or changes a whole table: {text}", node.lineno
            )


def _spark_write(node: ast.Call, known: _Text) -> tuple[list[Found], list[Found]] | None:
    return sparkwrite.read(node, known.names, known.parents)


def _sql(node: ast.Call, known: _Text) -> Reading | None:
    """Read the SQL that a call runs; None where it runs none."""
    said = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    ends = {said, *(dotted.rpartition(".")[2] for dotted in known.names.dotted(node.func))}
    name = next((end for end in sorted(ends) if end in calls.SQL_METHODS), None)
    if name is None or not (node.args or node.keywords):
        return None
    given = node.args[0] if node.args else node.keywords[0].value
    if isinstance(given, ast.Call) and "text" in ast.unparse(given.func) and given.args:
        given = given.args[0]
    text = known.names.template(given, _HOLE)
    if text is None:
        if name == "query" or (name == "execute" and isinstance(given, ast.Dict)):
            return None
        what = f"sql {ast.unparse(given)}"
        says = f"runs SQL that cannot be told: {ast.unparse(given)[:60]}"
        return Reading((Found("unparsed", what, says, node.lineno, again=True),))
    if name == "query" and not sql.looks_like_sql(text):
        return None
    found = moved(sql.read(text), given.lineno - 1)
    if _HOLE not in text:
        return found
    what = f"sql with {text.count(_HOLE)} unresolved parts"
    changing = any(f.again for f in found.acts)
    says = f"runs SQL with parts that cannot be told: {' '.join(text.split())[:60]}"
    return both((found, Reading((Found("unparsed", what, says, node.lineno, again=changing),))))
