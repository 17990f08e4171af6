"""Clusters of the simulated AIDP workspace: their life by the clock, libraries, sessions."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aidp_jobs_stage import refused, signed

from agent.simulators.aidp import Options, Simulator, VirtualClock, clusters, computing

SPEC = {**clusters.SPEC, "displayName": "etl_cluster"}


@pytest.fixture
def below(sim: Simulator) -> Iterator[httpx.Client]:
    """Give a client whose paths are below the instance."""
    with signed(sim, instance=True) as client:
        yield client


def state(http: httpx.Client, key: str) -> str:
    return str(http.get(f"/clusters/{key}").json()["state"])


def test_the_named_cluster_is_active_at_once_and_the_default_compute_is_not_listed(
    sim: Simulator, http: httpx.Client, below: httpx.Client
) -> None:
    items = http.get("/clusters").json()["items"]
    assert [(i["key"], i["displayName"], i["state"]) for i in items] == [
        (sim.cluster_key, sim.cluster_name, "ACTIVE")
    ]
    default = below.get("/defaultCluster").json()
    assert (default["displayName"], default["state"]) == (computing.DEFAULT_NAME, "ACTIVE")
    found = clusters.by_key(sim, default["key"])
    assert found is not None
    assert computing.is_default(found)
    assert http.get("/clusters", params={"state": "STOPPED"}).json()["items"] == []
    assert http.get("/clusters", params={"type": "AI_COMPUTE"}).json()["items"] == []


def test_an_action_wants_a_body_and_a_second_start_is_refused(
    sim: Simulator, http: httpx.Client, below: httpx.Client
) -> None:
    actions = f"/clusters/{sim.cluster_key}/actions"
    assert refused(http.post(f"{actions}/stop")) == "The request body must not be null"
    assert http.post(f"{actions}/stop", json={}).status_code == 202
    assert state(http, sim.cluster_key) == "STOPPED"
    answer = http.post(f"{actions}/start", json={})
    assert (answer.status_code, answer.json()["state"]) == (202, "STARTING")
    operation = f"/asyncOperations/{answer.headers['aidp-async-operation-key']}"
    assert below.get(operation).json()["status"] == "IN_PROGRESS"
    assert refused(http.post(f"{actions}/start", json={}), 409, "Conflict")
    sim.advance(sim.options.cluster_start_s)
    assert state(http, sim.cluster_key) == "ACTIVE"
    assert below.get(operation).json()["status"] == "SUCCEEDED"
    assert http.post(f"{actions}/restart", json={}).json()["state"] == "RESTARTING"
    assert refused(http.post(f"{actions}/explode", json={}), 404, "NotAuthorizedOrNotFound")


def test_a_cluster_is_made_changed_and_deleted(sim: Simulator, http: httpx.Client) -> None:
    answer = http.post("/clusters", json=SPEC)
    assert (answer.status_code, answer.json()["state"]) == (202, "CREATING")
    where = f"/clusters/{answer.json()['key']}"
    sim.advance(60)
    assert http.get(where).json()["state"] == "ACTIVE"
    code = "NotAuthorizedOrResourceAlreadyExists"
    assert refused(http.post("/clusters", json=SPEC), 409, code)
    changed = {**SPEC, "autoTerminationMinutes": 30}
    stale = http.put(where, json=changed, headers={"if-match": "stale"})
    assert refused(stale, 412, "NoEtagMatch")
    assert http.put(where, json=changed).status_code == 202
    found = http.get(where).json()
    assert (found["autoTerminationMinutes"], found["state"]) == (30, "ACTIVE")
    assert http.delete(where).status_code == 202
    assert refused(http.get(where), 404, "NotAuthorizedOrNotFound")
    for wrong in ("etl-cluster", "a.b", ""):
        said = refused(http.post("/clusters", json={**SPEC, "displayName": wrong}))
        assert "except for underscore, slash" in said


def test_a_realistic_cluster_takes_minutes_and_a_session_waits_for_it(tmp_path: Path) -> None:
    options = Options(realistic=True)
    with (
        Simulator(tmp_path / "slow", clock=VirtualClock(), options=options) as sim,
        signed(sim) as http,
    ):
        key = sim.cluster_key
        assert state(http, key) == "CREATING"
        sim.advance(computing.STARTS_S[1])
        assert state(http, key) == "ACTIVE"
        http.post(f"/clusters/{key}/actions/stop", json={})
        assert state(http, key) == "STOPPING"
        sim.advance(60)
        http.post(f"/clusters/{key}/actions/start", json={})
        sim.advance(computing.STARTS_S[0] - 1)
        assert state(http, key) == "STARTING"
        wanted = {"path": "Shared/x.ipynb", "type": "notebook", "cluster_id": key}
        answer = http.post("/notebook/api/sessions", json=wanted)
        assert "execution_context" in refused(answer, 404, "NotAuthorizedOrNotFound")
        sim.advance(computing.STARTS_S[1])
        session = http.post("/notebook/api/sessions", json=wanted).json()
        assert (session["kernel"], session["lifecycleState"]) == (None, "CREATING")
        sim.advance(180)
        where = f"/notebook/api/sessions/{session['id']}"
        assert http.get(where).json()["kernel"]["execution_state"] == "idle"
        assert http.patch(where, json={"name": "y"}).json()["name"] == "y"
        assert http.delete(where).status_code == 204
        assert http.get("/notebook/api/sessions").json()["items"] == []


def test_a_test_can_stop_fail_and_start_a_cluster(sim: Simulator, http: httpx.Client) -> None:
    clusters.stop(sim, sim.cluster_key)
    assert state(http, sim.cluster_key) == "STOPPED"
    computing.put_in(sim, sim.cluster_key, "FAILED", "Out of capacity")
    assert http.get(f"/clusters/{sim.cluster_key}").json()["stateDetails"] == "Out of capacity"
    clusters.start(sim, sim.cluster_key)
    sim.advance(5)
    found = clusters.by_name(sim, sim.cluster_name)
    assert found is not None
    assert clusters.state(sim, found) == "ACTIVE"


def test_operations_are_listed_by_status_or_type_and_cancelled_while_they_run(
    sim: Simulator, below: httpx.Client
) -> None:
    said = refused(below.get("/asyncOperations"), 400, "MissingParameter")
    assert said == "ResourceType or Status filter need to be specified"
    with signed(sim, "LA") as old:
        answer = old.post("/clusters", json=SPEC)
    key = answer.headers["datalake-async-operation-key"]
    items = below.get("/asyncOperations", params={"resourceType": "CLUSTER"}).json()["items"]
    assert [(i["key"], i["actionType"], i["status"]) for i in items] == [
        (key, "CREATE_CLUSTER", "IN_PROGRESS")
    ]
    assert below.post(f"/asyncOperations/{key}/actions/cancel", json={}).status_code == 202
    assert below.get(f"/asyncOperations/{key}").json()["status"] == "CANCELED"
    again = below.post(f"/asyncOperations/{key}/actions/cancel", json={})
    assert refused(again, 409, "IncorrectState")
    with signed(sim, "LA", instance=True) as old:
        assert len(old.get("/clusters").json()["items"]) == 2
    assert refused(below.get("/clusters"), 404, "NotAuthorizedOrNotFound")


def test_libraries_are_installed_and_taken_off_by_one_patch(
    sim: Simulator, http: httpx.Client
) -> None:
    where = f"/clusters/{sim.cluster_key}/libraries"
    package = {"type": "PYPI", "pythonPackage": "pandas==2.2.0"}
    answer = http.patch(where, json={"items": [{"operation": "INSTALL", **package}]})
    assert answer.status_code == 202
    items = http.get(where).json()["items"]
    assert [(i["pythonPackage"], i["status"]) for i in items] == [("pandas==2.2.0", "INSTALLED")]
    http.patch(where, json={"items": [{"operation": "UNINSTALL", **package}]})
    assert http.get(where).json()["items"] == []
    assert refused(http.patch(where, json={"items": [{"operation": "INSTALL"}]}))


def test_permissions_and_replicas_of_a_cluster_answer(sim: Simulator, http: httpx.Client) -> None:
    where = f"/clusters/{sim.cluster_key}"
    team = {"assignees": {"type": "ROLE", "targets": ["r"]}, "permissions": ["USE"]}
    body = {"assignClusterPermissionDetails": team}
    assert http.post(f"{where}/actions/managePermission", json=body).status_code == 200
    grants = http.get(f"{where}/permissions").json()["items"]
    assert [g["granteePermissions"] for g in grants] == [["ADMIN"], ["USE"]]
    answer = http.post(f"{where}/actions/queryReplicaIds", json={})
    assert answer.json() == {"replicaIds": []}
