"""What differs between the surfaces: how a request is read, what passes to the provider, how a stream is screened."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pipeline.errors import BadRequest
from pipeline.gateway.error_table import Dialect
from pipeline.gateway.http import Headers
from pipeline.gateway.model import Asked
from pipeline.gateway.streaming import AnswerScreen, AnthropicScreen, OpenAIScreen, spelled
from pipeline.routing.model import Delta, Surface
from redactors.model import AnswerRedactor, ForCaller, Json, Remark, Verdict

# Fields that steer a provider library (hosts, credentials, callbacks, prices, test answers). A caller never chooses these.
FORBIDDEN_FIELDS = frozenset(
    {
        "api_base",
        "api_key",
        "api_version",
        "base_url",
        "base_model",
        "callbacks",
        "configurable_clientside_auth_params",
        "custom_llm_provider",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "input_cost_per_token",
        "logger_fn",
        "mock_response",
        "model_info",
        "model_list",
        "organization",
        "output_cost_per_token",
        "service_callback",
        "user_config",
    }
)

_REQUIRED: dict[Surface, tuple[tuple[str, type | tuple[type, ...], str], ...]] = {
    "openai.chat": (("messages", list, "a list of messages"),),
    "openai.completions": (("prompt", (str, list), "a string or a list"),),
    "openai.embeddings": (("input", (str, list), "a string or a list"),),
    "anthropic.messages": (("messages", list, "a list of messages"), ("max_tokens", int, "a whole number")),
    "anthropic.count_tokens": (("messages", list, "a list of messages"),),
}

# Names of betas and versions; keys have capitals or underscores.
_PASSED_HEADERS = (b"anthropic-version", b"anthropic-beta")
_FEATURE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")

# Numbers that bound what a call may cost, with the least and the most that they may be. A provider might read "100" or 1e2 as a number
# where we did not, so anything but a whole number is refused.
_BOUNDS = {"max_tokens": (0, 2**31 - 1), "max_completion_tokens": (0, 2**31 - 1), "n": (1, 1024), "best_of": (1, 1024)}


def dialect_of(surface: Surface) -> Dialect:
    """Which SDK's error shapes and stream ends a surface uses."""
    return "anthropic" if surface.startswith("anthropic.") else "openai"


def understand(surface: Surface, body: dict[str, Any], size: int) -> Asked:
    """Read what every surface needs from the body; the provider judges the rest. Raises BadRequest naming the field."""
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= 256:
        raise BadRequest("The field model is missing or not a short string.", hint="Name one of GET /v1/models.", param="model")
    forbidden = FORBIDDEN_FIELDS.intersection(body)
    if forbidden:
        name = min(forbidden)
        raise BadRequest(
            f"The field {name} may not be sent to this gateway.",
            hint="Targets, hosts and credentials are chosen by its configuration; leave the field out.",
            code="field_not_allowed",
            param=name,
        )
    for name, kind, description in _REQUIRED[surface]:
        value = body.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BadRequest(f"The field {name} is missing or not {description}.", hint="See the API's reference.", param=name)
    for name, (least, most) in _BOUNDS.items():
        number = body.get(name)
        if number is not None and (type(number) is not int or not least <= number <= most):
            raise BadRequest(f"The field {name} is not a whole number from {least} to {most}.", hint="See the API's reference.", param=name)
    for name, shape, description in (("stream_options", dict, "an object"), ("modalities", list, "a list")):
        if not isinstance(body.get(name), shape | None):
            raise BadRequest(f"The field {name} is not {description}.", hint="See the API's reference.", param=name)
    stream = body.get("stream", False)
    if stream is None:
        stream = False
    if not isinstance(stream, bool):
        raise BadRequest("The field stream is not a boolean.", hint="Send true or false.", param="stream")
    options = body.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Asked(body, model, stream and surface not in ("openai.embeddings", "anthropic.count_tokens"), wants_usage, size)


def passed_headers(headers: Headers, is_secret: Callable[[str], bool]) -> dict[str, str]:
    """The caller's headers that a provider should see, and of those only what looks like a version or feature and is no secret."""
    passed = {}
    for name in _PASSED_HEADERS:
        words = [word.strip() for word in headers.get(name).split(",")] if name in headers.values else []
        kept = ",".join(word for word in words if _FEATURE.fullmatch(word))
        if kept and not is_secret(kept):
            passed[name.decode()] = kept
    return passed


def stream_screen(surface: Surface, redactor: AnswerRedactor) -> AnswerScreen:
    """A fresh screen for one answer's stream."""
    return AnthropicScreen(redactor) if surface.startswith("anthropic.") else OpenAIScreen(redactor)


def is_terminal(surface: Surface, delta: Delta) -> bool:
    """Whether this event is the one that tells the client that the stream is complete (OpenAI's `[DONE]` is not a Delta)."""
    return surface == "anthropic.messages" and delta.data.get("type", delta.event) == "message_stop"


def is_usage_only(delta: Delta) -> bool:
    """Whether an OpenAI chunk carries nothing but the usage that we asked for on our own account."""
    return delta.data.get("choices") == [] and delta.data.get("usage") is not None


def screen_answer(surface: Surface, data: dict[str, Any], redactor: AnswerRedactor) -> ForCaller[Json]:
    """Redact a whole answer. Embedding vectors are numbers and pass around the walk, which would look at each of them."""
    if surface != "openai.embeddings" or not isinstance(data.get("data"), list):
        clean = redactor.tree(data)
        return _without_spelled_text(clean) if clean.remarks or _spells_more(data, redactor) else clean
    vectors = [item.get("embedding") if isinstance(item, dict) else None for item in data["data"]]
    plain = [all(isinstance(number, float | int) for number in vector) if isinstance(vector, list) else False for vector in vectors]
    hollow = [
        {name: value for name, value in item.items() if name != "embedding"}
        if passes or (isinstance(item, dict) and _is_base64(item.get("embedding")))
        else item
        for item, passes in zip(data["data"], plain, strict=True)
    ]
    clean = redactor.tree({**data, "data": hollow})

    def restore(tree: Json) -> Json:
        assert isinstance(tree, dict)
        items = [
            item if vector is None or not isinstance(item, dict) or "embedding" in item else {**item, "embedding": vector}
            for item, vector in zip(tree["data"], vectors, strict=True)
        ]
        return {**tree, "data": items}

    return clean.map(restore)


def _is_base64(value: Any) -> bool:
    """Whether a value is an embedding in base64, as the OpenAI SDK asks for: 32-bit floats, so 4 bytes each."""
    return (
        isinstance(value, str)
        and len(value) % 4 == 0
        and len(value) > 64
        and value.rstrip("=").replace("+", "a").replace("/", "a").isalnum()
    )


def _spells_more(data: dict[str, Any], redactor: AnswerRedactor) -> bool:
    """Whether log probabilities spell something out that must not be shown, though no single token of them does."""
    choices = data.get("choices")
    if not isinstance(choices, list):
        return False
    texts = [spelled(choice["logprobs"]) for choice in choices if isinstance(choice, dict) and choice.get("logprobs")]
    return any(redactor.text(text).remarks for text in texts if text)


def _without_spelled_text(clean: ForCaller[Json]) -> ForCaller[Json]:
    """Drop the log probabilities of an answer in which something was redacted: they spell the text out token by token."""

    def strip(tree: Json) -> Json:
        if not isinstance(tree, dict) or not isinstance(tree.get("choices"), list):
            return tree
        choices = [
            {**choice, "logprobs": None} if isinstance(choice, dict) and choice.get("logprobs") else choice for choice in tree["choices"]
        ]
        return {**tree, "choices": choices}

    return clean.map(strip)


def blocking_rules(remarks: tuple[Remark, ...]) -> tuple[str, ...]:
    """The rules whose action was to block, each once."""
    return tuple(sorted({remark.rule for remark in remarks if remark.action.label == "block"}))


def first_blocked_path(remarks: tuple[Remark, ...]) -> str | None:
    """A JSON pointer to the first blocked place."""
    return next((remark.path or "/" for remark in remarks if remark.action.label == "block"), None)


def is_blocked(verdict: Verdict) -> bool:
    """Whether a policy forbids the value."""
    return verdict is Verdict.BLOCK
