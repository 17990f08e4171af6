"""A job file for AIDP with words or shapes that the service does not take: use those it has.

    clusterName: 98d06c4f-0000-...        ->  clusterName: etl_cluster
    dependsOn: [extract]                  ->  dependsOn: [{taskKey: extract}]
    taskType: NOTEBOOK_TASK               ->  type: NOTEBOOK_TASK, with runIf: ALL_SUCCESS
    displayName: etl_daily                ->  name: etl_daily
    retryCount: 2, retryInterval: 30      ->  maxRetries: 2, minRetryIntervalMillis: 30000
    parameters: [{key: day, value: "1"}]  ->  parameters: [{name: day, value: "1"}]
    notebookPath: /Workspace//a.ipynb     ->  notebookPath: /Workspace/a.ipynb

All that is found in the file is mended at once: the service names one mistake at a time.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/

Left alone: a cluster that several known ones could be, a cluster that is only stopped, the right
key beside the wrong one, a dependency that would close a circle, a time without a clear unit.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from agent.code import aidpjob, aidpwords, edits, spelling, yamltext
from agent.code.aidpjob import File, Task
from agent.fixers import Proposal, Work

_KNOWN = re.compile(r"\(clusters: (?P<names>[^()]*)\)")
_LISTED = re.compile(r"clusters of the workspace: (?P<names>.+)")
_KEY_OF = re.compile(r'(?P<key>[\w-]{8,}) is the key of cluster "(?P<name>[^"]+)"')
_VALUE = re.compile(
    r'\b(?P<field>\w+) of (?:task "(?P<task>[^"]+)"|the job|the schedule) (?:is|names)'
    r' "(?P<found>[^"]+)"(?:.*?did you mean "(?P<near>[^"]+)"\?)?'
)
_UNKNOWN = re.compile(
    r'unknown key "(?P<key>\w+)" of (?:.{0,40}?task "(?P<task>[^"]+)"|.{0,40}?the job)'
    r'.*?did you mean "(?P<near>\w+)"'
)


class Mend(NamedTuple):
    """One mistake mended."""

    change: edits.Change
    says: str
    confidence: float = 0.95


def propose(work: Work) -> Proposal | str:
    """Mend every mistake of the job file that is understood."""
    path = work.failure.facts.job_file
    text = work.read(path) if path else None
    if path is None or text is None:
        return "the job has no file in the tree that could be edited"
    file = aidpjob.read(path, text)
    if file is None:
        return f"{path} is no job file that can be edited safely"
    said = [work.failure.message, *(line.text for line in work.failure.log)]
    mends: dict[tuple[int, int], Mend] = {}
    for mend in (*_words(file), *_shapes(file), *_named(file, said), *_clusters(file, said)):
        mends.setdefault((mend.change.start, mend.change.end), mend)
    if not mends:
        return f"{path} holds no mistake that is known and has one clear remedy"
    reasons = dict.fromkeys(mend.says for mend in mends.values())
    return Proposal(
        edits.unique(path, text, [mend.change for mend in mends.values()]),
        f"{path}: {'; '.join(reasons)}.",
        min(mend.confidence for mend in mends.values()),
        witnessed=True,
    )


def _words(file: File) -> Iterator[Mend]:
    """Yield what is called by another tool's word."""
    yield from _renamed(file.root, aidpwords.OF_JOB)
    for node in _lists_of_parameters(file):
        for item in yamltext.items(node):
            yield from _renamed(item, {"key": "name"})
    for task in file.tasks:
        yield from _renamed(task.node, aidpwords.OF_TASK)


def _lists_of_parameters(file: File) -> Iterator[SequenceNode]:
    for node in (file.root, *(task.node for task in file.tasks)):
        found = yamltext.get(node, "parameters")
        if isinstance(found, SequenceNode):
            yield found


def _renamed(node: object, words: dict[str, str]) -> Iterator[Mend]:
    if not isinstance(node, MappingNode):
        return
    for pair in yamltext.pairs(node):
        word = str(pair.key.value)
        new = words.get(word)
        rivals = [w for w, meant in words.items() if meant == new and yamltext.pair(node, w)]
        if new is None or yamltext.pair(node, new) or len(rivals) > 1:
            continue
        if word == "retryInterval":
            millis = aidpwords.millis(yamltext.scalar(pair.value) or "")
            if millis is None or not isinstance(pair.value, ScalarNode):
                continue
            if str(millis) != pair.value.value:
                says = f"{pair.value.value} of retryInterval is {millis} ms"
                yield Mend(yamltext.replace(pair.value, str(millis)), says)
        yield Mend(yamltext.rename(pair.key, new), f"{word} is called {new}")


def _shapes(file: File) -> Iterator[Mend]:
    """Yield what has another shape than the service takes, task by task."""
    yield from _slashes(file.root, ("path",))
    for task in file.tasks:
        yield from _slashes(task.node, aidpwords.PATHS)
        yield from _dependencies(file, task)
        yield from _word(task.node, ("type", "taskType"), aidpwords.TYPES)
        yield from _word(task.node, ("runIf", "run_if"), aidpwords.RUN_IF)
        if not any(yamltext.pair(task.node, word) for word in ("runIf", "run_if")):
            value = '"ALL_SUCCESS"' if file.is_json else "ALL_SUCCESS"
            change = file.add(task.node, "runIf", value, "taskKey", "task_key", "type")
            yield Mend(change, "each task needs a runIf, ALL_SUCCESS is the usual one")


def _slashes(node: MappingNode, fields: tuple[str, ...]) -> Iterator[Mend]:
    for field in fields:
        found = yamltext.get(node, field)
        if not isinstance(found, ScalarNode):
            continue
        new = aidpwords.single_slashes(str(found.value))
        if new != found.value:
            yield Mend(yamltext.rename(found, new), f"a path may not hold an empty part ({field})")


def _word(node: MappingNode, fields: tuple[str, ...], known: tuple[str, ...]) -> Iterator[Mend]:
    for field in fields:
        found = yamltext.get(node, field)
        value = yamltext.scalar(found)
        if not isinstance(found, ScalarNode) or value is None or value in known:
            continue
        new = spelling.nearest(value, known, renamed=True)
        if new is not None:
            yield Mend(yamltext.rename(found, new), f"there is no {value}, {new} is meant")


def _dependencies(file: File, task: Task) -> Iterator[Mend]:
    pair = yamltext.pair(task.node, "dependsOn") or yamltext.pair(task.node, "depends_on")
    if pair is None:
        return
    alone = isinstance(pair.value, ScalarNode)
    for node in (pair.value,) if alone else yamltext.items(pair.value):
        bare = isinstance(node, ScalarNode)
        named = node if bare else yamltext.get(node, "taskKey")
        key = yamltext.scalar(named)
        meant = _meant(file, task, key) if key else None
        if meant is None or not isinstance(named, ScalarNode):
            continue
        word = yamltext.quoted(meant, '"' if file.is_json else named.style)
        if bare:
            item = f'{{"taskKey": {word}}}' if file.is_json else f"{{taskKey: {word}}}"
            change = yamltext.replace(named, f"[{item}]" if alone else item)
            yield Mend(change, "dependsOn holds objects with a taskKey, not bare names")
        elif meant != key:
            yield Mend(yamltext.replace(named, word), f"there is no task {key}, {meant} is meant")


def _meant(file: File, task: Task, key: str) -> str | None:
    keys = {t.key for t in file.tasks if t.key}
    if key in keys:
        return key
    free = {k for k in keys if task.key and not file.waits_for(k, task.key)}
    return spelling.nearest(key, free - set(task.depends_on))


def _named(file: File, said: list[str]) -> Iterator[Mend]:
    """Yield the words that the failure names together with what is meant."""
    for text in said:
        for found in _UNKNOWN.finditer(text):
            for node in _around(file, found["task"]):
                if not _is_known_word(found["key"]):
                    yield from _renamed(node, {found["key"]: found["near"]})
        for found in _VALUE.finditer(text):
            if found["near"] is None or found["field"] in ("clusterKey", "dependsOn"):
                continue
            for node in _around(file, found["task"]):
                for scalar in _valued(node, found["field"], found["found"]):
                    says = f"{found['field']} {found['found']} is none, {found['near']} is meant"
                    yield Mend(yamltext.rename(scalar, found["near"]), says)


def _is_known_word(key: str) -> bool:
    return key in aidpwords.OF_JOB or key in aidpwords.OF_TASK


def _around(file: File, task: str | None) -> Iterator[MappingNode]:
    """Yield the mappings that a failure means by a task, or by the job."""
    if task is None:
        yield file.root
        schedule = yamltext.get(file.root, "schedule")
        if isinstance(schedule, MappingNode):
            yield schedule
        return
    yield from (t.node for t in file.tasks if t.key == task)


def _valued(node: MappingNode, field: str, value: str) -> Iterator[ScalarNode]:
    for inner in (node, yamltext.get(node, "cluster")):
        found = yamltext.get(inner, field)
        if isinstance(found, ScalarNode) and found.value == value:
            yield found


def _clusters(file: File, said: list[str]) -> Iterator[Mend]:
    """Yield clusters by their display names, where it is clear which one is meant."""
    known = _known(said)
    given = {found["key"]: found["name"] for text in said for found in _KEY_OF.finditer(text)}
    for text in said:
        for found in _VALUE.finditer(text):
            if found["field"] == "clusterName" and found["near"]:
                given[found["found"]] = found["near"]
    right: set[str] = set()
    for node in aidpjob.cluster_names(file):
        old = str(node.value)
        new, sure = _cluster(old, known, given)
        right |= {old} & set(known)
        if new is not None:
            right.add(new)
            says = f"{old} is no cluster's display name, {new} is"
            yield Mend(yamltext.rename(node, new), says, 0.95 if sure else 0.75)
    only = right or set(known)
    for number, task in enumerate(file.tasks):
        lacks = any(_lacks_cluster(text, number, task.key) for text in said)
        yield from _given(file, task, next(iter(only)) if lacks and len(only) == 1 else None)


def _lacks_cluster(text: str, number: int, key: str | None) -> bool:
    """Say whether a text says that this task has no cluster."""
    return f"tasks[{number}].cluster must not be null" in text or (
        f'the key "cluster" of task "{key}" is missing' in text
    )


def _known(said: list[str]) -> tuple[str, ...]:
    """Return the display names of the workspace's clusters, as far as the failure lists them."""
    names: dict[str, None] = {}
    for text in said:
        for pattern in (_KNOWN, _LISTED):
            for found in pattern.finditer(text):
                listed = re.sub(r"\s*\([A-Z_]+\)", "", found["names"])
                names |= dict.fromkeys(n.strip() for n in listed.split(",") if n.strip())
    return tuple(names)


def _cluster(old: str, known: tuple[str, ...], given: dict[str, str]) -> tuple[str | None, bool]:
    """Return the display name that is meant by a name that is none, and whether that is sure."""
    if old in given and given[old] != old:
        return given[old], True
    if old in known or not known:
        return None, False
    near = None if aidpwords.UUID.fullmatch(old) else spelling.nearest(old, known)
    if near is not None:
        return near, True
    return (known[0], False) if len(known) == 1 else (None, False)


def _given(file: File, task: Task, only: str | None) -> Iterator[Mend]:
    """Yield a cluster as an object, and one where a task needs one and only one can be meant."""
    pair = yamltext.pair(task.node, "cluster")
    text = yamltext.scalar(pair.value) if pair else None
    if pair is not None and text is not None and not aidpwords.UUID.fullmatch(text):
        written = f"{{{file.pair('clusterName', text)}}}"
        says = "a cluster is an object with its clusterName"
        yield Mend(yamltext.replace(pair.value, written), says)
    elif pair is None and only is not None and task.type in aidpwords.WITH_CLUSTER:
        written = f"{{{file.pair('clusterName', only)}}}"
        change = file.add(task.node, "cluster", written, *aidpwords.PATHS, "mainClass", "type")
        yield Mend(change, f"task {task.key} needs a cluster, {only} is the one there is", 0.8)
