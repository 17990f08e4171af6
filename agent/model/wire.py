"""The one way to a model: a request goes out, an answer or the reason why there is none comes back.

Rules kept here: nothing a service does raises. The worst a call can cost is reserved before it and
settled after it; where it is not known whether a call was charged, it is counted in full. Answers
are streamed, so that the time-out bounds silence and not thinking. A redirect is not followed:
evidence goes where the user said and nowhere else. The SDK is imported on first use: it takes
seconds.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from agent import playbook
from agent.model import prices
from agent.model.faults import Fault, errors, fault
from agent.model.said import Said
from agent.model.stream import Heard
from agent.records import Usage

if TYPE_CHECKING:
    from anthropic import Anthropic, AnthropicBedrock, AnthropicVertex, Omit
    from anthropic.types import MessageParam, OutputConfigParam, TextBlockParam

ATTEMPTS = 4
"""Calls for one answer, the first included."""
FIRST_WAIT_S = 2.0
"""Before the second call, where the service does not say; doubles each time."""
LONGEST_WAIT_S = 60.0
"""A service that asks for more is not waited for."""
CONNECT_S = 10.0
WHOLE = 5.0
"""A whole answer may take this many times the playbook's `model.timeout`."""


class Spend(Protocol):
    """The case's budget for models, kept across restarts."""

    def reserve(self, usd: float) -> None:
        """Set money aside before a call. Raises `BudgetSpent` where it would pass the limit."""

    def settle(self, reserved_usd: float, actual: Usage) -> None:
        """Replace what was reserved by what the call cost."""


class Message(NamedTuple):
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    text: str


class Connection:
    """A client of one model, and what its calls have cost; to be closed."""

    def __init__(
        self, settings: playbook.Model, key: str, spend: Spend, sleep: Callable[[float], object]
    ) -> None:
        """Raises `ValueError` where the provider lacks something: a region, a usable address."""
        self._settings, self._spend, self._sleep = settings, spend, sleep
        self._price = prices.price(settings)
        self._client = _client(settings, key.strip())
        self._errors = errors(settings.provider)
        self._form: dict[str, Any] | None = _form()
        self.usage = Usage()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, system: str, messages: Sequence[Message]) -> Heard | str:
        """Return the model's whole answer, or why there is none after all attempts.

        Raises `BudgetSpent` (from the budget) where the worst case of a call would pass it.
        """
        wait_s = FIRST_WAIT_S
        reason = ""
        for left in range(ATTEMPTS - 1, -1, -1):
            outcome = self._call(system, messages)
            if isinstance(outcome, Heard):
                return outcome
            reason = outcome.reason
            if self._form is not None and "output_config" in reason:
                self._form = None  # an older model or a gateway: our own validation must do
                continue
            if not outcome.again:
                return reason
            wanted_s = wait_s if outcome.wait_s is None else outcome.wait_s
            if wanted_s > LONGEST_WAIT_S:
                return f"{reason}; it asked to wait {wanted_s:,.0f} s"
            if left:
                self._sleep(wanted_s * random.uniform(1.0, 1.25))  # noqa: S311 - spreads load
                wait_s *= 2
        return f"{reason}; asked {ATTEMPTS} times"

    def _call(self, system: str, messages: Sequence[Message]) -> Heard | Fault:
        size = len(json.dumps(self._form)) + len(system.encode())
        size += sum(len(message.text.encode()) for message in messages)
        worst_usd = prices.worst(self._price, size, self._settings.max_tokens)
        self._spend.reserve(worst_usd)
        heard = Heard()
        found = self._listen(system, messages, heard)
        usage = heard.usage(self._price)
        if found is not None:
            usage = usage.model_copy(update={"cost_usd": worst_usd if found.charged else 0.0})
        self._spend.settle(worst_usd, usage)
        self.usage = self.usage.plus(usage)
        return heard if found is None else found

    def _listen(self, system: str, messages: Sequence[Message], heard: Heard) -> Fault | None:
        from anthropic import omit

        limit_s = self._settings.timeout * WHOLE
        end = time.monotonic() + limit_s
        form: OutputConfigParam | Omit = omit
        if self._form is not None:
            form = {"format": {"type": "json_schema", "schema": self._form}}
        try:
            with self._client.messages.create(
                model=self._settings.id,
                max_tokens=self._settings.max_tokens,
                system=[_block(system, cached=True)],
                messages=_turns(messages),
                output_config=form,
                stream=True,
            ) as stream:
                heard.opened = True
                kind = stream.response.headers.get("content-type", "no content type")
                for event in stream:
                    heard.take(event)
                    if time.monotonic() > end:
                        return Fault(f"the model took longer than {limit_s:g} s", False, True)
        except self._errors as error:
            return fault(error, self._settings, opened=heard.opened)
        if not heard.begun:
            return Fault(f"the model service answered with something else ({kind})", False, True)
        return Fault("the model's answer broke off", True, True) if heard.stop is None else None


def _client(settings: playbook.Model, key: str) -> "Anthropic | AnthropicBedrock | AnthropicVertex":
    import anthropic
    import httpx2

    options: dict[str, Any] = {
        "base_url": settings.base_url,
        "max_retries": 0,
        "timeout": anthropic.Timeout(settings.timeout, connect=min(CONNECT_S, settings.timeout)),
        "http_client": anthropic.DefaultHttpxClient(follow_redirects=False),
        "open_telemetry": False,
    }
    try:
        if settings.provider == "bedrock":
            return anthropic.AnthropicBedrock(**options)
        if settings.provider == "vertex":
            return anthropic.AnthropicVertex(**options)
        return anthropic.Anthropic(api_key=key, **options)
    except httpx2.InvalidURL as error:
        raise ValueError(f"model.base_url {settings.base_url!r} is no address: {error}") from error


def _form() -> dict[str, Any]:
    """Return the schema the service holds the model to, without what it does not support."""
    from anthropic import transform_schema

    return transform_schema(Said.model_json_schema())


def _turns(messages: Sequence[Message]) -> "list[MessageParam]":
    """Return the messages; the first and the last end what the next call finds in the cache."""
    turns: list[MessageParam] = []
    for number, message in enumerate(messages, 1):
        content = [_block(message.text, cached=number in (1, len(messages)))]
        if message.role == "user":
            turns.append({"role": "user", "content": content})
        else:
            turns.append({"role": "assistant", "content": content})
    return turns


def _block(text: str, *, cached: bool) -> "TextBlockParam":
    if cached:
        return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    return {"type": "text", "text": text}
