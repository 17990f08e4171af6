"""The values that pass between the parts: frozen, strict, and the same after a JSON round trip.

Rules kept here: a record never does I/O; collections are tuples; times are aware UTC datetimes;
text that came from a job is masked before it enters a record (`redaction.mask`).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
)


class Record(BaseModel):
    """A frozen value; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def dump(self) -> str:
        """Return canonical JSON: declared order of fields, no spaces, defaults included."""
        return self.model_dump_json()

    def sha256(self) -> str:
        """Return the SHA-256 of `dump()`, hexadecimal."""
        return hashlib.sha256(self.dump().encode()).hexdigest()


TaskKey = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""A task's name inside its job (Databricks `task_key`)."""

Category = Literal[
    "auth",
    "permission",
    "network",
    "external_system",
    "timeout",
    "quota_rate_limit",
    "capacity_memory",
    "cluster_infra",
    "dependency",
    "missing_object",
    "resource_conflict",
    "concurrency",
    "schema",
    "data_quality",
    "sql_syntax",
    "code_bug",
    "parameter",
    "config",
    "bundle_deploy",
    "streaming",
    "ml",
]
"""What is wrong, not where it showed; the borders are drawn in the README."""

Remedy = Literal["rerun", "fix", "run_prerequisite", "escalate"]


class Line(Record):
    """One line of what a job left behind: evidence."""

    source: str
    """Where it was read: `transform stderr`, `driver.log`, `verify`."""
    number: int
    """1-based line number in that source as captured; 0 where the source has no lines."""
    text: str
    """The line verbatim, masked, cut only at its end."""


class Location(Record):
    """The user's own line where it went wrong."""

    path: str
    """Relative to the source folder where it lies inside, else as the log gave it."""
    line: int | None = None
    """1-based, in the file (in the cell where `cell` is given)."""
    cell: int | None = None
    """0-based index of a notebook's cell; None for plain files."""
    code: str | None = None
    """The line of code, where it is known."""

    @property
    def place(self) -> str:
        """Return `transform.py:14`, for a notebook `load.ipynb cell 3:1`, cells counted from 1."""
        cell = f" cell {self.cell + 1}" if self.cell is not None else ""
        return f"{self.path}{cell}{'' if self.line is None else f':{self.line}'}"


class Identity(Record):
    """An error's own name in the system that raised it."""

    system: str
    """spark | delta | databricks | oracle | aidp | python | dbt | duckdb | http | process ..."""
    code: str
    """`CONDITION.SUB`, the exception's class, `ORA-01017`, an exit code ..."""
    sqlstate: str | None = None
    exception: str | None = None
    """Short class of the exception that carried it, also where `code` is a condition."""
    parameters: dict[str, str] = {}
    """By the names of the system's own message: `objectName`, `column`, `status` ..."""


class Dataset(Record):
    """A file or table the failed task could see, and its columns."""

    name: str
    """A table's (qualified) name, or a file's path relative to the tree."""
    kind: Literal["table", "file"]
    columns: tuple[str, ...] = ()
    """Empty where the columns are not known."""
    rows: int | None = None


class Facts(Record):
    """What a fixer must know of the world, gathered by the platform so that fixers stay pure."""

    files: tuple[str, ...] = ()
    """Files of the tree and of the data folders, POSIX paths relative to the tree, sorted."""
    datasets: tuple[Dataset, ...] = ()
    job_file: str | None = None
    """Path of the job's declaration in the tree."""
    parameters: dict[str, str] = {}
    """The job parameters this run was started with."""
    widgets: dict[str, str] = {}
    """Parameters the failed task itself was given."""
    distributions: tuple[str, ...] = ()
    """Requirements the failed task's environment was built from."""
    task_type: str | None = None
    """`spark_python_task`, `notebook_task`, `sql_task`, `dbt_task` ..."""
    task_file: str | None = None
    """The failed task's main file, relative to the tree."""


class Failure(Record):
    """What a failed run told us. Masked when it is made."""

    phase: Literal["create", "run", "verify"]
    code: str
    """The platform's word: FAILED, TIMEDOUT, CANCELED, LOST, VERIFY_FAILED, JOB_INVALID ..."""
    message: str
    """One line: what the platform or the task says went wrong."""
    task: TaskKey | None = None
    """None where the job as a whole failed (create, verify without a task)."""
    run: str | None = None
    task_run: str | None = None
    url: str | None = None
    """The run's page, or the folder of its output for local runs."""
    item: str | None = None
    """The failed item of a partly successful task, else None."""
    share_good: float | None = None
    """For VERIFY_FAILED of a partly successful task: successful / total, else None."""
    log: tuple[Line, ...] = ()
    """The captured output that a diagnosis reads, in order; bounded (64 KiB a task)."""
    log_cut: tuple[str, ...] = ()
    """What the caps cut, in words; empty where the log is whole."""
    exit_code: int | None = None
    """The process's exit code; negative = the signal that killed it."""
    location: Location | None = None
    facts: Facts = Facts()
    started: bool = True
    """False where the task is known to have never begun, so that running it again is harmless."""

    def fingerprint(self) -> str:
        """Return what makes two failures the same to a person: phase, code, task, item, words.

        Digits are folded so that addresses, times and ids do not make a failure look new.
        """
        words = "".join("0" if c.isdigit() else c for c in self.message)
        basis = "\x1f".join((self.phase, self.code, self.task or "", self.item or "", words))
        return hashlib.sha256(basis.encode()).hexdigest()[:16]


class Diagnosis(Record):
    """Which matrix entry explains a failure, and the lines that prove it; or "not determined"."""

    verdict: Literal["diagnosed", "not_determined", "no_failure"]
    task: TaskKey | None = None
    entry: str | None = None
    """Matrix entry id; None when not determined."""
    title: str = ""
    category: Category | None = None
    cause: str = ""
    """One sentence with the parameters filled in."""
    solution: str = ""
    """What a person should do."""
    remedy: Remedy | None = None
    fixer: str | None = None
    transient: bool = False
    wait_s: float = 0.0
    """How long to wait before a rerun of a transient failure, seconds."""
    confidence: float = 0.0
    """0 to 1."""
    parameters: dict[str, str] = {}
    """Named groups of the pattern that matched."""
    evidence: tuple[Line, ...] = ()
    identity: Identity | None = None
    location: Location | None = None
    nearest: tuple[str, ...] = ()
    """When not determined: the nearest entries, each with why it did not fit; else a tied rival."""
    worth_reading: tuple[Line, ...] = ()
    """When not determined: the lines a person should read first."""


class Risk(IntEnum):
    """What an effect may do; ordered, the highest of a patch decides."""

    SAFE = 0
    ASK = 1
    DESTRUCTIVE = 2


class Effect(Record):
    """One thing a patch or a command would do to the world, read from its parsed content."""

    kind: str
    """noun_verb, e.g. `table_drop`, `file_delete`, `dependency_add`, `task_rerun`, `unparsed`."""
    risk: Risk
    detail: str
    """One short sentence for a person: `transform.py:14 appends to table sales`."""
    path: str | None = None
    line: int | None = None
    shown: str = ""
    """What a person is shown in full when asked, masked: a request's body."""

    @model_serializer(mode="wrap")
    def _as_ever(self, plain: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """Leave out what is empty: the digest of a patch that waits outlives a new release."""
        fields: dict[str, JsonValue] = plain(self)
        if not self.shown:
            fields.pop("shown", None)
        return fields


class Edit(Record):
    """Replace `old` by `new` in `path`, once. `old` must occur exactly once in the file."""

    path: str
    """POSIX, relative to the source folder."""
    old: str | None
    """Text to find, exact, occurring once; None = the file does not exist and is created."""
    new: str | None
    """Replacement; None = delete the file (then `old` is its whole content)."""
    base: str | None = None
    """SHA-256 of the file before the edit, filled in by the workspace; None for a new file."""


class Patch(Record):
    """A proposal: edits and what is run again. `edits` is empty for a plain rerun."""

    edits: tuple[Edit, ...] = ()
    rerun: tuple[TaskKey, ...] = ()
    """Tasks that will run (again): patched, failed, everything downstream. Empty = all."""
    rationale: str
    author: str
    """`fixer:<name>`, `model:<id>`, `person:<name>` once edited; without edits `rerun`, or `deploy`
    where bringing the source as it is needs a person."""
    effects: tuple[Effect, ...] = ()
    confidence: float = 1.0
    wait_s: float = 0.0
    """Seconds to wait before the run (transient failures)."""
    target: str = ""
    """Where it would be deployed: `local`, or the bundle's target ..., part of what is approved."""

    @property
    def risk(self) -> Risk:
        """The highest risk among the effects; SAFE where there are none."""
        return max((e.risk for e in self.effects), default=Risk.SAFE)

    @property
    def id(self) -> str:
        """First 12 hexadecimal digits of the digest over everything that is approved."""
        return self.sha256()[:12]

    def with_effects(self, effects: tuple[Effect, ...]) -> Self:
        """Return the same patch with these effects."""
        return self.model_copy(update={"effects": effects})


class NoFix(Record):
    """Why a fixer proposes nothing; reported, so that a person sees what was tried."""

    author: str
    reason: str


def duration(seconds: float | None) -> str:
    """Return `9.8 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for big, small, size, unit in (("d", "h", 86400, 3600), ("h", "min", 3600, 60)):
        if whole >= size:
            rest = whole % size // unit
            return f"{whole // size} {big} {rest} {small}" if rest else f"{whole // size} {big}"
    return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"


TaskState = Literal[
    "pending",
    "running",
    "succeeded",
    "failed",
    "timed_out",
    "cancelled",
    "skipped",
    "upstream_failed",
]


class TaskStatus(Record):
    """How one task of a run is doing; its last attempt."""

    task: TaskKey
    state: TaskState
    attempt: int = 0
    task_run: str | None = None
    seconds: float | None = None
    """Run time so far or in all, seconds; None for what never ran."""
    waited_s: float | None = None
    """How much of that it waited for its compute, seconds; None where that is not told."""
    step: str | None = None
    """The last `[Step N/M] ...` line it printed."""
    exit_value: JsonValue = None
    """Its structured exit value (masked), None where there is none yet."""
    exit_value_known: bool = True
    """False where the platform did not keep or deliver the value: unknown, neither good nor bad."""
    message: str = ""
    url: str | None = None

    @property
    def took(self) -> str:
        """Return `6 min 3 s (5 min for compute)`; empty where it has no run time."""
        if self.seconds is None:
            return ""
        waited = self.waited_s or 0.0
        said = f" ({duration(waited)} for compute)" if waited >= 10.0 else ""
        return f"{duration(self.seconds)}{said}"


class RunStatus(Record):
    """How a run is doing. Terminal states are succeeded, failed and cancelled."""

    run: str
    state: Literal["running", "succeeded", "failed", "cancelled"]
    native: str = ""
    """The platform's own words for the state."""
    tasks: tuple[TaskStatus, ...] = ()
    url: str | None = None
    look_s: float | None = None
    """When the platform would look again, seconds from now; None = it has no opinion."""
    notes: tuple[str, ...] = ()
    """What a person may want to know: queued behind another run, a retry the platform started."""
    endless: bool = False
    """True where a task of it streams: it is never stopped at its deadline."""

    def summary(self) -> str:
        """Return `25 tasks: 20 succeeded, 3 failed, 2 skipped`."""
        return summary(self.tasks)


def summary(tasks: Sequence[TaskStatus]) -> str:
    """Return `25 tasks: 20 succeeded, 3 failed, 2 skipped`."""
    words = {"timed_out": "failed", "upstream_failed": "skipped"}
    counts = Counter(words.get(task.state, task.state) for task in tasks)
    order = ("succeeded", "failed", "skipped", "cancelled", "running", "pending")
    said = ", ".join(f"{counts[word]} {word}" for word in order if counts[word])
    noun = "task" if len(tasks) == 1 else "tasks"
    return f"{len(tasks)} {noun}: {said}" if tasks else "no tasks"


class Deployment(Record):
    """A job that exists on its platform and is ours."""

    job: str
    """The platform's id of the job."""
    name: str
    tree: str
    """Digest of the tree that was deployed."""
    settings: str = ""
    """Digest of the settings as the platform has them, to notice what somebody else changed."""
    url: str | None = None
    tasks: tuple[TaskKey, ...] = ()
    """Task keys in dependency order."""
    notes: tuple[str, ...] = ()
    """What a person may want to know: environment cached, built in 3.1 s ..."""
    files: dict[str, str] = {}
    """Remote path: SHA-256 of what was deployed there, to notice what somebody else changed."""
    kept: bool = False
    """True where it outlives the case: what a case without a heal changed is then put back."""


class Run(Record):
    """A run that was started; the key it was asked for with finds it again."""

    run: str
    key: str
    url: str | None = None
    repairs: str | None = None
    """The run whose successful tasks it builds on, or None for a full run."""
    parameters: dict[str, str] = {}
    """Resolved job parameters, so that a replacement run gets the same ones."""
    note: str = ""
    """What a person may want to know: why a new run was started instead of a repair."""


class Check(Record):
    """What one verification saw."""

    name: str
    """In words a person knows: `table main.gold.sales rows >= 1000`."""
    outcome: Literal["held", "failed", "unknown"]
    saw: str
    """What was seen, in short: `1,204 rows`."""
    task: TaskKey | None = None
    items: tuple[str, ...] = ()
    """Failed items of a partly successful task."""
    share_good: float | None = None
    measures: dict[str, JsonValue] = {}
    """rows, columns, checksum ... kept as the baseline for later runs."""
    flag: str | None = None
    """How it differs from the last good run, `no baseline`, or None where it does not differ."""
    evidence: tuple[Line, ...] = ()


class Usage(Record):
    """What a case has cost so far."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    api_calls: int = 0
    """Calls to the model."""

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum."""
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields}
        )


class Decision(Record):
    """What was decided about one exact patch, by whom, when."""

    outcome: Literal["approved", "rejected", "expired"]
    patch: str
    """`Patch.sha256()` of what was decided."""
    by: str
    """`rule 1`, `policy`, `ana@host`."""
    at: datetime
    reason: str = ""


class Tree(Record):
    """A private copy of the job's source with the approved patches applied."""

    root: str
    """Absolute path of the copy."""
    digest: str
    """SHA-256 over the sorted (path, content hash) pairs."""
    files: tuple[str, ...] = Field(default=())
    """POSIX paths relative to root, sorted; data folders are not in it."""


class TaskSource(Record):
    """One task's declaration and main file, to judge its effects and how it can be watched."""

    task: TaskKey
    type: str
    """`spark_python_task`, `notebook_task`, `sql_task`, `dbt_task` ..."""
    path: str | None
    """Its main file relative to the tree; None where it has none."""
    text: str | None
    """That file's text; None where it cannot be read."""
    depends_on: tuple[TaskKey, ...] = ()
    parameters: tuple[str, ...] = ()
    """Names of the parameters it is given."""
    imports: tuple[tuple[str, str], ...] = ()
    """(path, text) of the tree's own modules the main file imports, directly or not."""


class Repair(Record):
    """Run an ended run again, with its resolved parameters: some of its tasks, or all."""

    run: str
    tasks: tuple[TaskKey, ...]
    """Patched, failed and everything downstream of them; what the others did is kept.
    Empty = a new run of the whole job takes the ended one's place."""
