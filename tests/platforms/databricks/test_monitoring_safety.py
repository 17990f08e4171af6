"""Nothing twice, nothing overwritten unsaid, and what was there put back."""

from pathlib import Path

import pytest
from monitoring_stage import FILE, Stage, alert, metric, monitor

from agent.errors import Unavailable
from agent.records import Deployment, Risk, RunStatus, Tree
from agent.simulators.databricks import Simulator
from agent.simulators.faults import Kind

_RARE: tuple[Kind, ...] = ("429", "503", "500", "drop_before", "503_after", "html")
_FAULTS = ("drop_after", *(pytest.param(kind, marks=pytest.mark.slow) for kind in _RARE))


@pytest.fixture
def stage(sim: Simulator, tmp_path: Path) -> Stage:
    made = Stage(sim, tmp_path, warehouse=None)
    made.tables("sales")
    return made


def wanted(name: str, **more: object) -> dict[str, object]:
    return alert(name, warehouse_id="0123456789abcdef", **more)


def driven(stage: Stage, tree: Tree) -> RunStatus:
    """Carry a run on as processes that crash at each fault would: connected anew each time."""
    for _ in range(60):
        platform = stage.connect()
        try:
            made = platform.deploy("d", tree, None)
            assert isinstance(made, Deployment)
            platform.start("r", made, tree, None)
            (status,) = platform.poll(["r"])
        except Unavailable:
            stage.sim.clock.advance(1)
            continue
        if status.state != "running":
            return status
        stage.sim.clock.advance(30)
    raise AssertionError("it never ended")


@pytest.fixture
def known(stage: Stage) -> Stage:
    """A workspace with a warehouse of the id that the alerts name."""
    stage.sim.tick()
    rehearsal = stage.sim.store.items("warehouse")[0][1]
    stage.sim.store.put("warehouse", "0123456789abcdef", rehearsal)
    return stage


@pytest.mark.parametrize("kind", _FAULTS)
def test_a_fault_at_each_call_makes_nothing_twice_and_loses_nothing(
    known: Stage, kind: Kind
) -> None:
    for at in ("POST */monitor", "POST */refreshes", "POST */alerts", "GET */alerts", "GET *"):
        known.sim.faults.add(at, kind, times=2, after=at == "GET *")
    tree = known.tree(monitors=[monitor(refresh=True)], alerts=[wanted("A"), wanted("B")])
    status = driven(known, tree)
    assert status.state == "succeeded", status
    known.sim.faults.clear()
    names = [a["display_name"] for a in known.api().pages("/api/2.0/alerts", "alerts")]
    assert sorted(names) == ["A", "B"]
    assert known.monitor()["status"] == "MONITOR_STATUS_ACTIVE"


@pytest.mark.parametrize("kind", _FAULTS)
def test_an_update_goes_through_whatever_is_lost(known: Stage, kind: Kind) -> None:
    known.run(known.tree(monitors=[monitor()], alerts=[wanted("A")]), case="zero")
    for at in ("PUT *", "PATCH *"):
        known.sim.faults.add(at, kind, times=2)
    tree = known.tree(
        monitors=[monitor(custom_metrics=[metric("a")])], alerts=[wanted("A", custom_summary="s")]
    )
    assert driven(known, tree).state == "succeeded"
    assert known.monitor()["custom_metrics"][0]["name"] == "a"
    assert known.alerts()["A"]["custom_summary"] == "s"


def test_what_we_applied_and_nobody_changed_asks_nothing(known: Stage) -> None:
    tree = known.tree(monitors=[monitor()], alerts=[wanted("A")])
    made, _ = known.run(tree)
    assert known.connect("two").plan(tree, made) == ()
    changed = known.tree(monitors=[monitor()], alerts=[wanted("A", custom_summary="new")])
    assert known.connect("two").plan(changed, made) == ()


def test_what_somebody_changed_since_asks_and_names_the_field(known: Stage) -> None:
    tree = known.tree(monitors=[monitor()], alerts=[wanted("A")])
    made, _ = known.run(tree)
    identity = known.alerts()["A"]["id"]
    body = {"schedule": {"quartz_cron_schedule": "0 0 3 * * ?", "timezone_id": "UTC"}}
    known.api().patch(f"/api/2.0/alerts/{identity}", body, update_mask="schedule")
    (effect,) = known.connect("two").plan(tree, made)
    assert (effect.kind, effect.risk, effect.path) == ("remote_overwrite", Risk.ASK, FILE)
    assert 'schedule.quartz_cron_schedule = "0 0 3 * * ?"' in effect.detail
    assert "was changed since we applied it" in effect.detail


def test_metrics_that_an_update_would_drop_ask(known: Stage) -> None:
    tree = known.tree(monitors=[monitor()])
    made, _ = known.run(tree)
    there = known.monitor()
    body = {k: there[k] for k in ("output_schema_name", "snapshot")}
    path = "/api/2.1/unity-catalog/tables/main.gold.sales/monitor"
    known.api().put(path, {**body, "custom_metrics": [metric("theirs")]})
    (effect,) = known.connect("two").plan(tree, made)
    assert effect.kind == "remote_overwrite"
    assert "custom_metrics" in effect.detail
    assert "theirs" in effect.detail


def test_an_alert_of_somebody_else_with_the_same_name_asks(known: Stage) -> None:
    known.api().post("/api/2.0/alerts", wanted("A", custom_summary="theirs"))
    tree = known.tree(alerts=[wanted("A", custom_summary="ours")])
    (effect,) = known.connect().plan(tree, None)
    assert "is there already, not by us" in effect.detail
    assert 'custom_summary = "theirs"' in effect.detail


def test_an_update_that_failed_is_not_taken_for_somebody_elses_change(known: Stage) -> None:
    tree = known.tree(alerts=[wanted("A")])
    first, _ = known.run(tree, case="one")
    bad = known.tree(alerts=[wanted("A", column="amout", custom_summary="new")])
    second, status = known.run(bad, "r2", first, case="one")
    assert status.state == "failed"
    assert known.connect("one").plan(tree, second) == ()


def test_deploying_the_former_tree_puts_back_what_the_patch_changed(known: Stage) -> None:
    known.run(known.tree(alerts=[wanted("A", custom_summary="before")]), case="zero")
    source = known.tree(alerts=[wanted("A", custom_summary="before"), wanted("B")])
    first, _ = known.run(source, "r1")
    patched = known.tree(alerts=[wanted("A", custom_summary="patched"), wanted("B"), wanted("C")])
    second, _ = known.run(patched, "r2", first)
    assert known.alerts()["A"]["custom_summary"] == "patched"
    platform = known.connect()
    assert platform.plan(source, second) == ()
    made = platform.deploy("back", source, second)
    assert isinstance(made, Deployment)
    assert known.alerts()["A"]["custom_summary"] == "before"
    assert sorted(known.alerts()) == ["A", "B", "C"]
    assert "alert A was put back" in made.notes
    assert any("C was made by this case and is left" in note for note in made.notes)
    assert platform.deploy("back", source, second) == made


def test_what_somebody_changed_meanwhile_is_not_put_back(known: Stage) -> None:
    source = known.tree(alerts=[wanted("A", custom_summary="before")])
    first, _ = known.run(source, "r1")
    second, _ = known.run(known.tree(alerts=[wanted("A", custom_summary="patched")]), "r2", first)
    identity = known.alerts()["A"]["id"]
    known.api().patch(
        f"/api/2.0/alerts/{identity}", {"custom_summary": "theirs"}, update_mask="custom_summary"
    )
    platform = known.connect()
    assert [e.kind for e in platform.plan(source, second)] == ["remote_overwrite"]
    made = platform.deploy("back", source, second)
    assert isinstance(made, Deployment)
    assert known.alerts()["A"]["custom_summary"] == "theirs"
    assert any("somebody changed it since" in note for note in made.notes)


def test_what_is_no_longer_declared_is_left_and_said(known: Stage) -> None:
    first, _ = known.run(known.tree(alerts=[wanted("A"), wanted("B")]))
    made, _ = known.run(known.tree(alerts=[wanted("A")]), "r2", first)
    assert sorted(known.alerts()) == ["A", "B"]
    assert made.notes == (f"alerts/B is no longer in {FILE}: it is left as it is",)
    assert known.called("DELETE", "/alerts") == []


def test_one_item_without_an_answer_does_not_keep_the_others_waiting(known: Stage) -> None:
    known.tables("costs")
    path = "POST */tables/main.gold.sales/monitor"
    known.sim.faults.add(path, "500", times=2)
    tree = known.tree(monitors=[monitor("sales"), monitor("costs")])
    platform = known.connect()
    made = platform.deploy("d", tree, None)
    assert isinstance(made, Deployment)
    platform.start("r", made, tree, None)
    with pytest.raises(Unavailable):
        platform.poll(["r"])
    assert known.monitor("costs")
    assert known.ended(platform, "r").state == "succeeded"


def test_what_only_counts_when_it_is_made_is_no_change_later(known: Stage) -> None:
    made_with = {"warehouse_id": "0123456789abcdef", "skip_builtin_dashboard": True}
    tree = known.tree(monitors=[monitor(**made_with)])
    former, _ = known.run(tree)
    moved = known.tree(monitors=[monitor(**made_with | {"assets_dir": "/Workspace/elsewhere"})])
    assert known.connect().plan(moved, former) == ()
    _, status = known.run(moved, "r2", former)
    assert status.state == "succeeded"
    assert known.called("PUT", "/monitor") == []
