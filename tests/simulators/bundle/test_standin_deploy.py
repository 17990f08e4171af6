"""What the stand-in does to a workspace, and how it says so."""

import json
from typing import Any

import httpx
import pytest
from standin_stage import JOB, MAIN, NOTEBOOK, ROOT, Stage

from agent.simulators.databricks import lakehouse, warehouses

PIPELINE = """\
resources:
  pipelines:
    silver:
      name: silver
      catalog: dev
      libraries: [{notebook: {path: ../src/merge.py}}]
"""


def written(stage: Stage, name: str) -> dict[str, Any]:
    """Return a file of the state as the last deployment wrote it."""
    last = stage.sent("POST", f"/state/{name}")[-1]
    return dict(last if isinstance(last, dict) else json.loads(last))


def state_of(stage: Stage) -> dict[str, dict[str, object]]:
    """Return the resources of the state as the last deployment wrote it."""
    return dict(written(stage, "resources.json")["state"])


def test_a_first_deployment_creates_what_the_bundle_has(stage: Stage) -> None:
    said = stage.deployed()
    assert said.err.splitlines() == [
        f"Uploading bundle files to {ROOT}/files...",
        "Created jobs.gold",
        "Files: 3 uploaded, 0 deleted",
        "Resources: 1 created, 0 changed, 0 deleted, 0 unchanged",
    ]
    (settings,) = stage.sent("POST", "/api/2.2/jobs/create")
    assert settings["name"] == "gold merge"
    assert settings["tasks"][0]["notebook_task"]["notebook_path"] == f"{ROOT}/files/src/merge"
    entry = state_of(stage)["resources.jobs.gold"]
    assert entry["state"] == settings
    deployment = written(stage, "deployment.json")
    assert deployment["version"] == 1
    assert {"local_path": "src/merge.py", "is_notebook": True} in deployment["files"]


def test_the_notebook_lies_in_the_workspace_without_its_extension(stage: Stage) -> None:
    stage.deployed()
    token = {"Authorization": f"Bearer {stage.sim.token}"}
    with httpx.Client(base_url=stage.sim.url, headers=token, trust_env=False) as client:
        asked = {"path": f"{ROOT}/files/src/merge"}
        reply = client.get("/api/2.0/workspace/get-status", params=asked)
    assert reply.json()["object_type"] == "NOTEBOOK"


def test_the_lock_is_taken_and_given_back(stage: Stage) -> None:
    stage.deployed()
    stage.deployed()
    locks = stage.sent("POST", "/state/deploy.lock")
    assert len(locks) == 3  # the first time, its folder was missing
    deleted = [body["path"] for body in stage.sent("POST", "/api/2.0/workspace/delete")]
    assert deleted == [f"{ROOT}/state/deploy.lock"] * 2


def test_a_lock_of_somebody_else_stops_the_deployment(stage: Stage) -> None:
    stage.deployed()
    stage.sim.faults.add("POST */workspace/delete", "500")
    assert stage.bundle("deploy").code == 1  # its lock is left behind
    said = stage.bundle("deploy")
    assert said.code == 1
    assert said.err.startswith("Error: deploy lock acquired by rehearsal@example.com at ")
    assert "Another deployment may be in progress. Use --force-lock to override" in said.err
    stage.deployed("--force-lock")
    stage.deployed()


def test_nothing_new_changes_nothing(stage: Stage) -> None:
    stage.deployed()
    before = len(stage.sim.calls)
    said = stage.deployed()
    assert said.err.endswith("Resources: 0 created, 0 changed, 0 deleted, 1 unchanged\n")
    since = [(c.method, c.path) for c in stage.sim.calls[before:]]
    assert ("GET", "/api/2.2/jobs/get") in since
    assert ("POST", "/api/2.2/jobs/reset") not in since
    assert not any("/files/" in path for _, path in since)


def test_a_changed_file_alone_is_uploaded_and_a_lost_one_deleted(stage: Stage) -> None:
    stage.write("src/extra.py", "print(1)\n")
    stage.deployed()
    stage.write("src/merge.py", NOTEBOOK + "print(2)\n")
    (stage.folder / "src/extra.py").unlink()
    said = stage.deployed()
    assert "Files: 1 uploaded, 1 deleted\n" in said.err
    assert f"{ROOT}/files/src/extra.py" in [
        body["path"] for body in stage.sent("POST", "/api/2.0/workspace/delete")
    ]


def test_what_git_ignores_stays_here_unless_it_is_included(stage: Stage) -> None:
    stage.write(".gitignore", "*.log\ndist/\n")
    stage.write("src/.gitignore", "!kept.log\n")
    for name in ("a.log", "src/kept.log", "dist/wheel.whl", "notes.txt", "data/rows.csv"):
        stage.write(name, "x")
    stage.write("databricks.yml", MAIN + "sync: {include: [dist/*.whl], exclude: [notes.txt]}\n")
    stage.deployed()
    paths = [c.path.partition("/files/")[2] for c in stage.sim.calls if "/files/" in c.path]
    assert {"src/kept.log", "dist/wheel.whl", "data/rows.csv"} <= set(paths)
    assert not {"a.log", "notes.txt"} & set(paths)
    assert not any(path.startswith(".databricks") for path in paths)


def test_a_changed_job_is_reset_whole(stage: Stage) -> None:
    stage.deployed()
    stage.edit("resources/gold.yml", "gold merge", "gold merge 2")
    said = stage.deployed()
    assert "Updated jobs.gold\n" in said.err
    (reset,) = stage.sent("POST", "/api/2.2/jobs/reset")
    assert reset["new_settings"]["name"] == "gold merge 2"
    assert reset["new_settings"]["tasks"]


def test_what_somebody_changed_in_the_workspace_shows_in_the_plan(stage: Stage) -> None:
    stage.deployed()
    key = int(str(state_of(stage)["resources.jobs.gold"]["__id__"]))
    document = stage.sim.store.get("job", key)
    assert document is not None
    document["settings"]["name"] = "by hand"
    stage.sim.store.put("job", key, document)
    entry = stage.bundle("plan", "-o", "json").json["plan"]["resources.jobs.gold"]
    assert entry["action"] == "update"
    change = {"action": "update", "old": "gold merge", "new": "gold merge", "remote": "by hand"}
    assert entry["changes"]["name"] == change


def test_the_plan_says_what_would_happen(stage: Stage) -> None:
    said = stage.bundle("plan")
    assert said.out == (
        "create jobs.gold\n\nPlan: 1 to add, 0 to change, 0 to delete, 0 unchanged\n"
    )
    plan = stage.bundle("plan", "-o", "json").json
    assert (plan["plan_version"], plan["cli_version"]) == (2, "1.13.0")
    entry = plan["plan"]["resources.jobs.gold"]
    assert entry["action"] == "create"
    assert entry["new_state"]["value"]["name"] == "gold merge"
    stage.deployed()
    stage.write("resources/gold.yml", "resources: {}\n")
    plan = stage.bundle("plan", "-o", "json").json
    assert plan["plan"] == {"resources.jobs.gold": {"action": "delete"}}
    assert plan["serial"] == 1


def test_the_oldest_generation_plans_with_actions_alone(stage: Stage) -> None:
    plan = stage.bundle("plan", "-o", "json", RUNMEND_STANDIN_SPEAKS="0.278").json
    assert plan == {"plan": {"resources.jobs.gold": {"action": "create"}}}


def test_a_job_that_is_gone_from_the_bundle_is_deleted_unasked(stage: Stage) -> None:
    stage.deployed()
    stage.write("resources/gold.yml", "resources: {}\n")
    said = stage.deployed()
    assert "Deleted jobs.gold\n" in said.err
    assert len(stage.sent("POST", "/api/2.2/jobs/delete")) == 1


@pytest.mark.parametrize("how", ["recreate", "delete"])
def test_losing_a_pipeline_needs_approval(stage: Stage, how: str) -> None:
    stage.write("resources/silver.yml", PIPELINE)
    stage.deployed()
    if how == "recreate":
        stage.edit("resources/silver.yml", "catalog: dev", "catalog: prod")
    else:
        stage.write("resources/silver.yml", "resources: {}\n")
    entry = stage.bundle("plan", "-o", "json").json["plan"]["resources.pipelines.silver"]
    assert entry["action"] == how
    said = stage.bundle("deploy")
    assert said.code == 1
    assert f"  {how} resources.pipelines.silver\n" in said.err
    assert said.err.endswith(
        "Error: the deployment requires destructive actions, but the current console does not "
        "support prompting.\nDeleting data assets such as schemas, pipelines, or volumes may cause "
        "permanent data loss and should be carefully reviewed.\nTo proceed, use --auto-approve "
        "after reviewing the plan above.\n"
    )
    assert stage.sent("DELETE", "/api/2.0/pipelines/") == []
    stage.deployed("--auto-approve")
    assert len(stage.sent("DELETE", "/api/2.0/pipelines/")) == 1


def test_a_reference_to_another_resource_is_its_id(stage: Stage) -> None:
    stage.write("resources/silver.yml", PIPELINE)
    stage.edit(
        "resources/gold.yml",
        "          notebook_task:\n            notebook_path: ../src/merge.py\n"
        "            base_parameters:\n              catalog: ${var.catalog}\n",
        "          pipeline_task: {pipeline_id: '${resources.pipelines.silver.id}'}\n"
        "        - task_key: other\n"
        "          run_job_task: {job_id: '${resources.jobs.other.id}'}\n",
    )
    stage.write("resources/other.yml", JOB.replace("gold", "other"))
    stage.deployed()
    state = state_of(stage)
    sent = {body["name"]: body for body in stage.sent("POST", "/api/2.2/jobs/create")}
    tasks = sent["gold merge"]["tasks"]
    pipeline = state["resources.pipelines.silver"]["__id__"]
    assert tasks[0]["pipeline_task"] == {"pipeline_id": pipeline}
    other = state["resources.jobs.other"]["__id__"]
    assert tasks[1]["run_job_task"] == {"job_id": int(str(other))}
    assert "1 unchanged" not in stage.deployed().err


def test_a_reference_to_nothing_is_an_error(stage: Stage) -> None:
    stage.edit("resources/gold.yml", "${var.catalog}", "${resources.jobs.none.id}")
    said = stage.bundle("validate")
    assert "Error: reference does not exist: ${resources.jobs.none.id}" in said.err


def test_a_refused_resource_names_itself_and_leaves_the_others(stage: Stage) -> None:
    git = "git_source: {git_url: 'https://example.com/x', git_branch: main}"
    stage.write(
        "resources/bad.yml", JOB.replace("gold", "bad").replace("name:", f"{git}\n      name:")
    )
    stage.edit("resources/bad.yml", "../src/merge.py", "src/merge")
    said = stage.bundle("deploy")
    assert said.code == 1
    assert "Error: cannot create resources.jobs.bad: git_source.git_provider must be" in said.err
    assert "(400 INVALID_PARAMETER_VALUE)\n" in said.err
    assert "Created jobs.gold\n" in said.err
    assert list(state_of(stage)) == ["resources.jobs.gold"]


def test_permissions_are_put_with_an_owner(stage: Stage) -> None:
    group = "[{group_name: users, level: CAN_VIEW}]"
    stage.edit("resources/gold.yml", "      tasks:", f"      permissions: {group}\n      tasks:")
    stage.deployed()
    (body,) = stage.sent("PUT", "/api/2.0/permissions/jobs/")
    assert body["access_control_list"] == [
        {"group_name": "users", "permission_level": "CAN_VIEW"},
        {"permission_level": "IS_OWNER", "user_name": "rehearsal@example.com"},
    ]
    assert "permissions" not in stage.sent("POST", "/api/2.2/jobs/create")[0]
    stage.deployed()
    assert len(stage.sent("PUT", "/api/2.0/permissions/jobs/")) == 1


def test_older_generations_deploy_in_older_words(stage: Stage) -> None:
    said = stage.deployed(RUNMEND_STANDIN_SPEAKS="1.12")
    assert said.err.splitlines() == [
        f"Uploading bundle files to {ROOT}/files...",
        "Deploying resources...",
        "Updating deployment state...",
        "Deployment complete!",
    ]
    said = stage.bundle("destroy", "--auto-approve", RUNMEND_STANDIN_SPEAKS="1.12")
    assert said.err.endswith("Deleting files...\nDestroy complete!\n")


def test_quiet_leaves_the_counts_and_quieter_nothing(stage: Stage) -> None:
    said = stage.deployed("-q")
    assert said.err.startswith("Files: 3 uploaded")
    assert stage.deployed("-qq").err == ""


def test_destroying_needs_approval_and_takes_all(stage: Stage) -> None:
    assert stage.bundle("destroy").err == "No active deployment found to destroy!\n"
    stage.deployed()
    said = stage.bundle("destroy")
    assert said.code == 1
    assert "  delete resources.jobs.gold\n" in said.err
    where = f"All files and directories at the following location will be deleted: {ROOT}\n"
    assert where in said.err
    said = stage.bundle("destroy", "--auto-approve")
    assert (said.code, said.err.splitlines()[-1]) == (0, "Destroy: 1 deleted")
    assert stage.deployed().err.count("Created jobs.gold") == 1


def test_a_summary_has_names_and_addresses(stage: Stage) -> None:
    assert "      URL:  (not deployed)\n" in stage.bundle("summary").out
    stage.deployed()
    key = state_of(stage)["resources.jobs.gold"]["__id__"]
    url = f"{stage.sim.url}/jobs/{key}?o={stage.sim.workspace_id}"
    text = f"    gold:\n      Name: gold merge\n      URL:  {url}\n"
    assert text in stage.bundle("summary").out
    job = stage.bundle("summary", "-o", "json").json["resources"]["jobs"]["gold"]
    assert (job["id"], job["url"]) == (key, url)


def test_passing_faults_do_not_stop_a_deployment(stage: Stage) -> None:
    stage.sim.faults.add("POST */jobs/create", "429", seconds=0)
    stage.sim.faults.add("GET */scim/*", "drop_before")
    stage.deployed()
    assert "1 unchanged" in stage.deployed().err


def test_a_lost_reply_to_a_creation_makes_a_second_job(stage: Stage) -> None:
    stage.sim.faults.add("POST */jobs/create", "drop_after")
    stage.deployed()
    assert len(stage.sent("POST", "/api/2.2/jobs/create")) == 2
    assert len(stage.sim.store.items("job")) == 2


def test_what_it_cannot_deploy_is_said(stage: Stage) -> None:
    stage.write("resources/board.yml", "resources: {dashboards: {board: {display_name: b}}}\n")
    said = stage.deployed()
    assert "Warning: runmend's stand-in does not deploy dashboards" in said.err


def test_schemas_come_before_what_lies_in_them_and_need_approval_to_go(stage: Stage) -> None:
    stage.write(
        "resources/uc.yml",
        "resources:\n  schemas:\n    bronze:\n      name: bronze\n      catalog_name: main\n"
        "      grants: [{principal: users, privileges: [USE_SCHEMA]}]\n"
        "  volumes:\n    landing:\n      name: landing\n      catalog_name: main\n"
        "      schema_name: ${resources.schemas.bronze.name}\n      volume_type: MANAGED\n",
    )
    said = stage.deployed()
    assert said.err.index("Created schemas.bronze") < said.err.index("Created volumes.landing")
    assert "Warning: runmend's stand-in does not deploy grants; they are left out" in said.err
    state = state_of(stage)
    assert state["resources.volumes.landing"]["__id__"] == "main.bronze.landing"
    assert "3 unchanged" in stage.deployed().err
    stage.write("resources/uc.yml", "resources: {}\n")
    assert "  delete resources.schemas.bronze\n" in stage.bundle("deploy").err
    stage.deployed("--auto-approve")
    deleted = [c.path for c in stage.sim.calls if c.method == "DELETE"]
    assert [path.rpartition("/")[2] for path in deleted] == ["main.bronze.landing", "main.bronze"]


def test_monitors_and_alerts_are_made_and_changed(stage: Stage) -> None:
    with lakehouse.connect(stage.sim) as sql:
        sql.execute("CREATE TABLE lake_main.default.sales (id BIGINT)")
    stage.write(
        "resources/around.yml",
        "resources:\n  quality_monitors:\n    sales:\n      table_name: main.default.sales\n"
        "      assets_dir: /Workspace/Shared/monitors\n      output_schema_name: main.default\n"
        "      snapshot: {}\n"
        "  alerts:\n    late:\n      display_name: late\n      query_text: SELECT 1 AS n\n"
        f"      warehouse_id: {warehouses.default_id(stage.sim)}\n"
        "      evaluation: {comparison_operator: GREATER_THAN, source: {name: n},\n"
        "        threshold: {value: {double_value: 3}}}\n"
        "      schedule: {quartz_cron_schedule: 0 0 5 * * ?, timezone_id: UTC}\n",
    )
    stage.deployed()
    assert len(stage.sent("POST", "/tables/main.default.sales/monitor")) == 1
    stage.edit("resources/around.yml", "SELECT 1", "SELECT 2")
    assert "Updated alerts.late\n" in stage.deployed().err
    (call,) = [c for c in stage.sim.calls if c.method == "PATCH"]
    assert call.query == {"update_mask": "*"}
