"""What a user writes: which job, where, how to poll and verify it, who decides, the limits.

`records` holds the schema, `reading` turns a file into them. Import both from here.
"""

from agent.playbook.reading import Load, load, order, schema
from agent.playbook.records import (
    REQUIRED,
    Aidp,
    Approve,
    Databricks,
    Expectation,
    Job,
    Limits,
    Loaded,
    Mode,
    Model,
    Playbook,
    Poll,
    Requirement,
    Rule,
    Seconds,
    Share,
    seconds,
)

__all__ = [
    "REQUIRED",
    "Aidp",
    "Approve",
    "Databricks",
    "Expectation",
    "Job",
    "Limits",
    "Load",
    "Loaded",
    "Mode",
    "Model",
    "Playbook",
    "Poll",
    "Requirement",
    "Rule",
    "Seconds",
    "Share",
    "load",
    "order",
    "schema",
    "seconds",
]
