"""Runs a PYTHON_TASK's file in the task's own environment, with what it finds on a cluster.

Standard library only; a script, no module of the package. The first argument is a JSON file:
`file`, `arguments`, `side` (the text that makes `made` and `NotebookExit`).
"""

import json
import pathlib
import sys
import traceback
from typing import Any


def main() -> None:
    """Run the file as `__main__`; its own exit code and its own traceback are the task's."""
    told = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    file = told["file"]
    side: dict[str, Any] = {"__name__": "aidp"}
    exec(compile(told["side"], "aidp", "exec"), side)  # noqa: S102  our own text
    sys.argv = [file, *told["arguments"]]
    sys.path[0] = str(pathlib.Path(file).parent)
    found = {"__name__": "__main__", "__file__": file, **side["made"]}
    try:
        code = compile(pathlib.Path(file).read_text("utf-8-sig"), file, "exec")
        exec(code, found)  # noqa: S102  the task
    except side["NotebookExit"]:
        return
    except Exception as error:  # noqa: BLE001  whatever the task raises is told without our frame
        trace = error.__traceback__
        inner = trace.tb_next if trace is not None else None
        traceback.print_exception(type(error), error, inner)
        sys.exit(1)


if __name__ == "__main__":
    main()
