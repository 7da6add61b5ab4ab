"""Clean records kept in a list: for tests and for looking at the last few."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from collectors.model import CollectorError, Record
from redactors.model import Clean, is_clean


class MemorySink:
    """Keeps the last `limit` clean records."""

    def __init__(self, limit: int = 1_000) -> None:
        self.records: deque[Clean[Record]] = deque(maxlen=limit)

    def write(self, batch: Sequence[Clean[Record]]) -> None:
        """Keep a batch; raises CollectorError when a record is not clean."""
        if not all(is_clean(record) for record in batch):
            raise CollectorError("only clean records are kept")
        self.records.extend(batch)
