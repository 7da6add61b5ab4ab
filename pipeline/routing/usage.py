"""What an answer used, from the provider's own numbers, in disjoint buckets.

OpenAI counts cached, audio and reasoning tokens inside its totals (platform.openai.com/docs/api-reference/chat/object), Anthropic
counts cache reads and writes beside its input (docs.anthropic.com/en/api/messages). A part that is larger than its whole is cut to
it, so no bucket is ever negative and the sums stay the provider's.
"""

from __future__ import annotations

from typing import Any

from pipeline.routing.model import Delta, Surface, Usage

_PLAIN_TIERS = frozenset({"", "default", "standard", "auto", "standard_only", "on_demand"})


TOO_MANY = 1 << 40
"""No answer has a trillion tokens: a number like that is a defect of the provider, and would not fit where money is summed."""

FINISHES = 128


def _count(tree: Any, key: str) -> int:
    """A token count in a tree; absent, null, negative or not a number is 0."""
    value = tree.get(key) if isinstance(tree, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _tier(value: Any) -> str:
    return "" if not isinstance(value, str) or value in _PLAIN_TIERS else value[:32]


def openai_usage(usage: dict[str, Any], tier: Any = None) -> Usage:
    """OpenAI's usage block (chat, completions, embeddings; responses and images by their names), also as LiteLLM fills it for others.

    Tokens of predictions, accepted and rejected ones, are output and billed as such.
    """
    prompt, inward = _whole(usage, "prompt_tokens", "input_tokens")
    completion, outward = _whole(usage, "completion_tokens", "output_tokens")
    read = min(_count(inward, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens"), prompt)
    written = _count(inward, "cache_creation_tokens") or _count(usage, "cache_creation_input_tokens")
    written = min(written or _count(inward, "cache_write_tokens"), prompt - read)
    parts = inward.get("cache_creation_token_details") if isinstance(inward, dict) else None
    hour = min(_count(parts, "ephemeral_1h_input_tokens"), written)
    audio_in = min(_count(inward, "audio_tokens"), prompt - read - written)
    image_in = min(_count(inward, "image_tokens"), prompt - read - written - audio_in)
    reasoning = _count(outward, "reasoning_tokens")
    audio_out = min(_count(outward, "audio_tokens"), completion)
    image_out = min(_count(outward, "image_tokens"), completion - audio_out)
    beside = reasoning and _count(usage, "total_tokens") == prompt + completion + reasoning
    if not beside:  # xAI counts reasoning beside the completion; everybody else inside
        reasoning = min(reasoning, completion - audio_out - image_out)
    return Usage(
        input=prompt - read - written - audio_in - image_in,
        cache_read=read,
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        input_audio=audio_in,
        input_image=image_in,
        output=completion - audio_out - image_out - (0 if beside else reasoning),
        reasoning=reasoning,
        output_audio=audio_out,
        output_image=image_out,
        service_tier=_tier(tier),
    )


def _whole(usage: dict[str, Any], *names: str) -> tuple[int, Any]:
    """A total, by the first of its names that is there, and its details."""
    name = next((name for name in names if usage.get(name) is not None), names[0])
    return _count(usage, name), usage.get(f"{name}_details")


def anthropic_usage(usage: dict[str, Any]) -> Usage:
    """Anthropic's usage block. Without the split by lifetime a cache write counts as one of five minutes."""
    written = _count(usage, "cache_creation_input_tokens")
    hour = min(_count(usage.get("cache_creation"), "ephemeral_1h_input_tokens"), written)
    output = _count(usage, "output_tokens")
    details = usage.get("output_tokens_details")
    reasoning = min(_count(details, "thinking_tokens") or _count(details, "reasoning_tokens"), output)
    return Usage(
        input=_count(usage, "input_tokens"),
        cache_read=_count(usage, "cache_read_input_tokens"),
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        output=output - reasoning,
        reasoning=reasoning,
        service_tier=_tier(usage.get("service_tier")),
    )


class UsageMeter:
    """Watches the pieces of one answer (whole or streamed) and says afterwards what it was and used.

    `model`, `response_id` and `finish_reasons` are the provider's. `written` weighs the text, reasoning and tool arguments seen, in
    quarters of a token, from which `tokens.estimate` counts when no usage came or the client went away.
    """

    __slots__ = ("_anthropic", "_complete", "_reported_at", "_usage", "finish_reasons", "model", "response_id", "tier", "written")

    def __init__(self, surface: Surface) -> None:
        self._anthropic = surface.startswith("anthropic.")
        self._usage: dict[str, Any] = {}
        self.model = ""
        self.response_id = ""
        self.finish_reasons: list[str] = []
        self.written = 0
        self._complete = False
        self._reported_at = 0  # what was written when usage was last reported
        self.tier: Any = None

    def see(self, delta: Delta) -> None:
        """Take note of one piece."""
        reported = self._see_anthropic(delta.data) if self._anthropic else self._see_openai(delta.data)
        for piece in delta.pieces[1:]:
            self.written += _size(piece)
        if reported:  # of events that one Delta stands for, each reports the same
            self._reported_at = self.written

    def _see_openai(self, tree: dict[str, Any]) -> bool:
        """Take note of a body or chunk; says whether it reports usage."""
        if not self.response_id:
            self.response_id = _text(tree.get("id"))
            self.model = _text(tree.get("model"))
        usage = _sane(tree.get("usage"))
        reported = bool(usage)
        if usage:
            self._usage = usage
            self._complete = True
        if tree.get("service_tier") is not None:
            self.tier = tree["service_tier"]
        for choice in _items(tree.get("choices")):
            if not isinstance(choice, dict):
                continue
            finish = choice.get("finish_reason")
            if finish and len(self.finish_reasons) < FINISHES:
                self.finish_reasons.append(_text(finish))
            self.written += _written(choice.get("delta") or choice.get("message") or choice)
        return reported

    def _see_anthropic(self, tree: dict[str, Any]) -> bool:
        """Take note of a body or event; says whether it reports usage."""
        message = tree.get("message") if tree.get("type") == "message_start" else tree if tree.get("type") == "message" else None
        if isinstance(message, dict):
            self.response_id = _text(message.get("id"))
            self.model = _text(message.get("model"))
        source = message if isinstance(message, dict) else tree
        usage = _sane(source.get("usage"))
        reported = usage is not None
        if usage is not None:  # the numbers of message_delta are cumulative and replace earlier ones
            self._usage = {**self._usage, **{name: value for name, value in usage.items() if value is not None}}
            self._complete = tree.get("type") != "message_start"
        inner = source.get("delta")
        stop = source.get("stop_reason") or (inner.get("stop_reason") if isinstance(inner, dict) else None)
        if stop and len(self.finish_reasons) < FINISHES:
            self.finish_reasons.append(_text(stop))
        delta = tree.get("delta")
        if isinstance(delta, dict):
            for key in ("text", "partial_json", "thinking"):
                self.written += _size(delta.get(key))
        for block in _items(source.get("content")):
            if isinstance(block, dict):
                self.written += _size(block.get("text")) + _size(block.get("thinking")) + _size(block.get("input"))
        return reported

    def usage(self) -> Usage | None:
        """The provider's numbers; None when none came, when they say zero although there was an answer, or when they came before its end.

        Some servers report what was used so far with every piece, or before the first: numbers after which more was written than they
        account for are not those of the whole answer.
        """
        counted = self.partial()
        if not self._complete or counted.total_input + counted.total_output == 0 or (self.written and not counted.total_output):
            return None
        if self.written > self._reported_at and -(-self.written // 4) > counted.total_output:
            return None
        return counted

    def partial(self) -> Usage:
        """The numbers that have come so far; zeros without any. Anthropic says at the start of a stream what went in."""
        return anthropic_usage(self._usage) if self._anthropic else openai_usage(self._usage, self.tier)


_TOTALS = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _sane(usage: Any) -> dict[str, Any] | None:
    """A usage block that is one, whose totals are whole numbers from 0, none of them absurd; another is none, and the call is estimated."""
    if not isinstance(usage, dict) or any(value >= TOO_MANY for value in usage.values() if isinstance(value, int)):
        return None
    totals = [usage[name] for name in _TOTALS if usage.get(name) is not None]
    return usage if all(type(value) is int and value >= 0 for value in totals) else None


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""


def _size(value: Any) -> int:
    """The weight of a text in quarters of a token: one per ASCII character, four per CJK character, between for accents."""
    if isinstance(value, str):
        return len(value) if value.isascii() else weigh(value)
    return weigh(str(value)) if value else 0


def weigh(text: str) -> int:
    """Quarters of a token in any text: characters, and one and a half more for each UTF-8 byte beyond one a character."""
    length = len(text)
    return length + 3 * (len(text.encode("utf-8", "replace")) - length) // 2


def _written(part: Any) -> int:
    """The weight of everything the model wrote in one OpenAI choice."""
    if not isinstance(part, dict):
        return _size(part)
    size = _size(part.get("content"))
    if len(part) == 1 and size:
        return size  # most pieces of a stream are this
    for name in ("text", "refusal"):
        size += _size(part.get(name))
    size += _size(part.get("reasoning_content") or part.get("reasoning"))
    for call in _items(part.get("tool_calls")):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            size += _size(function.get("name")) + _size(function.get("arguments"))
    return size
