"""The page script: who is looking, which page, what was asked; then the page draws itself.

Streamlit runs this file from top to bottom for every interaction. The gate in front has already checked the session; it is
checked again here, so that nothing is drawn for nobody even if the script is served without the gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import streamlit as st

from dashboard.data import connected, present_viewer, record_view, seen_by
from dashboard.page import Page
from dashboard.parts import carry, keep_only
from dashboard.query import read_query
from dashboard.session import Sessions, Viewer
from dashboard.views import audit, keys, overview, redactions, references, spend, telemetry
from pipeline.clock import SystemClock
from pipeline.store.reads import ReadError, Reads

ASSETS = Path(__file__).with_name("assets")
STYLE = """<style>
.stMainBlockContainer{padding-left:2.75rem;padding-right:2.75rem;max-width:110rem}
.lockgate-out{display:inline-block;color:inherit;text-decoration:none;font-size:.875rem;padding:.3rem .75rem;
border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:.5rem}
.lockgate-out:hover{border-color:currentColor}
</style>"""
SIGN_OUT = '<a class="lockgate-out" href="/logout" target="_self">Sign out</a>'


@dataclass(frozen=True, slots=True)
class View:
    """One page of the application: its address, its name, its file. The first one has no address of its own (Streamlit)."""

    name: str
    title: str
    icon: str
    module: ModuleType


VIEWS: tuple[View, ...] = (
    View("overview", "Overview", ":material/monitoring:", overview),
    View("spend", "Spend", ":material/payments:", spend),
    View("audit", "Audit", ":material/fact_check:", audit),
    View("keys", "Keys", ":material/key:", keys),
    View("references", "Secret references", ":material/encrypted:", references),
    View("redactions", "Redactions", ":material/visibility_off:", redactions),
    View("telemetry", "Telemetry", ":material/cell_tower:", telemetry),
)


def main() -> None:
    """Draw one page for one viewer."""
    st.set_page_config(page_title="Lockgate", page_icon=str(ASSETS / "lockgate.svg"), layout="wide", initial_sidebar_state="expanded")
    st.logo(str(ASSETS / "lockgate-wide.svg"), icon_image=str(ASSETS / "lockgate.svg"), size="large")
    st.html(STYLE)
    reads, sessions = connected()
    viewer = present_viewer(sessions)
    if viewer is None:
        st.error("Your session has ended. [Sign in](/login) to go on.", icon=":material/lock:")
        st.stop()
    mine = seen_by(reads, viewer)
    pages = [_page(view, partial(_draw, view, mine, sessions, viewer)) for view in VIEWS]
    chosen = st.navigation(pages)
    _sidebar(viewer)
    chosen.run()


def _page(view: View, draw: Callable[[], None]) -> Any:
    if view is VIEWS[0]:
        return st.Page(draw, title=view.title, icon=view.icon, default=True)
    return st.Page(draw, title=view.title, icon=view.icon, url_path=view.name)


def _draw(view: View, reads: Reads, sessions: Sessions, viewer: Viewer) -> None:
    carry(view.name)
    keep_only(view.module.PARAMS)
    if not record_view(sessions, view.name):
        st.error("It cannot be written down that you look at this, so it is not shown. Try again once the gateway answers.")
        return
    now_us = SystemClock().now_us()
    query = read_query(st.query_params.to_dict(), now_us, st.context.timezone or "")
    try:
        view.module.render(Page(reads, viewer, query, now_us))
    except ReadError as error:
        st.error(f"{error.message} {error.hint}", icon=":material/database_off:")


def _sidebar(viewer: Viewer) -> None:
    with st.sidebar:
        scope = f"workspace {viewer.workspace}" if viewer.workspace else "all workspaces"
        with st.container(key="who"):
            st.markdown(f"**{_plain(viewer.name)}**  \n{viewer.role} · {_plain(scope)}")
            st.html(SIGN_OUT)


def _plain(text: str) -> str:
    """A name as text: nothing in it is markup."""
    return "".join("\\" + letter if letter in "\\`*_{}[]()#+-!|<>$:~" else letter for letter in text)


if __name__ == "__main__":  # how Streamlit runs a script
    main()
