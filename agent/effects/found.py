"""What was found in one version of a file, acts and guards; and what a change of it adds.

Adding an effect: give its kind a risk here, and let the reader of the language it shows in (`sql`,
`python` and its tables in `calls`, `settings`, `cells`, `text`) yield a `Found` of that kind.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from agent.records import Risk

RISKS = {
    # destroys, or acts somewhere else
    "checkpoint_change": Risk.DESTRUCTIVE,
    "column_drop": Risk.DESTRUCTIVE,
    "file_delete": Risk.DESTRUCTIVE,
    "full_refresh": Risk.DESTRUCTIVE,
    "grant_change": Risk.DESTRUCTIVE,
    "mask_written": Risk.DESTRUCTIVE,
    "protection_removed": Risk.DESTRUCTIVE,
    "rows_delete": Risk.DESTRUCTIVE,
    "table_drop": Risk.DESTRUCTIVE,
    "table_overwrite": Risk.DESTRUCTIVE,
    "table_truncate": Risk.DESTRUCTIVE,
    "target_change": Risk.DESTRUCTIVE,
    "vacuum": Risk.DESTRUCTIVE,
    # may harm, leak, cost, or hide a failure
    "call_unknown": Risk.ASK,
    "check_weakened": Risk.ASK,
    "config_change": Risk.ASK,
    "cost_raised": Risk.ASK,
    "dependency_add": Risk.ASK,
    "encoding_changed": Risk.ASK,
    "error_to_null": Risk.ASK,
    "exec_dynamic": Risk.ASK,
    "file_append": Risk.ASK,
    "file_change": Risk.ASK,
    "file_emptied": Risk.ASK,
    "file_move": Risk.ASK,
    "file_write": Risk.ASK,
    "import_unknown": Risk.ASK,
    "job_run": Risk.ASK,
    "limit_raised": Risk.ASK,
    "line_ends_changed": Risk.ASK,
    "network_call": Risk.ASK,
    "output_removed": Risk.ASK,
    "permission_change": Risk.ASK,
    "rows_dropped": Risk.ASK,
    "rows_update": Risk.ASK,
    "schedule_on": Risk.ASK,
    "secret_written": Risk.ASK,
    "setting_change": Risk.ASK,
    "shell_run": Risk.ASK,
    "source_change": Risk.ASK,
    "source_delete": Risk.ASK,
    "table_append": Risk.ASK,
    "table_merge": Risk.ASK,
    "table_write": Risk.ASK,
    "task_remove": Risk.ASK,
    "task_rerun": Risk.ASK,
    "text_hidden": Risk.ASK,
    "unparsed": Risk.ASK,
}
"""Every kind of effect, and what it may do at worst."""


class Found(NamedTuple):
    """One thing that a text does, or one check that it holds."""

    kind: str
    what: str
    """Equal in two versions of a text = the same thing; names of columns are left out of it."""
    says: str
    """For a person, a verb first: `appends to table sales`."""
    line: int | None = None
    again: bool = False
    """True where doing it a second time may do harm."""
    risk: Risk | None = None
    """Where it is known not to be its kind's."""
    name: str = ""
    """The table it is about, lower case; empty where there is none."""


class Reading(NamedTuple):
    """All that was found in one version of a file."""

    acts: tuple[Found, ...] = ()
    guards: tuple[Found, ...] = ()
    """Checks and outputs: one that is gone is an effect, of its own kind."""


def both(readings: Iterable[Reading]) -> Reading:
    """Return several readings as one."""
    kept = tuple(readings)
    return Reading(tuple(f for r in kept for f in r.acts), tuple(f for r in kept for f in r.guards))


def moved(reading: Reading, lines: int) -> Reading:
    """Return the reading of a text that starts that many lines further down."""

    def at(found: Found) -> Found:
        return found._replace(line=(found.line or 1) + lines)

    return Reading(tuple(map(at, reading.acts)), tuple(map(at, reading.guards)))


def added(before: Reading, after: Reading) -> tuple[Found, ...]:
    """Return the acts that are new, and the guards that are gone."""
    gone = (
        f._replace(says=f"no longer {f.says}", line=None)
        for f in _minus(before.guards, after.guards)
    )
    return (*_minus(after.acts, before.acts), *gone)


def _minus(these: Iterable[Found], those: Iterable[Found]) -> list[Found]:
    left = Counter((f.kind, f.what) for f in those)
    kept = []
    for found in these:
        key = (found.kind, found.what)
        if left[key]:
            left[key] -= 1
        else:
            kept.append(found)
    return kept
