"""What doctor says of a workspace: who we are, what we may do, what is missing."""

from pathlib import Path

import pytest
from dbx_workspace import Workspace, notebook

from agent.platforms.databricks import doctor
from agent.platforms.databricks.session import Session
from agent.playbook import Databricks, Job
from agent.simulators.databricks import Simulator, identity, permissions
from agent.simulators.databricks.service import Options


def of_job(session: Session, job: Job) -> Session:
    return session._replace(book=session.book.model_copy(update={"job": job}))


def said(findings: list[tuple[str, str]], words: str) -> tuple[str, str]:
    (found,) = [f for f in findings if words in f[1]]
    return found


def test_an_owner_may_do_everything(workspace: Workspace) -> None:
    made = workspace.job(notebook("load"))
    session = workspace.session(int(made.job), databricks=Databricks(warehouse="rehearsal"))
    found = doctor.findings(session)
    assert said(found, "we are rehearsal@example.com")[0] == "ok"
    assert "login by pat" in said(found, "we are")[1]
    assert said(found, "1 job of the workspace") == (
        "ok",
        "1 job of the workspace can be seen",
    )
    assert said(found, "job etl: IS_OWNER")[0] == "ok"
    assert said(found, "warehouse rehearsal")[0] == "ok"


@pytest.mark.parametrize(
    ("level", "mark", "words"),
    [
        ("CAN_MANAGE", "ok", "and redeploy"),
        ("CAN_MANAGE_RUN", "note", "not redeploy"),
        ("CAN_VIEW", "note", "diagnose only"),
    ],
)
def test_each_permission_says_what_it_is_enough_for(
    workspace: Workspace,
    sim: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    mark: str,
    words: str,
) -> None:
    made = workspace.job(notebook("load"))
    permissions.grant(sim, "ana@example.com", f"jobs/{made.job}", level)
    monkeypatch.setenv("DATABRICKS_TOKEN", identity.issue_token(sim, "ana@example.com"))
    found = doctor.findings(workspace.session(int(made.job)))
    assert said(found, f"job etl: {level}")[0] == mark
    assert words in said(found, f"job etl: {level}")[1]


def test_what_is_missing_is_said(workspace: Workspace, sim: Simulator) -> None:
    sim.options = Options(realistic=True)
    session = workspace.session(databricks=Databricks(warehouse="nightly"))
    found = doctor.findings(session)
    assert said(found, "job 1 does not exist")[0] == "problem"
    assert said(found, "no warehouse 'nightly'")[0] == "problem"
    named = of_job(workspace.session(), Job(name="etl"))
    assert said(doctor.findings(named), "0 jobs have the name etl")[0] == "problem"


def test_a_bundle_needs_the_command_and_others_do_not(workspace: Workspace, tmp_path: Path) -> None:
    missing = Databricks(command=(str(tmp_path / "databricks"),))
    bundle = of_job(workspace.session(databricks=missing), Job(bundle="etl"))
    assert said(doctor.findings(bundle), "is not there")[0] == "problem"
    plain = workspace.session(databricks=missing)
    assert said(doctor.findings(plain), "no command")[0] == "note"


def test_the_version_of_the_command_is_said(workspace: Workspace, tmp_path: Path) -> None:
    fake = tmp_path / "databricks"
    fake.write_text("#!/bin/sh\necho Databricks CLI v0.200.1\n")
    fake.chmod(0o755)
    session = workspace.session(databricks=Databricks(command=(str(fake),)))
    assert said(doctor.findings(session), "is version 0.200.1")[0] == "note"
    fake.write_text("#!/bin/sh\necho Databricks CLI v0.300.0\n")
    assert said(doctor.findings(session), "version 0.300.0")[0] == "ok"


def test_an_expired_login_is_a_problem_with_the_way_out(
    workspace: Workspace, sim: Simulator
) -> None:
    sim.faults.add("*", "expired", times=None)
    found = doctor.findings(workspace.session())
    assert found[0][0] == "problem"
    assert "DATABRICKS_TOKEN" in found[0][1]


def test_a_workspace_that_does_not_answer_is_a_problem(
    workspace: Workspace, sim: Simulator
) -> None:
    sim.faults.add("*", "503", times=None)
    found = doctor.findings(workspace.session())
    assert [level for level, text in found if "cannot be reached" in text] == ["problem"]
