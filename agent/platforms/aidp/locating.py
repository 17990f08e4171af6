"""The user's own line in what a task left behind: in a file of the tree, or in a notebook's cell.

The executed notebook need not be the source cell by cell, so a cell is found by what it says.
"""

import re
from pathlib import Path

from agent.engine import sources
from agent.platforms.aidp import notebooks
from agent.platforms.aidp.facts import Around
from agent.platforms.aidp.notebooks import Cell
from agent.records import Location, Tree
from agent.remote import evidence, texts

_INSIDE = re.compile(
    r'File "(?:<[^">]*>|/tmp/ipykernel[^"]*|[^"]*ipython-input[^"]*)", line|'
    r"Input In \[\s*\d+\s*\], in <cell line: "
)
"""A notebook's cell as some tracebacks name it; it becomes one that `evidence` knows."""
_COUNTED = re.compile(r"^Cell In\[(\d+)\]")
_ARROW = re.compile(r"^-+>\s*(\d+)\s")


def location(around: Around, own: str | None, failed: Cell | None, trace: str) -> Location | None:
    """Return the user's innermost line.

    `own`: the task's main file; `failed`: its executed cell that raised, None where that is not
    known.
    """
    lines = [_INSIDE.sub("File <command-0>, line ", line) for line in texts.lines(trace)[0]]
    lines = [line.replace("line  ", "line ") for line in lines]
    cell = _source_of(around.tree, own, failed, lines)
    number = cell.number if cell is not None else None
    found = evidence.location(lines, around.tree, around.local, own, number)
    if found is None or found.path != own or not own.endswith(".ipynb"):
        return found
    if cell is None:  # a line of a cell nobody knows is no line of the file
        return found.model_copy(update={"line": None})
    line = found.line or next((int(m[1]) for text in lines if (m := _ARROW.match(text))), None)
    source = cell.source.split("\n")
    code = source[line - 1].strip() if line and line <= len(source) else ""
    return found.model_copy(update={"line": line, "code": found.code or texts.clean(code) or None})


def _source_of(tree: Tree, own: str | None, failed: Cell | None, lines: list[str]) -> Cell | None:
    """Return the source's cell that was executed, by what it says, else by how it was counted."""
    if own is None or not own.endswith(".ipynb"):
        return None
    notebook = notebooks.read(sources.read(Path(tree.root), own))
    cells = notebook.cells if notebook is not None else ()
    if failed is None:
        counted = [int(m[1]) for line in lines if (m := _COUNTED.match(line))]
        code = [cell for cell in cells if cell.code and cell.source.strip()]
        return code[counted[-1] - 1] if counted and 0 < counted[-1] <= len(code) else None
    same = [cell for cell in cells if cell.source.strip() == failed.source.strip()]
    at = [cell for cell in cells if cell.number == failed.number]
    return next((cell for cell in at if cell in same), next(iter(same or at), None))
