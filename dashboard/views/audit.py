"""Audit: every event, by filters that stand in the address, with what belongs to it and an export that matches the count."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import streamlit as st

from dashboard.format import ago, count, duration, moment, money
from dashboard.page import Page
from dashboard.parts import Column, choice_table, csv_button, empty, filter_bar, head, picker, section, text_filter
from pipeline.errors import BadRequest
from pipeline.store.reads import EventPage, Row

PARAMS: tuple[str, ...] = ("key", "model", "kind", "outcome", "actor", "request_id", "event", "cursor")
_PAGE_SIZE: Final = 25
_COLUMNS: Final = (
    Column("at_us", "Time", "time"),
    Column("kind", "Event"),
    Column("outcome", "Outcome"),
    Column("who", "Who", help="The virtual key's name, a user, or the system."),
    Column("model", "Model"),
    Column("status", "Status", "code"),
    Column("error", "Error", width="medium"),
    Column("workspace", "Workspace"),
    Column("request_id", "Request"),
)
_FAMILIES: Final = {
    "gateway:*": "Calls and requests (all)",
    "policy:*": "Policy (all)",
    "vault:*": "Secret reads (all)",
    "admin:*": "Changes (all)",
    "auth:*": "Sign-ins and keys (all)",
    "audit:*": "Reads and exports (all)",
    "config:*": "Configuration (all)",
    "ledger:*": "Recovery (all)",
    "dashboard:*": "Page views (all)",
}


def render(page: Page) -> None:
    """Draw the page."""
    head("Audit", "What happened, who did it, and how it ended. Nothing here was written before it was redacted.", page)
    _filters(page)
    chosen = page.query.params.get("event", "")
    found = _page(page)
    number = page.reads.count_events(page.filter)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{count(number)}** event{'' if number == 1 else 's'} · {page.query.label.lower()}")
        csv_button("Export all of them (CSV)", page.events_csv())
    if not found.rows:
        empty(
            "No event matches.",
            "Choose a longer period or fewer filters. A request id finds its events whatever the period: use *All time*.",
        )
        if not chosen:
            return
    left, right = (None, st.container()) if not found.rows else st.columns([3, 2], gap="medium") if chosen else (st.container(), None)
    if left is not None:
        with left:
            _list(page, found)
    if right is not None:
        with right:
            _detail(page, chosen)


def _filters(page: Page) -> None:
    choices = page.reads.choices(page.filter)
    asked = page.filter
    with filter_bar(page, choices.workspaces):
        picker("kind", "Event", ["", *_FAMILIES, *choices.kinds], asked.kind, {"": "All events", **_FAMILIES}, width=230)
        picker("outcome", "Outcome", ["", *choices.outcomes], asked.outcome, {"": "Any outcome"}, width=150)
        picker("key", "Virtual key", ["", *choices.keys], asked.key, {"": "All keys", **choices.keys}, width=190)
        picker("model", "Model", ["", *choices.models], asked.model, {"": "All models"}, width=170)
        text_filter("actor", "Actor", asked.actor, placeholder="key, user, system", width=150)
        text_filter("request_id", "Request id", asked.request_id, placeholder="x-request-id", width=240)


def _page(page: Page) -> EventPage:
    cursor = page.query.params.get("cursor", "")
    newer = cursor.startswith("-")
    try:
        return page.reads.events_page(page.filter, limit=_PAGE_SIZE, cursor=cursor.removeprefix("-"), newer=newer)
    except BadRequest:
        st.warning("The position in the address cannot be read; showing the newest events.", icon=":material/info:")
        return page.reads.events_page(page.filter, limit=_PAGE_SIZE)


def _list(page: Page, found: EventPage) -> None:
    rows = [{**row, "who": row["actor_alias"] or row["actor"]} for row in found.rows]
    ids = [str(row["id"]) for row in found.rows]
    event = page.query.params.get("event", "")
    # Looking is an event too, so the rows move with every drawing; the name moves with them.
    name = f"events-{ids[0]}-{ids[-1]}-{event}"
    chosen = ids.index(event) if event in ids else None
    choice_table(rows, _COLUMNS, page, alt="Audit events, newest first", key=name, chosen=chosen, choose=partial(_choose, ids))
    with st.container(horizontal=True):
        st.button("Newer", icon=":material/chevron_left:", disabled=not found.newer, on_click=_turn, args=(f"-{found.newer}",))
        st.button(
            "Older", icon=":material/chevron_right:", icon_position="right", disabled=not found.older, on_click=_turn, args=(found.older,)
        )
    st.caption("Select a row to see the event. The address of this page shows others the same events.")


def _turn(cursor: str) -> None:
    st.query_params["cursor"] = cursor
    _close()


def _choose(ids: Sequence[str], position: int | None) -> None:
    """Open the event of a row, or none."""
    if position is None:
        _close()
    else:
        st.query_params["event"] = ids[position]


def _close() -> None:
    """Forget the chosen row."""
    if "event" in st.query_params:
        del st.query_params["event"]


def _detail(page: Page, event_id: str) -> None:
    event = page.reads.event(event_id)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            section("Event")
            st.button("Close", icon=":material/close:", on_click=_close, key="close-event")
        if event is None:
            st.markdown("There is no such event, or it belongs to another workspace.")
            return
        _facts(_event_facts(event, page))
        st.markdown("**Detail**")
        st.json(_parsed(event["detail"]), expanded=True)
        if event["request_id"]:
            _request(page, event)
        with st.expander("Proof"):
            _facts({"Chain": event["chain"], "Sequence": count(event["seq"]), "Hash": event["hash"], "Hash before": event["prev_hash"]})
            st.caption("`lockgate audit verify` recomputes every hash and names the first row that does not fit.")


def _event_facts(event: Row, page: Page) -> dict[str, str]:
    return {
        "Time": f"{moment(event['at_us'], page.query.zone)} ({page.query.zone.key}), {ago(event['at_us'], page.now_us)}",
        "Event": event["kind"],
        "Outcome": " · ".join(str(part) for part in (event["outcome"], event["status"] or "", event["error"]) if part),
        "Actor": "" if event["actor"] == event["key_id"] else _known_as(event["actor_alias"], event["actor"]),
        "Workspace": event["workspace"],
        "Key": _known_as(event["key_alias"], event["key_id"]),
        "Model": event["model"],
        "Target": event["target_id"],
        "Request": event["request_id"],
        "Trace": event["trace_id"],
        "Event id": event["id"],
    }


def _known_as(alias: str, identity: str) -> str:
    return f"{alias} ({identity})" if alias else identity


def _request(page: Page, event: Row) -> None:
    request_id = event["request_id"]
    charges = page.reads.charges_of(request_id)
    if charges:
        st.markdown("**Charges**")
        for charge in charges:
            tokens_in = (
                charge["tokens_input"] + charge["tokens_cache_read"] + charge["tokens_cache_write_5m"] + charge["tokens_cache_write_1h"]
            )
            used = charge["secret_reference"] + (f" version {charge['secret_version']}" if charge["secret_version"] else "")
            _facts(
                {
                    "Spend": f"{money(charge['cost_micros'])} ({charge['state']})",
                    "Provider": f"{charge['provider']} · {charge['provider_model']}",
                    "Tokens": f"{count(tokens_in)} in, {count(charge['tokens_output'])} out",
                    "Duration": duration(charge["duration_us"]),
                    "Secret": used,
                }
            )
    redactions = page.reads.redactions_of(request_id)
    if redactions:
        st.markdown("**Redactions**")
        for row in redactions:
            st.markdown(f"- {count(row['count'])} × `{row['rule']}` in the {row['direction']}: {row['action']}")
    timeline = page.reads.events_of_request(request_id)
    if len(timeline) > 1:
        st.markdown("**This request**")
        for row in timeline:
            here = " ←" if row["id"] == event["id"] else ""
            st.markdown(f"- {moment(row['at_us'], page.query.zone)[11:]} `{row['kind']}` {row['outcome']}{here}")


def _facts(facts: Mapping[str, str]) -> None:
    """Names and values, one per line; as code, so that nothing in a value is taken for markup."""
    rows = [{"name": name, "value": f"`{value.replace('`', '')}`"} for name, value in facts.items() if value]
    st.table(rows, hide_header=True, hide_index=True, border="horizontal")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}
