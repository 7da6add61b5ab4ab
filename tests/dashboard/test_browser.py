"""A person with a real browser: signs in with a link, reads every page, and the figures are those of SQL and of the CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboard.format import count, money
from dashboard.session import COOKIE
from pipeline.store.reads import Filter, parse_filter
from tests.dashboard.conftest import Served

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGES = {
    "/": "Overview",
    "/spend": "Spend",
    "/audit": "Audit",
    "/keys": "Keys",
    "/references": "Secret references",
    "/redactions": "Redactions",
    "/telemetry": "Telemetry",
}


@dataclass
class Window:
    """A browser page and what it asked for."""

    page: Any
    base: str
    requests: list[str] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and its title stands."""
        self.page.wait_for_selector("h1", timeout=30_000)
        for _ in range(2):  # a script that has just ended may be about to run again for a fragment or a filter
            self.page.wait_for_timeout(300)
            self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=30_000)

    def figure(self, label: str) -> str:
        metric = self.page.locator('[data-testid="stMetric"]').filter(has=self.page.get_by_text(label, exact=True))
        return str(metric.locator('[data-testid="stMetricValue"]').inner_text()).strip()

    def text(self) -> str:
        return str(self.page.inner_text("body"))

    def download(self, name: str) -> tuple[list[dict[str, str]], dict[str, str]]:
        """Click an export; the rows of the file, and the parameters of its address."""
        link = self.page.get_by_role("link", name=name)
        address = str(link.get_attribute("href"))
        with self.page.expect_download() as found:
            link.click()
        with Path(found.value.path()).open(newline="") as file:
            rows = list(csv.DictReader(file))
        return rows, {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def window(browser: Any, served: Served) -> Iterator[Window]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id="Europe/Paris", accept_downloads=True)
    found = Window(context.new_page(), served.url)
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("websocket", lambda socket: _listen(found, socket))
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    yield found
    context.close()


@pytest.fixture
def inside(window: Window, served: Served) -> Window:
    """A window that came in through a one-time link."""
    window.open("/login?token=" + served.gateway.make_link("ada", "auditor"))
    return window


def _listen(window: Window, socket: Any) -> None:
    window.requests.append(socket.url)
    socket.on("framereceived", lambda payload: window.frames.append(payload if isinstance(payload, bytes) else payload.encode()))


def test_a_stranger_sees_the_sign_in_page_and_no_figure(window: Window) -> None:
    window.page.goto(window.base + "/spend?range=30d")
    assert window.page.url.startswith(window.base + "/login?next=")
    assert "$" not in window.text()
    window.page.fill("#name", "ada")
    window.page.fill("#password", "analytical engine")
    window.page.click("button")
    window.settle()
    assert window.page.url == window.base + "/spend?range=30d"


def test_every_page_opens_and_nothing_leaves_this_machine(inside: Window, served: Served) -> None:
    for path, title in PAGES.items():
        inside.open(path)
        assert inside.page.inner_text("h1") == title
        assert inside.page.locator('[data-testid="stException"]').count() == 0
    assert inside.errors == []
    assert {urlsplit(url).hostname for url in inside.requests if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    looked = [view["page"] for view in served.gateway.views if view["name"] == "ada"]
    assert {"overview", *(path[1:] for path in PAGES if path != "/")} <= set(looked)


def test_the_spend_on_the_page_is_the_sql_sum_and_the_csv_sum(inside: Window, served: Served) -> None:
    inside.open("/spend?range=30d&model=gpt-5-mini&group=workspace")
    shown = inside.figure("Spend")
    rows, params = inside.download("Export (CSV)")
    asked = parse_filter(params)
    assert asked.model == "gpt-5-mini"
    assert shown == money(served.company.reads.spend_total(asked)["cost_micros"])
    assert shown == money(sum(int(row["cost_micros"]) for row in rows))


def test_the_redactions_on_the_page_are_the_sql_sum_and_the_csv_sum(inside: Window, served: Served) -> None:
    inside.open("/redactions?range=30d")
    shown = inside.figure("Redactions")
    rows, params = inside.download("Export (CSV)")
    assert shown == count(served.company.reads.redactions_total(parse_filter(params)))
    assert shown == count(sum(int(row["count"]) for row in rows))


def test_the_audit_count_on_the_page_is_that_of_the_csv(inside: Window, served: Served) -> None:
    inside.open("/audit?range=30d&kind=policy:*")
    rows, params = inside.download("Export all of them (CSV)")
    number = served.company.reads.count_events(parse_filter(params))
    assert number == len(rows) > 10
    assert f"{count(number)} events" in inside.text()


def test_the_overview_figures_are_those_of_sql(inside: Window, served: Served) -> None:
    inside.open("/?range=all")
    assert inside.figure("Spend, all time") == money(served.company.reads.spend_total()["cost_micros"])
    assert inside.figure("Calls") == count(served.company.reads.calls().finished)
    assert inside.figure("Redactions") == count(served.company.reads.redactions_total())
    rows, _ = inside.download("Spend by day (CSV)")
    assert sum(int(row["cost_micros"]) for row in rows) == served.company.reads.spend_total()["cost_micros"]


def test_choosing_a_row_opens_the_event_and_the_address_leads_back_to_it(inside: Window) -> None:
    inside.open("/audit?range=30d")
    grid = inside.page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
    inside.page.mouse.click(grid["x"] + 16, grid["y"] + 57)
    inside.page.wait_for_url("**event=**")
    inside.settle()
    address = inside.page.url
    event = parse_qs(urlsplit(address).query)["event"][0]
    inside.page.goto("about:blank")
    inside.page.goto(address)
    inside.settle()
    inside.page.get_by_text(event).first.wait_for()
    inside.page.get_by_role("button", name="Close").first.wait_for(timeout=15_000)
    assert inside.page.get_by_role("button", name="Close").count() == 1


def test_filters_and_period_travel_with_the_person(inside: Window) -> None:
    inside.open("/spend?range=30d&tz=UTC&model=gpt-5-mini")
    inside.page.get_by_role("link", name="Redactions").first.click()
    inside.page.wait_for_url("**/redactions?**")
    inside.settle()
    params = parse_qs(urlsplit(inside.page.url).query)
    assert params == {"range": ["30d"], "tz": ["UTC"]}


def test_a_viewer_of_one_workspace_is_sent_nothing_of_another(window: Window, served: Served) -> None:
    window.open("/login?token=" + served.gateway.make_link("bob", "auditor", "research"))
    for path in PAGES:
        window.open(path + "?range=all")
    sent = b"".join(window.frames)
    for name in (b"production", b"checkout", served.company.ids["workspaces"]["production"].encode()):
        assert name not in sent
    assert b"eval-runner" in sent


def test_an_ended_session_sees_nothing_new(inside: Window, served: Served) -> None:
    inside.open("/spend")
    served.gateway.sessions.clear()
    inside.page.context.clear_cookies(name=COOKIE)
    inside.page.goto(inside.base + "/audit")
    assert "/login" in inside.page.url
    assert served.company.reads.count_events(Filter()) > 0


def test_the_pages_can_be_used_with_the_keyboard_and_read_aloud(inside: Window) -> None:
    inside.open("/audit")
    for role, name in (("combobox", "Period"), ("combobox", "Time zone"), ("textbox", "Request id"), ("button", "Older")):
        inside.page.get_by_role(role, name=name).first.wait_for(timeout=15_000)  # the last parts of a page are drawn last
        assert inside.page.get_by_role(role, name=name).count() >= 1, name
    inside.page.keyboard.press("Tab")
    assert inside.page.evaluate("document.activeElement.tagName") != "BODY"
    assert inside.page.locator("h1").count() == 1
