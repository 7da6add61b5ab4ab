"""What a recognizer is: a detector that is slow, may fail for reasons of its own, and is asked once for all texts of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from redactors.detectors.subject import Label
from redactors.model import Finding, RedactionError


class RecognitionError(RedactionError):
    """The recognizer did not answer: too slow, busy, or its process died. The same value may pass later; now it must not leave."""


@runtime_checkable
class Recognizer(Protocol):
    """Finds by a model. Its cost lies in the asking, so a tree's texts are asked about together; streams never ask it."""

    @property
    def labels(self) -> Sequence[Label]:
        """Everything that it can report: a policy that acts on none of it does not pay for it."""
        ...

    def find_all(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        """The findings of each text, in the texts' order. Raises RedactionError when a text was not looked at."""
        ...
