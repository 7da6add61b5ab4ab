"""AWS by roles and identities, against an STS that says what it was asked; and what SSM Parameter Store gives."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.aws import REGION, AwsFaults, MotoServer
from tests.servers.sts import StsServer

ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.fixture
def sts() -> Iterator[StsServer]:
    with StsServer() as server:
        yield server


@pytest.fixture
def name() -> str:
    return f"/openai/{secrets.token_hex(6)}"


def opened(manager_type: str, url: str, mode: str, roots: tuple[Path, ...] = (), **fields: Any) -> Vault:
    auth = {"aws_auth_type": mode, "aws_region": REGION, "aws_endpoint_url": url, **fields}
    return open_vault(manager_type, auth, VaultContext(Clock(), file_roots=roots, connect_timeout_s=5.0, read_timeout_s=5.0))


def by_key(manager_type: str, url: str) -> Vault:
    keys = {"aws_access_key_id": hidden("testing"), "aws_secret_access_key": hidden("testing")}
    return opened(manager_type, url, "accessKey", **keys)


def by_role(manager_type: str, url: str, sts: StsServer, **fields: Any) -> Vault:
    keys = {"aws_access_key_id": hidden("testing"), "aws_secret_access_key": hidden("testing")}
    return opened(manager_type, url, "assumedRole", aws_role_arn=ROLE, aws_sts_endpoint_url=sts.url, **keys, **fields)


def ref(path: str, **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="aws", secret_path=path, **changes)


def refused(vault: Vault, reference: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(reference)
    assert failed.value.__context__ is None
    return failed.value


def kept(moto: MotoServer, manager_type: str, name: str, value: str) -> None:
    if manager_type == "aws_sm":
        moto.client("secretsmanager").create_secret(Name=name, SecretString=value)
    else:
        moto.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


@pytest.mark.parametrize("manager_type", ["aws_sm", "aws_ssm"])
def test_a_role_is_assumed_as_configured_and_once_while_its_session_is_good(
    moto: MotoServer, sts: StsServer, name: str, manager_type: str
) -> None:
    value = fresh_value()
    kept(moto, manager_type, name, value)
    vault = by_role(manager_type, moto.url, sts, aws_external_id="external", aws_role_session_name="gateway", aws_session_duration=1_800)
    assert {vault.fetch(ref(name)).value for _ in range(3)} == {value}
    assert len(sts.asked) == 1
    asked = {field: sts.asked[0].get(field) for field in ("Action", "RoleArn", "ExternalId", "RoleSessionName", "DurationSeconds")}
    assert asked == {
        "Action": "AssumeRole",
        "RoleArn": ROLE,
        "ExternalId": "external",
        "RoleSessionName": "gateway",
        "DurationSeconds": "1800",
    }


def test_a_session_that_is_about_to_end_is_renewed_before_it_does(moto: MotoServer, sts: StsServer, name: str) -> None:
    kept(moto, "aws_sm", name, fresh_value())
    vault = by_role("aws_sm", moto.url, sts)
    sts.lasts_s = 60  # botocore renews in the last ten minutes
    vault.fetch(ref(name))
    sts.lasts_s = 3_600
    for _ in range(3):
        vault.fetch(ref(name))
    assert len(sts.asked) == 2


def test_a_web_identity_is_read_anew_for_each_session_and_sent_unsigned(
    moto: MotoServer, sts: StsServer, name: str, tmp_path: Path
) -> None:
    kept(moto, "aws_sm", name, fresh_value())
    path = tmp_path / "token"
    path.write_text("first-token\n")
    fields = {"aws_role_arn": ROLE, "aws_sts_endpoint_url": sts.url, "aws_web_identity_token_file": str(path)}
    vault = opened("aws_sm", moto.url, "webIdentity", (tmp_path,), **fields)
    sts.lasts_s = 60
    vault.fetch(ref(name))
    path.write_text("second-token\n")
    vault.fetch(ref(name))
    assert [form["WebIdentityToken"] for form in sts.asked] == ["first-token", "second-token"]
    assert {form["Action"] for form in sts.asked} == {"AssumeRoleWithWebIdentity"}
    assert sts.signed == [False, False]


def test_a_web_identity_is_only_read_from_where_secrets_may_come_from(sts: StsServer, moto: MotoServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token")
    fields = {"aws_role_arn": ROLE, "aws_sts_endpoint_url": sts.url, "aws_web_identity_token_file": str(tmp_path / "token")}
    vault = opened("aws_sm", moto.url, "webIdentity", (tmp_path / "elsewhere",), **fields)
    failed = refused(vault, ref("any"))
    assert failed.reason == "unauthenticated"
    assert "'openai-prod'" in failed.message
    assert sts.asked == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDenied", "unauthenticated"),
        ("InvalidIdentityToken", "unauthenticated"),
        ("IDPRejectedClaim", "unauthenticated"),
        ("ExpiredTokenException", "unauthenticated"),
        ("RequestExpired", "unauthenticated"),
        ("Throttling", "throttled"),
        ("IDPCommunicationError", "unavailable"),
    ],
)
@pytest.mark.parametrize("mode", ["assumedRole", "webIdentity"])
def test_each_refusal_of_sts_has_its_reason(moto: MotoServer, sts: StsServer, tmp_path: Path, mode: str, code: str, reason: str) -> None:
    sts.code = code
    (tmp_path / "token").write_text("a-token")
    fields = {"aws_role_arn": ROLE, "aws_sts_endpoint_url": sts.url, "aws_web_identity_token_file": str(tmp_path / "token")}
    vault = by_role("aws_sm", moto.url, sts) if mode == "assumedRole" else opened("aws_sm", moto.url, mode, (tmp_path,), **fields)
    assert refused(vault, ref("any")).reason == reason


def test_a_parameter_has_numbered_versions_and_labels(moto: MotoServer, name: str) -> None:
    old, new = fresh_value(), fresh_value()
    client = moto.client("ssm")
    kept(moto, "aws_ssm", name, old)
    client.label_parameter_version(Name=name, ParameterVersion=1, Labels=["stable"])
    kept(moto, "aws_ssm", name, new)
    vault = by_key("aws_ssm", moto.url)
    found = vault.fetch(ref(name))
    assert (found.value, found.version) == (new, "2")
    assert found.created_us > 1_700_000_000_000_000
    assert [vault.fetch(ref(name, version=version)).value for version in ("1", "stable", "2")] == [old, old, new]
    for version in ("7", "absent-label"):
        assert refused(vault, ref(name, version=version)).reason == "not_found"


def test_a_parameter_by_its_arn_is_read_and_a_colon_in_a_name_is_not_sent(moto: MotoServer, name: str) -> None:
    value = fresh_value()
    kept(moto, "aws_ssm", name, value)
    vault = by_key("aws_ssm", moto.url)
    assert vault.fetch(ref(f"arn:aws:ssm:{REGION}:123456789012:parameter{name}")).value == value
    assert refused(vault, ref(f"{name}:1")).reason == "misconfigured"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ParameterNotFound", "not_found"),
        ("ParameterVersionNotFound", "not_found"),
        ("InvalidKeyId", "denied"),
        ("AccessDeniedException", "denied"),
        ("ThrottlingException", "throttled"),
        ("InternalServerError", "unavailable"),
        ("ValidationException", "misconfigured"),
    ],
)
def test_each_code_of_parameter_store_has_its_reason(aws_faults: AwsFaults, code: str, reason: str) -> None:
    aws_faults.code = code
    failed = refused(by_key("aws_ssm", aws_faults.url), ref("/openai"))
    assert failed.reason == reason
    assert reason != "denied" or "ssm:GetParameter" in failed.hint
    assert aws_faults.requests == 1


@pytest.mark.parametrize("mode", ["webIdentity", "assumedRole"])
def test_a_role_without_its_fields_is_a_config_error(mode: str) -> None:
    with pytest.raises(ConfigError):
        opened("aws_ssm", "http://127.0.0.1:9", mode)
