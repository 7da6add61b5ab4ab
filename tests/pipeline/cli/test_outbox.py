"""`lockgate outbox` without a gateway: what is there, what is sent again, what is given up; audited, and nothing given up unasked."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from collectors.model import OutboxRow
from pipeline.store.migrate import migrate
from pipeline.store.outbox import SqlOutbox
from tests.pipeline.ledger.calls import Clock, running
from tests.pipeline.store.test_dead_letters import buried, row


@pytest.fixture
def sent(home: Path) -> str:
    """A store in which five items of two batches were refused, three wait, and seven were sampled out."""
    url = f"sqlite:///{home}/lockgate.db"
    migrate(url)

    async def seed() -> None:
        async with running(url, clock=Clock()) as ledger:
            store = SqlOutbox(ledger.run, Clock(), postgres=False)
            await buried(store, row(2))
            await buried(store, row(3), reason="http_401")
            await store.put([row(3), OutboxRow("sre", "traces", b"", 7, withheld="sampled")])

    asyncio.run(seed())
    return url


def account(run: Any) -> dict[str, Any]:
    status = run("outbox", "status", "--json")
    assert status.code == 0
    (found,) = status.json["accounts"]
    assert found["accepted"] == found["delivered"] + found["queued"] + found["dead_letter"] + found["rejected_by_policy"]
    return {name: found[name] for name in ("queued", "dead_letter", "rejected_by_policy", "missing")}


def test_letters_are_listed_and_the_rest_is_accounted_for(run: Any, sent: str) -> None:
    _ = sent
    assert account(run) == {"queued": 3, "dead_letter": 5, "rejected_by_policy": 7, "missing": 0}
    listed = run("outbox", "list", "--json").json
    assert listed["schema"] == "lockgate.outbox.list/1"
    assert [(each["items"], each["reason"]) for each in listed["letters"]] == [(2, "http_400"), (3, "http_401")]
    assert listed["total"] == {"rows": 2, "items": 5, "bytes": 20}
    assert len(run("outbox", "list", "--reason", "http_401").out.splitlines()) == 2
    first = run("outbox", "list", "--limit", "1", "--json").json
    assert run("outbox", "list", "--cursor", str(first["next_cursor"]), "--json").json["letters"] == listed["letters"][1:]
    shown = run("outbox", "status")
    assert "reason sampled" in shown.err
    assert "reason http_401" in shown.err


def test_replay_and_drop_are_audited_and_change_the_account(run: Any, sent: str) -> None:
    _ = sent
    assert run("outbox", "replay", "--reason", "http_400", "--json").json["items"] == 2
    assert account(run) == {"queued": 5, "dead_letter": 3, "rejected_by_policy": 7, "missing": 0}
    assert "1 batch with 3 items dropped" in run("outbox", "drop", "--all", "--yes").err
    assert account(run) == {"queued": 5, "dead_letter": 0, "rejected_by_policy": 10, "missing": 0}
    assert run("outbox", "drop", "--waiting", "-d", "sre", "--yes", "--json").json == {
        "schema": "lockgate.outbox.drop/1", "of": "waiting", "rows": 2, "items": 5,
    }  # fmt: skip
    assert account(run) == {"queued": 0, "dead_letter": 0, "rejected_by_policy": 15, "missing": 0}
    events = run("audit", "list", "--kind", "admin:outbox:*", "--json").json["events"]
    assert [event["kind"].rsplit(":", 1)[1] for event in events] == ["drop", "drop", "replay"]
    assert json.loads(events[2]["detail"])["filter"] == {"reason": "http_400"}
    assert run("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay"], "Say which"),
        (["drop", "--yes"], "Say which"),
        (["drop", "--all"], "no terminal to ask on"),
        (["drop", "--waiting", "--all", "--yes"], "one destination"),
        (["list", "--signal", "spans"], "no such signal"),
        (["list", "--since", "soon"], "not a time"),
    ],
)
def test_what_is_not_clear_is_a_usage_error_and_changes_nothing(
    run: Any, sent: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    _ = sent
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ran = run("outbox", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert account(run)["dead_letter"] == 5
