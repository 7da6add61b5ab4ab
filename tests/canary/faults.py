"""What a redactor may do instead of redacting; each must leave tombstones and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redactors.model import Json, seal


def _raises(raw: Json) -> None:
    raise ValueError(f"cannot redact {raw}")


def _recurses(raw: Json) -> object:
    return (_recurses([raw]), 0)[0]


def _no_memory(raw: Json) -> None:
    raise MemoryError(str(raw))


FAULTS: dict[str, Callable[[Json], Any]] = {
    "raises with the text in its message": _raises,
    "recurses for ever": _recurses,
    "has no memory": _no_memory,
    "gives the text back": lambda raw: raw,
    "gives nothing back": lambda _raw: None,
    "gives back a shorter list": lambda _raw: seal([]),
}
