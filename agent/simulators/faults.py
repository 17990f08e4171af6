"""What can go wrong between a client and a simulated service, at the call that a test names."""

import threading
from collections.abc import Sequence
from email.utils import formatdate
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, get_args

from agent.errors import UsageError

Kind = Literal[
    "401",
    "403",
    "404",
    "409",
    "412",
    "429",
    "503",
    "500",
    "503_after",
    "500_after",
    "drop_before",
    "drop_after",
    "html",
    "expired",
    "slow",
]
"""`drop_before`: the connection is closed and nothing is done. `drop_after`, `503_after` and
`500_after`: the request is carried out, then its reply is lost or replaced by an error. `html`: a
proxy's error page (502). `expired`: the token is refused. `slow`: the reply takes `seconds`.
"""

REFUSALS: tuple[Kind, ...] = ("401", "403", "404", "409", "412")
"""Answered by a service whose clients are known to meet them out of the blue."""
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in REFUSALS)
"""What every service knows."""
RetryAfter = Literal["seconds", "none", "date"]


class Fault(NamedTuple):
    """One thing that goes wrong."""

    where: str
    """A glob over `METHOD /path`, or over the path alone."""
    kind: Kind
    times: int | None
    """At how many matching calls it strikes; None = at each from then on."""
    after: int
    """How many matching calls go well first."""
    seconds: float
    """How long a slow reply takes; the value of Retry-After."""
    retry_after: RetryAfter | None
    """How 429 and 503 say when to come back; None = as the workspace's options say."""

    def fits(self, method: str, path: str) -> bool:
        """Say whether a call is meant."""
        return fnmatchcase(f"{method} {path}" if " " in self.where else path, self.where)

    def wait_header(self, default: RetryAfter, now_ms: int) -> dict[str, str]:
        """Return the Retry-After header, empty where it is left out."""
        match self.retry_after or default:
            case "seconds":
                return {"Retry-After": str(max(0, round(self.seconds)))}
            case "date":
                return {"Retry-After": formatdate(now_ms / 1000 + self.seconds, usegmt=True)}
            case _:
                return {}


class Faults:
    """The faults that are set; each counts the calls that fit it."""

    def __init__(self, kinds: Sequence[Kind] = KINDS) -> None:
        """`kinds`: what the service knows."""
        self._kinds = kinds
        self._lock = threading.Lock()
        self._set: list[tuple[Fault, int]] = []

    def add(
        self,
        where: str,
        kind: Kind | int,
        *,
        times: int | None = 1,
        after: int = 0,
        seconds: float = 1.0,
        retry_after: RetryAfter | None = None,
    ) -> None:
        """Let `kind` happen at calls that fit `where`, such as `POST /api/*/jobs/run-now` or `*`.

        Raises `UsageError` for an unknown kind.
        """
        name = str(kind)
        known = next((k for k in self._kinds if k == name), None)
        if known is None:
            raise UsageError(f"unknown fault {name!r}; there is {', '.join(self._kinds)}")
        with self._lock:
            self._set.append((Fault(where, known, times, after, seconds, retry_after), 0))

    def clear(self) -> None:
        """Let everything go well from here on."""
        with self._lock:
            self._set.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """Count this call and return what goes wrong with it; the first that was added wins."""
        struck: Fault | None = None
        with self._lock:
            for place, (fault, seen) in enumerate(self._set):
                if not fault.fits(method, path):
                    continue
                self._set[place] = (fault, seen + 1)
                due = seen >= fault.after
                spent = fault.times is not None and seen >= fault.after + fault.times
                if struck is None and due and not spent:
                    struck = fault
        return struck
