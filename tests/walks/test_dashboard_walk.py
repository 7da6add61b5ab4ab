"""The whole house with a person in front of it: calls with canaries go in, a real browser reads every page, and nothing leaks.

Collected are the text and the markup of each page, every websocket frame that the browser received, every answer that is no
file of the application itself, every download, and what the browser keeps. The figures on the pages are those of the store.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboard.format import count, money
from dashboard.session import COOKIE
from tests import planted
from tests.dashboard.test_browser import CHROMIUM, FLAGS, PAGES, Window
from tests.walks.canaries import PROMPT_KINDS, assert_clean
from tests.walks.house import Up, can_trace, connected_to, is_local, running_up

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

MADE_UP = {
    # What the demo model invents when it is asked to leak; its values are random, so only their shapes can be looked for.
    "an OpenAI key": rb"sk-proj-[A-Za-z0-9]{12}",
    "an AWS key id": rb"AKIA[A-Z2-7]{12}",
    "a GitHub token": rb"ghp_[A-Za-z0-9]{12}",
    "a database password": rb"postgres://app:[A-Za-z0-9]{12}",
}


@dataclass
class Shown:
    """All that came to the browser, by where it came from."""

    texts: dict[str, str] = field(default_factory=dict, repr=False)
    markup: dict[str, bytes] = field(default_factory=dict, repr=False)
    frames: list[bytes] = field(default_factory=list, repr=False)
    answers: dict[str, bytes] = field(default_factory=dict, repr=False)
    downloads: dict[str, bytes] = field(default_factory=dict, repr=False)
    kept: bytes = field(default=b"", repr=False)
    requests: list[str] = field(default_factory=list, repr=False)
    errors: list[str] = field(default_factory=list)

    def everything(self) -> dict[str, bytes]:
        """Each piece under a name that a failure may show."""
        texts = {f"text of {name}": text.encode() for name, text in self.texts.items()}
        markup = {f"markup of {name}": data for name, data in self.markup.items()}
        files = {f"download {name}": data for name, data in self.downloads.items()}
        answers = {f"answer {name}": data for name, data in self.answers.items()}
        frames = {f"frame {number}": data for number, data in enumerate(self.frames)}
        return {**texts, **markup, **files, **answers, **frames, "what the browser keeps": self.kept}


@dataclass
class Walked:
    """The house after the calls, the canaries, and what a person was shown of it."""

    up: Up
    canaries: dict[str, str] = field(repr=False)
    called: int = 0
    request_id: str = ""
    shown: Shown = field(default_factory=Shown)
    spend: tuple[str, int, int] = ("", -1, -2)
    figures: dict[str, str] = field(default_factory=dict)
    found: str = ""
    chosen: tuple[str, str] = ("", "none")
    drawn: int = 0
    trace: Path | None = None


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    folder = tmp_path_factory.mktemp("house")
    rng = Random(20261124)
    canaries = {f"prompt:{kind}": planted.secret(kind, rng) for kind in PROMPT_KINDS}
    canaries["provider key"] = planted.secret("anthropic", rng)
    trace = folder / "connects" if can_trace() else None
    with running_up(folder, trace=trace, ANTHROPIC_API_KEY=canaries["provider key"]) as up:
        walked = Walked(up, canaries, trace=trace)
        canaries.update({"printed key": up.key, "admin key": up.admin_key, "login token": up.link.rpartition("=")[2]})
        walked.called = _call(walked, rng)
        with playwright.sync_playwright() as running:
            browser = running.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
            context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id="Europe/Paris", accept_downloads=True)
            _look(walked, Window(context.new_page(), up.dashboard))
            walked.shown.kept = _kept(context)
            browser.close()
        yield walked


def _call(walked: Walked, rng: Random) -> int:
    """Calls with canaries through every door of the demo model, and refusals that carry some; gives how many calls were answered."""
    up, prompts = walked.up, {name: value for name, value in walked.canaries.items() if name.startswith("prompt:")}
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    answered = 0
    for value in prompts.values():
        message = {"model": "demo", "max_tokens": 64, "messages": [{"role": "user", "content": f"echo `{value}`"}]}
        answers = [
            up.chat(f"echo my value is {value}, keep it"),
            up.chat(f"echo ({value})", stream=True),
            up.chat(f"call it with {value}", tools=[tool], user=value, metadata={"note": value}),
            up.call("/v1/messages", message, headers={"x-api-key": up.key, "user-agent": value, "x-request-id": value}),
            up.call("/v1/embeddings", {"model": "demo", "input": value}),
        ]
        assert {answer.status for answer in answers} == {200}
        answered += len(answers)
    for stream in (False, True):
        leaked = up.chat("please leak something", stream=stream)
        assert leaked.status == 200
        walked.shown.answers[f"to leak, stream={stream}"] = leaked.body
        answered += 1
    walked.request_id = leaked.headers["x-request-id"]
    secret = prompts["prompt:github"]
    refusals = [
        up.call("/v1/chat/completions", {"model": secret, "messages": []}),
        up.chat("hello", key=prompts["prompt:virtual_key"]),
        up.call("/v1/keys", {"alias": secret}, key=up.admin_key),
        up.call("/v1/keys", {"alias": "ci", "metadata": {"note": secret}}, key=up.admin_key),
        up.call("/v1/workspaces", {"slug": "w", "name": secret}, key=up.admin_key),
        up.call("/v1/users", {"name": secret, "role": "auditor", "password": planted.secret("password", rng)}, key=up.admin_key),
        up.call("/v1/dashboard/sessions", {"name": secret, "password": secret}),
        up.call(f"/v1/keys/{secret}", key=up.admin_key),
    ]
    assert all(400 <= answer.status < 500 for answer in refusals), [answer.status for answer in refusals]
    walked.canaries["made key"] = up.call("/v1/keys", {"alias": "checkout", "budget": {"limit_usd": "5"}}, key=up.admin_key).json["key"]
    assert up.chat("hello", key=walked.canaries["made key"]).status == 200
    return answered + 1


def _look(walked: Walked, window: Window) -> None:
    """Sign in with the printed link and read every page, an event, a filter, and every file that is offered."""
    from playwright.sync_api import Error

    shown, page = walked.shown, window.page
    answers: list[Any] = []

    def note(response: Any) -> None:
        answers.append(response)

    page.on("response", note)
    page.on("websocket", lambda socket: _listen(shown, socket))
    page.on("request", lambda request: shown.requests.append(request.url))
    page.on("pageerror", lambda error: shown.errors.append(str(error)))

    def read(name: str) -> None:
        shown.texts[name] = window.text()
        shown.markup[name] = page.content().encode()
        while answers:
            response = answers.pop()
            if response.request.resource_type in ("document", "xhr", "fetch") and response.status == 200:
                with contextlib.suppress(Error):  # one that the browser forgot when it went on to the next page
                    shown.answers[f"{name} {urlsplit(response.url).path}"] = response.body()

    page.goto(walked.up.link)
    window.settle()
    read("sign-in")
    for path, title in PAGES.items():
        window.open(f"{path}?range=all")
        assert page.inner_text("h1") == title
        assert page.locator('[data-testid="stException"]').count() == 0
        read(title)
        for link in page.get_by_role("link", name=re.compile("CSV")).all():
            _take(shown, page, title, link)
    window.open("/?range=all")
    walked.figures = {name: window.figure(name) for name in ("Calls", "Redactions", "Spend, all time")}
    _spend(walked, window)
    _find(walked, window)
    read("Audit, one request")
    _choose(walked, window)


def _spend(walked: Walked, window: Window) -> None:
    """One filter of the spend page: the figure, the sum in the store, and the sum of the file."""
    window.open("/spend?range=all&model=demo&group=key")
    figure = window.figure("Spend")
    rows, params = window.download("Export (CSV)")
    assert params["model"] == "demo"
    with sqlite3.connect(f"file:{walked.up.home / 'lockgate.db'}?mode=ro", uri=True) as store:
        [(stored,)] = store.execute("SELECT SUM(cost_micros) FROM charges WHERE model = 'demo'")
    walked.spend = (figure, int(stored), sum(int(row["cost_micros"]) for row in rows))


def _find(walked: Walked, window: Window) -> None:
    """Type the request id into the audit page's field, and open the event that it finds."""
    window.open("/audit?range=all")
    box = window.page.get_by_role("textbox", name="Request id")
    box.fill(walked.request_id)
    box.press("Enter")
    window.page.wait_for_url(f"**request_id={walked.request_id}**")
    window.settle()
    walked.found = window.text()
    rows, _ = window.download("Export all of them (CSV)")
    walked.shown.downloads["one request"] = str(rows).encode()
    grid = window.page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
    window.page.mouse.click(grid["x"] + 16, grid["y"] + 57)
    window.page.wait_for_url("**event=**")
    window.settle()
    # The tables of facts are drawn by a part that the browser loads when it is first needed, so the lines below them may stand before.
    window.page.wait_for_function(
        "words => words.every(word => document.body.innerText.includes(word))",
        arg=["gateway:call:start ", "gateway:call:finish ", walked.request_id],
    )


def _choose(walked: Walked, window: Window) -> None:
    """Choose a row of the audit page without a filter, where one's own looking moves the rows, and stay a while."""
    window.open("/audit?range=all")
    events = walked.up.call("/v1/audit/events?limit=25", key=walked.up.admin_key).json["data"]
    grid = window.page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
    window.page.mouse.click(grid["x"] + 16, grid["y"] + 57 + 4 * 38)
    window.page.wait_for_url("**event=**")
    window.settle()
    window.page.wait_for_timeout(1_000)
    walked.chosen = (events[4]["id"], parse_qs(urlsplit(window.page.url).query)["event"][0])
    after = walked.up.call("/v1/audit/events?limit=25", key=walked.up.admin_key).json["data"]
    newer = [event["kind"] for event in after[: [event["id"] for event in after].index(events[0]["id"])]]
    walked.drawn = newer.count("dashboard:page:view")


def _take(shown: Shown, page: Any, title: str, link: Any) -> None:
    with page.expect_download() as found:
        link.click()
    shown.downloads[f"{title}: {found.value.suggested_filename}"] = Path(found.value.path()).read_bytes()


def _listen(shown: Shown, socket: Any) -> None:
    shown.requests.append(socket.url)
    socket.on("framereceived", lambda payload: shown.frames.append(payload if isinstance(payload, bytes) else payload.encode()))


def _kept(context: Any) -> bytes:
    """What stays in the browser, but the cookie of the session itself."""
    state = context.storage_state()
    others = [cookie for cookie in state["cookies"] if cookie["name"] != COOKIE]
    assert len(others) < len(state["cookies"])
    return str([state["origins"], others]).encode()


def test_the_calls_happened_and_the_pages_show_them(walked: Walked) -> None:
    assert walked.figures["Calls"] == count(walked.called)
    assert int(walked.figures["Redactions"].replace(",", "")) > 2 * len(PROMPT_KINDS)
    assert walked.shown.errors == []
    assert set(walked.shown.texts) == {"sign-in", *PAGES.values(), "Audit, one request"}
    assert len(walked.shown.frames) > 50


def test_the_walk_reads_what_is_sent(walked: Walked) -> None:
    """The scan can fail: what the pages do show is found in the frames, the files and the texts that it looks through."""
    values = {"request id": walked.request_id}
    for kind in ("frame", "download", "text", "markup"):
        assert any(planted.leaks(data, values) for name, data in walked.shown.everything().items() if name.startswith(kind)), kind


def test_nothing_that_the_browser_got_holds_a_canary(walked: Walked) -> None:
    for name, data in walked.shown.everything().items():
        assert_clean(name, data, walked.canaries)


@pytest.mark.parametrize("what", sorted(MADE_UP))
def test_nothing_that_the_model_made_up_came_through(walked: Walked, what: str) -> None:
    for name, data in {**walked.shown.everything(), **walked.up.written()}.items():
        assert re.search(MADE_UP[what], data) is None, f"{name} shows {what}"
    assert b"[REDACTED:" in walked.shown.answers["to leak, stream=True"]


def test_no_file_of_the_house_holds_a_canary(walked: Walked) -> None:
    for name, data in {**walked.up.written(), "stdout of the dashboard": (walked.up.home / "dashboard.log").read_bytes()}.items():
        assert_clean(name, data, walked.canaries)


def test_the_spend_on_the_page_is_the_sum_in_the_store_and_of_the_file(walked: Walked) -> None:
    shown, stored, exported = walked.spend
    assert shown == money(stored) == walked.figures["Spend, all time"]
    assert stored == exported > 0


def test_the_audit_page_finds_the_request(walked: Walked) -> None:
    assert "2 events" in walked.found
    rows = walked.shown.downloads["one request"].decode()
    assert rows.count(f"'request_id': '{walked.request_id}'") == 2
    opened = walked.shown.texts["Audit, one request"]
    assert "gateway:call:start" in opened
    assert "gateway:call:finish" in opened
    assert walked.request_id in opened


def test_a_chosen_row_is_the_one_that_was_clicked_and_stays_it(walked: Walked) -> None:
    clicked, opened = walked.chosen
    assert clicked == opened
    assert walked.drawn == 1


def test_the_audit_file_holds_every_event_of_its_filter(walked: Walked) -> None:
    [whole] = [data for name, data in walked.shown.downloads.items() if name.startswith("Audit: ")]
    rows = list(csv.DictReader(io.StringIO(whole.decode())))
    finished = [row for row in rows if row["kind"] == "gateway:call:finish"]
    assert len(finished) == walked.called
    assert len({row["id"] for row in rows}) == len(rows)


def test_who_looked_stands_in_the_audit(walked: Walked) -> None:
    events = walked.up.call("/v1/audit/events?limit=500&kind=dashboard:*", key=walked.up.admin_key).json["data"]
    assert {event["actor"] for event in events} == {"user:operator"}
    assert len(events) >= len(PAGES)


def test_everything_stays_on_this_machine(walked: Walked) -> None:
    assert {urlsplit(url).hostname for url in walked.shown.requests if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    if walked.trace is not None:
        addresses = connected_to(walked.trace)
        assert addresses
        assert [address for address in addresses if not is_local(address)] == []
