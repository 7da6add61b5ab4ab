from __future__ import annotations

import random

import pytest

from pipeline.errors import ConfigError, NoTarget
from pipeline.routing.cooldown import Cooldown
from pipeline.routing.model import ModelRoute, Strategy, Target
from pipeline.routing.router import Router
from tests.pipeline.routing.asking import HandClock, target


def route(name: str, *idents: str, strategy: Strategy = "ordered", weights: tuple[int, ...] = (), **more: object) -> ModelRoute:
    targets = tuple(target(ident=ident, weight=weight) for ident, weight in zip(idents, weights or (1,) * len(idents), strict=True))
    return ModelRoute(name, strategy, targets, **more)  # type: ignore[arg-type]


def router(*routes: ModelRoute, clock: HandClock | None = None) -> Router:
    return Router({one.name: one for one in routes}, clock or HandClock(), random.Random(7))


def idents(targets: tuple[Target, ...]) -> list[str]:
    return [one.id for one in targets]


def test_ordered_targets_keep_their_order() -> None:
    plan = router(route("m", "a", "b", "c")).plan("m")
    assert (idents(plan.targets), plan.max_attempts, plan.model) == (["a", "b", "c"], 3, "m")


def test_an_unknown_model_is_404() -> None:
    with pytest.raises(NoTarget) as raised:
        router(route("m", "a")).plan("other")
    assert (raised.value.status, raised.value.code, raised.value.param) == (404, "model_not_found", "model")


def test_models_are_listed_in_the_documents_order() -> None:
    assert router(route("z", "a"), route("b", "a")).models() == ("z", "b")


def test_weighted_targets_come_first_as_often_as_their_weight_says() -> None:
    house = router(route("m", "a", "b", "c", strategy="weighted", weights=(7, 2, 1)))
    first = [house.plan("m").targets[0].id for _ in range(5_000)]
    assert abs(first.count("a") / 5_000 - 0.7) < 0.03
    assert abs(first.count("b") / 5_000 - 0.2) < 0.03


def test_a_weighted_plan_has_every_target_once() -> None:
    house = router(route("m", "a", "b", "c", strategy="weighted", weights=(5, 1, 1)))
    assert all(sorted(idents(house.plan("m").targets)) == ["a", "b", "c"] for _ in range(50))


def test_weight_zero_is_a_spare_that_comes_last() -> None:
    house = router(route("m", "a", "b", strategy="weighted", weights=(0, 1)))
    assert {tuple(idents(house.plan("m").targets)) for _ in range(50)} == {("b", "a")}


def test_without_fallback_only_the_first_target_is_tried_once() -> None:
    plan = router(route("m", "a", "b", fallback_enabled=False)).plan("m")
    assert (idents(plan.targets), plan.max_attempts) == (["a"], 1)


def test_fallback_models_add_their_targets_once() -> None:
    house = router(route("m", "a", "b", fallbacks=("n", "o")), route("n", "b", "c", fallbacks=("o",)), route("o", "d"))
    assert idents(house.plan("m").targets) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "routes",
    [
        (route("m", "a", fallbacks=("m",)),),
        (route("m", "a", fallbacks=("n",)), route("n", "b", fallbacks=("o",)), route("o", "c", fallbacks=("m",))),
    ],
)
def test_circular_fallbacks_are_refused(routes: tuple[ModelRoute, ...]) -> None:
    with pytest.raises(ConfigError, match="circle"):
        router(*routes)


@pytest.mark.parametrize(
    "broken", [route("m"), route("m", "a", fallbacks=("nowhere",)), route("m", "a", strategy="weighted", weights=(0,))]
)
def test_routes_that_cannot_work_are_refused(broken: ModelRoute) -> None:
    with pytest.raises(ConfigError):
        router(broken)


def test_a_resting_target_is_left_out_until_its_rest_is_over() -> None:
    clock = HandClock()
    house = router(route("m", "a", "b"), clock=clock)
    for _ in range(3):
        house.report(house.plan("m").targets[0], "5xx")
    assert idents(house.plan("m").targets) == ["b"]
    assert house.resting() == ("a",)
    clock.at += 6.1
    assert idents(house.plan("m").targets) == ["a", "b"]


def test_when_all_targets_rest_all_are_tried() -> None:
    house = router(route("m", "a", "b"))
    for one in house.targets():
        house.report(one, "rate_limit")
    assert idents(house.plan("m").targets) == ["a", "b"]


@pytest.mark.parametrize(
    ("outcome", "times"), [("rate_limit", 1), ("auth", 1), ("5xx", 3), ("timeout", 3), ("connect", 3), ("broken_stream", 3)]
)
def test_failures_rest_a_target_when_there_were_enough(outcome: str, times: int) -> None:
    cooldown = Cooldown(HandClock(), random.Random(1))
    for count in range(times):
        assert not cooldown.resting("a"), count
        cooldown.report("a", outcome)
    assert cooldown.resting("a")


@pytest.mark.parametrize("outcome", ["bad_request", "context_window", "content_policy", "not_found", "too_large", "secret_unavailable"])
def test_the_callers_own_failures_never_rest_a_target(outcome: str) -> None:
    cooldown = Cooldown(HandClock(), random.Random(1))
    for _ in range(20):
        cooldown.report("a", outcome)
    assert not cooldown.resting("a")


def test_a_success_forgets_the_failures() -> None:
    cooldown = Cooldown(HandClock(), random.Random(1))
    for outcome in ("5xx", "5xx", "ok", "5xx", "5xx"):
        cooldown.report("a", outcome)
    assert not cooldown.resting("a")


def test_rests_grow_and_have_jitter_and_an_end() -> None:
    clock = HandClock()
    lengths = []
    for seed in range(20):
        cooldown = Cooldown(clock, random.Random(seed))
        for _ in range(3):
            cooldown.report("a", "5xx")
        start = clock.at
        while cooldown.resting("a"):
            clock.at += 0.01
        lengths.append(clock.at - start)
    assert min(lengths) >= 5
    assert max(lengths) <= 6.1
    assert len({round(length, 2) for length in lengths}) > 5
    cooldown = Cooldown(clock, random.Random(0))
    for _ in range(40):
        cooldown.report("a", "rate_limit")
    clock.at += 145
    assert not cooldown.resting("a")


def test_the_providers_own_word_sets_the_rest() -> None:
    clock = HandClock()
    cooldown = Cooldown(clock, random.Random(1))
    cooldown.report("a", "rate_limit", 30.0)
    clock.at += 29
    assert cooldown.resting("a")
    clock.at += 8
    assert not cooldown.resting("a")
