"""Doppler, Infisical and 1Password Connect over plain HTTPS: what they share, which is how they fail and what they keep to themselves."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.failures import Failure
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.rest import MAX_ANSWER_BYTES, Rest
from tests.pipeline.vaults.cloud_stages import connect_auth, doppler_auth, infisical_auth
from tests.pipeline.vaults.rig import fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.doppler import DopplerServer
from tests.servers.infisical import InfisicalServer
from tests.servers.onepassword import VAULT, ConnectServer

Made = tuple[Any, Callable[..., dict[str, Any]], str]
KINDS: dict[str, tuple[type[Any], Callable[..., dict[str, Any]], str]] = {
    "doppler": (DopplerServer, doppler_auth, "OPENAI"),
    "infisical": (InfisicalServer, infisical_auth, "OPENAI"),
    "onepassword": (ConnectServer, connect_auth, f"{VAULT}/OPENAI"),
}
ADDRESS = {"doppler": "doppler_api_host", "infisical": "infisical_site_url", "onepassword": "op_connect_host"}
CA = {"doppler": "doppler_ca_cert", "infisical": "infisical_ca_cert", "onepassword": "op_ca_cert"}
CREDENTIAL = {"doppler": "doppler_token", "infisical": "infisical_client_secret", "onepassword": "op_connect_token"}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def opened(kind: str, server: Any, *, patience_s: float = 10.0, **changes: Any) -> Vault:
    context = VaultContext(SystemClock(), connect_timeout_s=patience_s, read_timeout_s=patience_s)
    return open_vault(kind, KINDS[kind][1](server, **changes), context)


def ref(kind: str, **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type=kind, secret_path=KINDS[kind][2], **changes)


def refused(vault: Vault, reference: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(reference)
    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None
    return failed.value


def served(stack: ExitStack, kind: str, folder: Path | None = None) -> tuple[Any, str]:
    """The stand-in, with a secret in it."""
    server = stack.enter_context(KINDS[kind][0](folder))
    value = fresh_value()
    server.put("OPENAI", value)
    return server, value


SWITCHES: list[tuple[dict[str, Any], str]] = [
    ({"status": 400}, "misconfigured"),
    ({"status": 422}, "misconfigured"),
    ({"status": 401}, "unauthenticated"),
    ({"status": 403}, "denied"),
    ({"status": 404}, "not_found"),
    ({"status": 429}, "throttled"),
    ({"status": 302}, "unavailable"),
    ({"status": 500}, "unavailable"),
    ({"status": 503}, "unavailable"),
    ({"status": 200}, "unavailable"),
    ({"status": 200, "fault": {"value": 1, "secret": {"secretValue": 1}, "fields": 1}}, "unavailable"),
    ({"status": 200, "fault": []}, "unavailable"),
    ({"broken": True}, "unavailable"),
    ({"drops": True}, "unavailable"),
]


@kinds
@pytest.mark.parametrize(("switch", "reason"), SWITCHES, ids=str)
def test_each_way_to_fail_has_its_reason(stack: ExitStack, kind: str, switch: dict[str, Any], reason: str) -> None:
    server, value = served(stack, kind)
    vault = opened(kind, server)
    assert vault.fetch(ref(kind)).value == value
    server.faulty = {"doppler": "/v3/configs", "infisical": "/api/v4", "onepassword": "/v1/vaults"}[kind]
    for name, setting in switch.items():
        setattr(server, name, setting)
    assert refused(vault, ref(kind)).reason == reason
    server.healthy()
    assert vault.fetch(ref(kind)).value == value


@kinds
def test_a_vault_that_takes_too_long_is_unavailable(stack: ExitStack, kind: str) -> None:
    server, _ = served(stack, kind)
    server.latency_s = 5.0
    assert refused(opened(kind, server, patience_s=0.3), ref(kind)).reason == "unavailable"


def test_an_answer_that_comes_byte_by_byte_ends_at_the_deadline() -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
                for _ in range(100):
                    connection.sendall(b" ")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        context = VaultContext(SystemClock(), connect_timeout_s=0.5, read_timeout_s=0.5)
        rest = Rest(f"http://127.0.0.1:{server.getsockname()[1]}", ca_file=None, context=context, named="a", ca_named="b")
        failure = rest.ask(ref("doppler"), "GET", "v3")
    assert isinstance(failure, Failure)
    assert failure.reason == "unavailable"
    assert time.monotonic() - began < 5.0


@kinds
def test_an_answer_without_end_is_cut_off(stack: ExitStack, kind: str) -> None:
    server, _ = served(stack, kind)
    server.faulty = {"doppler": "/v3/configs", "infisical": "/api/v4", "onepassword": "/v1/vaults"}[kind]
    server.status, server.fault = 200, b" " * (MAX_ANSWER_BYTES + 1)
    failed = refused(opened(kind, server), ref(kind))
    assert failed.reason == "unavailable"
    assert "too long" in failed.hint


@kinds
def test_a_certificate_of_another_authority_is_refused_and_the_right_one_is_accepted(stack: ExitStack, kind: str, tmp_path: Path) -> None:
    server, value = served(stack, kind, tmp_path / "tls")
    assert opened(kind, server).fetch(ref(kind)).value == value
    failed = refused(opened(kind, server, **{CA[kind]: None}), ref(kind))
    assert failed.reason == "unavailable"
    assert CA[kind] in failed.hint


@kinds
def test_a_wrong_credential_is_unauthenticated(stack: ExitStack, kind: str) -> None:
    server, _ = served(stack, kind)
    assert refused(opened(kind, server, **{CREDENTIAL[kind]: hidden(fresh_value())}), ref(kind)).reason == "unauthenticated"


@kinds
def test_a_credential_that_no_header_can_hold_says_so_without_quoting_it(stack: ExitStack, kind: str) -> None:
    server, _ = served(stack, kind)
    odd = "käse\u2603" + fresh_value()
    failed = refused(opened(kind, server, **{CREDENTIAL[kind]: hidden(odd)}), ref(kind))
    assert failed.reason in ("misconfigured", "unauthenticated")
    assert odd not in f"{failed} {failed.hint}"


@kinds
def test_what_is_no_address_is_a_config_error(stack: ExitStack, kind: str) -> None:
    server, _ = served(stack, kind)
    with pytest.raises(ConfigError, match=ADDRESS[kind]):
        opened(kind, server, **{ADDRESS[kind]: "vault.example"})
    assert refused(opened(kind, server, **{ADDRESS[kind]: "https://[nowhere"}), ref(kind)).reason == "misconfigured"


@kinds
def test_proxies_of_the_environment_are_not_used(stack: ExitStack, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server, value = served(stack, kind)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert opened(kind, server).fetch(ref(kind)).value == value


@kinds
@pytest.mark.parametrize("path", ["", "/", "..", "../x", "a/../b", "a\nb", "x" * 300, "a//b", "a/b/c/d/e?f"])
def test_what_cannot_be_a_place_is_never_asked_for(stack: ExitStack, kind: str, path: str) -> None:
    server, _ = served(stack, kind)
    failed = refused(opened(kind, server), SecretRef(slug="openai-prod", manager_type=kind, secret_path=path))
    assert failed.reason == "misconfigured"
    assert not server.requests


@kinds
@pytest.mark.parametrize("status", [0, 403])
def test_neither_value_nor_credential_is_logged(stack: ExitStack, kind: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    server, value = served(stack, kind)
    credential = server.client_secret if kind == "infisical" else server.token
    with caplog.at_level(logging.DEBUG):
        vault = opened(kind, server)
        vault.fetch(ref(kind))
        server.status = status
        if status:
            refused(vault, ref(kind))
    said = caplog.text + repr(vars(vault)) + repr(vault)
    assert not [told for told in (value, credential) if told in said]
