"""Through the resolver: no value and no vault credential of a cloud vendor leaves by an error, a traceback, a log or a repr."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.errors import SecretError
from pipeline.vaults.model import SecretRead, SecretRef
from tests import planted
from tests.pipeline.vaults.cloud_stages import azure_auth, connect_auth, doppler_auth, gcp_auth, infisical_auth
from tests.pipeline.vaults.said import everything_said
from tests.pipeline.vaults.test_leaks import ASKER, resolver
from tests.servers.azure import AzureServer
from tests.servers.doppler import DopplerServer
from tests.servers.gcp import GcpServer
from tests.servers.infisical import InfisicalServer
from tests.servers.loopback import Loopback
from tests.servers.onepassword import VAULT, ConnectServer

Kind = tuple[str, Callable[[Path], Any], Callable[..., dict[str, Any]], str, str]
KINDS: tuple[Kind, ...] = (
    ("azure_kv", AzureServer, azure_auth, "azure_entra_client_secret", "OPENAI"),
    ("gcp_sm", GcpServer, gcp_auth, "gcp_service_account_json", "OPENAI"),
    ("doppler", DopplerServer, doppler_auth, "doppler_token", "OPENAI"),
    ("infisical", InfisicalServer, infisical_auth, "infisical_client_secret", "OPENAI"),
    ("onepassword", ConnectServer, connect_auth, "op_connect_token", f"{VAULT}/OPENAI"),
)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
@pytest.mark.parametrize(
    ("switch", "spoilt", "resolves"),
    [
        ({}, "{}", True),
        ({}, "{0}\n{0}", False),
        ({"status": 401}, "{}", False),
        ({"status": 403}, "{}", False),
        ({"status": 503}, "{}", False),
        ({"broken": True}, "{}", False),
        ({"drops": True}, "{}", False),
        ({"echoes": True}, "{}", False),
    ],
    ids=str,
)
async def test_nothing_of_value_or_credential_is_said(
    stack: ExitStack, tmp_path: Path, kind: Kind, switch: dict[str, Any], spoilt: str, resolves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    manager_type, server_of, auth_of, field, path = kind
    server: Loopback = stack.enter_context(server_of(tmp_path / "tls"))
    key = planted.secret("openai_project", Random(7))
    server.put("OPENAI", spoilt.format(key))  # type: ignore[attr-defined]
    auth = auth_of(server)
    credential = auth[field].reveal()
    auth[field] = "env:VAULT_CREDENTIAL"
    for name, setting in switch.items():
        setattr(server, name, setting)
    if "echoes" in switch:  # a vault, or a proxy before it, that repeats what it was sent and what it holds
        server.status, server.fault = 400, {"error": {"code": key, "message": credential, "innererror": {"code": key}}, "messages": [key]}
    reads: list[SecretRead] = []
    made = resolver({"VAULT_CREDENTIAL": credential}, reads, patience_s=10.0)
    ref = SecretRef(slug="openai-prod", manager_type=manager_type, secret_path=path, auth_config=auth)
    with caplog.at_level(logging.DEBUG):
        (answer,) = await asyncio.gather(made.resolve(ref, ASKER), return_exceptions=True)
    said = caplog.text + repr(reads) + repr(answer) + repr(vars(made))
    if isinstance(answer, BaseException):
        assert isinstance(answer, SecretError)
        said += everything_said(answer)
    assert (not isinstance(answer, BaseException)) == resolves
    await made.close()
    pieces = {"credential": credential}
    if manager_type == "gcp_sm":  # the parts of its JSON that are secret
        pieces = {f"key-{at}": line for at, line in enumerate(credential.split("\\n")) if len(line) == 64}
        assert pieces
    assert planted.leaks(said.encode(), {"key": key, **pieces}) == []
