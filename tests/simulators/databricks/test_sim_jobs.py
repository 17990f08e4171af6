"""Jobs of the simulated workspace: what is kept, shown, refused, merged and paged."""

from typing import Any

import httpx
import pytest
from databricks.sdk.errors import NotFound
from databricks.sdk.service import jobs as api
from sim_runs_stage import create, refused, task
from sim_sdk import client

from agent.simulators.databricks import Options, Simulator, VirtualClock


def settings_of(http: httpx.Client, job_id: int) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/2.2/jobs/get", params={"job_id": job_id}).json()
    return dict(found["settings"])


def test_a_job_shows_the_defaults_that_the_service_fills_in(http: httpx.Client) -> None:
    job_id = create(http, task("b"), task("c", "b"), task("a", "c", "b"))
    found = settings_of(http, job_id)
    assert found["format"] == "MULTI_TASK"
    assert (found["timeout_seconds"], found["max_concurrent_runs"]) == (0, 1)
    assert found["email_notifications"] == found["webhook_notifications"] == {}
    last = found["tasks"][-1]
    assert last["run_if"] == "ALL_SUCCESS"
    assert last["notebook_task"]["source"] == "WORKSPACE"
    assert [need["task_key"] for need in last["depends_on"]] == ["b", "c"]


def test_jobs_of_the_newest_version_queue_their_runs_and_older_ones_do_not(
    http: httpx.Client,
) -> None:
    assert settings_of(http, create(http, task("a")))["queue"] == {"enabled": True}
    answer = http.post("/api/2.1/jobs/create", json={"name": "old", "tasks": [task("a")]})
    assert "queue" not in settings_of(http, answer.json()["job_id"])


def test_a_job_without_tasks_is_taken_and_its_id_may_be_text(http: httpx.Client) -> None:
    job_id = http.post("/api/2.2/jobs/create", json={"name": "empty"}).json()["job_id"]
    assert "tasks" not in settings_of(http, job_id)
    answer = http.post("/api/2.2/jobs/delete", json={"job_id": str(job_id)})
    assert answer.json() == {}
    assert refused(http.get("/api/2.2/jobs/get", params={"job_id": job_id}), 404) == (
        f"Job {job_id} does not exist."
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tasks": [task("a"), task("a")]}, "Duplicate task_key 'a'"),
        ({"tasks": [task("a", "nobody")]}, "depends on task 'nobody' that does not exist"),
        ({"tasks": [task("a", "b"), task("b", "a")]}, "cycle"),
        ({"tasks": [{"notebook_task": {"notebook_path": "/x"}}]}, "tasks.task_key"),
        ({"tasks": [{"task_key": "a b"}]}, "alphanumeric"),
        ({"tasks": [task("a", run_if="SOMETIMES")]}, "run_if"),
        ({"tasks": [task("a", sql_task={"warehouse_id": "w"})]}, "more than one type"),
        ({"tasks": [{"task_key": "a", "notebook_task": {}}]}, "notebook_path"),
        ({"tasks": [task("a", job_cluster_key="none")]}, "job_cluster_key 'none'"),
        ({"git_source": {"git_url": "https://x"}}, "git_source.git_provider must be one of"),
        ({"max_concurrent_runs": 5000}, "max_concurrent_runs"),
        ({"tasks": "a"}, "array"),
    ],
)
def test_wrong_settings_are_refused_with_a_reason(
    http: httpx.Client, settings: dict[str, Any], said: str
) -> None:
    answer = http.post("/api/2.2/jobs/create", json=settings)
    assert said in refused(answer)
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_update_merges_arrays_by_key_and_removes_named_fields(http: httpx.Client) -> None:
    job_id = create(http, task("a"), task("b"), schedule={"quartz_cron_expression": "0 0 * * * ?"})
    new = {"tasks": [task("b", max_retries=2), task("c")], "description": "new"}
    body = {
        "job_id": job_id,
        "new_settings": new,
        "fields_to_remove": ["schedule", "tasks/a"],
    }
    assert http.post("/api/2.2/jobs/update", json=body).json() == {}
    found = settings_of(http, job_id)
    assert [item["task_key"] for item in found["tasks"]] == ["b", "c"]
    assert found["tasks"][0]["max_retries"] == 2
    assert found["description"] == "new"
    assert "schedule" not in found


def test_reset_replaces_everything_but_who_the_job_runs_as(http: httpx.Client) -> None:
    someone = {"user_name": "someone@example.com"}
    job_id = create(http, task("a"), run_as=someone, tags={"team": "x"})
    new = {"name": "fresh", "tasks": [task("z")]}
    http.post("/api/2.2/jobs/reset", json={"job_id": job_id, "new_settings": new})
    found = settings_of(http, job_id)
    assert found["name"] == "fresh"
    assert "tags" not in found
    assert found["run_as"] == someone


def test_the_sdk_joins_the_pages_of_a_job_with_many_tasks(sim: Simulator) -> None:
    tasks = [api.Task(task_key=f"t{n}") for n in range(230)]
    workspace = client(sim)
    job_id = workspace.jobs.create(name="wide", tasks=tasks).job_id
    assert job_id is not None
    found = workspace.jobs.get(job_id)
    assert found.settings is not None
    assert [t.task_key for t in found.settings.tasks or ()] == [t.task_key for t in tasks]
    pages = [call.query.get("page_token") for call in sim.calls if call.path.endswith("/jobs/get")]
    assert len(pages) == 3
    with pytest.raises(NotFound):
        workspace.jobs.get(1)


def test_the_list_is_paged_newest_first_and_filtered_by_name(
    sim: Simulator, http: httpx.Client
) -> None:
    ids = [create(http, task("a"), name=f"job {n}") for n in range(45)]
    first = http.get("/api/2.2/jobs/list", params={"page_token": ""}).json()
    assert (len(first["jobs"]), first["has_more"]) == (20, True)
    assert "tasks" not in first["jobs"][0]["settings"]
    workspace = client(sim)
    assert [job.job_id for job in workspace.jobs.list(limit=10)] == ids[::-1]
    assert [job.job_id for job in workspace.jobs.list(name="JOB 7")] == [ids[7]]
    assert "limit" in refused(http.get("/api/2.2/jobs/list", params={"limit": 101}))
    assert "page token" in refused(http.get("/api/2.2/jobs/list", params={"page_token": "zz"}))


def test_an_unknown_job_can_be_answered_with_400_as_it_has_been(tmp_path: Any) -> None:
    options = Options(unknown_id_status=400)
    with Simulator(tmp_path / "w", clock=VirtualClock(), options=options) as sim:
        answer = httpx.get(
            f"{sim.url}/api/2.2/jobs/get",
            params={"job_id": 5},
            headers={"Authorization": f"Bearer {sim.token}"},
        )
        assert refused(answer) == "Job 5 does not exist."
        with pytest.raises(NotFound):
            client(sim).jobs.get(5)
