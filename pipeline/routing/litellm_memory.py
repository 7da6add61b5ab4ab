"""What LiteLLM made of a set of parameters, remembered: working it out costs more than the rest of a translation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson

from pipeline.routing.litellm_keys import NO_KEY
from pipeline.routing.litellm_parts import Parts
from pipeline.routing.model import Target


def azure_version(parts: Parts, target: Target) -> str:
    """The target's API version, or LiteLLM's default."""
    return target.extra.get("api_version") or str(parts.module.AZURE_DEFAULT_API_VERSION)


class ParamCache:
    """Remembers what LiteLLM made of a set of parameters (as JSON), because working it out costs more than all the rest."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._known: dict[bytes, bytes] = {}

    def anthropic_headers(self, target: Target, optional: dict[str, Any], messages: list[Any], key: str, make: Callable[[str], Any]) -> Any:
        """Anthropic's request headers, remembered without the key where they cannot depend on the messages (plain texts only).

        LiteLLM looks models up to decide on beta headers, which takes longer than the whole translation.
        """
        if key.startswith("sk-ant-oat") or not all(set(m) == {"role", "content"} and isinstance(m["content"], str) for m in messages):
            return make(key)
        name = b"headers" + orjson.dumps([target.id, target.model, target.base_url, optional])
        known = self._known.get(name)
        if known is None:
            known = orjson.dumps(make(NO_KEY))
            self._keep(name, known)
        headers: dict[str, Any] = orjson.loads(known)
        return {field: key if value == NO_KEY else value for field, value in headers.items()}

    def _keep(self, name: bytes, value: bytes) -> None:
        if len(name) + len(value) < 64 << 10:
            if len(self._known) >= self._size:
                self._known.pop(next(iter(self._known)))
            self._known[name] = value

    def optional_params(self, parts: Parts, target: Target, params: dict[str, Any]) -> dict[str, Any]:
        """The provider's parameters for the caller's. Raises whatever LiteLLM raises for a parameter that the provider lacks."""
        drop = target.extra.get("drop_params") == "true"
        key = orjson.dumps([target.provider, target.model, drop, params])
        known = self._known.get(key)
        if known is not None:
            made: dict[str, Any] = orjson.loads(known)
            return made
        version = {"api_version": azure_version(parts, target)} if target.provider == "azure" else {}
        made = parts.optional_params(
            model=target.model, custom_llm_provider=target.provider, drop_params=drop, **version, **copy.deepcopy(params)
        )
        try:
            packed = orjson.dumps(made)
        except TypeError:
            return made
        self._keep(key, packed)
        return made
