"""The adapter to pyahocorasick: literals looked for in one pass, where hyperscan has no wheel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redactors.detectors.hyper import Hits


class AhoScan:
    """A literal automaton over bytes, with the same answers as `HyperScan` over literals."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        import ahocorasick

        self._automaton: Any = ahocorasick.Automaton()
        indices: dict[str, list[int]] = {}
        for index, literal in enumerate(literals):
            indices.setdefault(literal.decode("latin-1"), []).append(index)
        for word, owners in indices.items():
            self._automaton.add_word(word, tuple(owners))
        if indices:
            self._automaton.make_automaton()
        self._empty = not indices

    def hits(self, data: bytes) -> Hits:
        """Every end of every literal, in the order of the ends."""
        if self._empty:
            return []
        return [(index, last + 1) for last, owners in self._automaton.iter(data.decode("latin-1")) for index in owners]

    def hits_anything(self, data: bytes) -> bool:
        """Whether any literal occurs; stops at the first."""
        return not self._empty and next(self._automaton.iter(data.decode("latin-1")), None) is not None

    def __reduce__(self) -> Any:
        raise TypeError("a scan automaton is not pickled")
