"""Run a notebook in the task's own environment and keep it with its outputs.

The kernel is a process of the task's interpreter, reached over sockets in a private folder; no
kernel is installed on the system. What cells print is the task's output; what fails is told with
the notebook's name, the cell and the line.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.engine import cells, request, sql, wrapped
from agent.engine.cells import Cell
from agent.engine.wrapped import Assignment, Wrong

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbformat import NotebookNode

_KEPT_OUTPUT = 256 * 1024
"""Bytes of a cell's streams that the saved notebook keeps; all of them are printed."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def perform(task: Assignment) -> int:
    """Run the task's notebook; return the exit code."""
    try:
        found = cells.read(Path(), task.file)
    except cells.Broken as broken:
        return wrapped.fail(task, Wrong(str(broken), task.file), str(broken))
    sockets = tempfile.mkdtemp(prefix="rm-")
    try:
        return _Session(task, found, sockets).run()
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


class _Session:
    """One kernel, and the cells it is given."""

    def __init__(self, task: Assignment, found: list[Cell], sockets: str) -> None:
        self.task = task
        self.cells = found
        self.explained = task.folder / "explained.json"
        self.left = task.folder / "left.txt"
        # The client puts what it runs into the notebook: hidden cells have a place at the end.
        nodes = [_node(cell.language, self._code(cell)) for cell in found]
        self.notebook = _book([*nodes, _node("python", "")])
        self.client = _client(self.notebook, _manager(task.python, sockets))

    def run(self) -> int:
        """Run all cells; return the exit code. The notebook is saved whatever happens."""
        from nbclient.exceptions import DeadKernelError

        code = 0
        try:
            with self.client.setup_kernel():
                self._hidden(self._prelude())
                for number, cell in enumerate(self.cells):
                    code = self._cell(number, cell)
                    if code or self.left.exists():
                        break
        except DeadKernelError:
            where = self.task.file
            code = wrapped.fail(
                self.task, Wrong("the notebook's kernel died", where), f"{where}: the kernel died"
            )
        finally:
            self.notebook.cells.pop()
            for node, cell in zip(self.notebook.cells, self.cells, strict=True):
                node["source"] = cell.code
            (self.task.folder / "executed.ipynb").write_text(json.dumps(self.notebook), "utf-8")
        if code == 0 and self.left.exists():
            wrapped.leave(self.task, _value(self.left.read_text("utf-8")))
        return code

    def _cell(self, number: int, cell: Cell) -> int:
        from nbclient.exceptions import CellExecutionError

        if cell.language == "markdown" or not cell.text.strip():
            return 0
        if cell.language == "other":
            said = f"{cell.where(1)}: only Python and SQL cells run locally"
            return wrapped.fail(self.task, Wrong(said, cell.path), said)
        if cell.language == "sql" and not self.task.details.get("spark"):
            return self._sql(cell)
        self._hidden(f"__runmend__.begins({self._code(cell)!r}, {number})")
        try:
            self.client.execute_cell(self.notebook.cells[number], number)
        except CellExecutionError as error:
            if error.ename == "NotebookExit":
                return 0
            return self._explain(cell, error)
        return 0

    def _code(self, cell: Cell) -> str:
        """Return what the kernel runs for a cell: SQL goes to Spark where the task has it."""
        if cell.language == "sql" and self.task.details.get("spark"):
            return f"_sqldf = __run_sql__(spark, {cell.code!r})"
        return cell.code

    def _hidden(self, code: str) -> None:
        self.client.execute_cell(_node("python", code), len(self.cells), store_history=False)

    def _prelude(self) -> str:
        """Return the code that gives cells what they find on Databricks."""
        here = Path(__file__)
        task = self.task
        folder = str((Path.cwd() / task.file).parent)
        made = f"{task.parameters!r}, {task.values!r}"
        files = f"{str(task.folder / 'values.json')!r}, {str(self.left)!r}"
        return "\n".join(
            (
                "import sys",
                f"sys.path[:0] = [{folder!r}, {str(Path.cwd())!r}]",
                f"__import__('os').chdir({folder!r})" if task.details.get("in_folder") else "",
                "__runmend__ = {'__name__': 'runmend'}",
                f"exec(compile({here.with_name('dbutils.py').read_text('utf-8')!r}, "
                "'dbutils', 'exec'), __runmend__)",
                f"exec(compile({here.with_name('kernel_side.py').read_text('utf-8')!r}, "
                "'runmend', 'exec'), __runmend__)",
                f"dbutils = __runmend__['make']({made}, {files})",
                "globals().update(__runmend__['lazy_spark']())",
                "__run_sql__ = __runmend__['run_sql']",
                f"__runmend__ = __runmend__['Reporter']({str(self.explained)!r})",
                "getArgument = dbutils.widgets.get",
                str(task.details.get("prelude", "")),
            )
        )

    def _explain(self, cell: Cell, error: Any) -> int:
        self._hidden("__runmend__.explain()")
        found = request.read(self.explained)
        if found is None:
            words = _ANSI.sub("", str(error.traceback))
            wrong = Wrong(f"{error.ename}: {error.evalue}", cell.path)
            return wrapped.fail(self.task, wrong, words)
        text = found["text"]
        for name, number in found["names"].items():
            text = _in_cell(text, name, self.cells[number])
        inner = [f for f in found["frames"] if f["cell"] is not None or _in_tree(f["file"])]
        message = " ".join(found["last"].splitlines()[-1].split())
        if not inner:
            return wrapped.fail(self.task, Wrong(message, cell.path), text)
        frame = inner[-1]
        if frame["cell"] is None:
            path = str(Path(frame["file"]).resolve().relative_to(Path.cwd().resolve()))
            return wrapped.fail(self.task, Wrong(message, path, frame["line"]), text)
        at = self.cells[frame["cell"]]
        lines = at.text.splitlines()
        code = lines[frame["line"] - 1].strip() if frame["line"] <= len(lines) else None
        number, index = at.place(frame["line"])
        words = f"{at.where(frame['line'])}: {code or ''}\n{text}"
        return wrapped.fail(self.task, Wrong(message, at.path, number, index, code), words)

    def _sql(self, cell: Cell) -> int:
        """Run a SQL cell on the job's database, from here: the kernel may not have DuckDB."""
        import duckdb

        bound = sql.bind(cell.text, self.task.parameters)
        statements = sql.split(bound) if isinstance(bound, str) else bound
        if isinstance(statements, list):
            try:
                with duckdb.connect(self.task.database or ":memory:") as connection:
                    ran = sql.run(connection, statements, steps=False)
            except duckdb.Error as error:
                ran = sql.Trouble(1, str(error))
            if isinstance(ran, int):
                return 0
            statements = ran
        message = statements.words.strip().split("\n", 1)[0]
        line, index = cell.place(statements.line)
        words = f"{cell.where(statements.line)}: {statements.code or ''}\n{statements.words}"
        return wrapped.fail(
            self.task, Wrong(message, cell.path, line, index, statements.code), words
        )


def _node(language: str, text: str) -> "NotebookNode":
    from nbformat import v4

    if language == "markdown":
        return v4.new_markdown_cell(text)  # type: ignore[no-untyped-call,no-any-return]  # untyped
    return v4.new_code_cell(text)  # type: ignore[no-untyped-call,no-any-return]  # untyped


def _book(nodes: "list[NotebookNode]") -> "NotebookNode":
    from nbformat import v4

    return v4.new_notebook(cells=nodes)  # type: ignore[no-untyped-call,no-any-return]  # untyped


def _in_cell(text: str, name: str, cell: Cell) -> str:
    """Name the notebook, cell and line where a traceback names a file of the kernel's."""

    def replace(found: re.Match[str]) -> str:
        line, index = cell.place(int(found[1]))
        at = f'"{cell.path}", line {line}'
        return f"File {at}" if index is None else f'File "{cell.path}", cell {index}, line {line}'

    return re.sub(f'File "{re.escape(name)}", line (\\d+)', replace, text)


def _in_tree(file: str) -> bool:
    path = Path(file)
    return path.is_file() and path.resolve().is_relative_to(Path.cwd().resolve())


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _manager(python: str, sockets: str) -> "AsyncKernelManager":
    """Return a kernel that is the task's interpreter, on sockets nobody else can open."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager = AsyncKernelManager(kernel_name="python3")
    manager._kernel_spec = KernelSpec(argv=argv, display_name="task", language="python")
    manager.transport = "ipc"
    manager.ip = f"{sockets}/s"
    manager.connection_file = f"{sockets}/k.json"
    return manager


def _client(notebook: "NotebookNode", manager: "AsyncKernelManager") -> "NotebookClient":
    """Return a client that prints what cells print while they run."""
    from nbclient import NotebookClient

    class Printing(NotebookClient):
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] == "stream":
                content = msg["content"]
                out = sys.stderr if content["name"] == "stderr" else sys.stdout
                out.write(content["text"])
                out.flush()
                kept = sum(len(o.get("text", "")) for o in cell.get("outputs", []))
                if kept + len(content["text"]) > _KEPT_OUTPUT:
                    return None
            return super().process_message(msg, cell, cell_index)

    return Printing(
        notebook,
        km=manager,
        timeout=None,
        startup_timeout=120,
        record_timing=False,
        iopub_timeout=30,
    )


if __name__ == "__main__":
    sys.exit(perform(wrapped.assignment()))
