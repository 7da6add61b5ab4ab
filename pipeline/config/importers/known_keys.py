"""The environment variables in which programs keep provider keys, and what stands behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """The provider (LiteLLM's name) whose key a variable holds, and models to begin with where the source names none."""

    provider: str
    models: tuple[str, ...] = ()
    base_url_variable: str = ""


KEY_VARIABLES: Final[Mapping[str, KeyVariable]] = {
    "OPENAI_API_KEY": KeyVariable("openai", ("gpt-5-mini", "gpt-5", "text-embedding-3-small"), "OPENAI_BASE_URL"),
    "ANTHROPIC_API_KEY": KeyVariable("anthropic", ("claude-sonnet-4-5", "claude-haiku-4-5"), "ANTHROPIC_BASE_URL"),
    "ANTHROPIC_AUTH_TOKEN": KeyVariable("anthropic", ("claude-sonnet-4-5", "claude-haiku-4-5"), "ANTHROPIC_BASE_URL"),
    "GEMINI_API_KEY": KeyVariable("gemini", ("gemini-2.5-flash",)),
    "GOOGLE_API_KEY": KeyVariable("gemini", ("gemini-2.5-flash",)),
    "MISTRAL_API_KEY": KeyVariable("mistral", ("mistral-small-latest",)),
    "GROQ_API_KEY": KeyVariable("groq"),
    "COHERE_API_KEY": KeyVariable("cohere"),
    "CO_API_KEY": KeyVariable("cohere"),
    "XAI_API_KEY": KeyVariable("xai"),
    "DEEPSEEK_API_KEY": KeyVariable("deepseek", ("deepseek-chat",)),
    "OPENROUTER_API_KEY": KeyVariable("openrouter"),
    "TOGETHERAI_API_KEY": KeyVariable("together_ai"),
    "TOGETHER_API_KEY": KeyVariable("together_ai"),
    "FIREWORKS_AI_API_KEY": KeyVariable("fireworks_ai"),
    "FIREWORKS_API_KEY": KeyVariable("fireworks_ai"),
    "PERPLEXITYAI_API_KEY": KeyVariable("perplexity"),
    "PERPLEXITY_API_KEY": KeyVariable("perplexity"),
    "CEREBRAS_API_KEY": KeyVariable("cerebras"),
    "HUGGINGFACE_API_KEY": KeyVariable("huggingface"),
    "HF_TOKEN": KeyVariable("huggingface"),
    "REPLICATE_API_KEY": KeyVariable("replicate"),
    "NVIDIA_NIM_API_KEY": KeyVariable("nvidia_nim"),
    "AZURE_API_KEY": KeyVariable("azure"),
    "AZURE_OPENAI_API_KEY": KeyVariable("azure"),
    "AWS_BEARER_TOKEN_BEDROCK": KeyVariable("bedrock"),
}
"""By name of the variable. LiteLLM reads the first of each provider when a deployment names no key."""


def variable_of(provider: str) -> str:
    """The variable in which LiteLLM looks for a provider's key; empty when none is known."""
    return next((name for name, key in KEY_VARIABLES.items() if key.provider == provider), "")
