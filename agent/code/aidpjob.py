"""A job file in AIDP's words: its tasks, the words that other tools use for the same, small edits.

It reads tolerantly, for a fixer: what it does not know it leaves out. YAML and JSON, in their own
style: a pair that is added to JSON gets its quotes.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

from collections.abc import Iterator
from typing import NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agent.code import edits, yamltext


class Task(NamedTuple):
    """One task of the file."""

    node: MappingNode
    key: str | None
    type: str | None
    depends_on: tuple[str, ...]


class File(NamedTuple):
    """A job file's text and what is in it."""

    path: str
    text: str
    root: MappingNode
    tasks: tuple[Task, ...]

    @property
    def is_json(self) -> bool:
        """Whether added keys and values need quotes."""
        return self.path.endswith(".json")

    def task(self, key: str | None) -> Task | None:
        """Return the task of that key; None where there is none, or more than one."""
        found = [t for t in self.tasks if t.key == key]
        return found[0] if len(found) == 1 else None

    def waits_for(self, key: str, other: str) -> bool:
        """Say whether a task is, or waits for, another one, directly or not."""
        seen: set[str] = set()
        waiting = [key]
        while waiting:
            at = waiting.pop()
            if at == other:
                return True
            task = self.task(at)
            fresh = set(task.depends_on) - seen if task else set()
            seen |= fresh
            waiting += sorted(fresh)
        return False

    def pair(self, key: str, value: str) -> str:
        """Write `key: value` of words, in the file's style."""
        return f'"{key}": "{value}"' if self.is_json else f"{key}: {yamltext.quoted(value)}"

    def add(self, node: MappingNode, key: str, value: str, *after: str) -> edits.Change:
        """Return the change that adds `key: value` to a mapping, the value as it is written.

        It goes below the first pair of `after` that is there, else to the mapping's end.
        """
        known = (found for name in after if (found := yamltext.pair(node, name)))
        anchor = next(known, None) or next(reversed(yamltext.pairs(node)), None)
        if anchor is None or not node.flow_style:
            name = str(anchor.key.value) if anchor else None
            return yamltext.add(self.text, node, key, value, after=name)
        end = anchor.value.end_mark.index
        start = anchor.key.start_mark.index
        line = self.text.rfind("\n", 0, start) + 1
        alone = not self.text[line:start].strip()
        apart = f",\n{self.text[line:start]}" if alone and line else ", "
        written = f'"{key}"' if self.is_json or anchor.key.style == '"' else key
        return edits.Change(end, end, f"{apart}{written}: {value}")


def read(path: str, text: str) -> File | None:
    """Return the job file; None where it cannot be read or edited safely, or is no job's."""
    root = yamltext.compose(text)
    tasks = yamltext.get(root, "tasks")
    if root is None or not isinstance(tasks, SequenceNode):
        return None
    found = tuple(_task(item) for item in tasks.value if isinstance(item, MappingNode))
    return File(path, text, root, found)


def _task(node: MappingNode) -> Task:
    def text(*keys: str) -> str | None:
        return next((v for k in keys if (v := yamltext.scalar(yamltext.get(node, k)))), None)

    kind = text("type", "taskType", "task_type")
    return Task(node, text("taskKey", "task_key"), kind, tuple(_waits(node)))


def _waits(node: MappingNode) -> Iterator[str]:
    listed = yamltext.get(node, "dependsOn") or yamltext.get(node, "depends_on")
    for item in (listed,) if isinstance(listed, ScalarNode) else yamltext.items(listed):
        named = item if isinstance(item, ScalarNode) else yamltext.get(item, "taskKey")
        if (key := yamltext.scalar(named)) is not None:
            yield key


def cluster_names(file: File) -> Iterator[ScalarNode]:
    """Yield each scalar that names a cluster: of the job's clusters, then of its tasks."""
    shared: list[Node | None] = list(yamltext.items(yamltext.get(file.root, "jobClusters")))
    for node in (*shared, *(yamltext.get(task.node, "cluster") for task in file.tasks)):
        named = yamltext.get(node, "clusterName")
        if isinstance(named, ScalarNode) and yamltext.scalar(named):
            yield named
