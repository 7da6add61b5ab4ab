"""Where a secret was used, found by reference, version or fingerprint over real charges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert

from pipeline.errors import BadRequest
from pipeline.keys.usage_views import read_usage_query, show_usage, show_versions
from pipeline.store.read_usage import UsageFilter, usage, versions
from pipeline.store.tables import charges, metadata, secret_status, virtual_keys, workspaces

# request, workspace, key, model, reference, version, fingerprint, cost, at
CHARGES = (
    ("r1", "w1", "k1", "gpt", "openai", "1", "aaaa", 100, 1_000),
    ("r2", "w1", "k1", "gpt", "openai", "1", "aaaa", 200, 2_000),
    ("r3", "w2", "k2", "gpt", "openai", "2", "bbbb", 400, 3_000),
    ("r4", "w2", "k2", "claude", "copied", "7", "aaaa", 800, 4_000),
    ("r4", "w2", "k2", "claude", "copied", "7", "aaaa", 1, 4_001),  # the same call, its second attempt
    ("r5", "w1", "k1", "demo", "", "", "", 0, 5_000),
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path}/usage.db")
    metadata.create_all(engine)
    with engine.connect() as opened:
        for number, row in enumerate(CHARGES):
            names = ("request_id", "workspace_id", "key_id", "model", "secret_reference", "secret_version", "secret_fingerprint")
            values: dict[str, Any] = dict(zip(names, row, strict=False))
            opened.execute(
                insert(charges).values(
                    id=f"c{number}", attempt=number, org_id="default", state="settled", cost_micros=row[7], at_us=row[8], **values
                )
            )
        foreign = {"secret_reference": "openai", "secret_version": "1", "secret_fingerprint": "aaaa", "key_id": "k9"}
        opened.execute(insert(charges).values(id="x", request_id="r9", org_id="other", state="settled", cost_micros=9, at_us=9, **foreign))
        opened.execute(insert(workspaces).values(id="w1", org_id="default", slug="production"))
        opened.execute(insert(virtual_keys).values(id="k1", org_id="default", workspace_id="w1", digest="d", alias="checkout"))
        for slug, fingerprint in (("openai", "bbbb"), ("idle", "bbbb"), ("alone", "cccc")):
            opened.execute(
                insert(secret_status).values(slug=slug, manager_type="env", fingerprint=fingerprint, version="2", first_seen_us=7)
            )
        yield opened
    engine.dispose()


@pytest.mark.parametrize(
    ("asked", "calls", "cost", "keys", "shared"),
    [
        (UsageFilter(reference="openai"), 3, 700, {"k1", "k2"}, ("copied", "idle")),
        (UsageFilter(reference="openai", version="1"), 2, 300, {"k1"}, ("copied", "idle")),
        (UsageFilter(version="2"), 1, 400, {"k2"}, ("idle", "openai")),
        (UsageFilter(fingerprint="aaaa"), 3, 1_101, {"k1", "k2"}, ("copied", "openai")),
        (UsageFilter(reference="openai", since_us=2_000, until_us=3_000), 1, 200, {"k1"}, ("copied", "idle")),
        (UsageFilter(reference="alone"), 0, 0, set(), ()),
        (UsageFilter(reference="nobodys"), 0, 0, set(), ()),
    ],
)
def test_use_is_found_by_reference_version_and_fingerprint(
    connection: Connection, asked: UsageFilter, calls: int, cost: int, keys: set[str], shared: tuple[str, ...]
) -> None:
    found = usage(connection, asked, org_id="default")
    assert (found.calls, found.cost_micros, {row["key_id"] for row in found.uses}) == (calls, cost, keys)
    assert found.shared_with == shared


def test_a_row_says_who_what_when_and_for_how_much(connection: Connection) -> None:
    shown = show_usage(connection, UsageFilter(reference="openai", version="1"))
    assert (shown["calls"], shown["cost_usd"], shown["keys"], shown["workspaces"], shown["models"]) == (
        2, "0.000300", ["k1"], ["production"], ["gpt"])  # fmt: skip
    (row,) = shown["data"]
    assert (row["key_alias"], row["calls"], row["cost_usd"]) == ("checkout", 2, "0.000300")
    assert (row["first_used_at"], row["last_used_at"]) == ("1970-01-01T00:00:00.001000Z", "1970-01-01T00:00:00.002000Z")


def test_versions_are_those_that_were_used_and_the_one_that_is_current(connection: Connection) -> None:
    known = {row["version"]: row for row in versions(connection, "openai", org_id="default")}
    assert known.keys() == {"1", "2"}
    assert (known["1"]["calls"], known["1"]["current"], known["2"]["calls"], known["2"]["current"]) == (2, False, 1, True)
    shown = show_versions(connection, "idle", pinned="2")
    assert [(row["version"], row["calls"], row["current"], row["last_used_at"]) for row in shown["data"]] == [("2", 0, True, None)]


@pytest.mark.parametrize(
    ("query", "param"), [({}, "reference"), ({"since": "soon"}, "since"), ({"who": "x"}, "who"), ({"until": "9999999"}, "until")]
)
def test_a_wrong_question_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_usage_query(query)
    assert refused.value.param == param
