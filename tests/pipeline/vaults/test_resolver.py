"""The resolver over a scripted vault: scope, cache, single flight, staleness, refresh, kill switch."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SecretError, SecretForbidden, SecretNotFound, VaultUnavailable
from pipeline.vaults.backends import Limits
from pipeline.vaults.check import check
from pipeline.vaults.model import Asker, Secret
from tests.pipeline.vaults.rig import ASKER, Rig, fresh_value


async def settle() -> None:
    """Let background reads come to their end."""
    for _ in range(200):
        await asyncio.sleep(0.001)
        if not [task for task in asyncio.all_tasks() if task.get_coro().__name__ == "_fetch"]:  # type: ignore[union-attr]
            return


async def test_a_resolved_secret_carries_value_version_and_fingerprint(rig: Rig) -> None:
    value = rig.vault().values["openai-prod"] = fresh_value()
    secret = await rig.resolver.resolve(rig.ref(), ASKER)
    assert secret.reveal() == value
    assert (secret.reference, secret.version) == ("openai-prod", "1")
    assert len(secret.fingerprint) == 16
    assert secret.fetched_us == rig.clock.now_us()


async def test_a_thousand_concurrent_misses_make_one_backend_call(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    found = await asyncio.gather(*(rig.resolver.resolve(rig.ref(), ASKER) for _ in range(1_000)))
    assert rig.vault().calls == 1
    assert len({id(secret) for secret in found}) == 1
    assert len(rig.reads) == 1_000


async def test_a_thousand_concurrent_failures_make_one_backend_call_and_an_error_each(rig: Rig) -> None:
    found = await asyncio.gather(*(rig.resolver.resolve(rig.ref(), ASKER) for _ in range(1_000)), return_exceptions=True)
    assert rig.vault().calls == 1
    assert all(type(error) is SecretNotFound for error in found)
    assert len({id(error) for error in found}) == 1_000


async def test_a_second_use_within_the_ttl_comes_from_the_cache(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    ref = rig.ref(cache_ttl_s=300)
    assert rig.resolver.cached(ref, ASKER) is None
    secret = await rig.resolver.resolve(ref, ASKER)
    rig.clock.advance(200)
    assert rig.resolver.cached(ref, ASKER) is secret
    assert rig.vault().calls == 1
    assert rig.outcomes == ["fetched", "hit"]


async def test_after_the_ttl_the_vault_is_read_again(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().values["openai-prod"] = new = fresh_value()
    rig.clock.advance(300)
    assert (await rig.resolver.resolve(rig.ref(), ASKER)).reveal() == new


async def test_a_ttl_of_zero_reads_the_vault_every_time(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    for _ in range(3):
        await rig.resolver.resolve(rig.ref(cache_ttl_s=0), ASKER)
    assert rig.vault().calls == 3


async def test_jitter_only_ever_shortens_the_ttl(rig: Rig) -> None:
    rig.jitter = lambda: 0.999
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.clock.advance(271)
    assert rig.resolver.cached(rig.ref(), ASKER) is None


async def test_a_use_near_the_end_of_the_ttl_refreshes_in_the_background(rig: Rig) -> None:
    old = rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().values["openai-prod"] = new = fresh_value()
    rig.clock.advance(241)
    assert [rig.resolver.cached(rig.ref(), ASKER).reveal() for _ in range(5)] == [old] * 5  # type: ignore[union-attr]
    await settle()
    assert rig.vault().calls == 2
    assert [(read.outcome, read.key_id) for read in rig.reads if read.outcome != "hit"] == [("fetched", "key-1"), ("refreshed", "system")]
    assert (await rig.resolver.resolve(rig.ref(), ASKER)).reveal() == new


async def test_a_refresh_ahead_that_is_denied_ends_the_use_of_the_old_value(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().failure = "denied"
    rig.clock.advance(241)
    rig.resolver.cached(rig.ref(), ASKER)
    await settle()
    with pytest.raises(SecretForbidden):
        await rig.resolver.resolve(rig.ref(), ASKER)


async def test_scope_is_checked_before_the_cache_and_the_vault(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    ref = rig.ref(allow_all_workspaces=False, allowed_workspaces=("production",))
    await rig.resolver.resolve(ref, ASKER)
    staging = Asker(workspace="staging")
    with pytest.raises(SecretForbidden) as resolved:
        await rig.resolver.resolve(ref, staging)
    with pytest.raises(SecretForbidden):
        rig.resolver.cached(ref, staging)
    assert (resolved.value.code, resolved.value.status, resolved.value.type) == ("reference_not_allowed", 403, "permission_error")
    assert rig.vault().calls == 1
    assert rig.outcomes == ["fetched", "out_of_scope", "out_of_scope"]


async def test_a_reference_out_of_scope_is_answered_like_one_that_does_not_exist(rig: Rig) -> None:
    rig.references["hidden"] = rig.ref("hidden", allow_all_workspaces=False, allowed_workspaces=("other",))
    said = []
    for slug in ("hidden", "absent"):
        with pytest.raises(SecretForbidden) as refused:
            await rig.resolver.resolve_slug(slug, ASKER)
        error = refused.value
        said.append((error.message.replace(slug, "SLUG"), error.hint, error.code, error.status, error.type, error.reason))
    assert said[0] == said[1]
    assert rig.vault().calls == 0


@pytest.mark.parametrize("reason", ["not_found", "version_gone", "denied", "unauthenticated", "bad_value", "misconfigured"])
async def test_an_authoritative_failure_is_remembered_for_the_negative_ttl_only(rig: Rig, reason: str) -> None:
    rig.vault().failure = reason  # type: ignore[assignment]
    for _ in range(3):
        with pytest.raises(SecretError) as failed:
            await rig.resolver.resolve(rig.ref(negative_ttl_s=15), ASKER)
        assert failed.value.reason == reason
    assert rig.vault().calls == 1
    rig.vault().failure, rig.vault().values["openai-prod"] = None, fresh_value()
    rig.clock.advance(15)
    await rig.resolver.resolve(rig.ref(), ASKER)


@pytest.mark.parametrize("reason", ["not_found", "version_gone", "denied", "unauthenticated", "bad_value"])
async def test_an_authoritative_failure_is_never_bridged_with_the_old_value(rig: Rig, reason: str) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.clock.advance(300)
    rig.vault().failure = reason  # type: ignore[assignment]
    with pytest.raises(SecretError):
        await rig.resolver.resolve(rig.ref(), ASKER)


@pytest.mark.parametrize("reason", ["throttled", "unavailable"])
async def test_an_outage_is_bridged_up_to_the_hard_stop_and_not_beyond(rig: Rig, reason: str) -> None:
    value = rig.vault().values["openai-prod"] = fresh_value()
    ref = rig.ref(cache_ttl_s=300, max_stale_s=300)
    await rig.resolver.resolve(ref, ASKER)
    rig.vault().failure = reason  # type: ignore[assignment]
    for _ in range(599):  # ten minutes of outage, a request a second
        rig.clock.advance(1)
        assert (await rig.resolver.resolve(ref, ASKER)).reveal() == value
        await asyncio.sleep(0)
    await settle()
    for _ in range(3):
        rig.clock.advance(1)
        with pytest.raises(VaultUnavailable) as failed:
            await rig.resolver.resolve(ref, ASKER)
        assert (failed.value.code, failed.value.status) == ("secret_unavailable", 503)
    assert "stale" in rig.outcomes


async def test_while_a_vault_is_down_stale_values_come_at_once_and_attempts_are_paced(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().failure = "unavailable"
    rig.clock.advance(301)
    for _ in range(100):
        await rig.resolver.resolve(rig.ref(), ASKER)
    assert rig.vault().calls == 2


async def test_when_the_vault_is_back_its_new_value_is_served(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().failure = "unavailable"
    rig.clock.advance(301)
    await rig.resolver.resolve(rig.ref(), ASKER)
    assert rig.resolver.is_degraded(rig.ref())
    rig.vault().failure, rig.vault().values["openai-prod"] = None, fresh_value()
    rig.clock.advance(5)
    await rig.resolver.resolve(rig.ref(), ASKER)
    await settle()
    assert (await rig.resolver.resolve(rig.ref(), ASKER)).reveal() == rig.vault().values["openai-prod"]
    assert not rig.resolver.is_degraded(rig.ref())


async def test_a_vault_that_keeps_failing_is_left_alone_and_then_tried_once(rig: Rig) -> None:
    rig.vault().failure = "unavailable"
    for _ in range(50):
        with pytest.raises(VaultUnavailable):
            await rig.resolver.resolve(rig.ref(), ASKER)
    assert rig.vault().calls == rig.limits.circuit_failures
    rig.clock.advance(rig.limits.circuit_cooldown_s * 2)
    for _ in range(3):
        with pytest.raises(VaultUnavailable):
            await rig.resolver.resolve(rig.ref(), ASKER)
    assert rig.vault().calls == rig.limits.circuit_failures + 1


async def test_a_vault_that_hangs_ends_at_the_deadline_and_does_not_hold_up_another() -> None:
    import threading

    rig = Rig(limits=Limits(deadline_s=1.0, workers=2))
    rig.vault("slow").gate = threading.Event()
    rig.vault("quick").values["q"] = fresh_value()
    slow = [rig.resolver.resolve(rig.ref(f"s{number}", manager_type="slow"), ASKER) for number in range(10)]
    answers = await asyncio.gather(*slow, rig.resolver.resolve(rig.ref("q", manager_type="quick"), ASKER), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["VaultUnavailable"] * 10 + ["Secret"]
    rig.vault("slow").gate.set()  # type: ignore[union-attr]
    await rig.resolver.close()


@pytest.mark.parametrize(
    "value",
    ["", " ", "line\nbreak", "carriage\rreturn", "nul\0inside", "\ud800", "x" * 65_537],
    ids=["empty", "blank", "line-feed", "carriage-return", "nul", "surrogate", "too-long"],
)
async def test_a_value_that_cannot_be_a_credential_is_refused(rig: Rig, value: str) -> None:
    rig.vault().values["openai-prod"] = value
    with pytest.raises(SecretError) as failed:
        await rig.resolver.resolve(rig.ref(), ASKER)
    assert failed.value.code == "bad_value"
    assert not rig.known


@pytest.mark.parametrize(
    ("stored", "outcome"),
    [
        ('{"api_key": "VALUE"}', "VALUE"),
        ('{"api_key": 12345678}', "12345678"),
        ('{"other": "VALUE"}', None),
        ('{"api_key": {"a": 1}}', None),
        ('["api_key"]', None),
        ("not json", None),
        ('{"api_key": "a\\nb"}', None),
        ('{"api_key": true}', None),
    ],
)
async def test_a_field_of_a_json_secret_is_picked_or_refused(rig: Rig, stored: str, outcome: str | None) -> None:
    rig.vault().values["openai-prod"] = stored
    ref = rig.ref(secret_key="api_key")
    if outcome is None:
        with pytest.raises(SecretError) as failed:
            await rig.resolver.resolve(ref, ASKER)
        assert failed.value.code == "bad_value"
    else:
        assert (await rig.resolver.resolve(ref, ASKER)).reveal() == outcome


async def test_a_value_is_known_before_it_is_given(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    secret = await rig.resolver.resolve(rig.ref(), ASKER)
    assert secret.reveal() in rig.known.values()


async def test_a_value_that_cannot_be_announced_is_not_given(rig: Rig) -> None:
    def refuse(value: str, label: str) -> None:
        raise RuntimeError(value)

    rig._announce = refuse  # type: ignore[method-assign]
    rig.__post_init__()
    value = rig.vault().values["openai-prod"] = fresh_value()
    with pytest.raises(SecretError) as failed:
        await rig.resolver.resolve(rig.ref(), ASKER)
    assert value not in str(failed.value)


async def test_a_replaced_value_stays_known_for_a_while_and_then_retires(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    first = await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().values["openai-prod"] = fresh_value()
    for seconds, retired in ((300, []), (3_000, []), (700, [f"openai-prod@{first.fingerprint}"])):
        rig.clock.advance(seconds)
        await rig.resolver.resolve(rig.ref(), ASKER)
        assert rig.retired == retired


async def test_a_value_that_comes_back_is_not_retired(rig: Rig) -> None:
    first, second = fresh_value(), fresh_value()
    for value in (first, second, first):
        rig.vault().values["openai-prod"] = value
        await rig.resolver.resolve(rig.ref(cache_ttl_s=0), ASKER)
    rig.clock.advance(4_000)
    await rig.resolver.resolve(rig.ref(cache_ttl_s=0), ASKER)
    assert [rig.known[label] for label in rig.retired] == [second]


async def test_the_same_value_in_two_references_has_one_fingerprint(rig: Rig) -> None:
    rig.vault().values["a"] = rig.vault().values["b"] = fresh_value()
    found = [await rig.resolver.resolve(rig.ref(slug), ASKER) for slug in ("a", "b")]
    assert found[0].fingerprint == found[1].fingerprint


async def test_an_edited_reference_takes_effect_at_once_and_its_old_entry_is_gone(rig: Rig) -> None:
    rig.vault().values |= {"old": fresh_value(), "new": fresh_value()}
    before = rig.ref(secret_path="old", revision="1")
    await rig.resolver.resolve(before, ASKER)
    after = rig.ref(secret_path="new", revision="2")
    assert (await rig.resolver.resolve(after, ASKER)).reveal() == rig.vault().values["new"]
    assert rig.resolver.cached(before, ASKER) is None


async def test_two_fields_of_one_secret_do_not_mix(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = '{"a": "value-of-a", "b": "value-of-b"}'
    found = [(await rig.resolver.resolve(rig.ref(secret_key=key), ASKER)).reveal() for key in ("a", "b", "a")]
    assert found == ["value-of-a", "value-of-b", "value-of-a"]


async def test_after_a_refusal_the_vaults_new_value_is_given(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    old = await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().values["openai-prod"] = new = fresh_value()
    found = await asyncio.gather(*(rig.resolver.refresh(rig.ref(), old, ASKER) for _ in range(100)))
    assert [secret.reveal() for secret in found if secret is not None] == [new] * 100
    assert rig.vault().calls == 2
    late = await rig.resolver.refresh(rig.ref(), old, ASKER)
    assert late is not None
    assert late.reveal() == new
    assert rig.vault().calls == 2


async def test_after_a_refusal_an_unchanged_value_is_suspect_and_the_vault_is_not_asked_again_and_again(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    old = await rig.resolver.resolve(rig.ref(), ASKER)
    for _ in range(3):
        found = await asyncio.gather(*(rig.resolver.refresh(rig.ref(), old, ASKER) for _ in range(50)))
        assert found == [None] * 50
    assert rig.vault().calls == 2
    assert rig.resolver.is_suspect(rig.ref())
    rig.clock.advance(3)
    rig.vault().values["openai-prod"] = fresh_value()
    assert await rig.resolver.refresh(rig.ref(), old, ASKER) is not None


async def test_a_refresh_that_joins_a_read_begun_before_the_rotation_reads_once_more(rig: Rig) -> None:
    import threading

    rig.vault().values["openai-prod"] = fresh_value()
    old = await rig.resolver.resolve(rig.ref(), ASKER)
    rig.clock.advance(250)
    rig.vault().gate = gate = threading.Event()
    rig.vault().started.clear()
    rig.resolver.cached(rig.ref(), ASKER)  # starts the background read, which sees the old value
    await asyncio.to_thread(rig.vault().started.wait, 10)
    rig.vault().values["openai-prod"] = new = fresh_value()
    refreshing = asyncio.create_task(rig.resolver.refresh(rig.ref(), old, ASKER))
    await asyncio.sleep(0)
    gate.set()
    found = await refreshing
    assert found is not None
    assert found.reveal() == new


async def test_a_refresh_during_an_outage_gives_nothing_and_keeps_the_cached_value(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    old = await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().failure = "unavailable"
    assert await rig.resolver.refresh(rig.ref(), old, ASKER) is None
    assert await rig.resolver.resolve(rig.ref(), ASKER) is old


async def test_a_refresh_out_of_scope_gives_nothing_and_reads_nothing(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    ref = rig.ref(allow_all_workspaces=False, allowed_workspaces=("production",))
    old = await rig.resolver.resolve(ref, ASKER)
    assert await rig.resolver.refresh(ref, old, Asker(workspace="staging")) is None
    assert rig.vault().calls == 1


async def test_after_each_of_many_rotations_every_caller_gets_the_new_value_for_one_read(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    for version in range(2, 22):
        refused = await rig.resolver.resolve(rig.ref(), ASKER)
        new = rig.vault().values["openai-prod"] = fresh_value()
        rig.vault().version = version
        found = await asyncio.gather(*(rig.resolver.refresh(rig.ref(), refused, ASKER) for _ in range(50)))
        assert [secret.reveal() for secret in found if secret is not None] == [new] * 50
    assert rig.vault().calls == 21


async def test_a_failure_in_passing_makes_no_value_suspect(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    old = await rig.resolver.resolve(rig.ref(), ASKER)
    rig.vault().failure = "unavailable"
    assert await rig.resolver.refresh(rig.ref(), old, ASKER) is None
    rig.vault().failure, rig.vault().values["openai-prod"] = None, fresh_value()
    assert await rig.resolver.refresh(rig.ref(), old, ASKER) is not None


async def test_the_kill_switch_refuses_everybody_also_those_who_wait(rig: Rig) -> None:
    import threading

    rig.vault().values["openai-prod"] = fresh_value()
    rig.vault().gate = gate = threading.Event()
    waiting = [asyncio.create_task(rig.resolver.resolve(rig.ref(), ASKER)) for _ in range(3)]
    await asyncio.to_thread(rig.vault().started.wait, 10)
    rig.resolver.disable("openai-prod")
    gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [SecretForbidden] * 3
    with pytest.raises(SecretForbidden):
        rig.resolver.cached(rig.ref(), ASKER)
    rig.resolver.enable("openai-prod")
    assert await rig.resolver.resolve(rig.ref(), ASKER)


async def test_a_purge_forgets_the_cached_value_and_the_read_under_way(rig: Rig) -> None:
    import threading

    rig.vault().values["openai-prod"] = old = fresh_value()
    rig.vault().gate = gate = threading.Event()
    early = asyncio.create_task(rig.resolver.resolve(rig.ref(), ASKER))
    await asyncio.to_thread(rig.vault().started.wait, 10)
    rig.resolver.purge("openai-prod")
    rig.vault().values["openai-prod"] = new = fresh_value()
    late = asyncio.create_task(rig.resolver.resolve(rig.ref(), ASKER))
    await asyncio.sleep(0.01)
    gate.set()
    assert [(await early).reveal(), (await late).reveal()] == [old, new]
    assert (await rig.resolver.resolve(rig.ref(), ASKER)).reveal() == new


async def test_a_caller_who_goes_away_does_not_end_the_read_of_the_others(rig: Rig) -> None:
    import threading

    rig.vault().values["openai-prod"] = fresh_value()
    rig.vault().gate = gate = threading.Event()
    tasks = [asyncio.create_task(rig.resolver.resolve(rig.ref(), ASKER)) for _ in range(2)]
    await asyncio.to_thread(rig.vault().started.wait, 10)
    tasks[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await tasks[1]
    assert rig.vault().calls == 1


async def test_every_use_is_noted_with_who_and_what(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = fresh_value()
    secret = await rig.resolver.resolve(rig.ref(), ASKER)
    rig.resolver.cached(rig.ref(), ASKER)
    first, second = rig.reads
    assert (first.outcome, second.outcome) == ("fetched", "hit")
    assert {read.fingerprint for read in rig.reads} == {secret.fingerprint}
    assert (second.reference, second.workspace, second.key_id, second.request_id) == ("openai-prod", "production", "key-1", "request-1")
    assert second.manager_type == "scripted"


async def test_an_adapter_that_breaks_its_promise_is_unavailable_and_quotes_nothing(rig: Rig) -> None:
    value = fresh_value()

    def explode(ref: object) -> None:
        raise ZeroDivisionError(value)

    rig.vault().fetch = explode  # type: ignore[method-assign,assignment]
    with pytest.raises(VaultUnavailable) as failed:
        await rig.resolver.resolve(rig.ref(), ASKER)
    assert value not in f"{failed.value!r} {failed.value.hint}"
    assert failed.value.__context__ is None


async def test_a_vaults_own_credential_is_resolved_first_and_its_rotation_is_followed(rig: Rig) -> None:
    rig.vault("env").values["TOKEN"] = fresh_value()
    rig.vault("outer").values["openai-prod"] = fresh_value()
    ref = rig.ref(manager_type="outer", auth_config={"vault_token": {"secret_key_ref": {"env": "TOKEN"}}, "vault_addr": "http://v"})
    await rig.resolver.resolve(ref, ASKER)
    assert rig.opened[-1]["vault_token"].reveal() == rig.vault("env").values["TOKEN"]
    rig.vault("env").values["TOKEN"] = rotated = fresh_value()
    rig.vault("outer").failure = "unauthenticated"
    rig.clock.advance(299)
    rig.resolver.purge(ref.slug)
    with pytest.raises(SecretForbidden):
        await rig.resolver.resolve(ref, ASKER)
    assert rig.opened[-1]["vault_token"].reveal() == rotated


async def test_a_vault_whose_credential_is_missing_says_which_reference_lacks(rig: Rig) -> None:
    rig.vault("env").failure = "not_found"
    ref = rig.ref(manager_type="outer", auth_config={"vault_token": "env:VAULT_TOKEN"})
    with pytest.raises(SecretForbidden) as failed:
        await rig.resolver.resolve(ref, ASKER)
    assert failed.value.reason == "unauthenticated"
    assert "env:VAULT_TOKEN" in failed.value.hint
    assert rig.vault("outer").calls == 0


@pytest.mark.parametrize("form", ["ref:token-of-outer", {"secret_key_ref": {"ref": "token-of-outer"}}])
async def test_a_vaults_credential_may_stand_in_another_vault_whose_own_stands_in_a_third(rig: Rig, form: object) -> None:
    rig.vault("env").values["LAST"] = last = fresh_value()
    rig.vault("middle").values["token-of-outer"] = middle = fresh_value()
    rig.vault("outer").values["openai-prod"] = value = fresh_value()
    rig.references["token-of-outer"] = rig.ref("token-of-outer", manager_type="middle", auth_config={"vault_token": "env:LAST"})
    secret = await rig.resolver.resolve(rig.ref(manager_type="outer", auth_config={"vault_token": form}), ASKER)
    assert secret.reveal() == value
    assert [config["vault_token"].reveal() for config in rig.opened if "vault_token" in config] == [last, middle]


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ({"openai-prod": "openai-prod"}, "circle: openai-prod -> openai-prod"),
        ({"openai-prod": "a", "a": "b", "b": "a"}, "circle: a -> b -> a"),
        ({"openai-prod": "a", "a": "b", "b": "c", "c": "d", "d": ""}, "more than 3 vaults"),
        ({"openai-prod": "absent"}, "no reference with the slug"),
    ],
    ids=["itself", "each-other", "too-deep", "absent"],
)
async def test_credentials_in_a_circle_or_too_deep_are_refused_and_not_waited_for(rig: Rig, chain: dict[str, str], said: str) -> None:
    for slug, inner in chain.items():
        auth = {"vault_token": f"ref:{inner}"} if inner else {}
        rig.references[slug] = rig.ref(slug, manager_type=f"vault-of-{slug}", auth_config=auth)
    with pytest.raises(SecretError) as failed:
        await rig.resolver.resolve(rig.references["openai-prod"], ASKER)
    assert failed.value.reason == "misconfigured"
    assert said in failed.value.message
    assert not rig.opened


async def test_a_reference_with_another_field_is_another_entry_but_the_same_slug_for_the_kill_switch(rig: Rig) -> None:
    rig.vault().values["openai-prod"] = '{"a": "value-of-a"}'
    ref = replace(rig.ref(), secret_key="a")
    await rig.resolver.resolve(ref, ASKER)
    rig.resolver.disable("openai-prod")
    with pytest.raises(SecretForbidden):
        rig.resolver.cached(ref, ASKER)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["red", "blue", "green"]),
            st.sampled_from(["resolve", "cached", "refresh", "purge", "later"]),
        ),
        max_size=25,
    )
)
def test_no_value_crosses_from_one_workspace_to_another(steps: list[tuple[str, str, str]]) -> None:
    allowed = {"a": ("red",), "b": ("blue",), "c": ("red", "blue")}

    async def walk() -> None:
        rig = Rig()
        rig.vault().values |= {slug: f"value-of-{slug}" for slug in allowed}
        refs = {slug: rig.ref(slug, allow_all_workspaces=False, allowed_workspaces=spaces) for slug, spaces in allowed.items()}
        for slug, workspace, act in steps:
            asker, got = Asker(workspace=workspace), None
            if act == "later":
                rig.clock.advance(200)
            elif act == "purge":
                rig.resolver.purge(slug)
            elif act == "refresh":
                got = await rig.resolver.refresh(refs[slug], Secret("another", reference=slug), asker)
            else:
                try:
                    got = rig.resolver.cached(refs[slug], asker) if act == "cached" else await rig.resolver.resolve(refs[slug], asker)
                    assert workspace in allowed[slug]
                except SecretForbidden:
                    assert workspace not in allowed[slug]
            assert got is None or (workspace in allowed[slug] and got.reveal() == f"value-of-{slug}")
        await rig.resolver.close()

    asyncio.run(walk())


async def test_another_caller_is_not_made_to_wait_while_a_value_is_announced(rig: Rig) -> None:
    import threading

    gate, entered = threading.Event(), threading.Event()

    def slow(value: str, label: str) -> None:
        if label.startswith("slow"):
            entered.set()
            assert gate.wait(30)

    rig._announce = slow  # type: ignore[method-assign]
    rig.__post_init__()
    rig.vault().values |= {"slow": fresh_value(), "quick": fresh_value()}
    waiting = asyncio.create_task(rig.resolver.resolve(rig.ref("slow"), ASKER))
    await asyncio.to_thread(entered.wait, 10)
    assert await rig.resolver.resolve(rig.ref("quick"), ASKER)
    gate.set()
    assert await waiting


@pytest.mark.parametrize("mark", ["\r", "\n", "\0", "\t", "\x0b", "\x1b", "\x7f", "\x85"], ids=ascii)
async def test_a_value_with_a_control_character_is_refused_before_any_call(rig: Rig, mark: str) -> None:
    """Preflight says what every call would have met: such a value can stand in no header."""
    value = rig.vault().values["openai-prod"] = fresh_value() + mark + fresh_value()
    with pytest.raises(SecretError, match="control character") as raised:
        await rig.resolver.resolve(rig.ref(), ASKER)
    assert (raised.value.reason, value in str(raised.value)) == ("bad_value", False)
    (status,) = await check([rig.ref()], rig.resolver, rig.clock)
    assert (status.resolvable, status.reason) == (False, "bad_value")
