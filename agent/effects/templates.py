"""Jinja in SQL (dbt) and references: they become names, so that the rest can be parsed."""

import re
from collections.abc import Iterator

from agent.effects.found import Found

_BLOCK = re.compile(r"\{#.*?#\}|\{%.*?%\}", re.DOTALL)
_TAG = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_CALL = re.compile(r"\s*(?:ref|source)\s*\(([^)]*)\)\s*")
_RUNS = re.compile(r"\b(?:run_query|statement|adapter\.|load_result|do\b)|\bcall\b", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_CONFIG = re.compile(r"\bconfig\s*\((.*)\)", re.DOTALL)


def plain(text: str) -> tuple[str, list[Found]]:
    """Return the text with names for its references, same lines, and what its templates do."""
    notes: list[Found] = []
    for block in _BLOCK.finditer(text):
        if block[0].startswith("{%") and _RUNS.search(block[0]):
            line = text.count("\n", 0, block.start()) + 1
            says = "runs a statement from a template"
            notes.append(Found("unparsed", block[0], says, line, again=True))

    def named(match: re.Match[str]) -> str:
        inner = match[1]
        if config := _CONFIG.search(inner):
            notes.extend(_config(config[1], text.count("\n", 0, match.start()) + 1))
            return "\n" * match[0].count("\n")
        if call := _CALL.fullmatch(inner):
            return ".".join(re.findall(r"[\w$]+", call[1])) or "reference_"
        if _RUNS.search(inner):
            notes.append(Found("unparsed", inner, "runs a statement from a template", again=True))
        return "reference_"

    text = _BLOCK.sub(lambda m: "\n" * m[0].count("\n"), text)
    return _REFERENCE.sub("reference_", _TAG.sub(named, text)), notes


def _config(arguments: str, line: int) -> Iterator[Found]:
    """A dbt model's `config(...)`: how it is built is an effect when it changes."""
    flat = " ".join(arguments.split())
    if re.search(r"full_refresh\s*=\s*(?!false|none)", flat, re.IGNORECASE):
        yield Found("full_refresh", flat, "rebuilds the whole table", line)
    made = re.search(r"materialized\s*=\s*['\"](\w+)", flat)
    kind = made[1] if made else ""
    yield Found(
        "table_write", f"config {flat}", f"is built as {kind or 'configured'}: {flat}", line,
        again=kind in ("incremental", "snapshot"),
    )  # fmt: skip
    if re.search(r"(?:pre|post)_hook\s*=", flat):
        yield Found("exec_dynamic", f"hook {flat}", "runs a hook", line, again=True)
