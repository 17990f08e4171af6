"""Clusters of the simulated workspace, driven by databricks-sdk."""

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceDoesNotExist
from databricks.sdk.service.compute import (
    EventType,
    GetEventsOrder,
    Library,
    LibraryInstallStatus,
    ListClustersFilterBy,
    PythonPyPiLibrary,
    State,
    TerminationReasonCode,
)

from agent.simulators.databricks import Options, Simulator, clusters, computing, dbfs, libraries

SPARK = "16.4.x-scala2.12"


def created(sdk: WorkspaceClient, **more: object) -> str:
    spec = {"spark_version": SPARK, "cluster_name": "etl", "num_workers": 2, **more}
    made = sdk.api_client.do("POST", "/api/2.1/clusters/create", body=spec)
    assert isinstance(made, dict)
    return str(made["cluster_id"])


def test_compute_is_ready_at_once(sdk: WorkspaceClient) -> None:
    made = sdk.clusters.create(spark_version=SPARK, cluster_name="etl", num_workers=1).result()
    assert made.state == State.RUNNING
    assert made.cluster_name == "etl"
    stopped = sdk.clusters.delete(made.cluster_id or "").result()
    assert stopped.state == State.TERMINATED
    reason = stopped.termination_reason
    assert reason is not None
    assert reason.code == TerminationReasonCode.USER_REQUEST
    assert sdk.clusters.start(made.cluster_id or "").result().state == State.RUNNING
    sdk.clusters.ensure_cluster_is_running(made.cluster_id or "")


def test_realistic_compute_takes_its_time_to_start_and_stop(
    sim: Simulator, sdk: WorkspaceClient
) -> None:
    sim.options = Options(realistic=True)
    number = created(sdk)
    assert sdk.clusters.get(number).state == State.PENDING
    with pytest.raises(BadRequest, match="unexpected state Pending"):
        sdk.clusters.restart(number)
    sim.clock.advance(computing.STARTS_S)
    assert sdk.clusters.get(number).state == State.RUNNING
    sdk.clusters.delete(number)
    assert sdk.clusters.get(number).state == State.TERMINATING
    sim.clock.advance(computing.STOPS_S)
    assert sdk.clusters.get(number).state == State.TERMINATED


def test_a_start_that_is_stopped_never_runs(sim: Simulator, sdk: WorkspaceClient) -> None:
    sim.options = Options(realistic=True)
    number = created(sdk)
    sdk.clusters.delete(number)
    sim.clock.advance(computing.STARTS_S * 2)
    assert sdk.clusters.get(number).state == State.TERMINATED
    assert EventType.RUNNING not in [one.type for one in sdk.clusters.events(number)]


def test_an_unknown_cluster_is_told_in_both_ways(sim: Simulator, sdk: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="Cluster 0101-000000-x does not exist"):
        sdk.clusters.get("0101-000000-x")
    sim.options = Options(unknown_id_status=400)
    with pytest.raises(ResourceDoesNotExist):
        sdk.clusters.get("0101-000000-x")


def test_a_lost_spot_instance_shows_in_state_and_events(
    sim: Simulator, sdk: WorkspaceClient
) -> None:
    number = created(sdk)
    sim.clock.advance(60)
    computing.declare_event(sim, number, "NODES_LOST", {"instance_id": "i-1"})
    sim.clock.advance(1)
    said = {"databricks_error_message": "The spot instance was taken back."}
    computing.terminate(sim, number, "SPOT_INSTANCE_TERMINATION", "CLOUD_FAILURE", said)
    found = sdk.clusters.get(number)
    assert found.termination_reason is not None
    assert found.termination_reason.code == TerminationReasonCode.SPOT_INSTANCE_TERMINATION
    assert found.state_message == "The spot instance was taken back."
    events = list(sdk.clusters.events(number, order=GetEventsOrder.ASC))
    assert [one.type for one in events] == [
        EventType.CREATING,
        EventType.RUNNING,
        EventType.DRIVER_HEALTHY,
        EventType.NODES_LOST,
        EventType.TERMINATING,
    ]
    assert events[-1].details is not None
    assert events[-1].details.reason == found.termination_reason
    newest = next(iter(sdk.clusters.events(number)))
    assert newest.type == EventType.TERMINATING
    lost = list(sdk.clusters.events(number, event_types=[EventType.NODES_LOST]))
    assert len(lost) == 1


def test_events_come_in_pages_by_token_and_by_offset(
    sim: Simulator, sdk: WorkspaceClient, http: httpx.Client
) -> None:
    number = created(sdk)
    for at in range(120):
        computing.declare_event(sim, number, "AUTOSCALING_STATS_REPORT", {"n": at})
    assert len(list(sdk.clusters.events(number))) == 123
    assert len(list(sdk.clusters.events(number, limit=7))) == 123
    seen, token = 0, ""
    while True:
        body = {"cluster_id": number, "page_size": 50, "page_token": token}
        page = http.post("/api/2.1/clusters/events", json=body).json()
        seen += len(page["events"])
        token = page.get("next_page_token", "")
        if not token:
            break
    assert seen == 123


def test_clusters_are_listed_filtered_and_edited(sdk: WorkspaceClient) -> None:
    first, second = created(sdk), created(sdk, cluster_name="other")
    sdk.clusters.delete(first)
    assert {one.cluster_id for one in sdk.clusters.list()} == {first, second}
    running = ListClustersFilterBy(cluster_states=[State.RUNNING])
    assert [one.cluster_id for one in sdk.clusters.list(filter_by=running)] == [second]
    sdk.clusters.resize(second, num_workers=9)
    assert sdk.clusters.get(second).num_workers == 9
    sdk.clusters.edit(second, SPARK, cluster_name="edited", num_workers=1)
    found = sdk.clusters.get(second)
    assert (found.cluster_name, found.num_workers, found.state) == ("edited", 1, State.RUNNING)
    sdk.clusters.pin(second)
    sdk.clusters.change_owner(second, "ana@example.com")
    assert sdk.clusters.get(second).creator_user_name == "ana@example.com"
    sdk.clusters.permanent_delete(second)
    with pytest.raises(NotFound):
        sdk.clusters.get(second)


def test_a_specification_without_a_version_is_refused(http: httpx.Client) -> None:
    answer = http.post("/api/2.1/clusters/create", json={"num_workers": 1})
    assert "spark_version" in answer.json()["message"]


def test_what_clusters_can_be_made_of_is_listed(sdk: WorkspaceClient) -> None:
    assert (
        sdk.clusters.select_spark_version(long_term_support=True) == clusters.SPARK_VERSIONS[1][0]
    )
    assert sdk.clusters.select_node_type(min_memory_gb=16) == "i3.xlarge"
    assert sdk.clusters.list_zones().default_zone == "us-west-2a"


def test_libraries_are_installed_and_can_fail(sim: Simulator, sdk: WorkspaceClient) -> None:
    number = created(sdk)
    wanted = Library(pypi=PythonPyPiLibrary("numpy"))
    sdk.libraries.install(number, [wanted])
    found = list(sdk.libraries.cluster_status(number))
    assert [(one.library, one.status) for one in found] == [
        (wanted, LibraryInstallStatus.INSTALLED)
    ]
    libraries.fail(sim, number, {"pypi": {"package": "nopy"}}, "No matching distribution")
    failed = list(sdk.libraries.cluster_status(number))[-1]
    assert (failed.status, failed.messages) == (
        LibraryInstallStatus.FAILED,
        ["No matching distribution"],
    )
    sdk.libraries.uninstall(number, [wanted])
    states = [one.status for one in sdk.libraries.cluster_status(number)]
    assert states[0] == LibraryInstallStatus.UNINSTALL_ON_RESTART
    assert len(list(sdk.libraries.all_cluster_statuses())) == 1


def test_driver_logs_are_delivered_where_the_cluster_says(
    sim: Simulator, sdk: WorkspaceClient
) -> None:
    number = created(sdk, cluster_log_conf={"dbfs": {"destination": "dbfs:/logs/"}})
    path = clusters.write_log(sim, number, "stderr", "java.lang.OutOfMemoryError\n")
    assert path == f"dbfs:/logs/{number}/driver/stderr"
    assert dbfs.read(sim, path) == b"java.lang.OutOfMemoryError\n"
    assert clusters.write_log(sim, created(sdk), "stderr", "x") is None


def test_another_process_declares_what_befalls_a_cluster(
    sdk: WorkspaceClient, http: httpx.Client
) -> None:
    number = created(sdk)
    told = {
        "cluster_id": number,
        "event": {"type": "DRIVER_NOT_RESPONDING", "details": {"driver_state_message": "slow"}},
        "terminate": {"code": "DRIVER_UNREACHABLE", "type": "CLOUD_FAILURE"},
    }
    assert http.post("/__simulator/clusters", json=told).status_code == 200
    assert sdk.clusters.get(number).state == State.TERMINATED
    broken = {"cluster_id": number, "terminate": {"type": "CLOUD_FAILURE"}}
    assert "code" in http.post("/__simulator/clusters", json=broken).json()["message"]
