"""Places that no reference leads to any more: their adapters, and the threads that waited for them, are let go."""

from __future__ import annotations

import asyncio
import threading

from pipeline.vaults.backends import PRUNE_EVERY_S
from pipeline.vaults.model import SecretRef
from tests.pipeline.vaults.rig import ASKER, Rig, fresh_value

HOUR_S = 3_600.0


def at_address(rig: Rig, number: int) -> SecretRef:
    auth = {"vault_addr": f"https://v{number}.example", "vault_token": "env:TOKEN"}
    return rig.ref(f"r{number}", manager_type="hashicorp_vault", auth_config=auth, cache_ttl_s=0.0)


def stage(rig: Rig, count: int) -> list[SecretRef]:
    refs = [at_address(rig, number) for number in range(count)]
    rig.references = {ref.slug: ref for ref in refs}
    rig.vault("env").values["TOKEN"] = fresh_value()
    rig.vault("hashicorp_vault").values = {ref.secret_path: fresh_value() for ref in refs}
    return refs


def threads_of(before: set[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("vault-hashicorp") and thread not in before]


async def test_threads_of_an_address_end_when_no_reference_has_led_there_for_an_hour(rig: Rig) -> None:
    before = set(threading.enumerate())
    refs = stage(rig, 20)
    for ref in refs:
        await rig.resolver.resolve(ref, ASKER)
    threads = threads_of(before)
    assert len(threads) == 20
    rig.references = {ref.slug: ref for ref in refs[:3]}
    rig.clock.advance(HOUR_S + 1)
    await rig.resolver.tend()
    for thread in threads:
        await asyncio.to_thread(thread.join, 0.2)  # 17 of them end at once
    assert sum(thread.is_alive() for thread in threads) == 3
    for ref in refs:  # those that are left go on as they were; one that comes back is opened anew
        assert (await rig.resolver.resolve(ref, ASKER)).reveal() == rig.vault("hashicorp_vault").values[ref.secret_path]


async def test_an_address_that_is_in_use_or_was_lately_keeps_its_threads(rig: Rig) -> None:
    refs = stage(rig, 2)
    for ref in refs:
        await rig.resolver.resolve(ref, ASKER)
    rig.references = {}
    rig.clock.advance(PRUNE_EVERY_S + 1)
    await rig.resolver.tend()
    opened = len(rig.opened)
    await rig.resolver.resolve(refs[0], ASKER)
    assert len(rig.opened) == opened  # not an hour ago


async def test_a_read_under_way_keeps_its_threads(rig: Rig) -> None:
    (ref,) = stage(rig, 1)
    vault = rig.vault("hashicorp_vault")
    await rig.resolver.resolve(ref, ASKER)
    vault.gate = threading.Event()
    vault.started.clear()
    waiting = asyncio.create_task(rig.resolver.resolve(ref, ASKER))
    await asyncio.to_thread(vault.started.wait, 10)
    rig.references = {}
    rig.clock.advance(HOUR_S + 1)
    await rig.resolver.tend()
    vault.gate.set()
    assert (await waiting).reveal() == vault.values[ref.secret_path]
