"""Alerts (V2) of the simulated workspace, as databricks-sdk writes and reads them."""

import json
from pathlib import Path

import httpx
import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, ResourceConflict
from databricks.sdk.service import sql
from sim_sdk import client

from agent.simulators.databricks import (
    Options,
    Simulator,
    VirtualClock,
    files,
    statements,
    warehouses,
)


def alert(sim: Simulator, name: str = "late orders", query: str = "SELECT 1 AS n") -> sql.AlertV2:
    return sql.AlertV2(
        display_name=name,
        query_text=query,
        warehouse_id=warehouses.default_id(sim),
        evaluation=sql.AlertV2Evaluation(
            source=sql.AlertV2OperandColumn(name="n"),
            comparison_operator=sql.ComparisonOperator.GREATER_THAN,
            threshold=sql.AlertV2Operand(value=sql.AlertV2OperandValue(double_value=5)),
        ),
        schedule=sql.CronSchedule(quartz_cron_schedule="0 0 8 * * ?", timezone_id="UTC"),
    )


def test_an_alert_is_made_read_and_listed_page_by_page(sim: Simulator) -> None:
    api = client(sim).alerts_v2
    made = [api.create_alert(alert(sim, f"alert {number}")).id for number in range(5)]
    found = api.get_alert(made[0] or "")
    assert found.display_name == "alert 0"
    assert found.lifecycle_state is sql.AlertLifecycleState.ACTIVE
    assert found.owner_user_name == sim.user
    assert found.evaluation.empty_result_state is sql.AlertEvaluationState.UNKNOWN
    assert [one.id for one in api.list_alerts(page_size=2)] == made


def test_a_mask_changes_only_what_it_names(sim: Simulator) -> None:
    api = client(sim).alerts_v2
    key = api.create_alert(alert(sim)).id or ""
    new = alert(sim, "renamed", "SELECT 2 AS n")
    changed = api.update_alert(key, new, "query_text")
    assert (changed.display_name, changed.query_text) == ("late orders", "SELECT 2 AS n")
    new.schedule = sql.CronSchedule("0 0 9 * * ?", "UTC", sql.SchedulePauseStatus.PAUSED)
    paused = api.update_alert(key, new, "schedule.pause_status")
    assert paused.schedule.pause_status is sql.SchedulePauseStatus.PAUSED
    assert paused.schedule.quartz_cron_schedule == "0 0 8 * * ?"
    assert api.update_alert(key, new, "*").display_name == "renamed"


def test_a_patch_without_a_mask_or_with_names_of_v1_is_refused(
    sim: Simulator, http: httpx.Client
) -> None:
    key = client(sim).alerts_v2.create_alert(alert(sim)).id
    path = f"/api/2.0/alerts/{key}"
    body = alert(sim).as_dict()
    refused = http.patch(path, json=body)
    assert (refused.status_code, refused.json()["message"]) == (400, "Update mask is required")
    refused = http.patch(path, params={"update_mask": "display_name,condition"}, json=body)
    assert refused.status_code == 400
    assert "unknown field 'condition'" in refused.json()["message"]
    refused = http.post("/api/2.0/alerts", json=body | {"display_name": "b", "condition": {}})
    assert refused.status_code == 400
    assert "unknown field 'condition' in AlertV2" in refused.json()["message"]
    body["schedule"]["quartz_cron_expression"] = "x"
    refused = http.post("/api/2.0/alerts", json=body)
    assert "unknown field 'quartz_cron_expression' in AlertV2.schedule" in refused.json()["message"]
    assert http.get("/api/2.0/sql/alerts-v2").status_code == 404


def test_a_query_that_does_not_parse_or_resolve_is_refused(sim: Simulator) -> None:
    api = client(sim).alerts_v2
    with pytest.raises(InvalidParameterValue, match=r"\[PARSE_SYNTAX_ERROR\]"):
        api.create_alert(alert(sim, query="SELECT count(* FROM t"))
    with pytest.raises(InvalidParameterValue, match=r"\[TABLE_OR_VIEW_NOT_FOUND\]"):
        api.create_alert(alert(sim, query="SELECT n FROM main.gold.none"))
    statements.execute(sim, "CREATE TABLE main.default.t (n INT)")
    assert api.create_alert(alert(sim, query="SELECT count(*) AS n FROM t")).id
    assert statements.execute(sim, "SELECT * FROM t").rows == []  # type: ignore[union-attr]


def test_a_second_alert_of_the_same_name_is_refused(sim: Simulator, tmp_path: Path) -> None:
    client(sim).alerts_v2.create_alert(alert(sim))
    with pytest.raises(BadRequest, match="Alert with name 'late orders' already exists"):
        client(sim).alerts_v2.create_alert(alert(sim))
    options = Options(duplicate_alert_status=409)
    with Simulator(tmp_path / "other", clock=VirtualClock(), options=options) as other:
        client(other).alerts_v2.create_alert(alert(other))
        with pytest.raises(ResourceConflict, match="already exists"):
            client(other).alerts_v2.create_alert(alert(other))


def test_a_file_stands_beside_the_alert_until_it_is_in_the_trash(sim: Simulator) -> None:
    api = client(sim).alerts_v2
    made = api.create_alert(alert(sim))
    path = f"/Users/{sim.user}/late orders.dbalert.json"
    held = files.read(sim, path)
    assert held
    assert json.loads(held.content)["query_text"] == "SELECT 1 AS n"
    api.update_alert(made.id or "", alert(sim, "renamed"), "display_name")
    assert files.read(sim, path) is None
    api.trash_alert(made.id or "")
    assert files.read(sim, path.replace("late orders", "renamed")) is None
    assert list(api.list_alerts()) == []
    assert api.get_alert(made.id or "").lifecycle_state is sql.AlertLifecycleState.DELETED
    assert api.create_alert(alert(sim, "renamed")).id != made.id
    api.trash_alert(made.id or "", purge=True)
    with pytest.raises(NotFound):
        api.get_alert(made.id or "")
