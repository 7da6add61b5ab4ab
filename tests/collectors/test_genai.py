from __future__ import annotations

from typing import Any

import pytest

from collectors.classes import CLASSES, AttributeClass
from collectors.genai import (
    PROFILES,
    CallFacts,
    Profile,
    call_attributes,
    guardrail_attributes,
    parameters_of,
    provider_name,
    span_name,
)
from collectors.vocabulary import PROVIDERS

FACTS = CallFacts(
    "chat",
    "xai",
    "grok-4",
    stream=True,
    first_token_s=0.25,
    input_tokens=100,
    output_tokens=50,
    cache_read_tokens=10,
    cache_write_tokens=20,
    reasoning_tokens=30,
    response_id="resp_1",
    finish_reasons=("stop",),
)


@pytest.mark.parametrize(
    ("profile", "present", "absent"),
    [
        (
            "v1.36",
            {"gen_ai.system": "xai"},
            ("gen_ai.provider.name", "gen_ai.usage.cache_read.input_tokens", "gen_ai.response.time_to_first_chunk"),
        ),
        (
            "v1.41",
            {"gen_ai.provider.name": "x_ai", "gen_ai.usage.cache_creation.input_tokens": 20},
            ("gen_ai.system", "gen_ai.usage.cache_write.input_tokens"),
        ),
        (
            "genai-main",
            {"gen_ai.provider.name": "x_ai", "gen_ai.usage.cache_write.input_tokens": 20},
            ("gen_ai.usage.cache_creation.input_tokens",),
        ),
    ],
)
def test_each_profile_speaks_its_own_names(profile: Profile, present: dict[str, Any], absent: tuple[str, ...]) -> None:
    attributes = call_attributes(FACTS, profile)

    assert present.items() <= attributes.items()
    assert not set(absent) & set(attributes)
    assert attributes["gen_ai.usage.input_tokens"] == 100


@pytest.mark.parametrize("profile", PROFILES)
def test_every_attribute_of_a_call_has_a_class(profile: Profile) -> None:
    facts = CallFacts(
        "chat", "openai", "m", "m2", "id", ("stop",), True, 0.1, "timeout", 1, 2, 3, 4, 5,
        parameters=parameters_of({"max_tokens": 1, "temperature": 0.1, "n": 2, "seed": 3, "dimensions": 8}),
        server_address="api.example.test", server_port=443, request_id="r", workspace="w", key_id="k", target_id="t", attempts=1,
        cost_micros=5, charge_state="observed", redactions=1,
    )  # fmt: skip

    assert not [key for key in call_attributes(facts, profile) if key not in CLASSES]
    assert not [key for key in guardrail_attributes("prompt", "redact", "default", 2) if key not in CLASSES]


@pytest.mark.parametrize(
    ("litellm_name", "name"),
    [("azure", "azure.ai.openai"), ("azure_ai", "azure.ai.inference"), ("bedrock", "aws.bedrock"), ("vertex_ai", "gcp.vertex_ai"),
     ("gemini", "gcp.gemini"), ("mistral", "mistral_ai"), ("xai", "x_ai"), ("watsonx", "ibm.watsonx.ai"), ("openai", "openai"),
     ("anthropic", "anthropic"), ("cohere_chat", "cohere")],
)  # fmt: skip
def test_litellms_provider_names_become_the_conventions(litellm_name: str, name: str) -> None:
    assert provider_name(litellm_name) == name
    assert name in PROVIDERS


def test_an_unknown_provider_keeps_its_name() -> None:
    assert provider_name("together_ai") == "together_ai"


def test_the_names_are_ones_that_litellm_knows() -> None:
    from collectors.genai import _LITELLM_PROVIDERS

    source = _litellm_providers()
    assert set(_LITELLM_PROVIDERS) <= source | {"bedrock_converse", "anthropic_text", "vertex_ai_beta", "bedrock_mantle", "watsonx_text"}


def _litellm_providers() -> set[str]:
    """LiteLLM's provider names, read from its source: importing it takes seconds."""
    import ast
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / "types" / "utils.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "LlmProviders":
            return {item.value.value for item in node.body if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)}
    return set()


def test_only_numbers_are_taken_from_a_body() -> None:
    body = {"max_tokens": 5, "temperature": "canary", "top_p": 0.5, "seed": True, "n": 1, "messages": ["canary"], "stop": ["canary"]}

    assert parameters_of(body) == {"gen_ai.request.max_tokens": 5, "gen_ai.request.top_p": 0.5}


def test_the_span_is_named_after_operation_and_model() -> None:
    assert span_name(FACTS) == "chat grok-4"


def test_unknown_token_counts_are_left_out() -> None:
    assert "gen_ai.usage.input_tokens" not in call_attributes(CallFacts("chat", "openai", "m"))


def test_nothing_that_can_hold_text_is_classed_as_number() -> None:
    content = {
        "gen_ai.system_instructions",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.call.arguments",
        "exception.message",
    }

    assert not content & set(CLASSES)
    assert all(rule.kind is not AttributeClass.CONTENT for rule in CLASSES.values())
