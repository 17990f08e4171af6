"""Jobs of the simulated AIDP workspace: what is taken, refused, kept, replaced and listed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aidp_jobs_stage import job, made, refused, signed, task

from agent.simulators.aidp import Options, Simulator, VirtualClock, jobs

READ_ONLY = {
    "key",
    "createdBy",
    "createdByName",
    "updatedBy",
    "updatedByName",
    "timeCreated",
    "timeUpdated",
}
CLUSTER = {"clusterKey": "k", "clusterName": "etl"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, httpx.Client]]:
    """Give a workspace that only refuses, so that one does for all refusals."""
    folder = tmp_path_factory.mktemp("strict")
    with Simulator(folder, clock=VirtualClock()) as sim, signed(sim) as http:
        yield sim, http


def with_options(tmp_path: Path, **options: Any) -> Simulator:
    return Simulator(tmp_path / "other", clock=VirtualClock(), options=Options(**options))


def test_a_job_is_created_in_two_steps_and_read_back_whole(
    sim: Simulator, http: httpx.Client
) -> None:
    answer = http.post("/jobs", json=job())
    key = answer.json()["key"]
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(f"{sim.below()}/jobs/{key}")
    assert answer.headers["opc-work-request-id"]
    whole = job(
        description="daily",
        tasks=[task(sim, "a"), task(sim, "b", "a", maxRetries=2)],
        parameters=[{"name": "run_date", "value": "2026-07-01"}],
        schedule={"quartzCronExpression": "0 0 6 * * ?", "timezoneId": "UTC"},
        queue={"isEnabled": False},
        jobClusters=[CLUSTER],
    )
    answer = http.put(f"/jobs/{key}", json=whole)
    assert answer.status_code == 202
    found = http.get(f"/jobs/{key}").json()
    assert found == answer.json()
    assert {k: v for k, v in found.items() if k not in READ_ONLY} == whole
    assert found["createdBy"] == sim.user_id
    assert found["timeCreated"].endswith("Z")


def test_all_six_types_of_tasks_are_kept_unharmed(sim: Simulator, http: httpx.Client) -> None:
    common = {"runIf": "ALL_DONE", "dependsOn": []}
    tasks = [
        task(sim, "notebook", isStreaming=True, timeoutSeconds=60),
        {**common, "type": "PYTHON_TASK", "taskKey": "py", "filePath": "/Workspace/a.py"}
        | {"cluster": CLUSTER, "commandLineArguments": "--date 2026-07-01"},
        {**common, "type": "JAR_TASK", "taskKey": "jar", "mainClass": "a.B", "cluster": CLUSTER}
        | {"dependentLibraries": ["/Workspace/a.jar"]},
        {**common, "type": "IF_ELSE_TASK", "taskKey": "gate", "condition": "A"}
        | {"expressions": [{"key": "A", "value": "1==1"}]},
        {**common, "type": "JOB_TASK", "taskKey": "child", "jobKey": "another"}
        | {"dependsOn": [{"taskKey": "gate", "outcome": "true"}]},
        {**common, "type": "AGENT_TASK", "taskKey": "ask", "agentKey": "x", "prompt": "why?"},
    ]
    key = made(http, tasks=tasks)["key"]
    assert http.get(f"/jobs/{key}").json()["tasks"] == tasks


@pytest.mark.parametrize("left_out", ["path", "maxConcurrentRuns"])
def test_a_bare_create_breaks_creating_for_a_while_and_updating_never(
    sim: Simulator, http: httpx.Client, left_out: str
) -> None:
    key = made(http)["key"]
    assert refused(http.post("/jobs", json=job("bare", **{left_out: None})), 500, "InternalError")
    assert refused(http.post("/jobs", json=job("good")), 500, "InternalError")
    assert http.put(f"/jobs/{key}", json=job()).status_code == 202
    sim.advance(sim.options.create_cooldown_s)
    assert http.post("/jobs", json=job("good")).status_code == 201
    assert [item["name"] for item in http.get("/jobs").json()["items"]] == ["good", "etl_daily.job"]


def test_an_update_replaces_the_whole_job(sim: Simulator, http: httpx.Client) -> None:
    key = made(http, tasks=[task(sim, "a")], timeoutSeconds=60)["key"]
    assert http.put(f"/jobs/{key}", json={"name": "bare"}).status_code == 202
    found = http.get(f"/jobs/{key}").json()
    assert set(found) == READ_ONLY | {"name"}
    assert refused(http.put(f"/jobs/{key}", json={"path": "/x"})) == "name must not be null"
    assert refused(http.put(f"/jobs/{key}", json={"displayName": "x"})) == "name must not be null"


def test_run_as_counts_in_an_update_only(http: httpx.Client) -> None:
    key = made(http, runAs="credential")["key"]
    assert "runAs" not in http.get(f"/jobs/{key}").json()
    http.put(f"/jobs/{key}", json=job(runAs="credential"))
    assert http.get(f"/jobs/{key}").json()["runAs"] == "credential"


def test_changing_run_as_needs_admin_on_the_job(sim: Simulator, http: httpx.Client) -> None:
    key = made(http)["key"]
    mine = {"assignees": {"type": "USER", "targets": [sim.user_id]}, "permissions": ["ADMIN"]}
    where = f"/jobs/{key}/actions/managePermission"
    assert http.post(where, json={"revokeJobPermissionDetails": mine}).status_code == 200
    assert refused(http.put(f"/jobs/{key}", json=job(runAs="x")), 404, "NotAuthorizedOrNotFound")
    assert http.put(f"/jobs/{key}", json=job(description="y")).status_code == 202


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": None, "displayName": "etl"}, "Invalid resource name"),
        ({"name": "1st"}, "Invalid resource name"),
        ({"name": "etl-daily"}, "Invalid resource name"),
        ({"path": "/Workspace//x"}, "empty node name @11"),
        ({"maxConcurrentRuns": 1001}, "maxConcurrentRuns must be less than or equal to 1000"),
        ({"description": "x" * 1025}, "description size"),
        ({"queue": {}}, "queue.isEnabled must not be null"),
        ({"parameters": [{"key": "a", "value": "b"}]}, "parameters[0].name must not be null"),
        ({"parameters": [{"name": "a b", "value": "b"}]}, "[A-Za-z0-9_.-]+"),
        ({"parameters": [{"name": "a", "value": 1}]}, "parameters[0].value must be a string"),
    ],
)
def test_a_wrong_job_is_refused_in_the_services_words(
    strict: tuple[Simulator, httpx.Client], fields: dict[str, Any], said: str
) -> None:
    _, http = strict
    assert said in refused(http.post("/jobs", json=job(**fields)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": None, "taskType": "NOTEBOOK_TASK"}, "Invalid Task type"),
        ({"type": "SPARK_SUBMIT_TASK"}, "Invalid Task type"),
        ({"cluster": None}, "tasks[0].cluster must not be null"),
        ({"runIf": None}, "tasks[0].runIf must not be null"),
        ({"runIf": "SOMETIMES"}, "tasks[0].runIf must be one of"),
        ({"taskKey": None}, "tasks[0].taskKey must not be null"),
        ({"notebookPath": None}, "tasks[0].notebookPath must not be null"),
        ({"notebookPath": "/Workspace/Shared/runmend//x.ipynb"}, "empty node name @26"),
        ({"maxRetries": 11}, "maxRetries must be less than or equal to 10"),
        ({"dependsOn": [{"taskKey": "nobody"}]}, "depends on unknown task 'nobody'"),
        ({"dependsOn": [{"taskKey": "a"}]}, "Cyclic dependency"),
        ({"dependsOn": [{}]}, "tasks[0].dependsOn[0].taskKey must not be null"),
    ],
)
def test_a_wrong_task_is_refused_in_the_services_words(
    strict: tuple[Simulator, httpx.Client], changes: dict[str, Any], said: str
) -> None:
    sim, http = strict
    wrong = {k: v for k, v in (task(sim, "a") | changes).items() if v is not None}
    assert said in refused(http.post("/jobs", json=job(tasks=[wrong])))


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("0 0 6 * * ?", "Europe/Berlin", None),
        ("0 0/30 * * * ? 2027", "UTC", None),
        ("0 0/15 * * * ?", "UTC", "at least 30 minutes apart"),
        ("0 0,50 0,23 * * ?", "UTC", "at least 30 minutes apart"),
        ("0 6 * * *", "UTC", "expected 6 or 7"),
        ("0 0 6 * * *", "UTC", "'?'"),
        ("0 0 6 * * ?", "Mars/Base", "Mars/Base"),
    ],
)
def test_a_schedule_is_quartz_and_not_too_often(
    strict: tuple[Simulator, httpx.Client], cron: str, zone: str, said: str | None
) -> None:
    _, http = strict
    schedule = {"quartzCronExpression": cron, "timezoneId": zone, "pauseStatus": "PAUSED"}
    answer = http.post("/jobs", json=job(f"at_{abs(hash(cron))}", schedule=schedule))
    if said is None:
        assert answer.status_code == 201, answer.text
    else:
        assert said in refused(answer)


def test_a_name_is_given_once_and_free_again_after_a_rename_or_a_delete(
    http: httpx.Client,
) -> None:
    key = made(http, name="one")["key"]
    other = made(http, name="two")["key"]
    assert "JOB_VALIDATE_0031" in refused(http.post("/jobs", json=job("one")), 409, "Conflict")
    assert refused(http.put(f"/jobs/{other}", json=job("one")), 409, "Conflict")
    assert http.put(f"/jobs/{key}", json=job("three")).status_code == 202
    assert http.put(f"/jobs/{other}", json=job("one")).status_code == 202
    answer = http.delete(f"/jobs/{other}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refused(http.get(f"/jobs/{other}"), 404, "NotAuthorizedOrNotFound")
    made(http, name="one")


def test_an_etag_guards_against_a_change_in_between(http: httpx.Client) -> None:
    answer = http.post("/jobs", json=job())
    where, old = f"/jobs/{answer.json()['key']}", answer.headers["etag"]
    assert http.get(where).headers["etag"] == old
    new = http.put(where, json=job(description="x"), headers={"if-match": old}).headers["etag"]
    stale = {"if-match": old}
    assert refused(http.put(where, json=job(), headers=stale), 412, "NoEtagMatch")
    assert refused(http.delete(where, headers=stale), 412, "NoEtagMatch")
    assert http.get(where).json()["description"] == "x"
    assert http.delete(where, headers={"if-match": new}).status_code == 204


def test_lists_have_summaries_filters_and_pages(sim: Simulator, http: httpx.Client) -> None:
    keys = jobs.load(sim, 230)
    made(http, name="etl.job", path="/Workspace/jobs", jobClusters=[CLUSTER])
    answer = http.get("/jobs")
    assert len(answer.json()["items"]) == 100
    assert answer.headers["opc-total-items"] == "231"
    assert not {"tasks", "parameters", "maxConcurrentRuns"} & set(answer.json()["items"][0])
    found, query = [], {"limit": "90", "sortBy": "displayName", "sortOrder": "DESC"}
    while True:
        answer = http.get("/jobs", params=query)
        found += [item["name"] for item in answer.json()["items"]]
        if (page := answer.headers.get("opc-next-page")) is None:
            break
        query["page"] = page
    assert (len(found), found[0]) == (231, "etl.job")
    assert found == sorted(found, reverse=True)
    one = http.get("/jobs", params={"displayName": "etl.job"}).json()["items"]
    assert [item["clusters"] for item in one] == [["k"]]
    assert http.get("/jobs", params={"path": "/Workspace/jobs"}).json()["items"] == one
    assert http.get("/jobs", params={"displayNameContains": "ETL"}).json()["items"] == one
    some = http.get("/jobs", params=[("jobKey", keys[3]), ("jobKey", keys[5])]).json()["items"]
    assert {item["key"] for item in some} == {keys[3], keys[5]}
    for wrong in ({"limit": 0}, {"limit": 1001}, {"sortBy": "startTime"}, {"page": "zz"}):
        assert refused(http.get("/jobs", params=wrong))


def test_permissions_are_given_taken_and_listed(sim: Simulator, http: httpx.Client) -> None:
    key = made(http)["key"]
    where = f"/jobs/{key}/actions/managePermission"
    team = {"assignees": {"type": "GROUP", "targets": ["team"]}, "permissions": ["USE", "READ"]}
    assert http.post(where, json={"assignJobPermissionDetails": team}).status_code == 200
    taken = {**team, "permissions": ["USE"]}
    assert http.post(where, json={"revokeJobPermissionDetails": taken}).status_code == 200
    items = http.get(f"/jobs/{key}/permissions").json()["items"]
    assert [(i["grantee"], i["granteePermissions"]) for i in items] == [
        (sim.user_id, ["ADMIN"]),
        ("team", ["READ"]),
    ]
    wrong = {"assignJobPermissionDetails": {**team, "permissions": ["OWN"]}}
    assert "permissions" in refused(http.post(where, json=wrong))
    assert refused(http.post(where, json={}))


def test_actions_and_lists_that_do_not_exist_are_not_found(http: httpx.Client) -> None:
    key = made(http)["key"]
    for answer in (
        http.post(f"/jobs/{key}/actions/run", json={}),
        http.get(f"/jobs/{key}/jobRuns"),
    ):
        assert refused(answer, 404, "NotAuthorizedOrNotFound")


@pytest.mark.parametrize(("option", "bare"), [("kept", ["a"]), ("lost", []), ("refused", None)])
def test_bare_strings_in_depends_on_are_as_the_build_has_them(
    tmp_path: Path, option: str, bare: list[str] | None
) -> None:
    with with_options(tmp_path, bare_depends_on=option) as sim, signed(sim) as http:
        tasks = [task(sim, "a"), task(sim, "b", dependsOn=["a"])]
        answer = http.post("/jobs", json=job(tasks=tasks))
        if bare is None:
            assert refused(answer, 400, "CannotParseRequest")
        else:
            assert answer.json()["tasks"][1]["dependsOn"] == bare


def test_builds_differ_in_fields_etags_names_and_codes(tmp_path: Path) -> None:
    options = {"unknown_fields": "dropped", "etags": False, "hyphen_names": True}
    options |= {"update_status": 200, "duplicate_job_code": "NotAuthorizedOrResourceAlreadyExists"}
    with with_options(tmp_path, **options) as sim, signed(sim, "LA") as http:
        answer = http.post("/jobs", json=job("a-b", new=1, tasks=[task(sim, "t", other=2)]))
        assert "etag" not in answer.headers
        assert "new" not in answer.json()
        assert "other" not in answer.json()["tasks"][0]
        headers = {"if-match": "stale"}
        answer = http.put(f"/jobs/{answer.json()['key']}", json=job("a-b"), headers=headers)
        assert (answer.status_code, "etag" in answer.headers) == (200, False)
        code = "NotAuthorizedOrResourceAlreadyExists"
        assert refused(http.post("/jobs", json=job("a-b")), 409, code)


def test_unknown_fields_survive_where_the_build_keeps_them(
    sim: Simulator, http: httpx.Client
) -> None:
    found = made(http, new={"a": [1]}, tasks=[task(sim, "t", other=2)])
    assert found["new"] == {"a": [1]}
    assert found["tasks"][0]["other"] == 2
