"""A module that is not installed: add its distribution to the task's environment.

    environments:                                    environments:
      - environment_key: default                       - environment_key: default
        spec:                                   ->       spec:
          dependencies: [pandas]                           dependencies: [pandas, scikit-learn]

A task that names no environment is in the one called `default`, which is made where there is none;
a task on a cluster gets the library itself: `libraries: [{pypi: {package: scikit-learn}}]`.

Source: https://docs.databricks.com/aws/en/compute/serverless/dependencies

Left alone: a distribution that is not on the known list (a person must name it), a module of the
standard library, a module that is a file of the tree, a missing part of an installed package, and a
distribution that the environment already lists.
"""

import ast
import re
import sys

from yaml.nodes import MappingNode, Node, SequenceNode

from agent.code import edits, jobtext, yamltext
from agent.code.pythontext import Code
from agent.distributions import IMPORTS, KNOWN
from agent.fixers import Proposal, Work
from agent.records import Facts

_WITH_ENVIRONMENT = frozenset({"spark_python_task", "notebook_task", "python_wheel_task"})

_ON_CLUSTER = ("job_cluster_key", "new_cluster", "existing_cluster_id")


def propose(work: Work) -> Proposal | str:
    """Add the distribution that provides the `module` to the failed task's environment."""
    module = work.diagnosis.parameters.get("module", "").strip("'\" ")
    if not re.fullmatch(r"[^\W\d]\w*(\.\w+)*", module):
        return "the log does not name the module that is missing"
    if module.partition(".")[0] in sys.stdlib_module_names:
        return f"{module} belongs to Python's standard library; no distribution adds it"
    own = _own(module, work.failure.facts)
    if own:
        return f"{module} is a module of the tree ({own}); its import path is what is wrong"
    wanted = _wanted(module, work)
    known = {_distribution(name) for name in wanted} - {None}
    if len(known) != 1:
        return _unknown(module, work)
    (distribution,) = (name for name in known if name)
    job = jobtext.of(work.failure, work.read)
    if isinstance(job, str):
        return job
    return _add(distribution, module, job, work)


def _add(distribution: str, module: str, job: jobtext.Job, work: Work) -> Proposal | str:
    task = job.task(work.failure.task)
    if task is None or task.type not in _WITH_ENVIRONMENT:
        return "the failed task has no environment of its own that could be added to"
    if any(yamltext.pair(task.node, key) for key in _ON_CLUSTER):
        return _to_cluster(distribution, module, job, task)
    named = yamltext.scalar(yamltext.get(task.node, "environment_key"))
    entry = _environment(job, named or "default")
    if entry is not None:
        if _lists(entry, distribution, work):
            return f"the environment already lists {distribution}; something else keeps it out"
        changes = _to_environment(distribution, job, entry)
        if changes and named is None and task.type == "notebook_task":
            # In a workspace a notebook has an environment of its own until its task names one.
            changes.insert(0, _name_environment(job, task))
    elif named is not None:
        return f"{job.path} has no environment {named!r}"
    else:
        changes = _new_environment(distribution, job, task)
    if not changes:
        return f"the environments in {job.path} are not written in a way that can be added to"
    return Proposal(
        edits.unique(job.path, job.text, changes),
        f"Task {task.key} imports {module}, which {distribution} provides; "
        f"its environment did not list it.",
    )


def _to_cluster(
    distribution: str, module: str, job: jobtext.Job, task: jobtext.Task
) -> Proposal | str:
    listed = yamltext.get(task.node, "libraries")
    names = {canonical(s.value) for s in yamltext.scalars(listed)}
    if canonical(distribution) in names:
        return f"the task already lists {distribution}; something else keeps it out"
    entry = f"{{pypi: {{package: {yamltext.quoted(distribution)}}}}}"
    if isinstance(listed, SequenceNode):
        change = yamltext.append(job.text, listed, entry)
    elif listed is None:
        change = yamltext.add(job.text, task.node, "libraries", f"[{entry}]", after="task_key")
    else:
        return f"the libraries in {job.path} are not written in a way that can be added to"
    return Proposal(
        edits.unique(job.path, job.text, [change]),
        f"Task {task.key} imports {module}, which {distribution} provides; "
        f"its cluster did not have it.",
    )


def _own(module: str, facts: Facts) -> str | None:
    """Return the file of the tree that is the module, or a file of the package."""
    top = module.partition(".")[0]
    for path in facts.files:
        parts = path.split("/")
        if parts[-1] == f"{top}.py" or (path.endswith(".py") and top in parts[:-1]):
            return path
    return None


def _wanted(module: str, work: Work) -> tuple[str, ...]:
    """Return the dotted names that may name the distribution, from what is imported below module.

    `import google.cloud.storage` says only that `google` is missing; the import says which part.
    """
    if _distribution(module):
        return (module,)
    location = work.place()
    path = (location.path if location else None) or work.failure.facts.task_file
    text = work.read(path) if path else None
    try:
        code = Code(text or "")
    except SyntaxError:
        return ()
    names: set[str] = set()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{a.name}" for a in node.names}
    return tuple(sorted(n for n in names if n.startswith(module + ".")))


def _distribution(name: str) -> str | None:
    """Return the known distribution for a dotted import name; None where there is none.

    A part of a package is looked up as itself: `pandas.foo` is not what pandas provides.
    """
    if name in IMPORTS:
        return IMPORTS[name]
    head, dot, _ = name.rpartition(".")
    if dot and "." in head:
        return _distribution(head)
    return name if not dot and canonical(name) in map(canonical, KNOWN) else None


def _unknown(module: str, work: Work) -> str:
    top, dot, _ = module.partition(".")
    distribution = IMPORTS.get(top, top)
    listed = {canonical(r) for r in work.failure.facts.distributions}
    if dot and (top in IMPORTS or canonical(distribution) in listed):
        return f"{top} is there but has no {module}; its version does not fit the code"
    provider = f"the distribution that provides {module}"
    return f"{provider} is not on the known list; a person must name it"


def canonical(requirement: str) -> str:
    """Return a requirement's normalised name: `Scikit_Learn[x]>=1` -> `scikit-learn`.

    Source: https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def _environment(job: jobtext.Job, key: str) -> MappingNode | None:
    for entry in yamltext.items(yamltext.get(job.node, "environments")):
        if yamltext.scalar(yamltext.get(entry, "environment_key")) == key:
            return entry if isinstance(entry, MappingNode) else None
    return None


def _lists(entry: MappingNode, distribution: str, work: Work) -> bool:
    """Say whether the environment's list, or a file it includes, names the distribution."""
    requirements = list(work.failure.facts.distributions)
    for node in yamltext.scalars(yamltext.get(entry, "spec", "dependencies")):
        included = re.match(r"(?:-r|--requirement)[ =]*(\S+)", node.value)
        text = work.read(included[1]) if included else None
        requirements += text.splitlines() if text else [node.value]
    return canonical(distribution) in {canonical(r) for r in requirements}


def _to_environment(distribution: str, job: jobtext.Job, entry: MappingNode) -> list[edits.Change]:
    spec = yamltext.get(entry, "spec")
    listed = yamltext.get(spec, "dependencies")
    value = yamltext.quoted(distribution)
    if isinstance(listed, SequenceNode):
        return [yamltext.append(job.text, listed, value)]
    if listed is not None:
        return [yamltext.fill(listed, f"[{value}]")] if _empty(listed) else []
    if isinstance(spec, MappingNode):
        return [yamltext.add(job.text, spec, "dependencies", f"[{value}]")]
    if spec is not None:
        return [yamltext.fill(spec, f"{{dependencies: [{value}]}}")] if _empty(spec) else []
    return [yamltext.add(job.text, entry, "spec", f"{{dependencies: [{value}]}}")]


def _new_environment(distribution: str, job: jobtext.Job, task: jobtext.Task) -> list[edits.Change]:
    environments = yamltext.get(job.node, "environments")
    listed = f"[{yamltext.quoted(distribution)}]"
    entry = f"{{environment_key: default, spec: {{dependencies: {listed}}}}}"
    if isinstance(environments, SequenceNode):
        change = yamltext.append(job.text, environments, entry)
    elif environments is None:
        change = yamltext.add(job.text, job.node, "environments", f"[{entry}]", after=_before(job))
    elif _empty(environments):
        change = yamltext.fill(environments, f"[{entry}]")
    else:
        return []
    return [_name_environment(job, task), change]


def _name_environment(job: jobtext.Job, task: jobtext.Task) -> edits.Change:
    return yamltext.add(job.text, task.node, "environment_key", "default", after="task_key")


def _before(job: jobtext.Job) -> str | None:
    """Return the key above `tasks`, so that environments are declared before their use."""
    keys = [p.key.value for p in yamltext.pairs(job.node)]
    at = keys.index("tasks")
    return keys[at - 1] if at else None


def _empty(node: Node) -> bool:
    return yamltext.scalar(node) in (None, "") and not isinstance(node, MappingNode | SequenceNode)
