"""A job file that names something there is not, where the nearest known name is clear: use it.

    depend_on: [{task_key: extract}]     ->  depends_on: [{task_key: extract}]
    depends_on: [{task_key: extarct}]    ->  depends_on: [{task_key: extract}]
    notebok_task: {...}                  ->  notebook_task: {...}
    environment_key: defualt             ->  environment_key: default
    "{{job.parameters.run_dat}}"         ->  "{{job.parameters.run_date}}"

The same in the jobs of a bundle's file.

Source: https://docs.databricks.com/api/workspace/jobs/create

Left alone: no known name or several are near, the right key stands beside the wrong one, the
renamed dependency would close a circle, and a word that is found in several places.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agent.code import edits, jobtext, spelling, yamltext
from agent.fixers import Proposal, Work

_LISTED = re.compile(r"\((?:keys|types|tasks|environments|known): (?P<names>[^()]*)\)")
_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


class _Place(NamedTuple):
    """Where the wrong word stands, and what may stand there instead."""

    node: ScalarNode
    known: tuple[str, ...]
    what: str
    renamed: bool = False
    """True where a name may also lack a whole word: `python_task` for `spark_python_task`."""


def propose(work: Work) -> Proposal | str:
    """Rename the word that was `found` to the `nearest` known one."""
    parameters, facts = work.diagnosis.parameters, work.failure.facts
    word = parameters.get("found") or parameters.get("key") or ""
    text = work.read(facts.job_file) if facts.job_file else None
    if not word or facts.job_file is None or text is None:
        return "the error names no word of a job file in the tree"
    task = parameters.get("task") or work.failure.task
    root = _root(facts.job_file, text, task)
    if root is None:
        return f"{facts.job_file} is not YAML that can be edited safely"
    places = _narrowed(list(_places(root, word, task, work)), work)
    if len(places) != 1:
        return f"{word} is found in {len(places)} places of {facts.job_file} that may be meant"
    (place,) = places
    new = spelling.nearest(word, place.known, renamed=place.renamed)
    if new is None:
        return f"no single known {place.what} is clearly what {word} means"
    if parameters.get("nearest") not in (None, "", new):
        return f"{word} may mean {new} or {parameters['nearest']}"
    job = jobtext.read(facts.job_file, text, task)
    if place.what == "task" and job is not None and task in job.upstream(new):
        return f"task {new} waits for {task}; that would be a circle"
    return Proposal(
        edits.unique(facts.job_file, text, [_change(place, word, new)]),
        f"{facts.job_file} names {word}, which is no known {place.what}; {new} is.",
    )


def _root(path: str, text: str, task: str | None) -> MappingNode | None:
    """Return the job's mapping: the file's own, or that of the one job of a bundle."""
    root = yamltext.compose(text)
    if root is None or yamltext.pair(root, "resources") is None:
        return root
    job = jobtext.read(path, text, task) or jobtext.read(path, text)
    return job.node if job is not None else None


def _change(place: _Place, word: str, new: str) -> edits.Change:
    if place.what == "reference":
        return yamltext.rename(place.node, str(place.node.value).replace(word, new, 1))
    return yamltext.rename(place.node, new)


def _narrowed(places: list[_Place], work: Work) -> list[_Place]:
    """Return the places on the line that the error names, where it names one of theirs."""
    found = re.search(r":(\d+):", work.failure.message)
    location = work.place()
    line = location.line if location and location.line else int(found[1]) if found else 0
    return [p for p in places if p.node.start_mark.line + 1 == line] or places


def _places(root: MappingNode, word: str, task: str | None, work: Work) -> Iterator[_Place]:
    offered = _offered(work)
    within = _tasks(root, task) if task else [root]
    for top in within:
        for mapping in _mappings(top):
            yield from _keys(mapping, word, offered)
    for node in _tasks(root, task) or _tasks(root, None):
        yield from _references_to_tasks(root, node, word)
        environment = yamltext.get(node, "environment_key")
        if isinstance(environment, ScalarNode) and environment.value == word:
            known = _named(root, "environments", "environment_key")
            if word not in known:
                yield _Place(environment, known, "environment")
        for scalar in yamltext.scalars(node):
            if _REFERENCE.findall(str(scalar.value)).count(word) == 1:
                names = _named(root, "parameters", "name")
                known = tuple(f"job.parameters.{name}" for name in names)
                yield _Place(scalar, known or offered, "reference")


def _keys(mapping: MappingNode, word: str, offered: tuple[str, ...]) -> Iterator[_Place]:
    found = yamltext.pair(mapping, word)
    if found is None or word in offered:
        return
    beside = {p.key.value for p in yamltext.pairs(mapping)}
    known = tuple(name for name in offered if name not in beside)
    yield _Place(found.key, known, "key", renamed=word.endswith("_task"))


def _references_to_tasks(root: MappingNode, node: MappingNode, word: str) -> Iterator[_Place]:
    keys = _named(root, "tasks", "task_key")
    if word in keys:
        return
    waits = yamltext.items(yamltext.get(node, "depends_on"))
    named = [yamltext.get(item, "task_key") for item in waits]
    taken = {yamltext.scalar(n) for n in named} | {yamltext.scalar(yamltext.get(node, "task_key"))}
    for scalar in named:
        if isinstance(scalar, ScalarNode) and scalar.value == word:
            yield _Place(scalar, tuple(k for k in keys if k not in taken), "task")


def _offered(work: Work) -> tuple[str, ...]:
    """Return the names that the error lists, else the one it calls nearest."""
    texts = [work.failure.message, *(line.text for line in work.failure.log)]
    word = work.diagnosis.parameters.get("found") or work.diagnosis.parameters.get("key") or ""
    for text in texts:
        found = _LISTED.search(text) if word in text else None
        if found:
            return tuple(name.strip() for name in found["names"].split(","))
    near = work.diagnosis.parameters.get("nearest")
    return (near,) if near else ()


def _tasks(root: MappingNode, key: str | None) -> list[MappingNode]:
    """Return the task of that key; all of them where no key is given."""
    return [
        item
        for item in yamltext.items(yamltext.get(root, "tasks"))
        if isinstance(item, MappingNode)
        and (key is None or yamltext.scalar(yamltext.get(item, "task_key")) == key)
    ]


def _named(root: MappingNode, key: str, name: str) -> tuple[str, ...]:
    listed = yamltext.items(yamltext.get(root, key))
    found = (yamltext.scalar(yamltext.get(item, name)) for item in listed)
    return tuple(value for value in found if value)


def _mappings(node: Node) -> Iterator[MappingNode]:
    if isinstance(node, MappingNode):
        yield node
        for found in yamltext.pairs(node):
            yield from _mappings(found.value)
    elif isinstance(node, SequenceNode):
        for item in yamltext.items(node):
            yield from _mappings(item)
