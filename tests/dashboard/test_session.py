"""Sessions are the gateway's word, remembered for seconds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from dashboard.session import TTL_S, Gateway, GatewayError, Sessions, Viewer
from tests.dashboard.fake_gateway import FakeGateway, running_gateway


class Ticks:
    """A clock that moves when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    with running_gateway() as gateway:
        yield gateway


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def sessions(fake: FakeGateway, ticks: Ticks) -> Sessions:
    return Sessions(Gateway(fake.url), ticks)


def test_name_and_password_give_a_session(fake: FakeGateway, sessions: Sessions) -> None:
    fake.add_person("ada", "analytical engine", "auditor", "research")
    entered = sessions.gateway.sign_in({"name": "ada", "password": "analytical engine"})
    assert entered is not None
    assert sessions.viewer(entered[0]) == entered[1]
    assert (entered[1].name, entered[1].role, entered[1].workspace) == ("ada", "auditor", "research")


def test_a_wrong_password_gives_none(fake: FakeGateway, sessions: Sessions) -> None:
    fake.add_person("ada", "analytical engine")
    assert sessions.gateway.sign_in({"name": "ada", "password": "difference engine"}) is None


def test_a_link_works_once(fake: FakeGateway, sessions: Sessions) -> None:
    link = fake.make_link()
    assert sessions.gateway.sign_in({"token": link}) is not None
    assert sessions.gateway.sign_in({"token": link}) is None


def test_a_session_that_was_ended_is_blind_within_seconds(fake: FakeGateway, sessions: Sessions, ticks: Ticks) -> None:
    session = fake.open_session()
    assert sessions.viewer(session) is not None
    fake.sessions.clear()
    ticks.now += TTL_S + 0.1
    assert sessions.viewer(session) is None


def test_a_key_has_no_eyes(fake: FakeGateway, sessions: Sessions) -> None:
    assert sessions.viewer(fake.open_session(role="key")) is None
    fake.links["x"] = {"name": "app", "role": "key", "workspace": None}
    assert sessions.gateway.sign_in({"token": "x"}) is None


def test_a_gateway_that_is_away_lets_nobody_in(fake: FakeGateway, sessions: Sessions) -> None:
    session = fake.open_session()
    fake.away = True
    with pytest.raises(GatewayError):
        sessions.viewer(session)
    with pytest.raises(GatewayError):
        sessions.gateway.record_view(session, "audit", {})
    with pytest.raises(GatewayError, match="does not answer"):
        Gateway("http://127.0.0.1:1").current(session)


def test_the_memory_of_sessions_is_bounded_and_holds_no_token(fake: FakeGateway, sessions: Sessions) -> None:
    for number in range(1_050):
        sessions._known[str(number).encode()] = (0.0, None)
    session = fake.open_session()
    assert isinstance(sessions.viewer(session), Viewer)
    assert len(sessions._known) <= 1_000
    assert session not in repr(sessions._known)


@pytest.mark.parametrize("header", ["transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "content-length: 50\r\n\r\nhello"])
def test_a_download_that_breaks_off_raises(header: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def cut() -> None:
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\n{header}".encode())
        connection.close()

    thread = threading.Thread(target=cut)
    thread.start()
    with listener:
        download = Gateway(f"http://127.0.0.1:{listener.getsockname()[1]}").download("s", "/v1/audit/events", {})
        with pytest.raises(GatewayError):
            b"".join(download.chunks)
    thread.join()
