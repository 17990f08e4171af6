"""What every request meets: paths, headers, pages, retry tokens, faults and the controls."""

from pathlib import Path
from typing import Literal

import httpx
import pytest
from aidp_sim_stage import client

from agent.simulators.aidp import Options, Simulator, VirtualClock, wire
from agent.simulators.faults import KINDS, REFUSALS, Kind

LIST = "/objects?path=Shared"
MADE = {"path": "Shared/new", "type": "FOLDER"}


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert set(answer.json()) == {"code", "message"}
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("family", ["GA", "LA"])
def test_both_path_families_answer(sim: Simulator, family: Literal["GA", "LA"]) -> None:
    with client(sim, family=family) as http:
        assert http.get(LIST).status_code == 200
        sim.options = Options(families=("GA",) if family == "LA" else ("LA",))
        assert refused(http.get(LIST)) == (404, "NotAuthorizedOrNotFound")


@pytest.mark.parametrize(
    "path",
    [
        "/20260430/dataLakes/{id}/workspaces/{ws}/objects?path=Shared",
        "/20240831/aiDataPlatforms/{id}/workspaces/{ws}/objects?path=Shared",
        "/api/20260430/aiDataPlatforms/{id}/workspaces/{ws}/objects?path=Shared",
        "/20260430/aiDataPlatforms/other/workspaces/{ws}/objects?path=Shared",
        "/20260430/aiDataPlatforms/{id}/workspaces/other/objects?path=Shared",
        "/20260430/aiDataPlatforms/{id}/workspaces/{ws}/nothing",
        "/20260430/aiDataPlatforms/{id}/recentActivities",
        "/",
    ],
)
def test_every_wrong_path_is_not_found(sim: Simulator, http: httpx.Client, path: str) -> None:
    whole = sim.url + path.format(id=sim.instance_id, ws=sim.workspace)
    assert refused(http.get(whole)) == (404, "NotAuthorizedOrNotFound")


def test_the_workspace_can_be_looked_up(sim: Simulator, http: httpx.Client) -> None:
    root = sim.url + sim.below().removesuffix(f"/{sim.workspace}")
    items = http.get(root).json()["items"]
    assert [(item["key"], item["displayName"]) for item in items] == [(sim.workspace, "rehearsal")]
    assert http.get(root, params={"displayName": "rehearsal"}).json()["items"] == items
    assert http.get(root, params={"displayName": "other"}).json()["items"] == []
    one = http.get(f"{root}/{sim.workspace}")
    assert one.json() == items[0]
    assert one.headers["etag"]
    assert http.get(f"{root}/other").status_code == 404


def test_every_answer_names_its_request(http: httpx.Client) -> None:
    assert http.get(LIST, headers={"opc-request-id": "mine_1-a"}).headers["opc-request-id"] == (
        "mine_1-a"
    )
    assert http.get("/nothing").headers["opc-request-id"]
    odd = http.get(LIST, headers={"opc-request-id": "a b"}).headers["opc-request-id"]
    assert odd.isalnum()


def test_a_body_that_is_no_json_object_cannot_be_parsed(http: httpx.Client) -> None:
    for raw in (b"{", b"[]", b"\xff"):
        answer = http.post("/actions/renameObject", content=raw)
        assert refused(answer) == (400, "CannotParseRequest")


def folders(http: httpx.Client, count: int) -> None:
    for number in range(count):
        http.post("/objects", headers={"path": f"Shared/f{number}", "type": "FOLDER"})


def test_a_list_comes_in_pages(sim: Simulator, http: httpx.Client) -> None:
    folders(http, 5)
    names, page, calls = [], None, 0
    while calls == 0 or page:
        given = {"path": "Shared", "limit": 2, **({"page": page} if page else {})}
        answer = http.get("/objects", params=given)
        names += [item["displayName"] for item in answer.json()["items"]]
        page, calls = answer.headers.get("opc-next-page"), calls + 1
    assert (names, calls) == ([f"f{n}" for n in range(5)], 3)
    sim.options = Options(page_size=4)
    assert len(http.get("/objects?path=Shared").json()["items"]) == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "page=", "page=abc"])
def test_a_wrong_page_is_refused(http: httpx.Client, query: str) -> None:
    assert refused(http.get(f"/objects?path=Shared&{query}")) == (400, "InvalidParameter")


def test_a_broken_build_repeats_its_page(sim: Simulator, http: httpx.Client) -> None:
    folders(http, 5)
    sim.options = Options(page_repeats=True)
    first = http.get("/objects?path=Shared&limit=2").headers["opc-next-page"]
    second = http.get("/objects", params={"path": "Shared", "limit": 2, "page": first})
    assert second.headers["opc-next-page"] == first


def test_a_retry_token_is_answered_as_the_first_time(sim: Simulator, http: httpx.Client) -> None:
    token = {**MADE, "opc-retry-token": "t1"}
    first = http.post("/objects", headers=token)
    again = http.post("/objects", headers=token)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["etag"] == first.headers["etag"]
    assert http.post("/objects", headers={**MADE, "opc-retry-token": "t2"}).status_code == 409
    with client(sim, family="LA") as old:
        assert old.post("/objects", headers=token).json() == first.json()


def test_a_retry_token_holds_a_day(sim: Simulator, http: httpx.Client) -> None:
    token = {**MADE, "opc-retry-token": "t1"}
    assert http.post("/objects", headers=token).status_code == 201
    sim.advance(24 * 3600 - 1)
    assert http.post("/objects", headers=token).status_code == 201
    sim.advance(1)
    assert http.post("/objects", headers=token).status_code == 409


def test_a_retry_token_outlives_a_restart(tmp_path: Path) -> None:
    token = {**MADE, "opc-retry-token": "t1"}
    for _ in range(2):
        with Simulator(tmp_path / "w", clock=VirtualClock()) as sim, client(sim) as http:
            assert http.post("/objects", headers=token).status_code == 201


def test_a_retry_token_with_another_body_is_refused(sim: Simulator, http: httpx.Client) -> None:
    token = {"path": "Shared/x.txt", "type": "FILE", "opc-retry-token": "t1"}
    assert http.post("/objects", headers=token, content=b"one").status_code == 201
    other = http.post("/objects", headers=token, content=b"two")
    assert refused(other) == (409, "InvalidatedRetryToken")
    sim.options = Options(retry_token_conflict=False)
    assert http.post("/objects", headers=token, content=b"two").status_code == 201
    long = http.post("/objects", headers={**MADE, "opc-retry-token": "t" * 65})
    assert refused(long) == (400, "InvalidParameter")


def test_what_was_refused_may_be_sent_again_with_its_token(http: httpx.Client) -> None:
    token = {"opc-retry-token": "t1"}
    body = {"path": "Shared/a", "newName": "b"}
    assert http.post("/actions/renameObject", json=body, headers=token).status_code == 404
    http.post("/objects", headers={"path": "Shared/a", "type": "FOLDER"})
    assert http.post("/actions/renameObject", json=body, headers=token).status_code == 200


EACH: list[tuple[Kind, int | None, str, bool]] = [
    ("429", 429, "TooManyRequests", False),
    ("503", 503, "ServiceUnavailable", False),
    ("500", 500, "InternalError", False),
    ("503_after", 503, "ServiceUnavailable", True),
    ("500_after", 500, "InternalError", True),
    ("drop_before", None, "", False),
    ("drop_after", None, "", True),
    ("html", 502, "", False),
    ("expired", 401, "NotAuthenticated", False),
    ("slow", 201, "", True),
    ("401", 401, "NotAuthenticated", False),
    ("403", 403, "NotAuthorized", False),
    ("404", 404, "NotAuthorizedOrNotFound", False),
    ("409", 409, "IncorrectState", False),
    ("412", 412, "NoEtagMatch", False),
]


@pytest.mark.parametrize(("kind", "status", "code", "done"), EACH)
def test_each_fault_strikes_before_or_after_the_work(
    sim: Simulator, http: httpx.Client, kind: Kind, status: int | None, code: str, done: bool
) -> None:
    sim.faults.add("POST /objects", kind, seconds=0.02)
    token = {**MADE, "opc-retry-token": "t1"}
    if status is None:
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/objects", headers=token)
    else:
        answer = http.post("/objects", headers=token)
        assert answer.status_code == status
        assert not code or answer.json()["code"] == code
    assert (sim.store.get("file", "/Workspace/Shared/new") is not None) is done
    assert (sim.calls[-1].status, sim.calls[-1].key_id != "") == (status or 0, True)
    # The token finds what was done, and nothing is done twice.
    assert http.post("/objects", headers=token).status_code == 201


def test_every_kind_of_fault_is_tried_above() -> None:
    assert {row[0] for row in EACH} == {*KINDS, *REFUSALS}


def test_busy_answers_say_when_to_come_back(sim: Simulator, http: httpx.Client) -> None:
    sim.faults.add("*", 429, seconds=7)
    assert http.get(LIST).headers["Retry-After"] == "7"
    sim.faults.add("*", 503, retry_after="none")
    assert "Retry-After" not in http.get(LIST).headers


def test_an_html_page_is_no_json(sim: Simulator, http: httpx.Client) -> None:
    sim.faults.add("*/objects", "html")
    answer = http.get(LIST)
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<html>")


def test_the_controls_need_no_signature(sim: Simulator, plain: httpx.Client) -> None:
    root = "/__simulator"
    state = plain.get(f"{root}/state").json()
    assert (state["instance_id"], state["workspace"]) == (sim.instance_id, sim.workspace)
    before = state["now_ms"]
    moved = plain.post(f"{root}/clock", json={"advance_s": 90}).json()
    assert moved["now_ms"] - before == 90_000
    fault = {"where": "GET /objects", "kind": "503", "times": 1}
    assert plain.post(f"{root}/faults", json=fault).status_code == 200
    with client(sim) as http:
        assert [http.get(LIST).status_code for _ in range(2)] == [503, 200]
        plain.post(f"{root}/faults", json={"kind": "500", "times": None})
        assert http.get(LIST).status_code == 500
        assert plain.request("DELETE", f"{root}/faults").status_code == 200
        assert http.get(LIST).status_code == 200
    calls = plain.get(f"{root}/calls", params={"where": "GET /objects"}).json()["calls"]
    assert [call["status"] for call in calls] == [503, 200, 500, 200]
    assert all("authorization" not in call["headers"] for call in calls)
    assert plain.post(f"{root}/options", json={"page_size": 3}).json()["page_size"] == 3
    assert sim.options.page_size == 3


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("clock", {"advance_s": -1}),
        ("clock", {}),
        ("faults", {"kind": "418"}),
        ("faults", {}),
        ("options", {"nonsense": 1}),
        ("session", {"do": "nothing"}),
    ],
)
def test_a_control_that_makes_no_sense_is_refused(
    plain: httpx.Client, name: str, body: dict[str, object]
) -> None:
    assert refused(plain.post(f"/__simulator/{name}", json=body)) == (400, "InvalidParameter")


def test_a_session_can_be_ended_and_renewed_from_outside(
    sim: Simulator, plain: httpx.Client
) -> None:
    plain.post("/__simulator/session", json={"do": "expire"})
    with client(sim, "SESSION") as http:
        assert http.get(LIST).status_code == 401
    plain.post("/__simulator/session", json={"do": "refresh", "lifetime_s": 60})
    with client(sim, "SESSION") as http:
        assert http.get(LIST).status_code == 200
        sim.advance(60)
        assert http.get(LIST).status_code == 401


def test_times_may_come_as_numbers(sim: Simulator, http: httpx.Client) -> None:
    root = sim.url + sim.below()
    assert http.get(root).json()["timeCreated"] == wire.stamp(sim.clock.now_ms())
    sim.options = Options(epoch_times=True)
    assert http.get(root).json()["timeCreated"] == sim.clock.now_ms()


def test_a_time_is_understood_in_every_form() -> None:
    at = 1_782_900_000_123
    for form in (wire.stamp(at), "2026-07-01T12:00:00.123+02:00", at, str(at)):
        assert wire.parsed_moment("timeBegin", form) == at
    with pytest.raises(wire.ApiError, match="timeBegin is not a valid date-time"):
        wire.parsed_moment("timeBegin", "soon")
