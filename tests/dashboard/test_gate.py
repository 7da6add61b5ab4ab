"""The gate lets nothing through to Streamlit without a session, from another page, or under another name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from dashboard.gate import Gate, local_path, session_of
from dashboard.session import COOKIE, Gateway, Sessions
from tests.dashboard.fake_gateway import FakeGateway, running_gateway


class Behind:
    """The application behind the gate; notes what reached it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.received: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope["path"])
        if scope["type"] == "websocket":
            while True:
                message = await receive()
                self.received.append(message["type"])
                if message["type"] == "websocket.disconnect":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-security-policy", b"weaker")]})
        await send({"type": "http.response.body", "body": b"inside"})


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    with running_gateway() as gateway:
        yield gateway


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def gate(fake: FakeGateway, behind: Behind, clock: list[float]) -> Gate:
    return Gate(behind, Sessions(Gateway(fake.url), lambda: clock[0]), ("dash.example.com",))


async def ask(
    gate: Gate, kind: str = "http", path: str = "/", messages: Sequence[Any] = (), **headers: str
) -> tuple[int, dict[bytes, bytes], list[Any]]:
    sent: list[Any] = []
    waiting = list(messages) or [{"type": "http.request", "body": b""}]
    method = headers.pop("method", "GET")
    pairs = [(b"host", headers.pop("host", "127.0.0.1:8501").encode())]
    pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await gate({"type": kind, "path": path, "method": method, "headers": pairs, "query_string": b"range=30d"}, receive, send)
    start = sent[0] if sent else {}
    return start.get("status", 0), dict(start.get("headers", ())), sent


def cookie(session: str) -> str:
    return f"theme=dark; {COOKIE}={session}; other=1"


@pytest.mark.parametrize(
    "path",
    ["/", "/audit", "/static/index.js", "/_stcore/health", "/_stcore/host-config", "/export/events.csv", "/media/x", "//login", "/login/"],
)
async def test_without_a_session_nothing_is_reached(gate: Gate, behind: Behind, path: str) -> None:
    status, _, sent = await ask(gate, path=path)
    assert status == 401
    assert behind.reached == []
    assert b"inside" not in sent[1]["body"]


async def test_a_person_is_sent_to_sign_in_and_back_to_the_same_question(gate: Gate) -> None:
    status, headers, _ = await ask(gate, path="/audit", accept="text/html,*/*")
    assert (status, headers[b"location"]) == (303, b"/login?next=%2Faudit%3Frange%3D30d")


@pytest.mark.parametrize("path", ["/login", "/healthz"])
async def test_only_sign_in_and_health_are_open(gate: Gate, behind: Behind, path: str) -> None:
    assert (await ask(gate, path=path))[0] == 200
    assert behind.reached == [path]


async def test_with_a_session_everything_is_reached_under_our_policy(gate: Gate, fake: FakeGateway) -> None:
    status, headers, _ = await ask(gate, path="/audit", cookie=cookie(fake.open_session()))
    assert status == 200
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.example.com:8501", "", "[::1", "169.254.169.254"])
async def test_another_host_name_is_refused_even_with_a_session(gate: Gate, fake: FakeGateway, behind: Behind, host: str) -> None:
    assert (await ask(gate, host=host, cookie=cookie(fake.open_session())))[0] == 421
    assert behind.reached == []


@pytest.mark.parametrize("host", ["127.0.0.1:8501", "localhost:9", "[::1]:8501", "DASH.example.com"])
async def test_its_own_names_are_served(gate: Gate, fake: FakeGateway, host: str) -> None:
    assert (await ask(gate, host=host, cookie=cookie(fake.open_session())))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example.com"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}, {"origin": "http://127.0.0.1:4000"}],
)
async def test_a_form_of_another_page_is_refused(gate: Gate, behind: Behind, headers: dict[str, str]) -> None:
    assert (await ask(gate, path="/login", method="POST", **headers))[0] == 403
    assert behind.reached == []


async def test_a_gateway_that_is_away_lets_nobody_in(gate: Gate, fake: FakeGateway, behind: Behind) -> None:
    session = fake.open_session()
    fake.away = True
    assert (await ask(gate, cookie=cookie(session)))[0] == 503
    assert behind.reached == []


CONNECT = {"type": "websocket.connect"}
FRAME = {"type": "websocket.receive", "bytes": b"x"}


@pytest.mark.parametrize("headers", [{}, {"cookie": f"{COOKIE}=lgs_guess"}, {"origin": "https://evil.example.com"}])
async def test_a_websocket_without_a_session_or_from_elsewhere_is_refused(
    gate: Gate, fake: FakeGateway, behind: Behind, headers: dict[str, str]
) -> None:
    if "origin" in headers:
        headers = {**headers, "cookie": cookie(fake.open_session())}
    _, _, sent = await ask(gate, "websocket", "/_stcore/stream", [CONNECT], **headers)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert behind.reached == []


async def test_a_websocket_of_an_ended_session_is_cut_at_its_next_message(
    gate: Gate, fake: FakeGateway, behind: Behind, clock: list[float]
) -> None:
    session = fake.open_session()
    waiting = [CONNECT, FRAME, FRAME, FRAME]
    sent: list[Any] = []

    async def receive() -> Any:
        if len(waiting) == 2:
            fake.sessions.clear()
            clock[0] += 60
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8501"), (b"origin", b"http://127.0.0.1:8501"), (b"cookie", cookie(session).encode())]
    await gate({"type": "websocket", "path": "/_stcore/stream", "headers": headers}, receive, send)
    assert behind.received == ["websocket.connect", "websocket.receive", "websocket.disconnect"]
    assert sent[-1]["code"] == 1008


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/audit?a=b", "/audit?a=b"),
        ("//evil.example.com", "/"),
        ("/\\evil.example.com", "/"),
        ("https://evil.example.com", "/"),
        ("/login?next=/", "/"),
        ("/logout", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_going_on_stays_on_this_server(text: str, path: str) -> None:
    assert local_path(text) == path


@pytest.mark.parametrize("raw", ["", "=", ";;;", f"{COOKIE}=" + "x" * 300, "\x00"])
def test_a_broken_cookie_is_no_session(raw: str) -> None:
    assert session_of({"headers": [(b"cookie", raw.encode())]}) == ""
