"""A file of monitors and alerts, and the adapter connected to a simulated workspace."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from agent.errors import Unavailable
from agent.platforms import Context
from agent.platforms.databricks import session
from agent.platforms.databricks.monitoring import Monitoring
from agent.playbook import Databricks, Job, Loaded, Playbook
from agent.records import Deployment, Repair, Run, RunStatus, Tree
from agent.simulators.databricks import Simulator, statements

FILE = "monitoring.yaml"


def alert(name: str, column: str = "amount", table: str = "sales", **more: Any) -> dict[str, Any]:
    """Return an alert on a table of `main.gold`."""
    return {
        "display_name": name,
        "query_text": f"select sum({column}) as total from main.gold.{table}",  # noqa: S608  a test's own
        "evaluation": {
            "source": {"name": "total"},
            "comparison_operator": "LESS_THAN",
            "threshold": {"value": {"double_value": 100}},
        },
        "schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "UTC"},
        **more,
    }


def monitor(table: str = "sales", **more: Any) -> dict[str, Any]:
    """Return a snapshot monitor of a table of `main.gold`."""
    return {
        "table_name": f"main.gold.{table}",
        "output_schema_name": "main.monitoring",
        "assets_dir": f"/Workspace/Shared/{table}",
        "snapshot": {},
        **more,
    }


def metric(name: str) -> dict[str, Any]:
    """Return a custom metric."""
    return {
        "name": name,
        "type": "CUSTOM_METRIC_TYPE_AGGREGATE",
        "input_columns": [":table"],
        "definition": "sum(amount)",
        "output_data_type": '{"type": "double"}',
    }


class Stage(NamedTuple):
    """One case."""

    sim: Simulator
    folder: Path
    warehouse: str | None = "rehearsal"

    def tables(self, *names: str) -> None:
        """Make the schemas and these tables of `main.gold`."""
        for schema in ("gold", "monitoring"):
            statements.execute(self.sim, f"CREATE SCHEMA IF NOT EXISTS main.{schema}")
        for name in names:
            text = f"CREATE TABLE main.gold.{name} AS SELECT 1 AS amount, 'a' AS region"
            statements.execute(self.sim, text)

    def tree(self, **declared: Any) -> Tree:
        """Return a tree with such a file."""
        return self.text(yaml.safe_dump(declared, sort_keys=False))

    def text(self, text: str) -> Tree:
        """Return a tree whose file has this text."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        root = self.folder / "trees" / digest[:8]
        root.mkdir(parents=True, exist_ok=True)
        (root / FILE).write_text(text)
        return Tree(root=str(root), digest=digest, files=(FILE,))

    def connect(self, case: str = "one", **parameters: Any) -> Monitoring:
        """Connect, as a process of that case would."""
        folder = self.folder / "cases" / case
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        book = Playbook(
            name="watch",
            platform="databricks",
            job=Job(file=FILE, parameters=parameters),
            databricks=Databricks(warehouse=self.warehouse),
        )
        loaded = Loaded(path=str(self.folder / "watch.yaml"), playbook=book)
        return Monitoring(session.connect(Context(loaded, folder, self.folder / "cache")))

    def run(
        self,
        tree: Tree,
        key: str = "r1",
        previous: Deployment | None = None,
        repair: Repair | None = None,
        case: str = "one",
    ) -> tuple[Deployment, RunStatus]:
        """Deploy, start and poll to the end; time moves on between polls."""
        platform = self.connect(case)
        made = platform.deploy(f"d{key}", tree, previous)
        assert isinstance(made, Deployment), made
        assert isinstance(platform.start(key, made, tree, repair), Run)
        return made, self.ended(platform, key)

    def ended(self, platform: Monitoring, run: str) -> RunStatus:
        """Poll to the end; time moves on between polls."""
        for _ in range(40):
            try:
                (status,) = platform.poll([run])
            except Unavailable as error:
                self.sim.clock.advance(error.retry_after_s or 1.0)
                continue
            if status.state != "running":
                return status
            self.sim.clock.advance(status.look_s or 1.0)
        raise AssertionError(f"{run} does not end")

    def called(self, method: str, part: str) -> list[Any]:
        """Return the calls so far whose path holds this."""
        return [c for c in self.sim.calls if c.method == method and part in c.path]

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Return the workspace's alerts by name."""
        api = session.connect(self._context()).api
        return {a["display_name"]: a for a in api.pages("/api/2.0/alerts", "alerts")}

    def monitor(self, table: str = "sales") -> dict[str, Any]:
        """Return a table's monitor."""
        api = session.connect(self._context()).api
        return api.get(f"/api/2.1/unity-catalog/tables/main.gold.{table}/monitor")

    def api(self) -> Any:
        """Return somebody else's connection."""
        return session.connect(self._context()).api

    def _context(self) -> Context:
        book = Playbook(platform="databricks", job=Job(file=FILE))
        loaded = Loaded(path=str(self.folder / "other.yaml"), playbook=book)
        folder = self.folder / "cases" / "other"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Context(loaded, folder, self.folder / "cache")
