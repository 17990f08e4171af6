"""What another user than the owner may do, and what the refusals say."""

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.iam import AccessControlRequest, PermissionLevel

from agent.simulators.databricks import Simulator, files, outcomes
from agent.simulators.databricks.control import add_user
from agent.simulators.databricks.wire import ApiError

ANA = "ana@example.com"


def as_ana(sim: Simulator, **grants: str) -> dict[str, str]:
    token = add_user(sim, ANA, {k.replace("__", "/"): v for k, v in grants.items()})
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("level", "path", "allowed"),
    [
        (None, "GET /api/2.2/jobs/get?job_id=7", False),
        ("CAN_VIEW", "GET /api/2.1/jobs/get?job_id=7", True),
        ("CAN_VIEW", "POST /api/2.2/jobs/run-now", False),
        ("CAN_MANAGE_RUN", "POST /api/2.2/jobs/run-now", True),
        ("CAN_MANAGE_RUN", "POST /api/2.2/jobs/reset", False),
        ("CAN_MANAGE_RUN", "POST /api/2.2/jobs/delete", False),
        ("CAN_MANAGE", "POST /api/2.2/jobs/update", True),
        ("CAN_MANAGE_RUN", "PUT /api/2.0/permissions/jobs/7", False),
    ],
)
def test_a_level_allows_what_it_says(
    sim: Simulator, http: httpx.Client, level: str | None, path: str, allowed: bool
) -> None:
    headers = as_ana(sim, **({"jobs__7": level} if level else {}))
    method, _, target = path.partition(" ")
    answer = http.request(method, target, headers=headers, json={"job_id": "7"})
    assert (answer.status_code == 403) is not allowed
    if not allowed:
        message = answer.json()["message"]
        assert message.startswith(f"User {ANA} does not have ")
        assert message.endswith("permissions on job 7")


def test_permission_is_checked_before_existence(sim: Simulator, http: httpx.Client) -> None:
    answer = http.get("/api/2.2/jobs/get?job_id=12345", headers=as_ana(sim))
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert answer.json()["message"] == (
        f"User {ANA} does not have View or Admin or Manage Run or Owner permissions on job 12345"
    )


def test_a_run_is_as_open_as_its_job(sim: Simulator, http: httpx.Client) -> None:
    outcomes.declare(sim, "t", outcomes.Outcome())
    entry = {"user_name": ANA, "permission_level": "CAN_VIEW"}
    task = {"task_key": "t", "notebook_task": {"notebook_path": "/Shared/n"}}
    body = {"name": "etl", "tasks": [task], "access_control_list": [entry]}
    job = http.post("/api/2.2/jobs/create", json=body).json()["job_id"]
    run = http.post("/api/2.2/jobs/run-now", json={"job_id": job}).json()["run_id"]
    sim.clock.advance(61)
    headers = as_ana(sim)
    got = http.get(f"/api/2.2/jobs/runs/get?run_id={run}", headers=headers).json()
    part = got["tasks"][0]["run_id"]
    output = http.get(f"/api/2.2/jobs/runs/get-output?run_id={part}", headers=headers)
    assert output.status_code == 200
    repair = {"run_id": run, "rerun_tasks": ["t"]}
    refused = http.post("/api/2.2/jobs/runs/repair", json=repair, headers=headers)
    assert refused.status_code == 403
    assert refused.json()["message"].endswith(f"permissions on job {job}")


def test_a_submitted_run_is_its_submitter_s(sim: Simulator, http: httpx.Client) -> None:
    outcomes.declare(sim, "t", outcomes.Outcome())
    task = {"task_key": "t", "notebook_task": {"notebook_path": "/Shared/n"}}
    headers = as_ana(sim)
    path, body = "/api/2.2/jobs/runs/submit", {"tasks": [task], "idempotency_token": "once"}
    run = http.post(path, json=body, headers=headers).json()["run_id"]
    assert http.post(path, json=body, headers=headers).json()["run_id"] == run
    query = f"/api/2.2/jobs/runs/get?run_id={run}"
    assert http.get(query, headers=headers).status_code == 200
    bob = {"Authorization": f"Bearer {add_user(sim, 'bob@example.com')}"}
    assert http.get(query, headers=bob).status_code == 403


def test_files_of_others_are_closed_and_one_s_own_are_open(
    sim: Simulator, http: httpx.Client
) -> None:
    files.make_folder(sim, f"/Users/{sim.user}/project/src")
    files.make_folder(sim, f"/Users/{ANA}")
    headers = as_ana(sim)
    status = "/api/2.0/workspace/get-status?path="
    mkdirs = "/api/2.0/workspace/mkdirs"
    closed = http.get(f"{status}/Users/{sim.user}/project", headers=headers)
    assert closed.status_code == 403
    headers = as_ana(sim, **{f"/Users/{sim.user}/project": "CAN_READ"})
    inside = f"/Users/{sim.user}/project/src"
    assert http.get(status + inside, headers=headers).status_code == 200
    assert http.post(mkdirs, json={"path": inside + "/x"}, headers=headers).status_code == 403
    for path in (f"/Workspace/Users/{ANA}/x", "/Shared/x"):
        assert http.post(mkdirs, json={"path": path}, headers=headers).status_code == 200


def test_the_sdk_reads_and_changes_permissions(sim: Simulator, sdk: WorkspaceClient) -> None:
    ana = AccessControlRequest(user_name=ANA, permission_level=PermissionLevel.CAN_VIEW)
    sdk.permissions.update("jobs", "7", access_control_list=[ana])
    bob = AccessControlRequest(group_name="bobs", permission_level=PermissionLevel.CAN_MANAGE_RUN)
    found = sdk.permissions.update("jobs", "7", access_control_list=[bob])
    held = {
        one.user_name or one.group_name: one.all_permissions[0].permission_level
        for one in found.access_control_list or []
        if one.all_permissions
    }
    assert held == {
        sim.user: PermissionLevel.IS_OWNER,
        ANA: PermissionLevel.CAN_VIEW,
        "bobs": PermissionLevel.CAN_MANAGE_RUN,
        "admins": PermissionLevel.CAN_MANAGE,
    }
    only = sdk.permissions.set("jobs", "7", access_control_list=[bob])
    assert ANA not in [one.user_name for one in only.access_control_list or []]
    levels = sdk.permissions.get_permission_levels("jobs", "7").permission_levels or []
    assert PermissionLevel.IS_OWNER in [one.permission_level for one in levels]


def test_warehouses_are_reached_by_both_paths(http: httpx.Client) -> None:
    entry = {"user_name": ANA, "permission_level": "CAN_USE"}
    path = "/api/2.0/permissions/sql/warehouses/abc"
    assert http.put(path, json={"access_control_list": [entry]}).status_code == 200
    found = http.get("/api/2.0/permissions/warehouses/abc").json()
    assert found["object_id"] == "/sql/warehouses/abc"
    assert ANA in [one.get("user_name") for one in found["access_control_list"]]


def test_wrong_entries_are_refused(http: httpx.Client, sim: Simulator) -> None:
    path = "/api/2.0/permissions/jobs/7"
    for entry, word in (
        ({"user_name": ANA, "permission_level": "CAN_DANCE"}, "CAN_DANCE"),
        ({"permission_level": "CAN_VIEW"}, "user_name"),
        ("ana", "user_name"),
    ):
        answer = http.put(path, json={"access_control_list": [entry]})
        assert answer.status_code == 400
        assert word in answer.json()["message"]
    owners = [{"user_name": one, "permission_level": "IS_OWNER"} for one in (ANA, sim.user)]
    answer = http.put(path, json={"access_control_list": owners})
    assert "exactly one owner" in answer.json()["message"]
    assert http.get("/api/2.0/permissions/spoons/7").status_code == 400
    with pytest.raises(ApiError, match="spoons"):
        add_user(sim, ANA, {"spoons/7": "CAN_READ"})


def test_who_creates_a_cluster_owns_it(sim: Simulator, http: httpx.Client) -> None:
    headers = as_ana(sim)
    spec = {"spark_version": "16.4.x-scala2.12", "num_workers": 1}
    made = http.post("/api/2.1/clusters/create", json=spec, headers=headers).json()
    query = f"/api/2.1/clusters/get?cluster_id={made['cluster_id']}"
    assert http.get(query, headers=headers).json()["creator_user_name"] == ANA
    other = http.post("/api/2.1/clusters/create", json=spec).json()["cluster_id"]
    assert http.get(f"/api/2.1/clusters/get?cluster_id={other}", headers=headers).status_code == 403
