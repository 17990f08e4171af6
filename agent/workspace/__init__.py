"""The user's source and what we make of it: a private copy with the patches applied, and delivery.

`listing` says which files are code, `copying` makes the private copy, `patching` applies edits to
texts, `delivery` hands a proved fix over. The user's folder is written to by `delivery` only.
"""

from agent.workspace.copying import build, carry, originals, reader
from agent.workspace.delivery import Delivery, deliver, drifted, undo
from agent.workspace.listing import files
from agent.workspace.patching import Read, Size, apply, diff, size, with_base

__all__ = [
    "Delivery",
    "Read",
    "Size",
    "apply",
    "build",
    "carry",
    "deliver",
    "diff",
    "drifted",
    "files",
    "originals",
    "reader",
    "size",
    "undo",
    "with_base",
]
