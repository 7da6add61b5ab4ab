"""Whether a key spends as it used to: robust against its own bursts, silent without a history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.ids import ulid
from pipeline.ledger.anomalies import Spike, score, spikes
from pipeline.ledger.ledger import DurableLedger
from pipeline.periods import HOUR_US
from tests.pipeline.ledger.calls import NOW, charge, event, running

STEADY = [90, 100, 110, 95, 105, 100, 102, 98] * 3


@pytest.mark.parametrize(
    ("past", "now", "told"),
    [
        (STEADY, 130, True),
        (STEADY, 115, False),
        (STEADY, 5, False),  # to spend less is no alarm
        ([*STEADY, *[5_000] * 10], 200, True),  # a third of the past being bursts does not hide the next
        ([0] * 20 + [10, 20, 10, 30], 40, True),
        ([0] * 12 + [1_000, 2_000, 3_000, 2_500] * 3, 2_500, False),
        ([0] * 24, 1, True),
        ([7] * 24, 7, False),
    ],
)
def test_a_spike_stands_out_of_the_past(past: list[int], now: int, told: bool) -> None:
    assert (score(past, now) > 3.5) is told


def test_the_score_is_that_of_iglewicz_and_hoaglin() -> None:
    past = [1, 2, 3, 4, 5]  # median 3, MAD 1
    assert score(past, 10) == pytest.approx(0.6745 * 7)


async def spend(ledger: DurableLedger, at_us: int, micros: int, key: str = "K1") -> None:
    request_id = ulid(at_us)
    of = replace(charge(request_id, micros), at_us=at_us, key_id=key)
    await ledger.append(event("gateway:call:finish", request_id), of)


async def test_only_the_key_that_changed_is_found(url: str) -> None:
    def look(**more: Any) -> Any:
        asked = {"least_micros": 1_000, "threshold": 3.5, **more}
        return ledger.run(lambda connection: spikes(connection, NOW, **asked))

    async with running(url) as ledger:
        for hour in range(1, 31):
            for key in ("K1", "K2"):
                await spend(ledger, NOW - hour * HOUR_US - HOUR_US // 2, 1_000 + hour % 3, key)
        await spend(ledger, NOW - 3, 9_000, "K1")
        await spend(ledger, NOW - 3, 1_001, "K2")
        await spend(ledger, NOW - 3, 1_000_000, "K3")  # never seen before: nothing is usual yet
        found = await look()
        assert [(each.key_id, each.spent_micros, each.usual_micros) for each in found] == [("K1", 9_000, 1_001)]
        assert isinstance(found[0], Spike)
        assert await look(least_micros=9_001) == ()
