"""Whole cases in tests: who watches them, what they come to, and what all shops of them have."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from agent import cases, playbook, verdicts
from agent.cases import Desk, Result
from agent.events import AnyEvent, Approved, Diagnosed, Requested
from agent.journal import Journal
from agent.machine import Case
from agent.playbook import Loaded
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


class BaseShop(ABC):
    """One playbook and its cases on a simulated workspace; `sales` is the task that fails."""

    mended: str
    """The file of the source that has to be mended."""

    def __init__(self, sim: Any, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.source = folder / "source"
        self.told = Told()

    @abstractmethod
    def made(self) -> Made:
        """Count what is in the workspace."""

    @abstractmethod
    def text(self, path: str) -> str:
        """Return the code in a file of the source as it lies in the workspace."""

    @abstractmethod
    def forget(self) -> None:
        """Take the job and its runs out of the workspace."""

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the source."""
        for path, text in files.items():
            file = self.source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    @property
    def loaded(self) -> Loaded:
        """The playbook as it is now."""
        return playbook.load(self.folder / "playbook.yaml")

    def now(self) -> datetime:
        """Return the workspace's time."""
        return datetime.fromtimestamp(self.sim.clock.now_ms() / 1000, UTC)

    def desk(self, journal: Callable[[Path], Journal] = Journal) -> Desk:
        """Open the state folder, as a process of its own would."""
        state = self.folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        return Desk(
            state=state,
            cache=self.folder / "cache",
            journal=journal(state),
            audience=self.told,
            now=self.now,
            sleep=self.sim.clock.advance,
            jitter=lambda: 1.0,
        )

    def heal(self, run: int | str | None = None) -> Result:
        """Carry the playbook's case on, or begin one."""
        return cases.heal(self.desk(), self.loaded, None if run is None else str(run))

    def resume(self, case: Case) -> Result:
        """Carry a case on in a new process."""
        return cases.resume(self.desk(), case.id)

    def approve(self, case: Case, then: Callable[[], None] = lambda: None) -> Result:
        """Approve the patch that waits, as it was shown, and carry the case on after `then`."""
        assert case.proposal is not None
        cases.decide(self.desk(), case.id, case.proposal.patch.id, approve=True, reason="read it")
        then()
        return self.resume(case)

    def events(self, case: Case) -> tuple[AnyEvent, ...]:
        """Return a case's history."""
        return tuple(self.desk().journal.events(case.id))

    def kinds(self, case: Case) -> list[str]:
        """Return the kinds of a case's events."""
        return [event.kind for event in self.events(case)]


class Seen(NamedTuple):
    """What a case came to."""

    verdict: str | None
    kinds: list[str]
    causes: list[tuple[str | None, str | None]]
    made: Made
    text: str
    """The mended file as it lies in the workspace."""


def seen(shop: BaseShop, events: tuple[AnyEvent, ...]) -> Seen:
    """Return what a case came to."""
    found = [d for e in events if isinstance(e, Diagnosed) for d in e.diagnoses]
    return Seen(
        verdicts.of(events),
        [event.kind for event in events],
        [(d.task, d.entry) for d in found],
        shop.made(),
        shop.text(shop.mended),
    )
