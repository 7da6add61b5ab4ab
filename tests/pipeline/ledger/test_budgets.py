"""The arithmetic of budgets, and what an administrator may set."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import parse_rfc3339, rfc3339
from pipeline.errors import BadRequest
from pipeline.ledger.budgets import (
    Standing,
    delete_budget,
    get_budget,
    list_budgets,
    period_end,
    period_start,
    reserve,
    roll,
    set_budget,
    settle,
)
from pipeline.ledger.model import Scope
from tests.pipeline.ledger.calls import KEY, NOW, WORKSPACE, running


def standing(limit: int = 100, spent: int = 0, reserved: int = 0, period: str = "", start_us: int = 0) -> Standing:
    return Standing("B", "key", "K1", limit, period, start_us, spent, reserved)


@pytest.mark.parametrize(
    ("period", "moment", "start", "end"),
    [
        ("day", "2026-11-21T23:59:59Z", "2026-11-21", "2026-11-22"),
        ("week", "2026-11-21T12:00:00Z", "2026-11-16", "2026-11-23"),
        ("week", "2026-11-16T00:00:00Z", "2026-11-16", "2026-11-23"),
        ("month", "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T00:00:00Z", "2028-02-01", "2028-03-01"),
    ],
)
def test_periods_are_calendar_periods_in_utc(period: str, moment: str, start: str, end: str) -> None:
    began = period_start(period, parse_rfc3339(moment))
    assert rfc3339(began)[:10] == start
    assert rfc3339(period_end(period, began))[:10] == end


@given(moment=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)), period=st.sampled_from(["day", "week", "month"]))
def test_every_moment_lies_in_its_period(moment: datetime, period: str) -> None:
    at_us = int(moment.replace(tzinfo=UTC).timestamp() * 1_000_000)
    start = period_start(period, at_us)
    assert start <= at_us < period_end(period, start)
    assert period_start(period, start) == start


def test_all_scopes_are_reserved_or_none() -> None:
    wide, narrow = standing(limit=1_000), standing(limit=50)
    assert reserve([wide, narrow], 60) is narrow
    assert (wide.reserved, narrow.reserved, wide.touched) == (0, 0, False)
    assert reserve([wide, narrow], 50) is None
    assert (wide.free, narrow.free) == (950, 0)


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 100)), max_size=30))
def test_spent_and_reserved_never_pass_the_limit(calls: list[tuple[int, int]]) -> None:
    held = standing(limit=300)
    for amount, share in calls:
        if reserve([held], amount) is None:
            assert held.spent + held.reserved <= held.limit
            settle(held, amount, amount * share // 100)
        assert held.reserved == 0
        assert held.spent <= held.limit


def test_a_period_starts_anew_once() -> None:
    held = standing(spent=70, reserved=20, period="day", start_us=period_start("day", NOW))
    roll(held, NOW)
    assert held.spent == 70
    roll(held, NOW + 86_400_000_000)
    assert (held.spent, held.reserved) == (0, 20)
    settle(held, 20, 5)
    roll(held, NOW + 86_400_000_000)
    assert held.spent == 5


async def test_budgets_are_set_changed_shown_and_deleted(url: str) -> None:
    async with running(url) as ledger:
        made = await ledger.run(lambda connection: set_budget(connection, KEY, 500, "day", NOW))
        assert (made.scope, made.limit_micros, made.period, made.spent_micros) == (KEY, 500, "day", 0)
        assert made.period_start_us == period_start("day", NOW)
        changed = await ledger.run(lambda connection: set_budget(connection, KEY, 700, "month", NOW))
        assert (changed.id, changed.limit_micros, changed.period_start_us) == (made.id, 700, period_start("month", NOW))
        await ledger.run(lambda connection: set_budget(connection, WORKSPACE, 0, "", NOW))
        assert {budget.scope for budget in await ledger.run(list_budgets)} == {KEY, WORKSPACE}
        assert await ledger.run(lambda connection: delete_budget(connection, KEY))
        assert not await ledger.run(lambda connection: delete_budget(connection, KEY))
        assert await ledger.run(lambda connection: get_budget(connection, KEY)) is None


@pytest.mark.parametrize(("limit", "period"), [(-1, "day"), (1 << 63, "day"), (5, "year")])
async def test_a_budget_that_makes_no_sense_is_refused(sqlite_url: str, limit: int, period: str) -> None:
    async with running(sqlite_url) as ledger:
        with pytest.raises(BadRequest):
            await ledger.run(lambda connection: set_budget(connection, Scope("org", "default"), limit, period, NOW))
