"""Metrics of clusters: one made-up series, the shape of the real ones.

Rules kept here: the names that work are spelled `MemoryUtilization`; the documented
`MEMORY_UTILIZATION` finds no series, as has been seen on live instances.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import re
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import computing, wire
from agent.simulators.aidp.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

AGGREGATIONS = (
    "MAX",
    "MEAN",
    "MIN",
    "SUM",
    "RATE",
    "P50",
    "P80",
    "P90",
    "P95",
    "P99",
    "P99_9",
)
_MOST = 500
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_IDLE, _BUSY = 5.0, 40.0
"""Percent that every metric shows of a cluster that is stopped and of one that is ACTIVE."""


def _summarize(sim: "Simulator", request: Request) -> dict[str, Any]:
    cluster = computing.find(sim, request.args["cluster"])
    if not request.raw.strip():
        raise invalid("The request body must not be null")
    name = request.text("metricName")
    if request.text("aggregationType") not in AGGREGATIONS:
        raise invalid(f"aggregationType must be one of {', '.join(AGGREGATIONS)}")
    begin, end = (
        wire.parsed_moment(part, request.value(part) or sim.clock.now_ms())
        for part in ("timeBegin", "timeEnd")
    )
    step = _step_ms(request.text("interval", "1m"))
    camel = re.fullmatch(r"[A-Z][a-z]\w*", name) is not None
    if sim.options.metric_names not in ("both", "camel" if camel else "upper"):
        return {"results": []}
    times = range(begin, end + 1, step)[:_MOST]
    value = _BUSY if computing.state(sim, cluster) == "ACTIVE" else _IDLE
    points = [{"timestamp": wire.moment(sim, at), "value": value} for at in times]
    series = {
        "namespace": "oci_aidataplatform",
        "compartmentId": sim.tenancy_id,
        "name": name,
        "dimensions": {"clusterKey": cluster["key"]},
        "aggregatedDataPoints": points,
    }
    return {"results": [series]}


def _step_ms(text: str) -> int:
    fits = re.fullmatch(r"([1-9]\d*)([smhd])", text)
    if fits is None:
        raise invalid(f"interval is not valid: '{text}'")
    return int(fits[1]) * _UNITS_S[fits[2]] * 1000


ROUTES = (Route("POST", "/clusters/{cluster}/actions/summarizeMetricsData", _summarize),)
