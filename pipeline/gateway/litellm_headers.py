"""The headers that LiteLLM's clients read from an answer, where the document asks for them (`server.litellm_headers`).

Names are those of LiteLLM 1.106's proxy. A stream's cost is not known when its headers leave, so it has no `x-litellm-response-cost`;
what a key has spent stands only on answers to keys with a budget, as it stood when the call was written down.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.gateway.settle import Trail
from pipeline.routing.attempts import Answer


def litellm_headers(wanted: bool, trail: Trail, answer: Answer, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers beside our own (`headers`, from which cost and target are taken); none unless they are `wanted`."""
    if not wanted:
        return {}
    before = {attempt.target_id for attempt in answer.attempts} - {answer.target.id}
    named = {
        "x-litellm-call-id": trail.call.request_id,
        "x-litellm-model-id": headers["x-lockgate-deployment"],
        "x-litellm-attempted-fallbacks": str(len(before)),
    }
    if "x-lockgate-cost" in headers:
        named["x-litellm-response-cost"] = headers["x-lockgate-cost"]
    if trail.key_micros is not None:
        named["x-litellm-key-spend"] = f"{trail.key_micros / 1_000_000:.6f}"
    return named
