"""Two gateways over one database: what is done to a key at one is done at the other within a second, and calls are counted together."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from pipeline.keys.watch import POLL_S
from tests.servers.postgres import running_postgres
from tests.walks.asking import Line, body_for
from tests.walks.rig import MASK_ALL, Answer, Gateway, running_gateway

WITHIN_S = 1.0
PATIENCE_S = 10.0


@dataclass
class Pair:
    one: Gateway
    two: Gateway


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_postgres() as server:
        url = server.fresh_database()
        document = {
            "policies": {"default": MASK_ALL},
            "targets": [{"id": "demo", "provider": "demo", "model": "demo"}],
            "models": {"demo": {"targets": ["demo"]}},
        }
        folder = tmp_path_factory.mktemp("workers")
        settings = {"LOCKGATE_DATABASE_URL": url, "LOCKGATE_LOG_LEVEL": "INFO"}
        with running_gateway(folder / "one", document, **settings) as one:
            beside = folder / "two" / "home"
            beside.mkdir(parents=True, mode=0o700)
            for name in ("pepper.json", "admin.key"):
                shutil.copy2(one.home / name, beside / name)
            with running_gateway(folder / "two", document, **settings) as two:
                yield Pair(one, two)


def call(gateway: Gateway, key: str) -> Answer:
    """A call with a key, from an address of its own: a worker that does not know the key yet counts wrong ones by address."""
    line = Line(gateway.url, f"127.0.2.{1 + sum(key.encode()) % 250}")
    try:
        return line.send("POST", "/v1/chat/completions", body_for("openai", "demo"), {"authorization": f"Bearer {key}"})
    finally:
        line.close()


def code_of(answer: Answer) -> str:
    return "" if answer.status == 200 else str(answer.json["error"]["code"])


def until(look: Callable[[], str], wanted: str) -> float:
    """Wait until the other worker says what is wanted; gives the seconds it took."""
    began = time.monotonic()
    while (said := look()) != wanted:
        assert time.monotonic() - began < PATIENCE_S, said
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("{id}/block", {}, "key_blocked"),
        ("{id}/unblock", {}, ""),
        ("{id}/revoke", {}, "key_revoked"),
        ("{id}/rotate", {"overlap_s": 0}, "invalid_api_key"),
        ("{id}", {"models": ["other"]}, "model_not_allowed"),
        ("{id}", {"caveats": {"routes": ["redact"]}}, "route_not_allowed"),
        ("{id}", {"caveats": {"cidrs": ["192.0.2.0/24"]}}, "address_not_allowed"),
    ],
    ids=["block", "unblock", "revoke", "rotate", "models", "routes", "cidrs"],
)
def test_what_one_worker_does_to_a_key_holds_at_the_other(pair: Pair, path: str, body: dict[str, object], code: str) -> None:
    made = pair.one.create_key()
    token = made["key"]
    first = "key_blocked" if path.endswith("/unblock") else ""
    if first:
        pair.one.admin("POST", f"/v1/keys/{made['id']}/block")
    until(lambda: code_of(call(pair.two, token)), first)
    pair.one.admin("POST" if "/" in path else "PATCH", f"/v1/keys/{path.format(id=made['id'])}", body)
    assert code_of(call(pair.one, token)) == code, "at once where it was done"
    seen = until(lambda: code_of(call(pair.two, token)), code)
    print(f"{path} {body}: {seen:.2f} s")


def test_the_store_is_looked_at_more_than_twice_a_second() -> None:
    """What makes it a second: how often a worker looks, and time for one look."""
    assert POLL_S < WITHIN_S / 2


@pytest.mark.postgres
def test_a_former_token_works_at_both_until_its_overlap_ends(pair: Pair) -> None:
    made = pair.one.create_key()
    rotated = pair.one.admin("POST", f"/v1/keys/{made['id']}/rotate", {"overlap_s": 4})
    began = time.monotonic()
    until(lambda: code_of(call(pair.two, rotated["key"])), "")
    while time.monotonic() - began < 2:
        assert {code_of(call(each, token)) for each in (pair.one, pair.two) for token in (made["key"], rotated["key"])} == {""}
    until(lambda: code_of(call(pair.two, made["key"])), "key_expired")
    assert code_of(call(pair.one, made["key"])) == "key_expired"
    assert {code_of(call(each, rotated["key"])) for each in (pair.one, pair.two)} == {""}


@pytest.mark.postgres
def test_two_workers_give_out_exactly_as_many_calls_as_there_are(pair: Pair) -> None:
    made = pair.one.create_key(caveats={"max_calls": 9})
    until(lambda: str(pair.two.call("GET", "/v1/models", key=made["key"]).status), "200")
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda number: code_of(call((pair.one, pair.two)[number % 2], made["key"])), range(24)))
    assert sorted(codes) == [""] * 9 + ["calls_exhausted"] * 15
    assert pair.two.admin("GET", f"/v1/keys/{made['id']}")["calls_used"] == 9
