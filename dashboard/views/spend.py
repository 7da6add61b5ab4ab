"""Spend: who spent what, on which model, when. Each table is the SQL sum that the export holds."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import charts
from dashboard.format import count, money
from dashboard.page import Page
from dashboard.parts import Column, Figure, csv_button, empty, figures, filter_bar, head, picker, section, table
from pipeline.store.reads import SpendGroup

PARAMS: tuple[str, ...] = ("group", "key", "model")
_GROUPS: Final[dict[str, str]] = {
    "key": "Virtual key",
    "model": "Model",
    "day": "Day",
    "workspace": "Workspace",
    "provider": "Provider",
    "reference": "Secret reference",
    "state": "How the usage is known",
    "tag": "Tag of the key",
}
_NAMES: Final[dict[str, tuple[Column, ...]]] = {
    "key": (Column("alias", "Key"), Column("hint", "Hint"), Column("workspace", "Workspace")),
    "model": (Column("model", "Model"),),
    "day": (Column("day", "Day"),),
    "workspace": (Column("workspace", "Workspace"),),
    "provider": (Column("provider", "Provider"),),
    "reference": (Column("reference", "Reference"), Column("version", "Version"), Column("fingerprint", "Fingerprint")),
    "state": (Column("state", "State"),),
    "tag": (Column("tag", "Tag"),),
}
_SUMS: Final = (
    Column("cost_micros", "Spend", "money"),
    Column("charges", "Charges", "count", "Rows of the ledger: one per answered attempt."),
    Column("tokens_input", "Input tokens", "count"),
    Column("tokens_cache_read", "Cache read", "count"),
    Column("tokens_cache_write", "Cache write", "count"),
    Column("tokens_output", "Output tokens", "count"),
    Column("tokens_reasoning", "Reasoning", "count"),
    Column("not_observed", "Estimated", "count", "Charges whose usage the provider did not report; counted by us and flagged."),
)


def render(page: Page) -> None:
    """Draw the page."""
    head("Spend", "Every charge is one row in the ledger, in whole micro-dollars; these are their sums.", page)
    choices = page.reads.choices(page.filter)
    group = _group(page)
    with filter_bar(page, choices.workspaces):
        picker("group", "Group by", list(_GROUPS), group, _GROUPS, default="key", width=170)
        picker("key", "Virtual key", ["", *choices.keys], page.filter.key, {"": "All keys", **choices.keys}, width=200)
        picker("model", "Model", ["", *choices.models], page.filter.model, {"": "All models"}, width=190)
    total = page.reads.spend_total(page.filter)
    tokens_in = total["tokens_input"] + total["tokens_cache_read"] + total["tokens_cache_write"]
    figures(
        [
            Figure("Spend", money(total["cost_micros"]), "Sum of all charges that match."),
            Figure("Charges", count(total["charges"]), "How many charges match."),
            Figure("Tokens in", count(tokens_in), "All input, cached or not."),
            Figure("Tokens out", count(total["tokens_output"] + total["tokens_reasoning"]), "All output, reasoning included."),
        ]
    )  # fmt: skip
    if not total["charges"]:
        empty("Nothing was charged.", "Choose a longer period or fewer filters. Calls appear here as soon as they have ended.")
        return
    rows = page.reads.spend(page.filter, group, page.query.zone.key)
    section(f"By {_GROUPS[group].lower()}")
    if group == "day":
        chart = charts.spend_over_time(page.reads.spend_timeline(page.filter), page.filter.from_us, page.filter.to_us, page.query.zone)
    else:
        chart = charts.spend_bars(rows, "alias" if group == "key" else group)
    st.altair_chart(chart, width="stretch", alt=f"Spend by {_GROUPS[group].lower()}")
    table(rows, [*_NAMES[group], *_SUMS], page, alt=f"Spend by {_GROUPS[group].lower()}", key=f"spend-{group}")
    csv_button("Export (CSV)", page.spend_csv(group))


def _group(page: Page) -> SpendGroup:
    wanted = page.query.params.get("group", "key")
    found: SpendGroup = next((name for name in _typed() if name == wanted), "key")
    return found


def _typed() -> tuple[SpendGroup, ...]:
    return ("key", "model", "day", "workspace", "provider", "reference", "state", "tag")
