"""Make a matrix entry of a case's material, and see that it takes over nothing else.

Candidates are tried from the widest to the narrowest: the first that its own failure reaches, and
no other entry's example, no known failure of the journal and no labelled text of another category,
is the proposal. Where none is, that is said together with what stood in the way.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agent import matrix
from agent.errors import UsageError
from agent.events import Opened
from agent.journal import Journal
from agent.learning import generalising, material
from agent.learning.generalising import Candidate
from agent.learning.material import Material
from agent.matrix import Matrix, patterns
from agent.matrix.entries import read
from agent.matrix.logs import reading
from agent.records import Category, Failure
from agent.redaction import printable

_ERROR = re.compile(r"(?i)\b\w*(?:error|exception|failed|failure|denied|refused|not found)\b")
_UNKNOWN_CAUSE = "Not known yet: write why this happens, in one sentence."
_UNKNOWN_SOLUTION = "Not known yet: write what a person should do."
_BRACES = str.maketrans("{}", "()")
"""In a title, cause or solution, braces would name a parameter."""
_ALIKE = 0.15
"""Share of words that two texts have in common, below which that is chance."""
_READABLE = 300
"""Characters of a counter-example."""
_TOLD = 3
"""Texts in the way that an error names."""


class Known(NamedTuple):
    """A failure of another case, and the entry that explained it."""

    case: str
    failure: Failure
    entry: str | None


class Labelled(NamedTuple):
    """A text of a corpus, with what is known of it."""

    name: str
    text: str
    category: str | None
    is_failure: bool


class Proposal(NamedTuple):
    """An entry that a person may take over."""

    entry: str
    """Its id."""
    block: str
    """YAML, one item of the matrix's list."""
    checked: tuple[str, ...]
    """What it was held against, one sentence each."""


def labelled(path: Path) -> Iterator[Labelled]:
    """Yield the texts of a JSONL corpus: `text`, and where known `id`, `category`, `is_failure`.

    Raises `UsageError` with file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name = str(row.get("id", f"{path.name}:{number}"))
            yield Labelled(name, row["text"], row.get("category"), row.get("is_failure", True))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            expected = 'one JSON object a line with "text"'
            raise UsageError(
                f"{path}:{number}: expected {expected}, found {line[:60]!r}"
            ) from error


def propose(
    about: Material,
    own: Path | None,
    former: Sequence[Known] = (),
    texts: Sequence[Labelled] = (),
) -> Proposal:
    """Return the entry for this failure that was held against all of these.

    Raises `UsageError` where every candidate would take over something else.
    """
    before = matrix.load(*([own] if own else []))
    path = about.diagnosis.location.path if about.diagnosis.location else None
    line = _telling(about)
    entry = _free_id(before, line)
    wrong: list[str] = []
    for candidate in generalising.candidates(line, path):
        block = _block(entry, about, candidate, line, before, former)
        after, problems = _with(before, block)
        reached = after.diagnose(about.failure).entry
        if reached not in (None, entry):
            block = _block(entry, about, candidate, line, before, former, over=str(reached))
            after, problems = _with(before, block)
            reached = after.diagnose(about.failure).entry
        if reached != entry:
            problems = (f"its own failure would reach {reached or 'no entry'}",)
        wrong = [*problems, *_taken_over(after, entry, about, former, texts)]
        if not wrong:
            return Proposal(entry, block, tuple(_checked(before, former, texts)))
    told = "; ".join(wrong[:_TOLD])
    raise UsageError(
        f"no pattern of {line!r} fits this failure and nothing else: {told}. "
        "Write the entry by hand; see what is in the way with runmend matrix explain TEXT"
    )


def _telling(about: Material) -> str:
    """Return the line that says most: an error of the log, else the failure's message."""
    diagnosis = about.diagnosis
    message = _folded(about.failure.message)
    lines = [message, *(line.text for line in (*diagnosis.worth_reading, *diagnosis.evidence))]
    errors = [_folded(text) for text in lines if _ERROR.search(text)]
    found = [text for text in errors if not text.startswith(("File ", "Traceback", "raise "))]
    return (found or [message])[0]


def _folded(text: str) -> str:
    """Return a job's text in one line, as it is matched: without colours and mark-up."""
    return " ".join(" ".join(reading.clean(part) for part in text.splitlines()).split())


def _free_id(known: Matrix, line: str) -> str:
    bare = re.sub(r"(['\"`]).*?\1", "", generalising.words(line))
    parts = re.findall(r"[a-z]{2,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare).lower())
    slug = f"learned.{'-'.join(parts[:5]) or 'failure'}"[:70].rstrip("-")
    if slug not in known.entries:
        return slug
    return next(f"{slug}-{n}" for n in range(2, 1000) if f"{slug}-{n}" not in known.entries)


def _with(before: Matrix, block: str) -> tuple[Matrix, tuple[str, ...]]:
    """Return the matrix with the block, and what `matrix lint` says of the block by itself."""
    with tempfile.TemporaryDirectory(prefix="runmend-") as folder:
        path = Path(folder) / "proposed.yaml"
        path.write_text(block, encoding="utf-8")
        after = before.plus(path)
        alone = Path(folder) / "alone.yaml"
        alone.write_text(re.sub(r"(?m)^  over: .*\n", "", block), encoding="utf-8")
        return after, Matrix(read([alone])).lint()


def _taken_over(
    after: Matrix,
    entry: str,
    about: Material,
    former: Sequence[Known],
    texts: Sequence[Labelled],
) -> Iterator[str]:
    """Yield what the new entry would explain though it means something else."""
    own = Candidate(after.entries[entry].match[0])
    for other in after.entries.values():
        if other.id in (entry, *about.misled):
            continue
        for example in filter(lambda text: _in(own, text), other.examples):
            if after.diagnose_text(example, "text").entry == entry:
                yield f"it would take over {other.id}, example {example[:80]!r}"
    for past in former:
        told = past.entry is not None and past.entry not in about.misled
        if told and after.diagnose(past.failure).entry == entry:
            yield f"it would take over a failure of case {past.case}, known as {past.entry}"
    for text in texts:
        if not _in(own, text.text):
            continue
        if after.diagnose_text(text.text, "text").entry == entry and not (
            text.is_failure and text.category in (None, after.entries[entry].category)
        ):
            meant = text.category if text.is_failure else "no failure"
            yield f"it would take over {text.name} of the texts, which is {meant}"


def _checked(before: Matrix, former: Sequence[Known], texts: Sequence[Labelled]) -> Iterator[str]:
    count = sum(len(entry.examples) for entry in before.entries.values())
    yield f"takes over none of {count} examples of {len(before.entries)} entries"
    yield f"takes over none of {len(former)} known failures of the journal"
    if texts:
        yield f"matches no text of another meaning among {len(texts)} texts"


def _block(
    entry: str,
    about: Material,
    candidate: Candidate,
    line: str,
    before: Matrix,
    former: Sequence[Known],
    over: str | None = None,
) -> str:
    solution = _braced(about.solution)
    cause = solution.partition(". ")[0].rstrip(".") + "." if solution else _UNKNOWN_CAUSE
    category = about.category or "code_bug"
    guess = "" if about.category else "   # a guess: nobody has said what it is"
    remedy = "fix" if about.edited else "escalate"
    beaten = tuple(dict.fromkeys([*about.misled, *([over] if over else [])]))
    example = printable(line)
    if candidate.requires and (location := about.diagnosis.location) is not None:
        example = f'File "{location.path}", line {location.line}\n{example}'
    who = f", found by {about.by}" if about.by else ""
    rows = [
        f"- id: {entry}",
        f"  title: {_scalar(_cut(_braced(generalising.words(line)), 90))}",
        f"  category: {category}{guess}",
        f"  platforms: [{about.platform}]",
        f"  match: [{_scalar(candidate.match)}]",
        *(f"  requires: [{_scalar(needed)}]" for needed in candidate.requires),
        *([f"  over: [{', '.join(beaten)}]"] if beaten else []),
        f"  cause: {_scalar(_cut(cause, 300))}",
        f"  solution: {_scalar(_cut(solution or _UNKNOWN_SOLUTION, 1500))}",
        f"  remedy: {remedy}",
        f"  sources: [{_scalar(f'case {about.case} of {about.at:%Y-%m-%d}{who}')}]",
        f"  examples: [{_scalar(example)}]",
        f"  counter_examples: [{_scalar(_near_miss(candidate, line, before, former))}]",
    ]
    return "\n".join(rows) + "\n"


def _near_miss(candidate: Candidate, line: str, before: Matrix, former: Sequence[Known]) -> str:
    """Return the text most alike that means something else and is not matched."""
    own = _words(line)
    texts = [text for entry in before.entries.values() for text in entry.examples]
    texts += [past.failure.message for past in former if past.entry is not None]
    scored = [(len(own & _words(text)) / (len(own | _words(text)) or 1), text) for text in texts]
    for likeness, text in sorted(scored, key=lambda pair: -pair[0]):
        if likeness < _ALIKE:
            break
        if len(text) < _READABLE and not _in(candidate, text):
            return text
    named = sorted(_words(generalising.words(line)), key=len)[-2:]
    return f"INFO {' and '.join(named) or 'all'}: fine"


def _in(candidate: Candidate, text: str) -> bool:
    """Say whether a text could be taken over at all."""
    joined = " ".join(part.strip() for part in text.splitlines())
    return any(patterns.found(candidate.match, patterns.encoded(t)) for t in (text, joined))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{4,}", text[:1000].lower()))


def _braced(text: str) -> str:
    return text.translate(_BRACES)


def _cut(text: str, size: int) -> str:
    text = printable(text)
    return text if len(text) <= size else text[: size - 3].rstrip() + "..."


def _scalar(text: str) -> str:
    """Return a YAML scalar in one line, with escapes where single quotes cannot hold the text."""
    if text.isascii() and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    import yaml

    dumped: str = yaml.safe_dump(text, default_style='"', width=float("inf"))
    return dumped.rstrip("\n")


def from_case(
    journal: Journal,
    case: str,
    own: Path | None,
    texts: Sequence[Labelled] = (),
    category: Category | None = None,
) -> tuple[Material, Proposal] | None:
    """Return what a case teaches, or None where the matrix knew, or by now knows, its failures.

    Raises `UsageError` where nothing fits the failure alone.
    """
    known = matrix.load(*([own] if own else []))

    def is_known(entry: str) -> bool:
        return entry in known.entries and known.entries[entry].level == "cause"

    found = material.gather(journal.events(case), is_known)
    if found is None:
        return None
    entry = known.diagnose(found.failure).entry
    if entry is not None and is_known(entry) and entry not in found.misled:
        return None
    found = found._replace(category=category or found.category)
    former: dict[tuple[str, str | None], Known] = {}
    for history in journal.histories():
        opened = history[0]
        if isinstance(opened, Opened) and opened.case != case:
            for failure, named in material.failures(history):
                past = Known(opened.case, failure, named)
                former.setdefault((failure.fingerprint(), named), past)
    return found, propose(found, own, tuple(former.values()), texts)


def write(target: Path, old: str, new: str) -> None:
    """Put the new text in the place of the old one, whole or not at all.

    Raises `UsageError` where the file has changed meanwhile or cannot be written.
    """
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        now = target.read_text(encoding="utf-8") if target.exists() else ""
        if now != old:
            raise UsageError(f"{target} was changed meanwhile; look at the proposal again")
        fresh.write_text(new, encoding="utf-8")
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error
