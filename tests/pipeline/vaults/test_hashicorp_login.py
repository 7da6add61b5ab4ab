"""Vault's ways in against our Vault-shaped server: wrapped secret ids, Kubernetes, JWT, certificates, and tokens up to their end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.hashicorp import HashicorpVault
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.certificates import Authority
from tests.servers.tokens import Issuer
from tests.servers.vault import VaultServer

REF = SecretRef(slug="openai-prod", manager_type="hashicorp_vault", secret_path="secret/openai")
WHO = "system:serviceaccount:llm:gateway"


def opened(server: VaultServer, clock: Clock | None = None, roots: tuple[Path, ...] = (), **config: Any) -> HashicorpVault:
    context = VaultContext(clock or Clock(), file_roots=roots, connect_timeout_s=5.0, read_timeout_s=5.0)
    vault = open_vault("hashicorp_vault", {"vault_addr": server.url, **config}, context)
    assert isinstance(vault, HashicorpVault)
    return vault


def by_wrap(server: VaultServer, wrapped: str, clock: Clock | None = None) -> HashicorpVault:
    role_id = server.namespaces[""].roles["gateway"].role_id
    config = {"vault_role_id": role_id, "vault_secret_id": hidden(wrapped), "vault_secret_id_wrapped": True}
    return opened(server, clock, vault_auth_type="approle", **config)


def refused(vault: HashicorpVault) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(REF)
    assert failed.value.__context__ is None
    return failed.value


@pytest.fixture
def server(vault_server: VaultServer) -> VaultServer:
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault_server.allow("reader", "secret/data/*")
    vault_server.approle("gateway", "reader", token_ttl=300)
    return vault_server


def test_a_wrapped_secret_id_is_opened_once_and_its_one_login_lasts_by_renewal(server: VaultServer) -> None:
    clock = Clock()
    server.held.now = clock.monotonic
    vault = by_wrap(server, server.wrapped("gateway", uses=1), clock)
    for _ in range(20):
        assert vault.fetch(REF).version == "1"
        clock.advance(201)
    assert (server.count("wrapping/unwrap"), server.count("approle/login"), server.count("renew-self")) == (1, 1, 19)


def test_a_wrap_that_somebody_opened_before_is_refused_and_reported(server: VaultServer, caplog: pytest.LogCaptureFixture) -> None:
    wrapped = server.wrapped("gateway")
    stolen = server.held.unwrap(wrapped)["data"]["secret_id"]
    with caplog.at_level(logging.ERROR, "lockgate.secrets"):
        failed = refused(by_wrap(server, wrapped))
    assert failed.reason == "unauthenticated"
    assert "intercepted" in caplog.text
    assert not [text for text in (wrapped, stolen) if text in caplog.text + failed.message + failed.hint]


def test_a_wrap_of_something_else_is_not_opened(server: VaultServer) -> None:
    wrapped = server.held.wrap("cubbyhole/anything", {"data": {"secret_id": "x"}})["wrap_info"]["token"]
    assert refused(by_wrap(server, wrapped)).reason == "unauthenticated"
    assert server.count("wrapping/unwrap") == 0


def test_a_look_from_outside_leaves_a_wrap_closed_and_sees_one_that_was_opened(server: VaultServer) -> None:
    good, opened_before = server.wrapped("gateway"), server.wrapped("gateway")
    server.held.unwrap(opened_before)
    for wrapped, reason in ((good, "untried"), (opened_before, "unauthenticated")):
        config = {"vault_role_id": "r", "vault_secret_id": hidden(wrapped), "vault_secret_id_wrapped": True}
        context = VaultContext(Clock(), connect_timeout_s=5.0, read_timeout_s=5.0, may_use_up=False)
        vault = open_vault("hashicorp_vault", {"vault_addr": server.url, "vault_auth_type": "approle", **config}, context)
        assert isinstance(vault, HashicorpVault)
        assert refused(vault).reason == reason
    assert server.count("wrapping/unwrap") == 0
    assert by_wrap(server, good).fetch(REF).version == "1"


def test_a_wrap_survives_an_outage_of_vault(server: VaultServer) -> None:
    vault = by_wrap(server, server.wrapped("gateway"))
    server.sealed = True
    assert refused(vault).reason == "unavailable"
    server.healthy()
    assert vault.fetch(REF).version == "1"


def test_a_wrapped_approle_whose_token_lives_is_told_what_is_denied_and_does_not_log_in_again(server: VaultServer) -> None:
    vault = by_wrap(server, server.wrapped("gateway", uses=1))
    vault.fetch(REF)
    server.namespaces[""].policies["reader"] = []
    assert refused(vault).reason == "denied"
    assert server.count("approle/login") == 1


def identity(server: VaultServer, tmp_path: Path, mode: str, issuer: Issuer, token: str, **config: Any) -> HashicorpVault:
    server.identity(mode, "gateway", WHO, "reader", public_pem=issuer.public_pem)
    path = tmp_path / "token"
    path.write_text(token)
    return opened(server, roots=(tmp_path,), vault_auth_type=mode, vault_role="gateway", vault_jwt_file=str(path), **config)


@pytest.mark.parametrize("mode", ["kubernetes", "jwt"])
def test_a_token_in_a_file_opens_the_vault_and_is_read_anew_for_each_login(server: VaultServer, tmp_path: Path, mode: str) -> None:
    issuer = Issuer()
    vault = identity(server, tmp_path, mode, issuer, issuer.token("somebody-else"))
    assert refused(vault).reason == "unauthenticated"
    (tmp_path / "token").write_text(issuer.token(WHO))
    assert vault.fetch(REF).version == "1"


@pytest.mark.parametrize(
    ("token", "what"),
    [
        ({"starts_in_s": 3_600}, "of a clock that is ahead"),
        ({"starts_in_s": -3_600, "lasts_s": 600}, "that has ended"),
        ({"subject": "system:serviceaccount:other:gateway"}, "of somebody else"),
        (None, "that somebody else signed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("mode", ["kubernetes", "jwt"])
def test_a_token_is_refused_as_unauthenticated(
    server: VaultServer, tmp_path: Path, mode: str, token: dict[str, Any] | None, what: str
) -> None:
    _ = what
    issuer = Issuer()
    shown = Issuer().token(WHO) if token is None else issuer.token(**{"subject": WHO, **token})
    failed = refused(identity(server, tmp_path, mode, issuer, shown))
    assert failed.reason == "unauthenticated"
    assert "clock" in failed.hint
    assert shown not in failed.message + failed.hint


def test_a_jwt_by_reference_is_good_as_well(server: VaultServer) -> None:
    issuer = Issuer()
    server.identity("oidc", "gateway", WHO, "reader", public_pem=issuer.public_pem)
    config = {"vault_auth_type": "jwt", "vault_auth_mount": "oidc", "vault_role": "gateway", "vault_jwt": hidden(issuer.token(WHO))}
    assert opened(server, **config).fetch(REF).version == "1"


def test_an_identity_token_is_only_read_from_where_secrets_may_come_from(server: VaultServer, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    outside = tmp_path / "outside"
    outside.write_text("what is in any other file")
    server.requests.clear()
    for path in (str(outside), str(allowed / ".." / "outside"), str(allowed / "absent")):
        vault = opened(server, roots=(allowed,), vault_auth_type="kubernetes", vault_role="gateway", vault_jwt_file=path)
        assert refused(vault).reason == "unauthenticated"
    assert not server.requests


def test_a_certificate_opens_the_vault(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    served, mine, other = authority.sign("server", server=True), authority.sign("gateway"), authority.sign("other")
    with VaultServer(tls=(str(served.cert), str(served.key)), client_ca=str(authority.file)) as server:
        server.put("secret/openai", {"value": fresh_value()})
        server.allow("reader", "secret/data/*")
        server.identity("cert", "gateways", "gateway", "reader")
        config = {"vault_auth_type": "cert", "vault_ca_cert": str(authority.file)}
        for role in ({}, {"vault_role": "gateways"}):
            vault = opened(server, vault_client_cert=str(mine.cert), vault_client_key=str(mine.key), **role, **config)
            assert vault.fetch(REF).version == "1"
        stranger = opened(server, vault_client_cert=str(other.cert), vault_client_key=str(other.key), **config)
        assert refused(stranger).reason == "unauthenticated"
        absent = opened(server, vault_client_cert=str(tmp_path / "absent.pem"), **config)
        assert refused(absent).reason == "misconfigured"


@pytest.mark.parametrize(
    "config",
    [
        {"vault_auth_type": "cert", "vault_client_cert": "c.pem"},
        {"vault_auth_type": "jwt", "vault_role": "r"},
        {"vault_auth_type": "jwt", "vault_jwt": hidden("a"), "vault_jwt_file": "/b"},
        {"vault_auth_type": "kubernetes"},
    ],
    ids=["certificate-without-tls", "no-token", "two-tokens", "no-role"],
)
def test_a_way_in_that_is_not_whole_is_a_config_error(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        open_vault("hashicorp_vault", {"vault_addr": "http://127.0.0.1:9", **config}, VaultContext(Clock()))


def test_a_token_near_its_max_ttl_is_replaced_by_a_new_login(server: VaultServer) -> None:
    clock = Clock()
    server.held.now = clock.monotonic
    role_id, secret_id = server.approle("gateway", "reader", token_ttl=300, token_max_ttl=500)
    vault = opened(server, clock, vault_auth_type="approle", vault_role_id=role_id, vault_secret_id=hidden(secret_id))
    for _ in range(40):
        vault.fetch(REF)
        clock.advance(50)
    assert server.count("approle/login") >= 4
    assert server.count("GET secret/data/openai") == 40


def test_a_login_that_fails_at_renewal_costs_nothing_while_the_token_lives(server: VaultServer) -> None:
    clock = Clock()
    server.held.now = clock.monotonic
    role_id, secret_id = server.approle("gateway", "reader", token_ttl=300, token_max_ttl=300, uses=1)
    vault = opened(server, clock, vault_auth_type="approle", vault_role_id=role_id, vault_secret_id=hidden(secret_id))
    vault.fetch(REF)
    clock.advance(250)
    assert vault.fetch(REF).version == "1"
    clock.advance(51)
    assert refused(vault).reason == "unauthenticated"


def test_an_idle_token_is_kept_alive(server: VaultServer) -> None:
    clock = Clock()
    server.held.now = clock.monotonic
    vault = opened(server, clock, vault_token=hidden(server.token("reader", ttl=60, renewable=True)))
    vault.fetch(REF)
    for _ in range(100):
        clock.advance(5)
        vault.tend()
    assert vault.fetch(REF).version == "1"
    assert server.count("renew-self") == 12


def test_giving_up_revokes_a_token_that_came_by_login_and_no_other(server: VaultServer) -> None:
    given = server.token("reader")
    for config in (
        {"vault_token": hidden(given)},
        {"vault_auth_type": "approle", **dict(zip(("vault_role_id", "vault_secret_id"), server.approle("b", "reader"), strict=True))},
    ):
        vault = opened(server, **{**config, **({"vault_secret_id": hidden(str(config["vault_secret_id"]))} if len(config) > 1 else {})})
        vault.fetch(REF)
        vault.give_up()
    assert set(server.tokens) == {server.root, given}


def test_a_login_into_a_namespace_reads_there(server: VaultServer) -> None:
    from tests.servers.vault_state import Mount, Namespace

    server.namespaces["team"] = Namespace({"secret": Mount("2")})
    server.put("secret/openai", {"value": "of-the-team"}, namespace="team")
    server.allow("reader", "secret/data/*", namespace="team")
    role_id, secret_id = server.approle("gateway", "reader", namespace="team")
    config = {"vault_auth_type": "approle", "vault_role_id": role_id, "vault_secret_id": hidden(secret_id)}
    assert opened(server, vault_namespace="team", **config).fetch(REF).value == "of-the-team"
    assert refused(opened(server, **config)).reason == "unauthenticated"
