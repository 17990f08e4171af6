"""What the `databricks` command says on its standard error, as messages with a place each.

    Error: <text>                        Warning: <text>
      at resources.jobs.etl.tasks[0]       at ...
      in resources/etl.yml:7:11            in ...

Some of it is about the moment (somebody else deploys, no answer) or about who we are, and is
raised; the rest is a list of messages for the module that makes failures of them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent import redaction
from agent.errors import Unauthorized, Unavailable, UsageError
from agent.platforms.databricks.command import Output

_BEGIN = re.compile(r"(?P<level>Error|Warning|Recommendation): ?(?P<text>.*)")
_AT = re.compile(r"\s+at (?P<at>\S.*)")
_IN = re.compile(r"\s+in (?P<file>\S.*?):(?P<line>\d+)(?::(?P<column>\d+))?\s*")
_SUMMARY = re.compile(r"Found \d+ (?:error|warning|recommendation)s?\b.*|Validation OK!")
_STRICT = re.compile(r"\d+ warnings? (?:was|were) found\. Warnings are not allowed in strict mode")
_LOCKED = re.compile(r"deploy lock acquired by (?P<who>.+?) at (?P<when>.+?)(?:\.\s|\.?$)", re.M)
_ACTIVE = re.compile(r"\bjob \d+ is running\b|resource \S+ is running")
_LOGIN = re.compile(
    r"Invalid access token|cannot configure default credentials|default auth:|databricks auth login"
    r"|token (?:is|has) expired|refresh token is invalid|UNAUTHENTICATED|\b401 Unauthorized\b"
    r"|\(401[ )]",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"PERMISSION_DENIED|\(403[ )]|\b403 Forbidden\b|does not have .{1,80}permission"
)
_LATER = re.compile(
    r"dial tcp|i/o timeout|connection re(?:fused|set)|no such host|TLS handshake timeout"
    r"|context deadline exceeded|\": (?:unexpected )?EOF|TEMPORARILY_UNAVAILABLE"
    r"|REQUEST_LIMIT_EXCEEDED"
    r"|RESOURCE_EXHAUSTED|\((?:429|500|502|503|504)[ )]|\b(?:429|503) (?:Too Many|Service Un)",
    re.IGNORECASE,
)
_CODE = re.compile(r"not allowed when DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION is set")
_MOST = 200


class Message(NamedTuple):
    """One error or warning."""

    level: str
    """`Error` or `Warning`."""
    text: str
    """Its first line, masked and safe to print."""
    at: str | None
    """Where in the configuration: `resources.jobs.etl.tasks[0]`."""
    file: str | None
    line: int | None
    lines: tuple[tuple[int, str], ...]
    """All of its lines with their numbers in the output."""


def read(text: str) -> tuple[Message, ...]:
    """Return the messages of an output, in order, at most 200."""
    lines = [redaction.printable(line) for line in redaction.mask(text).splitlines()]
    starts = [n for n, line in enumerate(lines) if _BEGIN.match(line)]
    ends = (*starts[1:], len(lines))
    found = (_message(lines, a, b) for a, b in zip(starts, ends, strict=False))
    return tuple(m for m in found if m.level != "Recommendation")[:_MOST]


def _message(lines: Sequence[str], start: int, end: int) -> Message:
    own = [(n + 1, lines[n]) for n in range(start, end)]
    while own and (not own[-1][1].strip() or _SUMMARY.fullmatch(own[-1][1].strip())):
        own.pop()
    begin = _BEGIN.match(lines[start])
    level, text = (begin["level"], begin["text"].strip()) if begin else ("Error", lines[start])
    at = next((f["at"] for _, line in own if (f := _AT.fullmatch(line))), None)
    place = next((f for _, line in own if (f := _IN.fullmatch(line))), None)
    file, number = (place["file"], int(place["line"])) if place else (None, None)
    return Message(level, text, at, file, number, tuple(own))


def problems(output: Output) -> tuple[Message, ...]:
    """Return what is wrong: errors, and under `--strict` the warnings that are errors there.

    Never empty for a command that failed.
    """
    found = read(output.err) or read(output.out)
    errors = [m for m in found if m.level == "Error" and not _STRICT.search(m.text)]
    strict = len(errors) < sum(m.level == "Error" for m in found)
    warnings = [m for m in found if m.level == "Warning"] if strict else []
    if errors or warnings:
        return (*errors, *warnings)
    said = [redaction.printable(t) for t in redaction.mask(output.err or output.out).splitlines()]
    own = tuple((n, t) for n, t in enumerate(said, 1) if t.strip())[-40:]
    text = own[-1][1].strip() if own else f"the command ended with {output.code} without a word"
    return (Message("Error", text, None, None, None, own),)


def check(output: Output, doing: str, login_command: str) -> None:
    """Raise what a failed command says that is about the moment, about us, or about trust.

    `Unavailable`, `Unauthorized`, `UsageError`; anything else is left to `problems`.
    """
    if output.late:
        raise Unavailable(f"`databricks {doing}` was stopped: it took or wrote too much")
    if output.code == 0:
        return
    if output.code < 0:
        raise Unavailable(f"`databricks {doing}` was ended by signal {-output.code}")
    said = " ".join(" ".join(m.text for m in problems(output)).split())[:600]
    text = redaction.printable(redaction.mask(output.err + output.out))
    if _CODE.search(text):
        raise UsageError(
            f"the bundle runs code of its own at deploy ({said}); set `databricks: trust_code: "
            "true` in the playbook if you trust it"
        )
    if (held := _LOCKED.search(text)) is not None:
        raise Unavailable(
            f"another deployment holds the lock: {held['who']} since {held['when']}; where that "
            "one is dead, a person may take the lock with --force-lock"
        )
    if _ACTIVE.search(text):
        raise Unavailable(f"the deployment waits for a run to end: {said}")
    if _LOGIN.search(text):
        raise Unauthorized(f"`databricks {doing}` could not log in: {said}; {login_command}")
    if _DENIED.search(text):
        raise Unauthorized(f"`databricks {doing}` is not allowed: {said}")
    if _LATER.search(text):
        raise Unavailable(f"`databricks {doing}`: {said}")
