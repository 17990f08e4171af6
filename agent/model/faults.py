"""Why a model did not answer, in words a person can act on.

Rules kept here: whatever the SDK or the service does becomes a `Fault`, never a traceback; a fault
says whether the call may be tried again and whether it may have been charged (in doubt it was).
Meaning of the statuses: https://platform.claude.com/docs/en/api/errors
"""

import importlib
import importlib.util
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from agent import playbook
from agent.model.said import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anthropic import APIStatusError

_AGAIN = frozenset(("overloaded_error", "api_error", "rate_limit_error", "timeout_error"))
_CREDENTIALS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "bedrock": "the AWS credentials (AWS_PROFILE, AWS_REGION or AWS_BEARER_TOKEN_BEDROCK)",
    "vertex": "Google's default credentials, CLOUD_ML_REGION and ANTHROPIC_VERTEX_PROJECT_ID",
}
_ROOTS = {
    "bedrock": ("botocore.exceptions", "BotoCoreError"),
    "vertex": ("google.auth.exceptions", "GoogleAuthError"),
}
_NEEDS = {"bedrock": "botocore", "vertex": "google.auth"}


class Fault(NamedTuple):
    """Why a call brought no answer."""

    reason: str
    again: bool
    """Whether the same call may do better a little later."""
    charged: bool
    """Whether it may have been charged."""
    wait_s: float | None = None
    """What the service asked us to wait, seconds; None where it did not say."""


def hindrance(settings: playbook.Model, key: str) -> str | None:
    """Return why the model cannot be asked at all, or None; needs neither SDK nor network."""
    if settings.provider == "anthropic":
        if not key.strip():
            return "no model key: set ANTHROPIC_API_KEY, or say `model: none` in the playbook"
        if not (key.strip().isascii() and key.strip().isprintable()) or " " in key.strip():
            return "ANTHROPIC_API_KEY holds characters that no key has: set it again"
        return None
    package = _NEEDS[settings.provider]
    try:
        missing = importlib.util.find_spec(package) is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        extra = f"pip install 'runmend[{settings.provider}]'"
        return f"the model provider {settings.provider} needs {package}, not installed: {extra}"
    return None


def errors(provider: str) -> tuple[type[Exception], ...]:
    """Return what a call through the SDK may raise."""
    import anthropic
    import httpx2

    common = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, ValueError)
    if provider == "anthropic":
        return common
    # The SDK raises RuntimeError where it finds no credentials; the libraries' own pass through.
    module, root = _ROOTS[provider]
    own: type[Exception] = getattr(importlib.import_module(module), root)
    return (*common, RuntimeError, own)


def fault(error: Exception, settings: playbook.Model, *, opened: bool) -> Fault:
    """Return what an error means; `opened` says that the service had begun to answer."""
    import anthropic
    import httpx2

    # While connecting the SDK wraps what happened; while the answer streams it lets it through.
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
    if isinstance(error, anthropic.APIStatusError):
        return _status(error, settings)
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        where = f"model.base_url {settings.base_url}" if settings.base_url else settings.provider
        reason = f"the model service ({sentence(where, 200)}) cannot be reached: {_words(cause)}"
        return Fault(reason, True, False)
    if isinstance(cause, httpx2.TimeoutException):
        quiet = f"the model service was silent for {settings.timeout:g} s"
        return Fault(f"{quiet} (model.timeout)", True, True)
    broke = isinstance(cause, httpx2.TransportError)
    if broke and not isinstance(cause, httpx2.UnsupportedProtocol):
        return Fault(f"the connection to the model service broke: {_words(cause)}", True, True)
    if opened:
        return Fault(f"the model service's answer is garbled: {_words(error)}", False, True)
    check = f"check model.base_url and {_CREDENTIALS[settings.provider]}"
    return Fault(f"the model service cannot be asked: {_words(cause)}; {check}", False, False)


def _words(error: BaseException) -> str:
    return sentence(str(error), 200) or type(error).__name__


def _status(error: "APIStatusError", settings: playbook.Model) -> Fault:
    status, headers = error.status_code, error.response.headers
    kind = headers.get("content-type", "no content type")
    said = error.api_message if isinstance(error.api_message, str) else f"no API error but {kind}"
    reason = f"the model service answered {error.type or status} ({sentence(said, 300)})"
    if status == 200:
        # An error event inside a stream that began well: the tokens so far are charged.
        return Fault(reason, error.type in _AGAIN, True)
    again = status in (408, 409, 429) or status >= 500
    if headers.get("x-should-retry") in ("true", "false"):
        again = headers["x-should-retry"] == "true"
    reason = f"the model service answered {status} ({sentence(said, 300)})"
    if status in (401, 403):
        reason += f": check {_CREDENTIALS[settings.provider]}"
    elif status == 404:
        reason += f": check model.id ({settings.id}) and model.base_url"
    elif status < 400:
        reason += ": redirects are not followed, set model.base_url to the final address"
    return Fault(reason, again, False, _retry_after(headers))


def _retry_after(headers: "Mapping[str, str]") -> float | None:
    """Return what `Retry-After` asks for, as seconds or as a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(wait_s, 0.0) if isfinite(wait_s) else None
