"""The dashboard's own process over HTTP: who gets in, what an export holds, what is never told."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dashboard.session import COOKIE
from pipeline.store.reads import Filter, filter_params
from tests.dashboard.conftest import Served
from tests.dashboard.seed import DAY_US


def signed_in(served: Served, **person: str) -> httpx.Client:
    client = httpx.Client(base_url=served.url, trust_env=False)
    client.cookies.set(COOKIE, served.gateway.open_session(**person), domain="127.0.0.1")
    return client


def test_a_link_signs_in_once_and_leaves_a_guarded_cookie(served: Served) -> None:
    link = "/login?" + urlencode({"token": served.gateway.make_link("ada"), "next": "/audit?range=30d"})
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        first = client.get(link)
        assert (first.status_code, first.headers["location"]) == (303, "/audit?range=30d")
        attributes = first.headers["set-cookie"].lower()
        assert "httponly" in attributes
        assert "samesite=lax" in attributes
        assert client.get("/").status_code == 200
        same_browser = client.get(link)
        assert (same_browser.status_code, same_browser.headers["location"]) == (303, "/audit?range=30d")
    again = httpx.get(served.url + link, trust_env=False)
    assert again.status_code == 401
    assert "used already" in again.text


def test_name_and_password_sign_in_and_out(served: Served) -> None:
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        refused = client.post("/login", data={"name": "ada", "password": "wrong"})
        assert (refused.status_code, "wrong" in refused.text.split("role=")[1]) == (401, True)
        entered = client.post("/login", data={"name": "ada", "password": "analytical engine", "next": "//evil.example.com"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        session = client.cookies[COOKIE]
        assert client.get("/keys").status_code == 200
        assert client.get("/logout").headers["location"] == "/login"
        assert session not in served.gateway.sessions
    late = httpx.get(served.url + "/keys", cookies={COOKIE: session}, trust_env=False)
    assert late.status_code == 401


def test_too_many_failures_are_told_apart_from_a_wrong_password(served: Served) -> None:
    served.gateway.weary = True
    try:
        answer = httpx.post(served.url + "/login", data={"name": "ada", "password": "wrong"}, trust_env=False)
    finally:
        served.gateway.weary = False
    assert answer.status_code == 429
    assert "Wait a minute" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/audit",
        "/export/events.csv",
        "/export/spend.csv",
        "/export/redactions.csv",
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/static/",
    ],
)
def test_nothing_is_served_to_strangers(served: Served, path: str) -> None:
    assert httpx.get(served.url + path, trust_env=False).status_code == 401


def test_the_websocket_is_refused_to_strangers_and_to_other_pages(served: Served) -> None:
    stream = served.url.replace("http", "ws") + "/_stcore/stream"
    session = {"Cookie": f"{COOKIE}={served.gateway.open_session()}"}
    for headers in ({}, {**session, "Origin": "https://evil.example.com"}):
        with pytest.raises(InvalidStatus) as caught, connect(stream, additional_headers=headers, proxy=None):
            pass
        assert caught.value.response.status_code == 403
    with connect(stream, additional_headers={**session, "Origin": served.url}, proxy=None):
        pass


def test_the_events_export_holds_what_the_read_model_counts(served: Served) -> None:
    company = served.company
    asked = Filter(from_us=company.now_us - 30 * DAY_US, to_us=company.now_us, kind="gateway:call:finish", outcome="failed")
    with signed_in(served) as client:
        answer = client.get("/export/events.csv", params=filter_params(asked))
    assert answer.headers["content-disposition"] == 'attachment; filename="lockgate-events.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == company.reads.count_events(asked) > 5
    assert {row["outcome"] for row in rows} == {"failed"}


@pytest.mark.parametrize("group", ["key", "model", "day", "workspace"])
def test_the_spend_export_adds_up_to_the_sql_sum(served: Served, group: str) -> None:
    with signed_in(served) as client:
        answer = client.get("/export/spend.csv", params={"group_by": group, "tz": "Asia/Kolkata"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(int(row["cost_micros"]) for row in rows) == served.company.reads.spend_total()["cost_micros"]


@pytest.mark.parametrize("group", ["rule", "direction", "day"])
def test_the_redactions_export_adds_up_to_the_sql_sum(served: Served, group: str) -> None:
    with signed_in(served) as client:
        answer = client.get("/export/redactions.csv", params={"group_by": group, "tz": "Asia/Kolkata"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(int(row["count"]) for row in rows) == served.company.reads.redactions_total() > 0


def test_an_export_of_one_workspace_holds_only_that(served: Served) -> None:
    with signed_in(served, name="bob", role="auditor", workspace="research") as client:
        rows = list(csv.DictReader(io.StringIO(client.get("/export/events.csv").text)))
    assert {row["workspace"] for row in rows} == {"research"}


def test_only_known_filters_reach_the_gateway(served: Served) -> None:
    with signed_in(served) as client:
        assert client.get("/export/spend.csv", params={"group_by": "key; DROP", "format": "json", "org": "other"}).status_code == 200
        assert client.get("/export/events.csv", params={"from": "yesterday"}).status_code == 400
    query = urlsplit(served.gateway.exports[-1]).query
    assert query == "group_by=key&format=csv"


def test_a_gateway_that_is_away_is_said_and_nothing_is_shown(served: Served) -> None:
    with signed_in(served) as client:
        served.gateway.away = True
        try:
            answer = client.get("/", headers={"accept": "text/html"})
            login = client.post("/login", data={"name": "ada", "password": "analytical engine"})
        finally:
            served.gateway.away = False
    assert (answer.status_code, login.status_code) == (503, 503)
    assert "lockgate up" in answer.text


def test_the_old_address_of_the_first_page_leads_there(served: Served) -> None:
    with signed_in(served) as client:
        answer = client.get("/overview?range=month")
    assert (answer.status_code, answer.headers["location"]) == (307, "/?range=month")


def test_health_says_nothing_but_ok(served: Served) -> None:
    answer = httpx.get(served.url + "/healthz", trust_env=False)
    assert (answer.status_code, answer.text) == (200, "ok")
    assert "server" not in answer.headers


def test_the_database_url_is_neither_in_the_command_nor_in_the_log(served: Served) -> None:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in found.splitlines() if "dashboard.server" in line]
    assert mine
    assert not any(served.company.url in line for line in mine)
    assert served.company.url not in served.log.read_text()


def _start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "dashboard.server", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_without_a_database_it_says_which_variable_is_missing() -> None:
    process = _start("--port", "0", LOCKGATE_DATABASE_URL="")
    assert "LOCKGATE_DATABASE_URL" in process.communicate(timeout=20)[1]
    assert process.returncode == 2


def test_an_address_that_others_can_reach_needs_a_named_proxy(served: Served) -> None:
    process = _start("--host", "0.0.0.0", "--port", "0", LOCKGATE_DATABASE_URL=served.company.url)
    assert "--allow-host" in process.communicate(timeout=20)[1]
    assert process.returncode == 2


def test_a_port_that_is_taken_is_an_error_not_a_wait(served: Served) -> None:
    process = _start("--port", str(urlsplit(served.url).port), LOCKGATE_DATABASE_URL=served.company.url)
    assert "cannot listen" in process.communicate(timeout=20)[1]
    assert process.returncode == 1


def test_it_stops_cleanly_when_told_and_when_its_parent_is_gone(served: Served) -> None:
    told = _start("--port", "0", LOCKGATE_DATABASE_URL=served.company.url)
    orphan = _start("--port", "0", "--parent", "1", LOCKGATE_DATABASE_URL=served.company.url)
    assert told.stdout is not None
    assert told.stdout.readline().startswith("dashboard: http://127.0.0.1:")
    told.send_signal(signal.SIGTERM)
    assert told.wait(20) in {0, -signal.SIGTERM}
    begun = time.monotonic()
    assert orphan.wait(20) == 0
    assert time.monotonic() - begun < 20
