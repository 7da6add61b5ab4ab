"""Keys that a vault makes for the gateway and takes back: a provider that lets in only those that are leased refuses no call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.provider import Provider, running_provider
from tests.servers.vault import VaultServer
from tests.servers.vault_state import Engine
from tests.walks.rig import MASK_ALL, Gateway, openai_target, running_gateway


class Leased(set[str]):
    """The keys that a provider accepts: those that are leased at this moment."""

    def __init__(self, vault: VaultServer) -> None:
        super().__init__()
        self.vault = vault

    def __contains__(self, key: object) -> bool:
        return self.vault.held.is_alive(str(key))


@dataclass
class House:
    gateway: Gateway
    provider: Provider
    vault: VaultServer
    engine: Engine
    key: str

    def call(self) -> int:
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        return self.gateway.call("POST", "/v1/chat/completions", body, key=self.key).status


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running_provider() as provider, VaultServer() as vault:
        vault.allow("maker", "openai/creds/*", "sys/leases/revoke")
        engine = vault.engine("openai", ttl=3, max_ttl=6)
        role_id, _ = vault.approle("gateway", "maker")
        connection = {
            "vault_auth_type": "approle",
            "vault_addr": vault.url,
            "vault_role_id": role_id,
            "vault_secret_id": "env:TEST_WRAPPED",
            "vault_secret_id_wrapped": True,
        }
        document = {
            "vaults": {"v": {"manager_type": "openbao", "auth_config": connection}},
            "references": {"made": {"vault": "v", "secret_path": "openai/creds/gateway", "secret_key": "api_key"}},
            "targets": [openai_target("t", "echo", provider.url, secret_key_ref={"ref": "made"})],
            "models": {"m": {"targets": ["t"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
        }
        provider.accept_keys = Leased(vault)
        with running_gateway(tmp_path, document, TEST_WRAPPED=vault.wrapped("gateway", uses=1)) as gateway:
            yield House(gateway, provider, vault, engine, gateway.create_key(alias="app")["key"])


def test_no_call_is_refused_while_keys_come_and_go_and_none_is_left_behind(house: House) -> None:
    answers = []
    while len(house.engine.made) < 4:  # each lives six seconds at most
        answers.append(house.call())
        time.sleep(0.2)
    assert set(answers) == {200}
    assert set(house.provider.keys) <= set(house.engine.made)
    assert house.vault.count("wrapping/unwrap") == house.vault.count("approle/login") == 1
    house.vault.held.leases.clear()  # somebody revokes what is leased
    assert house.call() == 200
    assert house.gateway.stop() == 0
    assert not house.vault.held.leases
    assert set(house.vault.tokens) == {house.vault.root}
    written = b"".join(house.gateway.written().values())
    assert not [value for value in house.engine.made if value.encode() in written]
