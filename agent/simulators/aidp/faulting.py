"""What a fault that a test asked for looks like on the simulated platform's wire."""

from agent.simulators.aidp import signing
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.wire import ApiError, missing
from agent.simulators.faults import Fault
from agent.simulators.loopback import Reply

_TROUBLES = {
    "409": (409, "IncorrectState", "The resource is not in a state that allows this."),
    "412": (412, "NoEtagMatch", "The etag in the if-match header does not match the resource's."),
    "429": (429, "TooManyRequests", "Too many requests for the user. Please try again later."),
    "500": (500, "InternalError", "An internal server error has occurred."),
    "503": (503, "ServiceUnavailable", "The service is currently unavailable."),
}
_PROXY_PAGE = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><h1>502 Bad Gateway</h1><pre>upstream connect error</pre></body></html>"
)


def early(fault: Fault | None, options: Options, now_ms: int) -> Reply | None:
    """Return what is answered before anything is done; None = the request is carried out."""
    if fault is None or fault.kind.endswith("_after") or fault.kind == "slow":
        return None
    if fault.kind == "html":
        return Reply(502, _PROXY_PAGE, {"Content-Type": "text/html"})
    return _busy(fault, options, now_ms)


def late(fault: Fault | None, reply: Reply, options: Options, now_ms: int) -> Reply | None:
    """Return what becomes of a reply once all is done; None = it is lost."""
    if fault is None or not fault.kind.endswith("_after"):
        return reply
    return None if fault.kind == "drop_after" else _busy(fault, options, now_ms)


def _busy(fault: Fault, options: Options, now_ms: int) -> Reply:
    kind = fault.kind.removesuffix("_after")
    if kind in ("401", "expired"):
        return signing.refused("a fault that was asked for").reply()
    if kind == "404":
        return missing().reply()
    status, code, message = _TROUBLES[kind]
    reply = ApiError(status, code, message).reply()
    if status not in (429, 503):
        return reply
    return reply._replace(headers=fault.wait_header(options.retry_after, now_ms))
