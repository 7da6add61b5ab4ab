"""What stands at the gate before a call: requests that reach none, secrets put into the store, and the limits of a document."""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.gateway.strays import EACH_S
from tests import planted
from tests.faults.books import Books, url_of
from tests.walks.asking import Line
from tests.walks.rig import MASK_ALL, Answer, Gateway, running_gateway

DEMO = {
    "targets": [{"id": "demo", "provider": "demo", "model": "demo"}],
    "models": {"demo": {"targets": ["demo"]}},
    "policies": {"default": MASK_ALL},
    "limits": {"max_json_containers": 100, "max_json_values": 1000},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gate"), DEMO) as running:
        yield running


def noted(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The one event of a request."""
    with Books(url_of(gateway)) as books:
        (event,) = [row for row in books.events() if row["request_id"] == request_id]
    return event


def quiet() -> None:
    """Let a second pass, so that what comes has the whole of one for itself."""
    time.sleep(1.1)


def test_what_reaches_no_route_is_written_down(gateway: Gateway) -> None:
    quiet()
    made = gateway.create_key()
    for method, path, key, status, code in (
        ("GET", "/nowhere", None, 404, "not_found"),
        ("GET", "/v1/nowhere", made["key"], 404, "not_found"),
        ("GET", "/v1/chat/completions", None, 405, "method_not_allowed"),
        ("POST", "/v1/audit/events", gateway.admin_key, 405, "method_not_allowed"),
        ("GET", "/v1/audit/events?limit=1&limit=2", gateway.admin_key, 400, "invalid_request"),
    ):
        answer = gateway.call(method, path, key=key)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        event = noted(gateway, answer.headers["x-request-id"])
        assert (event["kind"], event["outcome"], event["status"], event["error"]) == ("gateway:request:refuse", "refused", status, code)
        assert event["detail"]["path"] == path.partition("?")[0]
        assert (event["key_id"] != "") == (key is not None)
        assert (event["key_id"] == made["id"]) == (key == made["key"])


def test_headers_beyond_the_limits_are_written_down(gateway: Gateway) -> None:
    quiet()
    large = gateway.call("GET", "/health/live", headers={"x-large": "x" * 20_000})
    assert large.status == 431
    assert noted(gateway, large.headers["x-request-id"])["error"] == "headers_too_large"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [(b"no http at all\r\n\r\n", 400, "invalid_http"), (b"GET / HTTP/1.1\r\nx: " + b"x" * 300_000, 431, "headers_too_large")],
    ids=["no HTTP", "a head without an end"],
)
def test_what_the_server_turns_away_has_an_id_and_an_event_too(gateway: Gateway, sent: bytes, status: int, code: str) -> None:
    quiet()
    where = urlsplit(gateway.url)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10) as line:
        line.sendall(sent)
        head = line.recv(4096)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    (name,) = [row for row in head.decode().split("\r\n") if row.startswith("x-request-id: ")]
    deadline = time.monotonic() + 5
    while True:
        with Books(url_of(gateway)) as books:
            found = [row for row in books.events() if row["request_id"] == name.partition(": ")[2]]
        if found:
            break
        assert time.monotonic() < deadline, "it was not written down"
        time.sleep(0.05)
    assert (found[0]["kind"], found[0]["status"], found[0]["error"]) == ("gateway:request:refuse", status, code)


def test_a_scan_is_counted_whole_and_does_not_fill_the_ledger(gateway: Gateway) -> None:
    quiet()
    paths = [f"/scan/{number}" for number in range(400)]

    def scan(some: list[str]) -> list[Answer]:
        line = Line(gateway.url)
        answers = [line.send("GET", path) for path in some]
        line.close()
        return answers

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = [answer for some in pool.map(scan, [paths[start::8] for start in range(8)]) for answer in some]
    took = time.monotonic() - began
    assert {answer.status for answer in answers} == {404}
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(paths)
    deadline = time.monotonic() + 10
    while True:
        with Books(url_of(gateway)) as books:
            rows = books.events()
        own = [row for row in rows if row["kind"] == "gateway:request:refuse" and row["detail"].get("path", "").startswith("/scan/")]
        floods = [row for row in rows if row["kind"] == "gateway:request:flood"]
        if len(own) + sum(row["detail"]["codes"].get("not_found", 0) for row in floods) >= len(paths):
            break
        assert time.monotonic() < deadline, "some are not accounted for"
        time.sleep(0.1)
    assert len(own) + sum(row["detail"]["codes"]["not_found"] for row in floods) == len(paths)
    assert len(own) <= EACH_S * (int(took) + 2)
    assert len(floods) <= int(took) + 3
    assert all(row["detail"]["peers"] == {"127.0.0.1": row["detail"]["requests"]} for row in floods)


def test_a_secret_in_a_path_is_not_kept(gateway: Gateway) -> None:
    quiet()
    value = planted.secret("openai", Random(77))
    answer = gateway.call("GET", f"/v1/nowhere/{value}")
    event = noted(gateway, answer.headers["x-request-id"])
    assert value not in json.dumps(event)
    assert event["detail"]["path"].startswith("/v1/nowhere/")


def said(gateway: Gateway, key: str, text: str) -> str:
    body = {"model": "demo", "messages": [{"role": "user", "content": f"echo {text}"}]}
    answer = gateway.call("POST", "/v1/chat/completions", body, key=key)
    return str(answer.json["choices"][0]["message"]["content"])


def test_a_secret_is_announced_when_it_is_stored_and_not_when_it_cannot_be(gateway: Gateway) -> None:
    key = gateway.create_key()["key"]
    phrases = [f"a {secrets.token_hex(2)} word nobody would take {secrets.token_hex(2)} for a secret" for _ in range(2)]
    assert all(said(gateway, key, phrase) == phrase for phrase in phrases)
    refused = gateway.call("POST", "/v1/secrets/no%20such%20name", {"value": phrases[0]}, key=gateway.admin_key)
    assert refused.status == 400
    assert phrases[0].encode() not in refused.body
    gateway.admin("POST", "/v1/secrets/A_NAME", {"value": phrases[1]})
    assert said(gateway, key, phrases[0]) == phrases[0]
    assert phrases[1] not in said(gateway, key, phrases[1])


@pytest.mark.parametrize("stop", [[[]] * 100, [1] * 1100], ids=["containers", "values"])
def test_the_numbers_of_json_values_are_the_documents(gateway: Gateway, stop: list[Any]) -> None:
    body = {"model": "demo", "messages": [{"role": "user", "content": "hello"}], "stop": stop}
    answer = gateway.call("POST", "/v1/chat/completions", body, key=gateway.create_key()["key"])
    assert (answer.status, answer.json["error"]["code"]) == (400, "json_too_many_values")
