"""Whole cases in tests: who watches them, what they come to, and what a shop of them must offer."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from agent import verdicts
from agent.cases import Desk
from agent.events import AnyEvent, Approved, Diagnosed, Requested
from agent.machine import Case
from agent.records import Decision, RunStatus
from agent.world import World, whoami


class Told:
    """Whoever watches: keeps everything, and decides where a test says how."""

    def __init__(self, *, approves: bool = False) -> None:
        self.approves = approves
        self.events: list[AnyEvent] = []
        self.waits: list[str] = []
        self.notes: list[str] = []
        self.polls: list[RunStatus] = []
        self.at: dict[str, Callable[[], None]] = {}
        """What happens in the world right after the first event of a kind."""
        self.on_poll: Callable[[RunStatus], None] = lambda _: None
        self.on_wait: Callable[[str], None] = lambda _: None

    def began(self, case: Case) -> None:
        """Nothing is kept of it."""

    def recorded(self, before: Case, event: AnyEvent, after: Case) -> None:
        """Keep it, and let happen what was to happen then."""
        del before, after
        self.events.append(event)
        name = f"requested {event.action}" if isinstance(event, Requested) else event.kind
        self.at.pop(name, lambda: None)()

    def progress(self, case: Case, status: RunStatus) -> None:
        """Keep it."""
        del case
        self.polls.append(status)
        self.on_poll(status)

    def waiting(self, case: Case, why: str) -> None:
        """Keep it."""
        del case
        self.waits.append(why)
        self.on_wait(why)

    def noted(self, case: Case, text: str) -> None:
        """Keep it."""
        del case
        self.notes.append(text)

    def decide(self, case: Case, world: World) -> AnyEvent | None:
        """Approve where the test says so, else leave it to be decided later."""
        if not self.approves or case.proposal is None:
            return None
        patch = case.proposal.patch.sha256()
        decision = Decision(outcome="approved", patch=patch, by=whoami(), at=world.now())
        return Approved(at=world.now(), decision=decision)


class Made(NamedTuple):
    """What is in the workspace."""

    jobs: int
    runs: int
    repairs: int
    cancelled: int


class Shop(Protocol):
    """One playbook and its cases on a simulated workspace; `sales` is the task that fails."""

    folder: Path

    def desk(self) -> Desk: ...
    def made(self) -> Made: ...
    def text(self, path: str) -> str: ...
    def forget(self) -> None: ...
    @property
    def mended(self) -> str: ...


class Seen(NamedTuple):
    """What a case came to."""

    verdict: str | None
    kinds: list[str]
    causes: list[tuple[str | None, str | None]]
    made: Made
    text: str
    """The mended file as it lies in the workspace."""


def seen(shop: Shop, events: tuple[AnyEvent, ...]) -> Seen:
    """Return what a case came to."""
    found = [d for e in events if isinstance(e, Diagnosed) for d in e.diagnoses]
    return Seen(
        verdicts.of(events),
        [event.kind for event in events],
        [(d.task, d.entry) for d in found],
        shop.made(),
        shop.text(shop.mended),
    )
