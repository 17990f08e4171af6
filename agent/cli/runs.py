"""What `diagnose --run` does: read a run, diagnose every task that failed, change nothing."""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.matrix import Matrix
    from agent.playbook import Loaded
    from agent.records import Diagnosis, Failure, RunStatus

    Pair = tuple[Failure, Diagnosis]


def diagnose(
    known: "Matrix",
    run: str,
    platform: str | None,
    profile: str | None,
    playbook: Path | None,
    output: str,
) -> int:
    """Print the run's summary and a diagnosis per task that failed; return 0."""
    from agent import platforms, settings, workspace
    from agent.errors import UsageError

    if platform not in (None, "databricks", "aidp"):
        raise UsageError(
            f"--run reads runs of Databricks and AIDP, not of {platform!r}; what a task elsewhere "
            "left behind is read with --log FILE"
        )
    with tempfile.TemporaryDirectory(prefix="runmend-run-") as name:
        folder = Path(name)
        loaded = _loaded(folder, run, platform, profile, playbook)
        context = platforms.Context(
            loaded, folder, settings.cache_folder(), any_job=playbook is None
        )
        here = platforms.connect(context)
        source = loaded.source
        tree = workspace.build(source, folder / "trees" / "source", leave_out=here.data(source))
        _, found = here.adopt(run, tree)
        (status,) = here.poll([found.run])
        failures = here.failures(status, tree)
        calls = here.calls()
    pairs = [(failure, known.diagnose(failure)) for failure in failures]
    if output == "json":
        sys.stdout.write(json.dumps(_document(status, pairs, calls), indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(status, pairs, calls)))
    return 0


def _loaded(
    folder: Path, run: str, platform: str | None, profile: str | None, playbook: Path | None
) -> "Loaded":
    from agent import playbook as playbooks
    from agent.errors import UsageError

    flags: dict[str, JsonValue] = {"profile": profile} if profile is not None else {}
    if playbook is not None:
        loaded = playbooks.load(playbook, flags)
        if platform not in (None, loaded.playbook.platform):
            raise UsageError(
                f"{playbook} is a playbook for {loaded.playbook.platform}, not for {platform}"
            )
        return loaded
    (folder / "empty").mkdir()
    made = folder / "run.yaml"
    book: dict[str, JsonValue] = {"platform": platform or _platform(run)}
    book |= {"source": "empty", "job": {"id": "any"}}
    if book["platform"] == "aidp":
        book["aidp"] = _addressed(run)
    made.write_text(json.dumps(book), encoding="utf-8")
    return playbooks.load(made, flags)


_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _platform(run: str) -> str:
    """Return where a run is by how it is named: keys of AIDP are UUIDs, ids of Databricks numbers.

    An address of either may hold both, so there the host says it.
    """
    if re.search(r"oraclecloud\.com|/(?:aiDataPlatforms|dataLakes)/", run):
        return "aidp"
    return "aidp" if re.fullmatch(_UUID, run.strip()) else "databricks"


def _addressed(run: str) -> "dict[str, JsonValue]":
    """Return what the address of a run says of where it is, as keys of a playbook."""
    patterns = {
        "endpoint": r"^(https?://[^/]+)/(?:20260430/aiDataPlatforms|20240831/dataLakes)/",
        "api": r"/(20260430/aiDataPlatforms|20240831/dataLakes)/",
        "instance": r"\b(ocid1\.(?:aidataplatform|datalake)\.[A-Za-z0-9._-]+)",
        "workspace": rf"\bworkspaces?[/=:]({_UUID})",
    }
    found = {key: re.search(pattern, run.strip()) for key, pattern in patterns.items()}
    return {key: match[1] for key, match in found.items() if match is not None}


def _document(status: "RunStatus", pairs: Sequence["Pair"], calls: int) -> dict[str, object]:
    from agent import matrix

    return {
        "schema_version": 1,
        "run": status.run,
        "state": status.state,
        "native": status.native,
        "url": status.url,
        "summary": status.summary(),
        "tasks": [task.model_dump(mode="json") for task in status.tasks],
        "failures": [
            {
                "task": failure.task,
                "task_run": failure.task_run,
                "url": failure.url,
                "code": failure.code,
                "message": failure.message,
                "log_cut": failure.log_cut,
                "diagnosis": matrix.document(diagnosis),
            }
            for failure, diagnosis in pairs
        ],
        "api_calls": calls,
    }


def _lines(status: "RunStatus", pairs: Sequence["Pair"], calls: int) -> Iterator[str]:
    from agent.cli.tools import told
    from agent.redaction import printable

    yield printable(f"run {status.run} {status.state} ({status.native}) · {status.summary()}")
    if status.url:
        yield printable(f"   page        {status.url}")
    yield from (f"   note        {printable(note)}" for note in status.notes)
    for failure, diagnosis in pairs:
        yield ""
        where = f"  {failure.url}" if failure.url and failure.url != status.url else ""
        yield printable(f"{failure.task or 'the job'} {failure.code}{where}")
        yield printable(f"   said        {failure.message}")
        if (step := _step(failure)) is not None:
            yield printable(f"   step        {step}")
        yield from told(diagnosis)
        yield from (f"   cut         {printable(cut)}" for cut in failure.log_cut)
    if not pairs:
        yield "nothing failed" if status.state == "succeeded" else "nothing has failed so far"
    yield f"   cost        0 tokens, {calls} API calls"


def _step(failure: "Failure") -> str | None:
    """Return the last `[Step N/M] ...` that a failed task printed."""
    said = [line.text for line in failure.log if "[Step " in line.text]
    return said[-1][said[-1].index("[Step ") :] if said else None
