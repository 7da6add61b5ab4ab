"""Two workers over one store: what is done to a reference on one holds on the other after one look, and looks are 0.4 s apart."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.bootstrap.compile import References
from pipeline.bootstrap.opening import key_opener
from pipeline.bootstrap.reference_book import ReferenceBook
from pipeline.config.document import Document
from pipeline.config.reference_api import ReferenceApiSection
from pipeline.errors import BadRequest, SecretError
from pipeline.keys import references
from pipeline.keys.requests import NewWorkspace
from pipeline.keys.storing import store_secret
from pipeline.keys.watch import POLL_S
from pipeline.keys.workspaces import create_workspace
from pipeline.routing.model import Target
from pipeline.vaults.local_keys import LocalKeys, make_keys
from pipeline.vaults.local_sql import SqlRows
from pipeline.vaults.model import Asker, Fetched, Secret, SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from tests.pipeline.keys.clocks import START_US
from tests.pipeline.keys.conftest import Stood
from tests.pipeline.vaults.rig import Clock, ScriptedVault, fresh_value

PERMITS = {
    "allowed_hosts": ["127.0.0.1:9"],
    "allowed_credentials": ["ref:token-of-the-vault"],
    "allowed_secrets": ["env:TOKEN", "store:LOCAL"],
}
DOCUMENT = Document.model_validate(
    {
        "targets": [
            {"id": "main", "provider": "demo", "model": "m", "secret_key_ref": {"ref": "made"}},
            {"id": "other", "provider": "demo", "model": "m", "secret_key_ref": {"ref": "both"}},
        ],
        "reference_api": PERMITS,
        "references": {"both": {"manager_type": "hashicorp_vault", "secret_path": "of-the-document", "auth_config": {
            "vault_addr": "http://127.0.0.1:9", "vault_token": "env:TOKEN"}}},
    }
)  # fmt: skip
MAIN = Target(id="main", provider="demo", model="m", reference="made")
OTHER = Target(id="other", provider="demo", model="m", reference="both")
PRODUCTION = Asker(workspace="production", key_id="k", request_id="r")
STAGING = Asker(workspace="staging", key_id="k", request_id="r")


@dataclass
class Worker:
    """One process's half: its own resolver, cache and book, over the store that all share."""

    stood: Stood
    keys: LocalKeys
    vault: ScriptedVault
    known: dict[str, str] = field(default_factory=dict)
    opened: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.book = ReferenceBook(self.stood.reader, self.keys, self._announce)
        self.references: References = self.book.compile(DOCUMENT)
        self.context = VaultContext(self.clock, environment={"TOKEN": "t"}, local_rows=SqlRows(self.stood.reader), local_keys=self.keys)
        self.resolver = Resolver(
            self._open,
            clock=self.clock,
            fingerprint_key=b"k" * 32,
            announce=self._announce,
            retire=lambda _: None,
            on_read=lambda _: None,
            jitter=lambda: 0.0,
            references=lambda: self.references.declared,
        )
        self.book.serve(DOCUMENT, self.resolver, self._tell)
        self._open_key = key_opener(self.resolver, lambda: self.references, lambda _: None)

    def _announce(self, value: str, label: str) -> None:
        self.known[label] = value

    def _tell(self, now: References) -> None:
        self.references = now

    def _open(self, manager_type: str, auth_config: Mapping[str, Any]) -> Any:
        self.opened.append(auth_config)
        return self.vault if manager_type == "hashicorp_vault" else open_vault(manager_type, auth_config, self.context)

    async def value(self, asker: Asker = PRODUCTION, target: Target = MAIN) -> str:
        """What a call of the target would be made with; the error's reason when it would be refused."""
        try:
            secret = await self._open_key(asker)(target, None)
        except SecretError as error:
            return error.reason
        assert isinstance(secret, Secret)
        return secret.reveal()


@dataclass
class Pair:
    """Two workers; changes are made on the first."""

    one: Worker
    two: Worker
    stood: Stood
    keys: LocalKeys
    vault: ScriptedVault

    @property
    def registry(self) -> references.Registry:
        return references.Registry(
            self.keys, self.one.references.declared, self.one.references.users_of, self._announce, self.one.references.permits
        )

    async def _announce(self, value: str, label: str) -> None:
        self.one.known[label] = value

    async def make(self, **fields: Any) -> dict[str, Any]:
        auth = {"vault_addr": "http://127.0.0.1:9", "vault_token": "literal-token-of-the-vault"}
        body = {"name": "made", "manager_type": "hashicorp_vault", "auth_config": auth, "secret_path": "llm/one", **fields}
        made = await references.create_reference(self.stood.office, self.stood.actor, self.registry, body)
        await self.look()
        return made

    async def change(self, ident: str, **fields: Any) -> None:
        await references.update_reference(self.stood.office, self.stood.actor, self.registry, ident, fields)
        await self.look()

    async def look(self) -> None:
        """One look of each worker at the store."""
        await self.one.book.look()
        await self.two.book.look()

    async def values(self, asker: Asker = PRODUCTION, target: Target = MAIN) -> set[str]:
        return {await self.one.value(asker, target), await self.two.value(asker, target)}


@pytest.fixture
async def pair(stood: Stood) -> AsyncIterator[Pair]:
    keys, vault = make_keys(os.urandom), ScriptedVault()
    vault.values = {"llm/one": fresh_value(), "llm/two": fresh_value(), "of-the-document": fresh_value()}
    for slug in ("production", "staging"):
        await stood.ledger.run(lambda connection, slug=slug: create_workspace(connection, NewWorkspace(slug), now_us=START_US))
    made = Pair(Worker(stood, keys, vault), Worker(stood, keys, vault), stood, keys, vault)
    yield made
    await made.one.resolver.close()
    await made.two.resolver.close()


def test_two_looks_fit_into_the_second_in_which_a_change_must_hold() -> None:
    assert POLL_S * 2 < 1


async def test_a_reference_is_in_force_everywhere_when_it_is_made_and_gone_when_it_is_deleted(pair: Pair) -> None:
    await pair.look()
    assert await pair.values() == {"out_of_scope"}, "a slug that nobody has is answered like one that is not allowed"
    made = await pair.make(slug="made")
    assert await pair.values() == {pair.vault.values["llm/one"]}
    with pytest.raises(BadRequest, match="in use"):
        await references.delete_reference(pair.stood.office, pair.stood.actor, pair.registry, made["id"])
    registry = references.Registry(
        pair.keys, {}, lambda _: (), pair._announce, pair.one.references.permits
    )  # as if no document named it any more
    await references.delete_reference(pair.stood.office, pair.stood.actor, registry, made["id"])
    await pair.look()
    assert await pair.values() == {"out_of_scope"}


async def test_an_edit_takes_the_place_of_what_is_cached_everywhere(pair: Pair) -> None:
    made = await pair.make(slug="made", cache_ttl_s=86_400)
    before = await pair.values()
    await pair.change(made["slug"], secret_path="llm/two")
    assert await pair.values() == {pair.vault.values["llm/two"]} != before


async def test_the_kill_switch_ends_use_everywhere_and_can_be_taken_back(pair: Pair) -> None:
    await pair.make(slug="made", cache_ttl_s=86_400)
    good = await pair.values()
    await references.disable_reference(pair.stood.office, pair.stood.actor, "made")
    await pair.look()
    reads = pair.vault.calls
    assert await pair.values() == {"disabled"}
    assert pair.vault.calls == reads
    await references.enable_reference(pair.stood.office, pair.stood.actor, "made")
    await pair.look()
    assert await pair.values() == good


async def test_the_kill_switch_holds_for_a_worker_that_starts_later_and_for_the_documents_references(pair: Pair) -> None:
    await pair.look()
    assert await pair.values(target=OTHER) == {pair.vault.values["of-the-document"]}
    await references.disable_reference(pair.stood.office, pair.stood.actor, "both")
    late = Worker(pair.stood, pair.keys, pair.vault)
    await late.book.refresh()
    assert await late.value(target=OTHER) == "disabled"
    await late.resolver.close()


async def test_a_worker_that_follows_by_itself_learns_of_the_kill_switch(pair: Pair) -> None:
    await pair.make(slug="made")
    good = await pair.values()
    following = asyncio.create_task(pair.two.book.run())
    await references.disable_reference(pair.stood.office, pair.stood.actor, "made")
    for _ in range(300):
        if await pair.two.value() == "disabled":
            break
        await asyncio.sleep(0.05)
    following.cancel()
    assert await pair.two.value() == "disabled"
    assert await pair.one.value() in good, "the other does not look in this test"


async def test_a_refresh_is_followed_everywhere(pair: Pair) -> None:
    await pair.make(slug="made", cache_ttl_s=86_400)
    before = await pair.values()
    pair.vault.values["llm/one"] = fresh_value()
    assert await pair.values() == before
    await references.refresh_reference(pair.stood.office, pair.stood.actor, "made")
    await pair.look()
    assert await pair.values() == {pair.vault.values["llm/one"]}


async def test_a_new_version_in_the_local_store_is_followed_everywhere(pair: Pair) -> None:
    await store_secret(pair.stood.office, pair.stood.actor, pair.keys, "LOCAL", first := fresh_value())
    await pair.make(slug="made", manager_type="local", auth_config={}, secret_path="LOCAL", cache_ttl_s=86_400)
    assert await pair.values() == {first}
    await store_secret(pair.stood.office, pair.stood.actor, pair.keys, "LOCAL", second := fresh_value())
    await pair.look()
    assert await pair.values() == {second}


async def test_taking_a_workspace_away_holds_for_what_is_cached(pair: Pair) -> None:
    made = await pair.make(slug="made", cache_ttl_s=86_400)
    value = pair.vault.values["llm/one"]
    assert await pair.values(STAGING) == await pair.values(PRODUCTION) == {value}
    await pair.change(made["id"], allowed_workspaces=["production"])
    assert await pair.values(STAGING) == {"out_of_scope"}
    assert await pair.values(PRODUCTION) == {value}


async def test_a_reference_of_class_admin_is_given_to_no_call(pair: Pair) -> None:
    made = await pair.make(slug="made", **{"class": "admin"})
    assert await pair.values() == {"out_of_scope"}
    probe = await pair.one.resolver.probe(pair.one.references.declared["made"], Asker("", "admin"))
    assert probe.secret is not None
    await pair.change(made["id"], **{"class": "standard"})
    assert await pair.values() == {pair.vault.values["llm/one"]}


async def test_the_documents_reference_goes_before_one_of_the_same_slug(pair: Pair) -> None:
    with pytest.raises(BadRequest, match="with that slug"):
        await pair.make(slug="both")
    registry = references.Registry(
        pair.keys, {}, lambda _: (), pair._announce, pair.one.references.permits
    )  # made while the document did not have it yet
    body = {"name": "x", "slug": "both", "manager_type": "env", "auth_config": {}, "secret_path": "TOKEN"}
    await references.create_reference(pair.stood.office, pair.stood.actor, registry, body)
    await pair.look()
    assert await pair.values(target=OTHER) == {pair.vault.values["of-the-document"]}


async def test_a_literal_credential_reaches_the_vault_and_is_known_to_redaction_on_every_worker(pair: Pair) -> None:
    await pair.make(slug="made")
    await pair.values()
    for worker in (pair.one, pair.two):
        token = worker.opened[-1]["vault_token"]
        assert isinstance(token, Secret)
        assert token.reveal() == worker.known["made.vault_token"] == "literal-token-of-the-vault"


async def test_a_reference_may_name_one_that_was_made_for_its_own_credential(pair: Pair) -> None:
    await pair.make(name="token of the vault", manager_type="env", auth_config={}, secret_path="TOKEN")
    auth = {"vault_addr": "http://127.0.0.1:9", "vault_token": {"secret_key_ref": {"ref": "token-of-the-vault"}}}
    await pair.make(slug="made", auth_config=auth)
    assert await pair.values() == {pair.vault.values["llm/one"]}
    assert pair.one.opened[-1]["vault_token"].reveal() == "t"


async def test_a_reference_of_a_former_document_is_refused_by_one_that_allows_less_also_from_the_cache(pair: Pair) -> None:
    await pair.make(slug="made", cache_ttl_s=86_400)
    good = await pair.values()
    reads = pair.vault.calls
    narrower = DOCUMENT.model_copy(update={"reference_api": ReferenceApiSection()})
    for worker in (pair.one, pair.two):
        worker.book.follow(narrower)
        worker.references = worker.book.compile(narrower)
    assert await pair.values() == {"not_permitted"}
    probe = await pair.one.resolver.probe(pair.one.references.by_target["main"], Asker("", "preflight"))
    assert probe.failure is not None
    assert (probe.failure.error().code, probe.failure.transient) == ("reference_not_permitted", False)
    assert ("auth_config.vault_addr" in probe.failure.message, "allowed_hosts" in probe.failure.hint) == (True, True)
    assert pair.vault.calls == reads, "nothing was sent to where it is not allowed any more"
    for worker in (pair.one, pair.two):
        worker.references = worker.book.compile(DOCUMENT)
    assert await pair.values() == good


async def test_of_many_references_only_the_changed_one_is_measured_again(pair: Pair) -> None:
    await pair.make(slug="made")
    await pair.make(slug="unchanged", name="unchanged")
    before = pair.one.references.declared
    await pair.change("made", secret_path="llm/two")
    after = pair.one.references.declared
    assert after["unchanged"] is before["unchanged"]
    assert after["made"] != before["made"]


async def test_an_absent_reference_is_reported_as_not_found(pair: Pair) -> None:
    ref: SecretRef = pair.one.references.by_target["main"]
    probe = await pair.one.resolver.probe(ref, Asker("", "preflight"))
    assert probe.failure is not None
    assert (probe.failure.reason, "POST /v1/secret-references" in probe.failure.hint) == ("not_found", True)


def test_what_the_scripted_vault_gives_is_not_shown() -> None:
    assert "canary" not in repr(Fetched(fresh_value(), "1"))
