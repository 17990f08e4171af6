"""What a user writes: which job, where, how to poll and verify it, who decides, the limits.

Every key but `platform` and `job` has a default.
Durations are written `30s`, `5m`, `2h` and kept as seconds; money is US dollars.
"""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    model_validator,
)

from agent.records import Record, TaskKey

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> object:
    """Turn `30s`, `5m`, `2h`, `1d`, `250ms` into seconds; a number is taken as seconds."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", value)
    if found is None:
        raise ValueError(f"not a duration: {value!r}; write it like 30s, 5m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _glob(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or "\\" in value:
        raise ValueError(
            f"{value!r} is not a pattern of paths inside the source; write it like src/** or *.sql"
        )
    return value


_COMPARISON = r"==|!=|<=|>=|<|>"


def _rows(value: str | int) -> str | int:
    if isinstance(value, int):
        value = f"== {value}"
    if re.fullmatch(rf"\s*({_COMPARISON})\s*\d+\s*", value) is None:
        raise ValueError(f'{value!r} is no number of rows; write it like ">= 1000", "== 30" or 30')
    return value


def _expect(value: str) -> str:
    said = f"{value!r} is no expectation; write it like failed == 0: path, one of == != < <= > >=, "
    found = re.fullmatch(rf"\s*([\w.\[\]-]+)\s*({_COMPARISON})\s*(.+?)\s*", value)
    if found is None:
        raise ValueError(f"{said}JSON value")
    try:
        json.loads(found[3])
    except ValueError:
        raise ValueError(f"{said}and a JSON value (text in double quotes)") from None
    return value


_Duration = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(ms|s|m|h|d)$")]
_Number = Annotated[float, Field(ge=0, le=366 * 86400, allow_inf_nan=False)]
Seconds = Annotated[_Number, BeforeValidator(seconds, json_schema_input_type=_Number | _Duration)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Glob = Annotated[str, AfterValidator(_glob)]
Rows = Annotated[str | int, AfterValidator(_rows)]
Mode = Literal["observe", "suggest", "approve", "auto"]


class Job(Record):
    """Which job: `file` on the local platform; `bundle`, `name` or `id` elsewhere."""

    file: str | None = None
    """The job's declaration, relative to `source`."""
    bundle: str | None = None
    name: str | None = None
    id: int | str | None = None
    parameters: dict[str, JsonValue] = {}
    """Job parameters for each run; scalars, others are sent as JSON."""

    @model_validator(mode="after")
    def _names_one(self) -> "Job":
        given = [k for k in ("file", "bundle", "name", "id") if getattr(self, k) is not None]
        if not given:
            raise ValueError("job names nothing; give one of file, bundle, name, id")
        return self


class Requirement(Record):
    """What must be there before create: another playbook's good end, a table, or a file."""

    playbook: str | None = None
    """Path relative to this playbook."""
    on_missing: Literal["fail", "run"] = "fail"
    table: str | None = None
    file: str | None = None
    rows: Rows | None = None
    """`>= 1`, `== 30`, or a number."""

    @model_validator(mode="after")
    def _names_one(self) -> "Requirement":
        if sum(v is not None for v in (self.playbook, self.table, self.file)) != 1:
            raise ValueError("a requirement names exactly one of playbook, table, file")
        return self


class Poll(Record):
    """How a run is watched: exponential from `first` to `max` with jitter, up to `deadline`."""

    first: Seconds | None = None
    """None = the platform's own cadence."""
    max: Seconds | None = None
    deadline: Seconds = 7200.0


class Expectation(Record):
    """One verification. Exactly one of task, table, file, sql, command."""

    name: str | None = None
    task: TaskKey | None = None
    expect: Annotated[str, AfterValidator(_expect)] | None = None
    """With `task`: path, one of == != < <= > >=, JSON value; over the structured exit value."""
    table: str | None = None
    file: str | None = None
    """Relative to the tree; data folders included."""
    columns: tuple[str, ...] | None = None
    rows: Rows | None = None
    sql: str | None = None
    """One row, one column, true = holds."""
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Run in the playbook's folder, with RUNMEND_TREE = the private copy; exit 0 = holds."""
    timeout: Seconds = 300.0

    @model_validator(mode="after")
    def _names_one(self) -> "Expectation":
        kinds = ("task", "table", "file", "sql", "command")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a check names exactly one of {', '.join(kinds)}; found {given or 'none'}"
            )
        if (self.task is None) != (self.expect is None):
            raise ValueError("a check on a task needs both task and expect")
        if (self.columns is not None or self.rows is not None) and given[0] not in (
            "table",
            "file",
        ):
            raise ValueError("columns and rows go with a table or a file")
        return self


class Limits(Record):
    """Hard, and kept across restarts."""

    iterations: Annotated[int, Field(ge=0, le=3)] = 3
    reruns: Annotated[int, Field(ge=0, le=10)] = 2
    """Plain reruns of transient failures; not iterations."""
    wall_clock: Seconds = 14400.0
    model_usd: Dollars = 2.0
    files: Annotated[int, Field(ge=0)] = 5
    """Files per patch."""
    lines: Annotated[int, Field(ge=0)] = 80
    """Added plus removed lines per patch."""


class Rule(Record):
    """One approval rule. What is not said matches everything; the first match decides."""

    author: str | None = None
    """Glob over the patch's author: `fixer:*`, `model:*`, `rerun`."""
    risk: Literal["safe", "ask", "destructive"] | None = None
    target: str | None = None
    path: str | None = None
    """Glob over the edited paths; with `then: approve` every path must match, else any."""
    then: Literal["approve", "reject", "ask"]


class Approve(Record):
    """Who decides about a patch."""

    mode: Mode = "approve"
    expires: Seconds = 86400.0
    rules: tuple[Rule, ...] = ()
    by: tuple[str, ...] | None = None
    """Names (`ana` or `ana@host`) that may decide; an empty list = nobody; unsaid = anybody who may
    write the state folder."""


class Model(Record):
    """Which model is asked when no fixer fits."""

    id: str = "claude-opus-5-5"
    provider: Literal["anthropic", "bedrock", "vertex"] = "anthropic"
    base_url: str | None = None
    """None = ANTHROPIC_BASE_URL, else the provider's own."""
    max_tokens: Annotated[int, Field(ge=256, le=64000)] = 8000
    """Per answer."""
    timeout: Seconds = 120.0
    input_usd: Dollars | None = None
    """Price per million tokens; None = the built-in table, the dearest where the id is unknown."""
    output_usd: Dollars | None = None


class Playbook(Record):
    """A whole playbook."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "job"
    """Unsaid: the file's stem."""
    platform: Literal["local", "databricks", "aidp"]
    target: str | None = None
    """Unsaid: the platform's name on local."""
    production: bool | None = None
    source: str = "."
    """Folder of the code, relative to the playbook."""
    job: Job
    requires: tuple[Requirement, ...] = ()
    poll: Poll = Poll()
    verify: tuple[Expectation, ...] = ()
    partial: Share = 0.9
    idempotent: bool | tuple[TaskKey, ...] = False
    edit: tuple[Glob, ...] = ("**",)
    limits: Limits = Limits()
    approve: Approve = Approve()
    deliver: Literal["patch", "in-place", "branch"] = "patch"
    model: Annotated[
        Model | None,
        BeforeValidator(
            lambda v: None if v == "none" else v,
            json_schema_input_type=Model | Literal["none"] | None,
        ),
    ] = Model()

    @property
    def where(self) -> str:
        """The target's name, `local` where nothing else is said."""
        return self.target or self.platform


class Loaded(Record):
    """A playbook as read, with where it came from."""

    path: str
    """Absolute path of the file."""
    playbook: Playbook

    @property
    def folder(self) -> Path:
        """The playbook's folder: relative paths in it start here."""
        return Path(self.path).parent

    @property
    def source(self) -> Path:
        """Absolute path of the source folder."""
        return (self.folder / self.playbook.source).resolve()
