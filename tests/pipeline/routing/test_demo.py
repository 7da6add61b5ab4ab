from __future__ import annotations

import random

import pytest

from pipeline.routing.demo import DemoProvider
from pipeline.routing.model import Surface
from pipeline.routing.usage import UsageMeter
from tests.pipeline.routing.asking import HandClock, arguments_of, collect, failure, outbound, target, text_of

TALKING: tuple[Surface, ...] = ("openai.chat", "openai.completions", "anthropic.messages")
DEMO = target("demo", "demo", reference=None)


@pytest.fixture
def demo() -> DemoProvider:
    return DemoProvider(HandClock(), random.Random(5))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", TALKING)
async def test_it_echoes_with_usage(demo: DemoProvider, surface: Surface, stream: bool) -> None:
    deltas = await collect(demo.complete(outbound(DEMO, surface, "echo this and  that ", stream=stream), None))
    assert text_of(deltas, surface) == "this and  that "
    assert len(deltas) == 1 or stream
    meter = UsageMeter(surface)
    for delta in deltas:
        meter.see(delta)
    used = meter.usage()
    assert used is not None
    assert used.total_input > 0
    assert used.total_output > 0
    assert len(meter.finish_reasons) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
async def test_it_calls_the_first_tool(demo: DemoProvider, surface: Surface, stream: bool) -> None:
    tool = (
        {"name": "look_up", "input_schema": {}}
        if surface.startswith("anthropic")
        else {"type": "function", "function": {"name": "look_up"}}
    )
    deltas = await collect(demo.complete(outbound(DEMO, surface, "what is up?", stream=stream, tools=[tool]), None))
    assert arguments_of(deltas, surface) == ("look_up", {"query": "what is up?"})


async def test_it_answers_after_the_tools_result(demo: DemoProvider) -> None:
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "42", "tool_call_id": "c"},
    ]
    tools = [{"type": "function", "function": {"name": "look_up"}}]
    deltas = await collect(demo.complete(outbound(DEMO, messages=messages, tools=tools), None))
    assert text_of(deltas, "openai.chat") == "The tool answered: 42"


async def test_leaks_are_fresh_each_time(demo: DemoProvider) -> None:
    texts = [text_of(await collect(demo.complete(outbound(DEMO, prompt="please leak something"), None)), "openai.chat") for _ in range(2)]
    assert texts[0] != texts[1]
    assert all("sk-" in text and "ghp_" in text for text in texts)


async def test_several_choices(demo: DemoProvider) -> None:
    (whole,) = await collect(demo.complete(outbound(DEMO, prompt="echo x", n=3), None))
    assert [choice["index"] for choice in whole.data["choices"]] == [0, 1, 2]
    error, _ = await failure(demo.complete(outbound(DEMO, prompt="echo x", n=0), None))
    assert error.status == 400


async def test_embeddings_and_counting(demo: DemoProvider) -> None:
    (answer,) = await collect(demo.complete(outbound(DEMO, "openai.embeddings", "text"), None))
    assert len(answer.data["data"][0]["embedding"]) == 16
    (packed,) = await collect(demo.complete(outbound(DEMO, "openai.embeddings", "text", encoding_format="base64", dimensions=4), None))
    assert isinstance(packed.data["data"][0]["embedding"], str)
    (counted,) = await collect(demo.complete(outbound(DEMO, "anthropic.count_tokens", "text"), None))
    assert counted.data["input_tokens"] > 0
