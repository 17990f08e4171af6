"""Oracle's `oci` package without the start-up time of all of its parts.

Importing any module of it runs its packages, which import every signer, DNS, object storage and a
guesser of encodings: more than a second, and each of our commands is a process of its own. Signing
needs two modules, so the packages around them are only run once somebody asks for one of their
names: the principals' signers do.
"""

import importlib
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_SHELLS = (
    "oci",
    "oci._vendor",
    "oci._vendor.chardet",
    "oci._vendor.requests",
    "oci.auth",
    "oci.auth.signers",
)
_FIPS = ("FIPS_LIBCRYPTO_PATH", "OCI_PYTHON_SDK_FIPS_LIBCRYPTO_PATH")
"""Where one is set the package does more when it is run."""


def load(name: str) -> Any:
    """Import a module of the package, and what that module needs, no more."""
    if "oci" not in sys.modules and not any(name in os.environ for name in _FIPS):
        for shell in _SHELLS:
            _prepare(shell)
    return importlib.import_module(name)


def _prepare(name: str) -> None:
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
