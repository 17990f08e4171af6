"""Monitors and alerts applied one by one: good ones stay good, failed ones are mended alone."""

import contextlib
from pathlib import Path

import pytest
from monitoring_stage import FILE, Stage, alert, metric, monitor

from agent import verification
from agent.errors import Unavailable, UsageError
from agent.records import Deployment, Failure, Repair, Run
from agent.simulators.databricks import Simulator
from agent.simulators.databricks.service import Options


@pytest.fixture
def stage(sim: Simulator, tmp_path: Path) -> Stage:
    made = Stage(sim, tmp_path)
    made.tables("sales")
    return made


def names(count: int) -> list[str]:
    return [f"alert {n:02}" for n in range(1, count + 1)]


def test_monitors_and_alerts_are_made_and_then_left_alone(stage: Stage) -> None:
    tree = stage.tree(monitors=[monitor()], alerts=[alert("A"), alert("B", custom_summary="s")])
    _, status = stage.run(tree)
    assert status.state == "succeeded"
    assert {t.task: t.exit_value for t in status.tasks} == {
        "monitors": {"status": "SUCCESS", "total": 1, "successful": 1, "failed": 0,
                     "failed_items": [], "errors": {}},
        "alerts": {"status": "SUCCESS", "total": 2, "successful": 2, "failed": 0,
                   "failed_items": [], "errors": {}},
    }  # fmt: skip
    assert stage.monitor()["status"] == "MONITOR_STATUS_ACTIVE"
    assert sorted(stage.alerts()) == ["A", "B"]
    made = len(stage.called("POST", "/api/2.0/alerts"))
    _, again = stage.run(tree, "r2", case="two")
    assert again.state == "succeeded"
    assert len(stage.called("POST", "/api/2.0/alerts")) == made
    assert stage.called("PATCH", "/alerts") == []
    assert stage.called("PUT", "/monitor") == []


def test_an_update_sends_everything_and_the_whole_mask(stage: Stage) -> None:
    first = stage.tree(
        monitors=[monitor(custom_metrics=[metric("a"), metric("b")])], alerts=[alert("A")]
    )
    former, _ = stage.run(first)
    changed = alert("A", custom_summary="low", schedule={
        "quartz_cron_schedule": "0 0 9 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"
    })  # fmt: skip
    second = stage.tree(
        monitors=[monitor(custom_metrics=[metric("a"), metric("b"), metric("c")])],
        alerts=[changed],
    )
    _, status = stage.run(second, "r2", former)
    assert status.state == "succeeded"
    (put,) = stage.called("PUT", "/monitor")
    assert [m["name"] for m in put.body["custom_metrics"]] == ["a", "b", "c"]
    assert "assets_dir" in put.body
    assert stage.called("DELETE", "/monitor") == []
    (patch,) = stage.called("PATCH", "/alerts")
    mask = "custom_summary,display_name,evaluation,query_text,schedule,warehouse_id"
    assert patch.query["update_mask"] == mask
    assert stage.alerts()["A"]["schedule"]["pause_status"] == "PAUSED"


def test_27_of_30_alerts_are_a_partial_success_and_the_rest_is_mended_alone(stage: Stage) -> None:
    bad = names(30)[10:13]
    wrong = [alert(n, column="amout" if n in bad else "amount") for n in names(30)]
    made, status = stage.run(stage.tree(alerts=wrong))
    (task,) = status.tasks
    assert (status.state, task.state) == ("succeeded", "succeeded")
    (check,) = verification.of_tasks(status)
    assert (check.outcome, check.items, check.share_good) == ("failed", tuple(bad), 0.9)
    value = task.exit_value
    assert isinstance(value, dict)
    assert value["status"] == "PARTIAL_SUCCESS"
    said = verification.items(value)
    assert said is not None
    assert "UNRESOLVED_COLUMN" in said.failed[bad[0]]
    assert len(stage.alerts()) == 27
    right = [alert(n) for n in names(30)]
    tree = stage.tree(alerts=right)
    before = len(stage.sim.calls)
    repair = Repair(run="r1", tasks=("alerts",))
    _, status = stage.run(tree, "r2", made, repair)
    assert status.state == "succeeded"
    (task,) = status.tasks
    assert isinstance(task.exit_value, dict)
    assert (task.exit_value["total"], task.exit_value["failed"]) == (30, 0)
    posted = [
        c.body["display_name"]
        for c in stage.sim.calls[before:]
        if c.method == "POST" and c.path.endswith("/alerts") and isinstance(c.body, dict)
    ]
    assert posted == bad


def test_what_failed_is_told_with_its_line_and_the_columns_there_are(stage: Stage) -> None:
    tree = stage.tree(alerts=[alert("A", column="amout")])
    _, status = stage.run(tree)
    assert status.state == "failed"
    platform = stage.connect()
    (failure,) = platform.failures(status, tree)
    assert (failure.task, failure.item, failure.code) == (
        "alerts",
        "A",
        "UNRESOLVED_COLUMN.WITH_SUGGESTION",
    )
    assert failure.location is not None
    assert (failure.location.path, failure.location.line) == (FILE, 2)
    assert failure.location.code == "- display_name: A"
    assert any(d.columns == ("amount", "region") for d in failure.facts.datasets)
    assert Failure.model_validate_json(failure.dump()) == failure
    seen = platform.observed(status, tree, "alerts")
    assert (seen.code, seen.phase) == ("VERIFY_FAILED", "verify")
    assert any("amout" in line.text for line in seen.log)


def test_a_missing_table_fails_its_monitor_and_no_other(stage: Stage) -> None:
    tree = stage.tree(monitors=[monitor("salez"), monitor("sales")], alerts=[alert("A")])
    _, status = stage.run(tree)
    assert {t.task: t.state for t in status.tasks} == {
        "monitors": "succeeded",
        "alerts": "succeeded",
    }
    value = status.tasks[0].exit_value
    assert isinstance(value, dict)
    assert value["failed_items"] == ["main.gold.salez"]
    assert "does not exist" in str(value["errors"])


def test_a_pending_monitor_is_waited_out_before_alerts_are_made(stage: Stage) -> None:
    stage.sim.options = Options(realistic=True)
    stage.sim.clock.advance(600)
    tree = stage.tree(monitors=[monitor()], alerts=[alert("A")])
    platform = stage.connect()
    made = platform.deploy("d", tree, None)
    assert isinstance(made, Deployment)
    platform.start("r", made, tree, None)
    (status,) = platform.poll(["r"])
    assert status.state == "running"
    assert {t.task: t.state for t in status.tasks} == {"monitors": "running", "alerts": "pending"}
    assert "MONITOR_STATUS_PENDING" in str(status.tasks[0].step)
    assert status.look_s
    assert stage.called("POST", "/api/2.0/alerts") == []
    for _ in range(40):
        stage.sim.clock.advance(60)
        with contextlib.suppress(Unavailable):  # the warehouse starts, too
            (status,) = platform.poll(["r"])
        if status.state != "running":
            break
    assert status.state == "succeeded"
    assert len(stage.called("POST", "/monitor")) == 1


def test_a_refresh_is_asked_for_once_and_waited_for(stage: Stage) -> None:
    tree = stage.tree(monitors=[monitor(refresh=True)])
    _, status = stage.run(tree)
    assert status.state == "succeeded"
    assert len(stage.called("POST", "/monitor/refreshes")) == 1


def test_another_kind_of_monitor_is_never_made_by_deleting_the_old_one(stage: Stage) -> None:
    stage.run(stage.tree(monitors=[monitor()]))
    series = monitor(time_series={"timestamp_col": "region", "granularities": ["1 day"]})
    del series["snapshot"]
    tree = stage.tree(monitors=[series])
    assert stage.connect().plan(tree, None) == ()
    _, status = stage.run(tree, "r2")
    assert status.state == "failed"
    (failure,) = stage.connect().failures(status, tree)
    assert failure.code == "RECREATE_NEEDED"
    assert "takes a person" in failure.message
    assert stage.called("DELETE", "/monitor") == []


def test_a_recreation_that_the_playbook_allows_asks_a_person_and_is_then_done(
    stage: Stage,
) -> None:
    stage.run(stage.tree(monitors=[monitor()]))
    series = monitor(
        time_series={"timestamp_col": "region", "granularities": ["1 day"]}, recreate=True
    )
    del series["snapshot"]
    tree = stage.tree(monitors=[series])
    (effect,) = stage.connect().plan(tree, None)
    assert (effect.kind, effect.risk.name) == ("monitor_recreate", "DESTRUCTIVE")
    assert effect.line == 2
    _, status = stage.run(tree, "r2")
    assert status.state == "succeeded"
    assert len(stage.called("DELETE", "/monitor")) == 1
    assert stage.monitor()["time_series"]["timestamp_col"] == "region"
    assert stage.connect().plan(tree, None) == ()


def test_two_alerts_of_one_name_are_not_guessed_between(stage: Stage) -> None:
    stage.run(stage.tree(alerts=[alert("A", parent_path="/Shared/one")]), "r0")
    with stage.sim.lock:  # another path, as an earlier version of the service let one make
        ((_, made),) = stage.sim.store.items("alert")
        stage.sim.store.put("alert", "2", made | {"id": "2", "parent_path": "/Shared/two"})
    _, status = stage.run(stage.tree(alerts=[alert("A")]))
    (failure,) = stage.connect().failures(status, stage.tree(alerts=[alert("A")]))
    assert failure.code == "NAME_NOT_UNIQUE"
    assert "2 alerts are named 'A'" in failure.message
    exact = stage.tree(alerts=[alert("A", parent_path="/Workspace/Shared/two")])
    _, status = stage.run(exact, "r2")
    assert status.state == "succeeded"
    assert len(stage.called("POST", "/api/2.0/alerts")) == 1


def test_genie_spaces_are_read_and_reported_only(stage: Stage) -> None:
    body = {"warehouse_id": "w", "serialized_space": '{"version":1}', "title": "Sales"}
    stage.api().post("/api/2.0/genie/spaces", body)
    tree = stage.tree(alerts=[alert("A")], genie_spaces=[{"title": "Sales"}, {"title": "Costs"}])
    before = len(stage.sim.calls)
    _, status = stage.run(tree)
    genie = next(t for t in status.tasks if t.task == "genie")
    assert isinstance(genie.exit_value, dict)
    assert genie.exit_value["failed_items"] == ["Costs"]
    changes = [c for c in stage.sim.calls[before:] if "genie" in c.path and c.method != "GET"]
    assert changes == []


def test_a_recreation_that_is_refused_makes_the_former_monitor_again(stage: Stage) -> None:
    stage.run(stage.tree(monitors=[monitor()]))
    series = monitor(
        time_series={"timestamp_col": "sold_at", "granularities": ["1 day"]}, recreate=True
    )
    del series["snapshot"]
    tree = stage.tree(monitors=[series])
    _, status = stage.run(tree, "r2")
    (failure,) = stage.connect().failures(status, tree)
    assert "Column 'sold_at' does not exist" in failure.message
    assert "the former monitor was made again" in failure.message
    assert stage.monitor()["snapshot"] == {}


def test_a_warehouse_that_is_not_there_is_a_failure_of_create(stage: Stage) -> None:
    tree = stage.tree(alerts=[alert("A", warehouse_id="ffffffffffffffff"), alert("B")])
    made = stage.connect().deploy("d", tree, None)
    assert isinstance(made, tuple)
    assert "ffffffffffffffff" in made[0].message
    assert made[0].location is not None
    assert made[0].location.line == 2


def test_a_wrong_file_is_a_failure_of_create(stage: Stage) -> None:
    tree = stage.text("alerts:\n- display_name: A\n  quer_text: select 1\n")
    made = stage.connect().deploy("d", tree, None)
    assert isinstance(made, tuple)
    (failure,) = made
    assert failure.phase == "create"
    assert not failure.started
    assert failure.message.startswith(f"{FILE}:")
    assert "quer_text" in " ".join(line.text for line in failure.log)


def test_cancelling_stops_what_is_left_and_twice_is_once(stage: Stage) -> None:
    tree = stage.tree(alerts=[alert("A")])
    platform = stage.connect()
    made = platform.deploy("d", tree, None)
    assert isinstance(made, Deployment)
    platform.start("r", made, tree, None)
    status = platform.cancel("c", "r")
    assert (status.state, status.tasks[0].state) == ("cancelled", "cancelled")
    assert platform.cancel("c", "r") == status or platform.cancel("c", "r").state == "cancelled"
    assert platform.poll(["r"])[0].state == "cancelled"
    assert stage.alerts() == {}
    (failure,) = platform.failures(status, tree)
    assert failure.code == "CANCELED"


def test_a_start_that_was_called_off_makes_nothing_later(stage: Stage) -> None:
    tree = stage.tree(alerts=[alert("A")])
    platform = stage.connect()
    made = platform.deploy("d", tree, None)
    assert isinstance(made, Deployment)
    assert platform.cancel("c", "r").state == "cancelled"
    assert isinstance(platform.start("r", made, tree, None), Run)
    assert platform.poll(["r"])[0].state == "cancelled"
    assert stage.called("POST", "/api/2.0/alerts") == []


def test_a_run_that_is_gone_is_lost(stage: Stage) -> None:
    tree = stage.tree(alerts=[alert("A")])
    (status,) = stage.connect().poll(["never"])
    assert status.state == "failed"
    (failure,) = stage.connect().failures(status, tree)
    assert failure.code == "LOST"


def test_there_is_nothing_to_adopt(stage: Stage) -> None:
    with pytest.raises(UsageError, match="leave out --run"):
        stage.connect().adopt("1", stage.tree(alerts=[alert("A")]))


def test_tasks_and_what_a_change_concerns_are_told(stage: Stage) -> None:
    one = stage.tree(monitors=[monitor()], alerts=[alert("A")])
    platform = stage.connect()
    tasks = {t.task: t for t in platform.tasks(one)}
    assert list(tasks) == ["monitors", "alerts"]
    assert tasks["alerts"].depends_on == ("monitors",)
    assert platform.affected(one, one) == ()
    moved = stage.tree(monitors=[monitor()], alerts=[alert("A", column="region")])
    assert platform.affected(one, moved) == ("alerts",)


def test_the_kill_switch_holds_a_run_where_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = stage.tree(alerts=[alert("A")])
    platform = stage.connect()
    made = platform.deploy("d", tree, None)
    assert isinstance(made, Deployment)
    platform.start("r", made, tree, None)
    monkeypatch.setenv("RUNMEND_READ_ONLY", "1")
    (status,) = platform.poll(["r"])
    assert status.state == "running"
    assert "kill switch" in status.notes[0]
    assert stage.alerts() == {}
    monkeypatch.delenv("RUNMEND_READ_ONLY")
    assert stage.ended(platform, "r").state == "succeeded"
