"""The tree is RFC 6962's, whatever its size, and a leaf's way to the root is proof of it."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import merkle


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf(sha256(bytes([number % 256, number // 256])).hexdigest()) for number in range(count)]


def by_the_rfc(of: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word: split at the largest power of two below the size."""
    if not of:
        return sha256(b"").digest()
    if len(of) == 1:
        return of[0]
    split = 1
    while split * 2 < len(of):
        split *= 2
    return sha256(b"\1" + by_the_rfc(of[:split]) + by_the_rfc(of[split:])).digest()


@pytest.mark.parametrize("count", [*range(34), 100, 255, 256, 257, 1000])
def test_the_root_is_the_rfcs(count: int) -> None:
    assert merkle.root(leaves(count)) == by_the_rfc(leaves(count))


@given(st.integers(1, 70), st.data())
def test_every_leaf_leads_to_the_root_and_no_other_does(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    of = leaves(count)
    way = merkle.path(of, index)
    assert merkle.climb(of[index], index, count, way) == merkle.root(of)
    assert merkle.climb(merkle.leaf("ab" * 32), index, count, way) != merkle.root(of)
    assert merkle.climb(of[index], index, count, [*way, bytes(32)]) is None
    if way:
        assert merkle.climb(of[index], index, count, way[:-1]) is None


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_outside_of_the_tree_has_no_way(index: int) -> None:
    assert merkle.climb(bytes(32), index, 3, []) is None
    with pytest.raises(IndexError):
        merkle.path(leaves(3), index)
