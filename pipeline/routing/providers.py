"""Which lane serves a target: the built-in demo, forwarding (`direct`), or LiteLLM's translation (`litellm`).

`auto` forwards where both sides speak the same wire format and LiteLLM would change nothing; everything else is translated.
Base addresses of OpenAI-compatible providers come from LiteLLM's bundled list, read without importing LiteLLM.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from pipeline.routing.model import Provider, Surface, Target

LIST_FILE = "llms/openai_like/providers.json"

BASES: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "xai": "https://api.x.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "perplexity": "https://api.perplexity.ai",
    "cerebras": "https://api.cerebras.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "nvidia_nim": "https://integrate.api.nvidia.com/v1",
    "sambanova": "https://api.sambanova.ai/v1",
}
"""Where the providers that LiteLLM's list lacks are; a target's `base_url` goes before it."""

FORWARDED = frozenset({"openai", "custom_openai", "openai_like", "hosted_vllm", "vllm", "lm_studio", "llamafile", "litellm_proxy"})
"""Providers whose OpenAI format is OpenAI's own; `auto` forwards to them. Providers of the list without special handling join them."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Default base addresses by provider, and the providers to which `auto` forwards OpenAI's format."""

    bases: Mapping[str, str]
    forwarded: frozenset[str]


def read_catalog(path: Path | None = None) -> Catalog:
    """Combine our table with LiteLLM's list of OpenAI-compatible providers; without that file the table alone."""
    bases, forwarded = dict(BASES), set(FORWARDED)
    spec = importlib.util.find_spec("litellm")
    if path is None and spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / LIST_FILE
    try:
        listed = orjson.loads(path.read_bytes()) if path else {}
    except (OSError, orjson.JSONDecodeError):
        listed = {}
    for name, entry in listed.items():
        if isinstance(entry, dict) and isinstance(entry.get("base_url"), str):
            bases.setdefault(name, entry["base_url"].rstrip("/"))
            if not set(entry) & {"param_mappings", "special_handling", "constraints", "headers"}:
                forwarded.add(name)
    return Catalog(bases, frozenset(forwarded))


class Providers:
    """Holds one provider per lane and picks the one for a target and surface."""

    def __init__(self, *, direct: Provider, litellm: Provider, demo: Provider, catalog: Catalog) -> None:
        self._lanes: dict[str, Provider] = {"direct": direct, "litellm": litellm, "demo": demo}
        self._catalog = catalog

    def lane(self, target: Target, surface: Surface) -> str:
        """`demo`, `direct` or `litellm`."""
        if target.provider == "demo":
            return "demo"
        if target.lane != "auto":
            return target.lane
        if surface.startswith("anthropic."):
            return "direct" if target.provider == "anthropic" else "litellm"
        return "direct" if target.provider in self._catalog.forwarded and self.base(target) else "litellm"

    def of(self, target: Target, surface: Surface) -> Provider:
        """The provider that serves this target on this surface."""
        return self._lanes[self.lane(target, surface)]

    def base(self, target: Target) -> str | None:
        """The target's base address, its own or its provider's default."""
        return target.base_url or self._catalog.bases.get(target.provider)

    def forget(self, key: str) -> None:
        """Let every lane forget clients that hold a key, after its rotation or revocation."""
        for provider in self._lanes.values():
            forget = getattr(provider, "forget", None)
            if forget is not None:
                forget(key)

    async def warm(self) -> None:
        """Load what a lane would load with its first call."""
        for provider in self._lanes.values():
            warm = getattr(provider, "warm", None)
            if warm is not None:
                await warm()

    async def aclose(self) -> None:
        """Close every lane's connections."""
        for provider in self._lanes.values():
            close = getattr(provider, "aclose", None)
            if close is not None:
                await close()
