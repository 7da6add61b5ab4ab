"""A vault that is away: the last value bridges a bounded time, then 503 `secret_unavailable`, and back by itself. F10, F11."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.servers.provider import Provider, running_provider
from tests.servers.vault import VaultServer
from tests.walks.asking import SURFACES, Surface, ask, assert_refused
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
# time to live, and how long the last value may bridge an outage
REFERENCES = {"cached": (300, 900), "bridged": (0.2, 900), "brief": (0.2, 1.5), "fresh": (0, 0)}


@dataclass
class House:
    gateway: Gateway
    provider: Provider
    vault: VaultServer
    key: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider, VaultServer() as vault:
        connection = {"vault_auth_type": "token", "vault_addr": vault.url, "vault_token": {"secret_key_ref": {"env": "TEST_VAULT_TOKEN"}}}
        vault.allow("llm", "secret/data/llm/*", "sys/internal/ui/mounts/*")
        references, targets = {}, []
        for name, (ttl_s, stale_s) in REFERENCES.items():
            vault.put(f"secret/llm/{name}", {"api_key": f"the-value-of-{name}-0a7c"})
            references[name] = {
                "vault": "v",
                "secret_path": f"secret/llm/{name}",
                "secret_key": "api_key",
                "cache_ttl_s": ttl_s,
                "max_stale_s": stale_s,
                "negative_ttl_s": 0.2,
            }
            targets.append(openai_target(f"openai-{name}", "echo", provider.url, secret_key_ref={"ref": name}))
            targets.append(anthropic_target(f"anthropic-{name}", "echo", provider.url, secret_key_ref={"ref": name}))
        document = {
            "vaults": {"v": {"manager_type": "hashicorp_vault", "auth_config": connection}},
            "references": references,
            "targets": targets,
            "models": {target["id"]: {"targets": [target["id"]]} for target in targets},
            "prices": PRICES,
            "policies": {"default": MASK_ALL},
        }
        folder = tmp_path_factory.mktemp("vault")
        with running_gateway(folder, document, LOCKGATE_LOG_LEVEL="INFO", TEST_VAULT_TOKEN=vault.token("llm")) as gateway:
            yield House(gateway, provider, vault, gateway.create_key(budget={"limit_usd": 1})["key"])


def until(house: House, surface: Surface, name: str, status: int, between: set[int]) -> None:
    deadline = time.monotonic() + 25
    while (found := ask(house.gateway.url, surface, f"{surface}-{name}", house.key).status) != status:
        assert found in between, found
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.1)


def test_a_thousand_misses_are_few_reads(house: House) -> None:
    house.vault.latency_s = 0.3
    before = house.vault.count("llm/fresh")
    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda _: ask(house.gateway.url, "openai", "openai-fresh", house.key).status, range(100)))
    house.vault.healthy()
    assert set(answers) == {200}
    assert house.vault.count("llm/fresh") - before <= 20, "callers that miss at the same time share a read"


def test_what_the_vault_denies_is_not_had_from_anywhere_else(house: House) -> None:
    """403 for one path: only that reference fails, at once, with nothing old and nobody else's key."""
    house.vault.allow("llm", "secret/data/llm/cached", "secret/data/llm/bridged", "sys/internal/ui/mounts/*")
    before = len(house.provider.calls)
    answer = ask(house.gateway.url, "openai", "openai-fresh", house.key)
    request_id = assert_refused(answer, "openai", 503, "server_error", "secret_unavailable")
    assert len(house.provider.calls) == before
    assert ask(house.gateway.url, "openai", "openai-cached", house.key).status == 200
    deadline = time.monotonic() + 10
    while not [row for row in house.gateway.events(request_id=request_id) if row["kind"] == "vault:secret:deny"]:
        assert time.monotonic() < deadline, "the refusal is not in the audit"
        time.sleep(0.1)
    house.vault.allow("llm", "secret/data/llm/*", "sys/internal/ui/mounts/*")


def stop(vault: VaultServer) -> None:
    """Go away altogether, on kept connections too."""

    def gone(*_: object) -> tuple[int, object]:
        raise ConnectionError

    vault.answer = gone  # type: ignore[assignment, method-assign]
    vault._http.shutdown()
    vault._http.server_close()


# The long run has every way of being away; it ends with the one from which this server does not come back.
TROUBLES = (
    ["sealed", "throttled", "broken", "standby", "stopped"]
    if int(os.environ.get("LOCKGATE_TEST_KILLS", "4")) > 4
    else ["sealed", "stopped"]
)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_dead_vault_is_bridged_for_a_while_and_then_said(house: House, trouble: str) -> None:
    for surface in SURFACES:
        for name in REFERENCES:
            until(house, surface, name, 200, {503})
    if trouble == "stopped":
        stop(house.vault)
    else:
        setattr(house.vault, trouble, True)
    before = len(house.provider.calls)
    for surface in SURFACES:
        answer = ask(house.gateway.url, surface, f"{surface}-fresh", house.key)
        request_id = assert_refused(answer, surface, 503, "server_error", "secret_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert b"the-value" not in answer.body
        (finish,) = house.gateway.events(request_id=request_id, kind="gateway:call:finish")
        assert (finish["outcome"], finish["status"], finish["error"]) == ("failed", 503, "secret_unavailable")
        until(house, surface, "brief", 503, {200})
        for _ in range(3):
            for name in ("cached", "bridged"):
                assert ask(house.gateway.url, surface, f"{surface}-{name}", house.key).status == 200, name
    assert {call.key.split("-")[3] for call in house.provider.calls[before:]} == {"cached", "bridged", "brief"}
    if trouble != "stopped":
        house.vault.healthy()
        for surface in SURFACES:
            for name in REFERENCES:
                until(house, surface, name, 200, {503})
    for key in house.gateway.admin("GET", "/v1/keys")["data"]:
        assert key["budget"] is None or key["budget"]["reserved_usd"] == "0.000000"
