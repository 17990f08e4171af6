"""Clusters' logs around one task: searched within bounds, then downloaded."""

import gzip
import io
import zipfile
from typing import Any

import pytest
from aidp_failed_stage import JOB, Stage
from aidp_workspace import Workspace

from agent.platforms.aidp import logs, messages, runs, states
from agent.platforms.aidp.logs import Logs, Place, Told
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.outcomes import Outcome

OOM = "java.lang.OutOfMemoryError: Java heap space"


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    """Give a job of one notebook, whose run leaves nothing but its cluster's logs."""
    workspace.sim.options = Options(error_trace="generic", cell_outputs="none")
    return Stage(workspace, load=["1"])


def place(stage: Stage, **outcome: Any) -> Place:
    """Run the task to its end and return where its lines are."""
    declared = {"status": "FAILED", "no_output": True, "error": "failed", **outcome}
    stage.workspace.declare(JOB, "load", Outcome(**declared))
    run = stage.run(stage.job(stage.task("load")))
    found = runs.get(stage.session.api, run)
    task_run = stage.session.api.get(f"/taskRuns/{found['taskToTaskRunMap']['load']}")
    began, ended = states.began(task_run), states.finished(task_run)
    assert began
    assert ended
    key = str(task_run["key"])
    return Place("load", key, run, stage.workspace.sim.cluster_key, began, ended)


def around(stage: Stage, where: Place) -> Told:
    return Logs(stage.session).around(where)


def searched(stage: Stage) -> list[dict[str, Any]]:
    calls = stage.workspace.called("POST", "/actions/searchLogs")
    return [call.body for call in calls if isinstance(call.body, dict)]


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_the_driver_is_asked_first_and_enough_is_enough(stage: Stage, shape: Any) -> None:
    where = place(stage, driver_log=f"{OOM}\n")
    stage.workspace.sim.options = Options(log_shape=shape)
    told = around(stage, where)
    assert told.sections[0].source == "load driver stderr"
    assert OOM in told.sections[0].lines
    (asked,) = searched(stage)
    assert asked["logContentTypeContains"] == "driver"
    assert asked["advancedFilter"] == f"taskRunKey = {where.task_run}"
    assert asked["timeBegin"].endswith("Z")
    assert len(asked["timeBegin"]) == len("2026-07-01T10:00:00.000Z")


def test_executors_are_asked_where_the_driver_is_silent(stage: Stage) -> None:
    where = place(stage, executor_log=f"{OOM}\n", error="it failed", error_trace="it failed")
    told = around(stage, where)
    assert told.sections[-1].source == "load executor stderr"
    assert OOM in told.sections[-1].lines


def test_executors_are_asked_where_the_driver_only_saw_something_fail(stage: Stage) -> None:
    where = place(stage, executor_log=f"{OOM}\n", error="RuntimeError: the stage failed")
    told = around(stage, where)
    assert [section.source for section in told.sections] == [
        "load driver stderr",
        "load executor stderr",
    ]
    raised = logs.trace_in(told.sections)
    assert raised is not None
    assert raised.words == "OutOfMemoryError: Java heap space"
    filters = {asked["advancedFilter"] for asked in searched(stage)}
    assert filters == {f"taskRunKey = {where.task_run}"}
    assert not stage.workspace.called("POST", "/actions/downloadLogs")


@pytest.mark.parametrize(
    ("said", "vague"),
    [
        ("org.apache.spark.SparkException: Job aborted due to stage failure: Task 0", True),
        ("Caused by: org.apache.spark.SparkException: [DIVIDE_BY_ZERO] Division by zero", False),
        ("Caused by: java.io.FileNotFoundException: /Volumes/a", False),
        ("RuntimeError: the task failed", True),
        ("ValueError: no rows", False),
    ],
)
def test_what_only_tells_that_something_failed_elsewhere_is_vague(said: str, vague: bool) -> None:
    assert logs.vague(["Traceback (most recent call last):", said]) is vague


def test_epoch_milliseconds_are_sent_once_rfc_3339_was_refused(stage: Stage) -> None:
    where = place(stage, driver_log=f"{OOM}\n")
    stage.workspace.sim.options = Options(log_times="epoch_ms")
    found = Logs(stage.session)
    assert OOM in found.around(where).sections[0].lines
    assert [type(asked["timeBegin"]) for asked in searched(stage)] == [str, int]
    found.around(where)
    assert [type(asked["timeBegin"]) for asked in searched(stage)] == [str, int, int]


def test_a_window_is_never_longer_than_a_day(stage: Stage) -> None:
    where = place(stage, seconds=200)
    long = where._replace(began_s=where.ended_s - 3 * 86_400)
    told = around(stage, long)
    assert not any("24 hours" in words for words in told.missing)
    assert searched(stage)


def test_a_whole_log_is_asked_for_once_and_read_when_it_is_there(stage: Stage) -> None:
    where = place(stage, error="it failed", error_trace="it failed")
    told = around(stage, where)
    assert "is still being gathered" in told.missing[0]
    stage.workspace.pass_time(60)
    later = around(stage, where)
    assert later.missing == ()
    assert later.sections[-1].source == "load whole driver log"
    assert len(stage.workspace.called("POST", "/actions/downloadLogs")) == 1


def test_a_cluster_that_is_not_there_is_said(stage: Stage) -> None:
    where = place(stage)._replace(cluster="11111111-2222-4333-8444-555555555555")
    (missing,) = around(stage, where).missing
    assert "they cannot be read" in missing


def test_what_is_said_while_pods_are_taken_down_is_noise(stage: Stage) -> None:
    noise = "pods is forbidden: User cannot deletecollection resource pods: forbidden"
    where = place(stage, driver_log=f"{noise}\n{OOM}\n")
    lines = around(stage, where).sections[0].lines
    assert OOM in lines
    assert not any("deletecollection" in line for line in lines)
    assert messages.quiet(f"a\n{noise}\nb") == "a\nb"


def test_compressed_logs_are_opened() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.log", "one")
        made.writestr("b.log", "two")
    assert logs._opened(archive.getvalue()) == "one\ntwo"
    assert logs._opened(gzip.compress(b"one")) == "one"
    assert logs._opened(b"one") == "one"


@pytest.mark.parametrize(
    "data",
    [
        {"message": "x", "datetime": 1},
        {"logContent": {"data": {"message": "x"}}},
        {"data": {"content": "x"}},
        {"unheard of": "x"},
    ],
)
def test_a_lines_words_are_found_in_each_shape(data: dict[str, Any]) -> None:
    assert logs.rows([{"results": [{"data": data}]}]) == ["x"]
