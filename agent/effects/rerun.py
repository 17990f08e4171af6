"""Whether running a task again may do harm: one that appended, sent or charged does it twice.

Harmless is what only reads, or writes the whole of its own output anew. Whatever cannot be shown so
asks, and the effect names the line.
"""

from agent.effects import cells, python, sql
from agent.effects.found import Found, Reading, both
from agent.records import Effect, Risk, TaskSource

_CLEARS = ("table_overwrite", "table_truncate", "rows_delete", "table_drop")


def of_rerun(source: TaskSource, *, idempotent: bool, started: bool) -> tuple[Effect, ...]:
    """Return why running this task again needs a person; nothing where it is harmless.

    `idempotent` = the playbook says it may run again; `started` = it may have done something.
    """
    if idempotent or not started or source.type == "condition_task":  # which only compares
        return ()
    if source.text is None and not source.imports:
        says = f"the code of task {source.task} cannot be read, so it may have written already"
        return (_effect(source.path, None, says),)
    own = frozenset(path.split("/")[0].removesuffix(".py") for path, _ in source.imports)
    own |= {path.rpartition("/")[2].removesuffix(".py") for path, _ in source.imports}
    effects = [
        _effect(
            path, found.line, f"{_place(path, found)} {found.says}; running it again repeats that"
        )
        for path, text in _texts(source)
        for found in settled(_read(path, text, source.type, own).acts)
        if found.again
    ]
    return tuple(dict.fromkeys(effects))


def _effect(path: str | None, line: int | None, detail: str) -> Effect:
    return Effect(kind="task_rerun", risk=Risk.ASK, detail=detail, path=path, line=line)


def _place(path: str, found: Found) -> str:
    return f"{path}:{found.line}" if found.line else path


def _texts(source: TaskSource) -> tuple[tuple[str, str], ...]:
    main = ((source.path or source.task, source.text),) if source.text is not None else ()
    return (*main, *source.imports)


def _read(path: str, text: str, kind: str, own: frozenset[str]) -> Reading:
    if kind == "dbt_task":
        return _dbt(path, text)
    if path.endswith(".sql") or kind == "sql_task":
        return sql.read(text)
    if path.endswith(".ipynb"):
        return cells.notebook(text, own)
    if cells.is_source(text):
        return cells.source(text, own)
    if path.endswith(".py"):
        return python.read(text, own)
    says = f"is of a kind ({kind}) that cannot be judged"
    return Reading((Found("unparsed", path, says, again=True),))


def _dbt(path: str, text: str) -> Reading:
    """A dbt project builds tables and views anew; what adds to them or runs beside them asks."""
    if path.endswith(".sql") and "/macros/" not in f"/{path}":
        read = sql.read(text)
        if "snapshots/" in path:
            says = "is a snapshot, which adds rows"
            return both((read, Reading((Found("table_append", path, says, 1, again=True),))))
        # The model's own SELECT is what dbt runs; that its template cannot be told is no harm.
        kept = (f for f in read.acts if f.kind != "unparsed" or "template" in f.says)
        return Reading(tuple(kept), read.guards)
    if path.endswith((".yml", ".yaml")) and (
        "on-run-" in text or "-hook" in text or "incremental" in text
    ):
        says = "has hooks or incremental models"
        return Reading((Found("exec_dynamic", path, says, again=True),))
    if path.endswith(".py"):
        return python.read(text, frozenset())
    return Reading()


def settled(acts: tuple[Found, ...]) -> tuple[Found, ...]:
    """Return the acts without repeats that the same text makes good.

    Rows added to a table that the text replaced, emptied or dropped and made again before, and that
    emptying itself, end the same however often they are done.
    """
    cleared: dict[str, int] = {}
    for found in acts:
        if found.name and found.kind in _CLEARS and " WHERE " not in found.what.upper():
            line = found.line or 0
            cleared[found.name] = min(line, cleared.get(found.name, line))
    filled = {f.name for f in acts if f.kind in ("table_append", "table_write", "table_overwrite")}
    return tuple(f._replace(again=f.again and not _good(f, cleared, filled)) for f in acts)


def _good(found: Found, cleared: dict[str, int], filled: set[str]) -> bool:
    if not found.name or found.name not in cleared:
        return False
    if found.kind == "table_append":
        return cleared[found.name] <= (found.line or 0)
    safe_drop = found.kind != "table_drop" or "IF EXISTS" in found.what.upper()
    no_filter = " WHERE " not in found.what.upper()
    return found.kind in _CLEARS and found.name in filled and safe_drop and no_filter
