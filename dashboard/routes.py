"""The routes beside the application: health, sign-in, sign-out, and exports that stream through from the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard.gate import local_path
from dashboard.pages import notice_page, sign_in_page
from dashboard.session import COOKIE, Download, GatewayError, Sessions
from pipeline.store.reads import REDACTION_GROUPS, SPEND_GROUPS, filter_params, parse_filter

_NO_STORE: Final = {"cache-control": "no-store"}
_MAX_FORM: Final = 8 * 1024
_AWAY: Final = "The gateway does not answer. Start it with `lockgate up` and try again."
_SLOWER: Final = "Too many failed attempts. Wait a minute and try again."
EVENTS_CSV: Final = "/export/events.csv"
SPEND_CSV: Final = "/export/spend.csv"
REDACTIONS_CSV: Final = "/export/redactions.csv"


def make_routes(sessions: Sessions) -> list[Route]:
    """All routes of the dashboard that are not Streamlit's."""

    def bound(endpoint: Callable[..., object]) -> Callable[..., object]:
        return partial(endpoint, sessions)

    return [
        Route("/healthz", _health, methods=["GET"]),
        Route("/login", bound(_show_sign_in), methods=["GET"]),
        Route("/login", bound(_sign_in), methods=["POST"]),
        Route("/logout", bound(_sign_out), methods=["GET", "POST"]),
        Route(EVENTS_CSV, bound(_events_csv), methods=["GET"]),
        Route(SPEND_CSV, bound(_spend_csv), methods=["GET"]),
        Route(REDACTIONS_CSV, bound(_redactions_csv), methods=["GET"]),
        # Streamlit gives its first page no address of its own; people still type it.
        Route("/overview", _overview, methods=["GET"]),
    ]


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok", headers=_NO_STORE)


async def _overview(request: Request) -> Response:
    query = request.url.query
    return RedirectResponse("/" + (f"?{query}" if query else ""), 307, headers=_NO_STORE)


async def _show_sign_in(sessions: Sessions, request: Request) -> Response:
    """The form, or the use of a one-time link."""
    next_path = local_path(request.query_params.get("next", "/"))
    token = request.query_params.get("token", "")
    if not token or request.method == "HEAD":
        return HTMLResponse(sign_in_page(next_path=next_path), headers=_NO_STORE)
    refusal = "This link was used already or has expired. Sign in with your name, or ask for a new link."
    response = await _enter(sessions, request, {"token": token}, next_path, refusal)
    if response.status_code == 401 and await _is_signed_in(sessions, request):  # the link stayed in a terminal or a history
        return RedirectResponse(next_path, 303, headers=_NO_STORE)
    return response


async def _sign_in(sessions: Sessions, request: Request) -> Response:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_FORM:
            return HTMLResponse(sign_in_page("That was too long."), 413, headers=_NO_STORE)
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    credentials = {"name": form.get("name", ""), "password": form.get("password", "")}
    return await _enter(sessions, request, credentials, local_path(form.get("next", "/")), "Name or password is wrong.")


async def _enter(sessions: Sessions, request: Request, credentials: dict[str, str], next_path: str, refusal: str) -> Response:
    try:
        entered = await asyncio.to_thread(sessions.gateway.sign_in, credentials)
    except GatewayError as error:
        text, status = (_SLOWER, 429) if error.status == 429 else (_AWAY, 503)
        return HTMLResponse(sign_in_page(text, next_path), status, headers=_NO_STORE)
    if entered is None:
        return HTMLResponse(sign_in_page(refusal, next_path), 401, headers=_NO_STORE)
    response = RedirectResponse(next_path, 303, headers=_NO_STORE)
    response.set_cookie(COOKIE, entered[0], httponly=True, samesite="lax", secure=request.url.scheme == "https", path="/")
    return response


async def _is_signed_in(sessions: Sessions, request: Request) -> bool:
    try:
        return await asyncio.to_thread(sessions.viewer, request.cookies.get(COOKIE, "")) is not None
    except GatewayError:
        return False


async def _sign_out(sessions: Sessions, request: Request) -> Response:
    session = request.cookies.get(COOKIE, "")
    try:
        await asyncio.to_thread(sessions.gateway.sign_out, session)
    except GatewayError:
        return HTMLResponse(notice_page("Still signed in", _AWAY, link="/logout"), 503, headers=_NO_STORE)
    sessions.forget(session)
    response = RedirectResponse("/login", 303, headers=_NO_STORE)
    response.delete_cookie(COOKIE, path="/")
    return response


async def _events_csv(sessions: Sessions, request: Request) -> Response:
    """The audit events of a filter, exactly those that the page counts."""
    return await _export(sessions, request, "/v1/audit/events", {}, "lockgate-events.csv")


async def _spend_csv(sessions: Sessions, request: Request) -> Response:
    """The spend of a filter, grouped as on the page."""
    return await _grouped(sessions, request, "spend", SPEND_GROUPS, "key")


async def _redactions_csv(sessions: Sessions, request: Request) -> Response:
    """The redactions of a filter, grouped as on the page."""
    return await _grouped(sessions, request, "redactions", REDACTION_GROUPS, "rule")


async def _grouped(sessions: Sessions, request: Request, what: str, groups: Sequence[str], default: str) -> Response:
    group = request.query_params.get("group_by", default)
    extra = {"group_by": group if group in groups else default, "tz": request.query_params.get("tz", "")}
    return await _export(sessions, request, f"/v1/{what}", extra, f"lockgate-{what}-by-{extra['group_by']}.csv")


async def _export(sessions: Sessions, request: Request, path: str, extra: dict[str, str], file_name: str) -> Response:
    from pipeline.errors import BadRequest

    try:
        params = {**filter_params(parse_filter(request.query_params)), **{name: value for name, value in extra.items() if value}}
    except BadRequest as error:
        return HTMLResponse(notice_page("This filter cannot be read", error.message), 400, headers=_NO_STORE)
    session = request.cookies.get(COOKIE, "")
    try:
        download = await asyncio.to_thread(sessions.gateway.download, session, path, {**params, "format": "csv"})
    except GatewayError:
        return HTMLResponse(notice_page("No export now", _AWAY), 503, headers=_NO_STORE)
    if download.status != 200:
        _drain(download)
        return HTMLResponse(notice_page("No export", f"The gateway refused the export ({download.status})."), 502, headers=_NO_STORE)
    headers = {**_NO_STORE, "content-disposition": f'attachment; filename="{file_name}"'}
    return StreamingResponse(iterate_in_threadpool(_all(download)), media_type="text/csv; charset=utf-8", headers=headers)


def _all(download: Download) -> Iterator[bytes]:
    yield from download.chunks


def _drain(download: Download) -> None:
    for number, _ in enumerate(download.chunks):
        if number:
            break
