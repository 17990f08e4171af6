"""Bodies that change something are files, masked, before they are sent."""

import json
import stat

import pytest
from aidp_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.aidp import payloads
from agent.platforms.aidp.payloads import Payloads

BODY = {"name": "etl", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
SECRET = "sk-ant-api03-" + "a1B2c3D4e5" * 5  # shaped like a key, nobody's


def test_a_body_is_on_the_disk_before_it_leaves_masked_and_private(workspace: Workspace) -> None:
    api = workspace.connect().api
    workspace.sim.faults.add("POST /jobs", "drop_before")
    body = {**BODY, "parameters": [{"name": "run_date", "value": "2026-07-01"}]}
    body["description"] = f"with {SECRET}"
    with pytest.raises(Unavailable):
        api.send("POST", "/jobs", body, what="create-job-etl")
    (file,) = payloads.listed(workspace.state, "case")
    assert file == workspace.state / ".aidp/payloads/case-001-create-job-etl.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    text = file.read_text()
    assert SECRET not in text
    shown = json.loads(text)
    assert shown.pop("description").startswith("with [REDACTED:")
    assert shown == {key: value for key, value in body.items() if key != "description"}
    assert '\n  "name": "etl",\n' in text


def test_numbers_go_up_within_a_case_and_files_of_another_case_are_not_its(
    workspace: Workspace,
) -> None:
    for case in ("c1", "c1", "c1-2", "c1"):
        Payloads(workspace.state, case).save("update job/ü", BODY)
    names = [file.name for file in payloads.listed(workspace.state, "c1")]
    assert names == [f"c1-00{n}-update-job-.json" for n in (1, 2, 3)]
    assert [f.name for f in payloads.listed(workspace.state, "c1-2")] == [
        "c1-2-001-update-job-.json"
    ]
    assert payloads.listed(workspace.state, "other") == ()
    assert payloads.listed(workspace.folder / "nowhere", "c1") == ()
    folder = workspace.state / ".aidp/payloads"
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_what_has_no_body_has_no_file_and_reading_writes_none(workspace: Workspace) -> None:
    api = workspace.connect().api
    key = api.send("POST", "/jobs", BODY, what="create").body["key"]
    api.get(f"/jobs/{key}")
    api.send("POST", f"/jobs/{key}/actions/cancelJobRuns", what="cancel-runs")
    api.send("DELETE", f"/jobs/{key}", what="delete-job")
    assert len(payloads.listed(workspace.state, "case")) == 1


def test_files_are_shown_as_what_they_hold() -> None:
    notebook = b'{"cells": [{"source": "1/0"}]}'
    assert json.loads(payloads.shown(notebook)) == {"cells": [{"source": "1/0"}]}
    assert json.loads(payloads.shown(b"print('x')\n")) == "print('x')\n"
    assert json.loads(payloads.shown(b"\xff\x00"))["bytes"] == 2
