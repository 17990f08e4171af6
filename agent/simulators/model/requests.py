"""What the Messages service makes of a request: whether it takes it, how it counts and caches it.

The checks are those that a client of ours could fail: headers, fields, shapes, limits.
Sources: https://platform.claude.com/docs/en/api/messages, .../api/errors,
https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

FIELDS = frozenset(
    """
    max_tokens messages model cache_control container diagnostics inference_geo metadata
    output_config service_tier speed stop_sequences stream system thinking tool_choice tools
    """.split()  # noqa: SIM905 - eighteen quotes help nobody
)
SAMPLING = frozenset(("temperature", "top_p", "top_k"))
"""Gone with version 2026-10-21: 400 even with their defaults."""
VERSIONS = ("2023-06-01", "2026-10-21")
BREAKPOINTS = 4
SHORTEST_CACHED = 1_024
"""Tokens; a shorter prefix is not cached."""
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Refusal(NamedTuple):
    """An error the service answers with."""

    status: int
    kind: str
    message: str


class Parsed(NamedTuple):
    """A request, and why it is not taken (None = it is)."""

    body: dict[str, Any]
    text: str
    refusal: Refusal | None


def refuse(status: int, message: str) -> Refusal:
    """Return the error that belongs to a status."""
    return Refusal(status, KINDS.get(status, "api_error"), message)


def parse(path: str, headers: dict[str, str], raw: bytes, keys: frozenset[str] | None) -> Parsed:
    """Read a request and judge it as the service would."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Parsed({}, "", refuse(400, "The request body is not valid JSON"))
    counting = path.split("?")[0] == "/v1/messages/count_tokens"
    if not counting and path.split("?")[0] != "/v1/messages":
        return Parsed(body, "", refuse(404, "Not found"))
    refusal = _headers(headers, keys) or _fields(body, headers["anthropic-version"], counting)
    refusal = refusal or _shapes(body)
    return Parsed(body, "" if refusal else "\n".join(text for text, _ in _blocks(body)), refusal)


def text_of(content: str | list[dict[str, Any]]) -> str:
    """Return a message's text."""
    return content if isinstance(content, str) else "\n".join(b["text"] for b in content)


def tokens(text: str) -> int:
    """Return about how many tokens a text has: one for four bytes."""
    return -(-len(text.encode()) // 4)


def size_of(body: dict[str, Any]) -> int:
    """Return the input tokens of a request."""
    return sum(tokens(text) for text, _ in _blocks(body))


class Cache:
    """Prefixes that were marked for caching by earlier requests."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def usage(self, body: dict[str, Any]) -> dict[str, int]:
        """Count a request: what is read from the cache, written to it, and neither."""
        digest, total, read, marked = hashlib.sha256(), 0, 0, 0
        for text, breakpoint_here in _blocks(body):
            digest.update(f"{len(text)}:{text}".encode())
            total += tokens(text)
            if breakpoint_here and total >= SHORTEST_CACHED:
                marked = total
                read = total if digest.hexdigest() in self._seen else read
                self._seen.add(digest.hexdigest())
        return {
            "input_tokens": total - marked,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": marked - read,
        }


def _headers(headers: dict[str, str], keys: frozenset[str] | None) -> Refusal | None:
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        return refuse(401, "x-api-key header is required")
    if keys is not None and key not in keys:
        return refuse(401, "invalid x-api-key")
    version = headers.get("anthropic-version")
    if version not in VERSIONS:
        return refuse(400, f"anthropic-version: {version or 'header is required'}")
    return None


def _fields(body: dict[str, Any], version: str, counting: bool) -> Refusal | None:
    known = FIELDS | (SAMPLING if version == "2023-06-01" else frozenset())
    for name in body:
        if name not in known:
            return refuse(400, f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages", *(() if counting else ("max_tokens",))):
        if name not in body:
            return refuse(400, f"{name}: Field required")
    if not counting and (not isinstance(body["max_tokens"], int) or body["max_tokens"] < 0):
        return refuse(400, "max_tokens: Input should be a valid integer")
    if not isinstance(body["model"], str) or not body["model"].startswith("claude-"):
        return refuse(404, f"model: {body['model']}")
    return None


def _shapes(body: dict[str, Any]) -> Refusal | None:
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        return refuse(400, "messages: at least one message is required")
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            return refuse(400, f"messages.{place}: Input tag is none of 'user', 'assistant'")
        wrong = _content(message.get("content"))
        if wrong:
            return refuse(400, f"messages.{place}.content: {wrong}")
    wrong = _content(body.get("system", "-"))
    if wrong:
        return refuse(400, f"system: {wrong}")
    if messages[-1]["role"] != "user":
        return refuse(400, "This model does not support assistant message prefill.")
    marked = sum(marked for _, marked in _blocks(body))
    if marked > BREAKPOINTS:
        found = f"A maximum of {BREAKPOINTS} blocks with cache_control may be provided"
        return refuse(400, f"{found}. Found {marked}.")
    return _form(body.get("output_config"))


def _content(content: object) -> str | None:
    """Return what is wrong with a message's content, or None."""
    if isinstance(content, str):
        return None if content else "text content must be non-empty"
    if not isinstance(content, list) or not content:
        return "Input should be a valid list"
    for block in content:
        if not isinstance(block, dict) or block.get("type") != "text":
            return "only text blocks are simulated"
        if set(block) - {"type", "text", "cache_control", "citations"}:
            return "Extra inputs are not permitted"
        if not isinstance(block.get("text"), str) or not block["text"].strip():
            return "text content blocks must be non-empty"
    return None


def _form(config: object) -> Refusal | None:
    if config is None:
        return None
    form = config.get("format") if isinstance(config, dict) else None
    if (
        not isinstance(form, dict)
        or form.get("type") != "json_schema"
        or set(form) != {"type", "schema"}
    ):
        return refuse(400, "output_config.format: Input should be a json_schema")
    for part in _objects(form["schema"]):
        if part.get("additionalProperties") is not False:
            explained = "For 'object' type, 'additionalProperties' must be explicitly set to false"
            return refuse(400, f"output_config.format.schema: {explained}")
        unsupported = {"minimum", "maximum", "minLength", "maxLength", "maxItems"}
        for name, field in part.get("properties", {}).items():
            if unsupported & set(field):
                return refuse(400, f"output_config.format.schema: {name}: not supported")
    return None


def _objects(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from _objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _objects(part)


def _blocks(body: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the request's texts in the order they are cached, and whether each ends a prefix."""
    contents = [body["system"]] if "system" in body else []
    contents += [message["content"] for message in body["messages"]]
    for content in contents:
        if isinstance(content, str):
            yield content, False
        else:
            yield from ((b["text"], b.get("cache_control") is not None) for b in content)
