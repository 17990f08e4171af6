"""Python code with the offsets of its parts: string literals, the constants behind names.

Positions come from the syntax tree, so comments and other strings are never touched.
"""

import ast
import io
import posixpath
import re
import tokenize
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from agent.code.sqltext import Span

_FSTRING = re.compile(r"[fF](?P<mark>\"{3}|'{3}|\"|')(?P<body>.*)(?P=mark)", re.DOTALL)
_HOLE = re.compile(r"\{[^{}]*\}")


class Piece(NamedTuple):
    """Part of a string literal that is written as it reads, without escapes."""

    value_at: int
    """Offset in the string's value."""
    start: int
    """Offset in the text."""
    length: int


class Template(NamedTuple):
    """An f-string's text, with blanks of the same length for what is filled in at run time."""

    text: str
    """As written; `{...}` reads `_____`."""
    start: int
    """Offset in the code of its first character."""


class Code:
    """A parsed text. Raises `SyntaxError` for what is no Python."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            with _quietly():
                self.tree = ast.parse(text)
        except (ValueError, RecursionError, MemoryError) as error:  # a NUL, or nested too deep
            raise SyntaxError(str(error)) from error
        self.starts = [0]
        for line in io.StringIO(text, newline=""):
            self.starts.append(self.starts[-1] + len(line))
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self.values = _assigned(self.tree)

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a 1-based line and a column in UTF-8 bytes, as `ast` counts."""
        start = self.starts[line - 1]
        stop = self.starts[line] if line < len(self.starts) else len(self.text)
        return start + len(self.text[start:stop].encode()[:column].decode(errors="ignore"))

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Return where a node stands."""
        return Span(
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset),
        )

    def pieces(self, node: ast.Constant) -> tuple[Piece, ...]:
        """Return the parts of a literal that are written as they read; none for f-strings."""
        if isinstance(self.parents.get(node), ast.JoinedStr):
            return ()
        start, end = self.span(node)
        found: list[Piece] = []
        at = 0
        for string, offset in _strings(self.text[start:end]):
            with _quietly():
                value = ast.literal_eval(string)
            body = _body(string)
            if not isinstance(value, str):
                return ()
            if string[body[0] : body[1]] == value:
                found.append(Piece(at, start + offset + body[0], len(value)))
            at += len(value)
        return tuple(found)

    def inside(self, node: ast.Constant, start: int, end: int) -> Span | None:
        """Return where `value[start:end]` of a string literal stands; None where it is escaped."""
        for piece in self.pieces(node):
            if piece.value_at <= start and end <= piece.value_at + piece.length:
                shift = piece.start - piece.value_at
                return Span(start + shift, end + shift)
        return None

    def template(self, node: ast.expr) -> Template | None:
        """Return an f-string that is written as one literal and without escapes, else None."""
        if not isinstance(node, ast.JoinedStr):
            return None
        start, end = self.span(node)
        found = _FSTRING.fullmatch(self.text, start, end)
        if found is None or "\\" in found["body"] or found["mark"] in found["body"]:
            return None
        filled = _HOLE.sub(lambda hole: "_" * len(hole[0]), found["body"])
        return None if set("{}") & set(filled) else Template(filled, found.start("body"))

    def templates(self, node: ast.expr) -> tuple[Template, ...]:
        """Return the f-strings an expression stands for: itself, or a name's values."""
        values = self.values.get(node.id, []) if isinstance(node, ast.Name) else [node]
        return tuple(t for t in map(self.template, values) if t is not None)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node is in, the nearest first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def constants(self, node: ast.expr) -> tuple[ast.Constant, ...]:
        """Return the string literals an expression stands for: itself, items, a name's value."""
        match node:
            case ast.Constant(value=str()):
                return (node,)
            case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                return tuple(c for e in elts for c in self.constants(e))
            case ast.Starred(value=value):
                return self.constants(value)
            case ast.Name(id=name):
                values = self.values.get(name, [])
                return tuple(
                    c
                    for value in values
                    if not isinstance(value, ast.Name)
                    for c in self.constants(value)
                )
        return ()

    def string(self, node: ast.expr | None) -> str | None:
        """Return the text or path that an expression builds from literals; None where it does not.

        Follows names with one value, `Path(...)`, `a / b`, `a + b` and `os.path.join(...)`.
        """
        return self._string(node, 8) if node is not None else None

    def _string(self, node: ast.expr, depth: int) -> str | None:
        if depth == 0:
            return None
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.Name(id=name) if len(self.values.get(name, [])) == 1:
                return self._string(self.values[name][0], depth - 1)
            case ast.BinOp(left=left, op=ast.Div() | ast.Add(), right=right):
                parts = self._string(left, depth - 1), self._string(right, depth - 1)
                slash = isinstance(node.op, ast.Div)
                return _joined(parts, slash=slash)
            case ast.Call(args=args) if called(node) in ("Path", "PurePath", "join", "str"):
                return _joined([self._string(a, depth - 1) for a in args], slash=True)
        return None


def _quietly() -> "warnings.catch_warnings[None]":
    """Keep what the compiler has to say about the user's code to itself."""
    return warnings.catch_warnings(action="ignore")


def called(node: ast.Call) -> str:
    """Return the last name of what is called: `open`, `to_csv`, `join`; empty for other calls."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _joined(parts: list[str | None] | tuple[str | None, ...], *, slash: bool) -> str | None:
    texts = [p for p in parts if p is not None]
    if len(texts) != len(parts) or not texts:
        return None
    return posixpath.join(*texts) if slash else "".join(texts)


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Return every value that each plain name is given: by `=`, or as the items of a loop."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                values.setdefault(name, []).append(value)
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                values.setdefault(name, []).append(value)
            case ast.For(target=ast.Name(id=name), iter=value):
                values.setdefault(name, []).append(value)
            case ast.comprehension(target=ast.Name(id=name), iter=value):
                values.setdefault(name, []).append(value)
    return values


def _strings(text: str) -> Iterator[tuple[str, int]]:
    """Yield the string tokens of a literal, there may be several, and their offsets."""
    starts = [0]
    for line in io.StringIO(text, newline=""):
        starts.append(starts[-1] + len(line))
    try:
        for token in tokenize.generate_tokens(io.StringIO(f"({text})", newline="").readline):
            if token.type == tokenize.STRING:
                row, column = token.start
                yield token.string, starts[row - 1] + column - (1 if row == 1 else 0)
    except (tokenize.TokenError, IndentationError):
        return


def _body(string: str) -> tuple[int, int]:
    """Return where a string token's content begins and ends, prefix and quotes left out."""
    first = min(i for i in (string.find("'"), string.find('"')) if i >= 0)
    mark = 3 if string[first : first + 3] in ("'''", '"""') else 1
    return first + mark, len(string) - mark
