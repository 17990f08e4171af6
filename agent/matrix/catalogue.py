"""A matrix that is ready to diagnose: a failure of a case, or a text that somebody found.

Rules kept here: what is cited stands in the log, verbatim and masked; the platform's own words
(time-out, lost, killed) and the place it names win over what the text suggests; a log that shows no
failure is said to show none; nothing fits = not determined.
"""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from agent.errors import MatrixError
from agent.matrix import confidence, diagnosing, fallback, linting
from agent.matrix.diagnosing import Hit
from agent.matrix.entries import Entry, Placed, read, shipped
from agent.matrix.logs import reading, structure
from agent.matrix.logs.frames import Frame
from agent.matrix.logs.reading import Source, Text
from agent.matrix.logs.structure import Kind, Reading
from agent.matrix.native import identity
from agent.records import Diagnosis, Failure, Identity, Line, Location

_SHOWN = 2000
"""Longest evidence, characters."""
_SLOT = re.compile(r"\{(\w+)\}")


class Considered(NamedTuple):
    """One entry that was found, and what spoke for it."""

    entry: str
    line: int
    """0 where the platform's word said it."""
    score: float
    why: str


class Explanation(NamedTuple):
    """A diagnosis and the way to it."""

    diagnosis: Diagnosis
    considered: tuple[Considered, ...]
    """Best first."""
    refused: tuple[str, ...]
    """Entries whose pattern was found but which did not fit, with the reason."""
    won: tuple[str, ...] = ()
    """Why the first one considered wins over the next ones, or that it is a tie."""
    traits: confidence.Features | None = None
    """What its confidence is made of; None where the platform's word decides, or nothing fits."""

    def lines(self) -> tuple[str, ...]:
        """Return it in words, one line each."""
        chosen = self.diagnosis.entry or self.diagnosis.verdict.replace("_", " ")
        said = [f"{chosen}  {self.diagnosis.confidence:.2f}"]
        said += [f"    why  {reason}" for reason in self.won]
        said += [f"  {c.score:5.1f}  {c.entry}  line {c.line}: {c.why}" for c in self.considered]
        said += [f"     no  {reason}" for reason in self.refused]
        if self.diagnosis.verdict != "diagnosed":
            said += [f"   near  {near}" for near in self.diagnosis.nearest]
        return tuple(said)


class _Log(NamedTuple):
    """A log in both forms: what is matched, and how its lines are cited."""

    reading: Reading
    cite: Callable[[int], Line]
    said: Line | None = None
    """What the platform says, where it says something."""
    location: Location | None = None
    code: str = ""
    exit_code: int | None = None
    failed: bool = False
    """It is known that the run failed."""


class Matrix:
    """All entries by id, in the order of their files."""

    def __init__(self, placed: dict[str, Placed]) -> None:
        self._placed = placed
        self.entries: dict[str, Entry] = {key: value.entry for key, value in placed.items()}

    @functools.cached_property
    def _named(self) -> list[Entry]:
        """The entries that are reached by an error's own name."""
        return [entry for entry in self.entries.values() if entry.names]

    def plus(self, path: Path) -> "Matrix":
        """Return a matrix with a file's entries too, which must have ids of their own; it is quick.

        Raises `MatrixError`.
        """
        more = read([path])
        if taken := self.entries.keys() & more.keys():
            raise MatrixError(f"{path.name}: there is an entry {min(taken)!r} already")
        made = Matrix({**self._placed, **more})
        made._matcher = self._matcher.plus(placed.entry for placed in more.values())
        return made

    @functools.cached_property
    def _matcher(self) -> diagnosing.Matcher:
        return diagnosing.Matcher(self.entries.values())

    def diagnose(self, failure: Failure) -> Diagnosis:
        """Return why this failed; the evidence are lines of `failure.log` as they stand there."""
        diagnosis = self._explained(_log_of(failure)).diagnosis
        return diagnosis.model_copy(update={"task": failure.task})

    def diagnose_text(self, lines: Source, source: str, platform: str | None = None) -> Diagnosis:
        """Return why the run that left this text failed, or that it did not.

        Takes a text, lines, or a stream, which is read in bounded memory. `source` is what the
        evidence is said to be from, `platform` where it ran if that is known.
        """
        return self.explain(lines, source, platform).diagnosis

    def explain(
        self, text: Source, source: str = "text", platform: str | None = None
    ) -> Explanation:
        """Return the diagnosis of a text together with the entries that were considered."""
        kept = reading.gather(text, self._matcher.is_interesting)

        def cite(at: int) -> Line:
            line = kept[at]
            return Line(source=source, number=line.number, text=_masked(line.raw)[:_SHOWN])

        return self._explained(_Log(structure.read(kept), cite), platform)

    def lint(self, fixers: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return what is wrong with the matrix, one sentence each; `fixers` are the known names."""
        return linting.problems(self._placed, self._reached, fixers)

    def test(self) -> tuple[str, ...]:
        """Run all examples and counter-examples; return those that came out wrong."""
        return linting.examples(self._placed, self._reached)

    def _reached(self, text: str) -> str | None:
        """Return the entry that explains a text, without what a diagnosis says beside it."""
        read = structure.read(reading.gather(text, self._matcher.is_interesting))
        found = fallback.added(self._named, self._matcher.find(read), read)
        hits = _enough(found)
        return hits[0].entry.id if hits and not _shows_no_failure(read, hits) else None

    def _explained(self, log: _Log, platform: str | None = None) -> Explanation:
        found = self._matcher.find(
            log.reading, code=log.code, exit_code=log.exit_code, platform=platform
        )
        found = fallback.added(self._named, found, log.reading)
        considered = tuple(
            Considered(h.entry.id, _number(log, h.at), round(h.score, 1), h.why) for h in found.hits
        )
        refused = tuple(f"{entry.id}: {reason}" for entry, reason in found.refused)
        hits = _enough(found)
        if not log.failed and _shows_no_failure(log.reading, hits):
            calm = Diagnosis(verdict="no_failure")
            said = self._not_determined(log, found) if log.reading.doubtful else calm
            return Explanation(said, considered, refused)
        if hits and confidence.of(hits, log.reading) >= confidence.LEAST:
            told = tuple(confidence.reasons(hits, log.reading))
            traits = confidence.features(hits, log.reading) if hits[0].at is not None else None
            return Explanation(self._diagnosed(log, hits), considered, refused, told, traits)
        return Explanation(self._not_determined(log, found), considered, refused)

    def _diagnosed(self, log: _Log, hits: Sequence[Hit]) -> Diagnosis:
        best = hits[0]
        entry = best.entry
        at = best.at if best.at is not None else log.reading.final
        parameters = _all_masked(best.parameters)
        frame = None if at is None else structure.own_frame(log.reading, at)
        tie = confidence.tie(hits, log.reading)
        return Diagnosis(
            verdict="diagnosed",
            entry=entry.id,
            title=entry.title,
            category=entry.category,
            cause=_filled(entry.cause, parameters),
            solution=_filled(entry.solution, parameters),
            remedy=entry.remedy,
            fixer=entry.fixer,
            transient=entry.transient,
            wait_s=entry.wait,
            confidence=confidence.of(hits, log.reading),
            nearest=(tie,) if tie else (),
            parameters=parameters,
            evidence=_evidence(log, best, frame),
            identity=_identity(log.reading, at, parameters),
            location=log.location or _place(frame),
        )

    def _not_determined(self, log: _Log, found: diagnosing.Found) -> Diagnosis:
        final = log.reading.final
        worth = diagnosing.worth_reading(log.reading)
        shown = final if final is not None else (worth[-1] if worth else None)
        line = log.reading.lines[shown].clean if shown is not None else ""
        frame = None if shown is None else structure.own_frame(log.reading, shown)
        return Diagnosis(
            verdict="not_determined",
            identity=_identity(log.reading, final, {}),
            location=log.location or _place(frame),
            nearest=diagnosing.nearest(self.entries.values(), found, line),
            worth_reading=_cited(log, worth),
        )


def load(*paths: Path | str) -> Matrix:
    """Read a matrix: the shipped file, then these, which add entries and replace some by id.

    While the files stay as they are it is read once a process. Raises `MatrixError` with file,
    line, entry and the nearest key.
    """
    files = [shipped(), *(Path(path) for path in paths)]
    return _loaded(tuple((path.absolute(), _stamp(path)) for path in files))


@functools.lru_cache(maxsize=4)
def _loaded(files: tuple[tuple[Path, tuple[int, int] | None], ...]) -> Matrix:
    return Matrix(read(path for path, _ in files))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes with a file: its time and size; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def document(diagnosis: Diagnosis) -> dict[str, JsonValue]:
    """Return a diagnosis as the JSON object that `runmend diagnose -o json` prints."""
    data = diagnosis.model_dump(mode="json")
    first = ("verdict", "entry", "category", "cause", "remedy", "transient", "confidence")
    shown: dict[str, JsonValue] = {"schema_version": 1, **{key: data.pop(key) for key in first}}
    shown["parameters"] = data.pop("parameters")
    shown["evidence"] = [_brief(line) for line in data.pop("evidence")]
    data["worth_reading"] = [_brief(line) for line in data["worth_reading"]]
    return {**shown, **data}


def _brief(line: dict[str, JsonValue]) -> JsonValue:
    return {"line": line["number"], "text": line["text"], "source": line["source"]}


def _log_of(failure: Failure) -> _Log:
    """Return a failure's log with its message as a last line, unless the log says it too."""
    given = failure.log
    kept = [
        Text(number, line.text, text.clean)
        for number, line in enumerate(given, 1)
        for text in reading.texts(reading.Piece(number, line.text.encode(), b""))
    ]
    said = Line(source=failure.code, number=0, text=failure.message)
    if failure.message and not any(failure.message in line.text for line in given):
        kept += [Text(0, part, reading.clean(part)) for part in failure.message.split("\n")]

    def cite(at: int) -> Line:
        number = kept[at].number
        return given[number - 1] if number else said

    code, place = failure.code, failure.location
    return _Log(structure.read(kept), cite, said, place, code, failure.exit_code, failed=True)


def _enough(found: diagnosing.Found) -> list[Hit]:
    return [hit for hit in found.hits if hit.score >= diagnosing.ENOUGH]


def _shows_no_failure(log: Reading, hits: Sequence[Hit]) -> bool:
    """Say whether a text ends well, or has nothing in it that is more than a warning."""
    if log.succeeded:
        return True
    loud = any(kind in (Kind.FINAL, Kind.EXCEPTION, Kind.ERROR) for kind in log.kinds)
    told = any(hit.at is None or log.kinds[hit.at] in (Kind.PLAIN, Kind.LAST) for hit in hits)
    return not loud and not told and not log.failed


def _number(log: _Log, at: int | None) -> int:
    return 0 if at is None else log.reading.lines[at].number


def _evidence(log: _Log, best: Hit, frame: Frame | None) -> tuple[Line, ...]:
    """Return the lines that prove it, the best first, then the user's own line."""
    if best.at is None:
        final = [log.reading.final] if log.reading.final is not None else []
        return tuple(([log.said] if log.said else []) + list(_cited(log, final)))
    own = [frame.at] if frame is not None else []
    return _cited(log, [*best.proof[:4], *own])


def _cited(log: _Log, indices: Sequence[int]) -> tuple[Line, ...]:
    return tuple(dict.fromkeys(log.cite(at) for at in indices))


def _identity(log: Reading, at: int | None, parameters: dict[str, str]) -> Identity | None:
    """Return the native name of the failure that a line tells, with the entry's parameters too."""
    found = identity.with_parameters(identity.of(log, at), parameters)
    if found is None:
        return None
    return found.model_copy(update={"parameters": _all_masked(found.parameters)})


def _all_masked(parameters: dict[str, str]) -> dict[str, str]:
    """Return parameters masked and cut; together, for each masking reads the environment."""
    values = _masked("\n".join(" ".join(value.split()) for value in parameters.values()))
    kept = values.split("\n")
    if len(kept) != len(parameters):
        kept = [_masked(value) for value in parameters.values()]
    return {name: value[:500] for name, value in zip(parameters, kept, strict=False)}


def _place(frame: Frame | None) -> Location | None:
    if frame is None:
        return None
    code = frame.location.code
    return frame.location.model_copy(update={"code": _masked(code) if code else None})


def _filled(template: str, parameters: dict[str, str]) -> str:
    """Return a sentence with its parameters; an absent one is called by its name."""
    return _SLOT.sub(lambda slot: parameters.get(slot[1]) or f"the {slot[1]}", template)


def _masked(text: str) -> str:
    from agent.redaction import mask

    return mask(text)
