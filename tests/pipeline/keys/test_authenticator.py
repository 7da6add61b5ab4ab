"""A token is proven from memory; what changed in the store is seen within a second; guessing is slowed down."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine

from pipeline import ids
from pipeline.errors import KeyExpired, KeyOutOfScope, KeyRejected, RateLimited
from pipeline.keys.authenticator import Authenticator, KeysUnavailable
from pipeline.keys.failures import FailureLimit, network_of
from pipeline.keys.pepper import Peppers, add_pepper
from pipeline.keys.requests import NewKey
from pipeline.keys.scope import allow_model, allowed_models
from pipeline.keys.store import block_key, create_key, revoke_key, rotate_key, unblock_key
from tests.pipeline.keys.clocks import START_US, MovableClock


def made(connection: Connection, peppers: Peppers, new: NewKey | None = None) -> tuple[str, str]:
    token, key_id = ids.token("lgk"), ids.ulid(START_US)
    create_key(connection, peppers, token, new or NewKey(), key_id=key_id, now_us=START_US, created_by="tester")
    connection.commit()
    return token, key_id


def opened(engine: Engine, peppers: Peppers, clock: MovableClock, **given: object) -> Authenticator:
    authenticator = Authenticator(engine, peppers, clock, **given)  # type: ignore[arg-type]
    authenticator.refresh()
    return authenticator


def test_a_key_proves_its_caller(connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock) -> None:
    token, key_id = made(connection, peppers, NewKey(alias="ci", policy="strict"))
    caller = opened(engine, peppers, clock).authenticate(token, "10.0.0.1")
    assert (caller.key.id, caller.workspace, caller.key.policy) == (key_id, "default", "strict")


@pytest.mark.parametrize(
    "token", ["", "lgk_", "lgk_" + "a" * 43, "sk-" + "a" * 44, "lgk_" + "a" * 10_000, "lgk_\ud800" + "a" * 42, "lgk_" + "☃" * 43]
)
def test_a_token_that_nobody_has_is_refused_without_a_reason(engine: Engine, peppers: Peppers, clock: MovableClock, token: str) -> None:
    with pytest.raises(KeyRejected) as caught:
        opened(engine, peppers, clock).authenticate(token)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert "a" * 20 not in str(caught.value)


@pytest.mark.parametrize(("state", "code"), [("blocked", "key_blocked"), ("revoked", "key_revoked"), ("expired", "key_expired")])
def test_a_proven_key_that_is_over_says_why(
    connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock, state: str, code: str
) -> None:
    token, key_id = made(connection, peppers, NewKey(expires_us=START_US + 1_000_000))
    authenticator = opened(engine, peppers, clock)
    authenticator.authenticate(token)
    if state == "blocked":
        block_key(connection, key_id)
    elif state == "revoked":
        revoke_key(connection, key_id, now_us=START_US)
    else:
        clock.move(1)
    connection.commit()
    authenticator.refresh()
    with pytest.raises(KeyExpired) as caught:
        authenticator.authenticate(token)
    assert (caught.value.status, caught.value.code) == (401, code)


def test_a_former_token_works_until_its_overlap_ends(connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock) -> None:
    old, key_id = made(connection, peppers)
    new = ids.token("lgk")
    rotate_key(connection, peppers, key_id, new, overlap_us=60_000_000, former_id=ids.ulid(START_US), now_us=START_US)
    connection.commit()
    authenticator = opened(engine, peppers, clock)
    assert authenticator.authenticate(old).key.id == authenticator.authenticate(new).key.id == key_id
    clock.move(60)
    assert authenticator.authenticate(new).key.id == key_id
    with pytest.raises(KeyExpired):
        authenticator.authenticate(old)


def test_a_key_of_an_older_pepper_still_proves(connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock) -> None:
    token, key_id = made(connection, peppers)
    rotated = add_pepper(peppers, lambda size: b"x" * size)
    assert opened(engine, rotated, clock).authenticate(token).key.id == key_id
    with pytest.raises(KeyRejected):
        opened(engine, Peppers("p9", {"p9": b"y" * 32}), clock).authenticate(token)


async def test_a_change_in_the_store_is_seen_while_it_runs(
    connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock
) -> None:
    token, key_id = made(connection, peppers)
    authenticator = opened(engine, peppers, clock)
    running = asyncio.create_task(authenticator.run(poll_s=0.01))
    try:
        block_key(connection, key_id)
        connection.commit()
        await until(lambda: refused(authenticator, token))
        unblock_key(connection, key_id)
        connection.commit()
        await until(lambda: not refused(authenticator, token))
        assert authenticator.authenticate(token).key.id == key_id
    finally:
        running.cancel()


async def until(holds: object) -> None:
    async with asyncio.timeout(10):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.005)


def refused(authenticator: Authenticator, token: str) -> bool:
    try:
        authenticator.authenticate(token)
    except (KeyRejected, KeysUnavailable):
        return True
    return False


async def test_when_the_store_is_away_too_long_nobody_is_let_in(
    connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock, tmp_path: Path
) -> None:
    token, _ = made(connection, peppers)
    connection.close()
    authenticator = opened(engine, peppers, clock, max_stale_s=30.0)
    database = tmp_path / "plain.db"
    engine.dispose()
    database.rename(tmp_path / "away.db")
    database.mkdir()
    running = asyncio.create_task(authenticator.run(poll_s=0.01))
    try:
        await until(lambda: authenticator._unread_since is not None)
        authenticator.authenticate(token)
        clock.move(31)
        with pytest.raises(KeysUnavailable) as caught:
            authenticator.authenticate(token)
        assert caught.value.status == 503
        database.rmdir()
        (tmp_path / "away.db").rename(database)
        await until(lambda: not refused(authenticator, token))
    finally:
        running.cancel()


def test_a_store_that_cannot_be_read_is_told_without_its_address(peppers: Peppers, clock: MovableClock, tmp_path: Path) -> None:
    away = create_engine(f"sqlite:///{tmp_path}/no/such/folder.db")
    with pytest.raises(KeysUnavailable) as caught:
        Authenticator(away, peppers, clock).refresh()
    assert str(tmp_path) not in str(caught.value)


def test_guessing_is_slowed_down_and_the_right_key_is_never_locked_out(
    connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock
) -> None:
    token, key_id = made(connection, peppers)
    authenticator = opened(engine, peppers, clock, failures=FailureLimit(clock, limit=3))
    for _ in range(3):
        with pytest.raises(KeyRejected):
            authenticator.authenticate(ids.token("lgk"), "10.0.0.9")
    with pytest.raises(RateLimited) as caught:
        authenticator.authenticate(ids.token("lgk"), "10.0.0.9")
    assert int(caught.value.headers["retry-after"]) > 0
    assert authenticator.authenticate(token, "10.0.0.9").key.id == key_id
    with pytest.raises(KeyRejected):
        authenticator.authenticate(ids.token("lgk"), "10.0.0.10")
    clock.move(61)
    with pytest.raises(KeyRejected):
        authenticator.authenticate(ids.token("lgk"), "10.0.0.9")


def test_the_count_of_addresses_is_bounded(clock: MovableClock) -> None:
    limit = FailureLimit(clock, limit=1, most=100)
    for number in range(1_000):
        limit.failed(f"10.0.{number // 250}.{number % 250}")
    assert len(limit._seen) == 100


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_addresses_of_one_caller_count_together(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


@pytest.mark.parametrize(
    ("key_models", "workspace_models", "asked", "allowed"),
    [
        ((), (), "any", True),
        (("a",), (), "a", True),
        (("a",), (), "b", False),
        ((), ("a",), "b", False),
        (("a", "b"), ("b", "c"), "b", True),
        (("a", "b"), ("b", "c"), "a", False),
        (("a",), ("b",), "a", False),
    ],
)
def test_a_key_uses_the_models_of_its_own_list_and_of_its_workspace(
    connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock, key_models: tuple[str, ...],
    workspace_models: tuple[str, ...], asked: str, allowed: bool,
) -> None:  # fmt: skip
    token, _ = made(connection, peppers, NewKey(models=key_models))
    authenticator = opened(engine, peppers, clock)
    authenticator.restrict({"default": workspace_models})
    caller = authenticator.authenticate(token)
    assert (asked in allowed_models(caller.key.models, [asked])) is allowed
    if allowed:
        allow_model(caller, asked)
    else:
        with pytest.raises(KeyOutOfScope) as caught:
            allow_model(caller, asked)
        assert (caught.value.status, caught.value.code) == (403, "model_not_allowed")


def test_last_use_is_handed_out_once(connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock) -> None:
    token, key_id = made(connection, peppers)
    authenticator = opened(engine, peppers, clock)
    authenticator.authenticate(token)
    assert authenticator.drain_used() == {key_id: clock.us}
    assert authenticator.drain_used() == {}


def test_nothing_that_is_kept_shows_a_digest(connection: Connection, engine: Engine, peppers: Peppers, clock: MovableClock) -> None:
    token, _ = made(connection, peppers)
    authenticator = opened(engine, peppers, clock)
    assert peppers.digest(token)[1] not in repr(authenticator._known) + repr(peppers)
