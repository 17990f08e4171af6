"""What the command has to say about a bundle: warnings and errors, in the order they were found."""

from typing import Literal, NamedTuple, TextIO

from agent.simulators.bundle.tree import NOWHERE, At, Place, dotted


class Note(NamedTuple):
    """One warning or error."""

    severity: Literal["Error", "Warning"]
    text: str
    paths: tuple[At, ...] = ()
    places: tuple[Place, ...] = ()


class Failed(Exception):
    """The command cannot go on; what it says is its whole error message."""


class Notes:
    """Collects what is said; each thing is said once."""

    def __init__(self) -> None:
        self._all: list[Note] = []
        self._shown = 0

    def warn(self, text: str, at: At = (), place: Place = NOWHERE) -> None:
        """Say what is odd but does not stop the command."""
        self.add(Note("Warning", text, (at,) if at else (), (place,) if place.file else ()))

    def error(self, text: str, at: At = (), place: Place = NOWHERE) -> None:
        """Say what stops the command."""
        self.add(Note("Error", text, (at,) if at else (), (place,) if place.file else ()))

    def add(self, note: Note) -> None:
        """Keep a note unless the very same is there."""
        if note not in self._all:
            self._all.append(note)

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(note.severity == "Error" for note in self._all)

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return sum(note.severity == "Warning" for note in self._all)

    def show(self, stream: TextIO) -> None:
        """Write what was not written yet."""
        for note in self._all[self._shown :]:
            stream.write(f"{note.severity}: {note.text}\n")
            for start, rest in (("at", map(dotted, note.paths)), ("in", map(str, note.places))):
                for index, where in enumerate(rest):
                    stream.write(f"  {start if not index else '  '} {where}\n")
            stream.write("\n")
        self._shown = len(self._all)

    def counted(self) -> str:
        """Return `2 errors and 1 warning`; empty where there is nothing."""
        counts = ((self.errors, "error"), (self.warnings, "warning"))
        return " and ".join(f"{n} {word}{'s' * (n > 1)}" for n, word in counts if n)
