"""Logs and metrics of the simulated AIDP workspace's clusters: searched, downloaded, summarized."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from aidp_jobs_stage import refused, signed

from agent.simulators.aidp import Options, Simulator, VirtualClock, logs
from agent.simulators.aidp.wire import stamp

TRACE = "Traceback (most recent call last):\n  x\n\nZeroDivisionError: division by zero\n"


def window(sim: Simulator, kind: str = "driver", **fields: Any) -> dict[str, Any]:
    now = sim.clock.now_ms()
    times = {"timeBegin": stamp(now - 3_600_000), "timeEnd": stamp(now)}
    return {**times, "logContentTypeContains": kind, **fields}


def messages(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["items"]
    assert item["summary"]["resultCount"] == len(item["results"])
    return [r["data"]["logContent"]["data"]["message"] for r in item["results"]]


@pytest.fixture
def search(sim: Simulator) -> str:
    """Give the address of the search of a cluster that has written something."""
    at = sim.clock.now_ms() - 60_000
    key = sim.cluster_key
    logs.append(sim, key, "driver", "stderr", at, TRACE, "run-1", "task-1")
    logs.append(sim, key, "driver", "stdout", at - 1, "INFO all is well", "run-1", "task-1")
    logs.append(sim, key, "driver", "stderr", at, "ERROR other", "run-2", "task-2")
    logs.append(sim, key, "executor", "stderr", at, "ERROR lost", "run-1", "task-1")
    logs.append(sim, key, "driver", "stderr", at - 7_200_000, "too old", "run-1", "task-1")
    logs.append(sim, key, "events", "", at, "cluster resized")
    return f"/clusters/{key}/actions/searchLogs"


def test_a_search_finds_lines_by_kind_stream_time_and_run(
    sim: Simulator, http: httpx.Client, search: str
) -> None:
    mine = {"advancedFilter": "jobRunKey = run-1", "logStreamTypeContains": "stderr"}
    found = messages(http.post(search, json=window(sim, **mine)))
    assert found == [
        "Traceback (most recent call last):",
        "  x",
        "ZeroDivisionError: division by zero",
    ]
    assert messages(http.post(search, json=window(sim)))[0] == "INFO all is well"
    only = window(sim, advancedFilter="taskRunKey = task-2")
    assert messages(http.post(search, json=only)) == ["ERROR other"]
    assert messages(http.post(search, json=window(sim, "executor"))) == ["ERROR lost"]
    assert messages(http.post(search, json=window(sim, "executor", logLevel="INFO"))) == []
    events = window(sim, "events", messageContains="resized")
    assert messages(http.post(search, json=events)) == ["cluster resized"]


def test_a_search_is_paged(sim: Simulator, http: httpx.Client, search: str) -> None:
    query, found = {"limit": "2"}, []
    while True:
        answer = http.post(search, params=query, json=window(sim))
        found.append(len(messages(answer)))
        if (page := answer.headers.get("opc-next-page")) is None:
            break
        query["page"] = page
    assert found == [2, 2, 1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timeBegin": None}, "timeBegin must not be null"),
        ({"timeBegin": "2020-01-01T00:00:00.000Z"}, "24 hours"),
        ({"timeBegin": 1_790_000_000_000}, "expected RFC 3339"),
        ({"timeEnd": "yesterday"}, "timeEnd"),
        ({"logContentTypeContains": None}, "logContentTypeContains must not be null"),
        ({"logContentTypeContains": "kernel"}, "events, driver, executor"),
        ({"advancedFilter": "color = red"}, "advancedFilter"),
    ],
)
def test_a_wrong_search_is_refused(
    sim: Simulator, http: httpx.Client, changes: dict[str, Any], said: str
) -> None:
    wanted = window(sim) | changes
    body = {k: v for k, v in wanted.items() if v is not None}
    where = f"/clusters/{sim.cluster_key}/actions/searchLogs"
    assert said in refused(http.post(where, json=body))


def test_a_build_may_want_milliseconds_and_show_flat_lines(tmp_path: Path) -> None:
    options = Options(log_times="epoch_ms", log_shape="flat")
    clock = VirtualClock()
    with Simulator(tmp_path / "w", clock=clock, options=options) as sim, signed(sim) as http:
        logs.append(sim, sim.cluster_key, "driver", "stderr", sim.clock.now_ms(), "ERROR x")
        where = f"/clusters/{sim.cluster_key}/actions/searchLogs"
        assert "epoch milliseconds" in refused(http.post(where, json=window(sim)))
        times = {"timeBegin": sim.clock.now_ms() - 1000, "timeEnd": sim.clock.now_ms()}
        answer = http.post(where, json=window(sim) | times)
        (result,) = answer.json()["items"][0]["results"]
        assert result["data"]["message"] == "ERROR x"


def test_a_download_is_an_operation_that_ends_in_a_link(
    sim: Simulator, http: httpx.Client, search: str
) -> None:
    body = window(sim, logStreamTypeContains="stderr")
    answer = http.post(search.replace("searchLogs", "downloadLogs"), json=body)
    assert answer.status_code == 202
    key = answer.headers["aidp-async-operation-key"]
    with signed(sim, instance=True) as below:
        operation = below.get(f"/asyncOperations/{key}").json()
        assert (operation["status"], operation["statusDetails"]) == ("IN_PROGRESS", None)
        sim.advance(2)
        operation = below.get(f"/asyncOperations/{key}").json()
        link = json.loads(operation["statusDetails"])["parUrl"]
        assert refused(below.get(link), 401, "NotAuthenticated")
    assert httpx.get(link, trust_env=False).text == TRACE.replace("\n\n", "\n") + "ERROR other\n"
    sim.advance(sim.options.par_s)
    assert httpx.get(link, trust_env=False).status_code == 404


def test_metrics_are_a_series_under_the_name_that_works(sim: Simulator, http: httpx.Client) -> None:
    where = f"/clusters/{sim.cluster_key}/actions/summarizeMetricsData"
    times = {k: v for k, v in window(sim).items() if k.startswith("time")}
    body = {"metricName": "MemoryUtilization", "aggregationType": "MEAN", "interval": "1m", **times}
    (series,) = http.post(where, json=body).json()["results"]
    assert len(series["aggregatedDataPoints"]) == 61
    upper = body | {"metricName": "MEMORY_UTILIZATION"}
    assert http.post(where, json=upper).json() == {"results": []}
    assert "aggregationType" in refused(http.post(where, json=body | {"aggregationType": "AVG"}))
