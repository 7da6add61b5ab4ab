"""Keys: which virtual keys exist, what they may, how much of their budget is used, when they were last used."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.format import count, money
from dashboard.page import Page, link
from dashboard.parts import Column, Figure, empty, figures, filter_bar, head, picker, table
from pipeline.store.reads import Row

PARAMS: tuple[str, ...] = ("state",)
_DAY_US: Final = 86_400_000_000
_STATES: Final = {"": "All states", "active": "Active", "expired": "Expired", "blocked": "Blocked", "revoked": "Revoked"}
_MARKS: Final = {"active": "● active", "expired": "○ expired", "blocked": "■ blocked", "revoked": "✕ revoked"}
_COLUMNS: Final = (
    Column("alias", "Key", help="A child key without an alias stands under the agent it was made for."),
    Column("hint", "Hint"),
    Column("workspace", "Workspace"),
    Column("mark", "State"),
    Column("used", "Used", "bar", "Spent and reserved in the current period, as a share of the limit.", 90),
    Column("committed_micros", "Committed", "money", "Spent and reserved in the current period."),
    Column("budget_limit_micros", "Limit", "money"),
    Column("budget_period", "Per"),
    Column("limits", "Limits", help="Requests a minute (rpm), tokens a minute (tpm), calls at the same time (parallel)."),
    Column("parent", "Child of", help="The key that a child key was made of, and ends with."),
    Column("caveats", "Caveats", "list", "What the key is narrowed to beside models and expiry; one that is not met is 403."),
    Column("used_us", "Last used", "ago"),
    Column("expires_us", "Expires", "ago"),
    Column("audit", "Audit", "link"),
    Column("role", "Role"),
    Column("all_budgets", "All budgets", "list", "Spent and reserved of the limit of each budget, also of those for one model."),
    Column("named_policy", "Policy", help="The redaction policy that the key names, else its workspace's; a model's comes between."),
    Column("models", "Models", "list", "Empty: every model of the workspace."),
)


def render(page: Page) -> None:
    """Draw the page."""
    head("Keys", "Virtual keys are stored only as keyed hashes; nobody can read one here. The hint is its last characters.", page)
    rows = [_shown(row, page) for row in page.reads.keys(page.now_us, page.filter)]
    wanted = page.query.params.get("state", "")
    with filter_bar(page, page.reads.workspaces(), period=False):
        picker("state", "State", list(_STATES), wanted if wanted in _STATES else "", _STATES, width=170)
    soon = [row for row in rows if row["state"] == "active" and 0 < row["expires_us"] <= page.now_us + 30 * _DAY_US]
    full = [row for row in rows if row["state"] == "active" and (row["used"] or 0) >= 0.9]
    figures(
        [
            Figure("Active keys", count(sum(row["state"] == "active" for row in rows)), "Keys that can be used now."),
            Figure("Expire within 30 days", count(len(soon)), "Active keys whose expiry is near."),
            Figure("Budget 90% used", count(len(full)), "Active keys that will soon be refused."),
            Figure("Blocked or revoked", count(sum(row["state"] in {"blocked", "revoked"} for row in rows)), "Keys that were shut."),
        ]
    )
    shown = [row for row in rows if not wanted or row["state"] == wanted or wanted not in _STATES]
    if not shown:
        empty("There is no such key.", "Make one with `lockgate keys create --workspace WORKSPACE --alias NAME`; it is shown once.")
        return
    table(shown, _COLUMNS, page, alt="Virtual keys", key="keys")
    st.caption(f"{count(len(shown))} keys. Of several budgets the fullest is shown; one without a period never resets.")


def _shown(row: Row, page: Page) -> Row:
    limit = row["budget_limit_micros"]
    committed = row["budget_spent_micros"] + row["budget_reserved_micros"]
    return {
        **row,
        "alias": row["alias"] or row["agent_id"],
        "caveats": _caveats(row),
        "all_budgets": [_budget(budget) for budget in row["budgets"]],
        "mark": _MARKS.get(row["state"], row["state"]),
        "used": None if limit is None else min(1.0, committed / limit) if limit else 1.0,
        "committed_micros": None if limit is None else committed,
        "limits": _limits(row),
        "named_policy": row["policy"] or f"{row['workspace_policy']} (workspace)",
        "audit": link("audit", {"key": row["id"], "range": "30d", "tz": page.query.zone.key}),
    }


def _limits(row: Row) -> str:
    """`60 rpm · 100k tpm · 4 parallel`; empty where nothing but the budget bounds the key."""
    named = (("rpm_limit", "rpm"), ("tpm_limit", "tpm"), ("max_parallel_requests", "parallel"))
    return " · ".join(f"{_short(row[name])} {unit}" for name, unit in named if row[name])


def _caveats(row: Row) -> list[str]:
    """`routes: chat, models`, `tools: none`, `max calls: 3 of 20`, one text for each caveat."""
    said = []
    for name, value in row["caveats"].items():
        if name == "max_calls":
            said.append(f"max calls: {count(row['calls_used'])} of {count(value)}")
        else:
            said.append(f"{name}: {', '.join(value) or 'none'}")
    return said


def _budget(budget: Row) -> str:
    """`$0.50 of $5.00 per day for gpt-5-mini, soft $4.00`."""
    taken = budget["budget_spent_micros"] + budget["budget_reserved_micros"]
    period = f" per {budget['budget_period']}" if budget["budget_period"] else ""
    model = f" for {budget['budget_model']}" if budget["budget_model"] else ""
    soft = f", soft {money(budget['budget_soft_micros'])}" if budget["budget_soft_micros"] else ""
    return f"{money(taken)} of {money(budget['budget_limit_micros'])}{period}{model}{soft}"


def _short(number: int) -> str:
    """Whole thousands from 10,000 on as `10k`, so that the table stays narrow; never rounded."""
    return count(number) if number < 10_000 or number % 1_000 else f"{count(number // 1_000)}k"
