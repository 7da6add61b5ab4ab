"""Time that a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

START_US = 1_790_000_000_000_000


@dataclass
class MovableClock:
    """Time that stands still until a test moves it."""

    us: int = START_US
    seconds: float = 1_000.0
    moved: list[float] = field(default_factory=list)

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.moved.append(seconds)
        self.us += int(seconds * 1_000_000)
        self.seconds += seconds
