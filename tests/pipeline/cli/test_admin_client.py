"""While a gateway runs, commands that change state go through its admin API, with the key of the data folder."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.admin_client import AdminClient, GatewayError
from pipeline.config.home import prepare_home
from pipeline.config.running import Running, write_run
from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected

KEY = {
    "object": "key", "id": "01ABC", "alias": "ci", "hint": "lgk_…abcd", "workspace": "default", "role": "key", "status": "active",
    "models": [], "policy": None, "rpm_limit": None, "tpm_limit": None, "max_parallel_requests": None, "metadata": {}, "budget": None,
    "created_at": None, "expires_at": None, "revoked_at": None,
}  # fmt: skip
STATUS = {
    "slug": "openai-prod", "manager_type": "hashicorp_vault", "required": True, "resolvable": True, "reason": "", "message": "",
    "hint": "", "version": "3", "age_s": 60.0, "latency_us": 1500, "fingerprint": "ab" * 8, "targets": ["openai"],
}  # fmt: skip


@dataclass
class Gateway:
    """What a test says the gateway answers, and what it was asked."""

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any, str]] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    told = Gateway()

    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            told.asked.append((self.command, self.path, body, self.headers.get("authorization", "")))
            status, tree = told.answers.get((self.command, self.path), (404, {"error": {"message": "No such route.", "code": "not_found"}}))
            raw = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the server looks for these names

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def live(gateway: Gateway, home: Path) -> Gateway:
    """The gateway, named by run.json of the data folder."""
    write_run(prepare_home(home), Running(gateway.url, os.getpid()))
    return gateway


def test_commands_go_through_the_running_gateway(run: Any, live: Gateway, home: Path) -> None:
    live.answers = {
        ("POST", "/v1/keys"): (201, {**KEY, "key": "lgk_new"}),
        ("GET", "/v1/keys"): (200, {"object": "list", "data": [KEY]}),
        ("POST", "/v1/keys/01ABC/rotate"): (200, {**KEY, "key": "lgk_newer"}),
        ("POST", "/v1/keys/01ABC/revoke"): (200, {**KEY, "status": "revoked"}),
    }
    assert run("keys", "create", "--alias", "ci", "--budget", "5", "--json").json["token"] == "lgk_new"
    assert run("keys", "rotate", "ci", "--overlap", "15m", "--json").json["token"] == "lgk_newer"
    assert run("keys", "revoke", "ci", "--json").json["key"]["status"] == "revoked"
    assert live.asked[0][2] == {"alias": "ci", "role": "key", "metadata": {}, "budget": {"limit_usd": "5", "period": "total"}}
    assert ("POST", "/v1/keys/01ABC/rotate", {"overlap_s": 900}) in [asked[:3] for asked in live.asked]
    admin_key = (home / "admin.key").read_text().strip()
    assert {asked[3] for asked in live.asked} == {f"Bearer {admin_key}"}
    assert not (home / "lockgate.db").exists()  # nothing was opened beside the gateway


def test_a_secret_travels_in_the_body_only(run: Any, live: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "value-of-a-secret")
    live.answers = {("POST", "/v1/secrets/OPENAI"): (201, {"name": "OPENAI", "version": 4})}
    assert run("secrets", "add", "OPENAI", "--env-var", "FROM_HERE").code == 0
    [(_, path, body, _)] = live.asked
    assert body == {"value": "value-of-a-secret"}
    assert "value" not in path


def test_the_gateway_says_how_its_references_stand(run: Any, live: Gateway) -> None:
    down = {**STATUS, "slug": "other", "resolvable": False, "reason": "unavailable", "message": "The vault is away.", "hint": "Wait."}
    live.answers = {
        ("GET", "/v1/secret-references/status"): (200, {"object": "list", "data": [STATUS, down]}),
        ("POST", "/v1/secret-references/openai-prod/verify"): (200, STATUS),
        ("POST", "/v1/secret-references/env%3AX/refresh"): (200, {"refreshed": "env:X"}),
        ("POST", "/v1/secret-references/env%3AX/verify"): (200, {**STATUS, "slug": "env:X"}),
    }
    ran = run("secrets", "status")
    assert ran.code == 3
    assert "The vault is away." in ran.err
    assert run("secrets", "verify", "openai-prod").code == 0
    assert run("secrets", "refresh", "env:X").code == 0


def test_an_export_is_handed_through(run: Any, live: Gateway) -> None:
    live.answers = {("GET", "/v1/audit/export?kind=policy%3A%2A&format=csv"): (200, b"at,id\r\n")}
    assert run("audit", "export", "--kind", "policy:*").out == "at,id\r\n"


def test_users_are_removed_by_name(run: Any, live: Gateway) -> None:
    live.answers = {("DELETE", "/v1/users/ana%40example.com"): (204, b"")}
    assert run("users", "remove", "ana@example.com").code == 0


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, BadRequest, 2),
        (401, KeyRejected, 4),
        (403, KeyOutOfScope, 4),
        (404, BadRequest, 2),
        (409, BadRequest, 2),
        (429, GatewayError, 3),
        (503, GatewayError, 3),
    ],
)
def test_the_gateways_refusal_is_told_again(run: Any, live: Gateway, status: int, kind: type[Exception], code: int) -> None:
    live.answers = {("POST", "/v1/keys"): (status, {"error": {"message": "Not like this.", "code": "some_code"}})}
    with pytest.raises(kind, match="Not like this"):
        AdminClient(live.url, "k").create_key({})
    ran = run("keys", "create", "--json")
    assert (ran.code, ran.out) == (code, "")
    assert "Not like this." in ran.err


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'"x"'])
def test_an_answer_that_is_none_is_an_error(gateway: Gateway, answer: bytes) -> None:
    gateway.answers = {("GET", "/v1/keys"): (200, answer)}
    with pytest.raises(GatewayError, match="not a JSON object"):
        AdminClient(gateway.url, "k").list_keys()


def test_a_gateway_that_does_not_answer_is_unavailable(run: Any, home: Path) -> None:
    write_run(prepare_home(home), Running("http://127.0.0.1:9", os.getpid()))
    ran = run("keys", "create", "--json")
    assert (ran.code, ran.out) == (3, "")
    assert "does not answer" in ran.err
    assert run("doctor").code == 1


def test_the_key_is_in_no_repr_and_no_error(gateway: Gateway) -> None:
    client = AdminClient(gateway.url, "lgk_secret_of_admin")
    with pytest.raises(BadRequest) as caught:
        client.list_keys()
    assert "lgk_secret" not in repr(client) + str(caught.value)
