"""`secrets disable|enable|where-used` and what `check` says of references that were made by REST, without a gateway."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert

from pipeline.ids import uuid7
from pipeline.store.tables import charges
from pipeline.vaults.local_keys import parse_keys
from pipeline.vaults.reference_sql import StoredReference, insert_reference

DOCUMENT = """targets: [{id: a, provider: openai, model: m, secret_key_ref: {ref: made}}]
models: {m: {targets: [a]}}
reference_api: {allowed_secrets: ["env:KEY_OF_*"]}
"""


@pytest.fixture
def stored(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A data folder with a store, and the engine of its database."""
    monkeypatch.setenv("KEY_OF_TEST", "canary-0123456789-abcdefghij")
    (home.parent / "lockgate.yaml").write_text(DOCUMENT)
    assert run("keys", "create", "--alias", "first", "--json").code == 0
    assert run("secrets", "add", "X", "--store", "--env-var", "KEY_OF_TEST").code == 0
    engine = create_engine(f"sqlite:///{home}/lockgate.db")
    yield engine
    engine.dispose()


def make(home: Path, engine: Any) -> None:
    """The reference that the document names, as a gateway would have written it."""
    keys = parse_keys((home / "store.key").read_text())
    made = StoredReference(id=uuid7(1), slug="made", name="made", manager_type="env", secret_path="KEY_OF_TEST")
    with engine.begin() as connection:
        insert_reference(connection, made, keys, os.urandom)


def test_check_knows_what_was_made_by_rest(run: Any, home: Path, stored: Any) -> None:
    missing = run("check")
    assert missing.code == 1, "a required reference that nobody made is missing"
    assert "there is no reference 'made' in the document" in missing.err
    assert run("config", "validate").code == 0
    make(home, stored)
    assert run("check", "--strict").code == 0
    [status] = run("secrets", "status", "--json").json["references"]
    assert (status["slug"], status["resolvable"], status["targets"]) == ("made", True, ["a"])


def test_what_the_document_does_not_permit_is_said_and_stops_a_start(run: Any, home: Path, stored: Any) -> None:
    make(home, stored)
    document = home.parent / "lockgate.yaml"
    document.write_text(DOCUMENT.replace("KEY_OF_*", "ANOTHER"))
    found = run("check", "--json")
    [status] = found.json["references"]
    assert (found.code, status["reason"]) == (1, "not_permitted")
    assert "secret_path" in status["message"]
    assert "allowed_secrets" in status["hint"]


def test_a_disabled_reference_is_said_and_does_not_stop_a_start(run: Any, home: Path, stored: Any) -> None:
    make(home, stored)
    assert run("secrets", "disable", "made").code == 0
    status = run("secrets", "status", "--json")
    assert [(each["reason"], each["resolvable"]) for each in status.json["references"]] == [("disabled", False)]
    assert status.code == run("check").code == 0
    assert run("secrets", "status", "--strict").code == 1
    kinds = [row["kind"] for row in run("audit", "list", "--json").json["events"]]
    assert "admin:reference:disable" in kinds
    assert run("secrets", "enable", "made").code == 0
    assert run("secrets", "status", "--strict").code == 0


def test_a_switch_for_what_does_not_exist_is_refused(run: Any, stored: Any) -> None:
    assert run("secrets", "disable", "mdae").code == 2
    assert run("secrets", "disable", "made").code == 0, "the document names it, so its switch waits for it"


def test_where_used_finds_keys_models_spend_and_the_same_value_elsewhere(run: Any, stored: Any) -> None:
    with stored.begin() as connection:
        for number, reference in enumerate(("made", "made", "copied")):
            connection.execute(
                insert(charges).values(
                    id=f"c{number}", request_id=f"r{number}", org_id="default", state="settled", cost_micros=1_500_000, at_us=1_000_000,
                    model="m", key_id="k", secret_reference=reference, secret_version="3", secret_fingerprint="ab" * 8,
                )
            )  # fmt: skip
    found = run("secrets", "where-used", "made", "--json").json["usage"]
    assert (found["calls"], found["cost_usd"], found["models"], found["shared_with"]) == (2, "3.000000", ["m"], ["copied"])
    assert run("secret", "where-used", "--fingerprint", "ab" * 8, "--json").json["usage"]["calls"] == 3
    told = run("secrets", "where-used", "made")
    assert "2 calls, 3.000000 USD" in told.err
    assert "The same value stands behind: copied." in told.err
    assert run("secrets", "where-used", "made", "--since", "1h", "--json").json["usage"]["calls"] == 0
    assert run("secrets", "where-used").code == 2
