"""What the names of a Python text stand for: modules under other names, constants, and chains.

Every assignment of a name counts, wherever it is and in whatever order: `x = pd; x = os` makes `x`
both. What cannot be told is None, and whoever asks must take the worst.
"""

import ast
import re
from collections.abc import Iterator

_DEEPEST = 12
"""Steps of looking a name up; deeper is taken as unknown."""
_LONGEST = 300
"""Names looked up for one expression; more is taken as unknown."""
_MOST = 16
"""Values one name may have; more are taken as unknown."""

Given = ast.expr | str | None
"""An expression, the dotted name that an import brings, or None for what comes from outside."""


class Names:
    """The names of one text (all of a notebook's cells are one)."""

    def __init__(self, tree: ast.AST) -> None:
        self._given: dict[str, list[Given]] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._open: set[str] = set()
        self._steps = 0
        self.modules: set[str] = set()
        """What is imported, whole dotted names and their first parts."""
        self.defined: set[str] = set()
        """Functions, classes and parameters' names of this text."""
        for node in ast.walk(tree):
            for name, value in _bindings(node):
                self._given.setdefault(name, []).append(value)
                if isinstance(value, str):
                    self.modules |= {value, value.partition(".")[0]}
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.defined.add(node.name)

    def dotted(self, node: ast.AST, depth: int = 0) -> frozenset[str]:
        """Return what an expression may be, as dotted names; a call ends in `()`, an item in `[]`.

        `s = requests.Session()` makes `s.post` a `requests.Session().post`.
        """
        if depth == 0:
            self._steps = 0
        if depth > _DEEPEST:
            return frozenset(("?",))
        match node:
            case ast.Name():
                return self._named(node.id, depth)
            case ast.Attribute():
                return _each(self.dotted(node.value, depth + 1), f".{node.attr}")
            case ast.Call(func=ast.Name("getattr"), args=[value, name, *_]):
                return self._getattr(value, name, depth)
            case ast.Call():
                return _each(self.dotted(node.func, depth + 1), "()")
            case ast.Subscript():
                return _each(self.dotted(node.value, depth + 1), "[]")
            case _:
                parts = _parts(node)
                if not parts:
                    return frozenset((_literal(node),))
                return frozenset().union(*(self.dotted(part, depth + 1) for part in parts))

    def _getattr(self, value: ast.AST, name: ast.AST, depth: int) -> frozenset[str]:
        known = self.strings(name, depth + 1)
        if known is None:
            return frozenset(("?getattr",))
        owners = self.dotted(value, depth + 1)
        return frozenset(f"{owner}.{attr}" for owner in owners for attr in known)

    def _named(self, name: str, depth: int) -> frozenset[str]:
        if not self._open and name in self._known:
            return self._known[name]
        values = self._given.get(name, ())
        self._steps += 1
        if name in self._open or self._steps > _LONGEST:
            # `df = df.assign(...)` says nothing new of `df`.
            return frozenset((name if self._steps <= _LONGEST else "?",))
        self._open.add(name)
        found: set[str] = set()
        for value in values[:_MOST]:
            if value is not None:
                found |= {value} if isinstance(value, str) else self.dotted(value, depth + 1)
        self._open.discard(name)
        others = {dotted for dotted in found if not _same(dotted, name)}
        if name in self.defined or not others or None in values or len(values) > _MOST:
            others.add(name)
        result = frozenset(sorted(others)[:_MOST])
        if not self._open:
            self._known[name] = result
        return result

    def strings(self, node: ast.AST | None, depth: int = 0) -> tuple[str, ...] | None:
        """Return all the texts an expression may be, None where that cannot be told."""
        if depth > _DEEPEST or node is None:
            return None
        match node:
            case ast.Constant(value=str(text)):
                return (text,)
            case ast.JoinedStr() | ast.BinOp(op=ast.Add()):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node.left, node.right]
                return self._joined(parts, depth)
            case ast.FormattedValue(format_spec=None):
                return self.strings(node.value, depth + 1)
            case ast.IfExp():
                return self._all((node.body, node.orelse), depth)
            case ast.Call(func=ast.Attribute(attr="strip" | "lower" | "upper"), args=[]):
                return self.strings(node.func.value, depth + 1)  # type: ignore[attr-defined]  # the pattern says so
            case ast.Call(func=ast.Attribute(attr="dedent" | "cleandoc"), args=[inner]):
                return self.strings(inner, depth + 1)
            case ast.Name():
                values = self._given.get(node.id)
                kept = [v for v in values or () if isinstance(v, ast.expr)]
                if not values or len(kept) != len(values):
                    return None
                return self._all(kept, depth)
            case _:
                return None

    def _all(
        self, nodes: "tuple[ast.expr, ...] | list[ast.expr]", depth: int
    ) -> tuple[str, ...] | None:
        found: list[str] = []
        for node in nodes[: _MOST + 1]:
            some = self.strings(node, depth + 1)
            if some is None:
                return None
            found += some
        return tuple(dict.fromkeys(found)) if len(found) <= _MOST else None

    def _joined(self, parts: list[ast.expr], depth: int) -> tuple[str, ...] | None:
        texts = [""]
        for part in parts:
            some = self.strings(part, depth + 1)
            if some is None or len(texts) * len(some) > _MOST:
                return None
            texts = [t + s for t in texts for s in some]
        return tuple(texts)

    def template(self, node: ast.AST | None, hole: str, depth: int = 0) -> str | None:
        """Return a text with `hole` for each part that cannot be told; None where it is all one."""
        if depth > _DEEPEST or node is None:
            return None
        known = self.strings(node, depth)
        if known is not None:
            return ";\n".join(known) if len(known) > 1 else known[0]
        match node:
            case ast.JoinedStr():
                return "".join(self.template(v, hole, depth + 1) or hole for v in node.values)
            case ast.BinOp(op=ast.Add()):
                sides = [self.template(v, hole, depth + 1) for v in (node.left, node.right)]
                return None if sides == [None, None] else "".join(s or hole for s in sides)
            case ast.BinOp(left=left, op=ast.Mod()):
                return _filled(self.template(left, hole, depth + 1), hole, "%s")
            case ast.Call(func=ast.Attribute(value=inner, attr="format")):
                return _filled(self.template(inner, hole, depth + 1), hole, "{}")
            case ast.Name():
                values = [v for v in self._given.get(node.id, ()) if isinstance(v, ast.expr)]
                texts = [self.template(v, hole, depth + 1) for v in values]
                whole = len(values) == len(self._given.get(node.id, ())) and None not in texts
                return ";\n".join(t for t in texts if t) if values and whole else None
            case _:
                return None


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return the expressions whose value this one may have."""
    match node:
        case ast.Await() | ast.NamedExpr():
            return [node.value]
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.BoolOp():
            return node.values
        case ast.BinOp():
            return [node.left]
        case _:
            return []


def _literal(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    return "str" if isinstance(node, ast.JoinedStr) else f"<{type(node).__name__.lower()}>"


def _filled(text: str | None, hole: str, style: str) -> str | None:
    if text is None:
        return None
    pattern = r"%\(?\w*\)?[sdrif]" if style == "%s" else r"(?<!\{)\{[^{}]*\}(?!\})"
    return re.sub(pattern, hole, text)


def _same(dotted: str, name: str) -> bool:
    """`df = df.assign(...)` says nothing new of `df`."""
    return dotted == name or dotted.startswith((f"{name}.", f"{name}[", f"{name}("))


def _each(names: frozenset[str], end: str) -> frozenset[str]:
    return frozenset((f"{name}{end}")[-200:] for name in names)


def _bindings(node: ast.AST) -> Iterator[tuple[str, Given]]:
    """Yield the names that a node binds, and to what."""
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from _imported(node)
        case ast.Assign():
            for target in node.targets:
                yield from _targets(target, node.value)
        case ast.AnnAssign(value=ast.expr()) | ast.NamedExpr():
            yield from _targets(node.target, node.value)
        case ast.AugAssign(target=ast.Name() as target):
            yield target.id, ast.BinOp(target, node.op, node.value)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            for value in (
                node.iter.elts if isinstance(node.iter, (ast.Tuple, ast.List)) else (None,)
            ):
                yield from _targets(node.target, value)
        case ast.withitem(optional_vars=ast.expr()):
            yield from _targets(node.optional_vars, node.context_expr)
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name, None
        case _:
            pass


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Given]]:
    for alias in node.names:
        top = alias.name.partition(".")[0]
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield alias.asname or alias.name, f"{module}.{alias.name}"
        else:
            yield alias.asname or top, alias.name if alias.asname else top


def _targets(target: ast.AST | None, value: ast.expr | None) -> Iterator[tuple[str, Given]]:
    match target:
        case ast.Name():
            yield target.id, value
        case ast.Tuple() | ast.List():
            same = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
            for index, part in enumerate(target.elts):
                inner = (
                    value.elts[index] if same and isinstance(value, (ast.Tuple, ast.List)) else None
                )
                yield from _targets(part, inner)
        case ast.Starred():
            yield from _targets(target.value, None)
        case _:
            pass


def shape(node: ast.AST) -> str:
    """Return an expression without names and texts: numbers, operators and calls stay."""
    tree = ast.parse(ast.unparse(node), mode="eval")
    called = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}

    class _Plain(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            return ast.Name("_") if isinstance(node.value, str) else node

        def visit_Name(self, _node: ast.Name) -> ast.AST:
            return ast.Name("_")

        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            self.generic_visit(node)
            return node if node in called else ast.Name("_")

    return ast.unparse(_Plain().visit(tree))
