"""A parameter that a task needs and is not given, where its value is known: give it.

    notebook_task:                 ->  notebook_task:
      notebook_path: load.ipynb          notebook_path: load.ipynb
                                         base_parameters: {day: "{{job.parameters.day}}"}

    spark_python_task:             ->  spark_python_task:
      python_file: load.py               python_file: load.py
                                         parameters: ["--day", "{{job.parameters.day}}"]

The value is a job parameter of the same or a clearly matching name, else what all other tasks of
the job that take this parameter are given.
Source: https://docs.databricks.com/aws/en/jobs/task-parameters

Left alone: no value is known (none is ever invented), several job parameters match, the task is
given the parameter already, an option that the script does not declare, and positional arguments.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from yaml.nodes import MappingNode, SequenceNode

from agent.code import cells, edits, jobtext, products, spelling, yamltext
from agent.code.pythontext import Code, called
from agent.fixers import Proposal, Work

_NAMED = {"notebook_task": "base_parameters", "sql_task": "parameters"}
_LISTED = "spark_python_task"
_SWITCHES = frozenset(("store_true", "store_false", "store_const", "count", "help", "version"))


def propose(work: Work) -> Proposal | str:
    """Give the failed task its missing `parameter` (several may be listed, with commas)."""
    missing = _missing(_listed(work) or work.diagnosis.parameters.get("parameter", ""))
    if not missing:
        return "the log does not name the parameter that is missing"
    job = jobtext.of(work.failure, work.read)
    if isinstance(job, str):
        return job
    task = job.task(work.failure.task)
    if task is None or task.body is None:
        return "the failure names no task of the job that takes parameters"
    values: dict[str, str] = {}
    for name in missing:
        value = _value(name, job, task, work)
        if value is None:
            return f"no value is known for parameter {name}; a person must give it"
        values[name] = value
    if task.type == _LISTED:
        change = _to_list(job, task, values, work)
    elif task.type in _NAMED:
        change = _to_mapping(job, task, values)
    else:
        return f"a {task.type} takes no named parameters"
    if isinstance(change, str):
        return change
    given = ", ".join(f"{name} from {value}" for name, value in values.items())
    return Proposal(
        edits.unique(job.path, job.text, [change]),
        f"Task {task.key} needs {', '.join(missing)}; it is given {given}.",
        0.9,
    )


def _listed(work: Work) -> str:
    """Return the whole list where argparse gives one; a diagnosis names only the first."""
    texts = [work.failure.message, *(line.text for line in work.failure.log)]
    found = (re.search(r"the following arguments are required: (.+)", text) for text in texts)
    return next((m[1] for m in found if m), "")


def _missing(text: str) -> tuple[str, ...]:
    """Read `--day, --client`, `-d/--day` or `day`; of several spellings the long one counts."""
    names = [max(part.strip(" '\"`:").split("/"), key=len) for part in text.split(",")]
    found = tuple(name for name in names if name)
    return found if all(re.fullmatch(r"-{0,2}[A-Za-z_][\w.-]*", name) for name in found) else ()


def _value(name: str, job: jobtext.Job, task: jobtext.Task, work: Work) -> str | None:
    """Return the known value: a reference to a job parameter, else what other tasks are given."""
    bare = name.lstrip("-")
    declared = job.parameters()
    known = [n for n, v in declared.items() if v is not None or n in work.failure.facts.parameters]
    same = [n for n in known if spelling.words(n) == spelling.words(bare)]
    if bare in known:
        same = [bare]
    if len(same) > 1:
        return None
    matching = same[0] if same else spelling.nearest(bare, known, renamed=True)
    if matching is not None:
        return f"{{{{job.parameters.{matching}}}}}"
    given = {v for other in job.tasks if other.key != task.key for v in _given(other, bare)}
    known_value = given.pop() if len(given) == 1 else ""
    return known_value if known_value and "{{tasks." not in known_value.replace(" ", "") else None


def _given(task: jobtext.Task, name: str) -> Iterator[str]:
    """Yield the values that a task is given for a parameter of exactly that name."""
    body = task.body
    if task.type in _NAMED:
        value = yamltext.scalar(yamltext.get(body, _NAMED[task.type], name))
        if value is not None:
            yield value
    if task.type == _LISTED:
        listed = [n.value for n in yamltext.items(yamltext.get(body, "parameters"))]
        for flag, value in pairwise(listed):
            if flag == f"--{name}" and isinstance(value, str) and not value.startswith("--"):
                yield value
        for flag in listed:
            if isinstance(flag, str) and flag.startswith(f"--{name}="):
                yield flag.partition("=")[2]


def _to_mapping(job: jobtext.Job, task: jobtext.Task, values: dict[str, str]) -> edits.Change | str:
    key = _NAMED[task.type or ""]
    found = yamltext.pair(task.body, key)
    names = {p.key.value for p in yamltext.pairs(found.value)} if found else set()
    if names & values.keys():
        return f"task {task.key} is given {', '.join(sorted(names & values.keys()))} already"
    written = [f"{yamltext.quoted(n)}: {yamltext.quoted(v)}" for n, v in values.items()]
    if found is None and task.body is not None:
        return yamltext.add(job.text, task.body, key, f"{{{', '.join(written)}}}")
    if found is not None and isinstance(found.value, MappingNode):
        if len(values) > 1:
            return "several parameters at once are added only where there are none yet"
        ((name, value),) = values.items()
        return yamltext.add(job.text, found.value, yamltext.quoted(name), yamltext.quoted(value))
    if found is not None and yamltext.scalar(found.value) is None:
        return yamltext.fill(found.value, f"{{{', '.join(written)}}}")
    return f"{key} of task {task.key} is not a mapping that could be added to"


def _to_list(
    job: jobtext.Job, task: jobtext.Task, values: dict[str, str], work: Work
) -> edits.Change | str:
    path = products.main_file(job, task, work.read)
    options = _options(path, work.read(path) if path else None)
    written: list[str] = []
    listed = yamltext.get(task.body, "parameters")
    present = {str(n.value).partition("=")[0] for n in yamltext.items(listed)}
    for name, value in values.items():
        option = name if name.startswith("-") else f"--{name}"
        if option not in options:
            return f"the script declares no option {option} that takes a value"
        if option in present:
            return f"task {task.key} is given {option} already"
        written += [yamltext.quoted(option, '"'), yamltext.quoted(value, '"')]
    if isinstance(listed, SequenceNode):
        return yamltext.append(job.text, listed, *written)
    if listed is None and task.body is not None:
        return yamltext.add(job.text, task.body, "parameters", f"[{', '.join(written)}]")
    if listed is not None and yamltext.scalar(listed) is None and not yamltext.pairs(listed):
        return yamltext.fill(listed, f"[{', '.join(written)}]")
    return f"parameters of task {task.key} are not a list that could be added to"


def _options(path: str | None, text: str | None) -> frozenset[str]:
    """Return the options that a script declares and that take a value."""
    found: set[str] = set()
    for cell in cells.read(path or "", text or ""):
        try:
            code = Code(cell.text)
        except SyntaxError:
            continue
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Call) and called(node) in ("add_argument", "option", "Option"):
                keywords = {k.arg: k.value for k in node.keywords}
                action = keywords.get("action")
                switch = isinstance(action, ast.Constant) and action.value in _SWITCHES
                if not switch and not keywords.keys() & {"is_flag", "choices", "nargs"}:
                    found |= {str(c.value) for a in node.args for c in code.constants(a)}
    return frozenset(name for name in found if name.startswith("-"))
