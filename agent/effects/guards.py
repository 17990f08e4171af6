"""Checks that Python code holds against itself: asserts, raises, expectations, a true exit value.

A check that is gone, or reads differently apart from names, is `check_weakened`; so is a new
handler that swallows an error, and a result that is made up instead of counted. A Spark function
that gives NULL where there would be an error is `error_to_null`.
"""

import ast
from collections.abc import Iterator

from agent.effects import sql
from agent.effects.found import Found
from agent.effects.harmless import words
from agent.effects.names import Names, shape

_KIND = "check_weakened"
_REPORTED = words("status failed failed_items errors successful total success error ok")
"""Keys of a structured exit value."""
_CHECKS = ("expect", "assert", "validate", "check_", "verify", "raise_for_status", "ensure")
_EXPRESSIONS = ("expr", "selectExpr", "filter", "where")
"""Methods that take SQL expressions."""
_SEVERE = frozenset(("error", "exception", "critical", "fatal"))


def guards(tree: ast.AST, names: Names) -> Iterator[Found]:
    """Yield the checks of a text."""
    for node in ast.walk(tree):
        match node:
            case ast.Assert() if not isinstance(node.test, ast.Constant):
                yield _guard(f"assert {shape(node.test)}", f"asserts {_said(node.test)}", node)
            case ast.Raise():
                yield _guard("raise", "raises an error", node)
            case ast.If() if any(isinstance(n, ast.Raise) for n in node.body):
                yield _guard(f"if {shape(node.test)}", f"raises if {_said(node.test)}", node)
            case ast.Call() if _checks(node):
                yield _guard(f"call {shape(node)}", f"checks {_said(node)}", node)
            case ast.FunctionDef() if node.name.startswith("test"):
                yield _guard(f"def {node.name}", f"tests {node.name}", node)
            case ast.Call() if "sys.exit" in names.dotted(node.func) and _fails(node):
                yield _guard("exit", "ends with a failure", node)
            case _:
                pass


def weak(tree: ast.AST) -> Iterator[Found]:
    """Yield what hides failures: empty handlers, early good ends, results that are made up."""
    for node in ast.walk(tree):
        match node:
            case ast.ExceptHandler() if not _acts(node):
                caught = ast.unparse(node.type) if node.type else "everything"
                yield Found(_KIND, f"except {caught}", f"swallows {caught}", node.lineno)
            case ast.Dict():
                yield from _made_up(node)
            case (
                ast.Call(func=ast.Name("exit" | "quit")) | ast.Call(func=ast.Attribute(attr="exit"))
            ):
                if not _fails(node) or "notebook" in ast.unparse(node.func):
                    yield Found(_KIND, "good exit", "ends the program early", node.lineno)
            case ast.Assert(test=ast.Constant()):
                yield Found(_KIND, "assert constant", "asserts what is always so", node.lineno)
            case ast.If(test=ast.Constant()):
                yield Found(_KIND, "if constant", "has a condition that never changes", node.lineno)
            case _ if any(_unreachable(block) for block in _blocks(node)):
                line = getattr(node, "lineno", 1)
                yield Found(_KIND, "unreachable", "leaves code that is never run", line)
            case _:
                pass


def nulls(node: ast.Call, names: Names) -> Iterator[Found]:
    """Yield what makes NULL of an error: `try_cast`, `nullif`, SQL expressions that do."""
    func = node.func
    named = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if (named.startswith("try_") or named == "nullif") and named not in names.defined:
        says = f"gives NULL where there would be an error: {ast.unparse(node)[:80]}"
        yield Found("error_to_null", named, says, node.lineno)
    elif named in _EXPRESSIONS:
        for argument in node.args:
            for text in names.strings(argument) or ():
                yield from (f._replace(line=node.lineno) for f in sql.of_expression(text))


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    fields = (getattr(node, name, None) for name in ("body", "orelse", "finalbody"))
    return [block for block in fields if isinstance(block, list)]


def _unreachable(block: list[ast.stmt]) -> bool:
    ends = (ast.Return, ast.Raise, ast.Break, ast.Continue)
    return any(isinstance(statement, ends) for statement in block[:-1])


def _guard(what: str, says: str, node: ast.stmt | ast.expr) -> Found:
    return Found(_KIND, what, says, node.lineno)


def _said(node: ast.AST) -> str:
    return ast.unparse(node)[:60]


def _checks(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.startswith(_CHECKS)


def _fails(node: ast.Call) -> bool:
    """Return whether an exit is one with a failure."""
    code = node.args[0] if node.args else None
    return code is not None and not (isinstance(code, ast.Constant) and code.value in (0, None))


def _acts(handler: ast.ExceptHandler) -> bool:
    """Return whether a handler does something about the error: raises, fails, or says it loudly."""
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and (
            (ast.unparse(node.func) in ("sys.exit", "exit", "quit") and _fails(node))
            or ast.unparse(node.func) in ("pytest.fail",)
        ):
            return True
    return False


def _made_up(node: ast.Dict) -> Iterator[Found]:
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or key.value not in _REPORTED:
            continue
        if isinstance(value, ast.Constant) or (
            isinstance(value, (ast.List, ast.Dict)) and not ast.unparse(value)[1:-1]
        ):
            text = f"{key.value!s}: {ast.unparse(value)}"
            yield Found(_KIND, f"reports {text}", f"reports {text} whatever happens", value.lineno)
