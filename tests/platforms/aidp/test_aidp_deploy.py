"""A job file becomes a job of ours: made once, changed with care, its schedule last."""

import json
from typing import Any

import pytest
from aidp_deploy_stage import FILE, OWN, ROOT, Stage, notebook
from aidp_workspace import Workspace

from agent.errors import Refused, Unavailable, UsageError
from agent.platforms.aidp import payloads
from agent.records import Deployment

MARK = "managed by runmend: shop"
SCHEDULE = "schedule: {quartzCronExpression: 0 0 6 * * ?, timezoneId: UTC}\n"
_LOST = ("drop_before", "503_after", "500_after")
PRODUCTION: dict[str, Any] = {"production": None, "approve": {"mode": "approve"}}


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    made = Stage(workspace)
    made.usual()
    return made


def test_a_job_is_made_in_two_steps_with_its_files(stage: Stage) -> None:
    made = stage.deployed()
    assert stage.sent("POST", "/jobs") == [
        {"name": "nightly.job", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
    ]
    found = stage.job(made.job)
    assert found["description"] == f"Loads the shop.\n{MARK}"
    cluster = {"clusterKey": stage.sim.cluster_key, "clusterName": stage.sim.cluster_name}
    assert found["jobClusters"] == [cluster]
    load, report = found["tasks"]
    assert load["notebookPath"] == f"{ROOT}/src/load.ipynb"
    assert report["filePath"] == f"{ROOT}/src/report.py"
    assert load["cluster"] == report["cluster"] == cluster
    assert load["parameters"] == [{"name": "rate", "value": "2"}]
    assert stage.content(f"{ROOT}/src/tools.py") == b"RATE = 2\n"
    assert made.tasks == ("load", "report")
    assert made.kept


def test_the_same_key_deploys_once_and_what_is_as_wanted_is_not_sent_again(stage: Stage) -> None:
    first = stage.deployed()
    assert stage.deployed() == first
    again = stage.deployed("k2", first)
    assert again.job == first.job
    assert len(stage.sent("PUT", f"/jobs/{first.job}")) == 1
    assert len(stage.sent("POST", "/jobs")) == 1


def test_what_is_sent_lies_on_the_disk_before(stage: Stage) -> None:
    stage.write({"job.yaml": FILE.replace("value: 2", "value: password=hunter2-hunter2")})
    stage.deployed()
    names = [f.name for f in payloads.listed(stage.where.state, "case")]
    assert any(name.endswith("create-job-nightly.json") for name in names)
    [update] = [f for f in payloads.listed(stage.where.state, "case") if "update-job" in f.name]
    body = json.loads(update.read_text())
    assert body["tasks"][0]["taskKey"] == "load"
    assert "hunter2-hunter2" not in update.read_text()


def test_a_change_keeps_fields_nobody_here_knows_and_run_as(stage: Stage) -> None:
    made = stage.deployed()
    job = stage.job(made.job)
    job["tasks"][0]["computeProfile"] = {"size": 3}
    stage.put(made.job, tasks=job["tasks"], alerts=["FAILED"], runAs="key-of-a-credential")
    stage.write({"job.yaml": FILE.replace("value: 3", "value: 4")})
    assert [e.detail for e in stage.plan(made)] == []
    again = stage.deployed("k2", made)
    found = stage.job(again.job)
    assert found["parameters"] == [{"name": "day", "value": "4"}]
    assert found["tasks"][0]["computeProfile"] == {"size": 3}
    assert (found["alerts"], found["runAs"]) == (["FAILED"], "key-of-a-credential")


@pytest.mark.slow
def test_what_the_file_no_longer_says_goes(stage: Stage) -> None:
    stage.write({"job.yaml": FILE + "queue: {isEnabled: true}\ntimeoutSeconds: 60\n"})
    made = stage.deployed()
    assert stage.job(made.job)["timeoutSeconds"] == 60
    stage.usual()
    stage.deployed("k2", made)
    assert stage.job(made.job).get("timeoutSeconds") is None


def test_what_somebody_else_changed_is_asked_about(stage: Stage) -> None:
    made = stage.deployed()
    job = stage.job(made.job)
    job["tasks"][0]["maxRetries"] = 3
    stage.put(made.job, tasks=job["tasks"])
    stage.changed_there(f"{ROOT}/src/tools.py", b"RATE = 5\n")
    effects = stage.plan(made)
    assert {e.kind for e in effects} == {"remote_overwrite"}
    files, definition = effects
    assert files.path == "src/tools.py"
    assert "was changed in the workspace by somebody else" in files.detail
    assert definition.detail.startswith(
        f"the definition of job nightly.job ({made.job}) was changed by somebody else "
        "(tasks[load].maxRetries; now "
    )
    assert definition.detail.endswith(" and would be replaced")


def test_a_change_between_the_look_and_the_update_is_asked_about(stage: Stage) -> None:
    made = stage.deployed()
    stage.write({"job.yaml": FILE.replace("value: 3", "value: 4")})
    target = stage.deploying()
    assert target.plan(stage.tree(), None) == ()
    stage.put(made.job, maxConcurrentRuns=7)
    with pytest.raises(Unavailable, match="changed by somebody else since it was looked at"):
        target.deploy("k2", stage.tree(), None)
    assert stage.job(made.job)["maxConcurrentRuns"] == 7
    [effect] = target.plan(stage.tree(), None)
    assert (effect.kind, "meanwhile (maxConcurrentRuns;" in effect.detail) == (
        "remote_overwrite",
        True,
    )
    assert isinstance(target.deploy("k2", stage.tree(), None), Deployment)
    assert stage.job(made.job)["maxConcurrentRuns"] == 1
    assert target.plan(stage.tree(), None) == ()


@pytest.mark.slow
def test_an_update_that_is_refused_as_stale_is_looked_at_again(stage: Stage) -> None:
    made = stage.deployed()
    stage.write({"job.yaml": FILE.replace("value: 3", "value: 4")})
    stage.sim.faults.add("PUT /jobs/*", "412", times=1)
    target = stage.deploying()
    with pytest.raises(Unavailable):
        target.deploy("k2", stage.tree(), made)
    assert target.plan(stage.tree(), made) == ()
    assert isinstance(target.deploy("k2", stage.tree(), made), Deployment)
    tagged = [c for c in stage.where.called("PUT", made.job) if c.status == 202]
    assert all(call.headers.get("if-match") for call in tagged)


@pytest.mark.parametrize(
    "kind", ["drop_after", *(pytest.param(k, marks=pytest.mark.slow) for k in _LOST)]
)
def test_a_lost_answer_makes_no_second_job(stage: Stage, kind: Any) -> None:
    stage.sim.faults.add("POST /jobs", kind, times=1)
    target = stage.deploying()
    try:
        made = target.deploy("k1", stage.tree(), None)
    except Unavailable:
        made = stage.deploying().deploy("k1", stage.tree(), None)
    assert isinstance(made, Deployment)
    api = stage.session().api
    assert [job["key"] for job in api.pages("/jobs")] == [made.job]
    assert MARK in stage.job(made.job)["description"]
    tokens = {c.headers.get("opc-retry-token") for c in stage.where.called("POST", "/jobs")}
    assert len(tokens) == 1


def test_an_error_of_the_service_at_create_is_never_sent_again(stage: Stage) -> None:
    stage.sim.faults.add("POST /jobs", "500", times=None)
    [failure] = stage.failures()
    assert failure.code == "DEPLOY_FAILED"
    assert "500" in failure.message
    assert len(stage.where.called("POST", "/jobs")) == 1


def test_a_job_of_that_name_that_is_not_ours_stays_as_it_is(stage: Stage) -> None:
    api = stage.session().api
    body = {"name": "nightly.job", "path": "/Workspace/Shared", "maxConcurrentRuns": 3}
    theirs = api.send("POST", "/jobs", body, what="theirs").body["key"]
    assert stage.plan() == ()
    [failure] = stage.failures()
    assert failure.code == "JOB_EXISTS"
    assert failure.message == (
        f'a job "nightly.job" is there already (key {theirs}, by rehearsal@example.com) and was '
        f"not made by this playbook; give job.id: {theirs} to deploy onto it, or another name"
    )
    assert stage.job(theirs)["maxConcurrentRuns"] == 3
    assert not stage.where.called("PUT", theirs)


@pytest.mark.slow
def test_a_playbook_may_lay_its_file_over_a_given_job(stage: Stage) -> None:
    api = stage.session().api
    body = {"name": "theirs.job", "path": "/Workspace/jobs", "maxConcurrentRuns": 3}
    key = api.send("POST", "/jobs", body, what="theirs").body["key"]
    stage.put(key, description="theirs", timeoutSeconds=90)
    job = OWN | {"id": key}
    assert [e.kind for e in stage.plan(job=job)] == ["remote_overwrite"]
    made = stage.deployed(job=job)
    found = stage.job(key)
    assert made.job == key
    assert found["name"] == "nightly.job"
    assert found["description"] == "Loads the shop."
    assert found["timeoutSeconds"] == 90
    with pytest.raises(UsageError, match="there is no job 0000"):
        stage.deploying(job=OWN | {"id": "0000"}).deploy("k2", stage.tree(), None)


def test_on_production_every_body_is_shown(stage: Stage) -> None:
    effects = stage.plan(**PRODUCTION)
    assert {e.kind for e in effects} == {"production_deploy"}
    assert [e.detail for e in effects] == [
        f"brings job.yaml to {ROOT}/job.yaml",
        f"brings src/load.ipynb to {ROOT}/src/load.ipynb",
        f"brings src/report.py to {ROOT}/src/report.py",
        f"brings src/tools.py to {ROOT}/src/tools.py",
        "makes job nightly.job",
        "gives job nightly.job its definition",
        "runs job nightly.job, or repairs its ended run",
    ]
    assert json.loads(effects[1].shown)["content"]["cells"][0]["source"] == "print('load')"
    assert json.loads(effects[4].shown)["name"] == "nightly.job"
    made = stage.deployed(**PRODUCTION)
    [sent] = stage.sent("PUT", f"/jobs/{made.job}")
    assert json.loads(effects[5].shown) == sent
    run = stage.plan(made, **PRODUCTION)
    assert [e.detail for e in run] == ["runs job nightly.job, or repairs its ended run"]
    assert json.loads(run[0].shown) == {"jobKey": made.job}


@pytest.mark.slow
def test_what_was_approved_stays_approved_after_a_crash(stage: Stage) -> None:
    before = stage.plan(**PRODUCTION)
    stage.sim.faults.add("PUT /jobs/*", "drop_before", times=1)
    with pytest.raises(Unavailable):
        stage.deploying(**PRODUCTION).deploy("k1", stage.tree(), None)
    assert set(stage.plan(**PRODUCTION)) <= set(before)
    made = stage.deployed(**PRODUCTION)
    assert set(stage.plan(**PRODUCTION)) <= set(before)
    assert stage.plan(made, production=False, approve={"mode": "approve"})[0].kind == "request_send"


def test_a_schedule_waits_for_the_proof(stage: Stage) -> None:
    stage.write({"job.yaml": FILE + SCHEDULE})
    made = stage.deployed()
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "PAUSED"
    assert stage.deploying().close(True) == (
        "switched on the schedule of job nightly.job: the job was proved",
    )
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "UNPAUSED"
    assert stage.deploying().close(True) == ()
    assert stage.plan(made) == ()
    stage.write({"src/tools.py": "RATE = 3\n"})
    stage.deployed("k2", made)
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "PAUSED"
    assert stage.deploying().close(False) == (
        "the schedule of job nightly.job stays paused: the job was not proved",
    )
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "PAUSED"


def test_a_schedule_is_on_again_where_the_old_source_is_there_again(stage: Stage) -> None:
    stage.write({"job.yaml": FILE + SCHEDULE})
    made = stage.deployed()
    stage.deploying().close(True)
    stage.write({"src/tools.py": "RATE = 3\n"})
    patched = stage.deployed("k2", made)
    stage.usual()
    stage.write({"job.yaml": FILE + SCHEDULE})
    back = stage.deployed("k3", patched)
    assert back.tree == made.tree
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "PAUSED"
    assert stage.deploying().close(False) == (
        "switched on the schedule of job nightly.job: what was deployed before is there again",
    )
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "UNPAUSED"


def test_a_schedule_that_an_earlier_case_left_paused_is_on_after_a_later_proof(
    stage: Stage,
) -> None:
    stage.write({"job.yaml": FILE + SCHEDULE})
    made = stage.deployed()
    stage.deploying().close(False)
    asked = stage.plan(made, approve={"mode": "approve"})
    assert "switches on the schedule of nightly.job once it is proved" in {e.detail for e in asked}
    stage.deployed("k2", made)
    stage.deploying().close(True)
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "UNPAUSED"


def test_a_schedule_that_somebody_paused_stays_so(stage: Stage) -> None:
    stage.write({"job.yaml": FILE + SCHEDULE})
    made = stage.deployed()
    stage.deploying().close(True)
    job = stage.sim.store.get("job", made.job) or {}
    job["schedule"]["pauseStatus"] = "PAUSED"
    stage.sim.store.put("job", made.job, job)
    stage.write({"src/tools.py": "RATE = 3\n"})
    stage.deployed("k2", made)
    assert stage.deploying().close(True) == (
        "the schedule of job nightly.job stays paused: somebody else paused it",
    )
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "PAUSED"


@pytest.mark.slow
def test_a_schedule_that_the_file_says_is_paused_stays_so(stage: Stage) -> None:
    stage.write({"job.yaml": FILE + SCHEDULE.replace("UTC", "UTC, pauseStatus: PAUSED")})
    made = stage.deployed()
    assert stage.deploying().close(True) == ()
    assert stage.job(made.job)["schedule"]["pauseStatus"] == "PAUSED"


def test_cleanup_deletes_what_the_case_made_and_nothing_else(stage: Stage) -> None:
    stage.changed_there(f"{ROOT}/src/tools.py", b"RATE = 9\n")
    stage.write({"job.yaml": FILE + SCHEDULE})
    section = {"cleanup": True}
    made = stage.deployed(aidp=section)
    stage.changed_there(f"{ROOT}/src/report.py", b"import other\n")
    assert stage.deploying(aidp=section).close(True) == (
        f"deleted job nightly.job ({made.job}), which this case had made, and 2 files it had "
        "brought",
        f"{ROOT}/src/report.py stays: somebody changed it since",
    )
    assert stage.content(f"{ROOT}/src/load.ipynb") is None
    assert stage.content(f"{ROOT}/src/tools.py") == b"RATE = 2\n"
    assert not list(stage.session().api.pages("/jobs"))
    assert stage.deploying(aidp=section).close(True) == ()


@pytest.mark.slow
def test_cleanup_keeps_a_job_that_was_there_or_was_changed(stage: Stage) -> None:
    section = {"cleanup": True}
    made = stage.deployed()
    again = stage.deployed("k2", made, case="later", aidp=section)
    assert stage.deploying(case="later", aidp=section).close(True) == ()
    stage.put(again.job, maxConcurrentRuns=5)
    assert stage.deploying(aidp=section).close(True) == (
        f"job nightly.job ({made.job}), made by this case, stays: somebody changed it since",
    )
    assert stage.job(made.job)["maxConcurrentRuns"] == 5


def test_mistakes_are_failures_with_their_lines_and_nothing_is_sent(stage: Stage) -> None:
    text = FILE.replace("    dependsOn: [{taskKey: load}]", "    dependsOn: [load]")
    text = text.replace("clusterName: rehearsal_cluster", f"clusterName: {stage.sim.cluster_key}")
    stage.write({"job.yaml": text})
    [failure] = stage.failures()
    assert failure.code == "JOB_INVALID"
    assert [line.text for line in failure.log] == [
        'job.yaml:16: dependsOn of task "report" has the text "load"; write {taskKey: load}',
        f'job.yaml:10: clusterName of task "load" is "{stage.sim.cluster_key}", a cluster\'s key, '
        f'not its display name; did you mean "{stage.sim.cluster_name}"?',
    ]
    assert failure.task == "report"
    assert failure.facts.job_file == "job.yaml"
    assert failure.facts.task_type == "spark_python_task"
    assert not [c for c in stage.sim.calls if c.method != "GET"]
    assert stage.plan(**PRODUCTION) == ()


@pytest.mark.slow
def test_a_job_that_is_there_is_given_files_only(stage: Stage) -> None:
    made = stage.deployed()
    calls = len(stage.where.called("PUT", made.job))
    section = {"folder": ROOT}
    present: dict[str, Any] = {"job": {"name": "nightly.job"}, "aidp": section}
    stage.write({"src/tools.py": "RATE = 3\n"})
    [effect] = stage.plan(**present)
    assert effect.kind == "remote_overwrite"
    found = stage.deployed("k2", made, **present)
    assert found.job == made.job
    assert stage.content(f"{ROOT}/src/tools.py") == b"RATE = 3\n"
    assert len(stage.where.called("PUT", made.job)) == calls
    report = stage.deploying(**present).tasks(stage.tree())[1]
    assert (report.path, report.imports) == ("src/report.py", (("src/tools.py", "RATE = 3\n"),))


@pytest.mark.slow
def test_a_job_without_a_folder_cannot_be_mended(stage: Stage) -> None:
    made = stage.deployed()
    target = stage.deploying(job={"id": made.job})
    tree = stage.tree()
    found = target.deploy("k2", tree, None)
    assert isinstance(found, Deployment)
    assert "no aidp.folder" in found.notes[0]
    stage.write({"src/tools.py": "RATE = 3\n"})
    with pytest.raises(Refused, match="cannot be given the patch"):
        target.deploy("k3", tree, None)
    with pytest.raises(UsageError, match=r"no job of the workspace is called 'x\.job'"):
        stage.plan(job={"name": "x.job"})


@pytest.mark.slow
def test_what_is_deployed_already_is_found_with_its_differences(stage: Stage) -> None:
    with pytest.raises(UsageError, match=r"there is no job nightly.job: it was never deployed"):
        stage.deploying().found(stage.tree())
    made = stage.deployed()
    found = stage.deploying(case="later").found(stage.tree())
    assert (found.job, found.files, found.settings) == (made.job, made.files, made.settings)
    stage.put(made.job, maxConcurrentRuns=4)
    target = stage.deploying(case="later")
    [effect] = target.plan(stage.tree(), target.found(stage.tree()))
    assert "maxConcurrentRuns" in effect.detail


def test_tasks_are_told_in_the_words_of_all_platforms(stage: Stage) -> None:
    before = stage.tree()
    target = stage.deploying()
    load, report = target.tasks(before)
    assert (load.type, load.path, load.parameters) == (
        "notebook_task",
        "src/load.ipynb",
        ("day", "rate"),
    )
    assert (report.type, report.depends_on, report.parameters) == (
        "spark_python_task",
        ("load",),
        ("day",),
    )
    stage.write({"src/tools.py": "RATE = 3\n"})
    assert target.affected(before, stage.tree()) == ("report",)
    stage.usual()
    stage.write({"src/load.ipynb": notebook("print('other')")})
    assert target.affected(before, stage.tree()) == ("load",)


def test_a_principals_schedule_needs_run_as(stage: Stage) -> None:
    stage.write({"job.yaml": FILE + SCHEDULE})
    target = stage.deploying()
    assert target.plan(stage.tree(), None) == ()
    auth = stage.session().api.auth
    # The login stays what it is; only what is known of it is another.
    auth.identity = auth.identity._replace(kind="instance_principal")
    made = target.deploy("k1", stage.tree(), None)
    assert isinstance(made, tuple)
    assert made[0].code == "JOB_INVALID"
    assert "runAs of the job is missing: a scheduled job made by an instance principal" in (
        made[0].message
    )
    stage.write({"job.yaml": FILE + SCHEDULE + "runAs: key-of-a-credential\n"})
    made = target.deploy("k2", stage.tree(), None)
    assert isinstance(made, Deployment)
    assert stage.job(made.job)["runAs"] == "key-of-a-credential"
