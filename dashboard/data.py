"""Where pages get their data: the read model and the gateway, opened once per process, and the viewer of this browser."""

from __future__ import annotations

import time

import streamlit as st

from dashboard.session import COOKIE, Gateway, GatewayError, Sessions, Viewer
from dashboard.settings import SECTION, Settings
from pipeline.store.reads import Reads, Tenant, open_reads


@st.cache_resource(show_spinner=False)
def opened(database_url: str, gateway_url: str, gateway_ca: str) -> tuple[Reads, Sessions]:
    """The store and the gateway of this process."""
    return open_reads(database_url), Sessions(Gateway(gateway_url, gateway_ca), time.monotonic)


def connected() -> tuple[Reads, Sessions]:
    """The store and the gateway that the server process was told of."""
    settings = Settings.from_section(st.secrets[SECTION])
    return opened(settings.database_url, settings.gateway_url, settings.gateway_ca)


def session_token() -> str:
    """The session of this browser; empty when there is none."""
    return st.context.cookies.get(COOKIE, "")


def present_viewer(sessions: Sessions) -> Viewer | None:
    """Who is looking, asked again at every drawing; None when nobody may. Does not answer for a gateway that is away."""
    try:
        return sessions.viewer(session_token())
    except GatewayError:
        return None


def seen_by(reads: Reads, viewer: Viewer) -> Reads:
    """The read model, restricted to what this person may see."""
    return reads.seen_by(Tenant(viewer.org_id, viewer.workspace))


def record_view(sessions: Sessions, page: str) -> bool:
    """Write down who looked at what, once per page and question, before anything is shown; False when it cannot be."""
    filters = {name: value for name, value in st.query_params.items() if name != "tz"}
    looked = (page, tuple(sorted(filters.items())))
    if st.session_state.get("looked") == looked:
        return True
    try:
        sessions.gateway.record_view(session_token(), page, filters)
    except GatewayError:
        return False
    st.session_state["looked"] = looked
    return True
