"""opc-retry-token: a POST that is sent again is answered as it was the first time, and done once.

Rules kept here: a token holds for 24 h of the simulator's clock and for one path; only what was
carried out is kept, so that a refused request may be mended and sent with its token; where the body
differs the token is refused (409), or the first reply given, as `Options` says.
Source: https://docs.oracle.com/en-us/iaas/Content/API/Concepts/usingapi.htm
"""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp.wire import ApiError, Request, invalid
from agent.simulators.loopback import Reply

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "retry_token"
HOLDS_MS = 24 * 3600 * 1000
LONGEST = 64


def replay(sim: "Simulator", request: Request) -> Reply | None:
    """Return the first reply to this token on this path; None = this is the first.

    Raises `ApiError` for a token that is too long, or that came with another body.
    """
    token = _token(request)
    if token is None:
        return None
    if len(token) > LONGEST:
        raise invalid(f"opc-retry-token must be at most {LONGEST} characters long")
    known = sim.store.get(KIND, f"{token} {request.path}")
    if known is None or sim.clock.now_ms() - int(known["at_ms"]) >= HOLDS_MS:
        return None
    if known["sha256"] != _digest(request) and sim.options.retry_token_conflict:
        message = "The opc-retry-token was used before, with another request."
        raise ApiError(409, "InvalidatedRetryToken", message)
    body: Any = known["body"]
    if known["base64"]:
        body = base64.b64decode(body)
    return Reply(int(known["status"]), body, dict(known["headers"]))


def keep(sim: "Simulator", request: Request, reply: Reply) -> None:
    """Keep the reply for as long as the token holds, if the request had one and was done."""
    token = _token(request)
    if token is None or reply.status >= 300:
        return
    coded = isinstance(reply.body, bytes)
    document = {
        "at_ms": sim.clock.now_ms(),
        "sha256": _digest(request),
        "status": reply.status,
        "base64": coded,
        "body": base64.b64encode(reply.body).decode() if coded else reply.body,
        "headers": dict(reply.headers),
    }
    sim.store.put(KIND, f"{token} {request.path}", document)


def prepare(sim: "Simulator") -> None:
    """Forget the tokens that no longer hold."""
    for key, known in sim.store.items(KIND):
        if sim.clock.now_ms() - int(known["at_ms"]) >= HOLDS_MS:
            sim.store.delete(KIND, key)


def _token(request: Request) -> str | None:
    return request.headers.get("opc-retry-token") if request.method == "POST" else None


def _digest(request: Request) -> str:
    return hashlib.sha256(request.raw).hexdigest()
