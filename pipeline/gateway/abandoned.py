"""Streams whose callers have left, and how far they are read on, so that what the provider bills is charged and no estimate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ReadOn:
    """The bounds of reading on, and how many streams are being read on. Lives on the event loop only.

    `seconds` from when the caller left (0: nothing is read on), `tokens` by our count of what is written after that, `most` at a time.
    """

    seconds: float = 0.0
    tokens: int = 2_000
    most: int = 16
    running: int = 0

    def begin(self) -> bool:
        """Take a place; False when there is none, and for nobody when nothing is read on. `end` gives it back."""
        if self.seconds <= 0 or self.running >= self.most:
            return False
        self.running += 1
        return True

    def end(self) -> None:
        """Give a place back."""
        self.running -= 1
