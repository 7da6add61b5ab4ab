"""What an auditor is pointed at: versions that are too old, secrets that nobody uses, values under more than one name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, insert

from pipeline.store.read_references import DAY_US, references
from pipeline.store.read_scope import Scope
from pipeline.store.tables import metadata, secret_references, secret_status

NOW_US = 1_800_000_000_000_000
WHOLE = Scope("default", None, {})


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def add(connection: Connection, slug: str, *, seen: float, used: float | None, max_age_days: int = 0, fingerprint: str = "") -> None:
    """A reference whose version was first seen, and last used, so many days ago."""
    at = {"first_seen_us": int(NOW_US - seen * DAY_US), "used_us": 0 if used is None else int(NOW_US - used * DAY_US)}
    status = {"slug": slug, "manager_type": "env", "outcome": "ok", "resolved_us": NOW_US, "version": "1", "fingerprint": fingerprint, **at}
    connection.execute(insert(secret_status).values(**status))
    made = {"id": slug, "org_id": "default", "slug": slug, "manager_type": "env", "secret_path": "X", "max_age_days": max_age_days}
    connection.execute(insert(secret_references).values(**made))


def remarks(connection: Connection) -> dict[str, list[str]]:
    return {row["slug"]: row["remarks"] for row in references(connection, WHOLE, NOW_US)}


@pytest.mark.parametrize(
    ("seen", "max_age_days", "expected"),
    [
        (29.9, 0, []),
        (30, 0, ["rotate soon"]),
        (89.9, 0, ["rotate soon"]),
        (90, 0, ["rotate now"]),
        (6.9, 21, []),
        (7, 21, ["rotate soon"]),
        (21, 21, ["rotate now"]),
        (90, 365, []),
        (365, 365, ["rotate now"]),
    ],
)
def test_a_version_is_too_old_by_its_references_own_limit_or_by_ninety_days(
    connection: Connection, seen: float, max_age_days: int, expected: list[str]
) -> None:
    add(connection, "one", seen=seen, used=0, max_age_days=max_age_days)
    assert remarks(connection) == {"one": expected}


@pytest.mark.parametrize(
    ("seen", "used", "expected"),
    [(1, None, []), (29.9, None, []), (30, None, ["unused"]), (80, 29.9, []), (80, 30, ["unused"])],
    ids=["new", "nearly-a-month", "never-used", "used-lately", "used-long-ago"],
)
def test_a_secret_is_unused_when_no_call_was_made_with_it_for_thirty_days(
    connection: Connection, seen: float, used: float | None, expected: list[str]
) -> None:
    add(connection, "one", seen=seen, used=used, max_age_days=1_000)
    assert remarks(connection) == {"one": expected}


def test_the_same_value_under_several_names_names_the_others(connection: Connection) -> None:
    for slug, fingerprint in (("a", "f1"), ("b", "f1"), ("c", "f2"), ("d", ""), ("e", ""), ("f", "f1")):
        add(connection, slug, seen=1, used=0, fingerprint=fingerprint)
    rows = {row["slug"]: row for row in references(connection, WHOLE, NOW_US)}
    assert {slug: row["shared_with"] for slug, row in rows.items()} == {
        "a": ["b", "f"], "b": ["a", "f"], "c": [], "d": [], "e": [], "f": ["a", "b"],
    }  # fmt: skip
    assert [slug for slug, row in rows.items() if "shared" in row["remarks"]] == ["a", "b", "f"]
