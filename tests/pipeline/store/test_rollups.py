"""Sums that are made ahead give what the charges give, whatever is summed by then, and charges that come late count once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, insert, select

from pipeline.ids import ulid
from pipeline.store import tables
from pipeline.store.engine import open_writer
from pipeline.store.reads import SPEND_GROUPS, Filter, Reads, open_reads
from pipeline.store.rollups import DAY_US, HOUR_US, QUARTER_US, REST_US, late_hours, reopen, roll_up, rolled_until
from pipeline.store.spans import cut
from tests.pipeline.ledger.calls import Clock, intent, rows, running, settlement

START = 1_794_960_000_000_000  # 2026-11-18T00:00:00Z
NOW = START + 5 * DAY_US + 7 * HOUR_US
DAYS = 5


def charge_of(rng: Random, at_us: int) -> dict[str, Any]:
    key = rng.randrange(4)
    return {
        "id": ulid(at_us, rng.getrandbits(80)), "request_id": ulid(at_us, rng.getrandbits(80)), "attempt": 1, "at_us": at_us,
        "org_id": "default", "workspace_id": f"W{key % 2}", "key_id": f"K{key}", "model": f"m{rng.randrange(3)}", "target_id": "t",
        "provider": "openai", "state": rng.choice(("observed", "observed", "estimated", "adjusted")),
        "cost_micros": rng.randrange(-50, 5_000), "tokens_input": rng.randrange(900), "tokens_output": rng.randrange(900),
        "tokens_cache_read": rng.randrange(90), "tokens_cache_write_1h": rng.randrange(9), "tokens_output_audio": rng.randrange(5),
    }  # fmt: skip


def fill(engine: Engine, count: int, seed: int = 1, *, until_us: int = NOW) -> None:
    rng = Random(seed)
    with engine.begin() as connection:
        connection.execute(insert(tables.charges), [charge_of(rng, rng.randrange(START, until_us)) for _ in range(count)])
        for number in range(4):
            connection.execute(
                insert(tables.virtual_keys).values(
                    id=f"K{number}", org_id="default", workspace_id=f"W{number % 2}", digest=f"{seed}{number}", created_us=START,
                    metadata_json=('{"team": "search", "stage": "x"}', '{"team": "search"}', "{}", "{}")[number],
                )
            )  # fmt: skip


def roll_all(engine: Engine, now_us: int = NOW, most: int = 1_000) -> int:
    done = 0
    while done < most:
        with engine.begin() as connection:
            if not roll_up(connection, now_us):
                break
        done += 1
    return done


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = open_writer(url)
    yield made
    made.dispose()


def answers(reads: Reads, asked: Filter) -> dict[str, Any]:
    found: dict[str, Any] = {group: reads.spend(asked, group) for group in SPEND_GROUPS}
    found["Kathmandu"] = reads.spend(asked, "day", "Asia/Kathmandu")
    found["total"], found["timeline"] = reads.spend_total(asked), reads.spend_timeline(asked)
    found["models"] = reads.choices(asked).models
    return found


PERIODS = [
    Filter(),
    Filter(from_us=START + DAY_US, to_us=START + 3 * DAY_US),
    Filter(from_us=START + 12_345_678_901, to_us=NOW - 987_654_321),
    Filter(from_us=START + QUARTER_US + 5, to_us=START + QUARTER_US + 9_000_000),
    Filter(from_us=START + 2 * DAY_US + 3 * HOUR_US, key="K1"),
    Filter(to_us=START + 4 * DAY_US + 1, workspace="W1", model="m2"),
    Filter(from_us=NOW),
]


def test_what_is_summed_ahead_gives_what_the_charges_give(url: str, engine: Engine) -> None:
    fill(engine, 3_000)
    reads = open_reads(url)
    before = [answers(reads, asked) for asked in PERIODS]
    assert before[0]["total"]["charges"] == 3_000
    for most in (1, 30, 1_000):  # within a day, within another, to the end
        roll_all(engine, most=most)
        assert [answers(reads, asked) for asked in PERIODS] == before
    with engine.connect() as connection:
        assert rolled_until(connection) == (NOW - REST_US) // HOUR_US * HOUR_US
        assert connection.execute(select(func.sum(tables.spend_quarters.c.charges))).scalar_one() > 2_700
    reads.close()


def test_reads_do_look_at_what_was_summed(url: str, engine: Engine) -> None:
    """Without the charges, the sums of the hours that were summed are still there: they are not added up again."""
    fill(engine, 500)
    roll_all(engine)
    reads = open_reads(url)
    asked = Filter(from_us=START, to_us=START + 4 * DAY_US)
    before = answers(reads, asked)
    with engine.begin() as connection:
        connection.execute(delete(tables.charges))
    assert answers(reads, asked) == before
    reads.close()


def test_a_charge_that_comes_late_counts_at_once_and_once(url: str, engine: Engine) -> None:
    fill(engine, 800)
    roll_all(engine)
    reads = open_reads(url)
    rng = Random(9)
    with engine.begin() as connection:
        late = [charge_of(rng, START + DAY_US + 5), charge_of(rng, START + 3 * DAY_US + 7 * HOUR_US)]
        connection.execute(insert(tables.charges), late)
        reopen(connection, [row["at_us"] for row in late])
    open_gaps = answers(reads, Filter())
    assert open_gaps["total"]["charges"] == 802
    assert roll_all(engine) == 2
    assert answers(reads, Filter()) == open_gaps
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.spend_gaps)).scalar_one() == 0
        assert connection.execute(select(func.sum(tables.spend_days.c.charges))).scalar_one() == (
            connection.execute(select(func.count()).where(tables.charges.c.at_us < START + DAYS * DAY_US)).scalar_one()
        )
    reads.close()


def test_an_idle_week_takes_one_step(engine: Engine) -> None:
    rng = Random(2)
    with engine.begin() as connection:
        connection.execute(insert(tables.charges), [charge_of(rng, START + 5), charge_of(rng, START + 3 * DAY_US + 9 * HOUR_US)])
    assert roll_all(engine) == 2
    with engine.connect() as connection:
        assert connection.execute(select(tables.spend_days.c.start_us)).scalars().all() == [START]


async def test_a_settlement_that_had_to_wait_reopens_its_hour(url: str, engine: Engine) -> None:
    clock = Clock()
    async with running(url, clock=clock) as ledger:
        for wait_us in (0, 3 * DAY_US):
            begun = intent()
            await ledger.open(begun)
            clock.at += wait_us
            await ledger.close(settlement(begun.event.request_id))
    hours = [row["hour_us"] for row in rows(url, tables.spend_gaps)]
    assert hours == [1_795_000_000_000_000 // HOUR_US * HOUR_US]
    assert roll_all(engine, clock.at) == 1
    reads = open_reads(url)
    assert reads.spend_total()["charges"] == 2
    reads.close()


def test_only_late_rows_are_late() -> None:
    row = ("id", "request", 1)
    assert late_hours([(*row, NOW), (*row, NOW - HOUR_US // 4)], NOW) == []
    assert late_hours([(*row, NOW - HOUR_US), (*row, NOW - HOUR_US)], NOW) == [((NOW - HOUR_US) // HOUR_US * HOUR_US,)]


moments = st.integers(0, 4 * DAY_US).map(lambda at: at + DAY_US)


@settings(max_examples=300, deadline=None)
@given(
    low=st.just(0) | moments, length=st.just(0) | st.integers(1, 4 * DAY_US), mark=st.integers(0, 120).map(lambda n: n * HOUR_US),
    gaps=st.lists(st.integers(0, 119), unique=True, max_size=6), whole=st.booleans(),
)  # fmt: skip
def test_the_spans_are_the_period_without_overlap_and_never_a_gap(low: int, length: int, mark: int, gaps: list[int], whole: bool) -> None:
    high = (low or DAY_US) + length if length else 0
    starts = sorted(gap * HOUR_US for gap in gaps if gap * HOUR_US < mark)
    found = cut(low, high, mark, starts, whole_days=whole)
    end = 10 * DAY_US
    spans = sorted((start, stop or end) for start, stop in (*found.days, *found.quarters, *found.charges))
    assert spans[0][0] == low
    assert spans[-1][1] == (high or end)
    assert all(one[1] == two[0] for one, two in pairwise(spans))
    for start, stop in (*found.days, *found.quarters):
        assert stop <= mark
        assert not any(start < gap + HOUR_US and gap < stop for gap in starts)
    assert all(start % DAY_US == 0 and stop % DAY_US == 0 for start, stop in found.days)
    assert all(start % QUARTER_US == 0 and stop % QUARTER_US == 0 for start, stop in found.quarters)
    assert whole or not found.days
