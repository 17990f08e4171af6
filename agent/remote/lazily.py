"""Packages that are run only once somebody asks for one of their names.

Importing a module of a package runs the package's own first, and those of SDKs import every API of
the service: seconds, and each of our commands is a process of its own.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def prepare(name: str) -> None:
    """See that importing a module of a package imports what that module needs, no more.

    The packages above it must be there; where this one is there already, nothing changes.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return  # the import that follows says what is missing
    package = importlib.util.module_from_spec(spec)
    package.__dict__["__getattr__"] = _first_use(package, spec)
    sys.modules[name] = package
    above, _, own = name.rpartition(".")
    if above:
        sys.modules[above].__dict__[own] = package  # as an import does


def _first_use(package: ModuleType, spec: ModuleSpec) -> Any:
    def missing(name: str) -> Any:
        """Import a module of the package, or run the package for a name of its own."""
        if name.startswith("__"):
            raise AttributeError(f"module {spec.name!r} has no attribute {name!r}")
        if importlib.util.find_spec(f"{spec.name}.{name}") is not None:
            return importlib.import_module(f"{spec.name}.{name}")
        package.__dict__.pop("__getattr__", None)
        if spec.loader is not None:
            spec.loader.exec_module(package)
        return getattr(package, name)

    return missing
