"""A call over its targets, with the direct lane over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import PipelineError, VaultUnavailable
from pipeline.routing.attempts import TargetsFailed, ask, outward
from pipeline.routing.demo import DemoProvider
from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.model import Attempt, FailureClass, ModelRoute, Outbound, Target, UpstreamError
from pipeline.routing.providers import Catalog, Providers
from pipeline.routing.router import Router
from pipeline.vaults.model import Secret
from tests.pipeline.routing.asking import HandClock, collect, failure, outbound, secret, target, text_of
from tests.servers.provider import Provider


class House:
    """Everything that `ask` needs, over the loopback server; models of the targets are scripts."""

    def __init__(self, server: Provider, direct: DirectProvider, catalog: Catalog, models: tuple[str, ...], **route: object) -> None:
        targets = tuple(target("openai", model, server.url + "/v1", ident=f"t{at}") for at, model in enumerate(models))
        self.clock = HandClock()
        self.router = Router({"m": ModelRoute("m", "ordered", targets, **route)}, self.clock, random.Random(1))  # type: ignore[arg-type]
        self.providers = Providers(direct=direct, litellm=LitellmProvider(catalog), demo=DemoProvider(self.clock), catalog=catalog)
        self.opened: list[tuple[str, Secret | None]] = []
        self.keys: dict[str, list[Secret | PipelineError]] = {}
        self.tried: list[Attempt] = []

    async def open_key(self, to: Target, rejected: Secret | None) -> Secret | None:
        self.opened.append((to.id, rejected))
        keys = self.keys.get(to.id, [secret()])
        key = keys[min(sum(ident == to.id for ident, _ in self.opened), len(keys)) - 1]
        if isinstance(key, PipelineError):
            raise key
        return key

    async def ask(self, *, stream: bool = False):  # type: ignore[no-untyped-def]
        def make(to: Target) -> Outbound:
            return outbound(to, stream=stream)

        plan = self.router.plan("m")
        return await ask(plan, make, self.open_key, self.providers, self.router, self.clock, tried=self.tried)


@pytest.fixture
def house(provider: Provider, direct: DirectProvider, catalog: Catalog) -> Callable[..., House]:
    return lambda *models, **route: House(provider, direct, catalog, models, **route)


def outcomes(house: House) -> list[tuple[str, str, int]]:
    return [(attempt.target_id, attempt.outcome, attempt.status) for attempt in house.tried]


Make = Callable[..., House]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_first_target_answers(house: Make, provider: Provider, stream: bool) -> None:
    home = house("echo", "echo")
    answer = await home.ask(stream=stream)
    assert text_of(await collect(answer.deltas), "openai.chat") == "hello there you"
    assert outcomes(home) == [("t0", "ok", 200)]
    (attempt,) = answer.attempts
    assert (attempt.lane, attempt.provider, attempt.model) == ("direct", "openai", "echo")
    assert (attempt.secret_reference, attempt.secret_version, attempt.secret_fingerprint) == ("ref", "1", "fp-1")
    assert attempt.upstream_id == "req_" + provider.calls[0].ident
    assert answer.secret is not None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "outcome", "status"), [("500", "5xx", 500), ("429:9", "rate_limit", 429), ("rst", "connect", 0)])
async def test_a_failure_before_the_first_piece_moves_on(house: Make, stream: bool, model: str, outcome: str, status: int) -> None:
    home = house(model, "echo")
    answer = await home.ask(stream=stream)
    assert text_of(await collect(answer.deltas), "openai.chat") == "hello there you"
    assert outcomes(home) == [("t0", outcome, status), ("t1", "ok", 200)]


@pytest.mark.parametrize("model", ["400", "context", "filter", "404"])
async def test_a_failure_that_is_not_retried_ends_the_call(house: Make, model: str) -> None:
    home = house(model, "echo")
    with pytest.raises(TargetsFailed) as raised:
        await home.ask()
    assert [attempt.target_id for attempt in raised.value.attempts] == ["t0"]
    assert raised.value.attempts == tuple(home.tried)


async def test_the_route_says_what_is_retried(house: Make) -> None:
    home = house("404", "echo", retry_on=("not_found",))
    await home.ask()
    assert outcomes(home) == [("t0", "not_found", 404), ("t1", "ok", 200)]


async def test_after_the_first_piece_no_other_target_is_tried(house: Make) -> None:
    home = house("trunc@2", "echo")
    answer = await home.ask(stream=True)
    error, came = await failure(answer.deltas)
    assert (error.failure, error.started, error.target_id) == ("broken_stream", True, "t0")
    assert len(came) == 2
    assert outcomes(home) == [("t0", "ok", 200)]


async def test_every_target_failing_carries_all_attempts_and_the_last_failure(house: Make) -> None:
    home = house("500", "503", "429:7", max_retries=2)
    with pytest.raises(TargetsFailed) as raised:
        await home.ask()
    error = raised.value
    assert [attempt.outcome for attempt in error.attempts] == ["5xx", "5xx", "rate_limit"]
    assert (error.last.failure, error.last.target_id) == ("rate_limit", "t2")
    assert (error.status, error.headers["Retry-After"]) == (429, "7")
    assert "Scripted" not in str(error)


async def test_a_passing_failure_is_tried_again_on_the_same_target(house: Make, provider: Provider) -> None:
    home = house("echo+flaky:503:2", max_retries=2)
    answer = await home.ask()
    assert text_of(await collect(answer.deltas), "openai.chat") == "hello there you"
    assert [outcome for _, outcome, _ in outcomes(home)] == ["5xx", "5xx", "ok"]


async def test_max_retries_bounds_the_attempts(house: Make, provider: Provider) -> None:
    home = house("500", "500", "500", "echo", max_retries=1)
    with pytest.raises(TargetsFailed):
        await home.ask()
    assert len(provider.calls) == 2


async def test_a_long_rate_limit_is_not_waited_for(house: Make, provider: Provider) -> None:
    home = house("429:30", max_retries=5)
    with pytest.raises(TargetsFailed):
        await home.ask()
    assert len(provider.calls) == 1


async def test_without_fallback_there_is_one_attempt(house: Make, provider: Provider) -> None:
    home = house("500", "echo", fallback_enabled=False)
    with pytest.raises(TargetsFailed):
        await home.ask()
    assert len(provider.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_key_is_read_again_and_tried_once_more(house: Make, provider: Provider, stream: bool) -> None:
    home = house("echo")
    old, new = secret("old-key"), secret("new-key", "2")
    home.keys["t0"] = [old, new]
    provider.accept_keys = {"new-key"}
    answer = await home.ask(stream=stream)
    await collect(answer.deltas)
    assert home.opened == [("t0", None), ("t0", old)]
    assert provider.keys == ["old-key", "new-key"]
    assert [(attempt.outcome, attempt.secret_version) for attempt in home.tried] == [("auth", "1"), ("ok", "2")]
    assert answer.secret is new


async def test_a_key_that_stays_refused_is_tried_twice_and_no_more(house: Make, provider: Provider) -> None:
    home = house("echo")
    provider.accept_keys = {"another"}
    with pytest.raises(TargetsFailed) as raised:
        await home.ask()
    assert provider.keys == ["key-one", "key-one"]
    assert (raised.value.last.failure, raised.value.status, raised.value.code) == ("auth", 502, "upstream_auth")


async def test_a_refused_key_moves_on_where_the_route_says_so(house: Make, provider: Provider) -> None:
    home = house("echo", "echo", retry_on=("auth",))
    home.keys = {"t0": [secret("bad")], "t1": [secret("good")]}
    provider.accept_keys = {"good"}
    await home.ask()
    assert [attempt.outcome for attempt in home.tried] == ["auth", "auth", "ok"]


async def test_a_key_that_cannot_be_had_moves_on_to_the_next_target(house: Make, provider: Provider) -> None:
    home = house("echo", "echo")
    home.keys["t0"] = [VaultUnavailable("The vault cannot be reached.")]
    await home.ask()
    assert outcomes(home) == [("t0", "secret_unavailable", 0), ("t1", "ok", 200)]
    assert len(provider.calls) == 1


async def test_a_key_that_cannot_be_had_for_the_last_target_is_raised(house: Make, provider: Provider) -> None:
    home = house("500", "echo", max_retries=1)
    home.keys["t1"] = [VaultUnavailable("The vault cannot be reached.")]
    with pytest.raises(VaultUnavailable):
        await home.ask()
    assert outcomes(home) == [("t0", "5xx", 500), ("t1", "secret_unavailable", 0)]


async def test_a_cancelled_attempt_is_remembered(house: Make, provider: Provider) -> None:
    home = house("hang")
    task = asyncio.create_task(home.ask())
    while not provider.calls:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcomes(home) == [("t0", "cancelled", 0)]


@pytest.mark.parametrize(
    ("model", "more", "outcome", "unanswered"),
    [
        ("500", {}, "5xx", False),
        ("429:60", {}, "rate_limit", False),
        ("401", {}, "auth", False),
        ("redirect", {}, "5xx", False),
        ("error@0", {}, "5xx", False),
        ("rst", {}, "connect", True),
        ("hang", {"first_byte_timeout_s": 0.2}, "timeout", True),
        ("html", {}, "broken_stream", True),
        ("trunc@0", {}, "broken_stream", True),
        ("longline", {}, "too_large", True),
        ("echo", {"base_url": "http://127.0.0.1:9"}, "connect", False),
        ("echo", {"base_url": "http://nowhere.invalid"}, "connect", False),
        ("echo", {"base_url": "https"}, "connect", False),
        ("echo", {}, "ok", False),
    ],
)
async def test_an_attempt_that_was_sent_and_never_answered_is_marked(
    house: Make, provider: Provider, model: str, more: dict[str, Any], outcome: str, unanswered: bool
) -> None:
    """A provider that said no, and one that never got the request, bill nothing; the others may."""
    base = {"https": provider.url.replace("http:", "https:")}.get(str(more.get("base_url")), more.get("base_url"))
    home = house(model, fallback_enabled=False)
    (route,) = (home.router.route("m"),)
    changed = replace(route.targets[0], **{**more, "base_url": base or route.targets[0].base_url})
    home.router = Router({"m": replace(route, targets=(changed,))}, home.clock, random.Random(1))
    with contextlib.suppress(TargetsFailed):
        answer = await home.ask(stream=True)
        await answer.aclose()
    assert (home.tried[-1].outcome, home.tried[-1].unanswered) == (outcome, unanswered)


async def test_a_cancelled_attempt_is_unanswered_once_it_was_sent(house: Make, provider: Provider) -> None:
    home = house("hang")
    task = asyncio.create_task(home.ask())
    while not provider.calls:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [attempt.unanswered for attempt in home.tried] == [True]


async def test_closing_an_unread_answer_cancels_the_call_upstream(house: Make, provider: Provider) -> None:
    home = house("say:500+pace:0.01")
    answer = await home.ask(stream=True)
    await answer.aclose()
    for _ in range(200):
        if provider.calls[0].disconnected:
            break
        await asyncio.sleep(0.01)
    assert provider.calls[0].disconnected


async def test_failing_targets_rest_for_the_next_plan(house: Make, provider: Provider) -> None:
    home = house("429:60", "echo")
    await home.ask()
    await home.ask()
    assert [call.model for call in provider.calls] == ["429:60", "echo", "echo"]


@pytest.mark.parametrize(
    ("failed", "upstream", "status", "code"),
    [
        ("rate_limit", 429, 429, "upstream_rate_limit"),
        ("timeout", 0, 504, "upstream_timeout"),
        ("5xx", 500, 502, "upstream_error"),
        ("connect", 0, 502, "upstream_error"),
        ("broken_stream", 200, 502, "upstream_protocol_error"),
        ("bad_request", 422, 422, "upstream_bad_request"),
        ("bad_request", 200, 400, "upstream_bad_request"),
        ("context_window", 400, 400, "context_length_exceeded"),
        ("content_policy", 400, 400, "content_filter"),
        ("not_found", 404, 404, "upstream_not_found"),
        ("auth", 401, 502, "upstream_auth"),
        ("too_large", 413, 413, "request_too_large"),
        ("too_large", 200, 502, "upstream_answer_too_large"),
    ],
)
def test_what_a_failure_means_to_the_caller(failed: FailureClass, upstream: int, status: int, code: str) -> None:
    assert outward(UpstreamError(failed, status=upstream))[:2] == (status, code)
