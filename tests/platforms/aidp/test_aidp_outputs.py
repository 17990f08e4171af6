"""What tasks left behind: decoded, parsed, and the exit values in it."""

import base64
import bz2
import gzip
import json
import zlib
from typing import Any

import pytest
from aidp_failed_stage import JOB, Stage, notebook
from aidp_workspace import Workspace

from agent.platforms.aidp import encoded, notebooks, outputs
from agent.platforms.aidp.outputs import BEGIN, END, Output, Value
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.outcomes import Outcome

TEXT = "naïve\n" * 3


def packed(content: bytes, compression: str | None, charset: str = "UTF_8") -> dict[str, Any]:
    value = base64.b64encode(content).decode()
    return {"value": value, "isBase64": True, "compression": compression, "charset": charset}


def bare_deflate(content: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(content) + packing.flush()


@pytest.mark.parametrize(
    "piece",
    [
        {"value": TEXT, "isBase64": False, "compression": None},
        {"value": TEXT},
        packed(TEXT.encode(), None),
        packed(gzip.compress(TEXT.encode()), "GZIP"),
        packed(zlib.compress(TEXT.encode()), "DEFLATE"),
        packed(bare_deflate(TEXT.encode()), "DEFLATE"),
        packed(bz2.compress(TEXT.encode()), "BZIP2"),
        packed(TEXT.encode("utf-16"), None, "UTF_16"),
        packed(TEXT.encode("utf-16-be"), None, "UTF_16"),
        packed(gzip.compress(TEXT.encode("utf-16-le")), "GZIP", "UTF_16"),
    ],
)
def test_every_form_of_an_output_is_read(piece: dict[str, Any]) -> None:
    assert encoded.text(piece) == encoded.Text(TEXT)


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        (packed(b"\x1f\x9dlzw", "COMPRESS"), "COMPRESS, which is not read"),
        (packed(b"x", "LZ4"), "LZ4, which is not known"),
        (packed(b"no gzip", "GZIP"), "said to be packed with GZIP"),
        ({"value": "not base64!", "isBase64": True}, "said to be base64"),
        (packed(b"\xff\xfe\x00", None), "said to be UTF_8"),
    ],
)
def test_what_cannot_be_read_is_said(piece: dict[str, Any], words: str) -> None:
    found = encoded.text(piece)
    assert found.value == ""
    assert words in str(found.missing)


def test_a_small_answer_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "LARGEST", 1000)
    found = encoded.text(packed(gzip.compress(b"a" * 1_000_000), "GZIP"))
    assert len(found.value) == 1000
    assert found.missing == "only its beginning can be read"


def output(**fields: Any) -> Output:
    """Return an output with a notebook of one cell."""
    cell = {"source": "x", "outputs": fields.pop("outputs", [])}
    book = notebook(cell)
    book["metadata"] = fields.pop("metadata", {})
    return Output(notebook=notebooks.read(json.dumps(book)), **fields)


def stdout(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


@pytest.mark.parametrize(
    "left",
    [
        output(parameters={"exitValue": '{"rows": 3}'}),
        output(parameters={"rows": "3"}),
        output(metadata={"exit_value": '{"rows": 3}'}),
        output(metadata={"oidl": {"exitValue": {"rows": 3}}}),
        output(outputs=[stdout(f'before\n{BEGIN} {{"rows": 3}} {END}\nafter\n')]),
        output(outputs=[stdout(f"{BEGIN} eyJyb3dzIjogM30= {END}")]),
        output(
            outputs=[
                {
                    "output_type": "display_data",
                    "data": {"text/plain": f"{BEGIN} eyJyb3dzIjogM30= {END}"},
                }
            ]
        ),
        output(outputs=[stdout('said\n{"rows": 3}\n')]),
        Output(printed='{"rows": 1}\n{"rows": 3}\ndone\n'),
    ],
)
def test_an_exit_value_is_found_wherever_it_comes(left: Output) -> None:
    assert outputs.exit_value("NOTEBOOK_TASK", left) == Value({"rows": 3})


def test_json_on_a_notebooks_way_is_no_exit_value() -> None:
    left = output(outputs=[stdout('{"level": "info"}\ndone\n')])
    assert outputs.exit_value("NOTEBOOK_TASK", left) == Value(None, known=True)


@pytest.mark.parametrize(
    "left",
    [
        Output(),
        output(),
        output(outputs=[stdout("x")], truncated=True),
        output(outputs=[stdout("x")], missing=("it cannot be fetched",)),
    ],
)
def test_what_was_not_kept_is_not_known(left: Output) -> None:
    assert outputs.exit_value("NOTEBOOK_TASK", left) == Value(None, known=False)


def test_tasks_that_give_nothing_back_have_none() -> None:
    assert outputs.exit_value("IF_ELSE_TASK", Output()) == Value()


@pytest.mark.parametrize("form", ["plain", "base64", "gzip"])
def test_an_output_is_fetched_in_each_form(workspace: Workspace, form: Any) -> None:
    stage = Stage(workspace, load=["1"])
    workspace.sim.options = Options(output_form=form)
    workspace.declare(JOB, "load", Outcome(printed="hello\n", exit_value={"rows": 3}))
    left = fetched(stage)
    assert left.stdout == "hello\n"
    assert outputs.exit_value("NOTEBOOK_TASK", left) == Value({"rows": 3})


def test_where_nothing_can_be_fetched_the_notebook_is_exported(workspace: Workspace) -> None:
    stage = Stage(workspace, load=["1"])
    book = notebook({"source": "1", "outputs": [stdout("hello\n")]})
    workspace.declare(JOB, "load", Outcome(no_output=True, notebook=book))
    left = fetched(stage)
    assert left.stdout == "hello\n"
    assert left.missing == ()


def test_a_task_that_was_never_launched_left_nothing(workspace: Workspace) -> None:
    stage = Stage(workspace, load=["1"])
    workspace.declare(JOB, "load", Outcome(status="FAILED"))
    run = stage.run(stage.job(stage.task("load"), stage.task("report", "load")))
    found = stage.session.api.get(f"/jobRuns/{run}", shouldIncludeTaskRunSummaries=True)
    key = found["taskToTaskRunMap"]["report"]
    left = outputs.fetch(stage.session.api, stage.session.api.get(f"/taskRuns/{key}"))
    assert left == Output()


def test_a_wrong_output_key_does_not_hide_the_output(workspace: Workspace) -> None:
    stage = Stage(workspace, load=["1"])
    workspace.declare(JOB, "load", Outcome(printed="hello\n"))
    assert fetched(stage, outputKey="11111111-2222-4333-8444-555555555555").stdout == "hello\n"


def fetched(stage: Stage, **changes: Any) -> Output:
    """Return what a run's only task left."""
    run = stage.run(stage.job(stage.task("load")))
    found = stage.session.api.get(f"/jobRuns/{run}", shouldIncludeTaskRunSummaries=True)
    task_run = stage.session.api.get(f"/taskRuns/{found['taskToTaskRunMap']['load']}")
    return outputs.fetch(stage.session.api, {**task_run, **changes})


def test_a_traceback_is_found_in_stderr_in_a_display_and_in_an_error() -> None:
    trace = "Traceback (most recent call last):\n  File \"<stdin>\", line 1\nKeyError: 'a'\n"
    shapes: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stderr", "text": trace.splitlines(keepends=True)},
        {"output_type": "display_data", "data": {"text/plain": trace}},
        {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": [trace]},
        {"output_type": "error", "traceback": [trace]},
    ]
    for shape in shapes:
        book = notebooks.read(notebook("1", {"source": "2", "outputs": [shape]}))
        assert book is not None
        assert book.failed is not None
        assert book.failed.number == 1
        assert book.failed.raised is not None
        assert book.failed.raised.words == "KeyError: 'a'"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("my.pkg.DataNotReady: no rows", "DataNotReady: no rows"),
        ("StopIteration", "StopIteration"),
        ("it went all wrong", "Exception: it went all wrong"),
    ],
)
def test_an_exception_is_known_by_its_place_where_its_name_tells_nothing(
    last: str, words: str
) -> None:
    trace = f'Traceback (most recent call last):\n  File "x.py", line 1\n    go()\n{last}\nINFO end'
    raised = notebooks.raised_in(trace)
    assert raised is not None
    assert raised.words == words
