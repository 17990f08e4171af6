"""What the story holds: iterations, causes, what came of each patch, what to do next."""

import case_histories as histories

from agent import report
from agent.events import Cancelled, Checked, Delivered, Escalated, Failed, Requested
from agent.records import Check, Failure, Usage


def tell(name):
    return report.tell(histories.ALL[name]().events)


def test_two_faults_make_two_iterations_each_with_failure_diagnosis_and_patch():
    story = tell("healed")
    assert story.healed_in == 2
    assert [i.number for i in story.iterations] == [1, 2]
    assert [[f.task for f in i.failures] for i in story.iterations] == [["transform"], ["load"]]
    assert [[d.entry for d in i.diagnoses] for i in story.iterations] == [
        ["python.column-missing"],
        ["sql.column-missing"],
    ]
    assert [i.patch.author for i in story.iterations] == ["fixer:rename_column"] * 2
    assert [[r.run for r in i.runs] for i in story.iterations] == [["r1"], ["r2", "r3"]]
    assert [r.kind for r in story.runs] == ["first", "fix", "fix"]
    assert story.verified
    assert [c.outcome for c in story.checks] == ["held", "held"]


def test_a_patch_says_what_was_decided_and_what_came_of_it():
    first, second = (i.patch for i in tell("healed").iterations)
    assert (first.decision.outcome, first.decision.by) == ("approved", "rule 1")
    assert first.outcome.startswith("then another failure: load FAILED: Binder Error")
    assert second.outcome == "run 3 succeeded; all 2 checks hold"
    assert (first.risk, first.effects[0].risk, first.files) == ("safe", "safe", ("transform.py",))
    assert first.deployed


def test_a_healthy_job_makes_one_iteration_with_nothing_failed():
    story = tell("healthy")
    (only,) = story.iterations
    assert (only.failures, only.patch, only.no_patch) == ((), None, "nothing failed")
    assert (story.healed_in, story.verified, story.next, story.causes) == (0, True, None, ())


def test_a_rerun_is_no_iteration_and_no_healing():
    story = tell("rerun_healthy")
    (only,) = story.iterations
    assert [r.kind for r in only.runs] == ["first", "rerun"]
    assert [p.author for p in only.reruns] == ["rerun"]
    assert only.reruns[0].outcome == "run 2 succeeded; all 2 checks hold"
    assert only.no_patch == "running the same code again was enough"
    assert story.healed_in == 0


def test_there_are_never_more_iterations_than_the_limit():
    story = tell("exhausted")
    assert len(story.iterations) == 2
    last = story.iterations[-1]
    assert [r.run for r in last.runs] == ["r2", "r3"]
    assert [f.run for f in last.failures] == ["r2", "r3"]
    assert {f.iteration for f in last.failures} == {2}
    assert len(last.diagnoses) == 2
    assert last.patch.outcome.startswith("the same failure: transform FAILED")


def test_a_failure_carries_every_id_its_full_message_and_its_page():
    (failure,) = tell("escalated").failures
    assert failure.model_dump(include={"case", "iteration", "target", "job", "task"}) == {
        "case": "7f3a",
        "iteration": 1,
        "target": "local",
        "job": "nightly",
        "task": "extract",
    }
    assert (failure.run, failure.task_run) == ("r1", "r1.extract")
    assert failure.message == histories.UNKNOWN
    assert failure.url == "https://jobs.example/runs/1/extract"
    assert failure.tail[-1].number == 31


def test_an_unknown_failure_has_no_hypothesis_and_its_iteration_says_why_there_is_no_patch():
    story = tell("escalated")
    assert story.hypothesis is None
    assert [c.determined for c in story.causes] == [False]
    assert story.iterations[0].no_patch == "no fixer knows this failure"
    assert [t.author for t in story.iterations[0].tried] == ["model"]
    assert story.notes[0].startswith("Data that the job's runs wrote is not undone")


def test_the_models_reason_is_the_hypothesis_where_the_matrix_knows_nothing():
    for name in ("waiting", "edited", "rejected"):
        hypothesis = tell(name).hypothesis
        assert hypothesis.by == "model:claude-opus-5-5"
        assert hypothesis.sentence.startswith("The source now pages")
        assert hypothesis.evidence[0].text == histories.UNKNOWN


def test_a_known_failure_that_could_not_be_mended_has_its_diagnosis_as_hypothesis():
    hypothesis = tell("exhausted").hypothesis
    assert (hypothesis.entry, hypothesis.confidence) == ("python.column-missing", 0.97)
    assert hypothesis.evidence[0].text == histories.FIRST


def test_a_healed_case_has_causes_and_no_hypothesis():
    story = tell("healed")
    assert story.hypothesis is None
    assert [(c.iteration, c.task) for c in story.causes] == [(1, "transform"), (2, "load")]


def test_a_waiting_case_names_the_exact_patch_to_approve():
    story = tell("waiting")
    patch = story.iterations[-1].patch
    assert patch.decision is None
    assert story.next == f"runmend approve 7f3a {patch.id}"
    assert f'runmend reject 7f3a {patch.id} --reason "..."' in [s.command for s in story.steps]


def test_an_edited_patch_takes_the_place_of_the_one_it_was_made_from():
    (only,) = tell("edited").iterations
    assert only.patch.author == "person:ana@host"
    assert [p.author for p in only.superseded] == ["model:claude-opus-5-5"]
    assert "edited by a person" in only.superseded[0].outcome
    assert only.patch.id in tell("edited").next


def test_expired_and_rejected_are_different_things():
    expired, rejected = tell("expired"), tell("rejected")
    assert expired.iterations[0].patch.decision.outcome == "expired"
    assert rejected.iterations[0].patch.decision.outcome == "rejected"
    assert rejected.reason == "rejected by ana@host: not at night"
    assert any("Expired is not rejected" in note for note in expired.notes)
    assert not any("Expired is not rejected" in note for note in rejected.notes)


def test_a_patch_that_is_out_at_work_says_so():
    story = tell("running")
    assert story.iterations[0].patch.outcome == "run 2 is running"
    assert [r.state for r in story.runs] == ["failed", "running"]
    assert not story.verified


def test_a_partial_success_names_its_failed_items_and_is_not_verified():
    story = tell("partial")
    assert story.items == ("orders_7",)
    assert round(story.share_good, 3) == 0.967
    assert not story.verified
    assert story.runs[-1].state == "failed"


def test_a_job_that_cannot_be_created_has_an_iteration_without_a_run_before_the_fix():
    story = tell("create_failed")
    assert story.failures[0].run is None
    assert (story.failures[0].phase, story.failures[0].task) == ("create", None)
    assert [r.kind for r in story.runs] == ["first"]
    assert len(story.iterations) == 1


def test_a_fix_that_was_taken_back_is_no_longer_verified():
    story = tell("undone")
    assert not story.verified
    assert story.undone == "the patch file was removed, by ben@host, 2026-07-01 02:14 UTC"
    assert story.next is None


def test_checks_that_saw_nothing_verify_nothing():
    events = histories.healthy().events
    blind = Check(name="table sales rows >= 1", outcome="unknown", saw="no permission to read")
    seen = [
        e.model_copy(update={"checks": (blind,)}) if isinstance(e, Checked) else e for e in events
    ]
    story = report.tell(seen)
    assert (story.verdict, story.verified) == ("healthy", False)
    assert "healthy, not verified" in report.text(story)
    mixed = [
        e.model_copy(update={"checks": (blind, *histories.HELD)}) if isinstance(e, Checked) else e
        for e in events
    ]
    assert report.tell(mixed).verified


def test_the_usage_is_the_sum_over_all_events():
    events = histories.rejected().events
    usage = report.tell(events).usage
    assert (usage.tokens, usage.input_tokens, usage.output_tokens) == (12_340, 11_000, 1_340)
    assert (usage.cost_usd, usage.api_calls, usage.seconds) == (0.0312, 2, 5.0)
    again = histories.rejected()
    again.events[-2] = again.events[-2].model_copy(update={"usage": Usage(input_tokens=1)})
    assert report.tell(again.events).usage.tokens == 1


def test_a_tasks_newest_status_survives_a_repair_that_leaves_it_out():
    tasks = {t.task: t for t in tell("healed").tasks}
    assert list(tasks) == ["extract", "transform", "load"]
    assert {t.state for t in tasks.values()} == {"succeeded"}
    assert tasks["extract"].task_run == "r1.extract"


def test_commands_quote_paths_and_keep_the_options_that_find_the_case():
    events = histories.escalated().events
    assert report.tell(events).next == "runmend heal '/srv/pipelines/nightly sales.yaml'"
    context = report.Context(playbook="nightly.yaml", options="--state /tmp/state")
    story = report.tell(events, context)
    assert story.next == "runmend heal nightly.yaml --state /tmp/state"
    assert story.steps[1].command == "runmend show 7f3a --state /tmp/state"


def test_where_the_fix_is_edited_in_place_nothing_is_due():
    story = tell("create_failed")
    assert (story.delivered.how, story.next) == ("in-place", None)
    assert [s.command for s in story.steps] == ["runmend undo 7f3a"]


def test_a_delivered_patch_file_is_taken_over_with_its_own_command():
    events = histories.healed().events
    assert isinstance(events[-1], Delivered)
    assert report.tell(events).next == events[-1].command


def test_a_run_that_was_lost_or_stopped_does_not_look_as_if_it_still_ran():
    lost = histories.History().deploy().start()
    failure = Failure(phase="run", code="LOST", message="gone without a word", run="r1")
    lost.add(Failed, failures=(failure,))
    cancelled = histories.History().deploy().start().add(Cancelled, by="ana@host")
    late = histories.History().deploy().start().add(Requested, key="k", action="cancel")
    late.add(Escalated, verdict="exhausted", reason="the deadline has passed")
    states = [report.tell(case.events).runs[0].state for case in (lost, cancelled, late)]
    assert states == ["failed", "cancelled", "cancelled"]
