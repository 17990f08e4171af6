"""Deterministic fixers: a diagnosis becomes a patch, or nothing. The folder is the registry.

One fixer, one module, named in the matrix by `fixer: <module>`. Each has a function

    def propose(work: Work) -> Proposal | str

that returns its proposal, or one sentence that says why it leaves the code alone. In doubt it
leaves the code alone. Fixers are pure: all they know is in `Work`; they read files through it.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

from agent.errors import MatrixError
from agent.records import Diagnosis, Edit, Failure, Location


class Work(NamedTuple):
    """All a fixer may look at."""

    failure: Failure
    diagnosis: Diagnosis
    read: Callable[[str], str | None]
    """Return the text of a file of the tree by POSIX path relative to it; None where there is none,
    where it is not UTF-8, or larger than 1 MiB."""

    def place(self) -> Location | None:
        """Return the user's own line where it went wrong; None where no file of the tree has it."""
        for found in (self.failure.location, self.diagnosis.location):
            if found is not None and self.read(found.path) is not None:
                return found
        return None


class Proposal(NamedTuple):
    """What a fixer would change, and why, in one sentence for a person."""

    edits: tuple[Edit, ...]
    rationale: str
    confidence: float = 0.95
    witnessed: bool = False
    """The fixer found the fault itself, in the code and the data; else it takes the diagnosis's
    word for it."""


Propose = Callable[[Work], Proposal | str]


def names() -> tuple[str, ...]:
    """Return the names of all deterministic fixers, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def load(name: str) -> Propose:
    """Return the fixer of that name. Raises `MatrixError` for a name that no module has."""
    if name not in names():
        raise MatrixError(f"unknown fixer {name!r}; there is {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    propose: Propose = module.propose
    return propose
