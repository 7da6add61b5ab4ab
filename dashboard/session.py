"""Who is looking: sessions are made, checked and ended by the gateway; the dashboard only asks it.

The dashboard has no password file, no signing key and no right to write. Every answer of the gateway is kept for at most
`TTL_S`, so a revoked session is blind within that time.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

COOKIE: Final = "lockgate_session"
TTL_S: Final = 5.0
ROLES: Final = frozenset({"admin", "manager", "auditor"})
_MAX_ANSWER: Final = 64 * 1024
_MAX_KNOWN: Final = 1_000
_CHUNK: Final = 64 * 1024


class GatewayError(Exception):
    """The gateway did not answer as agreed. Carries a status (0 when there was no answer) and never what was sent."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the gateway answered {status}" if status else "the gateway does not answer")
        self.status = status


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person whose session the gateway has confirmed. `workspace` is empty for one who may see the whole organization."""

    name: str
    role: str
    workspace: str = ""
    org_id: str = "default"
    expires_at: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way from the gateway: read `chunks` to the end, then it is closed."""

    status: int
    content_type: str
    chunks: Iterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The few questions that the dashboard asks the gateway over HTTP, blocking, each on a connection of its own."""

    url: str
    ca_file: str = ""
    timeout_s: float = 5.0

    def sign_in(self, credentials: Mapping[str, str]) -> tuple[str, Viewer] | None:
        """Exchange a name and password, or a one-time token, for a session token; None when they are refused.

        Raises GatewayError, with status 429 after too many failures.
        """
        status, answer = self._ask("POST", "/v1/dashboard/sessions", body=dict(credentials))
        if status in {400, 401, 403, 404}:
            return None
        if status not in {200, 201} or not isinstance(answer.get("session"), str):
            raise GatewayError(status)
        viewer = _viewer(answer)
        return (answer["session"], viewer) if viewer is not None else None

    def current(self, session: str) -> Viewer | None:
        """Whose session this is; None when it is not one (any more)."""
        status, answer = self._ask("GET", "/v1/dashboard/sessions/current", session)
        if status in {401, 403, 404}:
            return None
        if status != 200:
            raise GatewayError(status)
        return _viewer(answer)

    def sign_out(self, session: str) -> None:
        """End the session."""
        self._ask("DELETE", "/v1/dashboard/sessions/current", session)

    def record_view(self, session: str, page: str, filters: Mapping[str, str]) -> None:
        """Write down who looked at what; raises GatewayError when that was not possible."""
        status, _ = self._ask("POST", "/v1/dashboard/views", session, {"page": page, "filters": dict(filters)})
        if status not in {200, 201, 202, 204}:
            raise GatewayError(status)

    def download(self, session: str, path: str, params: Mapping[str, str]) -> Download:
        """Open a file of the admin API; its bytes are passed on as they come."""
        connection = self._connect()
        try:
            connection.request("GET", f"{path}?{urlencode(params)}", headers={"authorization": f"Bearer {session}"})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise GatewayError(0) from None
        return Download(response.status, response.headers.get("content-type", "text/csv"), _pieces(connection, response))

    def _ask(self, method: str, path: str, session: str = "", body: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        headers = {"accept": "application/json"}
        if session:
            headers["authorization"] = f"Bearer {session}"
        if body is not None:
            headers["content-type"] = "application/json"
        connection = self._connect()
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            response = connection.getresponse()
            text = response.read(_MAX_ANSWER)
            answer = json.loads(text) if text else {}
        except (OSError, http.client.HTTPException, ValueError):
            raise GatewayError(0) from None
        finally:
            connection.close()
        return response.status, answer if isinstance(answer, dict) else {}

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or "127.0.0.1"
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file or None)
            return http.client.HTTPSConnection(host, parts.port or 443, timeout=self.timeout_s, context=context)
        return http.client.HTTPConnection(host, parts.port or 80, timeout=self.timeout_s)


class Sessions:
    """Remembers for a few seconds what the gateway said of a session. Safe to use from several threads."""

    def __init__(self, gateway: Gateway, monotonic: Callable[[], float]) -> None:
        self.gateway = gateway
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, tuple[float, Viewer | None]] = OrderedDict()
        self._lock = threading.Lock()

    def fresh(self, session: str) -> tuple[bool, Viewer | None]:
        """Whether the answer is known without asking, and the answer."""
        with self._lock:
            found = self._known.get(_name(session))
        if found is None or self._monotonic() - found[0] > TTL_S:
            return False, None
        return True, found[1]

    def viewer(self, session: str) -> Viewer | None:
        """Who this is, asking the gateway when the last answer is too old. Raises GatewayError when it does not answer."""
        if not session:
            return None
        known, viewer = self.fresh(session)
        if known:
            return viewer
        asked = self._monotonic()
        viewer = self.gateway.current(session)
        with self._lock:
            self._known[_name(session)] = (asked, viewer)
            self._known.move_to_end(_name(session))
            while len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return viewer

    def forget(self, session: str) -> None:
        """Ask again next time."""
        with self._lock:
            self._known.pop(_name(session), None)


def _viewer(answer: Mapping[str, Any]) -> Viewer | None:
    """The viewer in an answer; None when it has no role that may look, and for a manager of no workspace, who may see none."""
    role = answer.get("role")
    if role not in ROLES or (role == "manager" and not answer.get("workspace")):
        return None
    return Viewer(
        name=str(answer.get("name") or "unknown"),
        role=str(role),
        workspace=str(answer.get("workspace") or ""),
        org_id=str(answer.get("org_id") or "default"),
        expires_at=str(answer.get("expires_at") or ""),
    )


def _name(session: str) -> bytes:
    """What a session is remembered under, so that no dump of the cache is a set of working sessions."""
    return hashlib.sha256(session.encode()).digest()


def _pieces(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body in pieces. A body that breaks off raises, so that a cut file never looks complete."""
    try:
        while piece := response.read1(_CHUNK):
            yield piece
        if response.length:
            raise GatewayError(0)
    except (OSError, http.client.HTTPException):
        raise GatewayError(0) from None
    finally:
        connection.close()
