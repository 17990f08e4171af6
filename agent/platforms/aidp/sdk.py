"""Oracle's `oci` package without the start-up time of all of its parts.

Importing any module of it runs its packages, which import every signer, DNS, object storage and a
guesser of encodings: more than a second, and each of our commands is a process of its own. Signing
needs two modules, so the packages around them are only run once somebody asks for one of their
names: the principals' signers do.
"""

import importlib
import os
import sys
from typing import Any

from agent.remote import lazily

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
            lazily.prepare(shell)
    return importlib.import_module(name)
