"""databricks-sdk without the start-up time of all of its APIs.

Importing any module of it runs the package's own, which imports every API of the service: seconds
of work, and each of our commands is a process of its own. What is used here is its configuration
and a few dataclasses, so the package itself is only run once somebody asks for one of its names.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = "databricks.sdk"


def prepare() -> None:
    """See that importing a module of databricks-sdk imports what that module needs, no more.

    Call it before each such import; where the package is there already, nothing changes.
    """
    if _NAME in sys.modules:
        return
    spec = importlib.util.find_spec(_NAME)
    if spec is None or spec.loader is None:
        return  # the import that follows says what is missing
    package = importlib.util.module_from_spec(spec)
    package.__dict__["__getattr__"] = _first_use(package, spec)
    sys.modules[_NAME] = package
    sys.modules[_NAME.rpartition(".")[0]].__dict__["sdk"] = package  # as an import does


def _first_use(package: ModuleType, spec: ModuleSpec) -> Any:
    def missing(name: str) -> Any:
        """Run the package for a name of its own; its modules are imported without that."""
        if name.startswith("__") or importlib.util.find_spec(f"{_NAME}.{name}") is not None:
            raise AttributeError(f"module {_NAME!r} has no attribute {name!r}")
        package.__dict__.pop("__getattr__", None)
        if spec.loader is not None:
            spec.loader.exec_module(package)
        return getattr(package, name)

    return missing
