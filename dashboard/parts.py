"""The parts pages are made of: head, figures, tables, empty states, the bar with period and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal
from zoneinfo import available_timezones

import streamlit as st

from dashboard.format import ago, duration, moment
from dashboard.page import Page
from dashboard.query import COMMON, DEFAULT_RANGE, RANGES
from pipeline.store.reads import Row

_ANY: Final = "Any"
Kind = Literal["text", "code", "money", "count", "time", "ago", "duration", "bar", "list", "flag", "link"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: which field of the row, its heading, and how it is written."""

    name: str
    label: str
    kind: Kind = "text"
    help: str | None = None
    width: Literal["small", "medium", "large"] | int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name; `help` says exactly what is counted."""

    label: str
    value: str
    help: str
    note: str | None = None


def head(title: str, text: str, page: Page) -> None:
    """Title, one sentence, and what could not be understood of the address."""
    st.title(title, anchor=False)
    st.caption(text)
    for problem in page.query.problems:
        st.warning(problem, icon=":material/info:")


def figures(found: Sequence[Figure], columns: int = 4) -> None:
    """A row of framed figures."""
    for start in range(0, len(found), columns):
        for cell, figure in zip(st.columns(columns), found[start : start + columns], strict=False):
            cell.metric(
                figure.label, figure.value, delta=figure.note, delta_color="off", delta_arrow="off", help=figure.help, border=True,
                height="stretch",
            )  # fmt: skip


def empty(text: str, hint: str) -> None:
    """What to show instead of nothing: what is missing, and what to do."""
    with st.container(border=True):
        st.markdown(f"**{text}**")
        st.markdown(hint)


def section(title: str, help: str | None = None) -> None:  # noqa: A002 - Streamlit's own word
    """A heading inside a page."""
    st.subheader(title, anchor=False, help=help)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], page: Page, *, alt: str, key: str) -> None:
    """A table with sorting and search."""
    _table(rows, columns, page, alt=alt, key=key)


def choice_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    page: Page,
    *,
    alt: str,
    key: str,
    chosen: int | None,
    choose: Callable[[int | None], None],
) -> None:
    """A table of which one row can be chosen: `chosen` is marked, `choose` is told the position of another one, None for none.

    It is told once, at the click, before the page is drawn again: `choose` belongs to the rows that the person saw. `key` must
    change with the rows, or the mark would stay at its position while other rows move there.
    """
    marked = {"selection": {"rows": [] if chosen is None else [chosen]}}
    _table(
        rows, columns, page, alt=alt, key=key,
        on_select=partial(_told, key, choose), selection_mode="single-row", selection_default=marked,
    )  # fmt: skip


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], page: Page, *, alt: str, key: str, **more: Any) -> None:
    data = {column.name: [_cell(row.get(column.name), column.kind, page) for row in rows] for column in columns}
    config = {column.name: _config(column) for column in columns}
    height: Any = "content" if len(rows) <= 16 else 640
    st.dataframe(data, hide_index=True, column_config=config, height=height, alt=alt, key=key, row_height=38, placeholder="–", **more)


def _told(key: str, choose: Callable[[int | None], None]) -> None:
    rows = st.session_state[key].selection.rows
    choose(int(rows[0]) if rows else None)


@contextmanager
def filter_bar(page: Page, workspaces: Iterable[str], *, period: bool = True) -> Iterator[None]:
    """Period, workspace and time zone, which every page shares and every link carries; a page adds its own filters inside."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="filter-bar"):
        if period:
            picker("range", "Period", list(RANGES), page.query.range, RANGES, default=DEFAULT_RANGE, width=150)
            if page.query.range == "custom":
                _days(page)
        if page.viewer.workspace:
            st.text_input("Workspace", page.viewer.workspace, disabled=True, width=170)
        else:
            picker("workspace", "Workspace", ["", *workspaces], page.filter.workspace, {"": "All workspaces"}, width=170)
        if period:
            picker("tz", "Time zone", _zones(page.query.zone.key), page.query.zone.key, {}, width=170)
        yield


def picker(
    name: str, label: str, options: Sequence[str], current: str, labels: Mapping[str, str], *, default: str = "", width: int = 200
) -> None:
    """A choice that stands in the address as parameter `name`; its default is left out of it."""
    shown = {"": _ANY, **labels}
    choices = list(dict.fromkeys([*options, current]))
    _mirror(name, current)
    key = _key(name)
    show = partial(_shown, shown)
    st.selectbox(label, choices, key=key, format_func=show, width=width, on_change=_write, args=(name, default))


def text_filter(name: str, label: str, current: str, *, placeholder: str = "", width: int = 220) -> None:
    """A text that stands in the address as parameter `name`."""
    _mirror(name, current)
    st.text_input(label, key=_key(name), placeholder=placeholder, width=width, max_chars=255, on_change=_write, args=(name, ""))


def csv_button(label: str, address: str) -> None:
    """A link to an export that streams through the dashboard's own route."""
    st.link_button(label, address, icon=":material/download:")


def carry(page_name: str) -> None:
    """Take period, zone and workspace along from page to page, which Streamlit drops; a link with its own is left alone."""
    state, address = st.session_state, st.query_params
    if state.get("page") not in {None, page_name} and not any(name in address for name in COMMON):
        address.update(state.get("common", {}))
    state["page"] = page_name
    state["common"] = {name: address[name] for name in COMMON if name in address}


def keep_only(names: Iterable[str]) -> None:
    """Take parameters of other pages out of the address."""
    known = {*COMMON, *names}
    for name in list(st.query_params):
        if name not in known:
            del st.query_params[name]


def _shown(labels: Mapping[str, str], value: str) -> str:
    return labels.get(value, value)


def _write(name: str, default: str) -> None:
    value = st.session_state[_key(name)]
    if name != "tz" and "cursor" in st.query_params:
        del st.query_params["cursor"]
    if value and value != default:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]
    if name == "range" and value != "custom":
        for edge in ("from", "to"):
            if edge in st.query_params:
                del st.query_params[edge]


def _days(page: Page) -> None:
    first, last = page.query.days
    if not page.filter.from_us:
        first = last - timedelta(days=30)
    st.session_state["q-days"] = (first, last)
    st.date_input("Days", key="q-days", format="YYYY-MM-DD", width=240, on_change=_write_days)


def _write_days() -> None:
    chosen = st.session_state["q-days"]
    if len(chosen) == 2:
        st.query_params["range"] = "custom"
        st.query_params["from"], st.query_params["to"] = (day.isoformat() for day in chosen)


def _mirror(name: str, current: str) -> None:
    """The address is the truth: the widget shows what it says, before it is drawn."""
    st.session_state[_key(name)] = current


def _key(name: str) -> str:
    return f"q-{name}"


def _zones(current: str) -> list[str]:
    common = [
        "UTC",
        "Europe/London",
        "Europe/Paris",
        "Europe/Berlin",
        "America/New_York",
        "America/Los_Angeles",
        "Asia/Kolkata",
        "Asia/Tokyo",
    ]
    known = available_timezones()
    return list(dict.fromkeys(["UTC", current, *(zone for zone in common if zone in known), *sorted(known)]))


def _cell(value: Any, kind: Kind, page: Page) -> Any:
    if kind == "money":
        return None if value is None else value / 1_000_000
    if kind == "code":
        return str(value) if value else ""
    if kind == "time":
        return moment(value or 0, page.query.zone)
    if kind == "ago":
        return ago(value or 0, page.now_us)
    if kind == "duration":
        return duration(value or 0)
    if kind == "list":
        return ", ".join(str(item) for item in value or ())
    if kind == "bar":
        return None if value is None else 100 * value
    return value


def _config(column: Column) -> Any:
    make = st.column_config
    if column.kind == "money":
        return make.NumberColumn(column.label, format="$%.6f", help=column.help)
    if column.kind == "count":
        return make.NumberColumn(column.label, format="localized", help=column.help)
    if column.kind == "bar":
        return make.ProgressColumn(column.label, format="%.0f%%", min_value=0, max_value=100, help=column.help, width=column.width)
    if column.kind == "flag":
        return make.CheckboxColumn(column.label, help=column.help)
    if column.kind == "link":
        return make.LinkColumn(column.label, display_text="Open", help=column.help)
    return make.TextColumn(column.label, help=column.help, width=column.width)


def total(rows: Iterable[Row], name: str) -> int:
    """The sum of a column, for captions beneath tables."""
    return sum(int(row[name]) for row in rows)
