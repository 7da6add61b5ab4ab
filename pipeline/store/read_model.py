"""The vocabulary of the read model: for whom is read, what is asked for, and the shapes of the answers.

Rows are plain mappings whose keys are the SQL column names, so that page, CSV, JSON and command line show the same words.
Times are epoch microseconds, UTC; money is integer micro-dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.clock import parse_rfc3339, rfc3339
from pipeline.errors import BadRequest, PipelineError

Row = dict[str, Any]
"""One line of an answer, in column order."""

SpendGroup = Literal["key", "model", "day", "workspace", "target", "provider", "reference", "state", "tag"]
SPEND_GROUPS: tuple[SpendGroup, ...] = ("key", "model", "day", "workspace", "target", "provider", "reference", "state", "tag")

RedactionGroup = Literal["rule", "detector", "direction", "action", "day"]
REDACTION_GROUPS: tuple[RedactionGroup, ...] = ("rule", "detector", "direction", "action", "day")


class ReadError(PipelineError):
    """The store cannot be read now. Carries no SQL and no address."""

    code, status, type = "store_unavailable", 503, "server_error"


@dataclass(frozen=True, slots=True)
class Tenant:
    """For whom is read: an organization, and one workspace of it (slug or id) when the viewer is restricted to that."""

    org_id: str = "default"
    workspace: str = ""

    @property
    def restricted(self) -> bool:
        """Whether the viewer may see one workspace only."""
        return self.workspace != ""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for. Empty means any; `from_us` is inclusive, `to_us` exclusive, 0 is open.

    `workspace` is a slug or an id, `key` a key id, `kind` an event kind or a prefix of kinds that ends in `*`
    (`policy:*`). Fields that a table does not have (an outcome of a charge) do not filter it.
    """

    from_us: int = 0
    to_us: int = 0
    workspace: str = ""
    key: str = ""
    model: str = ""
    target: str = ""
    kind: str = ""
    outcome: str = ""
    actor: str = ""
    request_id: str = ""
    trace_id: str = ""
    error: str = ""

    def between(self, from_us: int, to_us: int) -> Filter:
        """The same question about another time."""
        return replace(self, from_us=from_us, to_us=to_us)


TEXT_FIELDS = tuple(field.name for field in fields(Filter) if not field.name.endswith("_us"))


def parse_filter(params: Mapping[str, str]) -> Filter:
    """Read a filter from query parameters: `from` and `to` (RFC 3339 or a date, UTC) and the text fields by their names.

    Other parameters are left to the caller. Raises BadRequest for a time that is none, an empty period or an overlong value.
    """
    texts: dict[str, str] = {}
    for name in TEXT_FIELDS:
        value = params.get(name, "").strip()
        if len(value) > 255:
            raise BadRequest(f"The filter `{name}` is longer than 255 characters.", param=name)
        texts[name] = value
    found = Filter(from_us=_time(params, "from"), to_us=_time(params, "to"), **texts)
    if found.from_us and found.to_us and found.from_us >= found.to_us:
        raise BadRequest("The period is empty: `from` must be earlier than `to`.", param="from")
    return found


def filter_params(asked: Filter) -> dict[str, str]:
    """Write a filter as query parameters; `parse_filter` reads them back to the same filter."""
    params: dict[str, str] = {}
    if asked.from_us:
        params["from"] = rfc3339(asked.from_us)
    if asked.to_us:
        params["to"] = rfc3339(asked.to_us)
    params.update({name: value for name in TEXT_FIELDS if (value := getattr(asked, name))})
    return params


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name, UTC when empty. Raises BadRequest for one that does not exist."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest("There is no such time zone.", hint="Use an IANA name such as `Europe/Paris`.", param="tz") from None


def _time(params: Mapping[str, str], name: str) -> int:
    text = params.get(name, "").strip()
    if not text:
        return 0
    try:
        return max(parse_rfc3339(text), 1)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"`{name}` is not a time.", hint="Use RFC 3339 (`2026-11-21T09:00:00Z`) or a date (`2026-11-21`).", param=name
        ) from None


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How calls ended: `finished` is every call that was opened and has ended, and splits into ok, failed and aborted.

    `blocked` were stopped by a redaction policy, `refused` by anything else before they were sent (budget, rate, scope),
    `rejected` had no valid key. `redacting` are not calls: they asked for a redaction (`/v1/redact`), and have ended.
    """

    finished: int
    ok: int
    failed: int
    aborted: int
    blocked: int
    refused: int
    rejected: int
    redacting: int

    @property
    def looked_at(self) -> int:
        """Requests in which something may have been redacted: every call of a valid key, and what asked for a redaction."""
        return self.finished + self.blocked + self.refused + self.redacting

    @property
    def error_rate(self) -> float:
        """Failed calls as a share of those that a provider was asked for; 0 when there were none."""
        return self.failed / self.finished if self.finished else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Whole duration of charged calls in microseconds, by nearest rank over the newest `sample` of them."""

    p50_us: int
    p95_us: int
    sample: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of a period."""

    cost_micros: int
    charges: int
    calls: CallCounts
    redactions: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events, newest first, with the cursors of its neighbors ("" where there is none)."""

    rows: tuple[Row, ...]
    older: str
    newer: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What a filter can be set to for this viewer and period: workspaces by slug, keys by id (with a label), the rest by value."""

    workspaces: tuple[str, ...]
    keys: Mapping[str, str]
    models: tuple[str, ...]
    kinds: tuple[str, ...]
    outcomes: tuple[str, ...]
