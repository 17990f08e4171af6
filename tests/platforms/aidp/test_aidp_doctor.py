"""What `doctor` says of an instance: which paths answer, who we are, what is there."""

from typing import Any

import pytest
from aidp_workspace import Workspace

from agent.platforms.aidp import doctor
from agent.playbook import Job
from agent.simulators.aidp import identity

NEWER, OLDER = "20260430/aiDataPlatforms", "20240831/dataLakes"


def said(workspace: Workspace, level: str, **book: Any) -> str:
    """Return the sentences of one level."""
    found = doctor.findings(workspace.connect(**book))
    return "\n".join(text for mark, text in found if mark == level)


def options(workspace: Workspace, **more: Any) -> None:
    """Let the workspace behave otherwise."""
    workspace.sim.options = workspace.sim.options.model_copy(update=more)


def test_a_workspace_that_is_well_is_described(workspace: Workspace) -> None:
    api = workspace.connect().api
    body = {"name": "etl_daily.job", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
    key = api.send("POST", "/jobs", body, what="create").body["key"]
    text = said(workspace, "ok", aidp={"profile": "SESSION"})
    sim = workspace.sim
    assert f"AIDP {sim.url}: we sign with the session token of profile SESSION" in text
    assert "good for 60 minutes" in text
    assert f"the instance answers to {NEWER}" in text
    assert f'workspace "rehearsal" ({sim.workspace}) is there' in text
    assert f'"{sim.cluster_name}" ({sim.cluster_key}) is ACTIVE' in text
    assert "1 job of the workspace can be seen (1 call)" in text
    assert f"job etl_daily.job ({key}) is there" in text
    assert said(workspace, "problem") == ""
    assert f"job etl_daily.job ({key})" in said(workspace, "ok", job=Job(id=key))
    assert all(call.method == "GET" for call in sim.calls[1:])


@pytest.mark.parametrize(
    ("families", "asked", "answers"), [("LA", NEWER, OLDER), ("GA", OLDER, NEWER)]
)
def test_the_version_that_answers_is_found_and_the_key_to_set_is_said(
    workspace: Workspace, families: str, asked: str, answers: str
) -> None:
    options(workspace, families=(families,))
    text = said(workspace, "problem", aidp={"api": asked})
    assert f"not answer to {asked}, but to {answers}: set `api: {answers}` under `aidp:`" in text
    assert "rehearsal" in said(workspace, "ok", aidp={"api": asked})
    assert said(workspace, "problem", aidp={"api": answers}, job=Job(file="job.yaml")) == ""


def test_where_neither_answers_both_reasons_are_said(workspace: Workspace) -> None:
    options(workspace, families=())
    text = said(workspace, "problem")
    assert "answers neither to" in text
    assert "aidp.region" in text
    assert "may not see it" in text


def test_what_is_not_there_is_a_problem_with_what_to_do(workspace: Workspace) -> None:
    text = said(workspace, "problem", aidp={"cluster": "rehersal_cluster", "engine": "rest"})
    assert "no such cluster" in text
    assert workspace.sim.cluster_name in text
    assert "no job has the name etl_daily.job, or we may not see it" in text
    key = "98d06c4f-0000-4000-8000-000000000001"
    assert f"job.id {key}: " in said(workspace, "problem", job=Job(id=key))
    text = said(workspace, "note", aidp={"cluster": None, "command": ["no-such-aidp"]})
    assert "no cluster is named (aidp.cluster)" in text
    assert "there is no command 'no-such-aidp'; only `engine: cli` needs it" in text
    text = said(workspace, "problem", aidp={"workspace": "prod"})
    assert "no workspace is named 'prod'; there is rehearsal" in text


def test_a_stopped_cluster_says_who_would_start_it(workspace: Workspace) -> None:
    api = workspace.connect().api
    path = f"/clusters/{workspace.sim.cluster_key}/actions/stop"
    api.send("POST", path, {}, what="stop-cluster")
    workspace.pass_time(600)
    assert "is STOPPED, and a run needs it ACTIVE" in said(workspace, "problem")
    text = said(workspace, "note", aidp={"start_cluster": True})
    assert "is STOPPED: it is started when needed" in text


def test_a_login_that_is_refused_is_said_with_the_command(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    identity.refresh(workspace.sim, lifetime_s=-600)
    text = said(workspace, "note", aidp={"profile": "SESSION"})
    assert "which expired 10 minutes ago" in text
    text = said(workspace, "problem", aidp={"profile": "SESSION"})
    assert "`oci session authenticate --profile-name SESSION" in text
