from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from collectors.otlp.bodies import BodyLimits
from pipeline.errors import PipelineError
from pipeline.gateway.intake import Intake
from redactors import build_redactor
from tests.compiled import compiled_patterns


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def intake(pool: ThreadPoolExecutor, **more: Any) -> Intake:
    given: dict[str, Any] = {"most": 2, "fault_s": 1.0, "destinations": {"traces": ("d",)}, "generation": lambda: 0, **more}
    return Intake(pool=pool, limits=BodyLimits(), **given)


async def test_work_that_hangs_is_given_up_and_can_be_sent_again(pool: ThreadPoolExecutor) -> None:
    released = threading.Event()
    try:
        with pytest.raises(PipelineError) as late:
            await intake(pool, patience_s=0.01).work(released.wait, 30.0)
        assert (late.value.status, late.value.code, late.value.headers) == (503, "telemetry_timeout", {"retry-after": "5"})
    finally:
        released.set()


async def test_an_error_of_the_work_is_the_callers(pool: ThreadPoolExecutor) -> None:
    def fail() -> None:
        raise PipelineError("no", code="x")

    with pytest.raises(PipelineError, match="no"):
        await intake(pool).work(fail)


def test_places_are_bounded_and_given_back(pool: ThreadPoolExecutor) -> None:
    full = intake(pool, most=2)
    with ExitStack() as stack:
        stack.enter_context(full.place())
        stack.enter_context(full.place())
        with pytest.raises(PipelineError) as refused, full.place():
            pass
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "5"})
    with full.place():
        pass


def test_what_was_silent_is_forgotten_when_a_live_secret_is_announced_and_kept_apart_for_every_policy(pool: ThreadPoolExecutor) -> None:
    now = [0]
    kept = intake(pool, generation=lambda: now[0])
    patterns = compiled_patterns()
    one, other = (build_redactor(direction="telemetry", pattern_set=patterns) for _ in range(2))
    first = kept.memory(one)

    assert kept.memory(one) is first
    assert kept.memory(other) is not first
    now[0] = 1
    assert kept.memory(one) is not first
    assert kept.memory(one).generation == 1
