"""Telemetry: loss accounting per destination, dead letters, and the audit chains. The page that shows what is missing: nothing."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.format import age, count
from dashboard.page import Page
from dashboard.parts import Column, Figure, empty, figures, head, section, table, total
from dashboard.views.overview import equation
from pipeline.store.reads import Row

PARAMS: tuple[str, ...] = ()
_ACCOUNTS: Final = (
    Column("destination", "Destination"),
    Column("signal", "Signal"),
    Column("mark", "Account"),
    Column("accepted", "Accepted", "count"),
    Column("delivered", "Delivered", "count"),
    Column("queued", "Queued", "count"),
    Column("dead_letter", "Dead letters", "count"),
    Column("rejected_by_policy", "Rejected by policy", "count"),
    Column("missing", "Missing", "count", "Accepted minus all the others; 0 when nothing was lost."),
    Column("waiting", "Oldest waits"),
    Column("kept_bytes", "Bytes kept", "count", "Of what waits and of dead letters."),
)
_DEAD: Final = (
    Column("destination", "Destination"),
    Column("signal", "Signal"),
    Column("reason", "Reason"),
    Column("items", "Items", "count"),
    Column("rows", "Batches", "count"),
    Column("last_us", "Last", "ago"),
)
_REJECTED: Final = (
    Column("destination", "Destination"),
    Column("signal", "Signal"),
    Column("meaning", "Reason"),
    Column("items", "Items", "count"),
)
_MEANINGS: Final = {
    "sampled": "left out by sampling",
    "full": "left out while the queue was full",
    "dropped": "dropped by an administrator",
    "partial_success": "refused by the destination in a request that it took",
    "live_secret": "destroyed: it held a live secret",
}
_CHAINS: Final = (
    Column("chain", "Chain"),
    Column("mark", "State"),
    Column("events", "Events", "count"),
    Column("seq", "Head", "count"),
    Column("at_us", "Newest event", "ago"),
    Column("checkpoint_seq", "Checkpoint at", "count"),
    Column("checkpoint_us", "Checkpoint", "ago"),
    Column("host", "Host"),
    Column("version", "Version"),
    Column("hash", "Head hash"),
)


def render(page: Page) -> None:
    """Draw the page."""
    head("Telemetry", "Where spans, logs and metrics went: everything accepted is accounted for, per destination and signal.", page)
    if page.viewer.workspace:
        empty("This page covers the whole installation.", "It is shown to people who may see all workspaces; ask an administrator.")
        return
    rows = [_shown(row, page) for row in page.reads.accounts()]
    if rows:
        missing = total(rows, "missing")
        figures(
            [
                Figure("Accepted", count(total(rows, "accepted")), "Items that were redacted and taken for export."),
                Figure("Delivered", count(total(rows, "delivered")), "Items that a destination has confirmed."),
                Figure("Waiting", count(total(rows, "queued")), "Items in the durable queue."),
                Figure("Missing", count(missing), "Accepted − delivered − queued − dead letters − rejected by policy."),
            ]
        )
        st.markdown("\n".join(f"- **{row['destination']}** · {row['signal']}: {equation(row)}" for row in rows))
        table(rows, _ACCOUNTS, page, alt="Loss accounting", key="accounts")
    else:
        empty(
            "No telemetry destination is configured.", "Add one under `telemetry: destinations:`; what is exported there is redacted first."
        )
    rejected = [{**row, "meaning": _MEANINGS.get(row["reason"], row["reason"])} for row in page.reads.rejections()]
    if rejected:
        section("Rejected by policy", "Accepted and counted, and not delivered, by somebody's decision.")
        table(rejected, _REJECTED, page, alt="Rejected by policy by reason", key="rejections")
    section("Dead letters", "What a destination refused for good; kept, and replayed with `lockgate outbox replay`.")
    dead = page.reads.dead_letters()
    if dead:
        table(dead, _DEAD, page, alt="Dead letters by reason", key="dead-letters")
    else:
        st.caption("None.")
    section("Audit chains", "One chain of hashes per life of a writer, newest first.")
    heads = [_chain(row) for row in page.reads.chain_heads(10)]
    if heads:
        table(heads, _CHAINS, page, alt="Audit chains", key="chains")
    else:
        st.caption("No event was written yet.")


def _shown(row: Row, page: Page) -> Row:
    mark = "✓ complete" if row["missing"] == 0 else "✕ items missing"
    oldest, kept = row["oldest_queued_us"], row["queued_bytes"] + row["dead_letter_bytes"]
    return {**row, "mark": mark, "waiting": age(page.now_us - oldest) if oldest else "", "kept_bytes": kept}


def _chain(row: Row) -> Row:
    return {**row, "mark": "✓ no gaps" if row["gaps"] == 0 else f"✕ {count(row['gaps'])} missing"}
