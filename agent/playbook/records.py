"""What a user writes: which job, where, how to poll and verify it, who decides, the limits.

Every key but `platform` and `job` has a default.
Durations are written `30s`, `5m`, `2h` and kept as seconds; money is US dollars.
"""

import json
import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
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


def _words(value: object) -> object:
    if isinstance(value, str):
        return tuple(shlex.split(value))
    return tuple(value) if isinstance(value, list) else value


class Job(Record):
    """Which job: `file` on the local platform; `bundle`, `name` or `id` elsewhere."""

    file: str | None = None
    """The job's declaration, relative to `source`."""
    bundle: str | None = None
    """Key of a job or pipeline in the bundle at `source`."""
    name: str | None = None
    """An existing job's name; only looked up, never reset by it."""
    id: int | str | None = None
    """An existing job's id."""
    pipeline: str | None = None
    """An existing Lakeflow pipeline's id."""
    full_refresh: bool | tuple[str, ...] = False
    """With a pipeline: recompute all tables, or those named; always asks a person."""
    parameters: dict[str, JsonValue] = {}
    """Job parameters for each run; scalars, others are sent as JSON."""

    @model_validator(mode="after")
    def _names_one(self) -> "Job":
        kinds = ("file", "bundle", "name", "id", "pipeline")
        given = [k for k in kinds if getattr(self, k) is not None]
        if not given:
            raise ValueError(f"job names nothing; give one of {', '.join(kinds)}")
        return self


class Databricks(Record):
    """How a Databricks workspace is reached and what may be used there."""

    profile: str | None = None
    """Of the Databricks configuration file; `-p` wins; unsaid: what the environment says."""
    command: Annotated[
        tuple[str, ...],
        BeforeValidator(_words, json_schema_input_type=str | tuple[str, ...]),
        Field(min_length=1),
    ] = ("databricks",)
    """The user's own `databricks` command, with arguments it always gets: bundles need it."""
    variables: dict[str, str] = {}
    """Bundle variables, given as --var."""
    trust_code: bool = False
    """True lets bundles run their own code (scripts, artifact builds, Python) at deploy."""
    warehouse: str | None = None
    """Id or name of the SQL warehouse for checks and read-only questions about tables."""
    cluster: str | None = None
    """Id of a cluster that is started before the run and stopped again if we started it."""
    root: str | None = None
    """Workspace folder the source lies in, for jobs without a bundle."""
    logs: str | None = None
    """Where clusters deliver their logs, where the job does not say: dbfs:/..., /Volumes/..."""


class Aidp(Record):
    """How an Oracle AI Data Platform workspace is reached and what may be used there."""

    profile: str | None = None
    """Of the OCI configuration file; `-p` wins; unsaid: OCI_CLI_PROFILE, else DEFAULT."""
    config_file: str | None = None
    """Unsaid: OCI_CLI_CONFIG_FILE, else ~/.oci/config."""
    auth: (
        Literal["api_key", "security_token", "instance_principal", "resource_principal"] | None
    ) = None
    """Unsaid: OCI_CLI_AUTH, else security_token where the profile has one, else api_key."""
    region: str | None = None
    """Unsaid: OCI_CLI_REGION, else the profile's."""
    instance: str | None = None
    """OCID of the AI Data Platform instance; unsaid: AIDP_INSTANCE_ID."""
    workspace: str | None = None
    """Key or display name; unsaid: AIDP_WORKSPACE."""
    endpoint: str | None = None
    """https://host, without a path; unsaid: AIDP_ENDPOINT, else the region's."""
    api: Literal["20260430/aiDataPlatforms", "20240831/dataLakes"] = "20260430/aiDataPlatforms"
    """Version and prefix, which go together; older instances have 20240831/dataLakes."""
    cluster: str | None = None
    """Display name of the cluster for tasks that name none, and for checks on tables."""
    start_cluster: bool = False
    """True: a stopped cluster is started before a run, and stopped again if we started it."""
    folder: str | None = None
    """Workspace folder the source's files lie in; unsaid: /Workspace/Shared/runmend/<name>."""
    path: str = "/Workspace/Shared"
    """Workspace folder of the job's definition."""
    engine: Literal["rest", "cli"] = "rest"
    """`cli`: the official command creates, updates, runs, reads, repairs and cancels."""
    command: Annotated[
        tuple[str, ...],
        BeforeValidator(_words, json_schema_input_type=str | tuple[str, ...]),
        Field(min_length=1),
    ] = ("aidp",)
    """The official command, with arguments it always gets."""
    repair: Literal["taskKeys", "repairTasks"] = "taskKeys"
    """How a repair names its tasks; both are in use, newer clients have repairTasks."""
    blocked: Seconds = 600.0
    """How long a run may be BLOCKED before that counts as its end."""
    cleanup: bool = False
    """True: a job that the case had to make is deleted again at its end, with its files."""


Required = Literal[
    "playbook",
    "table",
    "file",
    "schema",
    "function",
    "metric_view",
    "model",
    "endpoint",
    "vector_index",
    "volume",
    "secret_scope",
    "warehouse",
    "cluster",
    "job",
]
REQUIRED: tuple[Required, ...] = get_args(Required)


class Requirement(Record):
    """One thing that must be there before create; exactly one key besides on_missing and rows."""

    playbook: str | None = None
    """Path relative to this playbook."""
    on_missing: Literal["fail", "run"] = "fail"
    table: str | None = None
    file: str | None = None
    rows: Rows | None = None
    """With a table or file: `>= 1`, `== 30`, or a number."""
    schema_: Annotated[str | None, Field(alias="schema")] = None
    """catalog.schema"""
    function: str | None = None
    """A SQL (table) function: catalog.schema.name"""
    metric_view: str | None = None
    model: str | None = None
    """A registered model: catalog.schema.name"""
    endpoint: str | None = None
    """A serving endpoint that is ready."""
    vector_index: str | None = None
    volume: str | None = None
    secret_scope: str | None = None
    warehouse: str | None = None
    """Id or name; started where it is stopped, and stopped again at the end."""
    cluster: str | None = None
    job: int | str | None = None
    """Id or name of a job whose last run ended well."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    @property
    def what(self) -> tuple[Required, str]:
        """The kind of thing and its name."""
        found = [(k, getattr(self, "schema_" if k == "schema" else k)) for k in REQUIRED]
        kind, name = next((k, v) for k, v in found if v is not None)
        return kind, str(name)

    @model_validator(mode="after")
    def _names_one(self) -> "Requirement":
        given = [
            k for k in REQUIRED if getattr(self, "schema_" if k == "schema" else k) is not None
        ]
        if len(given) != 1:
            raise ValueError(f"a requirement names exactly one of {', '.join(REQUIRED)}")
        if self.rows is not None and given[0] not in ("table", "file"):
            raise ValueError("rows go with a table or a file")
        return self


class Poll(Record):
    """How a run is watched: exponential from `first` to `max` with jitter, up to `deadline`."""

    first: Seconds | None = None
    """None = the platform's own cadence for the kind of job, with its history where it has one."""
    max: Seconds | None = None
    deadline: Seconds = 7200.0
    """For a job that never ends (`running_for`): how long it may take to run well; it is left
    running then. Every other run is stopped at its deadline."""
    kind: Literal["job", "training", "pipeline"] | None = None
    """Unsaid: what the platform knows. Jobs 30 to 120 s, training 60 to 300 s, pipelines 30 s."""
    history: bool = True
    """Let past durations decide: rarely early, closely near the expected end."""
    running_for: Seconds | None = None
    """A continuous or streaming job has succeeded when it ran and progressed for this long."""


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
    databricks: Databricks = Databricks()
    aidp: Aidp = Aidp()
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
