"""Keys are stored as HMAC only, and change as an administrator says."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import Connection, select

from pipeline import ids
from pipeline.errors import BadRequest
from pipeline.keys.model import VirtualKey
from pipeline.keys.pepper import Peppers, add_pepper, derived_key, dump_peppers, make_peppers, parse_peppers
from pipeline.keys.requests import Limit, NewKey, NewWorkspace
from pipeline.keys.revisions import KEYS, read_revisions
from pipeline.keys.store import (
    NoSuchKey,
    block_key,
    create_key,
    get_key,
    list_keys,
    load_proofs,
    mark_used,
    revoke_key,
    rotate_key,
    unblock_key,
)
from pipeline.keys.workspaces import create_workspace, list_workspaces, mirror_workspaces
from pipeline.ledger.budgets import get_budget
from pipeline.ledger.model import Scope
from pipeline.store.tables import virtual_keys

NOW = 1_790_000_000_000_000


def make(connection: Connection, peppers: Peppers, new: NewKey | None = None) -> tuple[VirtualKey, str]:
    token = ids.token("lgk")
    key = create_key(connection, peppers, token, new or NewKey(alias="ci"), key_id=ids.ulid(NOW), now_us=NOW, created_by="tester")
    return key, token


def test_a_key_is_stored_without_its_text(connection: Connection, peppers: Peppers) -> None:
    new = NewKey(
        alias="ci",
        models=("a", "b"),
        expires_us=NOW + 5,
        rpm_limit=9,
        tpm_limit=8,
        max_parallel_requests=7,
        policy="p",
        metadata={"team": "x"},
        budget=Limit(7, "day"),
    )
    key, token = make(connection, peppers, new)
    assert (key.models, key.expires_us, key.rpm_limit, key.policy, key.metadata) == (("a", "b"), NOW + 5, 9, "p", {"team": "x"})
    assert (key.tpm_limit, key.max_parallel_requests) == (8, 7)
    assert key.hint == f"lgk_…{token[-4:]}"
    stored = str(connection.execute(select(virtual_keys)).one())
    assert token not in stored
    assert token[4:20] not in stored
    budget = get_budget(connection, Scope("key", key.id))
    assert budget is not None
    assert (budget.limit_micros, budget.period) == (7, "day")


def test_every_change_moves_the_revision(connection: Connection, peppers: Peppers) -> None:
    seen = [read_revisions(connection, (KEYS,))[KEYS]]

    def moved() -> bool:
        seen.append(read_revisions(connection, (KEYS,))[KEYS])
        return seen[-1] > seen[-2]

    key, _ = make(connection, peppers)
    assert moved()
    block_key(connection, key.id)
    assert moved()
    unblock_key(connection, key.id)
    assert moved()
    rotate_key(connection, peppers, key.id, ids.token("lgk"), overlap_us=1, former_id=ids.ulid(NOW), now_us=NOW)
    assert moved()
    revoke_key(connection, key.id, now_us=NOW)
    assert moved()
    revoke_key(connection, key.id, now_us=NOW)
    assert not moved()


def test_an_alias_is_unique_until_its_key_is_revoked(connection: Connection, peppers: Peppers) -> None:
    key, _ = make(connection, peppers)
    with pytest.raises(BadRequest, match="alias"):
        make(connection, peppers)
    revoke_key(connection, key.id, now_us=NOW)
    second, _ = make(connection, peppers)
    assert get_key(connection, "ci").id == second.id


def test_a_revoked_key_stays_revoked(connection: Connection, peppers: Peppers) -> None:
    key, _ = make(connection, peppers)
    assert revoke_key(connection, key.id, now_us=NOW + 3).revoked_us == NOW + 3
    with pytest.raises(BadRequest, match="for good"):
        unblock_key(connection, key.id)
    with pytest.raises(BadRequest, match="cannot be rotated"):
        rotate_key(connection, peppers, key.id, ids.token("lgk"), overlap_us=0, former_id=ids.ulid(NOW), now_us=NOW)


def test_a_rotated_key_keeps_its_id_and_its_budget(connection: Connection, peppers: Peppers) -> None:
    key, old = make(connection, peppers, NewKey(alias="ci", budget=Limit(5)))
    new = ids.token("lgk")
    rotated = rotate_key(connection, peppers, key.id, new, overlap_us=10, former_id=ids.ulid(NOW), now_us=NOW)
    assert rotated.id == key.id
    assert rotated.hint.endswith(new[-4:])
    assert len(list_keys(connection)) == 1
    proofs = {proof.digest: proof for proof in load_proofs(connection)}
    former, current = proofs[peppers.digest(old)[1]], proofs[peppers.digest(new)[1]]
    assert former.key.id == current.key.id == key.id
    assert (former.until_us, current.until_us) == (NOW + 10, 0)


def test_at_most_two_tokens_of_a_key_are_good(connection: Connection, peppers: Peppers) -> None:
    key, first = make(connection, peppers)
    tokens = [first]
    for step in range(3):
        tokens.append(ids.token("lgk"))
        rotate_key(connection, peppers, key.id, tokens[-1], overlap_us=1_000, former_id=ids.ulid(NOW + step * 1000), now_us=NOW + step)
    proofs = {proof.digest: proof.key.status for proof in load_proofs(connection)}
    assert [proofs[peppers.digest(token)[1]] for token in tokens] == ["revoked", "revoked", "active", "active"]


def test_a_rotation_without_overlap_ends_the_former_token(connection: Connection, peppers: Peppers) -> None:
    key, old = make(connection, peppers)
    rotate_key(connection, peppers, key.id, ids.token("lgk"), overlap_us=0, former_id=ids.ulid(NOW), now_us=NOW)
    assert peppers.digest(old)[1] not in {proof.digest for proof in load_proofs(connection)}


def test_revoking_ends_the_former_token_too(connection: Connection, peppers: Peppers) -> None:
    key, old = make(connection, peppers)
    rotate_key(connection, peppers, key.id, ids.token("lgk"), overlap_us=1_000, former_id=ids.ulid(NOW), now_us=NOW)
    revoke_key(connection, key.id, now_us=NOW)
    proofs = {proof.digest: proof for proof in load_proofs(connection)}
    assert proofs[peppers.digest(old)[1]].key.status == "revoked"


def test_an_overlap_does_not_outlive_the_key(connection: Connection, peppers: Peppers) -> None:
    key, old = make(connection, peppers, NewKey(alias="ci", expires_us=NOW + 3))
    rotate_key(connection, peppers, key.id, ids.token("lgk"), overlap_us=1_000, former_id=ids.ulid(NOW), now_us=NOW)
    proofs = {proof.digest: proof for proof in load_proofs(connection)}
    assert proofs[peppers.digest(old)[1]].until_us == NOW + 3


def test_long_revoked_tokens_are_forgotten(connection: Connection, peppers: Peppers) -> None:
    key, _ = make(connection, peppers)
    revoke_key(connection, key.id, now_us=NOW)
    assert len(load_proofs(connection, forget_before_us=NOW)) == 1
    assert load_proofs(connection, forget_before_us=NOW + 1) == ()


def test_an_unknown_key_is_a_404(connection: Connection) -> None:
    with pytest.raises(NoSuchKey) as caught:
        get_key(connection, "nobody")
    assert caught.value.status == 404
    with pytest.raises(BadRequest, match="no such workspace"):
        make(connection, make_peppers(os.urandom), NewKey(workspace="nowhere"))


def test_keys_are_listed_by_workspace(connection: Connection, peppers: Peppers) -> None:
    create_workspace(connection, NewWorkspace("other"), now_us=NOW)
    make(connection, peppers, NewKey(alias="one"))
    make(connection, peppers, NewKey(alias="two", workspace="other"))
    assert [key.alias for key in list_keys(connection, workspace="other")] == ["two"]


def test_last_use_is_marked(connection: Connection, peppers: Peppers) -> None:
    key, _ = make(connection, peppers)
    mark_used(connection, {})
    mark_used(connection, {key.id: NOW + 9})
    assert connection.execute(select(virtual_keys.c.last_used_us)).scalar() == NOW + 9


def test_the_documents_workspaces_are_mirrored(connection: Connection) -> None:
    wanted = [NewWorkspace("default", policy="strict", budget=Limit(5, "month")), NewWorkspace("lab")]
    assert mirror_workspaces(connection, wanted, now_us=NOW)
    assert not mirror_workspaces(connection, wanted, now_us=NOW)
    found = {workspace.slug: workspace for workspace in list_workspaces(connection)}
    assert found["default"].policy == "strict"
    budget = get_budget(connection, Scope("workspace", found["default"].id))
    assert budget is not None
    assert budget.limit_micros == 5
    assert mirror_workspaces(connection, [NewWorkspace("default", policy="strict")], now_us=NOW)
    assert get_budget(connection, Scope("workspace", found["default"].id)) is None
    assert {workspace.slug for workspace in list_workspaces(connection)} == {"default", "lab"}


def test_peppers_rotate_without_locking_anybody_out() -> None:
    old = make_peppers(os.urandom)
    token = ids.token("lgk")
    new = parse_peppers(dump_peppers(add_pepper(old, os.urandom)))
    assert new.current == "p2"
    assert old.digest(token)[1] in new.candidates(token)
    assert new.digest(token) != old.digest(token)
    assert new.candidates(token)[0] == new.digest(token)[1]


def test_a_derived_key_depends_on_its_use_and_on_the_pepper() -> None:
    first, second = make_peppers(os.urandom), make_peppers(os.urandom)
    assert derived_key(first, "a") == derived_key(first, "a")
    assert len({derived_key(first, "a"), derived_key(first, "b"), derived_key(second, "a")}) == 3


def test_any_text_can_be_hashed(peppers: Peppers) -> None:
    assert len(peppers.candidates("\ud800 \0 ☃")[0]) == 64
