"""What a command line is known to do; everything else is a `shell_run`."""

import re

_KINDS = (
    ("file_delete", r"\b(?:rm|rmdir|unlink|shred|del)\b|\bfind\b.*-delete"),
    ("target_change", r"\bbundle\s+(?:destroy|deploy)\b|\bterraform\s+(?:destroy|apply)\b"),
    ("table_drop", r"\b(?:dropdb|drop)\b"),
    ("grant_change", r"\b(?:chmod|chown|grants?|permissions?)\b"),
    ("full_refresh", r"--full-refresh\b"),
)


def kind(argv: tuple[str, ...]) -> str:
    """Return the kind of effect of a command, the worst that its words may mean."""
    line = " ".join(argv)
    return next((k for k, pattern in _KINDS if re.search(pattern, line)), "shell_run")
