"""`rehearse`: the whole loop on a copy of the source, on a simulated workspace where one is needed.

The stage holds everything: `source` (the copy), `state` (the journal), and for a platform that is
elsewhere `workspace` (the simulator's data) and what points this process at it (`staged_*`). The
same stage again goes on where the rehearsal stood.
"""

import importlib
import json
import shlex
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer

from agent.cli.cases import begin, fits
from agent.cli.ending import REHEARSAL, Rehearsed, failing
from agent.cli.options import Cleanup, Output

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.playbook import Loaded

_STAGED = {"databricks": "agent.cli.staged_databricks", "aidp": "agent.cli.staged_aidp"}
"""Modules that stage a workspace, by platform."""


class _Stage(Protocol):
    """A module that stages a platform's workspace."""

    def check(self, loaded: "Loaded") -> None:
        """Raise `UsageError` where the playbook names what only exists in the real workspace."""

    def workspace(
        self, loaded: "Loaded", folder: Path
    ) -> "AbstractContextManager[dict[str, JsonValue]]":
        """Serve a workspace, point this process at it; yield playbook keys that win."""


def rehearse(
    playbook: Annotated[Path, typer.Argument(help="The playbook to rehearse.")],
    mode: Annotated[
        Literal["observe", "suggest", "approve", "auto"] | None,
        typer.Option(help="Who decides about patches; wins over the playbook."),
    ] = None,
    stage: Annotated[
        Path | None,
        typer.Option(help="Folder of the rehearsal; the same one again goes on with it."),
    ] = None,
    cleanup: Cleanup = False,
    output: Output = "text",
) -> int:
    """Heal a copy of the source in a folder of its own: nothing of yours is touched.

    A Databricks or AIDP playbook runs on a simulated workspace, its tasks for real on this machine.
    What a task does outside the source, such as sending something, it does in a rehearsal too.
    """
    from agent import playbook as playbooks

    with failing(output):
        loaded = playbooks.load(playbook)
        staged = _staged(loaded)
        flags: dict[str, JsonValue] = {"deliver": "patch"}
        if cleanup:
            flags["aidp.cleanup"] = True
        fits(loaded, flags)
        folder = stage or Path(tempfile.mkdtemp(prefix="runmend-rehearsal-"))
        if not (folder / "source").exists():
            left_out = shutil.ignore_patterns(".git", ".runmend", ".venv", "__pycache__")
            shutil.copytree(loaded.source, folder / "source", symlinks=True, ignore=left_out)
    folder = folder.resolve()
    _remember(folder, playbook, mode, cleanup=cleanup)
    path = Path(loaded.path)
    if mode is not None:
        flags["approve.mode"] = mode
    if path.resolve().is_relative_to(loaded.source):
        path = folder / "source" / path.resolve().relative_to(loaded.source)
    else:
        flags["source"] = str(folder / "source")
    if staged is None:
        return begin(path, flags, state=folder / "state", output=output)
    with failing(output), staged.workspace(loaded, folder) as known:
        return begin(path, {**flags, **known}, state=folder / "state", output=output)


def _staged(loaded: "Loaded") -> _Stage | None:
    """Return the module that stages the playbook's workspace, None where it needs none."""
    name = _STAGED.get(loaded.playbook.platform)
    if name is None:
        return None
    found: _Stage = importlib.import_module(name)
    found.check(loaded)
    return found


def _remember(folder: Path, playbook: Path, mode: str | None, *, cleanup: bool) -> None:
    """Leave in the state folder what carries this rehearsal on: `heal` would be in earnest."""
    from agent import settings

    words = ["runmend", "rehearse", str(playbook), *(["--mode", mode] if mode else [])]
    words += ["--cleanup"] if cleanup else []
    here = [*words, "--stage", str(folder)]
    commands = Rehearsed(resume=shlex.join(here), heal=shlex.join(words))._asdict()
    state = settings.open_state(folder / "state")
    (state / REHEARSAL).write_text(json.dumps(commands, indent=2) + "\n", encoding="utf-8")
