"""Options and arguments that several commands take, in the same words."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from agent.records import Category

State = Annotated[
    Path | None,
    typer.Option("--state", help="State folder; else RUNMEND_STATE, else the nearest .runmend/."),
]
Output = Annotated[
    Literal["text", "json"], typer.Option("-o", "--output", help="What is printed on stdout.")
]
Profile = Annotated[
    str | None,
    typer.Option("-p", "--profile", help="Databricks or OCI profile; wins over the playbook."),
]
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="A case's id, or the start of it.")]
Engine = Annotated[
    Literal["rest", "cli"] | None,
    typer.Option(
        "--engine", help="AIDP: how it is asked for changes, `cli` by the official aidp command."
    ),
]
Cleanup = Annotated[
    bool,
    typer.Option("--cleanup", help="AIDP: at the end delete a job, with its files, made for this."),
]
Matrix = Annotated[
    Path | None,
    typer.Option("--matrix", help="Your own error matrix; adds to and overrides the shipped one."),
]


def category(given: str | None) -> "Category | None":
    """Return a category as the user wrote it. Raises `UsageError` with the nearest one."""
    import difflib
    from typing import get_args

    from agent.errors import UsageError
    from agent.records import Category

    known: tuple[Category, ...] = get_args(Category)
    if given is None:
        return None
    found = next((one for one in known if one == given), None)
    if found is None:
        near = difflib.get_close_matches(given, known, 1)
        hint = f", did you mean {near[0]}?" if near else "."
        raise UsageError(f"there is no category {given!r}{hint} There are: {', '.join(known)}")
    return found
