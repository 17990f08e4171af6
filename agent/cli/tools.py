"""Commands that need no case: diagnose, audit, playbook, simulate."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from agent.cli.ending import failing
from agent.cli.matrices import catalogue
from agent.cli.options import Matrix, Output, Profile, State

if TYPE_CHECKING:
    from agent.matrix import Matrix as Catalogue
    from agent.records import Diagnosis

audit_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
playbook_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
simulate_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def add(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(diagnose)
    app.add_typer(audit_app, name="audit", help="The journal as an audit log.")
    app.add_typer(playbook_app, name="playbook", help="The playbook's schema, and a check of one.")
    app.add_typer(simulate_app, name="simulate", help="Services on loopback to rehearse against.")


def diagnose(
    log: Annotated[
        str | None, typer.Option("--log", help="A file a failed task left behind; - for stdin.")
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option("--jsonl", help='A file of {"id", "text"} a line, - for stdin; prints JSON.'),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", help="A failed run, by its id, key or page's URL; nothing is changed."
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform", help="Where it ran, if you know; with --run: databricks or aidp."
        ),
    ] = None,
    profile: Profile = None,
    playbook: Annotated[
        Path | None,
        typer.Option("--playbook", help="With --run: the playbook of its job, for the source."),
    ] = None,
    matrix: Matrix = None,
    output: Output = "text",
) -> int:
    """Name the cause of a failure from what a task left behind. Exits 0 whatever the verdict."""
    from agent import matrix as matrices
    from agent.errors import UsageError

    with failing(output):
        if sum(given is not None for given in (log, jsonl, run)) != 1:
            raise UsageError("name one thing to read: --log FILE, --jsonl FILE or --run ID")
        known = catalogue(matrix)
        if run is not None:
            from agent.cli import runs

            return runs.diagnose(known, run, platform, profile, playbook, output)
        if jsonl is not None:
            _diagnose_each(known, jsonl)
            return 0
        name = "stdin" if log == "-" else str(log)
        with _open(str(log)) as file:
            found = known.diagnose_text(file, name, platform)
    if output == "json":
        sys.stdout.write(json.dumps(matrices.document(found), indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in told(found)))
    return 0


def _open(name: str) -> IO[bytes]:
    from agent.errors import UsageError

    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error


def _diagnose_each(known: "Catalogue", name: str) -> None:
    from agent import matrix as matrices

    with _open(name) as file:
        for number, text in _texts(file, name):
            found = known.diagnose_text(text.splitlines(keepends=True), number)
            fields = {"id": number, **matrices.document(found)}
            sys.stdout.write(json.dumps(fields) + "\n")


def _texts(file: IO[bytes], name: str) -> Iterator[tuple[str, str]]:
    from agent.errors import UsageError

    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield row["id"], row["text"]
        except (ValueError, KeyError, TypeError) as error:
            expected = 'one JSON object a line with "id" and "text"'
            raise UsageError(
                f"{name}:{number}: expected {expected}, found {line[:60]!r}"
            ) from error


def told(found: "Diagnosis") -> Iterator[str]:
    """Return a diagnosis in lines for a person."""
    from agent.records import duration
    from agent.redaction import printable

    if found.verdict != "diagnosed":
        yield found.verdict.replace("_", " ")
        for why in found.nearest:
            yield f"   near        {printable(why)}"
        for line in found.worth_reading:
            yield f"   read        {line.source}:{line.number:,}   {printable(line.text)[:200]}"
    else:
        yield f"{found.category} · {printable(found.cause or found.title)}   {found.confidence:.2f}"
        for line in found.evidence:
            yield f"   {line.source}:{line.number:,}   {printable(line.text)[:200]}"
    if (named := found.identity) is not None:
        state = f"   SQLSTATE {named.sqlstate}" if named.sqlstate else ""
        yield f"   error       {named.system} {printable(named.code)}{state}"
    if (where := found.location) is not None:
        yield f"   your code   {printable(where.place)}   {printable(where.code or '')}".rstrip()
    if found.verdict == "diagnosed":
        can = f" (runmend can: fixer {found.fixer})" if found.fixer else ""
        for near in found.nearest:
            yield f"   or          {printable(near)}"
        wait = f", after {duration(found.wait_s)}" if found.wait_s else ""
        again = f" (a rerun usually cures it{wait})" if found.transient else ""
        yield f"   do          {printable(found.solution)}{can}{again}"
        yield f"   entry       {found.entry}"


@audit_app.command()
def verify(state: State = None) -> int:
    """See that no event was edited, cut or re-ordered. Exits 1 where one was."""
    from agent import settings
    from agent.errors import UsageError
    from agent.journal import Journal

    folder = settings.state_folder(state)
    if not folder.is_dir():
        raise UsageError(f"there is no state folder {folder}; name one with --state")
    journal = Journal(folder, check=False)
    problems = journal.verify()
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    number, digest = journal.head().split()
    if not problems:
        sys.stdout.write(f"the chain holds: {number} events, head {digest}\n")
    return 1 if problems else 0


@playbook_app.command()
def schema() -> int:
    """Print the JSON Schema of a playbook."""
    from agent import playbook

    sys.stdout.write(json.dumps(playbook.schema(), indent=2) + "\n")
    return 0


@playbook_app.command()
def check(path: Annotated[Path, typer.Argument(help="A playbook.")]) -> int:
    """Read a playbook and say what is wrong with it."""
    from agent import playbook

    loaded = playbook.load(path)
    playbook.order(loaded)
    sys.stdout.write(f"{path}: sound; {loaded.playbook.name} on {loaded.playbook.where}\n")
    return 0


@simulate_app.command()
def model(
    script: Annotated[Path, typer.Option("--script", help="What it answers, YAML or JSON.")],
    port: Annotated[int, typer.Option(help="Port on loopback; 0 = any free one.")] = 0,
) -> int:
    """Serve a scripted model on loopback, in the wire format of the real one, until interrupted."""
    from agent.simulators import model as simulator

    with simulator.serve(script, port) as server:
        sys.stdout.write(f"scripted model on {server.base_url}\n")
        sys.stdout.write(
            f"use it: ANTHROPIC_API_KEY=any ANTHROPIC_BASE_URL={server.base_url} runmend heal ...\n"
        )
        sys.stdout.flush()
        threading.Event().wait()
    return 0


@simulate_app.command()
def databricks(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 = any free one.")] = 0,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Folder for its own data; unsaid: gone when it ends."),
    ] = None,
    realistic: Annotated[
        bool, typer.Option("--realistic", help="Compute takes minutes to start, as for real.")
    ] = False,
) -> int:
    """Serve a Databricks workspace on loopback until interrupted; first it prints url and token."""
    from agent.simulators.databricks.serving import serve

    return serve(state, port, realistic=realistic)


@simulate_app.command()
def aidp(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 = any free one.")] = 0,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Folder for its own data; unsaid: gone when it ends."),
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="HTTPS; the certificate it made is in the first line.")
    ] = False,
    realistic: Annotated[
        bool, typer.Option("--realistic", help="Clusters take minutes to start, as for real.")
    ] = False,
) -> int:
    """Serve an Oracle AI Data Platform workspace on loopback until interrupted.

    The first line is a JSON object: url, config_file (an OCI configuration with a key it made),
    instance_id, workspace, cluster_key, cluster_name.
    """
    from agent.simulators.aidp.serving import serve

    return serve(state, port, realistic=realistic, tls=tls)
