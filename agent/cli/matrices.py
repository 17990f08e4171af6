"""The commands of the error matrix: look into it, check it, and let it learn from cases."""

import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import options
from agent.cli.cases import desk
from agent.cli.ending import failing
from agent.cli.options import Matrix, Output, State

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.experience import Track
    from agent.matrix import Matrix as Catalogue

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def add(root: typer.Typer) -> None:
    """Add these commands to the command line."""
    root.add_typer(app, name="matrix", help="The error matrix: look into it, check it, add to it.")


def catalogue(matrix: Path | None, state: Path | None = None) -> "Catalogue":
    """Return the shipped matrix with the user's own on top of it."""
    from agent import matrix as matrices
    from agent import settings

    own = settings.own_matrix(matrix, settings.state_folder(state))
    return matrices.load(*([own] if own is not None else []))


@app.command()
def lint(matrix: Matrix = None) -> int:
    """Look for what is wrong with the matrix: unsafe or shadowed patterns, missing examples."""
    from agent import fixers

    return _problems(catalogue(matrix).lint(fixers.names()), "the matrix is sound")


@app.command(name="test")
def run_examples(matrix: Matrix = None) -> int:
    """See that each entry's examples reach it and its counter-examples do not."""
    return _problems(catalogue(matrix).test(), "every example reaches its entry")


def _problems(problems: tuple[str, ...], fine: str) -> int:
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    if not problems:
        sys.stdout.write(f"{fine}\n")
    return 1 if problems else 0


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="An error text; - for stdin.")],
    matrix: Matrix = None,
) -> int:
    """Say which entries a text brings up, and why the one that is chosen wins."""
    given = sys.stdin.read() if text == "-" else text
    for line in catalogue(matrix).explain(given.splitlines(keepends=True)).lines():
        sys.stdout.write(f"{line}\n")
    return 0


@app.command()
def coverage(
    jsonl: Annotated[
        Path | None,
        typer.Option("--jsonl", help='Further texts, a {"text"} a line: what they hit counts too.'),
    ] = None,
    matrix: Matrix = None,
    state: State = None,
    output: Output = "text",
) -> int:
    """Say which entries were never hit by an example, a past case, or one of the given texts."""
    from agent import learning

    with failing(output):
        known = catalogue(matrix, state)
        texts = list(learning.labelled(jsonl)) if jsonl is not None else []
        by_text = {known.diagnose_text(t.text, t.name).entry for t in texts}
        by_case = set(_tracks(state))
    by_example = {e for e in known.entries if _is_reached(known, e)}
    never = [e for e in known.entries if e not in by_example | by_case | by_text]
    counts = {
        "entries": len(known.entries),
        "hit_by_example": len(by_example),
        "hit_by_case": len(by_case & set(known.entries)),
        "hit_by_text": len(by_text & set(known.entries)),
    }
    if output == "json":
        _print({"schema_version": 1, **counts, "never": [*never]})
        return 0
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
    sys.stdout.write(f"{told}\n")
    for entry in never:
        codes = ", ".join(known.entries[entry].codes)
        how = f"only the platform's word reaches it: {codes}" if codes else "nothing reached it"
        sys.stdout.write(f"   never   {entry}   {how}\n")
    return 0


def _is_reached(known: "Catalogue", entry: str) -> bool:
    examples = known.entries[entry].examples
    return any(known.diagnose_text(text, "example").entry == entry for text in examples)


@app.command()
def top(state: State = None, output: Output = "text") -> int:
    """List the most frequent failures of this journal, with how they ended."""
    with failing(output):
        desk(state)
        tracks = sorted(_tracks(state).values(), key=lambda t: (-t.hits, t.entry))
    rows = [_row(track) for track in tracks if track.hits]
    if output == "json":
        _print({"schema_version": 1, "failures": [*rows]})
        return 0
    if not rows:
        sys.stdout.write("no failure was diagnosed yet; begin with: runmend heal PLAYBOOK\n")
        return 0
    sys.stdout.write(" hits  cases  healed  failed  open  entry\n")
    for track in tracks:
        for line in _told(track) if track.hits else ():
            sys.stdout.write(f"{line}\n")
    return 0


def _tracks(state: Path | None) -> "dict[str, Track]":
    from agent import experience, settings
    from agent.journal import Journal

    folder = settings.state_folder(state)
    if not (folder / "journal.sqlite").is_file():
        return {}
    return experience.tracks(Journal(folder).histories())


def _row(track: "Track") -> "dict[str, JsonValue]":
    lost = track.distrusted
    return {
        "entry": track.entry,
        "hits": track.hits,
        "cases": len(track.cases),
        "healed": track.healed,
        "failed": track.failed,
        "open": track.open,
        "automatic": lost is None,
        "lost_in_case": None if lost is None else lost.case,
        "misled": [
            {"why": m.why, "signal": m.evidence[0].text if m.evidence else ""} for m in track.misled
        ],
    }


def _told(track: "Track") -> Iterator[str]:
    from agent.redaction import printable

    counts = f"{track.hits:5}  {len(track.cases):5}  {track.healed:6}  {track.failed:6}"
    yield f"{counts}  {track.open:4}  {track.entry}"
    if (lost := track.distrusted) is not None:
        again = f"runmend matrix trust {track.entry}"
        yield f"       no automatic fix since case {lost.case}: {lost.why}; restore it: {again}"
    for misled in track.misled:
        signal = f": {misled.evidence[0].text}" if misled.evidence else ""
        yield printable(f"       misled: {misled.why}{signal}")[:200]


def _print(fields: "dict[str, JsonValue]") -> None:
    sys.stdout.write(json.dumps(fields, indent=2) + "\n")


@app.command()
def trust(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="A matrix entry's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")] = "",
    state: State = None,
) -> int:
    """Let an entry's fixer act by itself again, after its automatic fix had failed."""
    from agent import cases as work

    case = work.trust(desk(state), entry, reason)
    sys.stdout.write(f"{entry} may act by itself again; it had failed in case {case}\n")
    return 0


@app.command(name="add")
def take_over(
    from_case: Annotated[
        str, typer.Option("--from-case", metavar="CASE", help="A solved case that taught it.")
    ],
    category: Annotated[
        str | None, typer.Option("--category", help="What it really is, if you know better.")
    ] = None,
    jsonl: Annotated[
        Path | None,
        typer.Option(
            "--jsonl",
            help='Texts to hold it against: {"text", "category", "is_failure"} a line.',
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write it: you have seen it, and you say so.")
    ] = False,
    matrix: Matrix = None,
    state: State = None,
) -> int:
    """Propose an entry for what a solved case taught; it is written only when you say so."""
    from agent import learning, settings
    from agent.errors import UsageError

    here = desk(state, quiet=True, matrix=matrix)
    case = here.journal.find(from_case)
    target = here.matrix or here.state / settings.MATRIX
    own = target if target.is_file() else None
    texts = list(learning.labelled(jsonl)) if jsonl is not None else []
    found = learning.from_case(here.journal, case, own, texts, options.category(category))
    if found is None:
        raise UsageError(
            f"the matrix knows every failure of case {case}; if it knew one wrongly: "
            f'runmend learn {case} --category WHAT_IT_WAS --note "..."'
        )
    about, proposal = found
    if not about.solution:
        raise UsageError(
            f"nobody knows yet what helps against the failure of case {case}; once it is mended: "
            f'runmend learn {case} --note "what was wrong, what helped" --commit REV'
        )
    old = target.read_text(encoding="utf-8") if own is not None else ""
    new = (old.rstrip("\n") + "\n\n" if old.strip() else _HEAD) + proposal.block
    lines = (old.splitlines(keepends=True), new.splitlines(keepends=True))
    sys.stdout.write("".join(difflib.unified_diff(*lines, str(target), str(target))))
    sys.stderr.write("".join(f"{said}\n" for said in proposal.checked))
    if not (yes or _agreed(target)):
        sys.stderr.write("nothing is written; to write it, add --yes\n")
        return 0
    learning.write(target, old, new)
    sys.stderr.write(f"{proposal.entry} is in {target}\n")
    return 0


_HEAD = "# Entries taken over from solved cases; they add to and override the shipped matrix.\n\n"


def _agreed(target: Path) -> bool:
    """Ask the person at the terminal; without one nobody has said yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"write it to {target}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
