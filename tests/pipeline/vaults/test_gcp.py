"""Google Cloud Secret Manager by Google's own client against a stand-in: every mode, every way to refuse, and no extra connection."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.crc32c import crc32c
from pipeline.vaults.model import Asker, Secret, SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from tests.pipeline.vaults.cloud_stages import gcp_auth, gcp_federated
from tests.pipeline.vaults.rig import fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.gcp import PROJECT, GcpServer


@pytest.fixture
def gcp(tmp_path: Path) -> Iterator[GcpServer]:
    with GcpServer(tmp_path / "gcp") as server:
        yield server


def opened(server: GcpServer, *, patience_s: float = 10.0, roots: tuple[Path, ...] = (), **changes: Any) -> Vault:
    context = VaultContext(SystemClock(), file_roots=roots, connect_timeout_s=patience_s, read_timeout_s=patience_s)
    return open_vault("gcp_sm", gcp_auth(server, **changes), context)


def ref(path: str = "openai", **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="gcp_sm", secret_path=path, **changes)


def refused(vault: Vault, reference: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(reference)
    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None
    return failed.value


SWITCHES: list[tuple[dict[str, Any], str]] = [
    ({"status": 429}, "throttled"),
    ({"status": 500}, "unavailable"),
    ({"status": 503}, "unavailable"),
    ({"status": 504}, "unavailable"),
    ({"status": 302}, "unavailable"),
    ({"status": 400}, "misconfigured"),
    ({"status": 400, "fault": {"error": {"code": 400, "status": "INVALID_ARGUMENT"}}}, "misconfigured"),
    ({"status": 400, "fault": {"error": {"code": 400, "status": "FAILED_PRECONDITION"}}}, "version_gone"),
    ({"status": 401}, "unauthenticated"),
    ({"status": 403}, "denied"),
    ({"status": 404}, "not_found"),
    ({"status": 200}, "unavailable"),
    ({"broken": True}, "unavailable"),
    ({"drops": True}, "unavailable"),
    ({"latency_s": 5.0}, "unavailable"),
    ({"checksum_error": 1}, "unavailable"),
]


@pytest.mark.parametrize(("switch", "reason"), SWITCHES, ids=str)
def test_each_way_to_fail_has_its_reason_after_one_attempt(gcp: GcpServer, switch: dict[str, Any], reason: str) -> None:
    gcp.put("openai", fresh_value())
    vault = opened(gcp, patience_s=0.5 if "latency_s" in switch else 10.0)
    if "latency_s" not in switch:
        vault.fetch(ref())
    gcp.requests.clear()
    for name, value in switch.items():
        setattr(gcp, name, value)
    assert refused(vault, ref()).reason == reason
    assert gcp.requests.total() == (3 if reason == "unauthenticated" else 1)  # a refused token is made anew, twice at most


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_disabled_or_destroyed_version_is_gone_and_an_older_one_is_not(gcp: GcpServer, state: str) -> None:
    value = fresh_value()
    gcp.put("openai", value)
    gcp.put("openai", fresh_value())
    gcp.secrets["openai"][1].state = state
    vault = opened(gcp)
    assert refused(vault, ref()).reason == "version_gone"
    assert vault.fetch(ref(version="1")).value == value


def test_an_alias_gives_the_number_that_it_stands_for(gcp: GcpServer) -> None:
    gcp.put("openai", fresh_value())
    gcp.put("openai", fresh_value())
    gcp.aliases["live"] = 1
    assert opened(gcp).fetch(ref(version="live")).version == "1"


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("openai", {}),
        (f"projects/{PROJECT}/secrets/openai", {}),
        (f"projects/{PROJECT}/secrets/openai", {"gcp_project_id": None}),
        ("openai", {"gcp_location": "europe-west3"}),
        (f"projects/{PROJECT}/locations/europe-west3/secrets/openai", {"gcp_location": "europe-west3"}),
    ],
)
def test_a_secret_is_found_however_its_place_is_written(gcp: GcpServer, path: str, changes: dict[str, Any]) -> None:
    value = fresh_value()
    gcp.put("openai", value)
    assert opened(gcp, **changes).fetch(ref(path)).value == value
    assert ("/locations/" in next(iter(gcp.requests))) == ("gcp_location" in changes)


@pytest.mark.parametrize(
    ("path", "changes", "version"),
    [
        ("a/b", {}, None),
        ("a?b", {}, None),
        ("openai", {"gcp_project_id": None}, None),
        (f"projects/{PROJECT}/secrets/../openai", {}, None),
        (f"projects/{PROJECT}/locations/us-east1/secrets/openai", {}, None),
        (f"projects/{PROJECT}/locations/us-east1/secrets/openai", {"gcp_location": "europe-west3"}, None),
        ("openai", {}, "1:access"),
        ("openai", {}, "../1"),
    ],
)
def test_what_cannot_be_a_place_is_never_asked_for(gcp: GcpServer, path: str, changes: dict[str, Any], version: str | None) -> None:
    assert refused(opened(gcp, **changes), ref(path, version=version)).reason == "misconfigured"
    assert not gcp.requests


def test_a_service_account_asks_nobody_for_tokens_and_starts_no_thread(gcp: GcpServer) -> None:
    gcp.put("openai", fresh_value())
    before = {thread.name for thread in threading.enumerate()}
    vault = opened(gcp)
    for _ in range(3):
        vault.fetch(ref())
    assert set(gcp.requests) == {f"GET /v1/projects/{PROJECT}/secrets/openai/versions/latest:access"}
    after = {thread.name for thread in threading.enumerate() if "process_request_thread" not in thread.name}
    assert after <= before


def test_a_service_account_of_another_key_is_unauthenticated(gcp: GcpServer) -> None:
    gcp.put("openai", fresh_value())
    other = hidden(gcp.service_account(client_email="nobody@example.com"))
    assert refused(opened(gcp, gcp_service_account_json=other), ref()).reason == "unauthenticated"


def test_a_federated_token_is_fetched_once_and_again_when_the_vault_refuses_it(gcp: GcpServer, tmp_path: Path) -> None:
    value = fresh_value()
    gcp.put("openai", value)
    context = VaultContext(SystemClock(), file_roots=(tmp_path,), connect_timeout_s=10.0, read_timeout_s=10.0)
    vault = open_vault("gcp_sm", gcp_federated(gcp, tmp_path), context)
    assert [vault.fetch(ref()).value for _ in range(3)] == [value] * 3
    assert gcp.requests["POST /sts/v1/token"] == 1
    gcp.tokens.clear()
    assert vault.fetch(ref()).value == value
    assert gcp.requests["POST /sts/v1/token"] == 2


@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        ({"status": 503}, "unavailable"),
        ({"status": 429}, "unavailable"),
        ({"drops": True}, "unavailable"),
        ({"broken": True}, "unavailable"),
        ({"subjects": set()}, "unauthenticated"),
    ],
    ids=str,
)
def test_when_no_token_is_given_the_reason_is_that_of_the_exchange(
    gcp: GcpServer, tmp_path: Path, switch: dict[str, Any], reason: str
) -> None:
    auth = gcp_federated(gcp, tmp_path)
    gcp.faulty = "/sts"
    for name, value in switch.items():
        setattr(gcp, name, value)
    vault = open_vault("gcp_sm", auth, VaultContext(SystemClock(), file_roots=(tmp_path,), connect_timeout_s=10.0, read_timeout_s=10.0))
    assert refused(vault, ref()).reason == reason


METADATA = """
import sys
from pipeline.clock import SystemClock
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
auth = {"gcp_auth_mode": sys.argv[1], "gcp_project_id": sys.argv[2], "gcp_endpoint_url": sys.argv[3], "gcp_ca_cert": sys.argv[4]}
vault = open_vault("gcp_sm", auth, VaultContext(SystemClock(), connect_timeout_s=10.0, read_timeout_s=10.0))
print(vault.fetch(SecretRef(slug="s", manager_type="gcp_sm", secret_path="openai")).version)
"""


@pytest.mark.parametrize("mode", ["metadata", "default"])
def test_the_metadata_server_gives_the_token(gcp: GcpServer, mode: str) -> None:
    gcp.put("openai", fresh_value())
    with GcpServer(None) as metadata:  # speaks http, as the real one does
        metadata.tokens = gcp.tokens
        host = metadata.url.removeprefix("http://")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_"))}
        environment |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": "/nonexistent", "PYTHONPATH": os.getcwd()}
        done = subprocess.run(
            [sys.executable, "-c", METADATA, mode, PROJECT, gcp.url, gcp.ca],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env=environment,
        )
    assert (done.stdout.strip(), done.returncode) == ("1", 0), done.stderr[-2_000:]


ABSENT = """
import socket, sys
from pipeline.clock import SystemClock
from pipeline.errors import SecretError
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
import google.auth._exponential_backoff as backoff
backoff.time.sleep = lambda seconds: print("slept", flush=True)
mode, project, url, ca = sys.argv[1:]
auth = {"gcp_auth_mode": mode, "gcp_project_id": project, "gcp_endpoint_url": url, "gcp_ca_cert": ca}
vault = open_vault("gcp_sm", auth, VaultContext(SystemClock(), connect_timeout_s=1.0, read_timeout_s=1.0))
try:
    vault.fetch(SecretRef(slug="s", manager_type="gcp_sm", secret_path="openai"))
except SecretError as error:
    print(error.reason)
"""


@pytest.mark.parametrize("answers", [False, True], ids=["nobody-there", "nobody-answers"])
@pytest.mark.parametrize(("mode", "reason"), [("metadata", "unavailable"), ("default", "unauthenticated")])
def test_without_a_metadata_server_it_is_asked_once_and_nobody_sleeps(gcp: GcpServer, mode: str, reason: str, answers: bool) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        if answers:
            sock.listen()  # and never accepts: connections stand, and nothing is said
        host = f"127.0.0.1:{sock.getsockname()[1]}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_"))}
        environment |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": "/nonexistent", "PYTHONPATH": os.getcwd()}
        done = subprocess.run(
            [sys.executable, "-c", ABSENT, mode, PROJECT, gcp.url, gcp.ca],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env=environment,
        )
    assert (done.stdout.split(), done.returncode) == ([reason], 0), done.stderr[-2_000:]


def test_a_binary_secret_is_a_bad_value(gcp: GcpServer) -> None:
    gcp.put("openai", b"\xff\xfe\xfd")
    assert refused(opened(gcp), ref()).reason == "bad_value"


def test_a_secret_without_a_checksum_is_taken(gcp: GcpServer) -> None:
    value = fresh_value()
    gcp.put("openai", value)
    gcp.checksums = False
    assert opened(gcp).fetch(ref()).value == value


@pytest.mark.parametrize(("text", "sum_"), [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)])
def test_the_checksum_is_that_of_the_standard(text: bytes, sum_: int) -> None:
    assert crc32c(text) == sum_


def test_a_certificate_of_another_authority_is_refused_with_what_to_do(gcp: GcpServer) -> None:
    failed = refused(opened(gcp, gcp_ca_cert=None), ref())
    assert failed.reason == "unavailable"
    assert "gcp_ca_cert" in failed.hint


@pytest.mark.parametrize("told", ["{}", "[]", "no JSON", '{"type": "service_account"}'])
def test_what_is_no_service_account_is_a_config_error_that_quotes_nothing(gcp: GcpServer, told: str) -> None:
    value = fresh_value()
    with pytest.raises(ConfigError, match="gcp_service_account_json") as failed:
        opened(gcp, gcp_service_account_json=hidden(told.replace("no JSON", value)))
    assert failed.value.__context__ is None
    assert value not in f"{failed.value} {failed.value.hint}"


@pytest.mark.parametrize("told", ["{}", "no JSON", '{"type": "external_account", "credential_source": {"executable": {"command": "id"}}}'])
def test_what_is_no_credential_configuration_is_a_config_error(gcp: GcpServer, tmp_path: Path, told: str) -> None:
    path = tmp_path / "told"
    path.write_text(told)
    for there in (path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="gcp_credential_config_file"):
            opened(gcp, roots=(tmp_path,), gcp_auth_mode="workload", gcp_service_account_json=None, gcp_credential_config_file=str(there))


def test_a_credential_configuration_outside_the_folders_of_secrets_is_a_config_error(gcp: GcpServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folders"):
        open_vault("gcp_sm", gcp_federated(gcp, tmp_path), VaultContext(SystemClock(), file_roots=(tmp_path / "gcp",)))


async def test_a_key_file_in_several_lines_is_a_credential_by_reference(gcp: GcpServer, tmp_path: Path) -> None:
    value = fresh_value()
    gcp.put("openai", value)
    key = tmp_path / "sa.json"
    key.write_text(gcp.service_account())
    key.chmod(0o600)
    context = VaultContext(SystemClock(), file_roots=(tmp_path,), connect_timeout_s=10.0, read_timeout_s=10.0)
    resolver = Resolver(
        partial(_opened, context),
        clock=SystemClock(),
        fingerprint_key=b"k" * 32,
        announce=lambda value, label: None,
        retire=lambda label: None,
        on_read=lambda read: None,
        jitter=lambda: 0.5,
    )
    auth = gcp_auth(gcp, gcp_service_account_json={"secret_key_ref": {"file": str(key)}})
    secret = await resolver.resolve(ref(auth_config=auth), Asker("production", "key", "request"))
    await resolver.close()
    assert secret == Secret(value, reference="r")


def _opened(context: VaultContext, manager_type: str, auth_config: Any) -> Vault:
    return open_vault(manager_type, auth_config, context)


@pytest.mark.parametrize("broken", [False, True])
def test_googles_packages_log_neither_value_nor_credential(gcp: GcpServer, broken: bool, caplog: pytest.LogCaptureFixture) -> None:
    value, account = fresh_value(), gcp.service_account()
    gcp.put("openai", value)
    gcp.status = 403 if broken else 0
    with caplog.at_level(logging.DEBUG):
        vault = opened(gcp, gcp_service_account_json=hidden(account))
        if broken:
            refused(vault, ref())
        else:
            vault.fetch(ref())
    assert not [told for told in (value, *account.split('"')[1:]) if len(told) > 40 and told in caplog.text]
    assert not [record for record in caplog.records if record.name.startswith("google")]


def test_without_googles_packages_the_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['google.cloud.secretmanager_v1'] = None\n"
        "from pipeline.clock import SystemClock\n"
        "from pipeline.errors import ConfigError\n"
        "from pipeline.vaults.registry import VaultContext, open_vault\n"
        "try:\n"
        "    open_vault('gcp_sm', {}, VaultContext(SystemClock()))\n"
        "except ConfigError as error:\n"
        "    print(error.hint, error.__context__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "pip install 'lockgate[gcp]' None", done.stderr
