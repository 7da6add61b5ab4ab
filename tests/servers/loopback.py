"""What the stand-ins of the vaults' vendors have in common: HTTP(S) on loopback, answered by a method, and switches for faults."""

from __future__ import annotations

import json
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.certificates import Authority


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return _first(parse_qs(self.body.decode()))

    @property
    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else ""


@dataclass(frozen=True)
class Answer:
    """What is answered; a `bytes` body goes as it is, everything else as JSON."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Loopback:
    """Use as a context manager. `status`, `broken`, `latency_s` and `faulty` (a path prefix: only there) break it while it runs.

    With `folder` it speaks TLS with a certificate whose authority is the file `ca`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.status = 0
        self.fault: Any = {}
        self.broken = self.drops = False
        self.latency_s = 0.0
        self.faulty = ""
        self.ca = ""
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        if folder is not None:
            authority = Authority(folder)
            pair = authority.sign("server", server=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.cert, pair.key)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
            self.ca = str(authority.file)
        self.port = self._http.server_address[1]
        self.url = f"{'https' if folder else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def healthy(self) -> None:
        """Put every switch back."""
        self.status, self.fault, self.broken, self.drops, self.latency_s, self.faulty = 0, {}, False, False, 0.0, ""

    def answer(self, call: Call) -> Answer:
        """What a sound server says."""
        raise NotImplementedError

    def answered(self, call: Call) -> Answer | None:
        """What is said with the switches as they are; None: the connection is dropped."""
        with self.lock:
            self.requests[f"{call.method} {call.path}"] += 1
        if not call.path.startswith(self.faulty):
            return self.answer(call)
        self.closing.wait(self.latency_s)
        if self.drops:
            return None
        if self.broken:
            return Answer(b'{"cut": ', headers={"Content-Type": "application/json"})
        if self.status:
            return Answer(self.fault, self.status)
        return self.answer(call)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    owner: Loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        told = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.command, unquote(told.path), _first(parse_qs(told.query)), headers, self.rfile.read(length))
        answer = self.server.owner.answered(call)
        if answer is None:
            self.close_connection = True
            return
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def _first(values: dict[str, list[str]]) -> dict[str, str]:
    return {name: found[0] for name, found in values.items()}
