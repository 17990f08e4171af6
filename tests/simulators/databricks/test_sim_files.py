"""Workspace files, checked with databricks-sdk where it has a call, else on the wire."""

import base64
import io
import json

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language, ObjectType

from agent.simulators.databricks import Simulator, files, workspace

NOTEBOOK = (
    "# Databricks notebook source\nprint(1)\n\n"
    "# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC SELECT 1\n"
)
IPYNB = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
            {"cell_type": "code", "metadata": {}, "source": "print(1)", "outputs": []},
            {"cell_type": "code", "metadata": {}, "source": ["%sql\n", "SELECT 1"], "outputs": []},
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)
IMPORT = "/api/2.0/workspace/import"
IMPORT_FILE = "/api/2.0/workspace-files/import-file"


def content(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def exported(http: httpx.Client, path: str, form: str = "SOURCE") -> str:
    query = {"path": path, "format": form, "direct_download": "true"}
    answer = http.get("/api/2.0/workspace/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_sdk_uploads_lists_reads_and_deletes(sim: Simulator, sdk: WorkspaceClient) -> None:
    home = f"/Users/{sim.user}/project"
    sdk.workspace.mkdirs(home)
    binary = bytes(range(256)) + b"\r\n--\r\n\r\n"
    sdk.workspace.upload(f"{home}/data.bin", io.BytesIO(binary), format=ImportFormat.AUTO)
    sdk.workspace.upload(f"{home}/etl.py", io.BytesIO(NOTEBOOK.encode()), format=ImportFormat.AUTO)
    listed = {one.path: one.object_type for one in sdk.workspace.list(home)}
    assert listed == {f"{home}/data.bin": ObjectType.FILE, f"{home}/etl": ObjectType.NOTEBOOK}
    with sdk.workspace.download(f"{home}/data.bin") as file:
        assert file.read() == binary
    status = sdk.workspace.get_status(f"/Workspace{home}/etl")
    assert (status.language, status.path) == (Language.PYTHON, f"{home}/etl")
    assert sdk.workspace.get_status(f"{home}/data.bin").size == len(binary)
    with pytest.raises(BadRequest, match="not empty"):
        sdk.workspace.delete(home)
    sdk.workspace.delete(home, recursive=True)
    with pytest.raises(NotFound, match=r"Path \(/Users/.*/project\) doesn't exist\."):
        sdk.workspace.get_status(home)


def test_the_sdk_imports_and_exports_notebooks(sdk: WorkspaceClient) -> None:
    sdk.workspace.import_(
        "/Shared/q", content=content("SELECT 1"), language=Language.SQL, format=ImportFormat.SOURCE
    )
    sdk.workspace.import_("/Shared/n.ipynb", content=content(IPYNB), format=ImportFormat.JUPYTER)
    found = sdk.workspace.export("/Shared/q")
    assert found.file_type == "sql"
    assert base64.b64decode(found.content or "") == b"-- Databricks notebook source\nSELECT 1"
    notebook = sdk.workspace.export("/Shared/n.ipynb", format=ExportFormat.JUPYTER)
    assert base64.b64decode(notebook.content or "") == IPYNB.encode()


@pytest.mark.parametrize(
    ("name", "text", "kept", "kind"),
    [
        ("etl.py", NOTEBOOK, "etl", "NOTEBOOK"),
        ("etl.py", "import os\n", "etl.py", "FILE"),
        ("q.sql", "-- Databricks notebook source\nSELECT 1", "q", "NOTEBOOK"),
        ("q.sql", "SELECT 1", "q.sql", "FILE"),
        ("n.ipynb", IPYNB, "n", "NOTEBOOK"),
        ("n.scala", "// Databricks notebook source\nval x = 1", "n", "NOTEBOOK"),
        ("conf.yml", "# Databricks notebook source\n", "conf.yml", "FILE"),
    ],
)
@pytest.mark.parametrize("way", ["AUTO", "import-file"])
def test_a_notebook_loses_its_extension_where_the_form_is_found_out(
    http: httpx.Client, way: str, name: str, text: str, kept: str, kind: str
) -> None:
    path = f"/Shared/{name}"
    if way == "AUTO":
        body = {"path": path, "content": content(text), "format": "AUTO"}
        assert http.post(IMPORT, json=body).status_code == 200
    else:
        assert http.post(f"{IMPORT_FILE}{path}", content=text.encode()).status_code == 200
    objects = http.get("/api/2.0/workspace/list", params={"path": "/Shared"}).json()["objects"]
    assert [(one["path"], one["object_type"]) for one in objects] == [(f"/Shared/{kept}", kind)]


def test_with_source_the_path_is_kept(http: httpx.Client) -> None:
    body = {"path": "/Shared/etl.py", "content": content(NOTEBOOK), "language": "PYTHON"}
    assert http.post(IMPORT, json=body).status_code == 200
    assert exported(http, "/Workspace/Shared/etl.py") == NOTEBOOK


def test_source_without_a_language_is_refused(http: httpx.Client) -> None:
    answer = http.post(IMPORT, json={"path": "/Shared/etl", "content": content("x")})
    assert "language" in answer.json()["message"]
    body = {"path": "/Shared/etl", "content": content("x"), "language": "COBOL"}
    assert "COBOL" in http.post(IMPORT, json=body).json()["message"]


def test_a_notebook_is_given_in_the_form_that_is_asked_for(http: httpx.Client) -> None:
    http.post(f"{IMPORT_FILE}/Shared/n.ipynb", content=IPYNB.encode())
    http.post(f"{IMPORT_FILE}/Shared/s.py", content=NOTEBOOK.encode())
    assert exported(http, "/Shared/n", "JUPYTER") == IPYNB
    assert exported(http, "/Shared/n", "AUTO") == IPYNB
    source = exported(http, "/Shared/n")
    assert source.startswith("# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title\n")
    assert "\n# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC SELECT 1\n" in source
    cells = json.loads(exported(http, "/Shared/s", "JUPYTER"))["cells"]
    assert ["".join(cell["source"]) for cell in cells] == ["print(1)", "%sql\nSELECT 1"]
    refused = http.get("/api/2.0/workspace/export?path=/Shared/s&format=DBC")
    assert refused.status_code == 400


def test_what_a_broken_notebook_holds_is_given_back_and_not_turned(http: httpx.Client) -> None:
    http.post(f"{IMPORT_FILE}/Shared/n.ipynb", content=b"{not json")
    assert exported(http, "/Shared/n", "JUPYTER") == "{not json"
    turned = http.get("/api/2.0/workspace/export?path=/Shared/n&format=SOURCE")
    assert (turned.status_code, turned.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_there_is_not_overwritten_unasked(http: httpx.Client, sdk: WorkspaceClient) -> None:
    path = f"{IMPORT_FILE}/Shared/a.txt"
    assert http.post(f"{path}?overwrite=false", content=b"1").status_code == 200
    answer = http.post(f"{path}?overwrite=false", content=b"2")
    assert answer.status_code == 409
    assert answer.json()["message"] == "File already exists at (/Shared/a.txt)."
    sdk.workspace.import_("/Shared/n", content=content("x"), language=Language.PYTHON)
    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        sdk.workspace.import_("/Shared/n", content=content("y"), language=Language.PYTHON)
    assert http.post(f"{path}?overwrite=True", content=b"3").status_code == 200
    assert exported(http, "/Shared/a.txt") == "3"
    other = http.post(f"{IMPORT_FILE}/Shared/n?overwrite=true", content=b"a file")
    assert "type mismatch (asked: FILE, actual: NOTEBOOK)" in other.json()["message"]


def test_a_parent_must_exist(http: httpx.Client) -> None:
    answer = http.post(f"{IMPORT_FILE}/Workspace/Users/x/deploy.lock", content=b"{}")
    assert answer.status_code == 404
    assert answer.json()["message"] == "The parent folder (/Users/x) does not exist."
    assert http.post("/api/2.0/workspace/mkdirs", json={"path": "/Users/x"}).status_code == 200
    assert (
        http.post(f"{IMPORT_FILE}/Workspace/Users/x/deploy.lock", content=b"{}").status_code == 200
    )


def test_a_folder_cannot_stand_where_a_file_is(http: httpx.Client) -> None:
    http.post(f"{IMPORT_FILE}/Shared/a.txt", content=b"1")
    answer = http.post("/api/2.0/workspace/mkdirs", json={"path": "/Shared/a.txt/b"})
    assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert http.post("/api/2.0/workspace/mkdirs", json={"path": "/Shared"}).status_code == 200


def test_ten_megabytes_are_taken_and_more_is_refused(http: httpx.Client) -> None:
    path = f"{IMPORT_FILE}/Shared/big"
    assert http.post(path, content=b"x" * files.LARGEST).status_code == 200
    refused = http.post(path + "2", content=b"x" * (files.LARGEST + 1))
    assert refused.json()["error_code"] == "MAX_NOTEBOOK_SIZE_EXCEEDED"
    status = http.get("/api/2.0/workspace/get-status?path=/Shared/big").json()
    assert status["size"] == files.LARGEST


def test_paths_are_absolute_and_content_is_base64(http: httpx.Client) -> None:
    relative = http.get("/api/2.0/workspace/get-status?path=Shared")
    assert relative.json()["message"] == "Path (Shared) doesn't start with '/'"
    wrong = {"path": "/Shared/a", "format": "RAW", "content": "no base64!"}
    assert http.post(IMPORT, json=wrong).json()["error_code"] == "MALFORMED_REQUEST"


def test_a_raw_body_is_kept_to_the_byte(http: httpx.Client) -> None:
    body = b'{"ID": "1"}\r\n\x00\xff'
    kind = {"Content-Type": "application/json"}
    assert http.post(f"{IMPORT_FILE}/Shared/x", content=body, headers=kind).status_code == 200
    assert http.get("/api/2.0/workspace-files/Shared/x").content == body


def test_the_status_says_how_a_notebook_is_exported(http: httpx.Client) -> None:
    http.post(f"{IMPORT_FILE}/Shared/n.ipynb", content=IPYNB.encode())
    query = "/api/2.0/workspace/get-status?path=/Shared/n&return_export_info=true"
    assert http.get(query).json()["repos_export_format"] == "JUPYTER"


def test_a_list_leaves_out_notebooks_that_are_older(sim: Simulator, http: httpx.Client) -> None:
    workspace.put_file(sim, "/Shared/old.py", NOTEBOOK.encode())
    sim.clock.advance(60)
    query: dict[str, str | int] = {
        "path": "/Shared",
        "notebooks_modified_after": sim.clock.now_ms(),
    }
    assert http.get("/api/2.0/workspace/list", params=query).json() == {}
    workspace.put_file(sim, "/Shared/old.py", NOTEBOOK.encode())
    changed = http.get("/api/2.0/workspace/list", params=query).json()["objects"]
    assert changed[0]["modified_at"] - changed[0]["created_at"] == 60_000


def test_the_tree_of_a_folder_is_there_for_whoever_runs_it(sim: Simulator) -> None:
    files.make_folder(sim, "/Shared/job/lib")
    workspace.put_file(sim, "/Workspace/Shared/job/main.py", NOTEBOOK.encode())
    workspace.put_file(sim, "/Shared/job/lib/x.py", b"x = 1\n")
    found = {file.path: (file.kind, file.content) for file in files.tree(sim, "/Shared/job")}
    assert found == {
        "/Shared/job/main": ("NOTEBOOK", NOTEBOOK.encode()),
        "/Shared/job/lib/x.py": ("FILE", b"x = 1\n"),
    }
    assert files.read(sim, "/Shared/job") is None


def test_the_end_points_of_the_command_that_only_need_an_answer_have_one(
    http: httpx.Client,
) -> None:
    assert (
        http.post("/telemetry-ext", json={"protoLogs": ["a", "b"]}).json()["numProtoSuccess"] == 2
    )
    assert http.get("/api/2.0/repos").json() == {"repos": []}
