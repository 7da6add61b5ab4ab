from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, PipelineError
from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_parts import Parts
from pipeline.routing.model import Surface, Usage
from pipeline.routing.prices import ModelPrice, PriceMap, pico, read_price_map
from pipeline.routing.pricing import IMAGE_TOKENS, OVERHEAD, Pricer
from pipeline.routing.usage import UsageMeter, openai_usage
from tests.pipeline.routing.asking import at, body_for, collect, outbound, secret, target
from tests.servers.provider import Provider
from tests.servers.provider_calls import Price


@pytest.fixture(scope="module")
def prices() -> PriceMap:
    return read_price_map()


@pytest.fixture(scope="module")
def pricer(prices: PriceMap) -> Pricer:
    return Pricer(prices, {"openai/echo": {"input_per_mtok_usd": 1.1, "output_per_mtok_usd": 3.3, "cache_read_per_mtok_usd": 0.1}})


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [(1e-06, 1_000_000), (2.5e-08, 25_000), (1.3125e-07, 131_250), ("3e-7", 300_000), (0, 0), (1.5e-12, 2), (1.4e-12, 1), (5e-13, 1)],
)
def test_prices_are_whole_pico_dollars_rounded_half_up(dollars: Any, expected: int) -> None:
    assert pico(dollars) == expected


@pytest.mark.parametrize("broken", ["free", None, -1, float("nan"), float("inf"), [1]])
def test_what_is_no_price_is_refused(broken: Any) -> None:
    with pytest.raises(ConfigError):
        pico(broken)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "micros"),
    [
        ("openai", "gpt-5-mini", Usage(input=1_000, output=500), 1_250),
        ("openai", "gpt-5-mini", Usage(input=600, cache_read=400, output=300, reasoning=200), 1_160),
        ("openai", "gpt-5-mini", Usage(input=1_000, output=500, service_tier="flex"), 625),
        ("openai", "gpt-5-mini", Usage(input=1_000, output=500, service_tier="priority"), 2_250),
        ("openai", "gpt-5-mini", Usage(input=1_000, output=500, service_tier="batch"), 625),
        ("anthropic", "claude-sonnet-4-5", Usage(1_000, 1_000, 1_000, 1_000, output=1_000), 28_050),
        ("gemini", "gemini-2.5-pro", Usage(input=200_000, output=1_000), 260_000),
        ("gemini", "gemini-2.5-pro", Usage(input=200_001, output=1_000), 515_003),
        ("gemini", "gemini-2.5-pro", Usage(input=200_001, output=1_000, service_tier="priority"), 927_005),
        ("openai", "text-embedding-3-small", Usage(input=1_000), 20),
        ("demo", "demo", Usage(input=1_000, output=1_000), 3_000),
        ("openai", "gpt-5-mini", Usage(input=1), 0),
        ("openai", "gpt-5-mini", Usage(input=2), 1),
    ],
)
def test_a_call_is_charged_to_the_micro_dollar(pricer: Pricer, provider: str, model: str, usage: Usage, micros: int) -> None:
    cost = pricer.cost(target(provider, model), usage)
    assert (cost.micros, cost.known) == (micros, True)
    assert cost.price_digest == pricer.digest


MODELS = [
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "text-embedding-3-large"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("gemini", "gemini-2.5-pro"),
    ("gemini", "gemini-2.5-flash"),
    ("xai", "grok-4.3"),
    ("deepseek", "deepseek-chat"),
    ("mistral", "mistral-large-latest"),
    ("dashscope", "qwen-flash"),
]


@pytest.mark.parametrize(("provider", "model"), MODELS)
@pytest.mark.parametrize("tokens", [100, 128_000, 200_001, 272_001])
@pytest.mark.parametrize("tier", ["", "flex", "priority"])
def test_costs_are_litellms_to_the_micro_dollar(parts: Parts, pricer: Pricer, provider: str, model: str, tokens: int, tier: str) -> None:
    usage = Usage(input=tokens - 50, cache_read=50, output=1_000, service_tier=tier)
    wire = {
        "prompt_tokens": tokens,
        "completion_tokens": 1_000,
        "total_tokens": tokens + 1_000,
        "prompt_tokens_details": {"cached_tokens": 50},
    }
    theirs = parts.module.cost_calculator.cost_per_token(
        model=model, custom_llm_provider=provider, usage_object=parts.module.Usage(**wire), service_tier=tier or None
    )
    ours = pricer.cost(target(provider, model), usage)
    assert ours.known
    assert abs(ours.micros - sum(theirs) * 1e6) <= 0.5 + 1e-3


BUCKETS = [
    ("anthropic", "claude-sonnet-4-5", {"cache_creation_tokens": 4_000, "cached_tokens": 900}, {}),
    ("openai", "gpt-audio", {"audio_tokens": 700}, {"audio_tokens": 300}),
    ("gemini", "gemini-2.5-flash", {"audio_tokens": 700}, {"reasoning_tokens": 400}),
    ("gemini", "gemini-2.5-flash-image", {"image_tokens": 258}, {"image_tokens": 600}),
    ("openai", "o3", {"cached_tokens": 500}, {"reasoning_tokens": 400}),
    ("xai", "grok-4.3", {"cached_tokens": 500}, {"reasoning_tokens": 400}),
]


@pytest.mark.parametrize(("provider", "model", "inward", "outward"), BUCKETS)
def test_every_bucket_costs_what_litellm_says(
    parts: Parts, pricer: Pricer, provider: str, model: str, inward: dict[str, int], outward: dict[str, int]
) -> None:
    wire = {"prompt_tokens": 6_000, "completion_tokens": 1_000, "total_tokens": 7_000}
    details = {"prompt_tokens_details": {**inward, "text_tokens": 6_000 - sum(inward.values())},
               "completion_tokens_details": {**outward, "text_tokens": 1_000 - sum(outward.values())}}  # fmt: skip
    if "cache_creation_tokens" in inward:
        details["cache_creation_input_tokens"] = inward["cache_creation_tokens"]  # type: ignore[assignment]
        details["cache_read_input_tokens"] = inward["cached_tokens"]  # type: ignore[assignment]
    usage = openai_usage({**wire, **details})
    theirs = parts.module.cost_calculator.cost_per_token(
        model=model, custom_llm_provider=provider, usage_object=parts.module.Usage(**wire, **details)
    )
    assert abs(pricer.cost(target(provider, model), usage).micros - sum(theirs) * 1e6) <= 0.5 + 1e-3


def test_litellm_prices_a_batch_as_a_standard_call_and_we_do_not(parts: Parts, pricer: Pricer) -> None:
    """Should this fail, LiteLLM has learned it: then batch belongs to the tiers of the comparison above."""
    wire = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000, "total_tokens": 1_001_000}
    theirs = parts.module.cost_calculator.cost_per_token(
        model="gpt-5-mini", custom_llm_provider="openai", usage_object=parts.module.Usage(**wire), service_tier="batch"
    )
    to = target("openai", "gpt-5-mini")
    standard, batch = (pricer.cost(to, openai_usage(wire, tier)).micros for tier in (None, "batch"))
    assert round(sum(theirs) * 1e6) == standard
    assert batch * 2 == standard


@pytest.mark.parametrize(
    ("provider", "model", "known"),
    [
        ("openai", "gpt-5-mini", True),
        ("hosted_vllm", "gpt-5-mini", False),  # somebody's own server that happens to use the name
        ("openai", "claude-sonnet-4-5", False),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("bedrock", "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("azure", "gpt-4o", True),
        ("openai", "no-such-model", False),
    ],
)
def test_a_price_belongs_to_its_own_provider(pricer: Pricer, provider: str, model: str, known: bool) -> None:
    assert (pricer.price(target(provider, model)) is not None) is known


def test_azure_deployments_are_priced_by_their_base_model(pricer: Pricer) -> None:
    deployment = target("azure", "my-deployment", extra={"base_model": "gpt-4o"})
    assert pricer.cost(deployment, Usage(input=1_000)) == pricer.cost(target("azure", "gpt-4o"), Usage(input=1_000))


@pytest.mark.parametrize("key", ["my-vllm/llama", "my-vllm/*", "t1"])
def test_the_documents_prices_go_before_the_map(prices: PriceMap, key: str) -> None:
    own = Pricer(prices, {key: {"input_per_mtok_usd": 0.2, "output_per_mtok_usd": 0.4}})
    assert own.cost(target("my-vllm", "llama"), Usage(input=1_000_000, output=1_000_000)).micros == 600_000
    assert own.digest != Pricer(prices).digest


@pytest.mark.parametrize("fields", [{"output_per_mtok_usd": 1}, {"input_per_mtok_usd": 1, "typo": 2}, {"input_per_mtok_usd": "x"}])
def test_a_broken_price_in_the_document_is_refused(prices: PriceMap, fields: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ArithmeticError)):
        Pricer(prices, {"a/b": fields}).cost(target("a", "b"), Usage(input=1))


def test_an_unknown_price_is_refused_or_flagged(prices: PriceMap) -> None:
    unknown = target("openai", "no-such-model")
    with pytest.raises(PipelineError) as raised:
        Pricer(prices).worst_case(unknown, "openai.chat", body_for("openai.chat"))
    assert (raised.value.code, raised.value.status, raised.value.type) == ("price_unknown", 403, "permission_error")
    lenient = Pricer(prices, unknown_price="allow")
    assert lenient.worst_case(unknown, "openai.chat", body_for("openai.chat")) == 0
    assert not lenient.cost(unknown, Usage(input=5)).known


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", ["echo", "echo+cached", "say:33", "echo+reasoning"])
async def test_the_sum_of_our_charges_is_the_providers_own_bill(
    direct: DirectProvider, provider: Provider, prices: PriceMap, script: str, stream: bool
) -> None:
    own = Pricer(prices, {"openai/*": {"input_per_mtok_usd": 1.1, "output_per_mtok_usd": 3.3, "cache_read_per_mtok_usd": 0.1}})
    total = 0
    for length in range(1, 30):
        request = outbound(target("openai", script, at(provider.url, "openai")), prompt="hello " * length, stream=stream)
        meter = UsageMeter("openai.chat")
        for delta in await collect(direct.complete(request, secret())):
            meter.see(delta)
        used = meter.usage()
        assert used is not None
        total += own.cost(request.target, used).micros
    assert total == provider.bill({script: Price(input=1_100_000, output=3_300_000, cached=100_000)})


bodies = st.fixed_dictionaries(
    {"messages": st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=300)}), min_size=1, max_size=4)},
    optional={"max_tokens": st.integers(1, 3_000), "n": st.integers(1, 4), "service_tier": st.sampled_from(["auto", "flex", "default"])},
)


@given(body=bodies, share=st.integers(0, 100), tier=st.sampled_from(["", "flex"]))
def test_no_call_costs_more_than_its_worst_case(pricer: Pricer, body: dict[str, Any], share: int, tier: str) -> None:
    to = target("openai", "gpt-5-mini")
    reserved = pricer.worst_case(to, "openai.chat", body)
    text = "".join(message["content"] for message in body["messages"])
    inward = len(text.encode()) + 4 * len(body["messages"])
    outward = body.get("max_tokens", 128_000) * body.get("n", 1)
    cached = inward * share // 100
    assert pricer.cost(to, Usage(input=inward - cached, cache_read=cached, output=outward, service_tier=tier)).micros <= reserved


def test_the_worst_case_takes_the_dearest_way_to_write_and_the_steepest_step(pricer: Pricer) -> None:
    to = target("anthropic", "claude-sonnet-4-5")
    body = body_for("anthropic.messages", "x" * 1_000, max_tokens=100)
    reserved = pricer.worst_case(to, "anthropic.messages", body)
    assert reserved >= pricer.cost(to, Usage(cache_write_1h=1_000, output=100)).micros
    long = target("gemini", "gemini-2.5-pro")
    body = body_for("openai.chat", "x" * 400_000, max_tokens=1_000)
    assert pricer.worst_case(long, "openai.chat", body) >= pricer.cost(long, Usage(input=400_000, output=1_000)).micros


def test_the_models_own_limits_bound_the_worst_case(pricer: Pricer) -> None:
    to = target("openai", "gpt-5-mini")
    huge = body_for("openai.chat", "x" * 5_000_000, max_tokens=10**9)
    assert pricer.worst_case(to, "openai.chat", huge) == -(-((272_000 + OVERHEAD) * 250_000 + 128_000 * 2_000_000) // 1_000_000)


@pytest.mark.parametrize(
    ("surface", "more", "times"),
    [
        ("openai.chat", {"n": 3}, 3),
        ("openai.completions", {"n": 2, "best_of": 4}, 4),
        ("openai.completions", {"prompt": ["a", "b", "c"]}, 3),
    ],
)
def test_every_choice_is_reserved(pricer: Pricer, surface: Surface, more: dict[str, Any], times: int) -> None:
    to = target("openai", "echo")
    one = pricer.worst_case(to, surface, body_for(surface, max_tokens=10_000))
    several = pricer.worst_case(to, surface, body_for(surface, **{"max_tokens": 10_000, **more}))
    assert abs((several - one) - (times - 1) * 33_000) < 200


def test_an_image_is_bounded_by_what_images_cost_not_by_its_encoding(pricer: Pricer) -> None:
    to = target("openai", "gpt-4o")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000_000}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, image]}], "max_tokens": 1}
    reserved = pricer.worst_case(to, "openai.chat", body)
    assert IMAGE_TOKENS * 2_500_000 // 1_000_000 <= reserved <= (IMAGE_TOKENS + OVERHEAD + 200) * 2_500_000 * 2 // 1_000_000


def test_embeddings_reserve_no_output_and_counting_reserves_nothing(pricer: Pricer) -> None:
    embedded = pricer.worst_case(target("openai", "text-embedding-3-small"), "openai.embeddings", body_for("openai.embeddings"))
    assert 0 < embedded < 50
    assert pricer.worst_case(target("anthropic", "claude-sonnet-4-5"), "anthropic.count_tokens", body_for("openai.chat")) == 0


def test_every_entry_of_the_bundled_map_can_be_priced(prices: PriceMap) -> None:
    assert len(prices.entries) > 3_000
    for entry in prices.entries.values():
        price = ModelPrice(entry)
        for tier in ("", "flex", "priority", "batch"):
            for step in range(price.steps):
                assert price.rates(tier, step).input >= 0


@pytest.mark.parametrize("content", [None, "{", "[]", '{"model": 3}'], ids=["missing", "cut off", "list", "no object for a model"])
def test_a_price_map_that_cannot_be_read_is_refused_by_its_name(tmp_path: Any, content: str | None) -> None:
    path = tmp_path / "map.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as refused:
        read_price_map(path)
    assert str(path) in refused.value.hint


def test_the_map_is_read_without_importing_litellm() -> None:
    import subprocess
    import sys

    code = "import sys; from pipeline.routing.prices import read_price_map as r; assert r().entries; assert 'litellm' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
