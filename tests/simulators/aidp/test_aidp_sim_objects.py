"""Objects, pre-authenticated links and archives of the simulated workspace."""

import base64
import io
import zipfile
from pathlib import Path

import httpx
import pytest
from aidp_sim_stage import client

from agent.simulators.aidp import Options, Simulator, VirtualClock, filestore


def make(
    http: httpx.Client, path: str, content: bytes = b"x", kind: str = "FILE", **headers: str
) -> httpx.Response:
    sent = {"path": path, "type": kind, "content-type": "application/octet-stream", **headers}
    return http.post("/objects", headers=sent, content=content)


def folder(http: httpx.Client, path: str) -> httpx.Response:
    return http.post("/objects", headers={"path": path, "type": "FOLDER"}, content=b"{}")


def names(http: httpx.Client, path: str, **more: str) -> list[tuple[str, str]]:
    items = http.get("/objects", params={"path": path, "limit": "1000", **more}).json()["items"]
    return [(item["path"], item["type"]) for item in items]


def test_a_workspace_begins_with_a_shared_folder(http: httpx.Client) -> None:
    assert names(http, "") == [("Shared", "FOLDER")]
    assert names(http, "/Workspace") == [("Workspace/Shared", "FOLDER")]
    assert names(http, "Shared") == []


def test_a_file_is_made_read_and_replaced(sim: Simulator, http: httpx.Client) -> None:
    made = make(http, "Shared/check.py", b"print(1)\n")
    assert made.status_code == 201
    assert (made.json()["path"], made.json()["type"]) == ("Shared/check.py", "FILE")
    taken = make(http, "Shared/check.py", b"other")
    assert (taken.status_code, taken.json()["code"]) == (409, "Conflict")
    again = make(http, "/Workspace/Shared/check.py", b"print(2)\n", **{"is-overwrite": "True"})
    assert (again.status_code, again.json()["path"]) == (200, "Workspace/Shared/check.py")
    read = http.get("/objects/Shared%2Fcheck.py")
    assert (read.content, read.headers["etag"]) == (b"print(2)\n", again.headers["etag"])
    assert filestore.read(sim, "/Workspace/Shared/check.py") == b"print(2)\n"
    seen = http.head("/objects/%2FWorkspace%2FShared%2Fcheck.py")
    assert (seen.status_code, seen.headers["content-length"], seen.content) == (200, "9", b"")
    assert http.head("/objects/Shared%2Fnone.py").status_code == 404


def test_the_body_may_be_base64(sim: Simulator, http: httpx.Client) -> None:
    flag = {"is-upload-file-base64-encoded": "true"}
    assert make(http, "Shared/a.bin", base64.b64encode(b"\xff\x00"), **flag).status_code == 201
    assert filestore.read(sim, "Shared/a.bin") == b"\xff\x00"
    assert make(http, "Shared/b.bin", b"?", **flag).status_code == 400


@pytest.mark.parametrize(
    ("name", "said", "kind"),
    [
        ("a.py", "NOTEBOOK", "FILE"),
        ("a.ipynb", "FILE", "NOTEBOOK"),
        ("a.whl", "LIBRARY", "LIBRARY"),
        ("a.job", "JOB", "JOB"),
        ("a.dat", "FILE", "FILE"),
    ],
)
def test_the_ending_decides_the_type(http: httpx.Client, name: str, said: str, kind: str) -> None:
    assert make(http, f"Shared/{name}", kind=said).json()["type"] == kind


def test_a_folder_that_is_there_is_a_conflict(sim: Simulator, http: httpx.Client) -> None:
    assert folder(http, "Shared/a").status_code == 201
    again = folder(http, "Shared/a")
    assert (again.status_code, again.json()["code"]) == (409, "Conflict")
    assert "already exists" in again.json()["message"]
    sim.options = Options(missing_parent_404=True)
    assert make(http, "Shared/none/x.py").status_code == 404
    assert folder(http, "Shared/a/b").status_code == 201
    assert make(http, "Shared/a/b/x.py").status_code == 201
    assert make(http, "Shared/a/b/x.py/y.py").status_code == 409


def test_one_level_is_listed(http: httpx.Client) -> None:
    make(http, "Shared/d/e/x.py")
    make(http, "Shared/d/n.ipynb")
    make(http, "Shared/d/a.py")
    assert names(http, "Shared/d") == [
        ("Shared/d/a.py", "FILE"),
        ("Shared/d/e", "FOLDER"),
        ("Shared/d/n.ipynb", "NOTEBOOK"),
    ]
    assert names(http, "Shared/d", sortOrder="DESC")[0] == ("Shared/d/n.ipynb", "NOTEBOOK")
    assert names(http, "Shared/d", type="FOLDER") == [("Shared/d/e", "FOLDER")]
    assert names(http, "Shared/d", displayName="a.py") == [("Shared/d/a.py", "FILE")]
    assert http.get("/objects?path=Shared%2Fnone").status_code == 404
    lacking = http.get("/objects")
    assert lacking.json()["message"] == "query param path must not be null"


def test_delete_needs_one_segment(sim: Simulator, http: httpx.Client) -> None:
    make(http, "Shared/d/x.py")
    make(http, "Shared/d/y.py")
    assert http.delete("/objects/Shared/d/x.py").status_code == 404
    assert http.delete("/objects/Shared%2Fd%2Fx.py").status_code == 204
    assert http.delete("/objects/Shared%2Fd%2Fx.py").status_code == 404
    assert http.delete("/objects/Shared%2Fd").status_code == 204
    assert filestore.paths(sim) == []
    assert http.delete("/objects/Shared").status_code == 409


def test_copy_move_and_rename(sim: Simulator, http: httpx.Client) -> None:
    make(http, "Shared/d/x.py", b"1")
    body = {"fromPath": "Shared/d", "toPath": "Shared/e"}
    copied = http.post("/actions/copyObject", json=body)
    assert (copied.status_code, copied.json()["path"]) == (200, "Shared/e")
    assert copied.headers["aidp-async-operation-key"]
    assert http.post("/actions/copyObject", json=body).status_code == 409
    body = {"fromPath": "Shared/e/x.py", "toPath": "Shared/f/y.py"}
    assert http.post("/actions/moveObject", json=body).status_code == 200
    body = {"path": "Shared/f/y.py", "newName": "z.py"}
    assert http.post("/actions/renameObject", json=body).json()["path"] == "Shared/f/z.py"
    assert filestore.paths(sim) == ["/Workspace/Shared/d/x.py", "/Workspace/Shared/f/z.py"]
    assert filestore.read(sim, "Shared/f/z.py") == b"1"
    assert http.post("/actions/renameObject", json=body).status_code == 404
    body = {"fromPath": "Shared/d/x.py", "toPath": "Shared/d/x.py/y"}
    assert http.post("/actions/copyObject", json=body).status_code == 400
    body = {"path": "Shared/d/x.py", "newName": "a/b"}
    assert http.post("/actions/renameObject", json=body).status_code == 400


def test_permissions_are_kept(http: httpx.Client) -> None:
    key = make(http, "Shared/a.py").json()["key"]
    assert http.get(f"/objects/{key}/permissions").json() == {"items": []}
    assignees = {"type": "USER", "targets": ["somebody"]}
    given = {"assignees": assignees, "permissions": ["READ"]}
    body = {"assignWorkspaceObjectPermissionDetails": given}
    path = "/objects/Shared%2Fa.py/actions/managePermission"
    assert http.post(path, json=body).status_code == 204
    assert http.get(f"/objects/{key}/permissions").json()["items"][0]["grantee"] == "somebody"
    assert http.get("/objects/none/permissions").status_code == 404


def test_a_move_may_replace(sim: Simulator, http: httpx.Client) -> None:
    make(http, "Shared/a.py", b"1")
    make(http, "Shared/b.py", b"2")
    body = {
        "fromPath": "Shared/a.py",
        "toPath": "Shared/b.py",
        "isOverWrite": True,
        "isDeleteSource": True,
    }
    assert http.post("/actions/copyObject", json=body).status_code == 200
    assert filestore.paths(sim) == ["/Workspace/Shared/b.py"]
    assert filestore.read(sim, "Shared/b.py") == b"1"


def test_a_change_in_between_is_seen(http: httpx.Client) -> None:
    old = make(http, "Shared/a.py").headers["etag"]
    path = "/objects/Shared%2Fa.py"
    assert http.put(path, content=b"2", headers={"if-match": old}).status_code == 200
    for answer in (
        http.put(path, content=b"3", headers={"if-match": old}),
        http.delete(path, headers={"if-match": old}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (412, "NoEtagMatch")
    assert http.put("/objects/Shared%2Fnone.py", content=b"").status_code == 404


def test_builds_that_want_it_otherwise(sim: Simulator, http: httpx.Client) -> None:
    make(http, "Shared/a.py")
    sim.options = Options(leading_slash_400=True, objects_get_404=True)
    for answer in (
        make(http, "/Workspace/Shared/b.py"),
        http.get("/objects?path=/Workspace/Shared"),
        http.head("/objects/%2FWorkspace%2FShared%2Fa.py"),
        http.post("/actions/downloadFileMeta", headers={"path": "/Workspace/Shared/a.py"}),
    ):
        assert answer.status_code == 400
    assert http.get("/objects/Shared%2Fa.py").status_code == 404
    assert http.head("/objects/Shared%2Fa.py").status_code == 200


def test_directories_the_old_way(sim: Simulator, http: httpx.Client) -> None:
    path, headers = "/objects/actions/createDirectory", {"path": "Shared/d"}
    assert http.post(path, headers=headers).status_code == 404
    with client(sim, family="LA") as old:
        assert [old.post(path, headers=headers).status_code for _ in range(2)] == [201, 409]


def upload(http: httpx.Client, path: str, **query: str) -> httpx.Response:
    headers = {"path": path, "type": "FILE"}
    return http.post("/actions/uploadFileMeta", headers=headers, params=query)


def test_links_carry_files_up_and_down_unsigned(
    sim: Simulator, http: httpx.Client, plain: httpx.Client
) -> None:
    link = upload(http, "Shared/d/a.ipynb").json()["parUrl"]
    assert filestore.find(sim, "Shared/d/a.ipynb") is None
    sent = plain.put(link, content=b"{}", headers={"content-type": "application/octet-stream"})
    assert sent.status_code == 200
    assert names(http, "Shared/d") == [("Shared/d/a.ipynb", "NOTEBOOK")]
    headers = {"path": "Shared/d/a.ipynb", "type": "NOTEBOOK"}
    told = http.post("/actions/downloadFileMeta", headers=headers).json()
    assert (told["size"], told["eTag"]) == (2, sent.headers["etag"])
    assert plain.get(told["parUrl"]).content == b"{}"
    assert sim.calls[-1].key_id == ""
    # Nobody may sign them, and a link is good for one direction and for an hour.
    assert http.get(told["parUrl"]).status_code == 401
    assert plain.put(told["parUrl"], content=b"x").status_code == 404
    assert plain.get(link).status_code == 404
    assert plain.get(told["parUrl"].replace("a.ipynb", "b.ipynb")).status_code == 404
    sim.advance(3600)
    assert plain.get(told["parUrl"]).status_code == 401


def test_what_an_upload_is_asked_for(http: httpx.Client) -> None:
    make(http, "Shared/a.py")
    assert upload(http, "Shared/a.py").status_code == 200
    assert upload(http, "Shared/a.py", isOverwrite="false").status_code == 409
    assert upload(http, "Shared/d/a.py", shouldCreateRecursively="false").status_code == 404
    assert upload(http, "Shared/d/a.py", shouldCreateRecursively="true").status_code == 200
    headers = {"path": "Shared/b.py", "type": "FILE"}
    for action, status in (("CREATE", 200), ("DELETE", 400)):
        body = {"action": action, "size": 3}
        answer = http.post("/actions/uploadFileMeta", headers=headers, json=body)
        assert answer.status_code == status
    assert http.post("/actions/uploadFileMeta").status_code == 400
    missing = http.post("/actions/downloadFileMeta", headers={"path": "Shared/none.py"})
    assert missing.status_code == 404


def test_archives(sim: Simulator, http: httpx.Client, plain: httpx.Client) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a/x.py", "1")
        archive.writestr("n.ipynb", "{}")
    path, target = "/actions/uploadAndExtractZip", {"destinationFolderPath": "Shared/new"}
    told = http.post(path, json={"action": "CREATE", "zipFileName": "x.zip", **target}).json()
    plain.put(told["uploadUrl"], content=whole.getvalue())
    done = http.post(path, json={"action": "UPDATE", "operationKey": told["operationKey"]})
    assert done.status_code == 200
    assert filestore.paths(sim) == ["/Workspace/Shared/new/a/x.py", "/Workspace/Shared/new/n.ipynb"]
    body = {"sourceFolderPath": "Shared/new"}
    told = http.post("/actions/zipAndDownloadFolder", json=body).json()
    assert told["archiveName"] == "new.zip"
    with zipfile.ZipFile(io.BytesIO(plain.get(told["downloadUrl"]).content)) as archive:
        assert sorted(archive.namelist()) == ["a/x.py", "n.ipynb"]


def test_files_outlive_a_restart(tmp_path: Path) -> None:
    with Simulator(tmp_path, clock=VirtualClock()) as sim:
        filestore.write(sim, "Shared/a.py", b"\xff1")
        filestore.write(sim, "Shared/a.py", b"\xff2")
    with Simulator(tmp_path, clock=VirtualClock()) as sim:
        assert filestore.paths(sim) == ["/Workspace/Shared/a.py"]
        assert filestore.read(sim, "/Workspace/Shared/a.py") == b"\xff2"
        assert (filestore.find(sim, "Shared/a.py") or {})["version"] == 2
