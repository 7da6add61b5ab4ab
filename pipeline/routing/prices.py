"""What models cost, read from LiteLLM's bundled price map without importing LiteLLM.

The map (`model_prices_and_context_window_backup.json`) gives dollars a token as floats. Here a price is integer pico-dollars a token
(10^-12 $; more digits are rounded half up), so sums are exact. Key names and their fall-backs are LiteLLM's: `_above_200k_tokens` applies
to all tokens of a call whose input is longer, `_flex`, `_priority`, `_batches` to its service tier, `tiered_pricing` by input length.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import ConfigError

MAP_FILE = "model_prices_and_context_window_backup.json"

_WANTED = re.compile(
    r"^(input_cost_per_(audio_|image_)?token|output_cost_per_(audio_|image_|reasoning_)?token|cache_(read|creation)_input_token_cost)"
    r"|^(max_input_tokens|max_output_tokens|max_tokens|litellm_provider|mode|tiered_pricing)$"
)
_ABOVE = re.compile(r"^(?:input|output)_cost_per_token_above_(\d+)(k?)_tokens")
_SUFFIX = {
    "flex": "_flex",
    "priority": "_priority",
    "batch": "_batches",
    "fast": "_priority",
    "balanced": "_balanced",
    "ultrafast": "_ultrafast",
}
_AT_THRESHOLD = frozenset({"xai"})  # bills the higher tier at the threshold already, everybody else above it


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-dollars a token, by bucket of `Usage`."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    input_audio: int
    output: int
    reasoning: int
    output_audio: int
    input_image: int
    output_image: int


@dataclass(frozen=True, slots=True)
class PriceMap:
    """The map's entries by key, reduced to token prices and limits, and the SHA-256 of the file they came from."""

    entries: Mapping[str, Mapping[str, Any]]
    digest: str


def bundled_file() -> Path:
    """Where LiteLLM's wheel keeps its map. Raises ConfigError when LiteLLM is not installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("The package litellm is not installed, so there are no prices.", hint="Install requirements.lock.")
    return Path(spec.submodule_search_locations[0]) / MAP_FILE


def read_price_map(path: Path | None = None) -> PriceMap:
    """Read a price map (the bundled one by default). About 40 ms; done once at start. ConfigError when it cannot be read."""
    try:
        raw = (path or bundled_file()).read_bytes()
        tree = orjson.loads(raw)
        if not isinstance(tree, dict) or not all(isinstance(entry, dict) for entry in tree.values()):
            raise TypeError("a price map is an object of objects")
    except (OSError, orjson.JSONDecodeError, TypeError):
        named = f"{path} has to hold a JSON object with an object for each model, as LiteLLM's map does."
        raise ConfigError("The price map cannot be read.", hint=named if path else "Reinstall the package litellm.") from None
    wanted = _WANTED.match
    names = {name for entry in tree.values() for name in entry if wanted(name)}
    entries = {
        key: {name: value for name, value in entry.items() if name in names}
        for key, entry in tree.items()
        if key != "sample_spec" and ("input_cost_per_token" in entry or "output_cost_per_token" in entry or "tiered_pricing" in entry)
    }
    return PriceMap(entries, hashlib.sha256(raw).hexdigest())


def pico(dollars: Any) -> int:
    """Dollars a token as integer pico-dollars, rounded half up. Raises ConfigError for what is not a price."""
    try:
        number = Decimal(str(dollars))
        if not 0 <= number < 1_000:
            raise ValueError
    except (ArithmeticError, ValueError):
        raise ConfigError("A price is not a number of dollars.") from None
    return int((number * 10**12).quantize(Decimal(1), ROUND_HALF_UP))


class ModelPrice:
    """The prices and limits of one model. `rates` is looked up by service tier and input length, and remembered."""

    __slots__ = ("_at_threshold", "_entry", "_known", "_thresholds", "_tiers", "max_input", "max_output")

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = entry
        self._known: dict[tuple[str, int], Rates] = {}
        found = {m.group(0): m for name in entry if (m := _ABOVE.match(name)) and entry[name] is not None}
        limits = {int(m.group(1)) * (1000 if m.group(2) else 1): f"_above_{m.group(1)}{m.group(2)}_tokens" for m in found.values()}
        self._thresholds = tuple(sorted(limits.items()))
        self._at_threshold = entry.get("litellm_provider") in _AT_THRESHOLD
        tiers = [tier for tier in entry.get("tiered_pricing") or () if len(tier.get("range") or ()) == 2 and "input_cost_per_token" in tier]
        self._tiers = tuple(sorted(tiers, key=lambda tier: tier["range"][0]))
        self.max_input = _limit(entry.get("max_input_tokens"))
        self.max_output = _limit(entry.get("max_output_tokens")) or _limit(entry.get("max_tokens"))

    @property
    def steps(self) -> int:
        """How many price steps by input length there are, the lowest being 0."""
        return len(self._tiers) if self._tiers else len(self._thresholds) + 1

    def step(self, total_input: int) -> int:
        """The price step of a call with that many input tokens."""
        if self._tiers:
            return next((at for at, tier in enumerate(self._tiers) if total_input <= tier["range"][1]), len(self._tiers) - 1)
        return sum(total_input > limit or (self._at_threshold and total_input == limit) for limit, _ in self._thresholds)

    def rates(self, service_tier: str, step: int) -> Rates:
        """The rates of a service tier ("" for the standard one) at a price step."""
        known = self._known.get((service_tier, step))
        if known is None:
            known = self._known[(service_tier, step)] = self._work_out(_SUFFIX.get(service_tier, ""), step)
        return known

    def _work_out(self, suffix: str, step: int) -> Rates:
        entry = self._entry
        above = [text for _, text in reversed(self._thresholds[:step])] if not self._tiers else []
        tier = self._tiers[step] if self._tiers else {}

        def pick(name: str, default: int) -> int:
            if name in tier:
                return pico(tier[name])
            if tier and name not in ("output_cost_per_token", "output_cost_per_reasoning_token"):
                return default
            names = [f"{name}{part}{end}" for part in above for end in ([suffix, ""] if suffix else [""])]
            names += [name + suffix, name] if suffix else [name]
            return next((pico(entry[key]) for key in names if entry.get(key) is not None), default)

        plain = pick("input_cost_per_token", 0)
        output = pick("output_cost_per_token", 0)
        written = pick("cache_creation_input_token_cost", plain)
        own_output = bool(suffix) and entry.get("output_cost_per_token" + suffix) is not None
        own_reasoning = entry.get("output_cost_per_reasoning_token" + suffix) is not None
        read = (
            plain // 2 if entry.get("litellm_provider") == "fireworks_ai" else plain
        )  # what Fireworks says of models without a cache price
        return Rates(
            input=plain,
            cache_read=pick("cache_read_input_token_cost", read),
            cache_write_5m=written,
            cache_write_1h=pick("cache_creation_input_token_cost_above_1hr", written),
            input_audio=pick("input_cost_per_audio_token", plain),
            output=output,
            # a tier that names its own output price, but no price of reasoning, bills reasoning as output
            reasoning=output if own_output and not own_reasoning else pick("output_cost_per_reasoning_token", output),
            output_audio=pick("output_cost_per_audio_token", output),
            input_image=pick("input_cost_per_image_token", plain),
            output_image=pick("output_cost_per_image_token", output),
        )


def _limit(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def override_entry(key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Make a map entry from one of the document's `prices`, which are dollars a million tokens.

    Fields: `input_per_mtok_usd`, and optionally those of `output`, `cache_read`, `cache_write`, `cache_write_1h` and `reasoning`, with
    `max_input_tokens` and `max_output_tokens`. Raises ConfigError for another field, or without an input price.
    """
    names = {
        "input_per_mtok_usd": "input_cost_per_token",
        "output_per_mtok_usd": "output_cost_per_token",
        "cache_read_per_mtok_usd": "cache_read_input_token_cost",
        "cache_write_per_mtok_usd": "cache_creation_input_token_cost",
        "cache_write_1h_per_mtok_usd": "cache_creation_input_token_cost_above_1hr",
        "reasoning_per_mtok_usd": "output_cost_per_reasoning_token",
    }
    entry: dict[str, Any] = {}
    for field, value in given.items():
        if field in ("max_input_tokens", "max_output_tokens"):
            entry[field] = value
        elif field in names:
            if value is not None:
                entry[names[field]] = str(Decimal(str(value)) / 1_000_000)
        else:
            raise ConfigError(f"The price of {key!r} has an unknown field {field!r}.", hint="Known: " + ", ".join(names))
    if "input_cost_per_token" not in entry:
        raise ConfigError(f"The price of {key!r} has no input_per_mtok_usd.")
    return entry
