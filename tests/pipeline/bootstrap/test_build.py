"""A start that fails leaves nothing behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.bootstrap import build as building
from pipeline.errors import LedgerError


async def test_a_start_that_fails_late_gives_back_what_vaults_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def nothing(*_: object) -> None: ...

    async def fails(*_: object) -> None:
        raise LedgerError("The store is away.")

    async def opened(*_: object) -> Any:
        return secrets

    async def closed() -> None:
        ended.append("resolver")

    async def stopped() -> None:
        ended.append("ledger")

    core: Any = SimpleNamespace(ledger=SimpleNamespace(start=nothing, stop=stopped), plan=SimpleNamespace(document=None), clock=None)
    references = SimpleNamespace(references=SimpleNamespace(preflight=tuple))
    secrets = SimpleNamespace(resolver=SimpleNamespace(close=closed), swapped=references)
    for name, part in (("core_of", lambda *_: core), ("_secrets", opened), ("_people", fails)):
        monkeypatch.setattr(building, name, part)
    for name in ("migrated", "_recognizer", "refuse_if_missing"):
        monkeypatch.setattr(building, name, nothing)
    with pytest.raises(LedgerError):
        await building.build(SimpleNamespace(database_url="", document=None), SimpleNamespace())  # type: ignore[arg-type]
    assert ended == ["resolver", "ledger"]
