"""Each start makes one run, whatever is lost, skipped or done by others on the way."""

from typing import Literal

import pytest
from aidp_runs_stage import Stage, body, failed

from agent.errors import Held, Unavailable, UsageError
from agent.records import Failure, Repair, Run
from agent.simulators.aidp import Options
from agent.simulators.aidp.outcomes import Outcome

HOUR = 3600.0


def lose(stage: Stage, path: str = "POST */jobRuns", times: int = 1) -> None:
    stage.sim.faults.add(path, "drop_after", times=times)


def test_a_key_starts_one_run_in_every_process(stage: Stage) -> None:
    stage.make()
    run = stage.start()
    stage.again()
    assert stage.start() == run
    assert stage.runs() == [run.run]
    assert stage.posted("/jobRuns") == 1
    assert stage.start("r2").run != run.run if stage.ended(run.run) else None


def test_a_lost_answer_is_looked_for_before_anything_is_sent(stage: Stage) -> None:
    stage.make()
    lose(stage)
    with pytest.raises(Unavailable, match="not known"):
        stage.start()
    stage.again()
    run = stage.start()
    assert stage.runs() == [run.run]
    assert stage.posted("/jobRuns") == 1


def test_a_request_that_never_arrived_is_sent_again_with_its_token(stage: Stage) -> None:
    stage.make()
    stage.sim.faults.add("POST */jobRuns", "drop_before", times=1)
    with pytest.raises(Unavailable):
        stage.start()
    run = stage.start()
    calls = stage.posts("/jobRuns")
    assert stage.runs() == [run.run]
    assert len({call.headers["opc-retry-token"] for call in calls}) == 1


@pytest.mark.parametrize("arrived", [True, False])
def test_after_a_day_the_run_is_looked_for_and_else_asked_for_anew(
    stage: Stage, arrived: bool
) -> None:
    stage.make()
    stage.sim.faults.add("POST */jobRuns", "drop_after" if arrived else "drop_before", times=1)
    with pytest.raises(Unavailable):
        stage.start()
    stage.sim.advance(25 * HOUR)
    stage.again()
    run = stage.start()
    assert stage.runs() == [run.run]
    tokens = [c.headers["opc-retry-token"] for c in stage.posts("/jobRuns")]
    assert len(set(tokens)) == (1 if arrived else 2)


def test_no_list_no_new_run(stage: Stage) -> None:
    stage.make()
    lose(stage)
    with pytest.raises(Unavailable):
        stage.start()
    stage.sim.advance(25 * HOUR)
    for kind in ("html", "404", "503"):
        stage.sim.faults.add("GET */jobRuns", kind, times=1)
        with pytest.raises(Unavailable):
            stage.start()
    assert len(stage.runs()) == 1


def test_runs_of_others_are_not_taken_for_ours(stage: Stage) -> None:
    stage.make(parameters=[{"name": "day", "value": "1"}], maxConcurrentRuns=5)
    stage.by_hand()
    stage.again(job={"name": stage.name, "parameters": {"day": "7"}})
    stage.sim.faults.add("POST */jobRuns", "drop_before", times=1)
    with pytest.raises(Unavailable):
        stage.start()
    other = stage.by_hand(parameters=[{"name": "day", "value": "2"}])
    run = stage.start()
    assert run.run not in (other, *stage.runs()[:2])
    assert run.parameters == {"day": "7"}


def test_several_runs_that_may_be_ours_are_a_persons_to_sort_out(stage: Stage) -> None:
    stage.make(maxConcurrentRuns=5)
    lose(stage)
    with pytest.raises(Unavailable):
        stage.start()
    stage.by_hand()
    with pytest.raises(Held, match="may be ours"):
        stage.start()
    assert len(stage.runs()) == 2


def test_another_active_run_is_waited_for(stage: Stage) -> None:
    stage.make()
    other = stage.by_hand()
    with pytest.raises(Unavailable, match=f"run {other} .* active") as waits:
        stage.start()
    assert waits.value.works
    run = stage.patiently(stage.start)
    assert stage.runs() == [other, run.run]


def test_a_run_that_was_skipped_is_none(stage: Stage) -> None:
    stage.make()
    # Somebody is faster: the list is read before their run is there.
    original = stage.starting._room
    stage.starting._room = lambda _: None  # type: ignore[assignment,method-assign]  # a race
    other = stage.by_hand()
    with pytest.raises(Unavailable, match=r"was skipped, because run .* active"):
        stage.start()
    stage.starting._room = original  # type: ignore[method-assign]  # the race is over
    run = stage.patiently(stage.start)
    assert stage.runs()[0] == other
    assert run.run == stage.runs()[-1]
    assert "was skipped" in run.note
    assert stage.ended(run.run).state == "succeeded"


def test_a_queue_takes_any_number(stage: Stage) -> None:
    stage.make(queue={"isEnabled": True})
    stage.by_hand()
    run = stage.start()
    status = stage.look(run.run)
    assert (status.state, status.native) == ("running", "QUEUED")
    assert any("queued" in note for note in status.notes)


def test_parameters_are_texts_with_names_the_service_takes(stage: Stage) -> None:
    stage.make()
    given = {"day": 7, "deep": {"a": 1}, "flag": True}
    stage.again(job={"name": stage.name, "parameters": given})
    stage.start()
    listed = body(stage.posts("/jobRuns")[-1])["parameters"]
    sent = {one["name"]: one["value"] for one in listed}
    assert sent == {"day": "7", "deep": '{"a": 1}', "flag": "true"}
    stage.again(job={"name": stage.name, "parameters": {"a b": 1}})
    with pytest.raises(UsageError, match="'a b' is no name"):
        stage.start("r2")


def test_a_job_that_is_gone_is_a_failure(stage: Stage) -> None:
    stage.job = "11111111-2222-4333-8444-555555555555"
    refused = stage.starting.start("r1", stage.deployment, None)
    assert isinstance(refused, tuple)
    assert isinstance(refused[0], Failure)
    assert (refused[0].phase, refused[0].started) == ("run", False)


@pytest.mark.parametrize("form", ["taskKeys", "repairTasks"])
def test_a_repair_keeps_the_run_and_names_its_tasks(stage: Stage, form: str) -> None:
    stage.again(aidp={"repair": form})
    run = failed(stage, also=["report"])
    repaired = stage.start("r2", Repair(run=run.run, tasks=("load", "report")))
    assert (repaired.run, repaired.repairs) == (run.run, run.run)
    sent = body(stage.posts("/actions/repair")[-1])
    assert list(sent) == [form]
    named = [one if form == "taskKeys" else one["taskKey"] for one in sent[form]]
    assert named == ["load", "report"]
    assert stage.ended(run.run).state == "succeeded"
    stage.again()
    assert stage.start("r2", Repair(run=run.run, tasks=("load", "report"))) == repaired
    assert stage.posted("/actions/repair") == 1


def test_a_repair_whose_answer_was_lost_is_found_in_the_history(stage: Stage) -> None:
    run = failed(stage)
    lose(stage, "POST */actions/repair")
    wanted = Repair(run=run.run, tasks=("load",))
    with pytest.raises(Unavailable):
        stage.start("r2", wanted)
    stage.again()
    assert stage.start("r2", wanted).run == run.run
    assert stage.posted("/actions/repair") == 1
    assert stage.ended(run.run).state == "succeeded"


def test_a_repair_that_never_arrived_is_sent_again(stage: Stage) -> None:
    run = failed(stage)
    stage.sim.faults.add("POST */actions/repair", "503", times=1)
    wanted = Repair(run=run.run, tasks=("load",))
    with pytest.raises(Unavailable):
        stage.start("r2", wanted)
    assert stage.start("r2", wanted).run == run.run
    calls = stage.posts("/actions/repair")
    assert len({call.headers["opc-retry-token"] for call in calls}) == 1


def test_a_repair_by_somebody_else_is_not_ours(stage: Stage) -> None:
    run = failed(stage, also=["report"])
    stage.sim.faults.add("POST */actions/repair", "drop_before", times=1)
    wanted = Repair(run=run.run, tasks=("load", "report"))
    with pytest.raises(Unavailable):
        stage.start("r2", wanted)
    path = f"/jobRuns/{run.run}/actions/repair"
    stage.api.send("POST", path, {"taskKeys": ["report"]}, what="by-hand")
    with pytest.raises(Held, match="repaired by somebody else"):
        stage.start("r2", wanted)


@pytest.mark.parametrize("what", ["repaired by somebody else", "is active", "has succeeded since"])
def test_what_somebody_did_since_the_last_look_is_not_raced(stage: Stage, what: str) -> None:
    run = failed(stage)
    if what.startswith("repaired"):
        path = f"/jobRuns/{run.run}/actions/repair"
        stage.declare("load", Outcome(status="FAILED", seconds=30, error="ValueError: no"))
        stage.api.send("POST", path, {"taskKeys": ["load"]}, what="by-hand")
        stage.ended(run.run)
    else:
        other = stage.by_hand()
        if "succeeded" in what:
            stage.ended(other)
    before = len(stage.posts("/repair"))
    with pytest.raises(Held, match=what):
        stage.starting.start("r2", stage.deployment, Repair(run=run.run, tasks=("load",)))
    assert len(stage.posts("/repair")) == before


def test_a_refused_repair_becomes_a_new_run_with_the_same_parameters(stage: Stage) -> None:
    stage.make(parameters=[{"name": "day", "value": "1"}])
    stage.again(job={"name": stage.name, "parameters": {"day": "7"}})
    run = stage.start()
    assert stage.ended(run.run).state == "succeeded"  # which the service does not repair
    stage.again(job={"name": stage.name, "parameters": {"day": "8"}})
    new = stage.start("r2", Repair(run=run.run, tasks=("load",)))
    assert new.run != run.run
    assert new.parameters == {"day": "7"}
    assert "no repair was possible" in new.note
    stage.again()
    assert stage.start("r2", Repair(run=run.run, tasks=("load",))) == new
    assert len(stage.runs()) == 2


@pytest.mark.parametrize("uses", ["job", "run"])
def test_a_repair_that_runs_the_job_of_before_the_fix_becomes_a_new_run(
    stage: Stage, uses: Literal["job", "run"]
) -> None:
    run = failed(stage, also=["report"])
    job = stage.api.get(f"/jobs/{stage.job}")
    job["tasks"][0]["notebookPath"] = "/Workspace/Shared/mended.ipynb"
    body = {name: job[name] for name in ("name", "path", "maxConcurrentRuns", "tasks")}
    stage.api.send("PUT", f"/jobs/{stage.job}", body, what="fix")
    wanted = Repair(run=run.run, tasks=("load", "report"))

    def anew() -> Run:
        stage.again()
        return stage.start("r2", wanted)

    before, stage.sim.options = stage.sim.options, Options(repair_uses=uses)
    try:
        new = stage.patiently(anew)
    finally:
        stage.sim.options = before
    assert (new.run == run.run) == (uses == "job")
    assert ("definition of before the change" in new.note) == (uses == "run")
    assert stage.posted("/actions/repair") == 1
    assert stage.ended(new.run).state == "succeeded"
    stage.sim.advance(600)
    assert stage.look(run.run).native == ("SUCCESS" if uses == "job" else "CANCELED")


def test_no_tasks_to_repair_are_a_new_run(stage: Stage) -> None:
    run = failed(stage)
    assert stage.start("r2", Repair(run=run.run, tasks=())).run != run.run
    assert stage.posted("/actions/repair") == 0


def test_nothing_takes_the_place_of_a_run_that_goes_on(stage: Stage) -> None:
    stage.make()
    run = stage.start()
    with pytest.raises(Unavailable, match="nothing takes its place") as waits:
        stage.start("r2", Repair(run=run.run, tasks=("load",)))
    assert waits.value.works
    assert len(stage.runs()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"message": "Failed to cancel task run execution\nClient version: 3", "status": "CANCELED"},
        {"status": "RUNNING", "started": None, "ended": None},
    ],
    ids=["a cancel failed", "no start time"],
)
def test_while_a_task_may_write_for_good_a_person_must_look(
    stage: Stage, changes: dict[str, object]
) -> None:
    run = failed(stage, also=["report"])
    stage.sim.advance(600)
    stage.tamper(run.run, "report", **changes)
    with pytest.raises(Held, match="may still write"):
        stage.start("r2", Repair(run=run.run, tasks=("load",)))
    with pytest.raises(Held, match="may still write"):
        stage.start("r3", Repair(run=run.run, tasks=()))
    assert stage.posted("/actions/repair") == 0
    assert len(stage.runs()) == 1


def test_tasks_that_are_still_ending_are_waited_for(stage: Stage) -> None:
    run = failed(stage, also=["report"])
    stage.tamper(run.run, "report", status="RUNNING")
    wanted = Repair(run=run.run, tasks=("load",))
    with pytest.raises(Unavailable, match="still RUNNING") as waits:
        stage.start("r2", wanted)
    assert waits.value.works
    stage.tamper(run.run, "report", status="CANCELED")
    assert stage.start("r2", wanted).run == run.run


def test_a_continuous_jobs_run_is_taken(stage: Stage) -> None:
    stage.declare("load", Outcome(seconds=600), Outcome(seconds=600))
    stage.make(continuous={"pauseStatus": "UNPAUSED"})
    stage.sim.advance(5)
    runs = stage.runs() or [stage.by_hand()]
    run = stage.start()
    assert run.run == runs[-1]
    assert "continuous" in run.note


def test_an_endless_run_is_never_waited_for(stage: Stage) -> None:
    stage.make(stage.task("load", isStreaming=True))
    stage.declare("load", Outcome(status="RUNNING"))
    other = stage.by_hand()
    with pytest.raises(Held, match=f"run {other} .* no end"):
        stage.start()


def test_a_start_that_was_called_off_starts_nothing(stage: Stage) -> None:
    stage.make()
    stage.starting.call_off("r1")
    with pytest.raises(Held, match="called off"):
        stage.start()
    assert stage.runs() == []
