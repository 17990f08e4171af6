"""The notebook contents API of the simulated workspace, quirks included."""

import base64
import hashlib
from typing import Any

import httpx
import pytest
from aidp_sim_stage import client

from agent.simulators.aidp import Options, Simulator, filestore

ROOT = "/notebook/api/contents"
WHOLE = "?type=notebook&content=1"


def at(path: str) -> str:
    """Return the address of a path: one segment."""
    return f"{ROOT}/" + path.replace("/", "%2F")


def notebook(source: str = "1 + 1") -> dict[str, Any]:
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}


def put(http: httpx.Client, to: str, /, **more: Any) -> httpx.Response:
    body = {"type": "notebook", "format": "json", "content": notebook(), **more}
    return http.put(at(to), json=body)


def test_put_creates_and_then_replaces(http: httpx.Client) -> None:
    made = put(http, "/Workspace/Shared/a.ipynb", name="a.ipynb", path="/Workspace/Shared/a.ipynb")
    assert made.status_code == 201
    assert made.json()["path"] == "Workspace/Shared/a.ipynb"
    assert (made.json()["name"], made.json()["type"]) == ("a.ipynb", "notebook")
    again = put(http, "Shared/a.ipynb", content=notebook("2"))
    assert again.status_code == 200
    assert again.json()["path"] == "Shared/a.ipynb"
    assert again.headers["etag"] != made.headers["etag"]
    read = http.get(at("/Workspace/Shared/a.ipynb") + WHOLE)
    assert (read.json()["format"], read.json()["content"]) == ("json", notebook("2"))
    assert read.headers["etag"] == again.headers["etag"]


def test_what_is_read_must_be_said(http: httpx.Client) -> None:
    put(http, "Shared/a.ipynb")
    for query, status in (
        ("", 500),
        ("?type=notebook", 500),
        ("?content=1", 500),
        ("?content=0", 200),
        ("?type=notebook&content=0", 200),
        ("?type=directory&content=1", 400),
        (WHOLE, 200),
    ):
        answer = http.get(at("Shared/a.ipynb") + query)
        assert (query, answer.status_code) == (query, status)
        assert status != 500 or answer.json()["code"] == "InternalError"
    assert http.get(at("Shared/a.ipynb") + "?content=0").json()["content"] is None
    assert http.get(at("Shared/none.ipynb") + WHOLE).json()["code"] == "NotAuthorizedOrNotFound"


def test_a_directory_cannot_be_read(sim: Simulator, http: httpx.Client) -> None:
    for query in ("", "?content=0", "?type=directory&content=1"):
        assert http.get(at("Shared") + query).status_code == 500
    sim.options = Options(directory_metadata=True)
    assert http.get(at("Shared") + "?content=0").json()["type"] == "directory"
    assert http.get(at("Shared") + "?type=directory&content=1").status_code == 400


def test_slashes_must_be_encoded(sim: Simulator, http: httpx.Client) -> None:
    put(http, "Shared/a.ipynb")
    loose = [f"{ROOT}/Shared/a.ipynb{WHOLE}", f"{ROOT}//Workspace/Shared/a.ipynb{WHOLE}"]
    assert [http.get(path).status_code for path in loose] == [404, 404]
    sim.options = Options(contents_unencoded=True)
    assert [http.get(path).status_code for path in loose] == [200, 200]


def test_an_empty_part_of_a_path_is_refused(http: httpx.Client) -> None:
    answer = put(http, "/Workspace//a.ipynb")
    assert answer.json() == {"code": "InvalidParameter", "message": "empty node name @11"}


@pytest.mark.parametrize(
    "body",
    [
        {"type": "notebook", "content": {"no": "cells"}},
        {"type": "notebook"},
        {"type": "file"},
        {"type": "folder", "content": "x"},
        {"type": "file", "format": "base64", "content": "?"},
    ],
)
def test_content_that_is_none_is_refused(http: httpx.Client, body: dict[str, Any]) -> None:
    assert http.put(at("Shared/a.ipynb"), json=body).status_code == 400


def test_other_files_are_text_or_base64(sim: Simulator, http: httpx.Client) -> None:
    coded = base64.b64encode(b"\xff\x00").decode()
    http.put(at("Shared/a.py"), json={"type": "file", "format": "text", "content": "é = 1\n"})
    http.put(at("Shared/b.bin"), json={"type": "file", "format": "base64", "content": coded})
    text = http.get(at("Shared/a.py") + "?type=file&content=1&hash=1").json()
    assert (text["content"], text["format"]) == ("é = 1\n", "text")
    assert text["hash"] == hashlib.sha256("é = 1\n".encode()).hexdigest()
    other = http.get(at("Shared/b.bin") + "?type=file&content=1").json()
    assert (other["content"], other["format"]) == (coded, "base64")
    wrong = http.get(at("Shared/b.bin") + "?type=file&content=1&format=text")
    assert (wrong.status_code, "bad format" in wrong.text) == (400, True)
    assert http.get(at("Shared/a.py") + WHOLE).json()["message"] == "bad type"
    assert filestore.read(sim, "/Workspace/Shared/b.bin") == b"\xff\x00"


def test_the_official_way_names_a_notebook_afterwards(http: httpx.Client) -> None:
    body = {"ext": ".ipynb", "type": "notebook"}
    names = [http.post(at("/Workspace/Shared"), json=body).json()["path"] for _ in range(2)]
    assert names == ["Workspace/Shared/Untitled.ipynb", "Workspace/Shared/Untitled1.ipynb"]
    moved = http.patch(at(names[0]), json={"path": "/Workspace/Shared/final.ipynb"})
    assert (moved.status_code, moved.json()["path"]) == (200, "Workspace/Shared/final.ipynb")
    assert put(http, "/Workspace/Shared/final.ipynb").status_code == 200
    taken = http.patch(at(names[1]), json={"path": "/Workspace/Shared/final.ipynb"})
    assert (taken.status_code, taken.json()["code"]) == (409, "Conflict")
    assert http.post(at("Shared/none"), json=body).status_code == 404
    assert http.patch(at(names[1]), json={}).status_code == 400


def test_a_copy_gets_a_name_of_its_own(http: httpx.Client) -> None:
    put(http, "Shared/a.ipynb")
    body = {"copy_from": "/Workspace/Shared/a.ipynb"}
    names = [http.post(at("Shared"), json=body).json()["name"] for _ in range(2)]
    assert names == ["a-Copy1.ipynb", "a-Copy2.ipynb"]
    assert http.get(at("Shared/a-Copy1.ipynb") + WHOLE).json()["content"] == notebook()


def test_delete(http: httpx.Client) -> None:
    put(http, "Shared/a.ipynb")
    assert http.delete(at("Shared/a.ipynb")).status_code == 204
    assert http.delete(at("Shared/a.ipynb")).status_code == 404
    assert http.delete(at("Shared")).status_code == 409


def test_a_change_in_between_is_seen(http: httpx.Client) -> None:
    old = put(http, "Shared/a.ipynb").headers["etag"]
    new = put(http, "Shared/a.ipynb").headers["etag"]
    body = {"type": "notebook", "content": notebook()}
    stale = http.put(at("Shared/a.ipynb"), json=body, headers={"if-match": old})
    assert (stale.status_code, stale.json()["code"]) == (412, "NoEtagMatch")
    right = http.put(at("Shared/a.ipynb"), json=body, headers={"if-match": new})
    assert right.status_code == 200


def test_a_large_notebook_comes_in_parts(sim: Simulator, http: httpx.Client) -> None:
    whole = b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'
    parts = {1: whole[:20], 2: whole[20:40], -1: whole[40:]}
    sums = {"total_chunks": 3, "total_size_bytes": len(whole)}
    for mark, status in (("0" * 64, 400), (hashlib.sha256(whole).hexdigest(), 201)):
        for place, part in parts.items():
            body = {
                "type": "notebook",
                "upload_id": mark,
                "upload_chunk_index": place,
                "content": base64.b64encode(part).decode(),
                "sha256": mark,
                **sums,
            }
            answer = http.put(at("Shared/a.ipynb"), json=body)
            assert answer.status_code == (status if place == -1 else 200)
    assert filestore.read(sim, "/Workspace/Shared/a.ipynb") == whole


def test_export(http: httpx.Client) -> None:
    put(http, "Shared/a.ipynb", content=notebook("x < 1"))
    path = "/notebook/api/actions/export/contents/Shared%2Fa.ipynb"
    page = http.post(path, json={"format": "html"}).json()
    assert (page["name"], "x &lt; 1" in page["content"]) == ("a.html", True)
    assert '"x < 1"' in http.post(path, json={"format": "ipynb"}).json()["content"]
    assert http.post(path, json={"format": "pdf"}).status_code == 400


def test_old_paths_have_no_contents_for_api_keys(sim: Simulator) -> None:
    with client(sim, family="LA") as http, client(sim, "SESSION", "LA") as session:
        assert put(http, "Shared/a.ipynb").status_code == 404
        assert put(session, "Shared/a.ipynb").status_code == 201
        assert http.get(at("Shared/a.ipynb") + WHOLE).status_code == 404
        assert http.delete(at("Shared/a.ipynb")).status_code == 404
        sim.options = Options(la_contents_404=False)
        assert http.get(at("Shared/a.ipynb") + WHOLE).status_code == 200


def test_the_whole_api_may_be_down(sim: Simulator, http: httpx.Client) -> None:
    sim.options = Options(contents_down="500")
    assert put(http, "Shared/a.ipynb").status_code == 500
    sim.options = Options(contents_down="404")
    assert put(http, "Shared/a.ipynb").status_code == 404


def test_a_build_may_add_metadata(sim: Simulator, http: httpx.Client) -> None:
    sim.options = Options(adds_metadata=True)
    put(http, "Shared/a.ipynb")
    read = http.get(at("Shared/a.ipynb") + WHOLE).json()["content"]
    assert read["metadata"] != {}
    assert read["cells"] == notebook()["cells"]
