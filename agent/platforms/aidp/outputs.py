"""What a task left behind: `fetchOutput`, with the task run's `outputKey` or an empty one.

Rules kept here: a task that never started answers with nothing in every field; where `fetchOutput`
gives nothing, the executed notebook may still be exported; what the service did not keep is not
known, never empty. An exit value is looked for in the output parameters, in the notebook's
metadata, between markers in what was printed, and in the last line where that is a JSON object:

    print("RUNMEND_RESULT_BEGIN", json.dumps(value), "RUNMEND_RESULT_END")

Between the markers base64 of the JSON is as good, and safer: some builds show stdout without its
backslashes. How `oidlUtils.notebook.exit` arrives is not established, so each form is accepted.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

from agent import redaction
from agent.platforms.aidp import encoded, notebooks
from agent.platforms.aidp.api import Api, ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.notebooks import Notebook
from agent.remote import texts
from agent.remote.texts import sentence

BEGIN, END = "RUNMEND_RESULT_BEGIN", "RUNMEND_RESULT_END"
_MARKED = re.compile(rf"{BEGIN}(.*?){END}", re.DOTALL)
_TAGS = re.compile(r"<[^<>]*>")
_EXITS = ("exitValue", "exit_value", "notebook.exit", "notebookExit", "result", "returnValue")
"""Names under which a notebook's exit value may come."""
_TEXTS = ("TEXT_PLAIN", "APPLICATION_JSON", "TEXT_HTML", "")
_WITH_VALUE = ("NOTEBOOK_TASK", "PYTHON_TASK", "JAR_TASK", "AGENT_TASK")


class Output(NamedTuple):
    """What one task run left behind."""

    notebook: Notebook | None = None
    printed: str = ""
    """What is no notebook: the text that a script printed."""
    parameters: Mapping[str, str] = {}
    error_trace: str = ""
    truncated: bool = False
    missing: tuple[str, ...] = ()
    """What could not be read, and why; with nothing else the whole output is missing."""

    @property
    def kept(self) -> bool:
        """Whether the service kept anything that was printed."""
        return bool(self.printed) or (self.notebook is not None and self.notebook.kept)

    @property
    def stdout(self) -> str:
        """Everything printed or shown."""
        return self.notebook.printed if self.notebook is not None else self.printed


class Value(NamedTuple):
    """A task's exit value."""

    value: JsonValue = None
    known: bool = True
    """False where it was cut, or not kept."""


def fetch(api: Api, task_run: Mapping[str, Any]) -> Output:
    """Return what a task run left behind; what the service will not give is in `missing`.

    `task_run`: as `GET taskRuns/{key}` gives it, with its `outputKey`.
    """
    document, why = _fetched(api, task_run)
    found = _read(document)
    if why:
        found = found._replace(missing=(why, *found.missing))
    if found.notebook is None and not found.printed and str(_type(task_run)) in _NOTEBOOKS:
        return _exported(api, task_run, found)
    return found


_NOTEBOOKS = ("NOTEBOOK_TASK", "")


def exit_value(task_type: str | None, output: Output) -> Value:
    """Return what a task that ended well gave back, masked; a text where it is no JSON.

    Types that give nothing back have None, known.
    """
    if task_type is not None and task_type not in _WITH_VALUE:
        return Value()
    for found in _values(output):
        return Value(redaction.mask_json(found))
    return Value(known=output.kept and not output.truncated and not output.missing)


def marked(text: str) -> Iterator[JsonValue]:
    """Yield what stands between markers, the last first: JSON, or base64 of JSON."""
    for said in reversed(_MARKED.findall(text)):
        try:
            yield json.loads(said)
            continue
        except (ValueError, RecursionError):
            pass
        try:
            yield json.loads(base64.b64decode("".join(said.split()), validate=True))
        except (binascii.Error, ValueError, RecursionError):
            continue


def _values(output: Output) -> Iterator[JsonValue]:
    given = output.parameters
    if named := next((given[name] for name in _EXITS if name in given), None):
        yield _loaded(named)
    if given:
        yield {name: _loaded(value) for name, value in given.items()}
    if output.notebook is not None:
        yield from _in_metadata(output.notebook.metadata)
    yield from marked(output.stdout)
    lines = [line for line in output.stdout.splitlines() if line.strip()]
    # A notebook may print JSON on its way; only its very last word can be meant as its value.
    for line in reversed(lines[-1:] if output.notebook is not None else lines):
        if line.lstrip().startswith("{"):
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                continue


def _in_metadata(metadata: Mapping[str, Any]) -> Iterator[JsonValue]:
    """Yield an exit value in a notebook's metadata, its own or one group deeper."""
    groups = [metadata, *(v for v in metadata.values() if isinstance(v, dict))]
    for group in groups:
        for name in _EXITS:
            if group.get(name) is not None:
                yield _loaded(group[name])


def _loaded(given: Any) -> JsonValue:
    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]  # a part of a JSON document
    try:
        found: JsonValue = json.loads(given)
    except (ValueError, RecursionError):
        return texts.clean(given)
    return found


def _type(task_run: Mapping[str, Any]) -> str:
    task = task_run.get("task")
    return str(task.get("type") or "") if isinstance(task, dict) else ""


def _fetched(api: Api, task_run: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the answer, empty where there is none, and why there is none."""
    path = f"/taskRuns/{quote(str(task_run.get('key') or ''), safe='')}/actions/fetchOutput"
    key = str(task_run.get("outputKey") or "")
    try:
        try:
            return api.ask(path, {"outputKey": key}), None
        except NotFound:
            if not key:
                raise
            return api.ask(path, {"outputKey": ""}), None
    except (ApiRefused, Forbidden) as error:
        return {}, f"the output cannot be fetched: {sentence(str(error))}"


def _read(document: Mapping[str, Any]) -> Output:
    data = document.get("data")
    notebook, printed, missing = None, [], []
    for piece in data if isinstance(data, list) else ():
        if not isinstance(piece, dict):
            continue
        kind = str(piece.get("type") or "").upper()
        said = encoded.text(piece)
        if said.missing:
            missing.append(f"an output of type {kind or 'none'}: {said.missing}")
        if kind.endswith("_PATH"):
            missing.append(f"an output lies in a file that is not read: {sentence(said.value)}")
        elif kind == "NOTEBOOK" or notebooks.read(said.value) is not None:
            notebook = notebook or notebooks.read(said.value)
            if notebook is None and not said.missing:
                missing.append("the executed notebook cannot be read")
        elif kind in _TEXTS:
            printed.append(_bare(said.value) if kind == "TEXT_HTML" else texts.plain(said.value))
    if document.get("isTruncated"):
        missing.append("the service cut the output")
    return Output(
        notebook=notebook,
        printed="\n".join(filter(None, printed)),
        parameters=_parameters(document.get("outputParameters")),
        error_trace=texts.plain(notebooks.text(document.get("errorTrace"))),
        truncated=bool(document.get("isTruncated")),
        missing=tuple(missing),
    )


def _parameters(given: Any) -> dict[str, str]:
    listed = [p for p in given if isinstance(p, dict)] if isinstance(given, list) else []
    return {str(p["name"]): notebooks.text(p.get("value")) for p in listed if p.get("name")}


def _bare(page: str) -> str:
    return html.unescape(_TAGS.sub("", page))


def _exported(api: Api, task_run: Mapping[str, Any], fetched: Output) -> Output:
    """Return the output with the executed notebook from an export, where there is one."""
    key, output = str(task_run.get("key") or ""), str(task_run.get("outputKey") or "")
    if not output:
        return fetched
    path = f"/taskRuns/{quote(key, safe='')}/outputs/{quote(output, safe='')}/actions/export"
    try:
        given = api.ask(path, {"format": "IPYNB"})
    except (ApiRefused, Forbidden):
        return fetched
    found = notebooks.read(given.get("content"))
    return fetched._replace(notebook=found, missing=()) if found is not None else fetched
