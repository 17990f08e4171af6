"""What a task finds on an AIDP cluster: `spark`, `oidlUtils`, as far as a rehearsal has them.

This folder is loaded as the package `aidp_runtime` before a task begins and runs in the task's own
environment: standard library only, relative imports only.
Source: https://github.com/oracle-samples/oracle-aidp-samples
"""

import importlib.util
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from .frames import Frame
from .session import AnalysisException, Spark

__all__ = ["AnalysisException", "NotebookExit", "Spark", "make"]


class NotebookExit(BaseException):
    """`oidlUtils.notebook.exit` was called; not an error."""


def _leave(value: Any = "") -> None:
    raise NotebookExit(value if isinstance(value, str) else json.dumps(value))


def make(given: dict[str, str], command: list[str], leave: Any = None) -> dict[str, Any]:
    """Return what a task knows by name. `leave`: what ends a notebook with a value."""

    def get(name: str, default: Any = None) -> Any:
        return given.get(name, default)

    utils = SimpleNamespace(
        parameters=SimpleNamespace(getParameter=get, getParameters=lambda: dict(given)),
        notebook=SimpleNamespace(exit=leave or _leave),
    )
    spark = Spark(command)
    if importlib.util.find_spec("pyspark") is None:
        _know_session(spark)
    return {"spark": spark, "oidlUtils": utils, "aidputils": utils}


def _know_session(spark: Spark) -> None:
    """Let `from pyspark.sql import SparkSession` give what is here; nothing else does."""
    builder: Any = SimpleNamespace(getOrCreate=lambda: spark)
    for name in ("appName", "master", "config", "enableHiveSupport"):
        setattr(builder, name, lambda *_, **__: builder)
    package, module = ModuleType("pyspark"), ModuleType("pyspark.sql")
    session = SimpleNamespace(builder=builder, getActiveSession=lambda: spark)
    package.__dict__["sql"] = module
    module.__dict__.update(SparkSession=session, DataFrame=Frame)
    sys.modules |= {"pyspark": package, "pyspark.sql": module}
