"""Counting tokens ourselves: only where the provider did not say, and for `count_tokens` of models that have no such call.

The default is a rule of thumb (a token is four ASCII characters or one CJK character) that costs nothing and is flagged
`estimated`. `count_with_tokenizer` asks LiteLLM's bundled tokenizer, which loads LiteLLM, so it is called only when asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.routing.model import Surface, Usage
from pipeline.routing.usage import UsageMeter, weigh

PER_MESSAGE = 4
"""Tokens that a chat format spends on every message besides its text."""

PER_IMAGE = 1_000
"""A middling image; what it costs depends on size and model."""

_MEDIA = frozenset({"image_url", "image", "input_image", "input_audio", "file", "document"})


def _weight(tree: Any) -> int:
    """Quarters of a token in every string of a tree; media parts count as one image each."""
    if isinstance(tree, str):
        return weigh(tree)
    if isinstance(tree, list):
        return sum(_weight(item) for item in tree)
    if isinstance(tree, dict):
        if tree.get("type") in _MEDIA:
            return 4 * PER_IMAGE
        return sum(_weight(value) for value in tree.values())
    return 1 if tree is not None else 0


def estimate_input(surface: Surface, body: dict[str, Any]) -> int:
    """About how many tokens a request is: its messages, system text and tools."""
    quarters = 0
    for key in ("messages", "system", "tools", "functions", "prompt", "input"):
        if key in body:
            quarters += _weight(body[key])
    messages = body.get("messages")
    overhead = PER_MESSAGE * len(messages) if isinstance(messages, list) else 0
    return max(1, -(-quarters // 4) + overhead)


def estimate_unanswered(surface: Surface, body: dict[str, Any]) -> Usage:
    """What a request used that was sent and never answered, by our count: what went in. Counting tokens is free."""
    return Usage(input=0 if surface == "anthropic.count_tokens" else estimate_input(surface, body), state="estimated")


def estimate(meter: UsageMeter, surface: Surface, body: dict[str, Any]) -> Usage:
    """What a call used when the provider did not say so: its own partial numbers where it gave any, our count for the rest."""
    seen = meter.partial()
    output = max(-(-meter.written // 4), seen.total_output)
    if seen.total_input:
        return replace(seen, output=output - seen.reasoning - seen.output_audio - seen.output_image, state="estimated")
    return Usage(input=estimate_input(surface, body), output=output, state="estimated")


def count_with_tokenizer(model: str, text: str) -> int:
    """Count with LiteLLM's bundled tokenizer for a model. Loads LiteLLM (about two seconds the first time)."""
    from pipeline.routing.litellm_parts import load

    return int(load().module.token_counter(model=model, text=text))
