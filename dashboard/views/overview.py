"""Overview: what is spent, how calls end, what was redacted, whether anything is missing."""

from __future__ import annotations

import streamlit as st

from dashboard import charts
from dashboard.format import ago, count, duration, money, share
from dashboard.page import Page
from dashboard.parts import Figure, csv_button, empty, figures, filter_bar, head, section
from dashboard.query import midnight
from pipeline.store.reads import Overview, Row

PARAMS: tuple[str, ...] = ()


def render(page: Page) -> None:
    """Draw the page."""
    head("Overview", "What your applications spent, how their calls ended, and what was redacted on the way.", page)
    with filter_bar(page, page.reads.workspaces()):
        pass
    seen = page.reads.overview(page.filter)
    figures([*_spend(page, seen), *_calls(seen)])
    section("Spend over time")
    quarters = page.reads.spend_timeline(page.filter)
    if quarters:
        st.altair_chart(
            charts.spend_over_time(quarters, page.filter.from_us, page.filter.to_us, page.query.zone),
            width="stretch",
            alt=f"Spend over time, {page.query.label}: {money(seen.cost_micros)} in all",
        )
        csv_button("Spend by day (CSV)", page.spend_csv("day"))
    else:
        empty(
            "No calls were charged in this period.",
            "Send one through the gateway: point the `openai` or `anthropic` client at the base URL and the virtual key that "
            "`lockgate up` printed, or choose a longer period above.",
        )
    left, right = st.columns(2, gap="large")
    with left:
        _models(page)
        _budgets(page)
    with right:
        _losses(page)
        _chains(page)


def _spend(page: Page, seen: Overview) -> list[Figure]:
    def spent_since(start: int) -> str:
        return money(page.reads.spend_total(page.filter.between(start, page.now_us))["cost_micros"])

    zone = page.query.zone
    return [
        Figure("Spend today", spent_since(midnight(page.now_us, zone)), f"Sum of charges since midnight, {zone.key}."),
        Figure(
            "Spend this month",
            spent_since(midnight(page.now_us, zone, first_of_month=True)),
            f"Sum of charges since the first of the month, {zone.key}.",
        ),
        Figure(f"Spend, {page.query.label.lower()}", money(seen.cost_micros), f"Sum of {count(seen.charges)} charges in the period."),
    ]


def _calls(seen: Overview) -> list[Figure]:
    calls, latency = seen.calls, seen.latency
    ended = f"Calls that ended: {count(calls.ok)} ok, {count(calls.failed)} failed, {count(calls.aborted)} aborted."
    return [
        Figure("Calls", count(calls.finished), ended),
        Figure("Error rate", share(calls.failed, calls.finished), "Failed calls as a share of all calls that were sent to a provider."),
        Figure(
            "Blocked",
            count(calls.blocked),
            f"Prompts stopped by a redaction policy. {count(calls.refused)} more were refused for budget, rate or scope, "
            f"{count(calls.rejected)} had no valid key.",
        ),
        Figure("Redactions", count(seen.redactions), "Values masked, replaced, hashed or blocked in prompts, answers and telemetry."),
        Figure(
            "Latency p50 / p95",
            f"{duration(latency.p50_us)} / {duration(latency.p95_us)}",
            f"Whole duration of the newest {count(latency.sample)} charged calls of the period.",
        ),
    ]  # fmt: skip


def _models(page: Page) -> None:
    section("Spend by model")
    rows = page.reads.spend(page.filter, "model")
    if rows:
        st.altair_chart(charts.spend_bars(rows, "model", 6), width="stretch", alt="Spend by model, dearest first")
    else:
        st.caption("Nothing was spent in this period.")


def _budgets(page: Page) -> None:
    section("Budgets", "Spent and reserved in the current period of each budget, beside its limit.")
    rows = page.reads.budgets(page.now_us)
    if not rows:
        st.caption("No budget is set for the organization or a workspace. Set one with `budget:` in the configuration.")
    for row in rows:
        used, limit = row["budget_spent_micros"] + row["budget_reserved_micros"], row["budget_limit_micros"]
        period = f" per {row['budget_period']}" if row["budget_period"] else ""
        soft = f", soft limit {money(row['budget_soft_micros'])}" if row["budget_soft_micros"] else ""
        text = f"**{row['name']}** · {money(used)} of {money(limit)}{period} ({share(used, limit)}{soft})"
        st.progress(min(1.0, used / limit) if limit else 1.0, text=_plain(text))


def _losses(page: Page) -> None:
    section("Telemetry", "Everything accepted is delivered, queued, a dead letter or rejected by policy. Nothing else can happen to it.")
    rows = page.reads.accounts()
    if page.viewer.workspace:
        st.caption("Loss accounting is kept for the whole installation; it is shown to those who may see all workspaces.")
    elif not rows:
        st.caption("No telemetry destination is configured. Add one under `telemetry: destinations:`.")
    for row in rows:
        mark = ":green-badge[:material/check: complete]" if row["missing"] == 0 else f":red-badge[{count(row['missing'])} missing]"
        st.markdown(f"**{row['destination']}** · {row['signal']} {mark}  \n{equation(row)}")


def equation(row: Row) -> str:
    """The loss equation of an account in words."""
    parts = ("delivered", "queued", "dead_letter", "rejected_by_policy")
    names = ("delivered", "queued", "dead letters", "rejected by policy")
    return f"{count(row['accepted'])} accepted = " + " + ".join(
        f"{count(row[part])} {name}" for part, name in zip(parts, names, strict=True)
    )


def _chains(page: Page) -> None:
    section("Audit chain", "Each writer's events form one chain of hashes. `lockgate audit verify` proves every link.")
    if page.viewer.workspace:
        st.caption("Chains are kept for the whole installation; they are shown to those who may see all workspaces.")
        return
    heads = page.reads.chain_heads(3)
    if not heads:
        st.caption("No event was written yet.")
    for found in heads:
        mark = ":green-badge[:material/check: no gaps]" if found["gaps"] == 0 else f":red-badge[{count(found['gaps'])} missing]"
        point = f"checkpoint at {count(found['checkpoint_seq'])}" if found["checkpoint_seq"] is not None else "no checkpoint yet"
        st.markdown(
            f"`{found['chain']}` {mark}  \n{count(found['events'])} events, newest {ago(found['at_us'], page.now_us)}, {point}  \n"
            f"head `{found['hash'][:16]}…`"
        )


def _plain(text: str) -> str:
    """Dollar signs as themselves: two in one line would be read as a formula."""
    return text.replace("$", "\\$")
