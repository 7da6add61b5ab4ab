"""The free requests of each provider: lists of models and what says whose key it is, answered only to those who hold one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.servers import provider_openai

_PATHS = ("/models", "/foundation-models", "/key", "/api-key", "/user/balance", "/api/whoami-v2", "/account")


@dataclass(frozen=True)
class Look:
    """One such request as it came."""

    path: str
    query: str
    key: str
    headers: dict[str, str]


def is_canary(path: str) -> bool:
    """Whether a path is one of those that cost nothing."""
    return path.endswith(_PATHS)


def answer(path: str, models: list[str]) -> tuple[int, dict[str, Any]]:
    """What a good key is told."""
    if path.endswith("/models"):
        return 200, provider_openai.models(models)
    if path.endswith("/foundation-models"):
        return 200, {"modelSummaries": [{"modelId": name} for name in models]}
    return 200, {"data": {"label": "loopback"}}


def refused(path: str, status: int) -> tuple[int, dict[str, Any]]:
    """What a bad key is told: `status`, or what the provider of that path answers."""
    usual = 403 if path.endswith("/foundation-models") else 400 if path.endswith(("/api-key", "/v1beta/models")) else 401
    return status or usual, provider_openai.error(status or usual, "The key is not known here.")
