"""What `heal --dry-run` prints."""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.playbook import Loaded


def plan(loaded: "Loaded", output: str) -> int:
    """Print what `heal` would do; nothing is run, changed or written."""
    from agent import platforms, settings
    from agent.errors import UsageError
    from agent.records import Tree

    source = loaded.source
    if not source.is_dir():
        raise UsageError(f"{loaded.path}: the source folder {source} is not there")
    context = platforms.Context(loaded, source, settings.cache_folder())
    tasks = platforms.connect(context).tasks(Tree(root=str(source), digest=""))
    book = loaded.playbook
    if output == "json":
        fields = {
            "schema_version": 1,
            "playbook": book.name,
            "platform": book.platform,
            "target": book.where,
            "mode": book.approve.mode,
            "tasks": [{"task": t.task, "type": t.type, "file": t.path} for t in tasks],
            "checks": len(book.verify),
        }
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{book.name} on {book.where} · mode {book.approve.mode} · dry run\n")
    for task in tasks:
        after = f"  after {', '.join(task.depends_on)}" if task.depends_on else ""
        sys.stdout.write(f"   run      {task.task}  {task.type}  {task.path or ''}{after}\n")
    if not tasks:
        where = book.job.file or "the job"
        sys.stdout.write(f"   create   will fail: no task can be read from {where}\n")
    count = "1 check" if len(book.verify) == 1 else f"{len(book.verify)} checks"
    sys.stdout.write(f"   verify   {count} of the playbook\n")
    sys.stdout.write(
        f"   mend     at most {book.limits.iterations} times; deliver: {book.deliver}\n"
    )
    return 0
