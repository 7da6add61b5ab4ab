"""The AWS adapter: against moto for what works, against a server of error codes for what AWS answers when it does not."""

from __future__ import annotations

import logging
import secrets
import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.aws import REGION, AwsFaults, MotoServer


def opened(url: str, *, patience_s: float = 5.0, **changes: Any) -> Vault:
    auth = {
        "aws_auth_type": "accessKey",
        "aws_region": REGION,
        "aws_access_key_id": hidden("testing"),
        "aws_secret_access_key": hidden("testing"),
        "aws_endpoint_url": url,
    }
    return open_vault("aws_sm", auth | changes, VaultContext(Clock(), connect_timeout_s=patience_s, read_timeout_s=patience_s))


def ref(path: str, **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="aws_sm", secret_path=path, **changes)


def refused(vault: Vault, reference: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(reference)
    assert failed.value.__context__ is None
    return failed.value


@pytest.fixture
def name() -> str:
    return f"openai/{secrets.token_hex(6)}"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ResourceNotFoundException", "not_found"),
        ("InvalidRequestException", "version_gone"),
        ("AccessDeniedException", "denied"),
        ("DecryptionFailure", "denied"),
        ("UnrecognizedClientException", "unauthenticated"),
        ("InvalidSignatureException", "unauthenticated"),
        ("ExpiredTokenException", "unauthenticated"),
        ("ThrottlingException", "throttled"),
        ("InternalServiceError", "unavailable"),
        ("SomethingNewException", "unavailable"),
        ("InvalidParameterException", "misconfigured"),
    ],
)
def test_each_code_has_its_reason_and_is_asked_once(aws_faults: AwsFaults, code: str, reason: str) -> None:
    aws_faults.code = code
    assert refused(opened(aws_faults.url), ref("openai")).reason == reason
    assert aws_faults.requests == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_is_unavailable_and_not_retried(aws_faults: AwsFaults, status: int) -> None:
    aws_faults.status = status
    assert refused(opened(aws_faults.url), ref("openai")).reason == "unavailable"
    assert aws_faults.requests == 1


@pytest.mark.parametrize(("body", "delay_s"), [(b'{"SecretString": "cu', 0.0), (b"<html>", 0.0), (None, 2.0)], ids=["cut", "html", "slow"])
def test_a_broken_or_slow_answer_is_unavailable(aws_faults: AwsFaults, body: bytes | None, delay_s: float) -> None:
    aws_faults.body, aws_faults.delay_s = body, delay_s
    assert refused(opened(aws_faults.url, patience_s=0.5 if delay_s else 5.0), ref("openai")).reason == "unavailable"


def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert refused(opened(f"http://127.0.0.1:{taken.getsockname()[1]}"), ref("openai")).reason == "unavailable"


def test_a_promoted_version_is_the_current_one(moto: MotoServer, name: str) -> None:
    client = moto.client("secretsmanager")
    old, new = fresh_value(), fresh_value()
    first = client.create_secret(Name=name, SecretString=old)["VersionId"]
    second = client.put_secret_value(SecretId=name, SecretString=new, VersionStages=["AWSPENDING"])["VersionId"]
    vault = opened(moto.url)
    assert vault.fetch(ref(name)).value == old
    assert vault.fetch(ref(name, version="AWSPENDING")).value == new
    client.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first)
    found = vault.fetch(ref(name))
    assert (found.value, found.version) == (new, second)
    assert found.created_us > 1_700_000_000_000_000
    assert vault.fetch(ref(name, version=first)).value == old


def test_a_secret_scheduled_for_deletion_is_gone(moto: MotoServer, name: str) -> None:
    client = moto.client("secretsmanager")
    client.create_secret(Name=name, SecretString=fresh_value())
    client.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert refused(opened(moto.url), ref(name)).reason == "version_gone"


@pytest.mark.parametrize(("binary", "value"), [(b"a-binary-key", "a-binary-key"), (b"\xff\xfe", None)], ids=["text", "not-text"])
def test_a_binary_secret_is_its_text_or_a_bad_value(moto: MotoServer, name: str, binary: bytes, value: str | None) -> None:
    moto.client("secretsmanager").create_secret(Name=name, SecretBinary=binary)
    if value is None:
        assert refused(opened(moto.url), ref(name)).code == "bad_value"
    else:
        assert opened(moto.url).fetch(ref(name)).value == value


def test_a_name_that_aws_cannot_be_asked_for_is_misconfigured(moto: MotoServer) -> None:
    assert refused(opened(moto.url), ref("")).reason == "misconfigured"


def test_an_assumed_role_reads_with_its_own_credentials(moto: MotoServer, name: str) -> None:
    import boto3

    account = "111111111111"
    source = moto.client("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/reader", RoleSessionName="test", ExternalId="external")[
        "Credentials"
    ]
    there = boto3.session.Session(source["AccessKeyId"], source["SecretAccessKey"], source["SessionToken"], REGION)
    value = fresh_value()
    there.client("secretsmanager", endpoint_url=moto.url).create_secret(Name=name, SecretString=value)
    vault = opened(
        moto.url,
        aws_auth_type="assumedRole",
        aws_role_arn=f"arn:aws:iam::{account}:role/reader",
        aws_external_id="external",
        aws_session_duration=900,
    )
    assert vault.fetch(ref(name)).value == value
    assert refused(opened(moto.url), ref(name)).reason == "not_found"


@pytest.mark.parametrize("mode", ["serviceRole", "default"])
def test_the_default_chain_finds_the_environments_credentials(
    moto: MotoServer, name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # only configuration says where to go
    value = fresh_value()
    moto.client("secretsmanager").create_secret(Name=name, SecretString=value)
    auth = {"aws_auth_type": mode, "aws_region": REGION, "aws_endpoint_url": moto.url}
    assert open_vault("aws_sm", auth, VaultContext(Clock())).fetch(ref(name)).value == value


@pytest.mark.parametrize(
    "role", [{}, {"aws_auth_type": "assumedRole", "aws_role_arn": "arn:aws:iam::111111111111:role/reader"}], ids=["chain", "role"]
)
def test_a_chain_without_credentials_is_unauthenticated(
    moto: MotoServer, role: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    vault = open_vault("aws_sm", {"aws_region": REGION, "aws_endpoint_url": moto.url} | role, VaultContext(Clock()))
    assert refused(vault, ref("openai")).reason == "unauthenticated"


@pytest.mark.parametrize(
    "change", [{"aws_region": None}, {"aws_auth_type": "magic"}, {"aws_profile_name": "x"}, {"aws_endpoint_url": "not a url"}], ids=str
)
def test_a_wrong_auth_config_is_a_config_error(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        opened("http://127.0.0.1:9", **change)


def test_botocore_logs_no_value_at_debug(moto: MotoServer, name: str, caplog: pytest.LogCaptureFixture) -> None:
    value, key = fresh_value(), "testing" + secrets.token_hex(16)
    moto.client("secretsmanager").create_secret(Name=name, SecretString=value)
    with caplog.at_level(logging.DEBUG):
        opened(moto.url, aws_secret_access_key=hidden(key), aws_session_token=hidden("token" + key)).fetch(ref(name))
    assert value not in caplog.text
    assert key not in caplog.text
