"""Quality monitors of the simulated workspace, through both APIs that databricks-sdk has."""

import httpx
import pytest
from databricks.sdk.errors import (
    AlreadyExists,
    InvalidParameterValue,
    NotFound,
    ResourceAlreadyExists,
)
from databricks.sdk.service import catalog, dataquality
from sim_sdk import client

from agent.simulators.databricks import Simulator, lakehouse, monitors, statements
from agent.simulators.databricks.monitors import Declared
from agent.simulators.databricks.querying import Result

TABLE = "main.gold.orders"
Status = catalog.MonitorInfoStatus


def rows(sim: Simulator, text: str) -> list[tuple]:  # type: ignore[type-arg]
    result = statements.execute(sim, text)
    assert isinstance(result, Result), result
    return result.rows


@pytest.fixture
def gold(sim: Simulator) -> Simulator:
    rows(sim, "CREATE SCHEMA main.gold")
    rows(sim, "CREATE SCHEMA main.watch")
    rows(sim, f"CREATE TABLE {TABLE} AS SELECT 1 AS order_id, 2.5 AS amount, NULL AS note")
    return sim


def metric(name: str, definition: str) -> catalog.MonitorMetric:
    return catalog.MonitorMetric(
        name=name,
        definition=definition,
        input_columns=[":table"],
        output_data_type="double",
        type=catalog.MonitorMetricType.CUSTOM_METRIC_TYPE_AGGREGATE,
    )


def create(sim: Simulator, *metrics: catalog.MonitorMetric) -> catalog.MonitorInfo:
    return client(sim).quality_monitors.create(
        TABLE,
        assets_dir="/Workspace/Users/x/watch",
        output_schema_name="main.watch",
        snapshot=catalog.MonitorSnapshot(),
        custom_metrics=list(metrics),
    )


def test_a_monitor_is_pending_before_it_is_active(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    made = create(gold, metric("revenue", "sum(amount)"))
    assert made.status is Status.MONITOR_STATUS_PENDING
    gold.clock.advance(25)
    found = api.get(TABLE)
    assert found.status is Status.MONITOR_STATUS_ACTIVE
    assert found.profile_metrics_table_name == "main.watch.orders_profile_metrics"
    assert ("watch", "orders_drift_metrics", "false") in rows(gold, "SHOW TABLES IN main.watch")


def test_a_refresh_computes_the_metrics(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    create(gold, metric("revenue", "sum(amount)"))
    gold.clock.advance(25)
    refresh = api.run_refresh(TABLE)
    assert refresh.state is catalog.MonitorRefreshInfoState.PENDING
    gold.clock.advance(10)
    assert (
        api.get_refresh(TABLE, refresh.refresh_id).state is catalog.MonitorRefreshInfoState.RUNNING
    )
    gold.clock.advance(30)
    assert (
        api.get_refresh(TABLE, refresh.refresh_id).state is catalog.MonitorRefreshInfoState.SUCCESS
    )
    found = rows(gold, "SELECT column_name, metric, value FROM main.watch.orders_profile_metrics")
    assert (":table", "revenue", 2.5) in found
    assert ("note", "num_nulls", 1.0) in found


def test_a_metric_that_divides_by_zero_fails_the_refresh_in_sparks_words(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    create(gold, metric("ratio", "sum(amount) / (count(*) - 1)"))
    gold.clock.advance(25)
    number = api.run_refresh(TABLE).refresh_id
    gold.clock.advance(31)
    found = api.get_refresh(TABLE, number)
    assert found.state is catalog.MonitorRefreshInfoState.FAILED
    assert "[DIVIDE_BY_ZERO]" in (found.message or "")
    refreshes = api.list_refreshes(TABLE).refreshes or []
    assert [one.refresh_id for one in refreshes] == [number]


def test_a_put_loses_the_metrics_that_it_leaves_out(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    create(gold, metric("a", "count(*)"), metric("b", "count(*)"))
    snapshot = catalog.MonitorSnapshot()
    kept = [metric("a", "count(*)")]
    changed = api.update(TABLE, "main.watch", snapshot=snapshot, custom_metrics=kept)
    assert [one.name for one in changed.custom_metrics or []] == ["a"]
    assert changed.monitor_version == 2
    assert changed.assets_dir == "/Workspace/Users/x/watch"
    assert not api.update(TABLE, "main.watch", snapshot=snapshot).custom_metrics


def test_deleting_a_monitor_leaves_its_tables(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    create(gold)
    gold.clock.advance(25)
    api.delete(TABLE)
    with pytest.raises(NotFound, match="does not exist"):
        api.get(TABLE)
    assert len(rows(gold, "SHOW TABLES IN main.watch")) == 2
    assert create(gold).status is Status.MONITOR_STATUS_PENDING


def test_what_cannot_be_monitored_is_refused(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    snapshot = catalog.MonitorSnapshot()
    with pytest.raises(NotFound, match=r"Table 'main.gold.nope' does not exist"):
        api.create("main.gold.nope", "main.watch", "/x", snapshot=snapshot)
    with pytest.raises(NotFound, match=r"\[SCHEMA_NOT_FOUND\] The schema `main`.`none`"):
        api.create(TABLE, "main.none", "/x", snapshot=snapshot)
    with pytest.raises(InvalidParameterValue, match="Exactly one of"):
        api.create(TABLE, "main.watch", "/x")
    series = catalog.MonitorTimeSeries(timestamp_col="ts", granularities=["1 day"])
    with pytest.raises(InvalidParameterValue, match="Column 'ts' does not exist"):
        api.create(TABLE, "main.watch", "/x", time_series=series)
    create(gold)
    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        create(gold)


def test_failures_can_be_declared(gold: Simulator) -> None:
    api = client(gold).quality_monitors
    monitors.declare(gold, TABLE, Declared(refused="User lacks SELECT"))
    with pytest.raises(InvalidParameterValue, match="User lacks SELECT"):
        create(gold)
    monitors.declare(gold, TABLE, Declared(status="ERROR", message="no compute", pending_s=5))
    create(gold)
    gold.clock.advance(6)
    found = api.get(TABLE)
    assert found.status is Status.MONITOR_STATUS_ERROR
    assert found.latest_monitor_failure_msg == "no compute"


def test_the_data_quality_api_shows_the_same_monitor(gold: Simulator) -> None:
    api = client(gold).data_quality
    table = client(gold).tables.get(TABLE).table_id or ""
    schema = client(gold).schemas.get("main.watch").schema_id or ""
    custom = dataquality.DataProfilingCustomMetric(
        name="n",
        definition="count(*)",
        input_columns=[":table"],
        output_data_type="double",
        type=dataquality.DataProfilingCustomMetricType.DATA_PROFILING_CUSTOM_METRIC_TYPE_AGGREGATE,
    )
    wanted = dataquality.Monitor(
        object_type="table",
        object_id=table,
        data_profiling_config=dataquality.DataProfilingConfig(
            output_schema_id=schema,
            assets_dir="/Users/x",
            snapshot=dataquality.SnapshotConfig(),
            custom_metrics=[custom],
        ),
    )
    assert api.create_monitor(wanted).object_id == table
    with pytest.raises(AlreadyExists):
        api.create_monitor(wanted)
    gold.clock.advance(25)
    found = api.get_monitor("table", table).data_profiling_config
    assert found
    assert found.status is dataquality.DataProfilingStatus.DATA_PROFILING_STATUS_ACTIVE
    assert found.output_schema_id == schema
    assert found.custom_metrics == [custom]
    assert client(gold).quality_monitors.get(TABLE).status is Status.MONITOR_STATUS_ACTIVE
    number = api.create_refresh("table", table, dataquality.Refresh("table", table)).refresh_id or 0
    api.cancel_refresh("table", table, number)
    state = api.get_refresh("table", table, number).state
    assert state is dataquality.RefreshState.MONITOR_REFRESH_STATE_CANCELED
    assert [one.object_id for one in api.list_monitor()] == [table]
    wanted.data_profiling_config.custom_metrics = []  # type: ignore[union-attr]
    changed = api.update_monitor("table", table, wanted, "data_profiling_config.custom_metrics")
    assert changed.data_profiling_config
    assert not changed.data_profiling_config.custom_metrics
    assert changed.data_profiling_config.assets_dir == "/Users/x"
    api.delete_monitor("table", table)
    with pytest.raises(NotFound):
        api.get_monitor("table", table)


def test_a_time_series_keeps_its_meaning_in_both_apis(gold: Simulator) -> None:
    rows(gold, f"ALTER TABLE {TABLE} ADD COLUMNS (ts TIMESTAMP)")
    series = catalog.MonitorTimeSeries(timestamp_col="ts", granularities=["1 day", "30 minutes"])
    client(gold).quality_monitors.create(TABLE, "main.watch", "/x", time_series=series)
    table = lakehouse.identity(gold, "table", TABLE)
    found = client(gold).data_quality.get_monitor("table", table).data_profiling_config
    assert found
    assert found.time_series
    assert found.time_series.timestamp_column == "ts"
    assert found.time_series.granularities == [
        dataquality.AggregationGranularity.AGGREGATION_GRANULARITY_1_DAY,
        dataquality.AggregationGranularity.AGGREGATION_GRANULARITY_30_MINUTES,
    ]


def test_a_mask_is_needed_to_change_a_monitor(gold: Simulator, http: httpx.Client) -> None:
    create(gold)
    path = f"/api/data-quality/v1/monitors/table/{lakehouse.identity(gold, 'table', TABLE)}"
    assert http.patch(path, json={}).json()["message"] == "Update mask is required"
    assert http.patch(path, params={"update_mask": "nope"}, json={}).status_code == 400
