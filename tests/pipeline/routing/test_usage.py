from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.routing.direct import DirectProvider
from pipeline.routing.model import Delta, Surface, Usage
from pipeline.routing.text_runs import one_by_one
from pipeline.routing.tokens import estimate, estimate_input
from pipeline.routing.usage import UsageMeter, anthropic_usage, openai_usage, weigh
from tests.pipeline.routing.asking import at, body_for, collect, outbound, secret, target
from tests.servers.provider import Provider


@pytest.mark.parametrize(
    ("block", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(input=10, output=5)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
            },
            Usage(input=30, cache_read=60, input_audio=10, output=25, reasoning=20, output_audio=5),
        ),
        # xAI: reasoning beside the completion
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 25, "completion_tokens_details": {"reasoning_tokens": 10}},
            Usage(input=10, output=5, reasoning=10),
        ),
        # DeepSeek's own name
        ({"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 8}, Usage(input=2, cache_read=8, output=1)),
        # LiteLLM for Anthropic, with both lifetimes
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "cache_creation_input_tokens": 40,
                "cache_read_input_tokens": 20,
                "prompt_tokens_details": {
                    "cached_tokens": 20,
                    "cache_creation_tokens": 40,
                    "cache_creation_token_details": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10},
                },
            },
            Usage(input=40, cache_read=20, cache_write_5m=30, cache_write_1h=10, output=5),
        ),
        # nonsense never makes a negative bucket
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 50, "audio_tokens": 50},
                "completion_tokens_details": {"reasoning_tokens": 50},
            },
            Usage(cache_read=5, reasoning=2),
        ),
        ({"prompt_tokens": None, "completion_tokens": "7", "prompt_tokens_details": None}, Usage()),
        # images, as LiteLLM fills them in for Gemini
        (
            {
                "prompt_tokens": 300,
                "completion_tokens": 1_400,
                "prompt_tokens_details": {"text_tokens": 42, "image_tokens": 258},
                "completion_tokens_details": {"text_tokens": 110, "image_tokens": 1_290},
            },
            Usage(input=42, input_image=258, output=110, output_image=1_290),
        ),
        # the names of responses and images
        (
            {
                "input_tokens": 75,
                "input_tokens_details": {"cached_tokens": 32},
                "output_tokens": 1_186,
                "output_tokens_details": {"reasoning_tokens": 1_024},
                "total_tokens": 1_261,
            },
            Usage(input=43, cache_read=32, output=162, reasoning=1_024),
        ),
        # rejected predictions are billed as output, and counted in it
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 50,
                "completion_tokens_details": {"accepted_prediction_tokens": 10, "rejected_prediction_tokens": 30, "reasoning_tokens": 0},
            },
            Usage(input=9, output=50),
        ),
        ({"prompt_tokens": -4, "completion_tokens": True}, Usage()),
    ],
)
def test_openais_numbers_become_disjoint_buckets(block: dict[str, Any], usage: Usage) -> None:
    assert openai_usage(block) == usage


@pytest.mark.parametrize(
    ("block", "usage"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(input=10, output=5)),
        (
            {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 9},
            Usage(10, 7, 9, output=5),
        ),
        (
            {
                "input_tokens": 1,
                "output_tokens": 5,
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
            },
            Usage(1, 0, 4, 5, output=5),
        ),
        ({"input_tokens": 1, "output_tokens": 5, "service_tier": "priority"}, Usage(1, output=5, service_tier="priority")),
        ({"input_tokens": 1, "output_tokens": 5, "service_tier": "standard"}, Usage(1, output=5)),
        ({"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}, Usage(1, output=5, reasoning=4)),
    ],
)
def test_anthropics_numbers_become_disjoint_buckets(block: dict[str, Any], usage: Usage) -> None:
    assert anthropic_usage(block) == usage


counts = st.integers(0, 1_000) | st.none()
PARTS = [
    "cached_tokens",
    "audio_tokens",
    "reasoning_tokens",
    "cache_creation_tokens",
    "image_tokens",
    "text_tokens",
    "rejected_prediction_tokens",
]
details = st.dictionaries(st.sampled_from(PARTS), counts)


names = st.sampled_from([("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")])


def assert_disjoint(usage: Usage, prompt: int, completion: int) -> None:
    assert (usage.total_input, usage.total_output) == (prompt, completion)
    assert min(getattr(usage, name) for name in Usage.__slots__ if name not in ("service_tier", "state")) >= 0


@given(names=names, prompt=st.integers(0, 500), completion=st.integers(0, 500), inward=details, outward=details)
def test_buckets_always_sum_to_the_providers_totals(
    names: tuple[str, str], prompt: int, completion: int, inward: dict[str, Any], outward: dict[str, Any]
) -> None:
    sent, answered = names
    usage = openai_usage({sent: prompt, answered: completion, f"{sent}_details": inward, f"{answered}_details": outward})
    assert_disjoint(usage, prompt, completion)


@given(
    plain=st.integers(0, 500), read=st.integers(0, 500), written=st.integers(0, 500), hour=counts, output=st.integers(0, 500),
    thinking=counts,
)  # fmt: skip
def test_anthropics_buckets_sum_to_its_totals(
    plain: int, read: int, written: int, hour: int | None, output: int, thinking: int | None
) -> None:
    block = {"input_tokens": plain, "cache_read_input_tokens": read, "cache_creation_input_tokens": written, "output_tokens": output}
    split = {"cache_creation": {"ephemeral_1h_input_tokens": hour}, "output_tokens_details": {"thinking_tokens": thinking}}
    assert_disjoint(anthropic_usage({**block, **split}), plain + read + written, output)


@pytest.mark.parametrize("wrong", [-1, 7.5, 10.0, "12", True, [3], 1 << 41])
@pytest.mark.parametrize(
    ("surface", "name"),
    [
        ("openai.chat", "completion_tokens"),
        ("openai.chat", "prompt_tokens"),
        ("anthropic.messages", "output_tokens"),
        ("anthropic.messages", "cache_read_input_tokens"),
    ],
)
def test_usage_that_is_no_count_is_not_believed_and_the_call_is_estimated(surface: Surface, name: str, wrong: Any) -> None:
    meter = UsageMeter(surface)
    sane = {"prompt_tokens": 5, "completion_tokens": 5} if surface == "openai.chat" else {"input_tokens": 5, "output_tokens": 5}
    body = {"type": "message", "content": [{"type": "text", "text": "four"}], "choices": [{"message": {"content": "four"}}]}
    meter.see(Delta({**body, "usage": {**sane, name: wrong}}))
    assert meter.usage() is None
    assert estimate(meter, surface, {"messages": []}).state == "estimated"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai.chat", "openai.completions", "anthropic.messages"])
@pytest.mark.parametrize("script", ["echo", "echo+cached", "echo+reasoning+cached", "say:40"])
async def test_the_meter_reads_what_the_provider_billed(
    direct: DirectProvider, provider: Provider, surface: Surface, stream: bool, script: str
) -> None:
    name = "anthropic" if surface.startswith("anthropic") else "openai"
    meter = UsageMeter(surface)
    request = outbound(target(name, script, at(provider.url, name)), surface, "hello " * 40, stream=stream)
    for delta in await collect(direct.complete(request, secret())):
        meter.see(delta)
    used, tally = meter.usage(), provider.calls[0].tally
    assert used is not None
    assert (used.total_input, used.total_output) == (tally.prompt, tally.completion)
    assert used.cache_read == tally.cached
    if name == "anthropic":
        assert (used.cache_write_5m, used.cache_write_1h) == (tally.written_5m, tally.written_1h)
    else:
        assert used.reasoning == tally.reasoning
    assert meter.model == script
    assert meter.finish_reasons == ["end_turn" if name == "anthropic" else "stop"]
    assert meter.response_id.endswith(provider.calls[0].ident)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
async def test_an_answer_without_usage_is_estimated_and_says_so(
    direct: DirectProvider, provider: Provider, surface: Surface, stream: bool
) -> None:
    name = "anthropic" if surface.startswith("anthropic") else "openai"
    request = outbound(target(name, "say:100+nousage", at(provider.url, name)), surface, "hello " * 40, stream=stream)
    meter = UsageMeter(surface)
    for delta in await collect(direct.complete(request, secret())):
        meter.see(delta)
    assert meter.usage() is None
    used = estimate(meter, surface, request.body)
    assert used.state == "estimated"
    assert 100 <= used.output <= 150
    assert 40 <= used.input <= 80


async def test_an_aborted_anthropic_stream_keeps_the_input_that_the_provider_counted(direct: DirectProvider, provider: Provider) -> None:
    request = outbound(target("anthropic", "say:50+cached", provider.url), "anthropic.messages", "hello " * 40, stream=True)
    meter = UsageMeter("anthropic.messages")
    stream = direct.complete(request, secret())
    taken: list[Delta] = []
    while len(taken) < 12:
        taken += one_by_one(await anext(stream))
    for delta in taken[:12]:
        meter.see(delta)
    await stream.aclose()  # type: ignore[attr-defined]
    assert meter.usage() is None
    used = estimate(meter, "anthropic.messages", request.body)
    assert (used.total_input, used.cache_read, used.state) == (provider.calls[0].tally.prompt, provider.calls[0].tally.cached, "estimated")
    assert 8 <= used.output <= 14


def openai_piece(text: str = "", tokens: int | None = None) -> Delta:
    usage = {} if tokens is None else {"usage": {"prompt_tokens": 7, "completion_tokens": tokens}}
    return Delta({"choices": [{"index": 0, "delta": {"content": text}}] if text else [], **usage})


def anthropic_piece(text: str = "", tokens: int | None = None) -> Delta:
    if tokens is not None:
        return Delta({"type": "message_delta", "delta": {}, "usage": {"input_tokens": 7, "output_tokens": tokens}})
    return Delta({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


@pytest.mark.parametrize(("surface", "piece"), [("openai.chat", openai_piece), ("anthropic.messages", anthropic_piece)])
@pytest.mark.parametrize(
    ("reports", "output", "state"),
    [
        ([0, 40], 40, "observed"),  # at the end
        ([1, 20, 40], 40, "observed"),  # with every piece
        ([1, None], 40, "estimated"),  # before the answer, and never again
        ([20, None], 40, "estimated"),  # in the middle
        ([60, None], 60, "observed"),  # before the answer, and of all of it
    ],
)
def test_usage_that_comes_before_the_end_of_an_answer_is_not_taken_for_all_of_it(
    surface: Surface, piece: Any, reports: list[int | None], output: int, state: str
) -> None:
    """160 characters are written in as many equal parts as there are reports but one, each after a report; a report may be left out."""
    meter = UsageMeter(surface)
    parts = len(reports) - 1
    for number, tokens in enumerate(reports):
        if tokens is not None:
            meter.see(piece(tokens=tokens))
        if number < parts:
            meter.see(piece("a" * (160 // parts)))
    used = meter.usage() or estimate(meter, surface, {"messages": []})
    assert (used.total_input, used.total_output, used.state) == (7, output, state)


def test_a_chunk_with_text_and_usage_is_counted_as_one() -> None:
    meter = UsageMeter("openai.chat")
    meter.see(openai_piece("a" * 400, 3))  # few tokens for so much text, but that is the provider's word for all of it
    assert meter.usage() == Usage(input=7, output=3)


def test_usage_in_each_of_several_events_that_are_one_delta_is_as_late_as_the_last_of_them() -> None:
    meter = UsageMeter("openai.chat")
    meter.see(replace(openai_piece("a" * 40, 3), pieces=("a" * 40, "a" * 40)))
    assert meter.usage() == Usage(input=7, output=3)
    meter.see(openai_piece("a" * 40))
    assert meter.usage() is None


def test_zero_usage_beside_an_answer_is_not_believed() -> None:
    meter = UsageMeter("openai.chat")
    choices = [{"index": 0, "message": {"role": "assistant", "content": "some text"}, "finish_reason": "stop"}]
    meter.see(Delta({"choices": choices, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}))
    assert meter.usage() is None


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"choices": None},
        {"choices": ["x"]},
        {"choices": [{"delta": None}]},
        {"usage": {}},
        {"choices": [{"delta": {"tool_calls": [None]}}]},
    ],
)
def test_strange_pieces_do_not_break_the_meter(tree: dict[str, Any]) -> None:
    for surface in ("openai.chat", "anthropic.messages"):
        meter = UsageMeter(surface)  # type: ignore[arg-type]
        meter.see(Delta(tree))
        assert meter.usage() is None


def test_tool_arguments_and_reasoning_are_output_too() -> None:
    meter = UsageMeter("openai.chat")
    call = {"index": 0, "function": {"name": "look_up", "arguments": '{"a": 1}'}}
    meter.see(Delta({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
    meter.see(Delta({"choices": [{"index": 0, "delta": {"reasoning_content": "hmm, let me see"}}]}))
    assert meter.written == len("look_up") + len('{"a": 1}') + len("hmm, let me see")


@pytest.mark.parametrize(("text", "tokens"), [("abcd", 1), ("漢字", 2), ("", 0), ("a" * 400, 100)])
def test_the_rule_of_thumb(text: str, tokens: int) -> None:
    assert -(-weigh(text) // 4) == tokens


def test_an_image_is_not_counted_by_its_encoding() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, image]}]}
    assert estimate_input("openai.chat", body) < 2_000


def test_the_bundled_tokenizer_counts_when_asked_for() -> None:
    from pipeline.routing.tokens import count_with_tokenizer

    assert 3 <= count_with_tokenizer("gpt-4o", "three plain words") <= 4


def test_input_is_estimated_from_messages_system_and_tools() -> None:
    plain = estimate_input("anthropic.messages", body_for("anthropic.messages"))
    more = estimate_input(
        "anthropic.messages", body_for("anthropic.messages", system="x" * 400, tools=[{"name": "t", "description": "y" * 400}])
    )
    assert more > plain + 190
