"""What a step of the runner may use: the journal, the platform, the clock, and who watches."""

import getpass
import json
import os
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from agent import settings
from agent.errors import Refused
from agent.events import AnyEvent
from agent.journal import Journal
from agent.machine import Case
from agent.platforms import Platform
from agent.records import Edit, RunStatus, Tree, Usage


class Audience(Protocol):
    """Whoever watches a case, and may decide about its patches."""

    def began(self, case: Case) -> None:
        """Tell that a case was opened, or is carried on."""

    def recorded(self, before: Case, event: AnyEvent, after: Case) -> None:
        """Tell that an event is in the journal."""

    def progress(self, case: Case, status: RunStatus) -> None:
        """Tell how the run is doing; called at each poll."""

    def waiting(self, case: Case, why: str) -> None:
        """Tell that nothing happens for a while, other than the pauses between polls."""

    def noted(self, case: Case, text: str) -> None:
        """Tell what the person may not expect."""

    def decide(self, case: Case, world: "World") -> AnyEvent | None:
        """Return `Approved`, `Rejected` or an amended `Proposed`; None = decide later."""


class World(NamedTuple):
    """One case's surroundings."""

    journal: Journal
    state: Path
    """The state folder."""
    folder: Path
    """The case's folder in it."""
    platform: Platform
    audience: Audience
    matrix: Path | None
    """The user's own matrix file beside the shipped one."""
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    jitter: Callable[[], float]
    """Returns a factor around 1 by which a poll pause is stretched."""
    told: set[str]
    """Task runs whose failure was told while the run still went on."""

    def may_change(self) -> None:
        """Raise `Refused` while the kill switch is on."""
        reason = settings.read_only(self.state)
        if reason is not None:
            raise Refused(f"{reason}; nothing is changed while it is on")

    def tree_folder(self, key: str) -> Path:
        """Return where the private copy of the deployment with this key lies."""
        return self.folder / "trees" / key

    def build(self, case: Case, key: str, more: Sequence[Edit] = ()) -> Tree:
        """Make a private copy of the source with the approved edits, and `more` after them."""
        from agent import workspace

        source = case.loaded.source
        return workspace.build(
            source,
            self.tree_folder(key),
            (*case.edits, *more),
            leave_out=self.platform.data(source),
        )

    def keep_tree(self, key: str, tree: Tree) -> None:
        """Remember a private copy, so that a later process knows it."""
        path = self.tree_folder(key).with_suffix(".json")
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(tree.dump())
        aside.replace(path)

    def tree(self, case: Case) -> Tree:
        """Return the private copy that the newest run uses, or an empty one before there is any."""
        if case.tree is None:
            return Tree(root=str(self.folder), digest="")
        return self.kept_tree(case.tree)

    def kept_tree(self, key: str) -> Tree:
        """Return the private copy of the deployment with this key."""
        text = self.tree_folder(key).with_suffix(".json").read_text()
        return Tree.model_validate(json.loads(text))

    def read(self, tree: Tree, path: str) -> str | None:
        """Return a text file of the tree; None where there is none, or no UTF-8 under 1 MiB."""
        if path not in tree.files:
            return None
        file = Path(tree.root, path)
        try:
            if file.stat().st_size > 1 << 20:
                return None
            return file.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None


class Purse(NamedTuple):
    """The case's model budget, kept in the journal."""

    journal: Journal
    case: str
    budget_usd: float

    def reserve(self, usd: float) -> None:
        """Set aside what a call may cost. Raises `BudgetSpent`."""
        self.journal.reserve(self.case, usd, self.budget_usd)

    def settle(self, reserved_usd: float, actual: Usage) -> None:
        """Put back what it did not cost."""
        self.journal.settle(self.case, reserved_usd, actual.cost_usd)


def whoami() -> str:
    """Return `user@host` of this process."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
