"""Small pieces of HTML. Every function takes plain text and returns escaped markup."""

from collections.abc import Iterable
from html import escape
from pathlib import PurePosixPath

from agent.records import Line
from agent.report import words


def section(title: str, *parts: str) -> str:
    """Return a titled card of parts that are markup already."""
    return f'<section class="card"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def code(text: str) -> str:
    """Return a short piece of code."""
    return f"<code>{escape(words.line(text))}</code>"


def block(text: str, style: str = "") -> str:
    """Return text with its line breaks."""
    attribute = f' class="{style}"' if style else ""
    return f"<pre{attribute}>{escape(words.block(text).rstrip())}</pre>"


def tag(word: str, tone: str = "") -> str:
    """Return a word as a coloured label."""
    return f'<span class="tag {tone}">{escape(word)}</span>'


def evidence(lines: Iterable[Line]) -> str:
    """Return quoted lines, each with where it stands; nothing for none."""
    rows = "".join(
        f'<span class="row"><span class="at">{escape(words.where(e))}  </span>'
        f"{escape(words.quoted(e))}</span>"
        for e in lines
    )
    return f'<pre class="evidence">{rows}</pre>' if rows else ""


def diff(text: str) -> str:
    """Return a unified diff with its lines told apart; nothing for none."""
    if not text:
        return ""
    rows = "".join(
        f'<span class="row {_kind(row)}">{escape(row)}</span>'
        for row in words.block(text).rstrip("\n").split("\n")
    )
    return f'<pre class="diff"><code>{rows}</code></pre>'


def _kind(row: str) -> str:
    if row.startswith(("+++", "---", "@@", "diff ", "index ")):
        return "hunk"
    return {"+": "add", "-": "del"}.get(row[:1], "")


def link(url: str | None) -> str:
    """Return a link to a web page or a local folder; other addresses stay text."""
    if not url:
        return ""
    shown = escape(words.line(url))
    if url.startswith(("https://", "http://")):
        return f'<a href="{shown}" rel="noopener noreferrer">{shown}</a>'
    if url.startswith("/"):
        target = escape(PurePosixPath(words.line(url)).as_uri())
        return f'<a href="{target}">{shown}</a>'
    return f"<code>{shown}</code>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names with values that are markup already; empty values are left out."""
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows if value)
    return f'<dl class="ids">{shown}</dl>'
