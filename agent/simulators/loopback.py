"""A simulated service's socket: HTTP/1.1 on 127.0.0.1, connections kept open between requests.

Nothing listens beyond loopback. A closed listener leaves no thread and no socket behind.
"""

import json
import re
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple, Protocol

from agent.errors import UsageError

LARGEST = 64_000_000
"""Bytes of a request's body; more is answered 413."""
_BUG = "A bug of the simulator; see its log."


class Reply(NamedTuple):
    """An answer: a dict goes out as JSON, bytes as they are."""

    status: int = 200
    body: Any = {}
    headers: Mapping[str, str] = {}


class Answering(Protocol):
    """What is served."""

    problems: list[str]

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Return the reply to a request; None = close the connection without one."""

    def trouble(self, status: int, message: str) -> Reply:
        """Return what is said of a request that never reached the service's own code."""


class Listener:
    """A bound port and the thread that serves it."""

    def __init__(self, sim: Answering, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Raises `UsageError` where the port cannot be had."""
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port} on 127.0.0.1 cannot be used: {error}; name another, or 0 for any"
            ) from error
        self._server.sim = sim
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="listener", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering, hang up on everybody and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    sim: Answering

    def __init__(self, address: tuple[str, int], handler: type["_Handler"]) -> None:
        self._open: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        self._noted: BaseException | None = None
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, which HTTPServer does."""
        TCPServer.server_bind(self)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, known to `hang_up` for as long as it is open."""
        with self._guard:
            self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                del self._open[request]

    def hang_up(self) -> None:
        """Close every open connection and wait for its thread."""
        with self._guard:
            left = list(self._open.items())
        for connection, _ in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was faster
                continue
        for _, thread in left:
            thread.join()

    def note_bug(self) -> None:
        """Keep and show the exception that is on its way, once."""
        error = sys.exc_info()[1]
        if error is None or error is self._noted:
            return
        self._noted = error
        text = traceback.format_exc()
        self.sim.problems.append(text)
        sys.stderr.write(text)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep and show a bug of ours; a client that hung up is none, nor one that does not trust
        the certificate."""
        del request, client_address
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            self.note_bug()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 75.0
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def parse_request(self) -> bool:
        """Answer every method, not only those that this class names."""
        if not super().parse_request():
            return False
        setattr(self, f"do_{self.command}", self._serve)
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stderr is for the command that runs the server."""

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        raw = self._body(headers)
        if raw is None:
            self.close_connection = True
            self._send(self.server.sim.trouble(413, "Body too large."))
            return
        bug = self.server.sim.trouble(500, _BUG)
        reply: Reply | None = bug
        try:
            reply = self.server.sim.answer(self.command, self.path, headers, raw)
        finally:
            if reply is bug:  # known before the client knows of it
                self.server.note_bug()
            if reply is None:
                self.close_connection = True
            else:
                self._send(reply)

    def _body(self, headers: dict[str, str]) -> bytes | None:
        """Return the whole body; None where it is larger than we take."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        text = headers.get("content-length") or "0"
        size = int(text) if text.isdecimal() else 0
        return None if size > LARGEST else self.rfile.read(size)

    def _chunks(self) -> bytes | None:
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            if len(body) + size > LARGEST:
                return None
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def _send(self, reply: Reply) -> None:
        raw = isinstance(reply.body, bytes)
        body = reply.body if raw else json.dumps(reply.body).encode()
        kind = "application/octet-stream" if raw else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **reply.headers}
        if "Date" in headers:  # of a service whose clock differs
            self.send_response_only(reply.status)
        else:
            self.send_response(reply.status)
        for name, value in headers.items():
            clean = re.sub(r"[^\x20-\x7e]", " ", value)
            self.send_header(name, clean)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
