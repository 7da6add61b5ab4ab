"""Text in, clean text out: the redaction engine, usable without the rest of Lockgate.

    from redactors import build_redactor
    redactor = build_redactor()
    redactor.text("…").value

The names below are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redactors.detectors.known import KnownSecrets
    from redactors.detectors.pattern import compile_patterns
    from redactors.engine import Redactor, build_redactor
    from redactors.policy import PolicyError, UnsafeAllowAll
    from redactors.screen import Screen, Screened
    from redactors.stream import StreamRedactor

_HOMES = {
    "KnownSecrets": "redactors.detectors.known",
    "compile_patterns": "redactors.detectors.pattern",
    "Redactor": "redactors.engine",
    "build_redactor": "redactors.engine",
    "PolicyError": "redactors.policy",
    "UnsafeAllowAll": "redactors.policy",
    "Screen": "redactors.screen",
    "Screened": "redactors.screen",
    "StreamRedactor": "redactors.stream",
}

__all__ = [
    "KnownSecrets",
    "PolicyError",
    "Redactor",
    "Screen",
    "Screened",
    "StreamRedactor",
    "UnsafeAllowAll",
    "build_redactor",
    "compile_patterns",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'redactors' has no attribute {name!r}")
    return getattr(import_module(home), name)
