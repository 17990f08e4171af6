"""A pipeline on a simulated workspace, its source, and connections to it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbx_workspace import Workspace

from agent import workspace as copies
from agent.errors import Unavailable
from agent.platforms import Context
from agent.platforms.databricks import session
from agent.platforms.databricks.pipelines import Pipelines
from agent.playbook import Loaded, Playbook
from agent.records import Deployment, Failure, Repair, Run, RunStatus, Tree
from agent.simulators.databricks import pipelines
from agent.simulators.databricks.pipelines import Expectation, Flow, Frame, Outcome, Trouble

SOURCE = {
    "bronze.py": (
        "from pyspark import pipelines as dp\n\n\n"
        "@dp.table\ndef raw():\n    return spark.readStream.table('landing.orders')\n"
    ),
    "silver.sql": (
        "CREATE OR REFRESH MATERIALIZED VIEW clean AS\n"
        "SELECT id, amout FROM raw;\n\n"
        "CREATE OR REFRESH MATERIALIZED VIEW daily AS SELECT count(*) AS n FROM clean;\n"
    ),
}
UNRESOLVED = (
    "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name "
    "`amout` cannot be resolved. Did you mean one of the following? [`amount`, `id`]. "
    "SQLSTATE: 42703; line 2 pos 11"
)
NESTED = (
    Trouble(
        class_name="com.databricks.pipelines.UpdateException",
        message="[STREAM_FAILED] Query [id = 1, runId = 2] terminated with exception",
        error_class="STREAM_FAILED",
        sql_state="XXKST",
    ),
    Trouble(
        message=UNRESOLVED,
        error_class="UNRESOLVED_COLUMN.WITH_SUGGESTION",
        sql_state="42703",
        stack=(Frame(declaring_class="A", method_name="b", file_name="C.scala", line_number=9),),
    ),
)
GOOD = Outcome(
    seconds=90,
    flows=(
        Flow(
            name="raw",
            dataset="main.shop.raw",
            output_rows=10,
            dropped_records=2,
            expectations=(
                Expectation(name="has id", dataset="raw", passed_records=10, failed_records=2),
            ),
        ),
        Flow(name="clean", dataset="main.shop.clean", output_rows=8),
        Flow(name="daily", dataset="main.shop.daily", output_rows=1),
    ),
)
BAD = Outcome(
    seconds=90,
    result="FAILED",
    flows=(
        Flow(name="raw", dataset="main.shop.raw", output_rows=10),
        Flow(name="clean", dataset="main.shop.clean", status="FAILED", errors=NESTED),
        Flow(name="daily", dataset="main.shop.daily", status="SKIPPED"),
    ),
)
VALID = Outcome(seconds=20)


class Stage:
    """One pipeline and one case about it."""

    def __init__(self, workspace: Workspace, **spec: Any) -> None:
        self.workspace = workspace
        self.sim = workspace.sim
        api = workspace.session(1).api
        body = {"name": "shop", "development": True, "catalog": "main", "schema": "shop", **spec}
        self.id: str = api.post("/api/2.0/pipelines", body)["pipeline_id"]
        self.write(SOURCE)
        self._trees = 0

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the source."""
        for path, text in files.items():
            file = self.workspace.folder / "source" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def tree(self) -> Tree:
        """Return a private copy of the source as it is."""
        self._trees += 1
        source = self.workspace.folder / "source"
        return copies.build(source, self.workspace.folder / "trees" / str(self._trees))

    def connect(self, *, full_refresh: bool | tuple[str, ...] = False, **book: Any) -> Pipelines:
        """Connect, as a new process would."""
        given = book.pop("parameters", {})
        job = {"pipeline": self.id, "full_refresh": full_refresh, "parameters": given}
        read = {"platform": "databricks", "source": "source", "job": job, **book}
        playbook = Playbook.model_validate(read)
        folder = self.workspace.folder / "cases" / "case"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        loaded = Loaded(path=str(self.workspace.folder / "shop.yaml"), playbook=playbook)
        cache = self.workspace.folder / "cache"
        context = Context(loaded, folder, cache, now=self.workspace.now)
        return Pipelines(session.connect(context), context.now)

    def declare(self, *outcomes: Outcome) -> None:
        """Say how the next updates go, validations too."""
        pipelines.declare(self.sim, self.id, *outcomes)

    def start(
        self,
        platform: Pipelines,
        tree: Tree,
        key: str = "s1",
        repair: Repair | None = None,
        deployment: Deployment | None = None,
    ) -> Run | tuple[Failure, ...]:
        """Deploy and start, waiting for the validation as the runner does."""
        made = deployment or platform.deploy("d1", tree, None)
        assert isinstance(made, Deployment), made
        for _ in range(20):
            try:
                return platform.start(key, made, tree, repair)
            except Unavailable as error:
                if "validated" not in str(error):
                    raise
                self.workspace.pass_time(error.retry_after_s or 5.0)
        raise AssertionError("the validation never ended")

    def running(self, platform: Pipelines, tree: Tree, **more: Any) -> Run:
        """Start what must start."""
        run = self.start(platform, tree, **more)
        assert isinstance(run, Run), run
        return run

    def ended(self, platform: Pipelines, run: Run, within_s: float = 3600.0) -> RunStatus:
        """Poll as the runner does until the run has ended."""
        passed = 0.0
        while (status := platform.poll([run.run])[0]).state == "running":
            step = status.look_s or 1.0
            passed += step
            assert passed < within_s, status
            self.workspace.pass_time(step)
        return status

    def started(self) -> list[dict[str, Any]]:
        """Return the bodies of all requests that asked for an update."""
        bodies = self.workspace.called("POST", "/updates")
        return [json.loads(b) if isinstance(b, bytes) else b or {} for b in bodies]

    def theirs(self, cause: str = "USER_ACTION", **wanted: Any) -> str:
        """Let somebody else start an update, and return its id."""
        self.sim.tick()
        return pipelines.start(self.sim, self.id, cause=cause, **wanted)


def text(tree: Tree, path: str) -> str:
    """Return a file of a tree."""
    return Path(tree.root, path).read_text()
