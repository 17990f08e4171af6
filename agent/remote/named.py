"""A job that a playbook names by its exact name, among those of a workspace."""

from collections.abc import Sequence

from agent.errors import UsageError

_SHOWN = 8


def unclear(
    name: str, same: Sequence[str], others: Sequence[tuple[str, str]], where: str
) -> UsageError:
    """Return the exception where a name does not lead to one job; `same`: the ids it leads to.

    `others` are the names and ids of jobs that are called much the same; `where`: "on https://...".
    """
    if same:
        return UsageError(
            f"{len(same)} jobs {where} are called {name!r} ({', '.join(same)}): say which with "
            "job.id"
        )
    near = ", ".join(f"{other!r} ({job})" for other, job in others[:_SHOWN])
    return UsageError(
        f"no job {where} is called {name!r}{f'; there is {near}' if near else ''}: "
        "names are compared exactly; job.id is surer"
    )
