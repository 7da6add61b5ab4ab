"""A small stand-in for the redaction engine: replaces planted words everywhere in a tree, and can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from redactors.model import Action, Clean, Json, Remark, Verdict, seal


class PlainRedactor:
    """Replaces every planted word by `[gone]`, in keys as well as in values."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.calls = 0

    def tree(self, raw: Json) -> Clean[Json]:
        """Redact a tree."""
        self.calls += 1
        remarks: list[Remark] = []
        return seal(self._walk(raw, "", remarks), remarks, Verdict.REDACT if remarks else Verdict.ALLOW)

    def _walk(self, raw: Any, path: str, remarks: list[Remark]) -> Any:
        if isinstance(raw, str):
            for word in self.words:
                if word in raw:
                    raw = raw.replace(word, "[gone]")
                    remarks.append(Remark(path, 0, 0, "planted", "word", "terms", Action.REPLACE))
            return raw
        if isinstance(raw, dict):
            return {self._walk(k, path, remarks): self._walk(v, f"{path}/{k}", remarks) for k, v in raw.items()}
        if isinstance(raw, list):
            return [self._walk(item, f"{path}/{index}", remarks) for index, item in enumerate(raw)]
        return raw


class FailingRedactor:
    """Works for the empty probe, then does what it is told with every other tree."""

    def __init__(self, fail: Callable[[Json], Any]) -> None:
        self._fail = fail

    def tree(self, raw: Json) -> Clean[Json]:
        """Fail for everything that holds text."""
        if raw == []:
            return seal(raw)
        failed: Clean[Json] = self._fail(raw)
        return failed


class HangingRedactor:
    """Does not return for texts until it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def tree(self, raw: Json) -> Clean[Json]:
        """Hang on everything that holds text."""
        if raw != []:
            self.released.wait(60)
        return seal(raw)
