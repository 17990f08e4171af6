"""What goes wrong between client and workspace, at the call that a test names."""

import time

import httpx
import pytest

from agent.errors import UsageError
from agent.simulators.databricks import Options, Simulator
from agent.simulators.faults import KINDS, Faults, Kind

MKDIRS = "/api/2.0/workspace/mkdirs"


def made(sim: Simulator) -> bool:
    return sim.store.get("workspace_object", "/Shared/new") is not None


EACH: list[tuple[Kind, int | None, bool]] = [
    ("429", 429, False),
    ("503", 503, False),
    ("500", 500, False),
    ("503_after", 503, True),
    ("500_after", 500, True),
    ("drop_before", None, False),
    ("drop_after", None, True),
    ("html", 502, False),
    ("expired", 403, False),
    ("slow", 200, True),
]


@pytest.mark.parametrize(("kind", "status", "processed"), EACH)
def test_each_fault_strikes_before_or_after_the_work(
    sim: Simulator, http: httpx.Client, kind: Kind, status: int | None, processed: bool
) -> None:
    sim.faults.add("POST /api/*/mkdirs", kind, seconds=0.05)
    if status is None:
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(MKDIRS, json={"path": "/Shared/new"})
    else:
        assert http.post(MKDIRS, json={"path": "/Shared/new"}).status_code == status
    assert made(sim) is processed
    assert sim.calls[-1].status == (status or 0)
    assert http.post(MKDIRS, json={"path": "/Shared/new"}).status_code == 200


def test_every_kind_is_tried_above() -> None:
    assert [row[0] for row in EACH] == list(KINDS)


def test_a_fault_waits_for_its_call_and_stops_after_it(sim: Simulator, http: httpx.Client) -> None:
    sim.faults.add("/api/*/Me", 503, after=1, times=2)
    path = "/api/2.0/preview/scim/v2/Me"
    statuses = [http.get(path).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    sim.faults.add("*", 500, times=None)
    assert [http.get(path).status_code for _ in range(3)] == [500] * 3
    sim.faults.clear()
    assert http.get(path).status_code == 200


def test_retry_after_comes_in_each_of_its_shapes(sim: Simulator, http: httpx.Client) -> None:
    sim.faults.add("*", 429, seconds=7)
    assert http.get("/x").headers["Retry-After"] == "7"
    sim.options = Options(retry_after="none")
    sim.faults.add("*", 503)
    assert "Retry-After" not in http.get("/x").headers
    sim.faults.add("*", 503, retry_after="date")
    assert http.get("/x").headers["Retry-After"].endswith("GMT")


def test_a_slow_reply_takes_its_time(sim: Simulator, http: httpx.Client) -> None:
    sim.faults.add("*", "slow", seconds=0.2)
    begun = time.monotonic()
    http.get("/x")
    assert time.monotonic() - begun >= 0.2


def test_an_html_page_is_no_json(sim: Simulator, http: httpx.Client) -> None:
    sim.faults.add("*", "html")
    answer = http.get("/x")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<html>")


def test_an_unknown_fault_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="drop_before"):
        Faults().add("*", 418)
