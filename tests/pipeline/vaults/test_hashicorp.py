"""The Vault adapter against our Vault-shaped server: every way it can refuse, and how it finds mounts and keeps its token."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.model import Fetched, Secret, SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.vault import VaultServer


def opened(server: VaultServer, token: str | None = None, *, clock: Clock | None = None, patience_s: float = 5.0, **config: Any) -> Vault:
    context = VaultContext(clock or Clock(), connect_timeout_s=patience_s, read_timeout_s=patience_s)
    return open_vault("hashicorp_vault", {"vault_addr": server.url, "vault_token": hidden(token or server.root), **config}, context)


def by_approle(server: VaultServer, role_id: str, secret_id: str, *, clock: Clock | None = None, **config: Any) -> Vault:
    auth = {"vault_addr": server.url, "vault_auth_type": "approle", "vault_role_id": role_id, "vault_secret_id": hidden(secret_id)}
    return open_vault("hashicorp_vault", auth | config, VaultContext(clock or Clock(), connect_timeout_s=5.0, read_timeout_s=5.0))


def ref(path: str = "secret/openai", **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="hashicorp_vault", secret_path=path, **changes)


def refused(vault: Vault, reference: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(reference)
    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None
    return failed.value


Break = Callable[[VaultServer], None]


@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        ({"sealed": True}, "unavailable"),
        ({"standby": True}, "unavailable"),
        ({"throttled": True}, "throttled"),
        ({"broken": True}, "unavailable"),
        ({"latency_s": 5.0}, "unavailable"),
        ({"status": 500}, "unavailable"),
        ({"status": 502}, "unavailable"),
        ({"status": 501}, "unavailable"),
        ({"status": 412}, "unavailable"),
        ({"status": 472}, "unavailable"),
        ({"status": 473}, "unavailable"),
        ({"status": 403}, "unauthenticated"),
        ({"status": 401}, "unauthenticated"),
        ({"status": 400}, "misconfigured"),
        ({"status": 204}, "unavailable"),
    ],
    ids=str,
)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_each_way_to_fail_has_its_reason(vault_server: VaultServer, switch: dict[str, Any], reason: str, warm: bool) -> None:
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault = opened(vault_server, patience_s=0.5 if "latency_s" in switch else 5.0)
    if warm:
        vault.fetch(ref())
    for name, value in switch.items():
        setattr(vault_server, name, value)
    assert refused(vault, ref()).reason == reason


def test_a_vault_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        auth = {"vault_addr": f"http://127.0.0.1:{taken.getsockname()[1]}", "vault_token": hidden("hvs.none")}
        vault = open_vault("hashicorp_vault", auth, VaultContext(Clock()))
        assert refused(vault, ref()).reason == "unavailable"


def test_a_certificate_of_another_ca_is_refused_and_the_right_one_is_accepted(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    with VaultServer(tls=(certificate, key)) as server:
        value = fresh_value()
        server.put("secret/openai", {"value": value})
        failed = refused(opened(server), ref())
        assert failed.reason == "unavailable"
        assert "vault_ca_cert" in failed.hint
        assert opened(server, vault_ca_cert=certificate).fetch(ref()).value == value


@pytest.mark.parametrize("act", ["delete", "destroy"])
def test_a_deleted_or_destroyed_version_is_gone(vault_server: VaultServer, act: str) -> None:
    for _ in range(2):
        vault_server.put("secret/openai", {"value": fresh_value()})
    getattr(vault_server, act)("secret/openai", 2)
    vault = opened(vault_server)
    assert refused(vault, ref()).reason == "version_gone"
    assert vault.fetch(ref(version="1")).version == "1"


@pytest.mark.parametrize(
    ("path", "config"),
    [
        ("secret/team/openai", {}),
        ("/secret/team/openai/", {}),
        ("secret/data/team/openai", {}),
        ("team/openai", {"vault_mount": "secret"}),
        ("team/openai", {"vault_mount": "/secret/", "vault_kv_version": "2"}),
        ("secret/team/openai", {"vault_kv_version": "2"}),
    ],
)
@pytest.mark.parametrize("hides", [False, True], ids=["mounts-told", "mounts-hidden"])
def test_a_kv2_secret_is_found_however_its_place_is_written(
    vault_server: VaultServer, path: str, config: dict[str, Any], hides: bool
) -> None:
    vault_server.hides_mounts = hides
    value = fresh_value()
    vault_server.put("secret/team/openai", {"value": value})
    found = opened(vault_server, **config).fetch(ref(path))
    assert (found.value, found.version) == (value, "1")
    assert found.created_us > 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("path", "config"),
    [("kv1/openai", {}), ("openai", {"vault_mount": "kv1"}), ("openai", {"vault_mount": "kv1", "vault_kv_version": "1"})],
)
@pytest.mark.parametrize("hides", [False, True], ids=["mounts-told", "mounts-hidden"])
def test_a_kv1_secret_is_found_however_its_place_is_written(
    vault_server: VaultServer, path: str, config: dict[str, Any], hides: bool
) -> None:
    vault_server.hides_mounts = hides
    value = fresh_value()
    vault_server.put("kv1/openai", {"value": value})
    assert opened(vault_server, **config).fetch(ref(path)) == Fetched(value)


def test_a_warm_read_is_one_request(vault_server: VaultServer) -> None:
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault = opened(vault_server)
    vault.fetch(ref())
    vault_server.requests.clear()
    vault.fetch(ref())
    assert dict(vault_server.requests) == {"GET secret/data/openai": 1}


def test_a_secret_of_several_fields_needs_its_field_named(vault_server: VaultServer) -> None:
    vault_server.put("secret/openai", {"api_key": fresh_value(), "organization": "org"})
    vault = opened(vault_server)
    failed = refused(vault, ref())
    assert failed.code == "bad_value"
    assert "secret_key" in failed.hint
    assert "organization" in vault.fetch(ref(secret_key="api_key")).value


@pytest.mark.parametrize(
    "path", ["secret/../sys/mounts", "secret//openai", "secret/open?version=1", "secret/a#b", "secret/a%2fb", "secret/a\nb", ""]
)
def test_a_path_that_leads_elsewhere_is_not_sent(vault_server: VaultServer, path: str) -> None:
    vault = opened(vault_server)
    assert refused(vault, ref(path)).reason == "misconfigured"
    assert not vault_server.requests


def test_a_policy_that_does_not_reach_is_denied_and_a_dead_token_is_unauthenticated(vault_server: VaultServer) -> None:
    vault_server.put("secret/team-a/openai", {"value": fresh_value()})
    vault_server.allow("team-b", "secret/data/team-b/*")
    living = vault_server.token("team-b")
    assert refused(opened(vault_server, living), ref("secret/team-a/openai")).reason == "denied"
    assert refused(opened(vault_server, "hvs.dead"), ref("secret/team-a/openai")).reason == "unauthenticated"


def test_a_namespace_is_its_own_world(vault_server: VaultServer) -> None:
    from tests.servers.vault_state import Mount, Namespace

    vault_server.namespaces["team"] = Namespace({"secret": Mount("2")})
    value = fresh_value()
    vault_server.put("secret/openai", {"value": value}, namespace="team")
    assert opened(vault_server, vault_namespace="team").fetch(ref()).value == value
    assert refused(opened(vault_server), ref()).reason == "not_found"


def test_approle_logs_in_once_and_again_when_its_token_is_gone(vault_server: VaultServer) -> None:
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault_server.allow("reader", "secret/data/*")
    vault = by_approle(vault_server, *vault_server.approle("gateway", "reader"))
    for _ in range(3):
        vault.fetch(ref())
    assert vault_server.count("auth/approle/login") == 1
    for token in [token for token in vault_server.tokens if token != vault_server.root]:
        del vault_server.tokens[token]
    vault.fetch(ref())
    assert vault_server.count("auth/approle/login") == 2


def test_a_denied_approle_logs_in_again_once_and_no_more(vault_server: VaultServer) -> None:
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault = by_approle(vault_server, *vault_server.approle("gateway"))
    assert refused(vault, ref()).reason == "denied"
    assert vault_server.count("auth/approle/login") == 2


def test_an_approle_that_vault_refuses_is_unauthenticated(vault_server: VaultServer) -> None:
    assert refused(by_approle(vault_server, "no-role", "no-secret"), ref()).reason == "unauthenticated"


def test_an_approle_at_another_mount_logs_in_there(vault_server: VaultServer) -> None:
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault_server.allow("reader", "secret/data/*")
    vault = by_approle(vault_server, *vault_server.approle("gateway", "reader"), vault_auth_mount="machines")
    vault.fetch(ref())
    assert vault_server.count("auth/machines/login") == 1


@pytest.mark.parametrize("auth", ["token", "approle"])
def test_a_token_is_renewed_before_it_ends(vault_server: VaultServer, auth: str) -> None:
    clock = Clock()
    vault_server.put("secret/openai", {"value": fresh_value()})
    vault_server.allow("reader", "secret/data/*")
    if auth == "token":
        vault = opened(vault_server, vault_server.token("reader", ttl=300, renewable=True), clock=clock)
    else:
        vault = by_approle(vault_server, *vault_server.approle("gateway", "reader", token_ttl=300), clock=clock)
    vault.fetch(ref())
    clock.advance(150)
    vault.fetch(ref())
    assert vault_server.count("renew-self") == 0
    clock.advance(51)
    vault.fetch(ref())
    assert vault_server.count("renew-self") == 1


def test_an_engine_mounted_anew_with_another_version_is_found_again(vault_server: VaultServer) -> None:
    from tests.servers.vault_state import Mount

    vault_server.put("secret/openai", {"value": fresh_value()})
    vault = opened(vault_server)
    vault.fetch(ref())
    vault_server.namespaces[""].mounts["secret"] = Mount("1")
    value = fresh_value()
    vault_server.put("secret/openai", {"value": value})
    refused(vault, ref())
    assert vault.fetch(ref()).value == value


def test_the_environment_of_hvac_and_requests_is_not_looked_at(vault_server: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    vault_server.put("secret/openai", {"value": fresh_value()})
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "VAULT_TOKEN": vault_server.root,
        "VAULT_NAMESPACE": "none",
        "VAULT_ADDR": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    opened(vault_server).fetch(ref())
    assert refused(by_approle(vault_server, "no-role", "no-secret"), ref()).reason == "unauthenticated"


@pytest.mark.parametrize(
    "change",
    [{"vault_addr": "vault.example"}, {"vault_kv_version": "3"}, {"vault_addr": ""}, {"vault_tokn": "x"}, {"vault_auth_type": "ldap"}],
)
def test_a_wrong_auth_config_is_a_config_error(change: dict[str, str]) -> None:
    auth: dict[str, Any] = {"vault_addr": "http://127.0.0.1:9", "vault_token": hidden("hvs.x")} | change
    with pytest.raises(ConfigError):
        open_vault("hashicorp_vault", auth, VaultContext(Clock()))


def test_openbao_is_another_name_for_it(vault_server: VaultServer) -> None:
    vault_server.put("secret/openai", {"value": "a-value"})
    auth = {"vault_addr": vault_server.url, "vault_token": Secret(vault_server.root, reference="t")}
    assert open_vault("openbao", auth, VaultContext(Clock())).fetch(ref()).value == "a-value"


def _certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that signed itself."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lockgate test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "server.pem"), str(folder / "server.key")
