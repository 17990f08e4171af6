"""The job file: Databricks' words for tasks, environments and parameters.

The schema only; `problems` finds what is wrong with a file and says it so that it can be mended.
Parameter values are text, whatever YAML made of them.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, JsonValue

from agent.engine import values
from agent.records import Record, TaskKey

_Any = TypeVar("_Any")
"""A task, in whatever form."""

RunIf = Literal[
    "ALL_SUCCESS",
    "ALL_DONE",
    "NONE_FAILED",
    "AT_LEAST_ONE_SUCCESS",
    "ALL_FAILED",
    "AT_LEAST_ONE_FAILED",
]
TaskType = Literal["spark_python_task", "notebook_task", "sql_task", "dbt_task"]
TASK_TYPES: tuple[TaskType, ...] = (
    "spark_python_task",
    "notebook_task",
    "sql_task",
    "dbt_task",
)


def _text(value: object) -> object:
    return values.as_text(value) if isinstance(value, bool | int | float) else value


Text = Annotated[str, BeforeValidator(_text)]
"""What a task gets as text; `true` and `3` in YAML are the text `true` and `3`."""
Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda v: [_text(i) for i in v] if isinstance(v, list | tuple) else v),
]


class Parameter(Record):
    """A job parameter; without a default the playbook must give it."""

    name: Annotated[str, Field(min_length=1)]
    default: Text | None = None


class Spec(Record):
    """What an environment is built from."""

    dependencies: tuple[str, ...] = ()
    """Requirements as pip writes them."""
    client: Text | None = None
    environment_version: Text | None = None


class Environment(Record):
    """A named set of requirements."""

    environment_key: str
    spec: Spec = Spec()


class Dependency(Record):
    """A task that must have ended first."""

    task_key: TaskKey
    outcome: Text | None = None


class SparkPythonTask(Record):
    """A Python script; its exit value is its last line of output when that is a JSON object."""

    python_file: str
    parameters: Texts = ()


class NotebookTask(Record):
    """A notebook, `.ipynb` or a `.py` in Databricks' source format."""

    notebook_path: str
    base_parameters: dict[str, Text] = {}


class SqlFile(Record):
    """The statements of a SQL task."""

    path: str


class SqlTask(Record):
    """Statements run one by one on the job's database."""

    file: SqlFile
    parameters: dict[str, Text] = {}


class DbtTask(Record):
    """dbt commands run one by one in a project folder."""

    project_directory: str = ""
    profiles_directory: str | None = None
    commands: Annotated[tuple[str, ...], Field(min_length=1)]


class Task(Record):
    """One task; exactly one of the four types."""

    task_key: Annotated[TaskKey, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    description: str = ""
    depends_on: tuple[Dependency, ...] = ()
    run_if: RunIf = "ALL_SUCCESS"
    max_retries: Annotated[int, Field(ge=0, le=100)] = 0
    min_retry_interval_millis: Annotated[int, Field(ge=0)] = 0
    retry_on_timeout: bool = False
    timeout_seconds: Annotated[int, Field(ge=0)] = 0
    """0 = none."""
    environment_key: str | None = None
    spark_python_task: SparkPythonTask | None = None
    notebook_task: NotebookTask | None = None
    sql_task: SqlTask | None = None
    dbt_task: DbtTask | None = None

    @property
    def types(self) -> tuple[TaskType, ...]:
        """The types that are given; one in a valid job."""
        return tuple(t for t in TASK_TYPES if getattr(self, t) is not None)

    @property
    def type(self) -> TaskType:
        """The task's type, in a valid job."""
        return self.types[0]

    @property
    def path(self) -> str | None:
        """The main file (a dbt project's is its `dbt_project.yml`), relative to the source."""
        if self.spark_python_task:
            return self.spark_python_task.python_file
        if self.notebook_task:
            return self.notebook_task.notebook_path
        if self.sql_task:
            return self.sql_task.file.path
        if self.dbt_task:
            folder = self.dbt_task.project_directory.strip("/")
            return f"{folder}/dbt_project.yml" if folder else "dbt_project.yml"
        return None

    def texts(self) -> tuple[str, ...]:
        """Return everything in which dynamic values are filled in."""
        if self.spark_python_task:
            return self.spark_python_task.parameters
        if self.notebook_task:
            return tuple(self.notebook_task.base_parameters.values())
        if self.sql_task:
            return tuple(self.sql_task.parameters.values())
        return self.dbt_task.commands if self.dbt_task else ()


class Job(Record):
    """A whole job file."""

    name: str = "job"
    description: str = ""
    tags: dict[str, Text] = {}
    environments: tuple[Environment, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    data: tuple[str, ...] = ()
    """Folders that are data, not code."""
    database: str | None = None
    """DuckDB file that SQL tasks run on."""
    pass_env: tuple[str, ...] = ()
    """Variables of the user's environment that tasks get."""
    timeout_seconds: Annotated[int, Field(ge=0)] = 0
    """0 = none."""
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]

    def task(self, key: str) -> Task:
        """Return the task of that key. Raises `KeyError`."""
        return {task.task_key: task for task in self.tasks}[key]

    def ordered(self) -> tuple[Task, ...]:
        """Return the tasks in dependency order, as far as there is one, else as written."""
        found = in_order(
            self.tasks, lambda t: t.task_key, lambda t: [d.task_key for d in t.depends_on]
        )
        return tuple(found)

    def dependencies(self, task: Task) -> tuple[str, ...]:
        """Return the requirements of a task's environment, as written.

        A task that names none is in the environment `default` where there is one.
        """
        wanted = task.environment_key or "default"
        for environment in self.environments:
            if environment.environment_key == wanted:
                return environment.spec.dependencies
        return ()


def parameters_of(job: Job, given: dict[str, JsonValue]) -> dict[str, str]:
    """Return the job parameters with the given values; those with neither are left out."""
    found = {p.name: p.default for p in job.parameters if p.default is not None}
    found |= {name: values.as_text(value) for name, value in given.items()}
    return found


def in_order(
    tasks: Iterable[_Any], key: Callable[[_Any], str], needs: Callable[[_Any], Iterable[str]]
) -> list[_Any]:
    """Return tasks of any form in dependency order, as far as there is one, else as written."""
    left = list(tasks)
    keys = {key(task) for task in left}
    done: set[str] = set()
    made: list[_Any] = []
    while left:
        ready = [t for t in left if all(d in done or d not in keys for d in needs(t))] or left
        made += ready
        done |= {key(task) for task in ready}
        left = [task for task in left if key(task) not in done]
    return made
