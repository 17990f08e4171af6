"""Pipelines of the simulated workspace, as databricks-sdk drives and reads them."""

from pathlib import Path

import httpx
import pytest
from databricks.sdk.errors import (
    InvalidParameterValue,
    NotFound,
    ResourceConflict,
)
from databricks.sdk.service import pipelines as sdk
from sim_sdk import client

from agent.simulators.databricks import Simulator, VirtualClock, control, pipelines
from agent.simulators.databricks.pipelines import Expectation, Flow, Frame, Outcome, Step, Trouble

LOST_COLUMN = Trouble(
    message="[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with "
    "name `amout` cannot be resolved. Did you mean one of the following? [`amount`]. "
    "SQLSTATE: 42703",
    error_class="UNRESOLVED_COLUMN.WITH_SUGGESTION",
    sql_state="42703",
    stack=(
        Frame(declaring_class="Dataset", method_name="select", file_name="D.scala", line_number=7),
    ),
)


def make(sim: Simulator, name: str = "silver", *, development: bool = True) -> str:
    made = client(sim).pipelines.create(
        name=name,
        catalog="main",
        schema="silver",
        development=development,
        libraries=[sdk.PipelineLibrary(notebook=sdk.NotebookLibrary(path="/Users/x/dlt"))],
    )
    assert made.pipeline_id
    return made.pipeline_id


def start(sim: Simulator, pipeline: str, **more: bool) -> str:
    update = client(sim).pipelines.start_update(pipeline, **more).update_id  # type: ignore[arg-type]
    assert update
    return update


def state(sim: Simulator, pipeline: str, update: str) -> str:
    found = client(sim).pipelines.get_update(pipeline, update).update
    assert found
    assert found.state
    return found.state.value


def events(http: httpx.Client, pipeline: str, **query: str) -> list[dict]:  # type: ignore[type-arg]
    reply = http.get(
        f"/api/2.0/pipelines/{pipeline}/events", params={"max_results": "1000", **query}
    )
    assert reply.status_code == 200, reply.text
    return list(reply.json()["events"])


def test_an_update_passes_through_its_states_in_time(sim: Simulator, http: httpx.Client) -> None:
    pipelines.declare(sim, "silver", Outcome(seconds=60, waiting_seconds=100))
    pipeline = make(sim)
    update = start(sim, pipeline, full_refresh=True)
    seen = []
    for _ in range(42):
        if not seen or seen[-1] != state(sim, pipeline, update):
            seen.append(state(sim, pipeline, update))
        sim.clock.advance(4.1)
    assert seen == [
        "WAITING_FOR_RESOURCES",
        "INITIALIZING",
        "RESETTING",
        "SETTING_UP_TABLES",
        "RUNNING",
        "COMPLETED",
    ]
    messages = [one["message"] for one in events(http, pipeline)]
    assert messages[0] == f"Update {update[:6]} is COMPLETED."
    assert messages[-1] == f"Update {update[:6]} started by API call."


def test_the_sdk_sees_pipeline_states_and_the_latest_updates(sim: Simulator) -> None:
    pipelines.declare(sim, "silver", Outcome(seconds=60))
    api = client(sim).pipelines
    pipeline = make(sim)
    assert api.get(pipeline).state is sdk.PipelineState.IDLE
    first = start(sim, pipeline)
    assert api.get(pipeline).state is sdk.PipelineState.STARTING
    sim.clock.advance(30)
    assert api.get(pipeline).state is sdk.PipelineState.RUNNING
    with pytest.raises(ResourceConflict, match=f"An active update {first} already exists"):
        api.start_update(pipeline)
    sim.clock.advance(31)
    second = start(sim, pipeline)
    found = api.get(pipeline)
    assert [one.update_id for one in found.latest_updates or []] == [second, first]
    assert (found.latest_updates or [])[1].creation_time == "2026-09-21T14:13:20.000Z"
    listed = api.list_updates(pipeline).updates or []
    assert [one.update_id for one in listed] == [second, first]
    assert listed[1].creation_time == 1_790_000_000_000
    assert [one.name for one in api.list_pipelines(filter="name LIKE 'sil%'")] == ["silver"]
    assert list(api.list_pipelines(filter="name LIKE 'gold%'")) == []


def test_a_failed_update_leaves_its_cause_in_the_event_log(
    sim: Simulator, http: httpx.Client
) -> None:
    flow = Flow(name="main.silver.orders", status="FAILED", errors=(LOST_COLUMN,))
    pipelines.declare(sim, "silver", Outcome(result="FAILED", flows=(flow,)))
    pipeline = make(sim)
    update = start(sim, pipeline)
    sim.clock.advance(61)
    assert state(sim, pipeline, update) == "FAILED"
    errors = events(http, pipeline, filter=f"level = 'ERROR' AND update_id = '{update}'")
    assert [one["message"] for one in errors] == [
        f"Update {update[:6]} is FAILED.",
        "Flow 'main.silver.orders' has FAILED.",
    ]
    for one in errors:
        exception = one["error"]["exceptions"][0]
        assert exception["message"] == LOST_COLUMN.message
        assert exception["error_class"] == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
        assert exception["sql_state"] == "42703"
        assert exception["stack"][0]["line_number"] == 7
    assert errors[1]["origin"]["flow_name"] == "main.silver.orders"
    assert errors[1]["details"] == {"flow_progress": {"status": "FAILED"}}
    typed = next(iter(client(sim).pipelines.list_pipeline_events(pipeline, filter="level='ERROR'")))
    assert typed.error
    assert typed.error.exceptions
    assert typed.error.exceptions[0].class_name == LOST_COLUMN.class_name
    found = client(sim).pipelines.get(pipeline)
    assert (found.state, found.cause) == (sdk.PipelineState.FAILED, LOST_COLUMN.message)


def test_a_failure_may_leave_no_error_event(sim: Simulator, http: httpx.Client) -> None:
    pipelines.declare(sim, "silver", Outcome(result="FAILED", silent=True))
    pipeline = make(sim)
    update = start(sim, pipeline)
    sim.clock.advance(61)
    assert state(sim, pipeline, update) == "FAILED"
    assert events(http, pipeline, filter="level='ERROR'") == []


def test_data_quality_is_in_the_flows_progress(sim: Simulator, http: httpx.Client) -> None:
    rule = Expectation(name="id", dataset="orders", passed_records=90, failed_records=10)
    flow = Flow(name="orders", output_rows=90, dropped_records=10, expectations=(rule,))
    pipelines.declare(sim, "silver", Outcome(flows=(flow,)))
    pipeline = make(sim)
    start(sim, pipeline)
    sim.clock.advance(61)
    done = next(one for one in events(http, pipeline) if "has COMPLETED" in one["message"])
    assert done["details"]["flow_progress"] == {
        "status": "COMPLETED",
        "metrics": {"num_output_rows": 90},
        "data_quality": {
            "dropped_records": 10,
            "expectations": [
                {"name": "id", "dataset": "orders", "passed_records": 90, "failed_records": 10}
            ],
        },
    }


def test_validating_runs_no_flow(sim: Simulator, http: httpx.Client) -> None:
    pipelines.declare(sim, "silver", Outcome(seconds=20, flows=(Flow(name="orders"),)))
    pipeline = make(sim)
    update = start(sim, pipeline, validate_only=True)
    sim.clock.advance(21)
    found = client(sim).pipelines.get_update(pipeline, update).update
    assert found
    assert found.validate_only is True
    assert found.state is sdk.UpdateInfoState.COMPLETED
    assert not [one for one in events(http, pipeline) if one["event_type"] == "flow_progress"]


def test_production_mode_tries_a_failed_update_again(sim: Simulator) -> None:
    pipelines.declare(sim, "silver", Outcome(result="FAILED", errors=(LOST_COLUMN,)), Outcome())
    api = client(sim).pipelines
    pipeline = make(sim, development=False)
    first = start(sim, pipeline)
    sim.clock.advance(61)
    assert state(sim, pipeline, first) == "FAILED"
    assert api.get(pipeline).state is sdk.PipelineState.RECOVERING
    sim.clock.advance(5)
    second = (api.list_updates(pipeline).updates or [])[0]
    assert second.update_id not in (None, first)
    assert second.cause is sdk.UpdateInfoCause.RETRY_ON_FAILURE
    sim.clock.advance(61)
    assert state(sim, pipeline, second.update_id or "") == "COMPLETED"
    assert api.get(pipeline).state is sdk.PipelineState.IDLE


def test_the_platforms_retries_end(sim: Simulator) -> None:
    pipelines.declare(sim, "silver", Outcome(result="FAILED", seconds=1))
    pipeline = make(sim, development=False)
    start(sim, pipeline)
    sim.clock.advance(3600)
    assert len(client(sim).pipelines.list_updates(pipeline).updates or []) == 6
    assert client(sim).pipelines.get(pipeline).state is sdk.PipelineState.FAILED


def test_a_stopped_update_is_cancelled_and_not_tried_again(sim: Simulator) -> None:
    pipelines.declare(sim, "silver", Outcome(seconds=600))
    pipeline = make(sim, development=False)
    update = start(sim, pipeline)
    sim.clock.advance(60)
    client(sim).pipelines.stop(pipeline)
    assert state(sim, pipeline, update) == "STOPPING"
    sim.clock.advance(2)
    assert state(sim, pipeline, update) == "CANCELED"
    client(sim).pipelines.stop(pipeline).result()
    sim.clock.advance(600)
    assert len(client(sim).pipelines.list_updates(pipeline).updates or []) == 1


def test_a_continuous_pipeline_runs_and_reports_until_it_is_stopped(
    sim: Simulator, http: httpx.Client
) -> None:
    pipelines.declare(sim, "live", Outcome(flows=(Flow(name="events", output_rows=5),)))
    made = client(sim).pipelines.create(name="live", continuous=True, catalog="main")
    pipeline = made.pipeline_id or ""
    update = start(sim, pipeline)
    for _ in range(4):
        sim.clock.advance(60)
        assert state(sim, pipeline, update) == "RUNNING"
    beats = events(http, pipeline, filter="level='METRICS'")
    assert len(beats) >= 3
    assert beats[0]["timestamp"] > beats[1]["timestamp"]
    assert beats[0]["details"]["flow_progress"]["metrics"] == {"num_output_rows": 5}


def test_states_can_be_declared_one_by_one(sim: Simulator) -> None:
    steps = (Step(state="QUEUED", seconds=30), Step(state="RUNNING", seconds=30))
    pipelines.declare(sim, "silver", Outcome(steps=steps))
    pipeline = make(sim)
    update = start(sim, pipeline)
    assert state(sim, pipeline, update) == "QUEUED"
    sim.clock.advance(31)
    assert state(sim, pipeline, update) == "RUNNING"


def test_without_spark_or_a_declaration_an_update_fails_and_says_why(
    sim: Simulator, http: httpx.Client
) -> None:
    pipeline = make(sim)
    update = start(sim, pipeline)
    sim.clock.advance(10)
    assert state(sim, pipeline, update) == "FAILED"
    error = events(http, pipeline, filter="level='ERROR'")[0]["error"]["exceptions"][0]
    assert "pyspark" in error["message"]


def test_a_filter_knows_four_columns(sim: Simulator, http: httpx.Client) -> None:
    pipelines.declare(sim, "silver", Outcome())
    pipeline = make(sim)
    start(sim, pipeline)
    sim.clock.advance(61)
    every = events(http, pipeline, order_by="timestamp asc")
    assert every[0]["event_type"] == "create_update"
    middle = every[2]["timestamp"]
    later = events(http, pipeline, filter=f"timestamp > '{middle}' AND level in ('INFO', 'WARN')")
    assert len(later) == len([one for one in every if one["timestamp"] > middle])
    assert events(http, pipeline, filter=f"id='{every[1]['id']}'") == [every[1]]
    path = f"/api/2.0/pipelines/{pipeline}/events"
    for text, words in (
        ("event_type = 'update_progress'", "Operation '=' not allowed on 'event_type'"),
        ("level > 'INFO'", "Operation '>' not allowed on 'level'"),
        ("level = INFO", "expected a quoted value"),
        ("level = 'LOUD'", "is not a level"),
        ("level = 'INFO' OR level = 'WARN'", "joined with AND"),
        ("level = ", "ends too early"),
        ("timestamp > 'soon'", "is not a timestamp"),
        ("level in ('INFO'", "expected a list in parentheses"),
        ("level ~ 'INFO'", "could not parse"),
    ):
        reply = http.get(path, params={"filter": text})
        assert reply.status_code == 400, text
        assert reply.json()["error_code"] == "INVALID_PARAMETER_VALUE"
        assert words in reply.json()["message"]


def test_a_page_token_comes_alone_and_the_sdk_breaks_on_page_two(
    sim: Simulator, http: httpx.Client
) -> None:
    pipelines.declare(sim, "silver", Outcome())
    pipeline = make(sim)
    start(sim, pipeline)
    sim.clock.advance(61)
    every = events(http, pipeline)
    path = f"/api/2.0/pipelines/{pipeline}/events"
    first = http.get(path, params={"max_results": 2, "filter": "level='INFO'"}).json()
    token = first["next_page_token"]
    for extra, word in (
        ({"filter": "level='INFO'"}, "a filter"),
        ({"order_by": "timestamp asc"}, "an ordering"),
    ):
        refused = http.get(path, params={"page_token": token, **extra})
        assert refused.status_code == 400
        assert refused.json()["message"] == (
            f"You can provide a page token or specify {word}, but not both."
        )
    collected = list(first["events"])
    while token:
        page = http.get(path, params={"page_token": token, "max_results": 2}).json()
        collected += page["events"]
        token = page.get("next_page_token")
    assert collected == every
    with pytest.raises(InvalidParameterValue, match="but not both"):
        list(
            client(sim).pipelines.list_pipeline_events(
                pipeline, filter="level='INFO'", max_results=2
            )
        )
    assert len(list(client(sim).pipelines.list_pipeline_events(pipeline, max_results=2))) == len(
        every
    )


def test_unknown_pipelines_and_updates_are_named_in_the_refusal(sim: Simulator) -> None:
    api = client(sim).pipelines
    with pytest.raises(NotFound, match=r"The specified pipeline nope was not found."):
        api.get("nope")
    pipeline = make(sim)
    with pytest.raises(NotFound, match=r"The specified update nope was not found."):
        api.get_update(pipeline, "nope")


def test_definitions_are_replaced_only_as_they_were_last_read(sim: Simulator) -> None:
    api = client(sim).pipelines
    pipeline = make(sim)
    modified = api.get(pipeline).last_modified
    api.update(pipeline, name="silver", catalog="main", expected_last_modified=modified)
    spec = api.get(pipeline).spec
    assert spec
    assert not spec.libraries
    with pytest.raises(ResourceConflict, match="was modified"):
        api.update(pipeline, name="silver", expected_last_modified=modified)
    with pytest.raises(ResourceConflict, match="'silver' is already used by another pipeline"):
        api.create(name="silver")
    with pytest.raises(
        InvalidParameterValue, match=r'target_schema_name "a.b" is not a valid name'
    ):
        api.create(name="odd", target="a.b")
    other = api.create(name="silver", allow_duplicate_names=True).pipeline_id or ""
    spec = api.get(other).spec
    assert spec
    assert spec.storage == f"dbfs:/pipelines/{other}"
    api.delete(other)
    with pytest.raises(NotFound):
        api.get(other)


def test_outcomes_can_be_declared_over_http_by_the_owner_only(
    sim: Simulator, http: httpx.Client
) -> None:
    body = {"pipeline": "silver", "outcomes": [{"result": "CANCELED", "seconds": 1}]}
    assert http.post("/__simulator/pipelines", json=body).status_code == 200
    pipeline = make(sim)
    update = start(sim, pipeline)
    sim.clock.advance(2)
    assert state(sim, pipeline, update) == "CANCELED"
    wrong = http.post("/__simulator/pipelines", json={"pipeline": "x", "outcomes": [{"a": 1}]})
    assert wrong.status_code == 400
    token = control.add_user(sim, "bo@example.com")
    http.headers["Authorization"] = f"Bearer {token}"
    assert http.post("/__simulator/pipelines", json=body).status_code == 403
    assert http.get(f"/api/2.0/pipelines/{pipeline}").status_code == 403


def test_updates_and_events_survive_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock()
    with Simulator(tmp_path, clock=clock) as first:
        pipelines.declare(first, "silver", Outcome(seconds=60))
        pipeline = make(first)
        update = start(first, pipeline)
        clock.advance(30)
        assert state(first, pipeline, update) == "RUNNING"
    clock.advance(40)
    with Simulator(tmp_path, clock=clock) as second:
        assert state(second, pipeline, update) == "COMPLETED"
        headers = {"Authorization": f"Bearer {second.token}"}
        with httpx.Client(base_url=second.url, headers=headers, trust_env=False) as http:
            assert len(events(http, pipeline)) == 6
