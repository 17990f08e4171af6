"""Jobs that the environment names: targets without a playbook.

Every `DATABRICKS_JOB_<KEY>` is a job id under its key in lower case; `DATABRICKS_JOB_ID` alone is
the job `default`. The same variables are read by Databricks' own AppKit.
"""

from collections.abc import Mapping

from agent.errors import UsageError

_PREFIX = "DATABRICKS_JOB_"


def jobs(env: Mapping[str, str]) -> dict[str, int]:
    """Return key: job id. Raises `UsageError` for a value that is no job id."""
    found = {
        name.removeprefix(_PREFIX).lower(): _id(name, value)
        for name, value in env.items()
        if name.startswith(_PREFIX) and name != _PREFIX and value.strip()
    }
    only = found.pop("id", None)
    return found or ({} if only is None else {"default": only})


def _id(name: str, value: str) -> int:
    text = value.strip()
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name} is {value!r}; expected a job's id, such as 625234784902960")
    return int(text)
