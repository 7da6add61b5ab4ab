"""What every page is given: whose eyes, which question, at what time. Pages draw; they ask only `reads`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from dashboard.query import Query
from dashboard.routes import EVENTS_CSV, REDACTIONS_CSV, SPEND_CSV
from dashboard.session import Viewer
from pipeline.store.reads import Filter, Reads, filter_params


@dataclass(frozen=True, slots=True)
class Page:
    """One drawing of one page. `reads` already sees only what the viewer may see."""

    reads: Reads
    viewer: Viewer
    query: Query
    now_us: int

    @property
    def filter(self) -> Filter:
        """The read model's filter of this question."""
        return self.query.filter

    def events_csv(self) -> str:
        """Where the audit events of this question can be fetched as CSV."""
        return f"{EVENTS_CSV}?{urlencode(filter_params(self.filter))}"

    def spend_csv(self, group_by: str) -> str:
        """Where the spend of this question can be fetched as CSV."""
        return f"{SPEND_CSV}?{urlencode({**filter_params(self.filter), 'group_by': group_by, 'tz': self.query.zone.key})}"

    def redactions_csv(self, group_by: str) -> str:
        """Where the redactions of this question can be fetched as CSV."""
        return f"{REDACTIONS_CSV}?{urlencode({**filter_params(self.filter), 'group_by': group_by, 'tz': self.query.zone.key})}"


def link(path: str, params: Mapping[str, str]) -> str:
    """The address of another page with a question."""
    return f"/{path}?{urlencode({name: value for name, value in params.items() if value})}"
