"""The wire of the simulated workspace: requests as clients send them, answers and errors."""

import http.client
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.errors import UsageError
from agent.simulators.databricks import Options, RealClock, Simulator, VirtualClock
from agent.simulators.databricks.wire import ApiError, Request, paged
from agent.simulators.routing import Route, Routes


def test_an_unknown_route_is_told_in_the_service_s_words(
    sim: Simulator, http: httpx.Client
) -> None:
    answer = http.get("/api/2.0/x")
    assert answer.status_code == 404
    assert answer.json() == {
        "error_code": "ENDPOINT_NOT_FOUND",
        "message": "No API found for 'GET /x'",
    }
    assert answer.headers["X-Databricks-Org-Id"] == str(sim.workspace_id)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "INVENTED"])
def test_any_method_gets_an_answer_and_the_connection_lives_on(
    http: httpx.Client, method: str
) -> None:
    assert http.request(method, "/nowhere").status_code == 404
    assert http.get("/api/2.0/preview/scim/v2/Me").status_code == 200


def test_a_head_request_has_the_length_and_no_body(http: httpx.Client) -> None:
    http.post("/api/2.0/workspace/import", json={"path": "/Shared/a", "format": "RAW"})
    answer = http.head("/api/2.0/workspace-files/Shared/a")
    assert answer.status_code == 200
    assert answer.content == b""


def test_doubled_slashes_and_escapes_find_their_route(sim: Simulator, http: httpx.Client) -> None:
    assert http.get(f"{sim.url}//api//2.0/preview/scim/v2/Me").status_code == 200
    path = "/api/2.0/workspace-files/import-file/%2FWorkspace%2FShared%2Fa%20b.txt?overwrite=TRUE"
    assert http.post(path, content=b"x").status_code == 200
    assert http.get("/api/2.0/workspace/get-status?path=/Shared/a b.txt").json()["size"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{not json", "MALFORMED_REQUEST"),
        (b"[1, 2]", "MALFORMED_REQUEST"),
        (b"{}", "INVALID_PARAMETER_VALUE"),
        (b"", "INVALID_PARAMETER_VALUE"),
        (b'{"path": {"a": 1}}', "INVALID_PARAMETER_VALUE"),
    ],
)
def test_a_body_that_cannot_be_used_is_a_bad_request(
    http: httpx.Client, body: bytes, code: str
) -> None:
    answer = http.post("/api/2.0/workspace/mkdirs", content=body)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == code


def test_a_body_of_unknown_length_is_read_to_its_end(http: httpx.Client) -> None:
    pieces = iter([b'{"path": ', b'"/Shared/new"}'])
    assert http.post("/api/2.0/workspace/mkdirs", content=pieces).status_code == 200
    assert http.get("/api/2.0/workspace/get-status?path=/Shared/new").status_code == 200


def test_json_that_a_client_calls_a_form_is_read_as_json(http: httpx.Client) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b'{"path": "/Shared/new"}'
    assert http.post("/api/2.0/workspace/mkdirs", content=body, headers=kind).status_code == 200


def test_what_is_too_large_is_refused_before_it_is_read(sim: Simulator) -> None:
    connection = http.client.HTTPConnection(sim.url.removeprefix("http://"))
    connection.putrequest("POST", "/api/2.0/dbfs/put")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_options_change_how_errors_look(sim: Simulator, http: httpx.Client) -> None:
    sim.options = Options(integer_error_code=True)
    answer = http.get("/api/2.0/x")
    assert answer.json()["error_code"] == 404
    assert "No API found" in answer.headers["X-Databricks-Reason-Phrase"]


def test_calls_are_kept_as_they_came(sim: Simulator, http: httpx.Client) -> None:
    http.post("/api/2.0/workspace/mkdirs?x=1&a.b=c", json={"path": "/Shared/new"})
    call = sim.calls[-1]
    assert (call.method, call.path, call.status) == ("POST", "/api/2.0/workspace/mkdirs", 200)
    assert call.query == {"x": "1", "a.b": "c"}
    assert call.body == {"path": "/Shared/new"}
    assert call.user_agent.startswith("python-httpx")


def test_what_an_earlier_process_kept_is_there_again(tmp_path: Path) -> None:
    clock = VirtualClock()
    with Simulator(tmp_path, clock=clock) as first:
        headers = {"Authorization": f"Bearer {first.token}"}
        path = "/api/2.0/workspace/mkdirs"
        httpx.post(first.url + path, json={"path": "/Shared/kept"}, headers=headers)
        clock.advance(3600)
    with Simulator(tmp_path, clock=VirtualClock()) as second:
        assert (second.token, second.workspace_id, second.client) == (
            first.token,
            first.workspace_id,
            first.client,
        )
        assert second.clock.now_ms() == clock.now_ms()
        path = "/api/2.0/workspace/get-status?path=/Shared/kept"
        assert httpx.get(second.url + path, headers=headers).status_code == 200


def test_one_folder_serves_one_simulator(sim: Simulator) -> None:
    with pytest.raises(UsageError, match="another simulator"):
        Simulator(sim.folder)


def test_a_port_in_use_is_a_clear_error(sim: Simulator, tmp_path: Path) -> None:
    port = int(sim.url.rpartition(":")[2])
    other = Simulator(tmp_path / "other")
    with pytest.raises(UsageError, match=f"port {port}"):
        other.start(port)
    other.stop()


def test_stopping_hangs_up_on_clients_that_keep_their_connection(tmp_path: Path) -> None:
    with Simulator(tmp_path) as sim, httpx.Client(base_url=sim.url) as client:
        assert client.get("/x").status_code == 404
        sim.stop()
        with pytest.raises(httpx.TransportError):
            client.get("/x")
    assert not [one for one in threading.enumerate() if one.name in ("ticker", "listener")]


def test_a_bug_is_answered_kept_and_undone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(sim: Simulator, request: Request) -> dict[str, object]:
        sim.store.put("half", "done", {})
        return {"never": request.args["missing"]}

    with Simulator(tmp_path) as sim:
        sim.routes = Routes([Route("GET", "/broken", broken, open=True)])
        assert httpx.get(sim.url + "/broken").status_code == 500
        assert "KeyError" in sim.problems[0]
        assert sim.store.get("half", "done") is None
    assert "KeyError" in capsys.readouterr().err


def test_the_real_clock_goes_on_by_itself_and_can_be_moved_ahead() -> None:
    clock = RealClock()
    before = clock.now_ms()
    clock.advance(100)
    assert 100_000 <= clock.now_ms() - before < 160_000
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


def _request(**changes: Any) -> Request:
    plain = Request(method="GET", path="/x", query={}, raw=b"", headers={}, user="ana")
    return plain.but(**changes)


@pytest.mark.parametrize("value", [17, "17", " 17 ", 17.0])
def test_ids_come_as_numbers_or_as_text(value: object) -> None:
    assert _request(body={"run_id": value}).number("run_id") == 17


@pytest.mark.parametrize("value", ["x", True, 1.5, "", [1]])
def test_anything_else_is_no_id(value: object) -> None:
    with pytest.raises(ApiError) as refused:
        _request(body={"run_id": value}).number("run_id")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", True), ("true", True), (True, True), ("FALSE", False), (False, False), ("", False)],
)
def test_booleans_come_in_any_case(value: object, expected: bool) -> None:
    assert _request(query={"expand": value}).flag("expand") is expected


def test_an_empty_page_token_is_none_and_nested_queries_are_maps() -> None:
    request = _request(query={"page_token": "", "filter_by.state": "RUNNING"})
    assert request.page() is None
    assert request.mapping("filter_by") == {"state": "RUNNING"}
    assert _request(pairs=(("t", "a"), ("t", "b"))).listed("t") == ["a", "b"]


def test_pages_follow_each_other_without_gap_or_overlap() -> None:
    rows = [{"n": n} for n in range(7)]
    seen: list[dict[str, int]] = []
    query = {"max_results": "3"}
    while True:
        page = paged(rows, _request(query=query), name="rows")
        seen += page["rows"]
        if "next_page_token" not in page:
            break
        query["page_token"] = page["next_page_token"]
    assert seen == rows
    with pytest.raises(ApiError):
        paged(rows, _request(query={"page_token": "nonsense"}), name="rows")


def test_the_most_exact_route_wins() -> None:
    def answer(sim: Simulator, request: Request) -> dict[str, object]:
        return {"path": request.path, "user": sim.user}

    patterns = ["/a/{rest...}", "/a/{one}", "/a/b", "/api/2.{version}/jobs/get"]
    routes = Routes([Route("GET", pattern, answer) for pattern in patterns])
    found = {p: routes.find("GET", p) for p in ("/a/b", "/a/c%2Fd", "/a/c/d", "/api/2.1/jobs/get")}
    shown = {p: (f[0].pattern, f[1]) for p, f in found.items() if f is not None}
    assert shown == {
        "/a/b": ("/a/b", {}),
        "/a/c%2Fd": ("/a/{one}", {"one": "c/d"}),
        "/a/c/d": ("/a/{rest...}", {"rest": "c/d"}),
        "/api/2.1/jobs/get": ("/api/2.{version}/jobs/get", {"version": "1"}),
    }


def test_the_controls_are_the_owner_s_alone(sim: Simulator, http: httpx.Client) -> None:
    made = http.post("/__simulator/users", json={"name": "ana@example.com"})
    other = {"Authorization": f"Bearer {made.json()['token']}"}
    assert http.get("/__simulator/state", headers=other).status_code == 403
    assert http.get("/__simulator/state", headers={"Authorization": ""}).status_code == 401
    assert http.get("/__simulator/state").json()["url"] == sim.url


def test_another_process_can_drive_the_workspace(sim: Simulator, http: httpx.Client) -> None:
    before = sim.clock.now_ms()
    assert (
        http.post("/__simulator/clock", json={"advance_s": 1.5}).json()["now_ms"] == before + 1500
    )
    assert http.post("/__simulator/clock", json={"advance_s": -1}).status_code == 400
    assert http.post("/__simulator/options", json={"run_shape": "status"}).status_code == 200
    assert sim.options.run_shape == "status"
    wrong = http.post("/__simulator/options", json={"run_shape": "round"})
    assert "run_shape" in wrong.json()["message"]
    http.post("/__simulator/faults", json={"where": "GET /x", "kind": "503"})
    assert http.get("/x").status_code == 503
    unknown = http.post("/__simulator/faults", json={"kind": "flood"})
    assert "drop_after" in unknown.json()["message"]
    calls = http.get("/__simulator/calls", params={"where": "GET /x"}).json()["calls"]
    assert [call["status"] for call in calls] == [503]
    assert json.dumps(calls)
