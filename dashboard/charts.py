"""The charts: few marks, one scale, readable in light and dark, with figures in the tooltips."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import altair as alt

from dashboard.format import count, money
from dashboard.theme import CATEGORICAL
from pipeline.store.reads import Row

_HOURLY_BELOW_US: Final = 3 * 86_400_000_000
_MAX_BARS: Final = 400

Chart = Any
"""An Altair chart; the library has no types."""


def spend_over_time(quarters: list[tuple[int, int, int]], from_us: int, to_us: int, zone: ZoneInfo) -> Chart:
    """Bars of spend per hour (short periods) or day; empty hours and days are shown as gaps, not left out."""
    first = quarters[0][0] if quarters and not from_us else max(from_us, 1)
    hourly = to_us - first <= _HOURLY_BELOW_US
    shape = "%Y-%m-%d %H:00" if hourly else "%Y-%m-%d"
    sums = dict.fromkeys(_steps(first, to_us, zone, shape, hourly), (0, 0))
    for at, cost, charges in quarters:
        name = datetime.fromtimestamp(at // 1_000_000, zone).strftime(shape)
        before = sums.get(name, (0, 0))
        sums[name] = (before[0] + cost, before[1] + charges)
    names = sorted(sums)
    values = [
        {"time": name, "dollars": sums[name][0] / 1_000_000, "spend": money(sums[name][0]), "calls": count(sums[name][1])} for name in names
    ]
    label = "slice(datum.value, 11, 16)" if hourly else "slice(datum.value, 5)"
    return (
        alt.Chart({"values": values})
        .mark_bar(color=CATEGORICAL[0], cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
        .encode(
            x=alt.X(
                "time:O", title=None, axis=alt.Axis(labelExpr=label, labelAngle=0, labelOverlap="greedy", labelSeparation=8, ticks=False)
            ),
            y=alt.Y("dollars:Q", title="Spend (USD)", axis=alt.Axis(tickCount=5, format="$,.6~f")),
            tooltip=[
                alt.Tooltip("time:N", title="Time"),
                alt.Tooltip("spend:N", title="Spend"),
                alt.Tooltip("calls:N", title="Charged calls"),
            ],
        )
        .properties(height=260, usermeta=_QUIET)
    )


def spend_bars(rows: list[Row], name: str, limit: int = 12) -> Chart:
    """Horizontal bars of spend per group, dearest first; what does not fit is summed as `others`."""
    shown = [(str(row[name] or "none"), row["cost_micros"]) for row in rows[:limit]]
    if rest := sum(row["cost_micros"] for row in rows[limit:]):
        shown.append(("others", rest))
    values = [{"name": label, "dollars": micros / 1_000_000, "spend": money(micros)} for label, micros in shown]
    return (
        alt.Chart({"values": values})
        .mark_bar(color=CATEGORICAL[0], cornerRadiusEnd=2)
        .encode(
            y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=180, ticks=False, labelOverlap=False)),
            x=alt.X("dollars:Q", title="Spend (USD)", axis=alt.Axis(tickCount=5, format="$,.6~f")),
            tooltip=[alt.Tooltip("name:N", title=name.capitalize()), alt.Tooltip("spend:N", title="Spend")],
        )
        .properties(height=max(140, 32 * len(shown) + 60), usermeta=_QUIET)
    )


def redactions_over_time(rows: list[Row], from_us: int, to_us: int, zone: ZoneInfo) -> Chart:
    """Stacked bars of redactions per day by direction; empty days are shown as gaps, not left out."""
    days = _steps(from_us, to_us, zone, "%Y-%m-%d", hourly=False) if from_us else sorted({str(row["day"]) for row in rows})
    return (
        alt.Chart({"values": rows})
        .mark_bar()
        .encode(
            x=alt.X(
                "day:O",
                title=None,
                scale=alt.Scale(domain=days),
                axis=alt.Axis(labelExpr="slice(datum.value, 5)", labelAngle=0, labelOverlap="greedy", labelSeparation=8, ticks=False),
            ),
            y=alt.Y("count:Q", title="Redactions", axis=alt.Axis(tickCount=5, format=",d")),
            color=alt.Color(
                "direction:N",
                scale=alt.Scale(domain=["prompt", "answer", "telemetry"], range=CATEGORICAL[:3]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[alt.Tooltip("day:N"), alt.Tooltip("direction:N"), alt.Tooltip("count:Q", format=",d")],
        )
        .properties(height=260, usermeta=_QUIET)
    )


def redaction_bars(rows: list[Row], limit: int = 12) -> Chart:
    """Horizontal bars of the most frequent rules, by what was done."""
    by_rule: Counter[str] = Counter()
    by_action: Counter[tuple[str, str]] = Counter()
    for row in rows:
        by_rule[row["rule"]] += row["count"]
        by_action[row["rule"], row["action"]] += row["count"]
    order = [rule for rule, _ in by_rule.most_common(limit)]
    values = [{"rule": rule, "action": action, "count": number} for (rule, action), number in by_action.items() if rule in order]
    actions = ["allow", "pseudonymize", "hash", "mask", "replace", "remove", "block"]
    colors = ["#8a94a3", "#5467c4", "#8a5fbf", "#0f7f7c", "#2f86b5", "#a0692d", "#b3446c"]
    seen = [action for action in actions if any(value["action"] == action for value in values)]
    return (
        alt.Chart({"values": values})
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            y=alt.Y("rule:N", title=None, sort=order, axis=alt.Axis(labelLimit=220, ticks=False, labelOverlap=False)),
            x=alt.X("count:Q", title="Redactions", axis=alt.Axis(tickCount=5, format=",d")),
            color=alt.Color(
                "action:N",
                scale=alt.Scale(domain=seen, range=[colors[actions.index(action)] for action in seen]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[alt.Tooltip("rule:N"), alt.Tooltip("action:N"), alt.Tooltip("count:Q", format=",d")],
        )
        .properties(height=30 * len(order) + 120, usermeta=_QUIET)
    )


# No menu that would offer to send the data to an editor on the web.
_QUIET: Final[dict[str, Any]] = {"embedOptions": {"actions": False}}


def _steps(from_us: int, to_us: int, zone: ZoneInfo, shape: str, hourly: bool) -> list[str]:
    at = datetime.fromtimestamp(from_us // 1_000_000, zone)
    last = datetime.fromtimestamp(max(to_us - 1, from_us) // 1_000_000, zone)
    step = timedelta(hours=1) if hourly else timedelta(days=1)
    names: list[str] = []
    while at.strftime(shape) <= last.strftime(shape) and len(names) < _MAX_BARS:
        names.append(at.strftime(shape))
        at += step
    return names
