"""No value leaves by an error, a traceback with local variables, a log, a repr, a pickle or JSON; whatever goes wrong, in every adapter."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import SecretError
from pipeline.vaults.model import Asker, Secret, SecretRead, SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from tests import planted
from tests.pipeline.vaults.said import everything_said
from tests.servers.aws import REGION, AwsFaults
from tests.servers.vault import VaultServer

ASKER = Asker("production", "key", "request")


def resolver(environment: Mapping[str, str], reads: list[SecretRead], roots: tuple[Path, ...] = (), patience_s: float = 2.0) -> Resolver:
    context = VaultContext(
        SystemClock(), environment=environment, file_roots=roots, connect_timeout_s=patience_s, read_timeout_s=patience_s
    )
    return Resolver(
        partial(_opened, context),
        clock=SystemClock(),
        fingerprint_key=b"k" * 32,
        announce=lambda value, label: None,
        retire=lambda label: None,
        on_read=reads.append,
        jitter=lambda: 0.5,
    )


def _opened(context: VaultContext, manager_type: str, auth_config: Mapping[str, Any]) -> Any:
    return open_vault(manager_type, auth_config, context)


async def failure_of(made: Resolver, ref: SecretRef) -> SecretError:
    """The error of a resolve in a task of its own, so that no frame of the test (which knows the value) is in its traceback."""
    (answer,) = await asyncio.gather(made.resolve(ref, ASKER), return_exceptions=True)
    assert isinstance(answer, SecretError)
    return answer


def test_the_search_itself_sees_local_variables_of_a_suppressed_context() -> None:
    key = planted.secret("openai", Random(7))

    def careless() -> None:
        try:
            held = key
            raise ValueError(len(held))
        except ValueError:
            raise SecretError("refused") from None

    try:
        careless()
    except SecretError as error:
        error.__traceback__ = None
        said = everything_said(error)
    assert planted.leaks(said.encode(), {"key": key}) == ["key"]


@pytest.mark.parametrize(
    "switch",
    [{}, {"sealed": True}, {"throttled": True}, {"broken": True}, {"status": 403}, {"status": 500}, {"standby": True}, {"latency_s": 2.0}],
    ids=str,
)
@pytest.mark.parametrize("value", ["api_key", "line-break", "no-field", "fields"])
async def test_nothing_of_a_vaults_secret_or_token_is_said(
    vault_server: VaultServer, switch: dict[str, Any], value: str, caplog: pytest.LogCaptureFixture
) -> None:
    rng = Random(7)
    key, token = planted.secret("openai_project", rng), planted.secret("vault_token", rng)
    vault_server.tokens[token] = vault_server.tokens[vault_server.root]
    stored = {"api_key": key if value != "line-break" else f"{key}\n{key}"} | ({"more": key} if value == "fields" else {})
    vault_server.put("secret/openai", stored)
    field = {"api_key": "api_key", "line-break": "api_key", "no-field": "absent", "fields": None}[value]
    for name, setting in switch.items():
        setattr(vault_server, name, setting)
    reads: list[SecretRead] = []
    made = resolver({"VAULT_TOKEN": token}, reads, patience_s=0.5 if "latency_s" in switch else 2.0)
    auth = {"vault_addr": vault_server.url, "vault_token": "env:VAULT_TOKEN"}
    ref = SecretRef(slug="openai-prod", manager_type="hashicorp_vault", secret_path="secret/openai", secret_key=field, auth_config=auth)
    with caplog.at_level(logging.DEBUG):
        answer = await asyncio.gather(made.resolve(ref, ASKER), return_exceptions=True)
    said = caplog.text + repr(reads) + repr(answer) + repr(vars(made))
    if isinstance(answer[0], BaseException):
        assert isinstance(answer[0], SecretError)
        said += everything_said(answer[0])
    else:
        assert (switch, value) == ({}, "api_key")
    await made.close()
    assert planted.leaks(said.encode(), {"key": key, "token": token}) == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "ThrottlingException", "InternalServiceError"])
async def test_nothing_of_an_aws_credential_is_said(aws_faults: AwsFaults, code: str, caplog: pytest.LogCaptureFixture) -> None:
    rng = Random(7)
    key = planted.secret("aws_secret_access_key", rng)
    aws_faults.code = code
    reads: list[SecretRead] = []
    made = resolver({"AWS_ID": planted.secret("aws_access_key_id", rng), "AWS_SECRET": key}, reads)
    auth = {
        "aws_auth_type": "accessKey",
        "aws_region": REGION,
        "aws_access_key_id": "env:AWS_ID",
        "aws_secret_access_key": "env:AWS_SECRET",
        "aws_endpoint_url": aws_faults.url,
    }
    with caplog.at_level(logging.DEBUG):
        failed = await failure_of(made, SecretRef(slug="s", manager_type="aws_sm", secret_path="p", auth_config=auth))
    await made.close()
    assert planted.leaks((caplog.text + repr(reads) + everything_said(failed)).encode(), {"key": key}) == []


@pytest.mark.parametrize(
    "spoilt", ["{0}\n{0}", "{0}\0", " ", '{{"other": "{0}"}}', '{{"api_key": ["{0}"]}}', '{{"api_key": "{0}"', "{0}" * 2_000]
)
@pytest.mark.parametrize("source", ["env", "file"])
async def test_nothing_of_a_bad_value_is_said(tmp_path: Path, source: str, spoilt: str) -> None:
    key = planted.secret("anthropic", Random(7))
    value = spoilt.format(key)
    path = tmp_path / "key"
    path.write_text(value)
    path.chmod(0o600)
    made = resolver({"KEY": value}, [], (tmp_path,))
    ref = SecretRef(
        slug="s",
        manager_type=source,
        secret_path="KEY" if source == "env" else str(path),
        secret_key="api_key" if "api_key" in spoilt or "other" in spoilt else None,
    )
    failed = await failure_of(made, ref)
    await made.close()
    assert planted.leaks(everything_said(failed).encode(), {"key": key}) == []


async def test_a_secret_shows_itself_in_no_rendering() -> None:
    key = planted.secret("openai", Random(7))
    made = resolver({"KEY": key}, [])
    secret = await made.resolve(SecretRef(slug="s", manager_type="env", secret_path="KEY"), ASKER)
    shown = (
        f"{secret} {secret!r} {secret!s:>60} {secret:x} {[secret]} {{{secret}}}"
        + json.dumps(secret, default=str)
        + "%s %r" % (secret, secret)  # noqa: UP031
    )
    assert planted.leaks(shown.encode(), {"key": key}) == []
    for dump in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError):
            dump(secret)
    assert isinstance(secret, Secret)
    await made.close()
