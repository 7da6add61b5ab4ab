"""Whether a value was ever seen is told by keyed hashes alone, also after a rotation of the pepper."""

from __future__ import annotations

import os
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from pipeline.errors import BadRequest
from pipeline.keys.pepper import add_pepper, derived_key, make_peppers
from pipeline.keys.seen import EndUsers, hashes_of, value_of, view, where_seen
from pipeline.store.engine import open_reader
from pipeline.store.tables import secret_status
from pipeline.vaults.fetching import fingerprint_of
from tests.pipeline.ledger.calls import NOW, charge, event, running
from tests.pipeline.ledger.stores import postgres, postgres_template, postgres_url, sqlite_template, sqlite_url, url

__all__ = ["postgres", "postgres_template", "postgres_url", "sqlite_template", "sqlite_url", "url"]

VALUE = "a value that nobody may read"


def seen(at: str, value: str, peppers: Any, org: str = "default") -> dict[str, Any]:
    engine = open_reader(at)
    try:
        with engine.connect() as connection:
            return where_seen(connection, hashes_of(value, peppers), org)
    finally:
        engine.dispose()


def held(connection: Connection, fingerprint: str) -> None:
    connection.execute(insert(secret_status).values(slug="openai-prod", manager_type="env", fingerprint=fingerprint))


async def test_a_secret_is_found_by_its_fingerprint_wherever_it_stands(url: str) -> None:
    old = make_peppers(os.urandom)
    fingerprint = fingerprint_of(VALUE, derived_key(old, "fingerprint"))
    async with running(url) as ledger:
        await ledger.append(event("vault:secret:read", detail={"fingerprint": fingerprint}))
        await ledger.append(event(request_id="R1"), charge("R1", secret_fingerprint=fingerprint))
        await ledger.run(lambda connection: held(connection, fingerprint))
    found = seen(url, VALUE, add_pepper(old, os.urandom))  # the pepper was rotated since
    assert found["seen"]
    assert found["references"] == ["openai-prod"]
    assert found["secret_reads"] == found["charges"] == {"count": 1, "first_us": NOW, "last_us": NOW}
    assert found["end_user_calls"]["count"] == 0
    assert not seen(url, VALUE + "!", old)["seen"]
    assert not seen(url, VALUE, make_peppers(os.urandom))["seen"]
    other = seen(url, VALUE, old, "another-organization")
    assert not other["seen"]


@pytest.mark.parametrize(
    "body", [{"user": "ana@example.org"}, {"safety_identifier": " ana@example.org "}, {"metadata": {"user_id": "ana@example.org"}}]
)
async def test_an_end_user_is_found_by_the_name_that_callers_gave(url: str, body: dict[str, Any]) -> None:
    peppers = make_peppers(os.urandom)
    end_user = EndUsers(peppers).named_by(body)
    assert "ana" not in end_user
    async with running(url) as ledger:
        await ledger.append(event("gateway:call:start", detail={"end_user": end_user}))
    assert seen(url, "ana@example.org", add_pepper(peppers, os.urandom))["end_user_calls"]["count"] == 1
    assert not seen(url, "bob@example.org", peppers)["seen"]


@pytest.mark.parametrize("body", [{}, {"user": ""}, {"user": 7}, {"metadata": "x"}, {"metadata": {"user_id": None}}, {"user": "  "}])
def test_nobody_is_named_by_a_body_that_names_nobody(body: dict[str, Any]) -> None:
    assert EndUsers(make_peppers(os.urandom)).named_by(body) == ""


@pytest.mark.parametrize("body", [{}, {"value": ""}, {"value": 7}, {"value": "x" * 65_537}])
def test_a_value_is_a_text_and_no_error_quotes_it(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        value_of(body)
    assert "xxx" not in str(caught.value)


def test_what_is_answered_holds_the_hashes_and_not_the_value() -> None:
    hashes = hashes_of(VALUE, add_pepper(make_peppers(os.urandom), os.urandom))
    assert [(one.use, one.key_id) for one in hashes] == [("secret", "p2"), ("end_user", "p2"), ("secret", "p1"), ("end_user", "p1")]
    assert VALUE not in str(view(hashes, {"seen": False}))
