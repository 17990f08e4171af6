"""SQL that is not parsed into parts (GRANT, VACUUM ...) or not at all: judged by its words."""

import re
from collections.abc import Iterator

from agent.effects.found import Found

_HARMLESS = re.compile(
    r"(?:SHOW|DESC|DESCRIBE|EXPLAIN|CACHE|UNCACHE|CLEAR|REFRESH|MSCK|LIST|HELP|PRINT|BEGIN|COMMIT"
    r"|ROLLBACK|DECLARE|CHECKPOINT)\b",
    re.IGNORECASE,
)
_COMMANDS = (
    ("vacuum", r"VACUUM\b", "deletes the old files of a table (VACUUM)"),
    ("grant_change", r"(?:GRANT|REVOKE|DENY)\b|ALTER\b.*\bOWNER\s+TO\b", "changes who may do what"),
    ("table_overwrite", r"RESTORE\b", "puts a table back to an older state"),
    ("table_drop", r"(?:DROP|UNDROP)\b", "drops something"),
    ("column_drop", r"ALTER\b.*\bDROP\b", "drops a part of a table"),
    ("exec_dynamic", r"(?:CALL|EXECUTE|FORCE)\b", "runs code that cannot be seen here"),
    ("exec_dynamic", r"LOAD\b", "loads an extension"),
    ("cost_raised", r"(?:OPTIMIZE|REORG|ANALYZE|SYNC)\b", "rewrites the files of a table"),
    ("config_change", r"(?:SET|RESET|ALTER)\b", "changes settings"),
    ("secret_written", r"CREATE\b.*\b(?:SECRET|CREDENTIAL)\b", "stores a credential"),
)
_WORDS = (
    ("table_drop", "DROP"),
    ("table_truncate", "TRUNCATE"),
    ("rows_delete", "DELETE"),
    ("table_overwrite", "OVERWRITE|RESTORE"),
    ("grant_change", "GRANT|REVOKE"),
    ("vacuum", "VACUUM"),
)


def command(text: str, line: int | None) -> Iterator[Found]:
    """Yield what a statement does that is only known by its words, on one line."""
    for kind, pattern, says in _COMMANDS:
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            again = kind in ("table_drop", "column_drop") or text.upper().startswith(
                ("CALL", "EXEC")
            )
            yield Found(kind, text, says, line, again=again)
            return
    if not _HARMLESS.match(text):
        yield from guesses(text)


def guesses(text: str) -> Iterator[Found]:
    """Yield what an unreadable text may do: it asks, and a destroying word in it counts."""
    flat = " ".join(text.split())
    yield Found("unparsed", flat, "is SQL that cannot be read", 1, again=True)
    for kind, pattern in _WORDS:
        if re.search(rf"\b(?:{pattern})\b", flat, re.IGNORECASE):
            says = f"holds {pattern.split('|')[0]} and cannot be read"
            yield Found(kind, flat, says, 1, again=True)
