"""Where Spark sessions of tasks find their settings: one warehouse for the whole workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator


def variables(sim: "Simulator", place: Path) -> dict[str, str]:
    """Write a task's Spark settings and return the variables that point to them."""
    warehouse = sim.folder.resolve() / "spark-warehouse"
    settings = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": warehouse.as_uri(),
    }
    folder = place.resolve() / "spark"
    folder.mkdir(exist_ok=True)
    lines = (f"{name} {value}\n" for name, value in settings.items())
    (folder / "spark-defaults.conf").write_text("".join(lines), encoding="utf-8")
    return {
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "RUNMEND_SPARK_WAREHOUSE": str(warehouse),
    }
