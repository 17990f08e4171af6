"""A bundle's YAML that names something there is not, where what is meant is clear: use that.

    python_task: {notebook_path: a}           ->  notebook_task: {notebook_path: a}
    job_task: {job_id: 1}                     ->  run_job_task: {job_id: 1}
    notebook_path: src/load.py                ->  notebook_path: ../src/load.py
    "${catalog}"                              ->  "${var.catalog}"
    base_parameters: ["--day", "2026-07-01"]  ->  base_parameters: {day: "2026-07-01"}
    include: [resource/etl.yml]               ->  include: [resources/etl.yml]

A resource that is declared in a file no `include` takes in: its folder is included.
Source: https://docs.databricks.com/aws/en/dev-tools/bundles/settings

Left alone: no known name or several are near, a file that the tree has twice or not at all, a list
that is no list of options, and a variable that nothing declares.
"""

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from yaml.nodes import MappingNode, Node, SequenceNode

from agent.code import bundlefields, edits, spelling, yamltext
from agent.code.bundlefields import Place
from agent.fixers import Proposal, Work

_MAIN = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
_REFERENCE = re.compile(r"\$\{([A-Za-z][\w.\[\]-]*)\}")
_KNOWN = (
    "bundle.name",
    "bundle.target",
    "workspace.host",
    "workspace.file_path",
    "workspace.root_path",
    "workspace.current_user.userName",
    "workspace.current_user.short_name",
)
_MAPPINGS = ("base_parameters", "job_parameters", "named_parameters", "notebook_params")


def propose(work: Work) -> Proposal | str:
    """Mend the `field`, `path`, `reference` or `pattern` that the command named."""
    given = work.diagnosis.parameters
    if pattern := given.get("pattern"):
        return _include(pattern, work)
    path = work.failure.facts.job_file
    text = work.read(path) if path else None
    if path is None or text is None:
        return "the error names no file of the bundle in the tree"
    root = yamltext.compose(text)
    if root is None:
        return f"{path} is not YAML that can be edited safely"
    if field := given.get("field"):
        return _field(field, path, text, root, work)
    if missing := given.get("path"):
        return _path(missing.strip("'\""), path, text, root, work)
    if reference := given.get("reference"):
        return _reference(reference, path, text, root, work)
    return _list(path, text, root, work)


def _line(work: Work) -> int | None:
    place = work.place()
    return place.line if place else None


def _field(field: str, path: str, text: str, root: MappingNode, work: Work) -> Proposal | str:
    line = _line(work)
    places = [p for p in bundlefields.pairs(root) if p.pair.key.value == field]
    places = [p for p in places if field not in bundlefields.fields(p.path)]
    here = [p for p in places if p.pair.key.start_mark.line + 1 == line] or places
    if len(here) != 1:
        return f"{field} is found in {len(here)} places of {path} that may be meant"
    (place,) = here
    new = _named(place)
    if new is None:
        return f"no single known field is clearly what {field} means"
    if yamltext.pair(place.mapping, new) is not None:
        return f"{new} stands beside {field} already"
    changes = [yamltext.rename(place.pair.key, new)]
    if new in _MAPPINGS and isinstance(place.pair.value, SequenceNode):
        mapping = bundlefields.options(place.pair.value)
        if mapping is None:
            return f"{field} is no list of options and values"
        changes.append(yamltext.replace(place.pair.value, mapping))
    where = ".".join(place.path).replace(".[]", "[]") or "the bundle"
    return Proposal(
        edits.unique(path, text, changes), f"There is no field {field} in {where}; {new} is meant."
    )


def _named(place: Place) -> str | None:
    """Return the field that is meant, by what stands in it or else by its name."""
    field, value = str(place.pair.key.value), place.pair.value
    held = {str(p.key.value) for p in yamltext.pairs(value)}
    if field in ("python_task", "script_task", "notebook"):
        if "notebook_path" in held:
            return "notebook_task"
        return "spark_python_task" if "python_file" in held else None
    if field == "job_task" and "job_id" in held:
        return "run_job_task"
    if place.path[-1:] == ("notebook_task",) and field in ("parameters", "params", "arguments"):
        return "base_parameters"
    known = set(bundlefields.fields(place.path)) - {
        str(p.key.value) for p in yamltext.pairs(place.mapping)
    }
    return spelling.nearest(field, known, renamed=field.endswith("_task"))


def _path(missing: str, path: str, text: str, root: MappingNode, work: Work) -> Proposal | str:
    """Let a path in the YAML lead from its own folder to the file it means."""
    folder = posixpath.dirname(path)
    meant = _file(missing, work.failure.facts.files)
    if meant is None:
        return f"no single file of the tree is clearly what {missing} means"
    line = _line(work)
    scalars = [s for s in yamltext.scalars(root) if _leads(str(s.value), folder, missing)]
    here = [s for s in scalars if s.start_mark.line + 1 == line] or scalars
    if len(here) != 1:
        return f"{missing} is found in {len(here)} places of {path} that may be meant"
    new = posixpath.relpath(meant, folder or ".")
    if not new.startswith("../"):
        new = f"./{new}"
    if not posixpath.splitext(str(here[0].value))[1]:
        new = posixpath.splitext(new)[0]
    return Proposal(
        edits.unique(path, text, [yamltext.rename(here[0], new)]),
        f"There is no {missing}; from {path} the file {meant} is {new}.",
    )


def _leads(value: str, folder: str, missing: str) -> bool:
    """Say whether a path in the YAML is the one of the error, which is relative to the bundle."""
    if not value or "\n" in value or posixpath.basename(value) != posixpath.basename(missing):
        return False
    return value == missing or posixpath.normpath(f"{folder}/{value}") in (
        posixpath.normpath(missing),
        posixpath.normpath(f"{folder}/{missing}"),
    )


def _file(missing: str, files: tuple[str, ...]) -> str | None:
    """Return the one file of that name (a notebook may lack its ending), else the nearest one."""
    name = posixpath.basename(missing)
    ending = posixpath.splitext(name)[1]
    same = [f for f in files if posixpath.basename(f) == name]
    if not same and not ending:
        same = [f for f in files if posixpath.splitext(posixpath.basename(f))[0] == name]
    if same:
        ours = set(posixpath.dirname(missing).split("/"))
        best = max(len(ours & set(posixpath.dirname(f).split("/"))) for f in same)
        same = [f for f in same if len(ours & set(posixpath.dirname(f).split("/"))) == best]
        return same[0] if len(same) == 1 else None
    beside = {f for f in files if posixpath.dirname(f) == posixpath.dirname(missing)}
    beside = {f for f in beside if posixpath.splitext(f)[1] == ending}
    near = spelling.nearest(name, {posixpath.basename(f) for f in beside})
    return next((f for f in beside if posixpath.basename(f) == near), None)


def _reference(
    reference: str, path: str, text: str, root: MappingNode, work: Work
) -> Proposal | str:
    name = reference.strip("${}\"' ,")
    known = set(_references(work))
    new = f"var.{name}" if f"var.{name}" in known else None
    if new is None and not isinstance(included := _unincluded(name, work), str):
        return included
    new = new or spelling.nearest(name, known)
    if new is None:
        return f"nothing that the bundle declares is clearly what ${{{name}}} means"
    scalars = [s for s in yamltext.scalars(root) if name in _REFERENCE.findall(str(s.value))]
    if not scalars:
        return f"{path} holds no ${{{name}}} that could be edited"
    changes = [
        yamltext.rename(s, str(s.value).replace(f"${{{name}}}", f"${{{new}}}")) for s in scalars
    ]
    return Proposal(
        edits.unique(path, text, changes), f"${{{name}}} refers to nothing; ${{{new}}} is declared."
    )


def _references(work: Work) -> Iterator[str]:
    """Yield what can be referred to: variables and resources of all files, the service's own."""
    yield from _KNOWN
    for path in _yaml(work):
        root = _composed(path, work)
        for pair in yamltext.pairs(yamltext.get(root, "variables")):
            yield f"var.{pair.key.value}"
        for kind in yamltext.pairs(yamltext.get(root, "resources")):
            for resource in yamltext.pairs(kind.value):
                for field in ("id", "name"):
                    yield f"resources.{kind.key.value}.{resource.key.value}.{field}"


def _yaml(work: Work) -> list[str]:
    return [f for f in work.failure.facts.files if f.endswith((".yml", ".yaml"))]


def _composed(path: str, work: Work) -> MappingNode | None:
    text = work.read(path)
    return yamltext.compose(text) if text is not None else None


def _main(work: Work) -> tuple[str, str, Node | None] | None:
    """Return the bundle's main file, its text, and its `include`."""
    path = next((name for name in _MAIN if name in work.failure.facts.files), None)
    text = work.read(path) if path else None
    root = yamltext.compose(text) if text is not None else None
    if path is None or text is None or root is None:
        return None
    return path, text, yamltext.get(root, "include")


def _unincluded(name: str, work: Work) -> Proposal | str:
    """Include the folder of the one file that declares the resource and that nothing takes in."""
    main = _main(work)
    words = name.split(".")
    if main is None or len(words) < 3 or words[0] != "resources":
        return "there is no bundle file to include it in"
    path, text, include = main
    patterns = [str(s.value) for s in yamltext.scalars(include)]
    declaring = [
        f
        for f in _yaml(work)
        if f != path
        and not any(_matches(f, pattern) for pattern in patterns)
        and yamltext.get(_composed(f, work), *words[:3]) is not None
    ]
    if len(declaring) != 1 or not isinstance(include, SequenceNode):
        return f"{len(declaring)} files that are not included declare {name}"
    folder = posixpath.dirname(declaring[0])
    pattern = f"{folder}/*{posixpath.splitext(declaring[0])[1]}" if folder else declaring[0]
    change = yamltext.append(text, include, yamltext.quoted(pattern))
    return Proposal(
        edits.unique(path, text, [change]),
        f"{declaring[0]} declares {'.'.join(words[:3])}, but no include takes it in.",
    )


def _matches(path: str, pattern: str) -> bool:
    """Say whether a pattern takes a file in; its stars do not reach over a folder."""
    ours, theirs = path.split("/"), posixpath.normpath(pattern).split("/")
    if "**" in theirs:
        return fnmatchcase(path, pattern)
    return len(ours) == len(theirs) and all(map(fnmatchcase, ours, theirs))


def _include(pattern: str, work: Work) -> Proposal | str:
    """Correct an include that names a file there is not."""
    main = _main(work)
    pattern = pattern.strip("'\"")
    if main is None:
        return "there is no bundle file with an include"
    path, text, include = main
    scalars = [s for s in yamltext.scalars(include) if s.value == pattern]
    meant = _included(pattern, [f for f in _yaml(work) if f != path])
    if len(scalars) != 1 or meant is None:
        return f"no single file of the tree is clearly what the include {pattern} means"
    return Proposal(
        edits.unique(path, text, [yamltext.rename(scalars[0], meant)]),
        f"The include {pattern} matches nothing; the tree has {meant}.",
    )


def _included(pattern: str, files: list[str]) -> str | None:
    """Return the file, or the pattern of the folder, that is meant."""
    name, folder = posixpath.basename(pattern), posixpath.dirname(pattern)
    folders = {posixpath.dirname(f) for f in files}
    if "*" in name:
        near = spelling.nearest(folder, folders)
        wanted = f"{near}/{name}"
        return wanted if near and any(_matches(f, wanted) for f in files) else None
    same = [f for f in files if posixpath.basename(f) == name]
    if len(same) == 1:
        return same[0]
    beside = {posixpath.basename(f) for f in files if posixpath.dirname(f) == folder}
    found = spelling.nearest(name, beside) if not same else None
    return posixpath.join(folder, found) if found else None


def _list(path: str, text: str, root: MappingNode, work: Work) -> Proposal | str:
    """Turn a list of options that stands where a mapping belongs into one."""
    if "found sequence" not in work.failure.message:
        return "the error names nothing that could be mended"
    line = _line(work)
    lists = [
        p
        for p in bundlefields.pairs(root)
        if p.pair.key.value in _MAPPINGS and isinstance(p.pair.value, SequenceNode)
    ]
    here = [
        p
        for p in lists
        if line in (p.pair.key.start_mark.line + 1, p.pair.value.start_mark.line + 1)
    ]
    here = here or lists
    if len(here) != 1:
        return f"{path} holds {len(here)} lists where a mapping of parameters belongs"
    field, value = here[0].pair
    mapping = bundlefields.options(value)
    if mapping is None:
        return f"{field.value} is no list of options and values"
    return Proposal(
        edits.unique(path, text, [yamltext.replace(value, mapping)]),
        f"{field.value} takes names and values, not a list of options.",
    )
