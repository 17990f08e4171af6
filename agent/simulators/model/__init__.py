"""A scripted model on loopback that speaks the Messages wire format, for rehearsals and tests.

Rules kept here: a request that the real service would refuse is refused with the same status and
shape of error; answers come whole or as server-sent events, as asked; every request is kept for
whoever wants to see what was sent. Nothing listens beyond 127.0.0.1.
Wire format: https://platform.claude.com/docs/en/api/messages
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socketserver import TCPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from agent.errors import UsageError
from agent.simulators.model import requests
from agent.simulators.model.requests import Cache, Refusal, refuse
from agent.simulators.model.script import NOTHING_FITS, Rule, Script, read

LARGEST = 32_000_000
"""Bytes of a request; the service answers 413 to more."""


class Exchange(NamedTuple):
    """A request as it came, and the status it got."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    text: str
    """All text in it, the system prompt first."""
    status: int


class ModelServer:
    """A running server; use it in a `with` statement or call `close`."""

    def __init__(
        self, script: Script, port: int = 0, *, keys: frozenset[str] | None = None
    ) -> None:
        """`keys`: the API keys it knows; None = any.

        Raises `UsageError` for a wrong script and for a port that cannot be used.
        """
        self.requests: list[Exchange] = []
        self._rules = [(rule, rule.times) for rule in read(script)]
        self._keys = keys
        self._cache = Cache()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._ids = count(1)
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(f"port {port} on 127.0.0.1 cannot be used: {error}") from error
        self._server.model = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What `model.base_url` or ANTHROPIC_BASE_URL is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop answering and free the port."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def pause(self, wait_s: float) -> None:
        """Keep silent for so long, or until the server closes."""
        self._closing.wait(wait_s)

    def judge(
        self, path: str, headers: dict[str, str], raw: bytes
    ) -> tuple[dict[str, Any], Rule | Refusal]:
        """Keep the request; return its body and what is answered to it."""
        with self._lock:
            body, text, refusal = requests.parse(path, headers, raw, self._keys)
            verdict = refusal or self._rule(body, text)
            status = verdict.status if verdict.status is not None else 200
            self.requests.append(Exchange(path, headers, body, text, status))
            return body, verdict

    def message(self, rule: Rule, body: dict[str, Any]) -> dict[str, Any]:
        """Return the whole answer as a Message object."""
        text, stop = rule.answer(), "end_turn"
        if rule.cut:
            text, stop = text[: len(text) // 2], "max_tokens"
        if rule.refuse is not None:
            text, stop = "", "refusal"
        refusal = {"type": "refusal", "category": rule.refuse, "explanation": None}
        with self._lock:
            usage = self._cache.usage(body) | {"output_tokens": requests.tokens(text)}
            number = next(self._ids)
        return {
            "id": f"msg_{number:024d}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": [{"type": "text", "text": text, "citations": None}] if text else [],
            "stop_reason": stop,
            "stop_sequence": None,
            "stop_details": refusal if stop == "refusal" else None,
            "usage": usage,
        }

    def request_id(self) -> str:
        """Return the id of one more request."""
        with self._lock:
            return f"req_{next(self._ids):024d}"

    def _rule(self, body: dict[str, Any], text: str) -> Rule:
        message = requests.text_of(body["messages"][-1]["content"])
        for place, (rule, left) in enumerate(self._rules):
            if left != 0 and rule.fits(message, text):
                self._rules[place] = (rule, None if left is None else left - 1)
                return rule
        return NOTHING_FITS


def serve(script: Script, port: int = 0) -> ModelServer:
    """Start a scripted model on loopback; port 0 takes a free one. Raises `UsageError`."""
    return ModelServer(script, port)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them, so that no socket is left open
    model: ModelServer

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, which HTTPServer does."""
        TCPServer.server_bind(self)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10.0
    server: _Server

    def do_POST(self) -> None:
        """Answer one request and hang up."""
        try:
            self._answer()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # the client did not wait

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stderr is for the command that runs the server."""

    def _answer(self) -> None:
        self._id = self.server.model.request_id()
        size = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(min(size, LARGEST + 1))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if size > LARGEST:
            self._error(
                refuse(413, f"Request exceeds the maximum allowed number of bytes ({size}).")
            )
            return
        body, verdict = self.server.model.judge(self.path, headers, raw)
        if isinstance(verdict, Refusal):
            self._error(verdict)
            return
        self.server.model.pause(verdict.delay)
        if self.path.startswith("/v1/messages/count_tokens"):
            self._json(200, {"input_tokens": requests.size_of(body)})
        elif verdict.status is not None:
            after, location = verdict.retry_after, verdict.location
            more = {"retry-after": f"{after:g}"} if after is not None else {}
            more |= {"location": location} if location is not None else {}
            self._error(refuse(verdict.status, verdict.message), more)
        elif verdict.fault == "disconnect":
            self.close_connection = True
        elif verdict.fault == "page":
            self._send(200, "text/html", b"<html><body>Sign in to the network</body></html>")
        else:
            message = self.server.model.message(verdict, body)
            if body.get("stream"):
                self._stream(verdict, message)
            else:
                self._json(200, message)

    def _error(self, refusal: Refusal, more: dict[str, str] | None = None) -> None:
        error = {"type": refusal.kind, "message": refusal.message}
        body = {"type": "error", "error": error, "request_id": self._id}
        self._json(refusal.status, body, more)

    def _json(self, status: int, body: dict[str, Any], more: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(body).encode(), more)

    def _send(
        self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None
    ) -> None:
        self._head(status, kind)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("request-id", self._id)
        self.send_header("connection", "close")
        self.close_connection = True

    def _stream(self, rule: Rule, message: dict[str, Any]) -> None:
        self._head(200, "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for place, event in enumerate(_events(message)):
            self.server.model.pause(rule.drip)
            data = json.dumps(event)
            if place == 3 and rule.fault == "break_off":
                return
            if place == 3 and rule.fault == "garble":
                data = data[: len(data) // 2]
            if place == 3 and rule.fault == "stream_error":
                error = {"type": "overloaded_error", "message": "Overloaded"}
                event, data = {"type": "error"}, json.dumps({"type": "error", "error": error})
            self._chunk(f"event: {event['type']}\ndata: {data}\n\n".encode())
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Take a Message apart, as the service streams it."""
    empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_details": None}
    first = {**message["usage"], "output_tokens": 1}
    yield {"type": "message_start", "message": {**message, **empty, "usage": first}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        start = {**block, "text": ""}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        text = block["text"]
        size = max(40, len(text) // 1000)
        for at in range(0, len(text), size):
            delta = {"type": "text_delta", "text": text[at : at + size]}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stopped = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    yield {"type": "message_delta", "delta": stopped, "usage": message["usage"]}
    yield {"type": "message_stop"}
