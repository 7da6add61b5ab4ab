"""Content under seal: what a row is bound to, and that no failure of the store is one of the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from collectors.genai import Content
from pipeline.gateway.content_keys import ContentKeys, SealKey
from pipeline.gateway.contents import ContentStore, Limits, Owner, open_content, seal_content
from pipeline.store.contents import SealedContent
from redactors import build_redactor

KEY = SealKey("store:k1", b"k" * 32)
OWNER = Owner("01KAM3N5X8Q2V7T9B4C6D8E0FG", "default", "w", "k", "gpt-5")


def sealed() -> SealedContent:
    return seal_content(KEY, OWNER, b'{"input":"[]"}', ("input",), (1_000, 2_000), b"n" * 12)


def test_what_was_sealed_opens_with_its_key_alone() -> None:
    assert open_content(KEY, sealed()) == {"input": []}
    assert open_content(SealKey(KEY.name, b"x" * 32), sealed()) is None


@pytest.mark.parametrize("name", [each.name for each in fields(SealedContent)])
def test_a_row_of_which_anything_was_changed_does_not_open(name: str) -> None:
    row = sealed()
    value: Any = getattr(row, name)
    other: Any = value + 1 if isinstance(value, int) else value[:-1] + (b"\0" if isinstance(value, bytes) else "~")
    changed: dict[str, Any] = {name: other}
    assert open_content(KEY, replace(row, **changed)) is None


class Keys:
    async def current(self) -> SealKey:
        return KEY


async def test_a_look_that_fails_costs_the_span_its_content_and_the_call_nothing() -> None:
    def look(_: bytes) -> bool:
        raise RuntimeError("cannot look")

    def run(_: Callable[[Connection], Any]) -> Awaitable[Any]:
        raise AssertionError("nothing is stored that was not looked at")

    failed: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        store = ContentStore(
            cast("ContentKeys", Keys()), run, is_dirty=look, random_bytes=bytes, limits=lambda: Limits(60.0, 1_000), pool=pool,
            failed=failed.append,
        )  # fmt: skip
        said = Content(input=build_redactor(direction="telemetry").text("[]"))
        assert (await store.put(OWNER, said, 1_000)).unstored == "store"
    assert failed == ["store"]
