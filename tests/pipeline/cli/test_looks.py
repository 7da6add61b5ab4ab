"""Dead letters and stored content looked at without a gateway: only where every live secret is known, and never unseen."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from collectors.genai import Content
from collectors.model import OutboxRow
from pipeline.config.home import prepare_home
from pipeline.gateway.content_keys import SealKey
from pipeline.gateway.contents import Owner, plain_of, seal_content
from pipeline.gateway.kept import hkdf_sha256
from pipeline.store.contents import put_content
from pipeline.store.migrate import migrate
from pipeline.store.outbox import SqlOutbox
from redactors.model import Clean
from tests import planted
from tests.collectors.plain_redactor import PlainRedactor
from tests.pipeline.ledger.calls import Clock, running
from tests.pipeline.store.test_dead_letters import buried

LIVE = planted.secret("password", Random(5)) + planted.secret("password", Random(6))
IDENT, OTHER = "01KAM3N5X8Q2V7T9B4C6D8E0FG", "01KAM3N5X8Q2V7T9B4C6D8E0FH"
DOCUMENT = """
targets:
  - {id: one, provider: openai, model: gpt-5-mini, secret_key_ref: {env: LIVE_KEY}}
models: {one: {targets: [one]}}
"""


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lockgate.yaml").write_text(DOCUMENT)
    monkeypatch.setenv("LIVE_KEY", LIVE)


def said(text: str) -> Clean[str]:
    def messages(tree: object) -> str:
        return json.dumps([{"role": "user", "parts": [{"type": "text", "content": tree}]}])

    return PlainRedactor("canary").tree(text).map(messages)


@pytest.fixture
def kept(home: Path, document: None) -> str:
    """Two dead letters and two contents; the second of each holds what is a live secret."""
    prepared = prepare_home(home)
    url = f"sqlite:///{home}/lockgate.db"
    migrate(url)
    keys = prepared.store_keys()
    prepared.admin_key()
    key = SealKey(f"store:{keys.current}", hkdf_sha256(keys.keys[keys.current], b"lockgate:stored-content:seal:v1"))
    now_us = 1_790_000_000_000_000

    async def seed() -> None:
        async with running(url, clock=Clock()) as ledger:
            store = SqlOutbox(ledger.run, Clock(), postgres=False)
            for payload in (b"not a request", base64.b64encode(LIVE.encode())):
                await buried(store, OutboxRow("sre", "traces", payload, 1))
            for ident, text in ((IDENT, "the harbor opens at dawn"), (OTHER, f"it is {LIVE}")):
                texts = plain_of(Content(input=said(text)))
                data = json.dumps(texts).encode()
                row = seal_content(key, Owner(ident, "default", "", "", "one"), data, ("input",), (now_us, 2 * now_us), bytes(12))
                await ledger.run(lambda connection, row=row: put_content(connection, row))  # type: ignore[misc]

    asyncio.run(seed())
    return url


@pytest.mark.usefixtures("kept")
def test_a_letter_is_shown_unless_it_holds_a_live_secret_and_each_look_is_an_event(run: Callable[..., Any]) -> None:
    first, second = (letter["id"] for letter in run("outbox", "list", "--json").json["letters"])
    shown = run("outbox", "show", str(first), "--json")
    assert shown.code == 0
    assert shown.json["letter"]["reason"] == "http_400"
    withheld = run("outbox", "show", str(second))
    assert (withheld.code != 0, withheld.out) == (True, "")
    assert "live secret" in withheld.err
    events = run("audit", "list", "--kind", "admin:outbox:read", "--json").json["events"]
    assert [event["outcome"] for event in events] == ["refused", "ok"]


@pytest.mark.usefixtures("kept")
def test_without_a_secret_that_the_document_names_nothing_is_shown(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_KEY")
    first = run("outbox", "list", "--json").json["letters"][0]["id"]
    for command in (("outbox", "show", str(first)), ("contents", "show", IDENT)):
        ran = run(*command)
        assert (ran.code, ran.out) == (1, "")
        assert "do not resolve" in ran.err
    assert run("audit", "list", "--kind", "admin:*:read", "--json").json["events"] == []


@pytest.mark.usefixtures("kept")
def test_stored_content_is_listed_shown_and_removed(run: Callable[..., Any]) -> None:
    listed = run("contents", "list", "--json")
    assert [each["id"] for each in listed.json["contents"]] == [OTHER, IDENT]
    assert "harbor" not in listed.out
    page = run("contents", "list", "--limit", "1", "--json").json
    assert run("contents", "list", "--cursor", page["next_cursor"], "--json").json["contents"][0]["id"] == IDENT
    shown = run("contents", "show", f"lockgate:content:{IDENT}:input", "--json").json["content"]
    assert shown["content"]["input"][0]["parts"][0]["content"] == "the harbor opens at dawn"
    assert run("contents", "show", f"{IDENT}:output", "--json").json["content"]["content"] == {}
    withheld = run("contents", "show", OTHER)
    assert (withheld.code != 0, LIVE in withheld.out + withheld.err) == (True, False)
    assert run("contents", "delete", IDENT, "--yes", "--json").json["rows"] == 1
    assert "There is no such content" in run("contents", "show", IDENT).err
    events = run("audit", "list", "--kind", "admin:content:*", "--json").json["events"]
    assert [(event["kind"].rsplit(":", 1)[1], event["outcome"]) for event in events] == [
        ("delete", "ok"), ("read", "refused"), ("read", "ok"), ("read", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nonsense"], "There is no such content"),
        (["show", f"lockgate:content:{IDENT}:nonsense"], "There is no such content"),
        (["delete", "--yes"], "Say which"),
        (["delete", "--key", "x", "--yes"], "key_id is the id of a key"),
        (["list", "--before", "soon"], "not a time"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_what_is_not_clear_is_refused(run: Callable[..., Any], arguments: list[str], words: str) -> None:
    ran = run("contents", *arguments)
    assert (ran.code != 0, ran.out) == (True, "")
    assert words in ran.err
    assert len(run("contents", "list", "--json").json["contents"]) == 2
