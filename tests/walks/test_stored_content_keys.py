"""Stored content outlives a rotation of its key, ends with the key's version or its own time, and does so on PostgreSQL too."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from sqlalchemy import create_engine, update

from pipeline.store.tables import stored_contents
from tests.servers.postgres import running_postgres
from tests.servers.provider import running_provider
from tests.servers.vault import VaultServer
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.postgres]

PATH = "secret/lockgate/contents"
WORDS = "the ferry leaves at nine"


@dataclass(frozen=True)
class House:
    gateway: Gateway
    vault: VaultServer
    database: str
    key: str

    def said(self) -> str:
        """A call that is stored; its content's id."""
        body = {"model": "m", "messages": [{"role": "user", "content": WORDS}]}
        answer = self.gateway.call("POST", "/v1/chat/completions", body, key=self.key)
        assert answer.status == 200
        return answer.headers["x-request-id"]

    def look(self, ident: str) -> Answer:
        return self.gateway.call("GET", f"/v1/contents/{ident}", key=self.gateway.admin_key)

    def rotate(self, seed: int) -> int:
        """Write another key and have the gateway read it; the number of its version."""
        version = self.vault.put(PATH, {"key": new_key(seed)})
        self.gateway.admin("POST", "/v1/secret-references/contents/refresh", {})
        return version


def new_key(seed: int) -> str:
    return base64.b64encode(Random(seed).randbytes(32)).decode()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_postgres() as server, running_provider() as provider, VaultServer() as vault:
        vault.put(PATH, {"key": new_key(1)})
        vault.allow("contents", "secret/data/lockgate/*", "sys/internal/ui/mounts/*")
        auth: dict[str, Any] = {
            "vault_auth_type": "token", "vault_addr": vault.url, "vault_token": {"secret_key_ref": {"env": "CONTENTS_VAULT_TOKEN"}},
        }  # fmt: skip
        document = {
            "vaults": {"v": {"manager_type": "hashicorp_vault", "auth_config": auth}},
            "references": {"contents": {"vault": "v", "secret_path": PATH, "secret_key": "key"}},
            "targets": [openai_target("m", "echo", provider.url)],
            "models": {"m": {"targets": ["m"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "telemetry": {"capture_content": "stored", "stored_content": {"keep_days": 1, "secret_key_ref": {"ref": "contents"}}},
        }
        url = server.fresh_database()
        environment = {"CONTENTS_VAULT_TOKEN": vault.token("contents"), "LOCKGATE_DATABASE_URL": url}
        with running_gateway(tmp_path_factory.mktemp("contents"), document, **environment) as gateway:
            yield House(gateway, vault, url, gateway.create_key(alias="app")["key"])


def test_what_a_former_version_sealed_opens_until_the_vault_destroys_it(house: House) -> None:
    former = house.said()
    second = house.rotate(2)
    latter = house.said()
    shown = {ident: house.look(ident) for ident in (former, latter)}
    assert [answer.status for answer in shown.values()] == [200, 200]
    assert all(WORDS.encode() in answer.body for answer in shown.values())
    assert shown[former].json["seal_key"] != shown[latter].json["seal_key"]
    house.vault.destroy(PATH, second - 1)
    house.gateway.admin("POST", "/v1/secret-references/contents/refresh", {})
    gone = house.look(former)
    assert (gone.status, gone.json["error"]["code"]) == (409, "content_sealed")
    assert house.look(latter).status == 200


def test_content_whose_time_is_over_is_not_shown_and_a_start_removes_it(house: House) -> None:
    ident, other = house.said(), house.said()
    engine = create_engine(house.database)
    try:
        with engine.begin() as connection:
            connection.execute(update(stored_contents).where(stored_contents.c.id == ident).values(expires_us=1))
        assert house.look(ident).status == 404
        house.gateway.stop()
        house.gateway.start_again()
        for _ in range(100):
            with engine.connect() as connection:
                left = set(connection.execute(stored_contents.select().with_only_columns(stored_contents.c.id)).scalars())
            if ident not in left:
                break
            time.sleep(0.1)
        assert ident not in left
        assert other in left
    finally:
        engine.dispose()
