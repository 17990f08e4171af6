"""Evidence as a model gets to see it: printable, masked, and no longer than it is given room.

Rules kept here: a text is masked as a whole and cut afterwards, as half a secret looks like none;
what is cut is said; a file whose name says that it holds credentials is never shown.
"""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase

from agent.records import Diagnosis, Failure, Line
from agent.redaction import mask, printable

_SECRET_NAMES = (
    *(".env", ".env.*", "*.env", "*.tfvars", "*.tfstate*", "kubeconfig*", ".databrickscfg"),
    *(".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc", ".git-credentials"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *("credentials", "credentials.*", "secret.*", "secrets.*", "*service_account*.json"),
)
_SECRET_FOLDERS = frozenset(
    (".git", ".ssh", ".aws", ".oci", ".azure", ".gnupg", ".kube", ".runmend")
)


def secret_looking(name: str) -> bool:
    """Return whether a file's name says that it holds credentials: it is never shown."""
    parts = name.lower().split("/")
    return any(fnmatchcase(parts[-1], p) for p in _SECRET_NAMES) or bool(
        _SECRET_FOLDERS.intersection(parts[:-1])
    )


def excerpt(text: str, limit: int, *, around: int | None = None) -> str:
    """Return at most about `limit` bytes of whole lines and say what was cut.

    Kept are the lines around the 1-based line `around`, else the first third and the last two.
    """
    if len(text.encode()) <= limit:
        return text
    lines = [_cut(line, limit // 4) for line in text.splitlines()]
    if around is not None and 1 <= around <= len(lines):
        before = _fill(reversed(lines[:around]), limit // 2)
        after = _fill(lines[around:], limit // 2)
        first, last = around - before, around + after
        return "\n".join((*_said(first), *lines[first:last], *_said(len(lines) - last)))
    head = _fill(lines, limit // 3)
    tail = _fill(reversed(lines[head:]), limit - limit // 3)
    return "\n".join((*lines[:head], *_said(len(lines) - head - tail), *lines[len(lines) - tail :]))


def _said(lines: int) -> tuple[str, ...]:
    return (f"[... {lines:,} lines are not shown ...]",) if lines > 0 else ()


def _fill(lines: Iterable[str], limit: int) -> int:
    """Return how many of the lines fit."""
    count = size = 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > limit:
            break
        count += 1
    return count


def _cut(line: str, limit: int) -> str:
    raw = line.encode()
    if len(raw) <= limit:
        return line
    return f"{raw[:limit].decode(errors='ignore')} [... {len(raw) - limit:,} bytes of this line]"


def safe(text: str) -> str:
    """Return the text printable and masked."""
    return mask(printable(text))


def quoted(name: str) -> str:
    """Return a name as one JSON string, so that no line break in it starts anything."""
    return _cut(json.dumps(safe(name), ensure_ascii=False), 300)


def failure(failure: Failure) -> str:
    """Return all a model may know of a failure, its log last."""
    facts = failure.facts
    said = {
        "phase": failure.phase,
        "code": failure.code,
        "task": failure.task,
        "item": failure.item,
        "message": failure.message,
        "exit code": failure.exit_code,
        "where": failure.location and failure.location.model_dump_json(exclude_none=True),
        "task type": facts.task_type,
        "task file": facts.task_file,
        "job file": facts.job_file,
        "job parameters": facts.parameters,
        "task parameters": facts.widgets,
        "installed": ", ".join(facts.distributions),
        "data": "".join(f"\n  {d.kind} {d.name}: {', '.join(d.columns)}" for d in facts.datasets),
        "not captured": "; ".join(failure.log_cut),
    }
    known = (f"{name}: {value}" for name, value in said.items() if value not in (None, "", {}))
    head = "\n".join(known)
    return f"{head}\nlog:\n{_lines(failure.log)}"


def diagnosis(diagnosis: Diagnosis) -> str:
    """Return what the matrix made of a failure, and the lines it points at."""
    head = f"{diagnosis.verdict} {diagnosis.entry or ''}: {diagnosis.cause or 'cause unknown'}"
    tried = "".join(f"\nnearest known, but it does not fit: {line}" for line in diagnosis.nearest)
    lines = diagnosis.evidence or diagnosis.worth_reading
    return f"{head}{tried}\nlines to read first:\n{_lines(lines)}"


def _lines(lines: Iterable[Line]) -> str:
    return "\n".join(f"{line.source}:{line.number}  {line.text}" for line in lines)
