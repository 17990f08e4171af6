"""A table or file that another task of the job makes: wait for that task.

    - task_key: load              ->  - task_key: load
      sql_task: ...                     depends_on: [{task_key: transform}]
                                        sql_task: ...

The other tasks' code is read: SQL that creates or fills the table, Python that writes the file.
Source: https://docs.databricks.com/aws/en/jobs/control-flow

Left alone: nobody or several tasks make it, the task waits for its maker already, the maker waits
for the task (a circle), and names that are put together at run time.
"""

from yaml.nodes import SequenceNode

from agent.code import edits, jobtext, products, yamltext
from agent.fixers import Proposal, Work


def propose(work: Work) -> Proposal | str:
    """Let the failed task depend on the one task that makes its missing `table` or `path`."""
    parameters = work.diagnosis.parameters
    table, file = parameters.get("table"), parameters.get("path")
    upstream = parameters.get("upstream")
    wanted = table or file or upstream
    if not wanted:
        return "the log does not name the table or file that is missing"
    job = jobtext.of(work.failure, work.read)
    if isinstance(job, str):
        return job
    task = job.task(work.failure.task)
    if task is None:
        return "the failure names no task of the job"
    makers = _named(job, upstream) or products.makers(job, work.read, table=table, file=file)
    if task.key in makers:
        return f"task {task.key} makes {wanted} itself"
    if len(makers) != 1:
        found = f"{' and '.join(makers)} make it" if makers else "no other task makes it"
        return f"{wanted} is missing, and {found}"
    (maker,) = makers
    if maker in job.upstream(task.key):
        return f"task {task.key} waits for {maker} already, which did not make {wanted}"
    if task.key in job.upstream(maker):
        return f"task {maker} makes {wanted} but waits for {task.key}; that would be a circle"
    change = _change(job, task, maker)
    if change is None:
        return f"depends_on of task {task.key} is not a list that could be added to"
    return Proposal(
        edits.unique(job.path, job.text, [change]),
        f"Task {task.key} reads {wanted}, which task {maker} makes, but did not wait for it.",
    )


def _named(job: jobtext.Job, upstream: str | None) -> tuple[str, ...]:
    return (upstream,) if upstream and job.task(upstream) else ()


def _change(job: jobtext.Job, task: jobtext.Task, maker: str) -> edits.Change | None:
    item = f"{{task_key: {yamltext.quoted(maker)}}}"
    found = yamltext.pair(task.node, "depends_on")
    if found is None:
        return yamltext.add(job.text, task.node, "depends_on", f"[{item}]", after="task_key")
    if isinstance(found.value, SequenceNode):
        return yamltext.append(job.text, found.value, item)
    if yamltext.scalar(found.value) is None and not yamltext.pairs(found.value):
        return yamltext.fill(found.value, f"[{item}]")
    return None
