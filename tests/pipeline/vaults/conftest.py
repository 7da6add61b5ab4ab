"""The rig and the loopback servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.pipeline.vaults.rig import Rig
from tests.servers.aws import AwsFaults, MotoServer
from tests.servers.vault import VaultServer


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    for vault in made.vaults.values():
        if vault.gate is not None:
            vault.gate.set()
    await made.resolver.close()


@pytest.fixture
def vault_server() -> Iterator[VaultServer]:
    with VaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def aws_faults() -> Iterator[AwsFaults]:
    with AwsFaults() as server:
        yield server
