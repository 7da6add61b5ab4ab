"""The credentials of vaults: static ones are warned of, and none may stand behind the vault that it opens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.bootstrap.compile import compile_references
from pipeline.config.loader import parse_document
from pipeline.errors import ConfigError

AWS = "aws_region: eu, aws_access_key_id: I"


def nothing(_text: str) -> Sequence[str]:
    return ()


def warned(vault: str, others: str = "") -> list[str]:
    text = (
        f"vaults: {{v: {vault}}}\nreferences:\n  r: {{vault: v, secret_path: p}}\n{others}"
        "targets: [{id: t, provider: openai, model: m, secret_key_ref: {ref: r}}]\nmodels: {m: {targets: [t]}}\n"
    )
    document, warnings = parse_document(text, "lockgate.yaml", find_secrets=nothing)
    compile_references(document)
    return list(warnings)


@pytest.mark.parametrize(
    ("vault", "said"),
    [
        ("{manager_type: hashicorp_vault, auth_config: {vault_addr: 'https://v', vault_token: env:T}}", "a static Vault token"),
        (
            "{manager_type: openbao, auth_config: {vault_addr: 'https://v', vault_token: {secret_key_ref: {store: T}}}}",
            "a static Vault token",
        ),
        (
            f"{{manager_type: aws_sm, auth_config: {{aws_auth_type: accessKey, {AWS}, aws_secret_access_key: keychain:S}}}}",
            "a static AWS access key",
        ),
        (
            f"{{manager_type: aws_ssm, auth_config: {{aws_auth_type: assumedRole, {AWS}, aws_role_arn: a, aws_secret_access_key: env:S}}}}",
            "a static AWS access key",
        ),
    ],
)
def test_a_static_credential_is_warned_of_with_what_is_better(vault: str, said: str) -> None:
    (line,) = warned(vault)
    assert said in line
    assert line.startswith("lockgate.yaml:1:")
    assert "Prefer" in line


@pytest.mark.parametrize(
    "vault",
    [
        "{manager_type: hashicorp_vault, auth_config: {vault_addr: 'https://v', vault_token: file:/vault/agent/token}}",
        "{manager_type: hashicorp_vault, auth_config: {vault_auth_type: kubernetes, vault_addr: 'https://v', vault_role: r}}",
        "{manager_type: hashicorp_vault, auth_config: {vault_auth_type: approle, vault_addr: 'https://v', vault_role_id: r, "
        "vault_secret_id: env:W, vault_secret_id_wrapped: true}}",
        f"{{manager_type: aws_sm, auth_config: {{aws_auth_type: accessKey, {AWS}, "
        "aws_secret_access_key: env:S, aws_session_token: env:T}}",
        "{manager_type: aws_sm, auth_config: {aws_auth_type: default}}",
        "{manager_type: env}",
    ],
)
def test_what_ends_by_itself_is_not_warned_of(vault: str) -> None:
    assert warned(vault) == []


def test_a_credential_in_another_vault_counts_as_used_and_is_not_warned_of() -> None:
    others = "  token: {manager_type: aws_sm, auth_config: {aws_auth_type: default}, secret_path: vault-token}\n"
    assert warned("{manager_type: hashicorp_vault, auth_config: {vault_addr: 'https://v', vault_token: ref:token}}", others) == []


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ("  token: {vault: v, secret_path: q}\n", "circle"),
        ("", "no reference with the slug 'token'"),
    ],
)
def test_a_credential_behind_its_own_vault_or_nowhere_stops_the_start(others: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        warned("{manager_type: hashicorp_vault, auth_config: {vault_addr: 'https://v', vault_token: ref:token}}", others)
    assert said in refused.value.message
    assert refused.value.message.startswith("references.")
