"""Which parameters a run gets: the playbook's for a new one, the ended run's for its replacement.

Rules kept here: values are texts, names are letters, digits, `_`, `.` and `-`; what a run had is
what the service resolved from job and run (`unifiedJobAndJobRunParameters`), and its replacement
gets that; what the service computes anew is said.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

import re
from collections.abc import Mapping
from typing import Any

from agent.engine import values
from agent.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def named(listed: object) -> dict[str, str]:
    """Return `[{"name", "value"}]` as a mapping; empty for anything else."""
    found = listed if isinstance(listed, list) else ()
    pairs = (p for p in found if isinstance(p, dict) and isinstance(p.get("name"), str))
    return {p["name"]: "" if p.get("value") is None else str(p["value"]) for p in pairs}


def listed(known: Mapping[str, str]) -> list[dict[str, str]]:
    """Return parameters as the API takes them."""
    return [{"name": name, "value": value} for name, value in known.items()]


def given(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return the playbook's parameters as texts. Raises `UsageError` for a name that is none."""
    for name in wanted:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of a parameter (job.parameters of the playbook): letters, "
                "digits, '_', '.' and '-' make one"
            )
    return {name: values.as_text(value) for name, value in wanted.items()}


def carried(run: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run had, its own and its job's, as the service resolved them."""
    return named(run.get("unifiedJobAndJobRunParameters")) | named(run.get("parameters"))


def anew(known: Mapping[str, str]) -> tuple[str, ...]:
    """Say which values the service computes for each run: a new run has others."""
    return tuple(
        f"parameter {name}: {value} is computed anew, it cannot be carried over"
        for name, value in known.items()
        if any(True for _ in values.references(value))
    )


def same(run: Mapping[str, Any], own: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Return whether a run has the parameters that one was asked for with.

    `own`: those of the request; `known`: with the job's beside them. A service that tells of none
    cannot say that they differ.
    """
    if named(run.get("parameters")) == own:
        return True
    told = carried(run)
    return told == known or (not own and not told)
