"""The resolver over real SDKs and loopback servers: one backend call for a thousand misses, and rotations that fail nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import VaultUnavailable
from pipeline.vaults.backends import Limits
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from tests.pipeline.vaults.rig import ASKER, Clock, fresh_value
from tests.servers.aws import REGION, MotoServer
from tests.servers.vault import VaultServer


def resolver(environment: Mapping[str, str], clock: Clock | None = None) -> Resolver:
    context = VaultContext(clock or SystemClock(), environment=environment)

    def opened(manager_type: str, auth_config: Mapping[str, Any]) -> Any:
        return open_vault(manager_type, auth_config, context)

    return Resolver(
        opened,
        clock=clock or SystemClock(),
        fingerprint_key=b"k" * 32,
        announce=lambda value, label: None,
        retire=lambda label: None,
        on_read=lambda read: None,
        jitter=lambda: 0.0,
        limits=Limits(deadline_s=10.0),
    )


def vault_ref(server: VaultServer) -> SecretRef:
    auth = {"vault_addr": server.url, "vault_token": {"secret_key_ref": {"env": "VAULT_TOKEN"}}}
    return SecretRef(slug="openai-prod", manager_type="hashicorp_vault", secret_path="secret/openai", auth_config=auth)


def aws_ref(url: str, name: str) -> SecretRef:
    auth = {
        "aws_auth_type": "accessKey",
        "aws_region": REGION,
        "aws_endpoint_url": url,
        "aws_access_key_id": "env:AWS_ID",
        "aws_secret_access_key": "env:AWS_SECRET",
    }
    return SecretRef(slug="openai-prod", manager_type="aws_sm", secret_path=name, auth_config=auth)


async def test_a_thousand_misses_make_one_request_for_the_secret(vault_server: VaultServer) -> None:
    value = fresh_value()
    vault_server.put("secret/openai", {"value": value})
    made = resolver({"VAULT_TOKEN": vault_server.root})
    found = await asyncio.gather(*(made.resolve(vault_ref(vault_server), ASKER) for _ in range(1_000)))
    assert {secret.reveal() for secret in found} == {value}
    assert vault_server.count("secret/data/openai") == 1
    await made.close()


async def rotate_under_load(made: Resolver, ref: SecretRef, write: Callable[[str], object]) -> list[str]:
    """Fifty callers use the key while it is rotated five times, the old one ending at once; those who were left without a good key.

    The next rotation comes when every caller has used the new key: two within one retry are more than one retry can bear.
    """
    valid: set[str] = set()
    used: set[int] = set()
    failed: list[str] = []
    stop = asyncio.Event()

    async def caller(number: int) -> None:
        while not stop.is_set():
            secret: Secret | None = made.cached(ref, ASKER) or await made.resolve(ref, ASKER)
            if secret is not None and secret.reveal() not in valid:
                secret = await made.refresh(ref, secret, ASKER)
            if secret is None or secret.reveal() not in valid:
                failed.append("nothing" if secret is None else f"version {secret.version}")
            used.add(number)
            await asyncio.sleep(0.001)

    callers: list[asyncio.Task[None]] = []
    for _ in range(5):
        new = fresh_value()
        await asyncio.to_thread(write, new)
        valid.clear()
        valid.add(new)
        used.clear()
        callers = callers or [asyncio.create_task(caller(number)) for number in range(50)]
        while len(used) < 50:
            await asyncio.sleep(0.005)
    stop.set()
    await asyncio.gather(*callers)
    return failed


async def test_a_rotation_in_vault_under_load_fails_no_request(vault_server: VaultServer) -> None:
    made = resolver({"VAULT_TOKEN": vault_server.root})
    assert await rotate_under_load(made, vault_ref(vault_server), lambda value: vault_server.put("secret/openai", {"value": value})) == []
    await made.close()


async def test_a_rotation_in_aws_under_load_fails_no_request(moto: MotoServer) -> None:
    name = f"rotated/{secrets.token_hex(4)}"
    client = moto.client("secretsmanager")
    client.create_secret(Name=name, SecretString="first")
    made = resolver({"AWS_ID": "testing", "AWS_SECRET": "testing"})
    assert (
        await rotate_under_load(made, aws_ref(moto.url, name), lambda value: client.put_secret_value(SecretId=name, SecretString=value))
        == []
    )
    await made.close()


@pytest.mark.parametrize("switch", [{"sealed": True}, {"throttled": True}, {"status": 500}, {"broken": True}, {"standby": True}], ids=str)
async def test_an_outage_of_vault_is_bridged_to_the_hard_stop(vault_server: VaultServer, switch: dict[str, Any]) -> None:
    clock = Clock()
    value = fresh_value()
    vault_server.put("secret/openai", {"value": value})
    made = resolver({"VAULT_TOKEN": vault_server.root}, clock)
    ref = vault_ref(vault_server)
    await made.resolve(ref, ASKER)
    for name, setting in switch.items():
        setattr(vault_server, name, setting)
    clock.advance(ref.cache_ttl_s + ref.max_stale_s - 1)
    assert (await made.resolve(ref, ASKER)).reveal() == value
    clock.advance(1)
    with pytest.raises(VaultUnavailable):
        await made.resolve(ref, ASKER)
    vault_server.healthy()
    clock.advance(60)
    assert (await made.resolve(ref, ASKER)).reveal() == value
    await made.close()


async def test_a_rotated_vault_token_is_taken_up_without_a_failed_request(vault_server: VaultServer, tmp_path: Any) -> None:
    path = tmp_path / "token"
    path.write_text(vault_server.token("reader"))
    path.chmod(0o600)
    vault_server.allow("reader", "secret/data/*")
    vault_server.put("secret/openai", {"value": fresh_value()})
    context = VaultContext(SystemClock(), file_roots=(tmp_path,))

    def opened(manager_type: str, auth_config: Mapping[str, Any]) -> Any:
        return open_vault(manager_type, auth_config, context)

    made = Resolver(
        opened,
        clock=SystemClock(),
        fingerprint_key=b"k" * 32,
        announce=lambda value, label: None,
        retire=lambda label: None,
        on_read=lambda read: None,
        jitter=lambda: 0.0,
    )
    auth = {"vault_addr": vault_server.url, "vault_token": {"secret_key_ref": {"file": str(path)}}}
    ref = SecretRef(slug="s", manager_type="hashicorp_vault", secret_path="secret/openai", auth_config=auth, cache_ttl_s=0)
    await made.resolve(ref, ASKER)
    vault_server.tokens.pop(path.read_text())
    path.write_text(vault_server.token("reader"))
    assert await made.resolve(ref, ASKER)
    await made.close()
