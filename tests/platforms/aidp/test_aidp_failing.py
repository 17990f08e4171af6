"""Why runs failed: traced from the run to the task, its output, and the cluster's logs."""

import pytest
from aidp_failed_stage import JOB, ROOT, Stage, notebook, said
from aidp_workspace import Workspace

from agent import matrix
from agent.errors import Unavailable
from agent.platforms.aidp import messages, states
from agent.platforms.aidp.failing import Failing
from agent.records import RunStatus
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.outcomes import Outcome

TRACE = """\
\x1b[0;31m-----------------------------------------\x1b[0m
ZeroDivisionError                         Traceback (most recent call last)
Cell In[2], line 2
      1 rows = 0
----> 2 share = 1 / rows

ZeroDivisionError: division by zero"""


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    """Give a job's source: one notebook with two cells, another with one."""
    return Stage(
        workspace,
        load=["import json", "rows = 0\nshare = 1 / rows"],
        report=["print('done')"],
    )


def test_a_failing_cell_is_named_with_its_line(stage: Stage) -> None:
    stage.workspace.declare(
        JOB, "load", Outcome(status="FAILED", error="ZeroDivisionError: division by zero",
                             error_trace=TRACE, printed="read 0 rows\n")
    )  # fmt: skip
    run = stage.run(stage.job(stage.task("load"), stage.task("report", "load")))
    (failure,) = stage.failures(run)
    assert (failure.task, failure.code, failure.started) == ("load", "FAILED", True)
    assert failure.message == "ZeroDivisionError: division by zero"
    assert failure.location is not None
    assert failure.location.place == "load.ipynb cell 2:2"
    assert failure.location.code == "share = 1 / rows"
    assert said(failure, "load cell 2") == ["read 0 rows"]
    assert "ZeroDivisionError: division by zero" in said(failure, "load stderr")
    assert "\x1b" not in "".join(line.text for line in failure.log)
    assert failure.facts.task_file == "load.ipynb"
    assert failure.facts.job_file == "job.yaml"
    assert failure.facts.task_type == "NOTEBOOK_TASK"


def test_an_error_output_says_as_much_as_a_stream(stage: Stage) -> None:
    error = {
        "output_type": "error",
        "ename": "KeyError",
        "evalue": "'amount'",
        "traceback": ["Cell In[1], line 1", "----> 1 import json", "KeyError: 'amount'"],
    }
    book = notebook({"source": "import json", "outputs": [error]})
    outcome = Outcome(status="FAILED", notebook=book, error="KeyError: 'amount'")
    stage.workspace.sim.options = Options(tracebacks="error", error_trace="generic")
    stage.workspace.declare(JOB, "load", outcome)
    (failure,) = stage.failures(stage.run(stage.job(stage.task("load"))))
    assert failure.message == "KeyError: 'amount'"
    assert said(failure, "load cell 1")[-1] == "KeyError: 'amount'"
    assert failure.location is not None
    assert (failure.location.cell, failure.location.line) == (0, 1)


def test_only_current_attempts_count(stage: Stage) -> None:
    stage.workspace.declare(
        JOB, "load", Outcome(status="FAILED", error="ValueError: old"),
        Outcome(status="FAILED", error="KeyError: 'new'"),
    )  # fmt: skip
    run = stage.run(stage.job(stage.task("load")))
    path = f"/jobRuns/{run}/actions/repair"
    stage.session.api.send("POST", path, {"taskKeys": ["load"]}, what="repair")
    stage.workspace.pass_time(300)
    assert [f.message for f in stage.failures(run)] == ["KeyError: 'new'"]


def test_a_nested_run_is_followed_to_its_own_failed_task(stage: Stage) -> None:
    inner = stage.job(stage.task("load"), name="inner.job")
    stage.workspace.declare("inner.job", "load", Outcome(status="FAILED", error="KeyError: 'a'"))
    outer = {"type": "JOB_TASK", "taskKey": "child", "runIf": "ALL_SUCCESS", "jobKey": inner}
    run = stage.run(stage.job(outer))
    (failure,) = stage.failures(run)
    assert failure.task == "child/load"
    assert failure.message == "KeyError: 'a'"
    assert failure.run != run


def test_a_nested_run_that_a_repair_goes_on_with_is_followed_too(stage: Stage) -> None:
    inner = stage.job(stage.task("load"), name="inner.job")
    outcomes = (Outcome(status="FAILED", error=f"KeyError: '{key}'") for key in "ab")
    stage.workspace.declare("inner.job", "load", *outcomes)
    outer = {"type": "JOB_TASK", "taskKey": "child", "runIf": "ALL_SUCCESS", "jobKey": inner}
    run = stage.run(stage.job(outer))
    path = f"/jobRuns/{run}/actions/repair"
    stage.session.api.send("POST", path, {"taskKeys": ["child"]}, what="repair")
    stage.workspace.pass_time(300)
    (failure,) = stage.failures(run)
    assert (failure.task, failure.message) == ("child/load", "KeyError: 'b'")


def test_a_task_that_never_began_says_so_and_which_clusters_there_are(stage: Stage) -> None:
    sim = stage.workspace.sim
    by_key = {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_key}
    (failure,) = stage.failures(stage.run(stage.job(stage.task("load", cluster=by_key))))
    assert failure.started is False
    assert "WORKFLOW_EXECUTION_0049" in failure.message
    told = said(failure, "workspace")
    assert told[0] == f"clusters of the workspace: {sim.cluster_name} (ACTIVE)"
    assert told[1] == f'{sim.cluster_key} is the key of cluster "{sim.cluster_name}"'
    assert matrix.load().diagnose(failure).verdict == "diagnosed"


def test_a_trace_that_says_nothing_is_followed_into_the_logs(stage: Stage) -> None:
    stage.workspace.sim.options = Options(error_trace="generic", cell_outputs="none")
    log = "26/07/01 ERROR Executor: lost\njava.lang.OutOfMemoryError: Java heap space\n"
    stage.workspace.declare(
        JOB, "load", Outcome(status="FAILED", error="X: y", driver_log=log, no_output=True)
    )
    (failure,) = stage.failures(stage.run(stage.job(stage.task("load"))))
    assert "java.lang.OutOfMemoryError: Java heap space" in said(failure, "load driver stderr")


def test_a_timed_out_task_says_how_long_it_had(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome(status="TIMED_OUT", seconds=90))
    (failure,) = stage.failures(stage.run(stage.job(stage.task("load"))))
    assert (failure.code, failure.message) == ("TIMED_OUT", "timed out after 90 s")


def test_a_cancelled_run_names_the_task_that_was_stopped(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome(seconds=5000))
    job = stage.job(stage.task("load"), stage.task("report", "load"))
    run = stage.run(job, seconds=30)
    stage.session.api.send("POST", f"/jobRuns/{run}/actions/cancel", what="cancel")
    stage.workspace.pass_time(60)
    (failure,) = stage.failures(run)
    assert (failure.task, failure.code) == ("load", "CANCELED")


def test_of_a_run_that_goes_on_only_what_failed_for_good_is_told(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome(status="FAILED", error="KeyError: 'a'"))
    stage.workspace.declare(JOB, "report", Outcome(seconds=5000))
    job = stage.job(stage.task("load"), stage.task("report"))
    (failure,) = stage.failures(stage.run(job, seconds=120))
    assert failure.task == "load"


def test_nothing_is_told_of_a_run_that_ended_well(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome())
    assert stage.failures(stage.run(stage.job(stage.task("load")))) == ()


def test_a_run_that_is_gone_is_lost(stage: Stage) -> None:
    failing = Failing(stage.session)
    status = RunStatus(
        run="11111111-2222-4333-8444-555555555555", state="failed", native=states.GONE
    )
    (failure,) = failing.of(status, stage.around(status, failing))
    assert failure.code == "LOST"


def test_what_a_green_task_left_is_observed(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome(printed="rows: 0\n"))
    run = stage.run(stage.job(stage.task("load")))
    failing = Failing(stage.session)
    status = stage.status(run)
    failure = failing.observed(status, stage.around(status, failing), "load")
    assert (failure.phase, failure.code) == ("verify", "VERIFY_FAILED")
    assert "rows: 0" in [line.text for line in failure.log]
    missing = failing.observed(status, stage.around(status, failing), "other")
    assert "is no task of run" in missing.message


def test_secrets_are_masked(stage: Stage) -> None:
    secret = "password=hunter2secretvalue"  # noqa: S105  what is to be masked
    stage.workspace.declare(
        JOB, "load", Outcome(status="FAILED", error=f"ValueError: {secret}", printed=f"{secret}\n")
    )
    (failure,) = stage.failures(stage.run(stage.job(stage.task("load"))))
    assert "hunter2secretvalue" not in failure.model_dump_json()


def test_the_tasks_parameters_are_facts(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome(status="FAILED", error="KeyError: 'a'"))
    named = [{"name": "run_date", "value": "2026-07-01"}]
    own = [{"name": "table", "value": "raw"}]
    job = stage.job(stage.task("load", parameters=own), parameters=named)
    (failure,) = stage.failures(stage.run(job))
    assert failure.facts.parameters == {"run_date": "2026-07-01"}
    assert failure.facts.widgets["table"] == "raw"


def test_a_scripts_own_line_is_found(stage: Stage) -> None:
    (stage.workspace.source / "lib").mkdir()
    (stage.workspace.source / "lib" / "parse.py").write_text(
        "def day(text):\n    return int(text)\n"
    )
    trace = f"""Traceback (most recent call last):
  File "{ROOT}/main.py", line 3, in <module>
    print(day("x"))
  File "{ROOT}/lib/parse.py", line 2, in day
    return int(text)
  File "/usr/lib/python3.11/random.py", line 9, in other
    pass
ValueError: invalid literal for int() with base 10: 'x'
"""
    error = "ValueError: invalid literal for int() with base 10: 'x'"
    stage.workspace.declare(JOB, "main", Outcome(status="FAILED", error=error, error_trace=trace))
    task = stage.task("main", type="PYTHON_TASK", filePath=f"{ROOT}/main.py")
    (failure,) = stage.failures(stage.run(stage.job(task)))
    assert failure.message == error
    assert failure.location is not None
    assert failure.location.place == "lib/parse.py:2"


def test_an_output_that_cannot_be_had_is_missing_in_the_end(stage: Stage) -> None:
    stage.workspace.declare(JOB, "load", Outcome(status="FAILED", error="KeyError: 'a'"))
    run = stage.run(stage.job(stage.task("load")))
    stage.workspace.sim.faults.add("POST */fetchOutput", 500, times=None)
    failing = Failing(stage.session)
    around = stage.around(stage.status(run), failing)
    for _ in range(2):
        with pytest.raises(Unavailable):
            failing.of(stage.status(run), around)
    (failure,) = failing.of(stage.status(run), around)
    assert failure.message == "KeyError: 'a'"  # from the errorTrace
    assert "it cannot be fetched" in failure.log_cut[0]


def test_a_message_holds_the_code_and_nothing_of_the_client() -> None:
    said = (
        "WORKFLOW_EXECUTION_0055: Cluster etl is not in Active state in workspace w\n"
        "Timestamp: 2026-07-01\nClient version: 2.1\n"
        'pods is forbidden: User "x" cannot deletecollection resource "pods"\n'
    )
    told = messages.telling(said)
    assert told == "WORKFLOW_EXECUTION_0055: Cluster etl is not in Active state in workspace w"
    assert not messages.silent(told)
    assert messages.silent("Exception during execution of notebook")
    assert messages.silent("Unexpected error while executing task using file /Workspace/a.py")
    spark = "[COLUMN] no column\n\n'Project [x]\n+- Relation"
    assert messages.brief(f"AnalysisException: {spark}") == "AnalysisException: [COLUMN] no column"


def test_the_best_words_are_an_exceptions_then_a_traces() -> None:
    java = "org.x.A: outer\n\tat a.b\nCaused by: java.io.IOException: no disk\n\tat c.d\n"
    assert messages.best("", java, "Exception during execution of notebook") == (
        "Caused by: java.io.IOException: no disk"
    )
    assert messages.best("KeyError: 'a'", java, "x") == "KeyError: 'a'"
    coded = "WORKFLOW_0015: GetCommandStatus\njava.lang.RuntimeException: y"
    assert messages.best("", coded, "") == "WORKFLOW_0015: GetCommandStatus"
    assert messages.best("", "", "it is generic") == "it is generic"
