"""A model's answer as it comes in, event by event.

The SDK hands events on as they came, unchecked, and services add kinds of events over time: so only
what is needed is read, what is read is checked, and the rest is ignored.
"""

from pydantic import BaseModel, ConfigDict

from agent.model import prices
from agent.records import Usage

LONGEST = 1_000_000
"""Characters of an answer; a longer one is none."""


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Counts(_Read):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Details(_Read):
    category: str | None = None


class _Delta(_Read):
    text: str | None = None
    stop_reason: str | None = None
    stop_details: _Details | None = None


class _Start(_Read):
    usage: _Counts


class _Event(_Read):
    type: str
    message: _Start | None = None
    delta: _Delta | None = None
    usage: _Counts | None = None


class Heard:
    """An answer as far as it came."""

    def __init__(self) -> None:
        self.opened = False
        """Whether the service began to answer."""
        self.text = ""
        self.stop: str | None = None
        """The service's `stop_reason`, None before the end."""
        self.category = ""
        """Why it refused, where it did and said so."""
        self._counts: dict[str, int] = {}

    @property
    def begun(self) -> bool:
        """Whether any of it was an answer."""
        return bool(self._counts)

    def take(self, event: object) -> None:
        """Add an event. Raises `ValueError` for what is none, and for an endless answer."""
        read = _Event.model_validate(event)
        for counts in (read.message and read.message.usage, read.usage):
            if counts is not None:
                self._counts |= counts.model_dump(exclude_none=True)
        if read.delta is None:
            return
        self.text += read.delta.text or ""
        if len(self.text) > LONGEST:
            raise ValueError(f"longer than {LONGEST:,} characters")
        self.stop = read.delta.stop_reason or self.stop
        if read.delta.stop_details is not None:
            self.category = read.delta.stop_details.category or ""

    def usage(self, price: prices.Price) -> Usage:
        """Return what was counted, and what that costs."""
        usage = Usage(
            input_tokens=self._counts.get("input_tokens", 0),
            output_tokens=self._counts.get("output_tokens", 0),
            cache_read_tokens=self._counts.get("cache_read_input_tokens", 0),
            cache_write_tokens=self._counts.get("cache_creation_input_tokens", 0),
            api_calls=1,
        )
        return usage.model_copy(update={"cost_usd": prices.cost(price, usage)})
