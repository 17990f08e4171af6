"""`rehearse`: the whole loop on a copy of the source, on a simulated workspace where one is needed.

The stage holds everything: `source` (the copy), `state` (the journal), and for Databricks
`workspace` (the simulator's data), `bin` (the stand-in for the `databricks` command) and a
configuration file with its address. The same stage again goes on where the rehearsal stood.
"""

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.cases import REHEARSAL, Output, Rehearsed, begin, failing

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.playbook import Loaded

_PROFILE = "rehearsal"
_REAL = ("DATABRICKS_", "ARM_")


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
    output: Output = "text",
) -> int:
    """Heal a copy of the source in a folder of its own: nothing of yours is touched.

    A Databricks playbook runs on a simulated workspace, its tasks for real on this machine. What a
    task does outside the source, such as sending something, it does in a rehearsal too.
    """
    from agent import playbook as playbooks

    with failing(output):
        loaded = playbooks.load(playbook)
        _playable(loaded)
        folder = stage or Path(tempfile.mkdtemp(prefix="runmend-rehearsal-"))
        if not (folder / "source").exists():
            left_out = shutil.ignore_patterns(".git", ".runmend", ".venv", "__pycache__")
            shutil.copytree(loaded.source, folder / "source", symlinks=True, ignore=left_out)
    folder = folder.resolve()
    _remember(folder, playbook, mode)
    path = Path(loaded.path)
    flags: dict[str, JsonValue] = {"deliver": "patch"}
    if mode is not None:
        flags["approve.mode"] = mode
    if path.resolve().is_relative_to(loaded.source):
        path = folder / "source" / path.resolve().relative_to(loaded.source)
    else:
        flags["source"] = str(folder / "source")
    if loaded.playbook.platform != "databricks":
        return begin(path, flags, state=folder / "state", output=output)
    with failing(output), _workspace(loaded, folder) as known:
        return begin(path, {**flags, **known}, state=folder / "state", output=output)


def _playable(loaded: "Loaded") -> None:
    """Raise `UsageError` where the playbook names what only exists in the real workspace."""
    from agent.errors import UsageError

    job = loaded.playbook.job
    if loaded.playbook.platform == "databricks" and job.file is None and job.bundle is None:
        raise UsageError(
            f"{loaded.path}: a rehearsal makes the job itself, so it needs its declaration; this "
            "playbook only names what exists in the real workspace. Give job.bundle or job.file"
        )


def _remember(folder: Path, playbook: Path, mode: str | None) -> None:
    """Leave in the state folder what carries this rehearsal on: `heal` would be in earnest."""
    from agent import settings

    words = ["runmend", "rehearse", str(playbook), *(["--mode", mode] if mode else [])]
    here = [*words, "--stage", str(folder)]
    commands = Rehearsed(resume=shlex.join(here), heal=shlex.join(words))._asdict()
    state = settings.open_state(folder / "state")
    (state / REHEARSAL).write_text(json.dumps(commands, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _workspace(loaded: "Loaded", folder: Path) -> "Iterator[dict[str, JsonValue]]":
    """Serve a simulated workspace and point this process at it; yield what the playbook needs."""
    from agent import settings
    from agent.simulators import bundle
    from agent.simulators.databricks import Simulator

    simulator = Simulator(folder / "workspace", cache=settings.cache_folder())
    simulator.start()
    try:
        config = folder / "databrickscfg"
        config.touch(mode=0o600)
        profile = f"[{_PROFILE}]\nhost = {simulator.url}\ntoken = {simulator.token}\n"
        config.write_text(profile, encoding="utf-8")
        for name in [n for n in os.environ if n.startswith(_REAL)]:
            del os.environ[name]
        os.environ["DATABRICKS_CONFIG_FILE"] = str(config)
        os.environ["RUNMEND_STANDIN_HOST"] = simulator.url
        known: dict[str, JsonValue] = {
            "databricks.profile": _PROFILE,
            "databricks.command": [str(bundle.install(folder / "bin"))],
            "databricks.warehouse": "rehearsal",
            "databricks.cluster": None,
            "requires": [],
            "poll.first": "1s",
            "poll.max": "2s",
            "poll.history": False,
        }
        sys.stderr.write(f"a simulated workspace on {simulator.url}, in {folder}\n")
        if loaded.playbook.requires:
            sys.stderr.write("what the playbook requires is not looked for in a rehearsal\n")
        yield known
    finally:
        simulator.stop()
