"""`bundle run` of the stand-in, and the stand-in as a command of its own."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from standin_stage import JOB, Stage

from agent.simulators.bundle import install
from agent.simulators.databricks import Options, pipeline_outcomes
from agent.simulators.databricks.outcomes import Outcome, declare

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def test_a_run_shows_its_address_its_states_and_its_result(stage: Stage) -> None:
    declare(stage.sim, "merge", Outcome(seconds=0, notebook_result="merged 3 rows"))
    stage.deployed()
    said = stage.bundle("run", "gold")
    assert (said.code, said.out) == (0, "merged 3 rows\n")
    host, workspace = re.escape(stage.sim.url), stage.sim.workspace_id
    lines = said.err.splitlines()
    assert re.fullmatch(rf"Run URL: {host}/jobs/\d+/runs/\d+\?o={workspace}", lines[0])
    assert lines[1] == ""
    assert re.fullmatch(rf'{TIME} "gold merge" TERMINATED SUCCESS', lines[-1])


def test_the_oldest_generation_shows_the_address_as_the_api_gives_it(stage: Stage) -> None:
    declare(stage.sim, "merge", Outcome(seconds=0))
    stage.deployed()
    said = stage.bundle("run", "gold", "--no-wait", RUNMEND_STANDIN_SPEAKS="0.278")
    assert re.fullmatch(
        rf"Run URL: {re.escape(stage.sim.url)}/\?o=\d+#job/\d+/run/\d+\n\n", said.err
    )
    assert said.out == ""


def test_a_failed_task_gives_its_error_and_exit_code_1(stage: Stage) -> None:
    outcome = Outcome(result="FAILED", seconds=0, error="KeyError: 'x'", error_trace="Traceback")
    declare(stage.sim, "merge", outcome)
    stage.deployed()
    said = stage.bundle("run", "gold")
    assert said.code == 1
    assert "Task merge FAILED:\nKeyError: 'x'\nTraceback\n" in said.err
    last = said.err.splitlines()[-1]
    assert last == (
        "Error: failed to reach TERMINATED or SKIPPED, got INTERNAL_ERROR: Task merge failed with "
        "message: Workload failed, see run output for details."
    )


def test_several_outputs_are_told_apart(stage: Stage) -> None:
    more = "        - task_key: after\n          notebook_task: {notebook_path: ../src/merge.py}\n"
    stage.write("resources/gold.yml", JOB + more)
    declare(stage.sim, "merge", Outcome(seconds=0, notebook_result="one"))
    declare(stage.sim, "after", Outcome(seconds=0, notebook_result="two"))
    stage.deployed()
    said = stage.bundle("run", "gold")
    assert said.out.startswith("Output:\n=======\nTask ")
    assert "Task merge:\none\n" in said.out
    assert "Task after:\ntwo\n" in said.out


def test_a_run_whose_result_is_neither_good_nor_bad_ends_with_0(stage: Stage) -> None:
    more = (
        "        - task_key: last\n          depends_on: [{task_key: merge}]\n"
        "          run_if: ALL_DONE\n          notebook_task: {notebook_path: ../src/merge.py}\n"
    )
    stage.write("resources/gold.yml", JOB + more)
    declare(stage.sim, "merge", Outcome(result="FAILED", seconds=0, error="boom"))
    declare(stage.sim, "last", Outcome(seconds=0))
    stage.deployed()
    said = stage.bundle("run", "gold")
    assert said.err.splitlines()[-1].find("TERMINATED SUCCESS_WITH_FAILURES") > 0
    assert said.code == 0


def test_parameters_and_single_tasks_are_passed_on(stage: Stage) -> None:
    more = "      parameters: [{name: day, default: today}]\n"
    stage.write("resources/gold.yml", JOB + more)
    declare(stage.sim, "merge", Outcome(seconds=0))
    stage.deployed()
    stage.bundle("run", "gold", "--no-wait", "--params", "day=monday", "--only", "merge")
    (body,) = stage.sent("POST", "/api/2.2/jobs/run-now")
    assert body["job_parameters"] == {"day": "monday"}
    assert body["only"] == ["merge"]
    assert "idempotency_token" not in body


def test_restart_cancels_what_is_running(stage: Stage) -> None:
    declare(stage.sim, "merge", Outcome(never_ends=True), Outcome(seconds=0))
    stage.deployed()
    stage.bundle("run", "gold", "--no-wait")
    said = stage.bundle("run", "gold", "--restart")
    assert said.code == 0, said.err
    assert len(stage.sent("POST", "/api/2.2/jobs/runs/cancel")) == 1


def test_an_active_run_stops_a_deployment_that_asks_for_none(stage: Stage) -> None:
    declare(stage.sim, "merge", Outcome(never_ends=True))
    stage.deployed("--fail-on-active-runs")
    stage.bundle("run", "gold", "--no-wait")
    said = stage.bundle("deploy", "--fail-on-active-runs")
    assert said.code == 1
    assert re.search(r"Error: job \d+ is running\n", said.err)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ((), "expected a KEY of the resource to run"),
        (("silver",), 'resource with key "silver" not found'),
        (
            ("gold",),
            "resource not found or not yet deployed. Did you forget to run 'databricks bundle "
            "deploy'?",
        ),
    ],
)
def test_what_cannot_be_run_is_said(stage: Stage, key: tuple[str, ...], text: str) -> None:
    said = stage.bundle("run", *key)
    assert (said.code, said.err) == (1, f"Error: {text}\n")


PIPELINE = (
    "resources:\n  pipelines:\n    silver:\n      name: silver\n      catalog: main\n"
    "      schema: default\n      libraries: [{notebook: {path: ../src/merge.py}}]\n"
)


def test_a_pipeline_update_shows_its_events(stage: Stage) -> None:
    stage.write("resources/silver.yml", PIPELINE)
    pipeline_outcomes.declare(stage.sim, "silver", pipeline_outcomes.Outcome(seconds=0))
    stage.deployed()
    said = stage.bundle("run", "silver", "--full-refresh", "a,b")
    assert said.code == 0, said.err
    lines = said.err.splitlines()
    where = rf"{re.escape(stage.sim.url)}/#joblist/pipelines/[0-9a-f-]+/updates/([0-9a-f-]+)"
    found = re.fullmatch(f"Update URL: {where}", lines[0])
    assert found
    assert lines[-1] == f"Update ID: {found[1]}"
    done = f'update_progress INFO "Update {found[1][:6]} is COMPLETED."'
    assert sum(line.endswith(done) for line in lines) == 1
    (body,) = stage.sent("POST", "/updates")
    assert body == {"full_refresh_selection": ["a", "b"]}


def test_a_failed_update_shows_why(stage: Stage) -> None:
    stage.write("resources/silver.yml", PIPELINE)
    trouble = pipeline_outcomes.Trouble(message="[DIVIDE_BY_ZERO] Division by zero.")
    outcome = pipeline_outcomes.Outcome(result="FAILED", seconds=0, errors=(trouble,))
    pipeline_outcomes.declare(stage.sim, "silver", outcome)
    stage.deployed()
    said = stage.bundle("run", "silver")
    assert said.code == 1
    assert "[DIVIDE_BY_ZERO] Division by zero.\n" in said.err
    assert said.err.endswith("Error: update failed\n")


def test_the_installed_command_runs_wherever_it_is_called(stage: Stage, tmp_path: Path) -> None:
    stage.write("agent/__init__.py", "raise SystemExit('the bundle came first')\n")
    command = install(tmp_path / "bin")
    environment = {**os.environ, **stage.env, "PATH": f"{command.parent}:{os.environ['PATH']}"}

    def call(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["databricks", *argv],
            cwd=stage.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    said = call("--version")
    assert said.stdout == (
        "Databricks CLI stand-in of runmend (for rehearsals), speaks like v1.13.0\n"
    )
    said = call("bundle", "deploy")
    assert (said.returncode, said.stderr.splitlines()[1]) == (0, "Created jobs.gold")


def test_an_unknown_word_is_an_error(stage: Stage) -> None:
    assert stage.bundle("deploy", "--now").err == "Error: unknown flag: --now\n"
    assert stage.call("jobs", "list").code == 1
    said = stage.call("--version", RUNMEND_STANDIN_SPEAKS="2")
    assert said.err == "Error: RUNMEND_STANDIN_SPEAKS=2 is unknown; there is 0.278, 1.12, 1.13\n"


def test_a_terminated_run_that_failed_says_so(stage: Stage) -> None:
    stage.sim.options = Options(failed_parent="TERMINATED")
    declare(stage.sim, "merge", Outcome(result="FAILED", seconds=0, error="boom"))
    stage.deployed()
    said = stage.bundle("run", "gold")
    assert said.code == 1
    assert "Task merge FAILED:\nboom\n" in said.err
    assert "Error: run failed: " in said.err.splitlines()[-1]


def test_a_run_that_carries_only_the_newer_state_is_understood(stage: Stage) -> None:
    stage.sim.options = Options(run_shape="status")
    declare(stage.sim, "merge", Outcome(seconds=0, notebook_result="ok"))
    stage.deployed()
    said = stage.bundle("run", "gold")
    assert (said.code, said.out) == (0, "ok\n")


def test_a_run_beyond_the_limit_is_skipped(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "      tasks:", "      queue: {enabled: false}\n      tasks:")
    declare(stage.sim, "merge", Outcome(never_ends=True))
    stage.deployed()
    stage.bundle("run", "gold", "--no-wait")
    said = stage.bundle("run", "gold")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("Error: run skipped: ")
