"""What a call costs, and what it may cost at worst, in integer micro-dollars."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import orjson

from pipeline.errors import PipelineError
from pipeline.routing.model import Cost, Surface, Target, Usage
from pipeline.routing.prices import ModelPrice, PriceMap, Rates, override_entry

DEMO_PRICES: Mapping[str, Mapping[str, Any]] = {
    "demo/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2, "max_input_tokens": 128_000, "max_output_tokens": 4_096}
}
"""The built-in demo provider has a price, so that spend can be seen working."""

DEFAULT_MAX_OUTPUT = 32_768
"""The output reserved when neither the request nor the price map bounds it."""

DEFAULT_MAX_INPUT = 1_000_000
"""The input reserved when the provider fetches some of it itself and the price map does not bound it."""

IMAGE_TOKENS = 6_000
"""An upper bound of one image, over the models of the map except the following."""

IMAGE_TOKENS_4O_MINI = 50_000
"""gpt-4o-mini counts images about 33 times (2,833 and 5,667 a tile, at most eight tiles)."""

OVERHEAD = 700
"""Tokens that a provider adds to a request on its own, for tools at most (Anthropic's tool prompt has about 500)."""

_REGIONS = ("us.", "eu.", "apac.", "global.", "jp.", "au.", "us-gov.", "ca.")
_ROUTES = ("converse/", "invoke/", "converse_like/")


class Pricer:
    """Prices calls by target. Prices are looked up once per target and remembered; sums are integer pico-dollars.

    `overrides` are the document's `prices`, keyed by `provider/model`, `provider/*` or a target id; they go before the map.
    `unknown_price` says what a model without a price means: `refuse` (403 `price_unknown`) or `allow` (costs nothing, flagged).
    """

    def __init__(
        self,
        price_map: PriceMap,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        unknown_price: Literal["refuse", "allow"] = "refuse",
    ) -> None:
        given = {**DEMO_PRICES, **(overrides or {})}
        self._overrides = {key: override_entry(key, fields) for key, fields in given.items()}
        self._map = price_map
        self._refuse = unknown_price == "refuse"
        written = orjson.dumps(self._overrides, option=orjson.OPT_SORT_KEYS)
        self.digest = hashlib.sha256(price_map.digest.encode() + written).hexdigest()
        self._known: dict[tuple[str, str, str], ModelPrice | None] = {}

    def price(self, target: Target) -> ModelPrice | None:
        """The prices of a target's model, or None when nobody knows them."""
        key = (target.id, target.provider, target.model)
        if key not in self._known:
            entry = self._entry(target)
            self._known[key] = None if entry is None else ModelPrice(entry)
        return self._known[key]

    def _entry(self, target: Target) -> Mapping[str, Any] | None:
        provider, model = target.provider, target.extra.get("base_model") or target.model
        for key in (f"{provider}/{target.model}", f"{provider}/{model}", target.id, f"{provider}/*"):
            if key in self._overrides:
                return self._overrides[key]
        bare = model
        for prefix in _ROUTES:
            bare = bare.removeprefix(prefix)
        names = [bare, *(bare.removeprefix(region) for region in _REGIONS if bare.startswith(region))]
        for name in names:
            for key in (f"{provider}/{name}", name):
                entry = self._map.entries.get(key)
                # a bare key counts only for its own provider: another's model of that name has another price
                if entry is not None and (key != name or str(entry.get("litellm_provider", "")).startswith(provider)):
                    return entry
        return None

    def cost(self, target: Target, usage: Usage) -> Cost:
        """What a call cost, rounded half up once. A model without a price costs 0 with `known=False`."""
        price = self.price(target)
        if price is None:
            return Cost(0, self.digest, known=False)
        rates = price.rates(usage.service_tier, price.step(usage.total_input))
        total = (
            usage.input * rates.input
            + usage.output * rates.output
            + usage.cache_read * rates.cache_read
            + usage.cache_write_5m * rates.cache_write_5m
            + usage.cache_write_1h * rates.cache_write_1h
            + usage.input_audio * rates.input_audio
            + usage.reasoning * rates.reasoning
            + usage.output_audio * rates.output_audio
            + usage.input_image * rates.input_image
            + usage.output_image * rates.output_image
        )
        return Cost((total + 500_000) // 1_000_000, self.digest)

    def worst_case(self, target: Target, surface: Surface, body: dict[str, Any], *, size: int | None = None) -> int:
        """The most that a call can cost, in micro-dollars rounded up: what is reserved.

        `size` is the length of the serialized body where it is known. A token is at least one byte, so the body's length bounds the
        input; media are bounded each. The output is bounded by the request or by the model. Raises PipelineError `price_unknown`.
        """
        if surface == "anthropic.count_tokens":
            return 0
        price = self.price(target)
        if price is None:
            if self._refuse:
                raise PipelineError(
                    "The price of this model is not known, and unknown prices are refused.",
                    code="price_unknown",
                    status=403,
                    type="permission_error",
                    param="model",
                    hint="Name it under prices in the configuration.",
                )
            return 0
        inward, outward = token_bounds(target, surface, body, price, size)
        tiers = _tiers_of(body)
        top = price.step(inward)
        most = 0
        for tier in tiers:
            for step in range(top + 1):
                rates = price.rates(tier, step)
                most = max(most, inward * _dearest_input(rates) + outward * _dearest_output(rates, body))
        return -(-most // 1_000_000)

    def most_tokens(self, target: Target, surface: Surface, body: dict[str, Any]) -> int:
        """The most tokens that a call can come to, in and out."""
        return 0 if surface == "anthropic.count_tokens" else sum(token_bounds(target, surface, body, self.price(target)))


def token_bounds(
    target: Target, surface: Surface, body: dict[str, Any], price: ModelPrice | None, size: int | None = None
) -> tuple[int, int]:
    """The most tokens that can go in and come out. Without a price the model's own bounds are not known."""
    inward = input_bound(target, body, size)
    most = price.max_input if price is not None else None
    if fetches_more(body):
        inward = max(inward, most or DEFAULT_MAX_INPUT)
    if most:
        inward = min(inward, most + OVERHEAD)
    if surface == "openai.embeddings":
        return inward, 0
    return inward, output_bound(surface, body, price.max_output if price is not None else None)


def least_tokens(surface: Surface, body: dict[str, Any], inward: int) -> int:
    """The tokens that a call asks for: what goes in by our count (`inward`), and the output that it bounds itself."""
    return inward + (output_bound(surface, body, None) if _asked_output(body) and surface != "anthropic.count_tokens" else 0)


def _tiers_of(body: dict[str, Any]) -> tuple[str, ...]:
    """The service tiers that a request can end up in."""
    asked = body.get("service_tier")
    if asked in (None, "default", "standard", "standard_only"):
        return ("",)
    if asked == "auto":
        return ("", "priority")
    return ("", asked) if isinstance(asked, str) else ("",)


def _dearest_input(rates: Rates) -> int:
    return max(rates.input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.input_audio, rates.input_image)


def _dearest_output(rates: Rates, body: dict[str, Any]) -> int:
    spoken = rates.output_audio if "audio" in (body.get("modalities") or ()) else 0
    return max(rates.output, rates.reasoning, rates.output_image, spoken)


def _asked_output(body: dict[str, Any]) -> int:
    """The output that a request bounds itself to, per choice; 0 for one that does not."""
    return max(
        (value for name in ("max_completion_tokens", "max_tokens") if isinstance(value := body.get(name), int) and value > 0), default=0
    )


def output_bound(surface: Surface, body: dict[str, Any], max_output: int | None) -> int:
    """The most tokens that an answer can have, over all its choices. `max_output` is the model's own bound, where it is known."""
    asked = _asked_output(body)
    limit = max_output or DEFAULT_MAX_OUTPUT
    each = min(asked, limit) if asked and max_output else asked or limit
    if surface == "openai.completions":
        prompts = body.get("prompt")
        count = len(prompts) if isinstance(prompts, list) and prompts and isinstance(prompts[0], str | list) else 1
        return each * max(_positive(body.get("n")), _positive(body.get("best_of"))) * count
    return each * _positive(body.get("n"))


def _positive(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 1


def input_bound(target: Target, body: dict[str, Any], size: int | None = None) -> int:
    """The most tokens that a request can be: its bytes, with every medium counted by its own bound instead of its encoding."""
    total = len(orjson.dumps(body)) if size is None else size
    per_image = IMAGE_TOKENS_4O_MINI if "4o-mini" in target.model else IMAGE_TOKENS
    for message in body.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            for part in content:
                total += _medium(part, per_image)
    return total + OVERHEAD


_FETCHING = ("web_search", "web_fetch", "code_execution", "mcp")


def fetches_more(body: dict[str, Any]) -> bool:
    """Whether the provider adds input that is not in the request: documents by address or file id, and tools that it runs itself."""
    tools = body.get("tools")
    if body.get("web_search_options") is not None or body.get("mcp_servers"):
        return True
    if isinstance(tools, list) and any(isinstance(tool, dict) and str(tool.get("type", "")).startswith(_FETCHING) for tool in tools):
        return True
    return any(_is_elsewhere(part) for message in _listed(body.get("messages")) for part in _parts_of(message))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _parts_of(message: Any) -> list[Any]:
    parts = _listed(message.get("content")) if isinstance(message, dict) else []
    return [inner for part in parts for inner in (part, *(_listed(part.get("content")) if isinstance(part, dict) else ()))]


def _is_elsewhere(part: Any) -> bool:
    """A document of which only an address or an id is here. Images have a bound of their own, wherever they are."""
    if not isinstance(part, dict):
        return False
    if part.get("type") == "file":
        file = part.get("file")
        return not (isinstance(file, dict) and isinstance(file.get("file_data"), str))
    if part.get("type") in ("document", "container_upload"):
        source = part.get("source")
        return not (isinstance(source, dict) and source.get("type") in ("base64", "text", "content"))
    return False


def _medium(part: Any, per_image: int) -> int:
    """What a content part's own bound differs from its encoded length (0 for text)."""
    if not isinstance(part, dict):
        return 0
    kind = part.get("type")
    if kind in ("image_url", "image", "input_image"):
        return per_image - len(orjson.dumps(part))
    if kind == "tool_result" and isinstance(part.get("content"), list):
        return sum(_medium(inner, per_image) for inner in part["content"])
    return 0
