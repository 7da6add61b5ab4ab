"""What a proven key may do."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pipeline.errors import KeyOutOfScope
from pipeline.keys.model import Caller

NO_MODELS = ("",)
"""The models of a key whose own list and whose workspace's list have nothing in common: no model has an empty name."""


def allow_model(caller: Caller, model: str) -> None:
    """Let a caller use a model, or raise KeyOutOfScope (403 `model_not_allowed`)."""
    models = caller.key.models
    if models and model not in models:
        raise KeyOutOfScope("This key may not use this model.", hint="GET /v1/models lists those that it may use.", param="model")


def allowed_models(allowed: Collection[str], models: Iterable[str]) -> tuple[str, ...]:
    """Those of the given models that somebody's list allows (an empty one: all), in their order."""
    return tuple(model for model in models if not allowed or model in allowed)


def narrowed(key_models: tuple[str, ...], workspace_models: tuple[str, ...]) -> tuple[str, ...]:
    """What is left when a key's list meets its workspace's (empty lists allow everything)."""
    if not key_models or not workspace_models:
        return key_models or workspace_models
    return tuple(model for model in key_models if model in workspace_models) or NO_MODELS
