"""How a simulated workspace behaves where real ones differ."""

from typing import Literal

from agent.simulators.options import AnyOptions


class Options(AnyOptions):
    """How this workspace behaves where real ones differ, or differ over time."""

    unknown_id_status: Literal[404, 400] = 404
    """What an unknown job, run or cluster id is answered with; both have been seen."""
    failed_parent: Literal["INTERNAL_ERROR", "TERMINATED"] = "INTERNAL_ERROR"
    """`life_cycle_state` of a run of which a task failed."""
    integer_error_code: bool = False
    """`error_code` is the HTTP status as an integer, as old endpoints have it."""
    run_shape: Literal["both", "state", "status"] = "both"
    """Which of the two models of a run's state it carries."""
    unknown_enum: bool = False
    """Runs that end pass through a state that no client knows."""
    well_known: bool = True
    """`/.well-known/databricks-config` answers, as OAuth by databricks-sdk needs it; else 404."""
    serverless_retry: bool = False
    """A failed task without a cluster is tried once more by itself, unless it says otherwise."""
    duplicate_alert_status: Literal[400, 409] = 400
    """What a second alert of the same name is answered with."""
    spark_python: str = ""
    """Interpreter that has pyspark, for pipelines; empty = ours, where it is installed."""
