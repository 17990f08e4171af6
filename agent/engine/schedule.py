"""When a task may run: `run_if` over the states of what it depends on.

Only the standard library is used. A dependency that could not run because of a failure counts as
failed; one that was left out counts as neither. Source:
https://docs.databricks.com/aws/en/jobs/run-if
"""

from collections.abc import Sequence

OK = frozenset({"succeeded"})
BAD = frozenset({"failed", "timed_out", "cancelled", "upstream_failed"})
ENDED = OK | BAD | {"skipped"}


def verdict(run_if: str, states: Sequence[str]) -> str | None:
    """Return None where the task may run, else the state it ends in without running."""
    if not states or run_if == "ALL_DONE":
        return None
    good = sum(state in OK for state in states)
    bad = sum(state in BAD for state in states)
    may = {
        "ALL_SUCCESS": good == len(states),
        "NONE_FAILED": not bad and good > 0,
        "AT_LEAST_ONE_SUCCESS": good > 0,
        "ALL_FAILED": bad == len(states),
        "AT_LEAST_ONE_FAILED": bad > 0,
    }[run_if]
    if may:
        return None
    wants_good = run_if in ("ALL_SUCCESS", "NONE_FAILED", "AT_LEAST_ONE_SUCCESS")
    return "upstream_failed" if wants_good and bad else "skipped"
