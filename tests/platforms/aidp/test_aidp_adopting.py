"""Runs of somebody else: taken over by key or address, and what they do about runs of ours."""

import pytest
from aidp_runs_stage import Stage, failed

from agent.errors import Unavailable, UsageError
from agent.platforms.aidp.jobs import Jobs
from agent.platforms.aidp.session import Session
from agent.records import Repair, Run, Tree
from agent.simulators.aidp.outcomes import Outcome

TREE = Tree(root="/nowhere", digest="t", files=())


def jobs(stage: Stage, *, any_job: bool = False, name: str | None = None) -> Jobs:
    """Connect for the stage's job, or for any."""
    book = {"job": {"name": name or stage.name}}
    context = stage.workspace.context(stage.case, any_job, **book)
    return Jobs(Session(context, stage.api, context.loaded.playbook), stage.workspace.now)


ADDRESSES = (
    "{run}",
    "  {run}\n",
    "https://aidp.example.com/workspaces/{other}/jobs/{job}/jobRuns/{run}?tab=tasks",
    "https://aidp.example.com/#/workspace/{other}/workflow/{job}/runs/{run}/graph",
    "https://aidp.example.com/ui?workspaceKey={other}&jobRunKey={run}&jobKey={job}",
    "https://aidp.example.com/ui/{other}/{job}/{run}",
)


def test_a_run_is_adopted_by_its_key_or_address(stage: Stage) -> None:
    run = failed(stage)
    here = jobs(stage)
    for said in ADDRESSES:
        text = said.format(run=run.run, job=stage.job, other=stage.sim.workspace)
        deployment, adopted = here.adopt(text, TREE)
        assert (deployment.job, adopted.run) == (stage.job, run.run)
    task_run = stage.look(run.run).tasks[0].task_run
    assert here.adopt(str(task_run), TREE)[1].run == run.run


@pytest.mark.parametrize(
    "said", ["not a run", "https://example.com/", "11111111-2222-4333-8444-555555555555"]
)
def test_what_is_no_run_is_refused(stage: Stage, said: str) -> None:
    stage.make()
    with pytest.raises(UsageError, match="run"):
        jobs(stage).adopt(said, TREE)


def test_a_run_of_another_job_is_only_looked_at(stage: Stage) -> None:
    run = failed(stage)
    theirs = stage.job
    stage.make(name="another.job")
    with pytest.raises(UsageError, match="not of job"):
        jobs(stage, name="another.job").adopt(run.run, TREE)
    deployment, adopted = jobs(stage, any_job=True, name="another.job").adopt(run.run, TREE)
    assert (deployment.job, deployment.name, deployment.kept) == (theirs, stage.name, True)
    assert deployment.tasks == ("load",)
    assert adopted.run == run.run


def test_an_adopted_run_has_its_resolved_parameters_and_is_repaired(stage: Stage) -> None:
    stage.make(parameters=[{"name": "day", "value": "1"}, {"name": "x", "value": "y"}])
    stage.declare("load", Outcome(status="FAILED", seconds=5))
    key = stage.by_hand(parameters=[{"name": "day", "value": "9"}])
    stage.ended(key)
    here = jobs(stage)
    deployment, adopted = here.adopt(key, TREE)
    assert adopted.parameters == {"day": "9", "x": "y"}
    assert here.overtaken(adopted, deployment) is None
    repaired = here.start("r1", deployment, TREE, Repair(run=key, tasks=("load",)))
    assert isinstance(repaired, Run)
    assert (repaired.run, repaired.repairs) == (key, key)
    assert here.overtaken(adopted, deployment) is None  # that repair is ours


def test_what_others_did_meanwhile_is_told(stage: Stage) -> None:
    run = failed(stage)
    here, deployment = jobs(stage), stage.deployment
    assert here.overtaken(run, deployment) is None
    other = stage.by_hand()
    assert f"run {other} of the job is active" in str(here.overtaken(run, deployment))
    stage.ended(other)
    assert f"run {other} of the job has succeeded" in str(here.overtaken(run, deployment))


def test_a_repair_by_somebody_else_is_told(stage: Stage) -> None:
    run = failed(stage)
    path = f"/jobRuns/{run.run}/actions/repair"
    stage.api.send("POST", path, {"taskKeys": ["load"]}, what="by-hand")
    assert "repaired by somebody else" in str(jobs(stage).overtaken(run, stage.deployment))


def test_tasks_that_may_still_write_are_told_before_anything_is_deployed(stage: Stage) -> None:
    run = failed(stage, also=["report"])
    stage.tamper(run.run, "report", status="RUNNING", started=None, ended=None)
    with pytest.raises(Unavailable, match="still RUNNING"):
        jobs(stage).overtaken(run, stage.deployment)
    stage.sim.advance(600)
    assert "no start time" in str(jobs(stage).overtaken(run, stage.deployment))


def test_a_run_that_was_skipped_names_the_one_that_is_active(stage: Stage) -> None:
    stage.make()
    active = stage.by_hand()
    skipped = stage.by_hand()
    status = stage.look(skipped)
    assert (status.state, status.native) == ("failed", "SKIPPED")
    run = Run(run=skipped, key=skipped)
    assert f"run {active} of the job is active" in str(jobs(stage).overtaken(run, stage.deployment))


def test_no_run_starts_on_a_cluster_that_is_stopped(stage: Stage) -> None:
    stage.make()
    path = f"/clusters/{stage.sim.cluster_key}/actions"
    stage.api.send("POST", f"{path}/stop", {}, what="stop")
    stage.sim.advance(600)
    refused = jobs(stage).start("r1", stage.deployment, TREE, None)
    stage.api.send("POST", f"{path}/start", {}, what="start")
    stage.sim.advance(600)
    assert isinstance(refused, tuple)
    assert (refused[0].code, refused[0].started) == ("CLUSTER_NOT_ACTIVE", False)
    assert stage.runs() == []
