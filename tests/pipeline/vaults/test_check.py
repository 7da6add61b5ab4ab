"""Preflight: statuses and exit codes."""

from __future__ import annotations

import pytest

from pipeline.vaults.backends import Limits
from pipeline.vaults.check import check, exit_code, missing
from tests.pipeline.vaults.rig import ASKER, Rig, fresh_value


async def test_a_status_says_version_age_latency_and_fingerprint_but_no_value(rig: Rig) -> None:
    value = rig.vault().values["openai-prod"] = fresh_value()
    (status,) = await check([rig.ref()], rig.resolver, rig.clock)
    assert status.resolvable
    assert (status.slug, status.version, status.reason, status.age_s) == ("openai-prod", "1", "", None)
    assert len(status.fingerprint) == 16
    assert value not in repr(status)
    assert rig.reads[-1].key_id == "preflight"


async def test_the_check_reads_the_vault_and_not_the_cache(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().failure = "denied"
    (status,) = await check([rig.ref()], rig.resolver, rig.clock)
    assert (status.resolvable, status.reason) == (False, "denied")
    assert status.hint is not None


async def test_the_time_of_a_read_is_not_spent_on_waiting_behind_others() -> None:
    rig = Rig(limits=Limits(deadline_s=1.0))
    refs = [rig.ref(f"key-{number}", required=True) for number in range(48)]
    rig.vault().values.update({ref.slug: fresh_value() for ref in refs})
    rig.vault().takes_s = 0.1  # more than the deadline for all of them
    assert missing(await check(refs, rig.resolver, rig.clock)) == ()


async def test_a_disabled_reference_does_not_resolve(rig: Rig) -> None:
    rig.resolver.disable("openai-prod")
    (status,) = await check([rig.ref()], rig.resolver, rig.clock)
    assert status.reason == "disabled"
    assert rig.vault().calls == 0


@pytest.mark.parametrize(
    ("required", "optional", "strict", "code"),
    [
        (None, None, False, 0),
        ("not_found", None, False, 1),
        ("denied", None, False, 1),
        ("unauthenticated", None, False, 1),
        ("version_gone", None, False, 1),
        ("bad_value", None, False, 1),
        ("misconfigured", None, False, 2),
        ("unavailable", None, False, 3),
        ("throttled", None, False, 3),
        ("untried", None, False, 0),
        ("untried", None, True, 1),
        (None, "not_found", False, 0),
        (None, "not_found", True, 1),
        (None, "unavailable", False, 0),
        (None, "unavailable", True, 3),
        (None, "misconfigured", False, 2),
        ("not_found", "unavailable", True, 1),
        ("unavailable", "not_found", False, 3),
        ("misconfigured", "not_found", True, 2),
    ],
)
async def test_the_exit_code_says_the_worst_that_counts(
    rig: Rig, required: str | None, optional: str | None, strict: bool, code: int
) -> None:
    refs = []
    for name, reason in (("required", required), ("optional", optional)):
        rig.vault(name).values[name] = fresh_value()
        rig.vault(name).failure = reason  # type: ignore[assignment]
        refs.append(rig.ref(name, manager_type=name, required=name == "required"))
    statuses = await check(refs, rig.resolver, rig.clock)
    assert exit_code(statuses, strict=strict) == code
    assert missing(statuses) == (("required",) if required else ())


async def test_a_thousand_references_of_one_dead_vault_end_soon_and_leave_it_alone(rig: Rig) -> None:
    rig.vault().failure = "unavailable"
    statuses = await check([rig.ref(f"r{number}") for number in range(1_000)], rig.resolver, rig.clock)
    assert {status.reason for status in statuses} == {"unavailable"}
    assert rig.resolver.is_degraded(rig.ref("r0"))
