"""A loopback gateway that answers what the dashboard asks: sessions, views, exports. Its CSVs come from the same read model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipeline.ids import token
from pipeline.store.export import csv_lines, event_lines
from pipeline.store.reads import Reads, Tenant, parse_filter


@dataclass(slots=True)
class FakeGateway:
    """What the gateway knows and what it was asked. `reads` is needed for exports only."""

    reads: Reads | None = None
    people: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    views: list[dict[str, Any]] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    away: bool = False
    weary: bool = False
    url: str = ""

    def add_person(self, name: str, password: str, role: str = "auditor", workspace: str | None = None) -> None:
        """Someone who may sign in."""
        self.people[name] = (password, {"name": name, "role": role, "workspace": workspace})

    def make_link(self, name: str = "ada", role: str = "admin", workspace: str | None = None) -> str:
        """The token of a link that signs in once."""
        link = token("lgl")
        self.links[link] = {"name": name, "role": role, "workspace": workspace}
        return link

    def open_session(self, name: str = "ada", role: str = "admin", workspace: str | None = None) -> str:
        """A session without signing in."""
        session = token("lgs")
        self.sessions[session] = {"name": name, "role": role, "workspace": workspace, "expires_at": "2027-01-01T00:00:00Z"}
        return session

    def sign_in(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """The answer to a sign-in, or None."""
        if "token" in asked:
            person = self.links.pop(asked["token"], None)
        else:
            password, person = self.people.get(asked.get("name", ""), ("", None))
            person = person if person is not None and asked.get("password") == password else None
        if person is None:
            return None
        session = self.open_session(person["name"], person["role"], person["workspace"])
        return {"session": session, **self.sessions[session]}


@contextmanager
def running_gateway(reads: Reads | None = None) -> Iterator[FakeGateway]:
    """Serve a fake gateway on a free loopback port."""
    gateway = FakeGateway(reads)

    class Handler(_Handler):
        state = gateway

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: FakeGateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _route(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        parts = urlsplit(self.path)
        if self.state.away:
            self._json(503, {"error": {"code": "audit_unavailable"}})
            return
        if (method, parts.path) == ("POST", "/v1/dashboard/sessions"):
            answer = self.state.sign_in(body)
            refusal = 429 if self.state.weary else 401
            self._json(200 if answer else refusal, answer or {"error": {"code": "login_refused"}})
            return
        session = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        known = self.state.sessions.get(session)
        if known is None:
            self._json(401, {"error": {"code": "invalid_session"}})
        elif (method, parts.path) == ("GET", "/v1/dashboard/sessions/current"):
            self._json(200, known)
        elif (method, parts.path) == ("DELETE", "/v1/dashboard/sessions/current"):
            del self.state.sessions[session]
            self._json(200, {})
        elif (method, parts.path) == ("POST", "/v1/dashboard/views"):
            self.state.views.append({"name": known["name"], **body})
            self._json(200, {})
        elif method == "GET" and parts.path in {"/v1/audit/events", "/v1/spend", "/v1/redactions"}:
            self._csv(parts.path, dict(parse_qsl(parts.query)), known)
        else:
            self._json(404, {})

    def _csv(self, path: str, params: dict[str, str], known: dict[str, Any]) -> None:
        assert self.state.reads is not None
        self.state.exports.append(self.path)
        reads = self.state.reads.seen_by(Tenant(workspace=known["workspace"] or ""))
        asked = parse_filter(params)
        if path == "/v1/audit/events":
            lines = event_lines(reads.iterate_events(asked))
        elif path == "/v1/redactions":
            lines = csv_lines(reads.redactions(asked, params["group_by"], params.get("tz", "")))
        else:
            lines = csv_lines(reads.spend(asked, params["group_by"], params.get("tz", "")))
        self.send_response(200)
        self.send_header("content-type", "text/csv; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = line.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
