"""Stored content in SQL, on both databases: seen by its tenant alone, a page at a time, and gone when its time is over."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.store import tables
from pipeline.store.contents import (
    PURGE_ROWS,
    Contents,
    SealedContent,
    content,
    contents_page,
    contents_total,
    pick_contents,
    purge_contents,
    put_content,
    remove_contents,
)
from pipeline.store.read_scope import Scope
from tests.pipeline.ledger.calls import NOW, rows, running

HERE = Scope("default", None, {})


def stored(number: int, **fields: Any) -> SealedContent:
    """A content whose id is its number; it expires as many microseconds after NOW."""
    plain: dict[str, Any] = {
        "id": f"{number:026d}", "created_us": NOW + number, "expires_us": NOW + number, "org_id": "default", "workspace_id": "w1",
        "key_id": "k1", "model": "m", "parts": "input,output", "bytes": 10, "seal_key": "store:a", "nonce": b"\x00\xff" * 6,
        "sealed": bytes(range(256)),
    }  # fmt: skip
    return SealedContent(**{**plain, **fields})


async def test_what_was_stored_is_read_back_byte_for_byte_until_it_expires(url: str) -> None:
    async with running(url) as ledger:
        await ledger.run(lambda connection: put_content(connection, stored(5)))
        assert await ledger.run(lambda connection: content(connection, HERE, f"{5:026d}", NOW + 4)) == stored(5)
        assert await ledger.run(lambda connection: content(connection, HERE, f"{5:026d}", NOW + 5)) is None


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (HERE, [3, 2, 1]),
        (Scope("other", None, {}), [4]),
        (Scope("default", ("w2",), {}), [3]),
        (Scope("default", (), {}), []),
    ],
    ids=["the organization", "another organization", "one workspace", "no workspace"],
)
async def test_a_tenant_sees_its_own_alone(url: str, scope: Scope, seen: list[int]) -> None:
    async with running(url) as ledger:
        for each in (stored(1), stored(2), stored(3, workspace_id="w2"), stored(4, org_id="other")):
            await ledger.run(lambda connection, each=each: put_content(connection, each))
        page = await ledger.run(lambda connection: contents_page(connection, scope, Contents(), limit=10, before="", now_us=NOW))
        assert [int(row["id"]) for row in page] == seen
        assert not {"nonce", "sealed"} & set().union(*page)
        total = await ledger.run(lambda connection: contents_total(connection, scope, Contents(), now_us=NOW))
        assert total == {"rows": len(seen), "bytes": 10 * len(seen)}
        found = [await ledger.run(lambda connection, n=n: content(connection, scope, f"{n:026d}", NOW)) for n in range(1, 5)]  # type: ignore[misc]
        assert [int(each.id) for each in found if each is not None] == sorted(seen)


async def test_expired_content_goes_a_few_rows_a_transaction_and_the_rest_stays(url: str) -> None:
    async with running(url) as ledger:
        for number in range(1, PURGE_ROWS + 4):
            await ledger.run(lambda connection, number=number: put_content(connection, stored(number)))
        last = NOW + PURGE_ROWS + 1  # two more expire later
        assert await ledger.run(lambda connection: purge_contents(connection, last)) == PURGE_ROWS
        assert await ledger.run(lambda connection: purge_contents(connection, last)) == 1
        assert await ledger.run(lambda connection: purge_contents(connection, last)) == 0
    assert [int(row["id"]) for row in rows(url, tables.stored_contents)] == [PURGE_ROWS + 2, PURGE_ROWS + 3]


async def test_a_removal_takes_what_was_asked_for_of_its_organization(url: str) -> None:
    async with running(url) as ledger:
        for each in (stored(1), stored(2, key_id="k2"), stored(3), stored(4, org_id="other")):
            await ledger.run(lambda connection, each=each: put_content(connection, each))
        asked = Contents(key_id="k1", before_us=NOW + 3)
        ids = await ledger.run(lambda connection: pick_contents(connection, asked, "default"))
        assert [int(ident) for ident in ids] == [1]
        assert await ledger.run(lambda connection: remove_contents(connection, ids)) == 1
    assert [int(row["id"]) for row in rows(url, tables.stored_contents)] == [2, 3, 4]
