"""Redactions: which rules acted, in which direction, how, and on how many calls. What they matched was never stored."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import charts
from dashboard.format import count, share
from dashboard.page import Page
from dashboard.parts import Column, Figure, csv_button, empty, figures, filter_bar, head, picker, section, table
from pipeline.store.reads import RedactionGroup

PARAMS: tuple[str, ...] = ("key",)
_RULES: Final = (
    Column("rule", "Rule"),
    Column("kind", "Shown as"),
    Column("detector", "Detector"),
    Column("direction", "Direction"),
    Column("action", "Action"),
    Column("count", "Redactions", "count"),
    Column("requests", "Requests", "count"),
)
_GROUPS: Final[tuple[RedactionGroup, ...]] = ("direction", "action", "detector")
_SUMS: Final = (Column("count", "Redactions", "count"), Column("requests", "Requests", "count"))


def render(page: Page) -> None:
    """Draw the page."""
    head("Redactions", "What was found and what was done about it, by rule. The text itself is nowhere: not here, not in the store.", page)
    choices = page.reads.choices(page.filter)
    with filter_bar(page, choices.workspaces):
        picker("key", "Virtual key", ["", *choices.keys], page.filter.key, {"": "All keys", **choices.keys}, width=200)
    total, requests, calls = (
        page.reads.redactions_total(page.filter),
        page.reads.redacted_requests(page.filter),
        page.reads.calls(page.filter),
    )
    figures(
        [
            Figure("Redactions", count(total), "Values that a rule acted upon."),
            Figure("Requests touched", count(requests), "Requests with at least one redaction."),
            Figure(
                "Share of requests",
                share(requests, calls.looked_at),
                f"Of {count(calls.looked_at)}: calls, refused ones among them, and requests for a redaction.",
            ),
            Figure("Blocked", count(calls.blocked), "Prompts that were stopped as a whole."),
        ]
    )
    if not total:
        empty(
            "Nothing was redacted in this period.",
            "Send a made-up key to the demo model, or choose a longer period above.",
        )
        return
    section("Over time")
    days = page.reads.redactions(page.filter, "day", page.query.zone.key)
    chart = charts.redactions_over_time(days, page.filter.from_us, page.filter.to_us, page.query.zone)
    st.altair_chart(chart, width="stretch", alt="Redactions per day by direction")
    section("By rule")
    rules = page.reads.redactions(page.filter, "rule")
    st.altair_chart(charts.redaction_bars(rules), width="stretch", alt="Most frequent rules by action")
    table(rules, _RULES, page, alt="Redactions by rule", key="redactions-rule")
    csv_button("Export (CSV)", page.redactions_csv("rule"))
    for cell, group in zip(st.columns(3, gap="medium"), _GROUPS, strict=True):
        with cell:
            section(f"By {group}")
            rows = page.reads.redactions(page.filter, group)
            table(rows, [Column(group, group.capitalize()), *_SUMS], page, alt=f"Redactions by {group}", key=f"redactions-{group}")
