"""Commands around a first use: demo, init, doctor."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from agent.cli import first_aidp, rehearsing
from agent.cli.cases import begin
from agent.cli.ending import failing
from agent.cli.options import Output, Profile, State

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.playbook import Loaded
    from agent.records import TaskSource


def add(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (demo, rehearsing.rehearse, init, doctor):
        app.command()(command)


def demo(
    escalate: Annotated[
        bool, typer.Option("--escalate", help="Show the other ending: a failure nobody can mend.")
    ] = False,
    state: State = None,
    output: Output = "text",
) -> int:
    """Heal a broken pipeline on this machine: no account, no key, under a minute."""
    folder = Path(tempfile.mkdtemp(prefix="runmend-demo-"))
    shutil.copytree(demo_folder(), folder, dirs_exist_ok=True)
    name = "escalate.yaml" if escalate else "nightly.yaml"
    return begin(folder / name, {}, state=state, output=output)


def demo_folder() -> Path:
    """Return the demo as it was installed, or as it lies in the repository."""
    package = Path(__file__).parents[1]
    for folder in (package / "playbooks" / "demo", package.parent / "playbooks" / "demo"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the demo is missing from {package}: install runmend again")


_PLAYBOOK = """\
# What to carry to a verified success. Every key: runmend playbook schema
name: {name}
platform: local
source: .
job:
  file: job.yaml

verify: []            # what success means, e.g. - {{table: sales, rows: ">= 1"}}
edit: ["**"]          # what a fix may change
approve:
  mode: approve       # observe | suggest | approve | auto
deliver: patch        # patch | in-place | branch
"""
_TYPES = {
    ".py": ("spark_python_task", "python_file"),
    ".ipynb": ("notebook_task", "notebook_path"),
    ".sql": ("sql_task", "file"),
}


def init(
    folder: Annotated[Path, typer.Argument(help="The job's folder.")] = Path(),
    target: Annotated[
        str | None, typer.Option("-t", "--target", help="The bundle's target; unsaid: dev.")
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", help="Key of the bundle's job or pipeline.")
    ] = None,
) -> int:
    """Write a first playbook: for a bundle, for a job file of AIDP, or (with a job file) for
    scripts, notebooks and SQL."""
    from agent.errors import UsageError

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; name the one your job's code is in")
    if (folder / "databricks.yml").exists() or (folder / "databricks.yaml").exists():
        return _init_bundle(folder, target, job)
    name = folder.resolve().name
    if (own := first_aidp.job_file(folder)) is not None:
        path = folder / "playbook.yaml"
        sys.stdout.write(f"{_write(path, first_aidp.playbook(_name(name), own))}\n")
        sys.stdout.write(f"then: runmend rehearse {path}, runmend heal {path}\n")
        return 0
    written = [
        _write(folder / "playbook.yaml", _PLAYBOOK.format(name=_name(name))),
        _write(folder / "job.yaml", _job(folder, _name(name))),
    ]
    for line in written:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"then: runmend heal {folder / 'playbook.yaml'}\n")
    return 0


def _init_bundle(folder: Path, target: str | None, job: str | None) -> int:
    """Show what the bundle declares and write a playbook for one job or pipeline of it."""
    from agent.errors import UsageError
    from agent.platforms.databricks import overview

    found = overview.read(folder)
    if found is None:
        raise UsageError(f"the bundle in {folder} cannot be read; see: databricks bundle validate")
    sys.stdout.write(f"bundle   {found.name}\n")
    for name, mode in found.targets.items():
        sys.stdout.write(f"target   {name}{f'  ({mode})' if mode else ''}\n")
    for each in found.jobs:
        runs = f", runs {', '.join(each.runs)}" if each.runs else ""
        sys.stdout.write(f"job      {each.key}  ({each.kind}, {each.tasks} tasks{runs})\n")
    for key in found.pipelines:
        sys.stdout.write(f"pipeline {key}\n")
    if target is not None and target not in found.targets:
        known = ", ".join(found.targets) or "none"
        raise UsageError(f"the bundle has no target {target}; it has {known}")
    chosen = job or overview.first(found)
    if chosen not in (*(each.key for each in found.jobs), *found.pipelines):
        named = f"has no job or pipeline {job}" if job else "declares no job and no pipeline"
        raise UsageError(f"the bundle {named}; the list above is what it has")
    path = folder / "playbook.yaml"
    sys.stdout.write(f"{_write(path, overview.playbook(found, chosen, target))}\n")
    sys.stdout.write(f"then: runmend rehearse {path}, runmend heal {path}\n")
    return 0


def _name(text: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return kept.strip("-._") or "job"


def _write(path: Path, text: str) -> str:
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        return f"kept     {path} (it was there)"
    return f"written  {path}"


def _job(folder: Path, name: str) -> str:
    """Return a job file with a task per script, notebook and SQL file, one after the other."""
    files = sorted(f.name for f in folder.iterdir() if f.suffix in _TYPES and f.is_file())
    lines = [f"name: {name}", "tasks:"]
    previous: str | None = None
    for file in files or ["main.py"]:
        kind, key = _TYPES[Path(file).suffix]
        task = _name(Path(file).stem)
        lines.append(f"  - task_key: {task}")
        if previous is not None:
            lines.append(f"    depends_on: [{{task_key: {previous}}}]")
        place = json.dumps(file)
        value = f"{{file: {{path: {place}}}}}" if kind == "sql_task" else f"{{{key}: {place}}}"
        lines.append(f"    {kind}: {value}")
        previous = task
    if any(f.endswith(".sql") for f in files):
        lines[1:1] = ["data: [data]", f"database: data/{name}.duckdb"]
    return "\n".join(lines) + "\n"


_REMOTE = ("databricks", "aidp")


class Finding(NamedTuple):
    """One thing doctor looked at."""

    level: Literal["ok", "note", "problem"]
    text: str


def doctor(
    playbook: Annotated[
        Path | None, typer.Argument(help="Look at this playbook and its job too.")
    ] = None,
    profile: Profile = None,
    state: State = None,
    output: Output = "text",
) -> int:
    """Look whether runmend can work here, and what in a job hinders watching it. Exits 2 if not."""
    with failing(output):
        findings = [*_machine(state)]
        if playbook is not None:
            findings += _playbook(playbook, profile)
        elif profile is not None:
            findings += _profile(profile)
    if output == "json":
        rows = [f._asdict() for f in findings]
        sys.stdout.write(json.dumps({"schema_version": 1, "findings": rows}, indent=2) + "\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{finding.level:<8} {finding.text}\n")
    return 2 if any(f.level == "problem" for f in findings) else 0


def _machine(state: Path | None) -> Iterator[Finding]:
    import importlib.util
    import os

    from agent import settings
    from agent.engine import environments

    version = ".".join(str(n) for n in sys.version_info[:3])
    yield Finding("ok", f"Python {version} on {sys.platform}")
    tool = "uv" if environments.find_uv() else "pip (uv is faster: pip install uv)"
    yield Finding("ok", f"environments are built with {tool}")
    if shutil.which("git"):
        yield Finding("ok", "git is there: deliver: branch works in folders that git tracks")
    else:
        yield Finding("note", "no git: fixes are delivered as patch files or in place")
    folder = settings.state_folder(state)
    kind = settings.network_disk(folder if folder.is_dir() else folder.parent)
    if kind is not None:
        yield Finding(
            "problem", f"state folder {folder} is on a network disk ({kind}): use --state"
        )
    else:
        yield Finding("ok", f"state folder {folder}")
    if folder.is_dir() and (reason := settings.read_only(folder)) is not None:
        yield Finding("note", reason)
    key = any(os.environ.get(n) for n in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"))
    text = (
        "a model key is set" if key else "no model key: what no fixer knows is handed to a person"
    )
    yield Finding("ok" if key else "note", text)
    dbt = importlib.util.find_spec("dbt") is not None
    text = "dbt tasks can run" if dbt else "no dbt here: pip install 'runmend[dbt]' for dbt tasks"
    yield Finding("ok" if dbt else "note", text)


def _profile(profile: str) -> Iterator[Finding]:
    """Look at the workspace of a profile, as somebody without a playbook may.

    It is a profile of whichever configuration has one of that name, Databricks' where both have.
    """
    platform = "aidp" if _is_oci(profile) else "databricks"
    with tempfile.TemporaryDirectory(prefix="runmend-doctor-") as name:
        path = Path(name, "doctor.yaml")
        path.write_text(f'{{platform: {platform}, job: {{id: "any"}}}}\n', encoding="utf-8")
        yield from _workspace(playbook_of(path, profile))


def _is_oci(profile: str) -> bool:
    """Say whether only the OCI configuration has a profile of that name."""
    import os

    env = os.environ
    ours = env.get("OCI_CLI_CONFIG_FILE") or "~/.oci/config"
    theirs = env.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg"
    return _has(ours, profile) and not _has(theirs, profile)


def _has(file: str, profile: str) -> bool:
    import configparser

    found = configparser.RawConfigParser(strict=False)
    try:
        found.read(Path(file).expanduser(), encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return False
    return profile in found.sections() or (profile == "DEFAULT" and bool(found.defaults()))


def playbook_of(path: Path, profile: str | None) -> "Loaded":
    """Return a playbook with the profile of the command line."""
    from agent import playbook

    flags: dict[str, JsonValue] = {} if profile is None else {"profile": profile}
    return playbook.load(path, flags)


def _workspace(loaded: "Loaded") -> Iterator[Finding]:
    import importlib

    from agent import platforms, settings

    any_job = loaded.playbook.job.id == "any"
    cache = settings.cache_folder()
    context = platforms.Context(loaded, loaded.folder, cache, any_job=any_job)
    package = f"{platforms.__name__}.{loaded.playbook.platform}"
    doctor, session = (importlib.import_module(f"{package}.{n}") for n in ("doctor", "session"))
    for level, text in doctor.findings(session.connect(context)):
        yield Finding(level, text)


def _playbook(path: Path, profile: str | None) -> Iterator[Finding]:
    from agent import platforms, playbook, settings, workspace
    from agent.records import Tree

    loaded = playbook_of(path, profile)
    playbook.order(loaded)
    yield Finding("ok", f"playbook {path}: {loaded.playbook.name} on {loaded.playbook.where}")
    source = loaded.source
    if not source.is_dir():
        yield Finding("problem", f"source folder {source} is not there")
        return
    if loaded.playbook.platform in _REMOTE:
        yield from _workspace(loaded)
    with tempfile.TemporaryDirectory(prefix="runmend-doctor-") as folder:
        context = platforms.Context(loaded, Path(folder), settings.cache_folder())
        here = platforms.connect(context)
        files = tuple(workspace.files(source, leave_out=here.data(source)))
        tasks = here.tasks(Tree(root=str(source), digest="", files=files))
    if not tasks and loaded.playbook.job.file is not None:
        yield Finding("problem", f"no task can be read from {loaded.playbook.job.file}")
    elif not tasks:
        yield Finding("note", "the job's code is not in the source: no fix can be made, only runs")
    unread = [task for task in tasks if task.text is None and task.path is None]
    if unread and loaded.playbook.platform in _REMOTE:
        yield Finding(
            "note",
            f"the code of {len(unread)} of {len(tasks)} tasks is not in the source "
            f"({', '.join(task.task for task in unread[:3])}{' ...' if len(unread) > 3 else ''}): "
            "they can be diagnosed, run again, repaired and cancelled, but not mended",
        )
        tasks = tuple(task for task in tasks if task not in unread)
    for task in tasks:
        yield from _watched(task)
    if not loaded.playbook.verify:
        yield Finding("note", "verify is empty: success then only means that every task ended well")


def _watched(task: "TaskSource") -> Iterator[Finding]:
    """Say what of a task's code hinders watching it."""
    if task.text is None:
        yield Finding("problem", f"task {task.task}: {task.path or 'its file'} cannot be read")
        return
    if task.type not in ("spark_python_task", "notebook_task", "PYTHON_TASK", "NOTEBOOK_TASK"):
        return
    if "notebook.exit" not in task.text and "json.dumps" not in task.text:
        yield Finding(
            "note",
            f"task {task.task} gives no structured exit value: end it with a JSON object such as "
            '{"status": "SUCCESS", "total": 3, "successful": 3, "failed": 0}',
        )
    if "[Step " not in task.text:
        yield Finding("note", f"task {task.task} prints no progress: print('[Step 1/3] ...')")
    checks = ("raise", "assert", "argparse", "required=True")
    if task.parameters and not any(word in task.text for word in checks):
        names = ", ".join(task.parameters)
        yield Finding("note", f"task {task.task} never checks its parameters ({names})")
