"""`POST /v1/redact` and `/v1/redact/stream` over real sockets: whose policy applies, what comes back, and what is written down."""

from __future__ import annotations

import csv
import http.client
import io
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from redactors import build_redactor
from tests import planted
from tests.compiled import compiled_patterns
from tests.walks.rig import BLOCK_SECRETS, MASK_ALL, Answer, Gateway, running_gateway

SECRET = planted.secret("openai_project", Random(3))
EMAIL = planted.secret("email", Random(4))
MASKED = "[REDACTED:openai_key]"
MAX_BODY = 2 * 1024 * 1024
PII_ONLY = {direction: [{"detect": ["pii"], "action": "mask"}] for direction in ("prompt", "answer", "telemetry")}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    document = {
        "policies": {"default": MASK_ALL, "strict": BLOCK_SECRETS, "lax": PII_ONLY},
        "workspaces": {"default": {}, "strict": {"policy": "strict"}, "lax": {"policy": "lax"}},
        "limits": {"max_body_bytes": MAX_BODY, "max_decoded_bytes": MAX_BODY, "body_timeout_s": 2},
    }
    with running_gateway(tmp_path_factory.mktemp("redact"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
        yield running


@pytest.fixture(scope="module")
def keys(gateway: Gateway) -> dict[str, str]:
    made = {name: gateway.create_key(workspace=name)["key"] for name in ("default", "strict", "lax")}
    made["auditor"] = gateway.create_key(role="auditor")["key"]
    made["slow"] = gateway.create_key(rpm_limit=1)["key"]
    return made


def redact(gateway: Gateway, key: str, **body: Any) -> Answer:
    return gateway.call("POST", "/v1/redact", body, key=key)


def finish_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The event of the end; a stream's caller may know its end before it is written down when it broke off itself."""
    for _ in range(100):
        rows = [row for row in gateway.events(request_id=request_id) if row["kind"] == "gateway:redaction:finish"]
        if rows:
            return rows[0]
        time.sleep(0.05)
    raise AssertionError("no event says how it ended")


def test_a_text_comes_back_without_its_secrets_and_with_its_findings(gateway: Gateway, keys: dict[str, str]) -> None:
    answer = redact(gateway, keys["default"], text=f"é {SECRET}, {EMAIL}", direction="prompt")
    assert answer.status == 200
    assert answer.json["text"] == f"é {MASKED}, [REDACTED:email]"
    first, second = answer.json["findings"]
    assert first == {"start": 2, "end": 2 + len(SECRET), "rule": first["rule"], "kind": "openai_key", "action": "mask"}
    assert (second["start"], second["kind"]) == (4 + len(SECRET), "email")


def test_a_tree_comes_back_as_a_tree_with_pointers(gateway: Gateway, keys: dict[str, str]) -> None:
    tree = {"a": [SECRET, 1, None], "in": json.dumps({"deep": SECRET}), "c/d": {"x": "fine"}}
    answer = redact(gateway, keys["default"], json=tree, direction="prompt").json
    assert answer["json"] == {"a": [MASKED, 1, None], "in": json.dumps({"deep": MASKED}), "c/d": {"x": "fine"}}
    assert [finding["path"] for finding in answer["findings"]] == ["/a/0", "/in/deep"]
    assert redact(gateway, keys["default"], json="plain").json == {"json": "plain", "findings": []}


def test_the_policy_of_the_callers_own_key_applies(gateway: Gateway, keys: dict[str, str]) -> None:
    text = f"{SECRET} {EMAIL}"
    blocked = redact(gateway, keys["strict"], text=text, direction="prompt").json
    assert blocked["text"] == f"{MASKED} {EMAIL}"
    assert [finding["action"] for finding in blocked["findings"]] == ["block"]
    assert redact(gateway, keys["lax"], text=text).json["text"] == f"{SECRET} [REDACTED:email]"
    hashed = redact(gateway, keys["auditor"], text=text).json
    assert [finding["action"] for finding in hashed["findings"]] == ["hash", "hash"], "telemetry is the default"
    assert redact(gateway, keys["default"], text=text).json["text"] == hashed["text"], "the same workspace has the same keys"
    assert redact(gateway, keys["strict"], text=text).json["text"] != hashed["text"]


def test_a_large_text_is_redacted_whole(gateway: Gateway, keys: dict[str, str]) -> None:
    text = ("nothing to see here. " * 4000) + SECRET
    assert redact(gateway, keys["default"], text=text, direction="answer").json["text"] == text.replace(SECRET, MASKED)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"text": "a", "json": 1}, 400, "invalid_request"),
        ({"text": 1}, 400, "invalid_request"),
        ({"text": "a", "direction": "sideways"}, 400, "invalid_request"),
        ({"text": "a", "policy": "lax"}, 400, "invalid_request"),
        ({"text": "a" * MAX_BODY}, 413, "request_too_large"),
        ({"json": json.loads("[" * 200 + "]" * 200)}, 400, "json_too_deep"),
    ],
    ids=["nothing", "both", "number", "direction", "unknown", "large", "deep"],
)
def test_what_cannot_be_redacted_is_refused(gateway: Gateway, keys: dict[str, str], body: Any, status: int, code: str) -> None:
    answer = redact(gateway, keys["default"], **body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/v1/redact", "/v1/redact/stream"])
def test_nobody_without_a_key_is_served(gateway: Gateway, path: str) -> None:
    for key in (None, "lgk_" + "0" * 43, "lgs_" + "0" * 43):
        assert gateway.call("POST", path, {"text": "a"}, key=key).status == 401


def test_a_redaction_is_an_event_with_counts_and_without_text(gateway: Gateway, keys: dict[str, str]) -> None:
    answer = redact(gateway, keys["strict"], text=f"{SECRET} {SECRET} {EMAIL}", direction="prompt")
    event = finish_of(gateway, answer.headers["x-request-id"])
    assert (event["outcome"], event["status"]) == ("ok", 200)
    assert event["workspace_id"]
    assert event["detail"]["policy"] == "strict"
    assert list(event["detail"]["redactions"].values()) == [2]
    refused = redact(gateway, keys["default"], nothing=1).headers["x-request-id"]
    assert [row["kind"] for row in gateway.events(request_id=refused)] == ["gateway:request:refuse"]
    assert {name for name, data in gateway.written().items() if planted.leaks(data, {"secret": SECRET, "email": EMAIL})} == set()


def counted(gateway: Gateway, request_id: str) -> dict[tuple[str, str], int]:
    """What the store holds for one request; the total beside it and the export add up to the same."""
    query = f"/v1/redactions?request_id={request_id}"
    told = gateway.admin("GET", query)
    export = gateway.call("GET", f"{query}&format=csv", key=gateway.admin_key).body.decode()
    with closing(sqlite3.connect(f"file:{gateway.home / 'lockgate.db'}?mode=ro", uri=True)) as store:
        ((summed,),) = store.execute("SELECT coalesce(sum(count), 0) FROM redactions WHERE request_id = ?", (request_id,)).fetchall()
    rows = {(row["kind"], row["action"]): row["count"] for row in told["data"]}
    assert told["total"] == summed == sum(rows.values())
    assert summed == sum(int(row["count"]) for row in csv.DictReader(io.StringIO(export)))
    return rows


def test_what_is_found_is_counted_where_the_dashboard_counts(gateway: Gateway, keys: dict[str, str]) -> None:
    text = f"{SECRET} {SECRET} {EMAIL}"
    whole = redact(gateway, keys["default"], text=text, direction="prompt")
    expected = {("openai_key", "mask"): 2, ("email", "mask"): 1}
    assert counted(gateway, whole.headers["x-request-id"]) == expected
    pipe = Piping(gateway, keys["default"], "?direction=prompt")
    for at in range(0, len(text), 5):
        pipe.send(text[at : at + 5].encode())
    pipe.send(b"")
    pipe.response.read()
    finish_of(gateway, pipe.request_id)
    assert counted(gateway, pipe.request_id) == expected
    blocked = redact(gateway, keys["strict"], text=text, direction="prompt")
    assert counted(gateway, blocked.headers["x-request-id"]) == {("openai_key", "block"): 2}
    nothing = redact(gateway, keys["default"], text="nothing at all")
    assert counted(gateway, nothing.headers["x-request-id"]) == {}


def test_a_stream_that_breaks_off_is_counted_as_far_as_it_came(gateway: Gateway, keys: dict[str, str]) -> None:
    pipe = Piping(gateway, keys["default"], "?direction=prompt")
    pipe.send(f"{SECRET} and more\n".encode() * 20)
    assert pipe.some()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        pipe.response.read()
    assert finish_of(gateway, pipe.request_id)["outcome"] == "failed"
    assert counted(gateway, pipe.request_id)[("openai_key", "mask")] >= 19


def test_a_rate_limit_counts_redactions_too(gateway: Gateway, keys: dict[str, str]) -> None:
    assert redact(gateway, keys["slow"], text="a").headers["x-ratelimit-remaining-requests"] == "0"
    assert redact(gateway, keys["slow"], text="a").status == 429


def test_a_live_secret_is_not_sent_back_whatever_the_policy(gateway: Gateway, keys: dict[str, str]) -> None:
    answer = redact(gateway, keys["lax"], text=f"the key is {gateway.admin_key}")
    assert (answer.status, answer.json["text"]) == (200, "the key is [REDACTED:live_secret]")
    assert gateway.admin_key.encode() not in answer.body


class Piping:
    """A streamed redaction under way: pieces out, pieces in, at the same time."""

    def __init__(self, gateway: Gateway, key: str, query: str = "", *headers: str, timeout: float = 20) -> None:
        split = urlsplit(gateway.url)
        self.socket = socket.create_connection((split.hostname or "", split.port or 0), timeout=timeout)
        lines = [f"POST /v1/redact/stream{query} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}", *headers]
        self.socket.sendall("\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode())
        self._response: http.client.HTTPResponse | None = None

    def send(self, piece: bytes) -> None:
        """Send one chunk; an empty one is the end."""
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    @property
    def response(self) -> http.client.HTTPResponse:
        """The answer, as soon as its headers are there."""
        if self._response is None:
            self._response = http.client.HTTPResponse(self.socket, method="POST")
            self._response.begin()
        return self._response

    @property
    def request_id(self) -> str:
        return self.response.headers["x-request-id"]

    def some(self) -> bytes:
        """What is there, at least one piece."""
        return self.response.read1(65536)


def test_a_stream_gives_what_is_safe_before_its_end(gateway: Gateway, keys: dict[str, str]) -> None:
    pipe = Piping(gateway, keys["default"], "?direction=prompt", "Content-Type: text/plain; charset=utf-8")
    pipe.send(f"first line is harmless\nsecond {SECRET[:9]}".encode())
    begin = pipe.some()
    assert begin.startswith(b"first line is harmless")
    assert pipe.response.headers["content-type"] == "text/plain; charset=utf-8"
    for at in range(9, len(SECRET), 3):
        pipe.send(SECRET[at : min(at + 3, len(SECRET))].encode())
    pipe.send("\nnaïve ".encode()[:-4])
    pipe.send("\nnaïve ".encode()[-4:])
    pipe.send(b"\xff\xfe end\n")
    pipe.send(b"")
    out = begin + pipe.response.read()
    assert out == f"first line is harmless\nsecond {MASKED}\nnaïve ".encode() + b"\xff\xfe end\n"
    event = finish_of(gateway, pipe.request_id)
    assert (event["outcome"], sum(event["detail"]["redactions"].values())) == ("ok", 1)
    kinds = [row["kind"] for row in gateway.events(request_id=pipe.request_id)]
    assert kinds == ["gateway:redaction:finish", "gateway:redaction:start"]


@pytest.mark.parametrize("size", [1, 6, 70, 9000, 100_000])
def test_a_stream_gives_the_same_as_the_whole_text(gateway: Gateway, keys: dict[str, str], size: int) -> None:
    text = f"mail {EMAIL} or use {SECRET}, password: {planted.secret('password', Random(1))}\n" * (3 if size < 100 else 400)
    whole = redact(gateway, keys["default"], text=text, direction="prompt").json["text"]
    pipe = Piping(gateway, keys["default"], "?direction=prompt")
    raw = text.encode()
    for at in range(0, len(raw), size):
        pipe.send(raw[at : at + size])
    pipe.send(b"")
    assert pipe.response.read().decode() == whole


def test_an_empty_stream_is_empty(gateway: Gateway, keys: dict[str, str]) -> None:
    answer = gateway.call("POST", "/v1/redact/stream", b"", key=keys["auditor"], headers={"content-type": "text/plain"})
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?direction=sideways", {"content-type": "text/plain"}, 400),
        ("", {"content-type": "application/json"}, 415),
        ("", {"content-type": "text/plain", "content-encoding": "gzip"}, 415),
    ],
)
def test_a_stream_that_cannot_begin_is_refused(
    gateway: Gateway, keys: dict[str, str], query: str, headers: dict[str, str], status: int
) -> None:
    answer = gateway.call("POST", f"/v1/redact/stream{query}", b"a", key=keys["default"], headers=headers)
    assert answer.status == status
    assert set(answer.json) == {"error"}


def test_a_live_secret_in_pieces_is_masked_in_a_stream_whatever_the_policy(gateway: Gateway, keys: dict[str, str]) -> None:
    pipe = Piping(gateway, keys["lax"])
    pipe.send(b"harmless\n" * 50)
    begun = pipe.some()
    assert begun.startswith(b"harmless\n")
    live = gateway.admin_key.encode()
    pipe.send(live[:20])
    pipe.send(live[20:] + b" and more text that would make it safe to go\n")
    pipe.send(b"")
    whole = begun + pipe.response.read()
    assert live not in whole
    assert whole.endswith(b"[REDACTED:live_secret] and more text that would make it safe to go\n")


def test_a_stream_that_says_nothing_is_broken_off(gateway: Gateway, keys: dict[str, str]) -> None:
    pipe = Piping(gateway, keys["default"])
    pipe.send(b"harmless\n" * 50)
    assert pipe.some().startswith(b"harmless\n")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        pipe.response.read()
    assert finish_of(gateway, pipe.request_id)["error"] == "request_timeout"


def test_a_caller_who_leaves_is_written_down(gateway: Gateway, keys: dict[str, str]) -> None:
    pipe = Piping(gateway, keys["default"])
    pipe.send(b"harmless\n" * 50)
    assert pipe.some().startswith(b"harmless\n")
    request_id = pipe.request_id
    pipe.socket.shutdown(socket.SHUT_RDWR)
    pipe.response.close()
    pipe.socket.close()
    assert finish_of(gateway, request_id)["outcome"] == "aborted"


def test_a_caller_who_does_not_read_is_not_read_from(gateway: Gateway, keys: dict[str, str]) -> None:
    pipe = Piping(gateway, keys["default"], timeout=10)
    piece = b"harmless words, one after another\n" * 1800
    pipe.send(piece)
    request_id = pipe.request_id

    def send_much() -> None:
        for _ in range(2000):  # 120 MB do not fit into what lies between
            pipe.send(piece)

    with pytest.raises((TimeoutError, ConnectionError)):
        send_much()
    pipe.socket.close()
    event = finish_of(gateway, request_id)
    assert event["error"] in ("request_timeout", "client_disconnected")
    assert event["detail"]["bytes"] < 60_000_000


def test_the_engine_and_the_gateway_give_the_same(gateway: Gateway, keys: dict[str, str]) -> None:
    values = {kind: planted.secret(kind, Random(8)) for kind in planted.kinds()}
    text = "\n".join(f"{kind}: {value}" for kind, value in values.items())
    given = redact(gateway, keys["strict"], text=text, direction="answer").json
    own = build_redactor(policy=BLOCK_SECRETS, direction="answer", pattern_set=compiled_patterns()).text(text)
    assert given["text"] == own.value
    assert len(given["findings"]) == len(own.remarks)
