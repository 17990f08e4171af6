"""The log: to stderr, only when RUNMEND_LOG is set; pretty on a terminal, JSON otherwise.

An event is `noun.verb_past`, data are keywords: `log.info("case.advanced", case=case.id)`. A call
costs nothing while the log is off: structlog is imported by the first call of a log that is on.
Text is masked; callers never pass a log body or a prompt.
"""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from agent.errors import UsageError

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger

LEVELS = ("debug", "info", "warning", "error")


class Log:
    """A log that is on or off as the environment says when it is first used."""

    def __init__(self, env: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> None:
        self._env = env
        self._stream = stream
        self._level: int | None = None
        self._logger: FilteringBoundLogger | None = None

    def debug(self, event: str, **data: object) -> None:
        """Tell what only helps to find a bug."""
        self._say(0, event, data)

    def info(self, event: str, **data: object) -> None:
        """Tell what happened."""
        self._say(1, event, data)

    def warning(self, event: str, **data: object) -> None:
        """Tell what a person should look at."""
        self._say(2, event, data)

    def error(self, event: str, **data: object) -> None:
        """Tell what went wrong."""
        self._say(3, event, data)

    def _say(self, level: int, event: str, data: Mapping[str, object]) -> None:
        if self._level is None:
            self._level = least(self._env)
        if level < self._level:
            return
        if self._logger is None:
            self._logger = _logger(self._stream or sys.stderr, self._env)
        getattr(self._logger, LEVELS[level])(event, **data)


def least(env: Mapping[str, str]) -> int:
    """Return the index in LEVELS of what is logged at least; beyond the last = the log is off.

    Raises `UsageError` for a level that there is not.
    """
    said = env.get("RUNMEND_LOG", "").strip().lower()
    if said in ("", "0", "off"):
        return len(LEVELS)
    if said in LEVELS:
        return LEVELS.index(said)
    if said in ("1", "on"):
        return LEVELS.index("info")
    raise UsageError(f"RUNMEND_LOG={said!r} is no level; there is {', '.join(LEVELS)}")


def _logger(stream: TextIO, env: Mapping[str, str]) -> "FilteringBoundLogger":
    import structlog

    terminal = stream.isatty()
    last: Any = structlog.processors.JSONRenderer()
    if terminal:
        colors = not env.get("NO_COLOR") and env.get("TERM") != "dumb"
        last = structlog.dev.ConsoleRenderer(colors=colors)
    found: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        wrapper_class=structlog.make_filtering_bound_logger(0),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _masked,
            last,
        ],
    )
    return found


def _masked(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    from agent import redaction

    return {
        key: redaction.mask(redaction.printable(value)) if isinstance(value, str) else value
        for key, value in event.items()
    }


log = Log()
"""The process's log."""
