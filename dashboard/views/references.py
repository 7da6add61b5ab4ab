"""Secret references: whether each resolves, how old its version is, what uses it. Values never come here."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.format import age, count
from dashboard.page import Page
from dashboard.parts import Column, Figure, csv_button, empty, figures, filter_bar, head, section, table
from pipeline.store.reads import Row

PARAMS: tuple[str, ...] = ()
_MARKS: Final = {"healthy": "● healthy", "stale": "◐ stale", "failing": "✕ failing", "unchecked": "○ unchecked"}
_COLUMNS: Final = (
    Column("slug", "Reference"),
    Column("mark", "Health"),
    Column("manager_type", "Vault"),
    Column("version", "Version"),
    Column("age", "Age", help="Since this version was first seen."),
    Column("remarks", "To do", "list"),
    Column("error", "Last error", width="medium"),
    Column("targets", "Targets", "list"),
    Column("shared_with", "Same value as", "list", help="Other references behind which the same value stands."),
    Column("resolved_us", "Last read", "ago"),
    Column("used_us", "Last used", "ago"),
    Column("fingerprint", "Fingerprint", help="A keyed hash: the same value has the same fingerprint, and nothing can be told from it."),
    Column("latency_us", "Latency", "duration"),
    Column("required", "Required", "flag"),
)
_USE: Final = (
    Column("reference", "Reference"),
    Column("version", "Version"),
    Column("fingerprint", "Fingerprint"),
    Column("cost_micros", "Spend", "money"),
    Column("charges", "Charges", "count"),
)


def render(page: Page) -> None:
    """Draw the page."""
    head("Secret references", "The providers' keys stay in your vaults. This is what is known about them: never a value.", page)
    rows = [_shown(row) for row in page.reads.references(page.now_us)]
    if not rows:
        empty("There is no reference yet.", "Name a secret in the configuration: under `references:`, or in a target's `secret_key_ref:`.")
        return

    def having(remark: str) -> int:
        return sum(remark in row["remarks"] for row in rows)

    def being(*health: str) -> int:
        return sum(row["health"] in health for row in rows)

    figures(
        [
            Figure("Healthy", count(being("healthy")), "The last read from the vault succeeded."),
            Figure("Failing or stale", count(being("failing", "stale")), "The last read failed; stale ones still answer from memory."),
            Figure("Rotate now", count(having("rotate now")), "Older than 90 days, or than the reference's own max_age_days."),
            Figure("Unused", count(having("unused")), "It resolves, and no call was made with it for 30 days."),
            Figure("Shared values", count(having("shared")), "The same value stands under more than one reference."),
        ]
    )  # fmt: skip
    table(rows, _COLUMNS, page, alt="Secret references", key="references")
    section("Where used", "Spend by the reference, version and fingerprint that each call was made with.")
    with filter_bar(page, page.reads.workspaces()):
        pass
    used = page.reads.spend(page.filter, "reference")
    if used:
        table([_named(row) for row in used], _USE, page, alt="Use of references", key="reference-use")
        csv_button("Export (CSV)", page.spend_csv("reference"))
    else:
        st.caption("No call was charged in this period.")


def _shown(row: Row) -> Row:
    return {**row, "mark": _MARKS.get(row["health"], row["health"]), "age": "" if row["age_us"] is None else age(row["age_us"])}


def _named(row: Row) -> Row:
    return {**row, "reference": row["reference"] or "none (no key needed)"}
