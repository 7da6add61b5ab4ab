"""Credentials that Vault leases: held, renewed, replaced at their end, revoked; through the adapter and through the resolver."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import SecretError
from pipeline.vaults.backends import Limits
from pipeline.vaults.hashicorp import HashicorpVault
from pipeline.vaults.hashicorp_leases import LEAVE_S, REVOKE_TRIES, YOUNG_S
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from tests.pipeline.vaults.rig import ASKER, Clock
from tests.pipeline.vaults.stages import hidden
from tests.servers.vault import VaultServer
from tests.servers.vault_state import Engine

REF = SecretRef(slug="openai-made", manager_type="hashicorp_vault", secret_path="openai/creds/gateway", secret_key="api_key")


@pytest.fixture
def clock(vault_server: VaultServer) -> Clock:
    made = Clock()
    vault_server.held.now = made.monotonic
    return made


@pytest.fixture
def engine(vault_server: VaultServer) -> Engine:
    vault_server.allow("maker", "openai/creds/*", "sys/leases/revoke")
    return vault_server.engine("openai", ttl=600, max_ttl=3_600)


def approle(server: VaultServer, **role: Any) -> dict[str, Any]:
    role_id, secret_id = server.approle("gateway", "maker", **role)
    return {"vault_addr": server.url, "vault_auth_type": "approle", "vault_role_id": role_id, "vault_secret_id": secret_id}


def opened(server: VaultServer, clock: Clock, **role: Any) -> HashicorpVault:
    config = approle(server, **{"token_ttl": 86_400, **role})
    context = VaultContext(clock, connect_timeout_s=5.0, read_timeout_s=5.0)
    vault = open_vault("hashicorp_vault", config | {"vault_secret_id": hidden(config["vault_secret_id"])}, context)
    assert isinstance(vault, HashicorpVault)
    return vault


def key_of(vault: HashicorpVault, ref: SecretRef = REF) -> str:
    import json

    return str(json.loads(vault.fetch(ref).value)["api_key"])


def test_a_credential_is_made_once_and_renewed_at_two_thirds(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault = opened(vault_server, clock)
    first = vault.fetch(REF)
    assert first.version.startswith("lease-")
    assert first.created_us == clock.now_us()
    assert first.lasts_s == 600
    clock.advance(399)
    assert vault.fetch(REF).lasts_s == 201
    assert vault_server.count("leases/renew") == 0
    clock.advance(2)
    again = vault.fetch(REF)
    assert (again.value, again.version, again.lasts_s) == (first.value, first.version, 600)
    assert (len(engine.made), vault_server.count("leases/renew")) == (1, 1)


def test_through_many_max_ttls_every_value_given_is_alive(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault = opened(vault_server, clock)
    for _ in range(200):
        assert vault_server.held.is_alive(key_of(vault))
        vault.tend()
        clock.advance(97)
    assert 5 <= len(engine.made) <= 9


def test_a_lease_that_is_not_renewable_is_replaced_and_the_old_one_leaves_an_hour_later(vault_server: VaultServer, clock: Clock) -> None:
    vault_server.allow("maker", "openai/creds/*", "sys/leases/revoke")
    engine = vault_server.engine("openai", ttl=30_000, max_ttl=30_000, renewable=False)
    vault = opened(vault_server, clock)
    first = key_of(vault)
    clock.advance(20_001)
    assert key_of(vault) != first
    vault.tend()
    assert vault_server.held.is_alive(first)
    clock.advance(LEAVE_S)
    vault.tend()
    assert not vault_server.held.is_alive(first)
    assert len(engine.made) == 2


@pytest.mark.parametrize("switch", ["sealed", "throttled"])
def test_an_outage_at_renewal_costs_nothing_while_the_lease_lives(
    vault_server: VaultServer, clock: Clock, engine: Engine, switch: str
) -> None:
    vault = opened(vault_server, clock)
    first = key_of(vault)
    setattr(vault_server, switch, True)
    clock.advance(500)
    assert key_of(vault) == first
    clock.advance(101)
    with pytest.raises(SecretError) as failed:
        vault.fetch(REF)
    assert failed.value.reason == ("throttled" if switch == "throttled" else "unavailable")
    vault_server.healthy()
    assert key_of(vault) == engine.made[-1] != first


def test_a_lease_ends_with_the_token_it_was_made_by(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault = opened(vault_server, clock, token_ttl=100, token_max_ttl=100)
    first = vault.fetch(REF)
    assert first.lasts_s == 100
    clock.advance(101)
    assert vault_server.held.is_alive(key_of(vault))
    assert len(engine.made) == 2


def test_a_refused_credential_is_revoked_and_made_anew_but_not_in_a_flood(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault = opened(vault_server, clock)
    first = key_of(vault)
    vault.refused(REF)
    assert key_of(vault) == first
    clock.advance(YOUNG_S)
    vault.refused(REF)
    assert key_of(vault) == engine.made[1]
    assert not vault_server.held.is_alive(first)


def test_a_credential_that_somebody_revoked_in_vault_is_made_anew_at_once(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault = opened(vault_server, clock)
    key_of(vault)
    vault_server.held.leases.clear()
    vault.refused(REF)
    assert key_of(vault) == engine.made[1]


def test_two_references_lease_each_their_own_and_one_is_given_up_alone(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    other = SecretRef(slug="other", manager_type="hashicorp_vault", secret_path=REF.secret_path, secret_key="api_key")
    vault = opened(vault_server, clock)
    mine, theirs = key_of(vault), key_of(vault, other)
    assert mine != theirs
    vault.give_up(REF.slug)
    assert [vault_server.held.is_alive(value) for value in (mine, theirs)] == [False, True]
    vault.give_up()
    assert not vault_server.held.leases
    assert len(engine.made) == 2


def test_what_was_replaced_is_given_up_with_what_took_its_place(vault_server: VaultServer, clock: Clock) -> None:
    vault_server.allow("maker", "openai/creds/*", "sys/leases/revoke")
    vault_server.engine("openai", ttl=30_000, max_ttl=30_000, renewable=False)
    vault = opened(vault_server, clock)
    first = key_of(vault)
    clock.advance(20_001)
    second = key_of(vault)
    vault.give_up(REF.slug)
    assert [vault_server.held.is_alive(value) for value in (first, second)] == [False, False]


def test_a_lease_made_with_a_token_that_a_login_replaced_meanwhile_is_not_kept(
    vault_server: VaultServer, clock: Clock, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opened(vault_server, clock)
    v1 = vault._wire.client.secrets.kv.v1
    read, logins = v1.read_secret, iter([True])

    def read_while_another_logs_in(*args: Any, **options: Any) -> Any:
        answer = read(*args, **options)
        if next(logins, False):
            assert vault._session.after_refusal("other", vault._session.generation, start_over=True) is None
        return answer

    monkeypatch.setattr(v1, "read_secret", read_while_another_logs_in)
    vault.fetch(REF)
    assert vault_server.held.is_alive(key_of(vault))
    assert len(engine.made) == 2


def test_a_lease_that_was_given_up_while_it_was_renewed_does_not_come_back(
    vault_server: VaultServer, clock: Clock, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opened(vault_server, clock)
    first = key_of(vault)
    client = vault._wire.client.sys
    renew = client.renew_lease

    def renew_while_another_gives_up(*args: Any, **options: Any) -> Any:
        answer = renew(*args, **options)
        vault.give_up(REF.slug)
        return answer

    monkeypatch.setattr(client, "renew_lease", renew_while_another_gives_up)
    clock.advance(401)
    again = key_of(vault)
    assert (again != first, vault_server.held.is_alive(again)) == (True, True)
    assert len(engine.made) == 2


def test_a_lease_that_may_not_be_revoked_one_by_one_ends_with_the_login(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault_server.allow("maker", "openai/creds/*")
    vault = opened(vault_server, clock)
    value = key_of(vault)
    vault.give_up(REF.slug)
    assert vault_server.held.is_alive(value)
    vault.give_up()
    assert not vault_server.held.is_alive(value)
    assert engine.made == [value]


def test_two_fields_of_one_credential_that_are_read_at_once_are_of_one_lease(
    vault_server: VaultServer, clock: Clock, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opened(vault_server, clock)
    vault.fetch(replace(REF, slug="other"))  # logged in, and the mount known
    v1 = vault._wire.client.secrets.kv.v1
    read, begun = v1.read_secret, threading.Barrier(8)

    def slowly(*args: Any, **options: Any) -> Any:
        begun.wait(10)  # until every reader is under way, of whom this one alone asks Vault
        return read(*args, **options)

    def fetched(number: int) -> str:
        if number:
            begun.wait(10)
        return vault.fetch(replace(REF, secret_key=("api_key", "id")[number % 2])).version

    monkeypatch.setattr(v1, "read_secret", slowly)
    with ThreadPoolExecutor(8) as pool:
        versions = set(pool.map(fetched, range(8)))
    assert len(versions) == 1
    assert len(engine.made) == 2
    assert not vault._leases._turns


def test_a_revocation_that_fails_in_passing_is_tried_again_and_told(
    vault_server: VaultServer, clock: Clock, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    vault = opened(vault_server, clock)
    value = key_of(vault)
    vault_server.sealed = True
    vault.give_up(REF.slug)
    assert "tried again" in caplog.text
    vault.tend()
    vault_server.sealed = False
    vault.tend()
    assert vault_server.held.is_alive(value)  # not before its time
    clock.advance(6)
    vault.tend()
    assert not vault_server.held.is_alive(value)
    assert not vault._leases._owed
    assert value not in caplog.text


def test_a_revocation_is_tried_a_bounded_number_of_times(
    vault_server: VaultServer, clock: Clock, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.ttl = engine.max_ttl = 86_400
    vault = opened(vault_server, clock)
    vault.fetch(REF)
    calls = []
    ask = vault._wire.client.sys.revoke_lease
    vault._wire.client.sys.revoke_lease = lambda lease_id: calls.append(lease_id) or ask(lease_id)
    vault_server.sealed = True
    vault.give_up(REF.slug)
    for _ in range(100):
        clock.advance(60)
        vault._leases.tend()
    assert len(calls) == REVOKE_TRIES
    assert "ends by itself" in caplog.text


def test_a_credential_of_several_fields_needs_its_field_named(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    vault = opened(vault_server, clock)
    with pytest.raises(SecretError) as failed:
        vault.fetch(SecretRef(slug="s", manager_type="hashicorp_vault", secret_path=REF.secret_path))
    assert failed.value.code == "bad_value"
    assert "secret_key" in failed.value.hint
    assert not [value for value in engine.made if value in failed.value.message + failed.value.hint]


def resolver(server: VaultServer, clock: Clock, **changes: Any) -> tuple[Resolver, SecretRef]:
    config = approle(server, token_ttl=86_400)
    environment = {"SECRET_ID": config["vault_secret_id"]}
    context = VaultContext(clock, environment=environment, connect_timeout_s=5.0, read_timeout_s=5.0)

    def opened_vault(manager_type: str, auth_config: Mapping[str, Any]) -> Any:
        return open_vault(manager_type, auth_config, context)

    made = Resolver(
        opened_vault,
        clock=clock,
        fingerprint_key=b"k" * 32,
        announce=lambda value, label: None,
        retire=lambda label: None,
        on_read=lambda read: None,
        jitter=lambda: 0.0,
        limits=Limits(deadline_s=10.0, close_deadline_s=10.0),
    )
    auth = config | {"vault_secret_id": "env:SECRET_ID"}
    fields = {"slug": REF.slug, "secret_path": REF.secret_path, "secret_key": "api_key", **changes}
    return made, SecretRef(manager_type="hashicorp_vault", auth_config=auth, **fields)


async def test_no_cached_value_outlives_its_lease(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    made, ref = resolver(vault_server, clock, cache_ttl_s=86_400, max_stale_s=86_400)
    first = (await made.resolve(ref, ASKER)).reveal()
    clock.advance(599)
    assert (await made.resolve(ref, ASKER)).reveal() == first
    vault_server.sealed = True
    clock.advance(1)
    with pytest.raises(SecretError):
        await made.resolve(ref, ASKER)
    vault_server.healthy()
    clock.advance(10)
    assert (await made.resolve(ref, ASKER)).reveal() == engine.made[-1]
    await made.close()


async def test_a_provider_that_refuses_gets_a_new_credential_at_once(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    made, ref = resolver(vault_server, clock)
    first = await made.resolve(ref, ASKER)
    clock.advance(60)
    second = await made.refresh(ref, first, ASKER)
    assert second is not None
    assert second.reveal() == engine.made[1]
    assert not vault_server.held.is_alive(first.reveal())
    assert await made.refresh(ref, second, ASKER) is None
    assert len(engine.made) == 2
    await made.close()


async def test_closing_revokes_what_was_leased(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    made, ref = resolver(vault_server, clock)
    await made.resolve(ref, ASKER)
    assert vault_server.held.leases
    await made.close()
    assert not vault_server.held.leases
    assert set(vault_server.tokens) == {vault_server.root}
    assert len(engine.made) == 1


async def test_the_kill_switch_revokes_what_was_leased_for_its_reference(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    made, ref = resolver(vault_server, clock)
    value = (await made.resolve(ref, ASKER)).reveal()
    made.disable(ref.slug)
    with pytest.raises(SecretError):
        await made.resolve(ref, ASKER)
    await made.settled()
    assert not vault_server.held.is_alive(value)
    await made.close()
    assert engine.made == [value]


async def test_a_vault_that_is_away_does_not_hold_up_the_end(vault_server: VaultServer, clock: Clock, engine: Engine) -> None:
    made, ref = resolver(vault_server, clock)
    await made.resolve(ref, ASKER)
    vault_server.sealed = True
    await made.close()
    assert len(engine.made) == 1


class Lender:
    """A vault that lends a value until it is given up; `reading` holds up its reads."""

    def __init__(self) -> None:
        self.began, self.reading = threading.Event(), threading.Event()
        self.reading.set()
        self.lent = False

    def fetch(self, ref: SecretRef) -> Fetched:
        self.began.set()
        self.reading.wait(10)
        self.lent = True
        return Fetched("a value that is lent")

    def refused(self, ref: SecretRef) -> None: ...

    def tend(self) -> None: ...

    def give_up(self, slug: str | None = None) -> None:
        self.lent = False


def lending(lenders: Iterator[Lender], secret: list[str], clock: Clock) -> tuple[Resolver, SecretRef]:
    class Inner:
        def fetch(self, ref: SecretRef) -> Fetched:
            return Fetched(secret[-1])

    made = Resolver(
        lambda manager_type, _: Inner() if manager_type == "env" else next(lenders),
        clock=clock,
        fingerprint_key=b"k" * 32,
        announce=lambda value, label: None,
        retire=lambda label: None,
        on_read=lambda read: None,
        jitter=lambda: 0.0,
    )
    auth = {"vault_addr": "https://v.example", "vault_token": "env:TOKEN"}
    return made, SecretRef(slug="lent", manager_type="hashicorp_vault", secret_path="a/b", auth_config=auth, cache_ttl_s=0)


async def test_the_kill_switch_also_takes_what_a_read_under_way_still_brings() -> None:
    lender = Lender()
    made, ref = lending(iter([lender]), ["token-1"], Clock())
    lender.reading.clear()
    waiting = asyncio.create_task(made.resolve(ref, ASKER))
    await asyncio.to_thread(lender.began.wait, 10)
    made.disable(ref.slug)
    await asyncio.sleep(0.05)
    lender.reading.set()
    with pytest.raises(SecretError):
        await waiting
    await made.settled()
    assert not lender.lent
    await made.close()


async def test_the_kill_switch_also_reaches_an_adapter_that_another_took_the_place_of() -> None:
    lenders, secret, clock = [Lender(), Lender()], ["token-1"], Clock()
    made, ref = lending(iter(lenders), secret, clock)
    await made.resolve(ref, ASKER)
    secret.append("token-2")
    clock.advance(301)
    await made.resolve(ref, ASKER)
    assert [lender.lent for lender in lenders] == [True, True]
    made.disable(ref.slug)
    await made.settled()
    assert [lender.lent for lender in lenders] == [False, False]
    await made.close()
