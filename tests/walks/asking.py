"""Asking a gateway on both surfaces over plain sockets, so that every byte, every break and every address is the test's own."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.walks.rig import Answer

Surface = Literal["openai", "anthropic"]
SURFACES: tuple[Surface, ...] = ("openai", "anthropic")
PATHS: dict[Surface, str] = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}

# What each surface calls a refusal of a status (conventions B2); OpenAI's type and code are per case.
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
}


def body_for(surface: Surface, model: str, content: Any = "hello", **more: Any) -> dict[str, Any]:
    """A small request of a surface."""
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 64, **more}


def key_header(surface: Surface, key: str | None) -> dict[str, str]:
    """The credential as the surface's SDK sends it."""
    if key is None:
        return {}
    return {"authorization": f"Bearer {key}"} if surface == "openai" else {"x-api-key": key, "anthropic-version": "2023-06-01"}


class Line:
    """One connection that is kept; `source` is the loopback address from which it comes."""

    def __init__(self, url: str, source: str = "127.0.0.1", timeout: float = 30) -> None:
        split = urlsplit(url)
        self._http = http.client.HTTPConnection(split.hostname or "", split.port, timeout=timeout, source_address=(source, 0))

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One exchange; any status is an answer, a broken connection an OSError or HTTPException."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} if raw is not None else {}
        self._http.request(method, path, raw, {**sent, **(headers or {})})
        response = self._http.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def ask(self, surface: Surface, model: str, key: str | None, content: Any = "hello", **more: Any) -> Answer:
        """One call of a surface, read to its end."""
        return self.send("POST", PATHS[surface], body_for(surface, model, content, **more), key_header(surface, key))

    def close(self) -> None:
        self._http.close()


def ask(
    url: str, surface: Surface, model: str, key: str | None, content: Any = "hello", *, source: str = "127.0.0.1", **more: Any
) -> Answer:
    """One call on a connection of its own."""
    line = Line(url, source)
    try:
        return line.ask(surface, model, key, content, **more)
    finally:
        line.close()


class Stream:
    """A streamed call that is under way; `raw` is what came so far."""

    def __init__(
        self,
        url: str,
        surface: Surface,
        model: str,
        key: str,
        content: Any = "hello",
        timeout: float = 30,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        split = urlsplit(url)
        self.surface = surface
        self.raw = b""
        self._http = http.client.HTTPConnection(split.hostname or "", split.port, timeout=timeout)
        body = json.dumps(body_for(surface, model, content, stream=True, **more)).encode()
        sent = {"content-type": "application/json", **key_header(surface, key), **(headers or {})}
        self._http.request("POST", PATHS[surface], body, sent)
        self._socket = self._http.sock
        self._response: http.client.HTTPResponse | None = None

    def begin(self) -> Stream:
        """Wait for the headers."""
        self._response = self._http.getresponse()
        return self

    @property
    def status(self) -> int:
        assert self._response is not None
        return self._response.status

    @property
    def request_id(self) -> str:
        assert self._response is not None
        return self._response.headers["x-request-id"]

    def some(self, pieces: int = 1) -> bytes:
        """Read until so many events of the stream have come (or its end)."""
        assert self._response is not None
        while self.raw.count(b"\n\n") < pieces and (piece := self._response.read1(65536)):
            self.raw += piece
        return self.raw

    def rest(self) -> bytes:
        """Read to the end."""
        assert self._response is not None
        while piece := self._response.read1(65536):
            self.raw += piece
        self._http.close()
        return self.raw

    def leave(self, *, reset: bool = False) -> None:
        """Go away in the middle: an orderly close, or a TCP reset."""
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._response is not None:
            self._response.close()
        self._http.close()
        self._socket.close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of every event so far."""
        lines = self.raw.decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]

    @property
    def complete(self) -> bool:
        return is_complete(self.surface, self.raw)


def is_complete(surface: Surface, raw: bytes) -> bool:
    """Whether a stream ended as a success: its terminator came, and no error did."""
    if surface == "anthropic":
        return b"event: message_stop" in raw and b"event: error" not in raw
    return raw.endswith(b"data: [DONE]\n\n") and b'data: {"error"' not in raw


def raw_exchange(url: str, request: bytes, *, timeout: float = 15, source: str = "127.0.0.1") -> Answer:
    """Send exact bytes and read one answer; the connection is closed afterwards."""
    split = urlsplit(url)
    with socket.create_connection((split.hostname or "", split.port or 0), timeout=timeout, source_address=(source, 0)) as sock:
        sock.sendall(request)
        response = http.client.HTTPResponse(sock, method="POST")
        response.begin()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def raw_request(surface: Surface, key: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """A request as bytes; `headers` are further lines, `length` a Content-Length that need not be true (-1: none)."""
    lines = [f"POST {PATHS[surface]} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in key_header(surface, key).items()]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def assert_refused(answer: Answer, surface: Surface, status: int, kind: str, code: str, *, param: str | None = None) -> str:
    """The answer is the documented refusal in the surface's own shape; gives its request id."""
    shown = (answer.status, answer.body[:600])
    request_id = answer.headers["x-request-id"]
    assert answer.status == status, shown
    assert answer.headers["content-type"] == "application/json", shown
    tree = answer.json
    if surface == "anthropic":
        assert set(tree) == {"type", "error", "request_id"}, shown
        assert tree["type"] == "error", shown
        assert tree["request_id"] == request_id == answer.headers["request-id"], shown
        assert set(tree["error"]) == {"type", "message"}, shown
        assert tree["error"]["type"] == ANTHROPIC_TYPES[status], shown
    else:
        assert set(tree) == {"error"}, shown
        assert set(tree["error"]) == {"message", "type", "param", "code"}, shown
        assert (tree["error"]["type"], tree["error"]["code"], tree["error"]["param"]) == (kind, code, param), shown
    assert tree["error"]["message"], shown
    return request_id
