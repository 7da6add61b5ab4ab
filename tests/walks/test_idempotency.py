"""`Idempotency-Key` end to end: a call that is sent twice is made and billed once, and its caller reads the same bytes again."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.books import Books, url_of
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import PATHS, SURFACES, Stream, Surface, body_for, key_header
from tests.walks.rig import (
    BLOCK_SECRETS,
    MASK_ALL,
    Answer,
    Gateway,
    anthropic_target,
    has_environment,
    openai_target,
    run_client,
    running_gateway,
)

PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
SCRIPTS = {
    "echo": "echo",
    "slow": "slow:1.5+echo",
    "fails": "500",
    "paced": "say:40+pace:0.1",
    "breaks": "say:9+error@4",
    "long": "say:900",
}
MAX_ANSWER = 4096
KEPT_TEXT = "a sentence that nobody may read in a file"


@dataclass
class House:
    """The gateway under test and the provider behind it."""

    gateway: Gateway
    provider: Provider

    def ask(
        self, surface: Surface, script: str, key: str, token: str | None, content: str = "hello", *, path: str = "", **more: Any
    ) -> Answer:
        """One call, with an idempotency key or without."""
        headers = key_header(surface, key) | ({"idempotency-key": token} if token is not None else {})
        body = body_for(surface, f"{surface}-{script}", content, **more)
        return self.gateway.call("POST", path or PATHS[surface], body, headers=headers)

    def asked(self, surface: Surface, script: str) -> int:
        """How often the provider was asked for a model so far."""
        return sum(call.model == f"{surface}-{script}--{SCRIPTS[script]}" for call in self.provider.calls)

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        """What stands in the audit under an answer's request id."""
        return self.gateway.events(request_id=answer.headers["x-request-id"])

    def charges(self) -> int:
        """How many charges stand in the store."""
        with Books(url_of(self.gateway)) as books:
            return len(books.charges())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        targets = []
        for surface, make in (("openai", openai_target), ("anthropic", anthropic_target)):
            targets += [make(f"{surface}-{name}", f"{surface}-{name}--{script}", provider.url) for name, script in SCRIPTS.items()]
        document = {
            "targets": targets,
            "models": {target["id"]: {"targets": [target["id"]], "fallback": {"enabled": False}} for target in targets},
            "prices": PRICES,
            "policies": {"default": MASK_ALL, "strict": BLOCK_SECRETS},
            "workspaces": {"default": {}, "strict": {"policy": "strict"}},
            "idempotency": {"max_answer_bytes": MAX_ANSWER},
        }
        with running_gateway(tmp_path_factory.mktemp("idempotency"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            yield House(gateway, provider)


@pytest.fixture
def key(house: House) -> str:
    created: str = house.gateway.create_key()["key"]
    return created


def assert_replayed(answer: Answer, first: Answer) -> None:
    """An answer is the first one again, byte for byte, and says so; it has a request id of its own."""
    assert (answer.status, answer.body) == (first.status, first.body), answer.body[:400]
    assert answer.headers["content-type"] == first.headers["content-type"]
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.headers["x-lockgate-original-request-id"] == first.headers["x-request-id"]
    assert answer.headers["x-request-id"] != first.headers["x-request-id"]
    assert "idempotent-replayed" not in first.headers


def assert_conflict(answer: Answer, surface: Surface, code: str, status: int = 409, *, retried: bool = False) -> None:
    """A refusal of the idempotency family in the surface's shape, with what its SDK does about it."""
    assert answer.status == status, answer.body[:400]
    if surface == "openai":
        assert (answer.json["error"]["code"], answer.json["error"]["type"]) == (code, "idempotency_error")
    else:
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert answer.json["request_id"] == answer.headers["x-request-id"]
    if retried:
        assert "x-should-retry" not in answer.headers
        assert int(answer.headers["retry-after"]) >= 1
    else:
        assert answer.headers["x-should-retry"] == "false"


def code_in_audit(house: House, answer: Answer) -> str:
    (row,) = house.events(answer)
    assert row["kind"] == "gateway:call:refuse"
    return str(row["error"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_repeated_call_is_given_the_same_bytes_and_asks_and_bills_nobody(house: House, key: str, surface: Surface, stream: bool) -> None:
    more = {"stream": True} if stream else {}
    before = house.asked(surface, "echo")
    first = house.ask(surface, "echo", key, "once", KEPT_TEXT, **more)
    assert first.status == 200
    assert KEPT_TEXT in ("".join(first.body.decode().split('"')) if not stream else _text(surface, first.body))
    charges = house.charges()
    for _ in range(2):
        again = house.ask(surface, "echo", key, "once", KEPT_TEXT, **more)
        assert_replayed(again, first)
        assert again.headers.get("x-lockgate-cost", "0.000000") == "0.000000"
        (event,) = house.events(again)
        assert (event["kind"], event["outcome"], event["status"]) == ("gateway:call:replay", "ok", 200)
        assert event["detail"]["original_request_id"] == first.headers["x-request-id"]
    assert house.asked(surface, "echo") == before + 1
    assert house.charges() == charges


def _text(surface: Surface, raw: bytes) -> str:
    events = [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")]
    if surface == "openai":
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


@pytest.mark.parametrize("surface", SURFACES)
def test_a_failure_of_the_provider_is_given_again_and_not_asked_for_again(house: House, key: str, surface: Surface) -> None:
    first = house.ask(surface, "fails", key, "failing")
    asked = house.asked(surface, "fails")
    again = house.ask(surface, "fails", key, "failing")
    assert first.status == 502
    assert_replayed(again, first)
    assert again.headers["x-should-retry"] == "false"
    assert house.asked(surface, "fails") == asked


@pytest.mark.parametrize("surface", SURFACES)
def test_a_stream_that_broke_is_given_again_with_its_error(house: House, key: str, surface: Surface) -> None:
    first = house.ask(surface, "breaks", key, "breaking", stream=True)
    assert b"error" in first.body
    assert_replayed(house.ask(surface, "breaks", key, "breaking", stream=True), first)


def test_the_order_of_fields_and_the_spelling_of_the_path_make_no_difference(house: House, key: str) -> None:
    first = house.ask("openai", "echo", key, "same")
    body = body_for("openai", "openai-echo")
    turned = json.dumps(dict(reversed(body.items())), indent=1).encode()
    again = house.gateway.call("POST", "/chat/completions", turned, key=key, headers={"idempotency-key": "same"})
    assert_replayed(again, first)


@pytest.mark.parametrize(
    "change",
    [{"content": "another"}, {"temperature": 0.5}, {"stream": True}, {"path": "/v1/completions"}],
    ids="-".join,
)
def test_a_key_that_is_used_for_something_else_is_refused(house: House, key: str, change: Mapping[str, Any]) -> None:
    house.ask("openai", "echo", key, "taken", prompt="x")
    asked = house.asked("openai", "echo")
    other = house.ask("openai", "echo", key, "taken", **{"prompt": "x", **change})
    assert_conflict(other, "openai", "idempotency_mismatch", 422)
    assert house.asked("openai", "echo") == asked
    assert code_in_audit(house, other) == "idempotency_mismatch"


def test_anthropics_surface_refuses_another_request_in_its_own_shape(house: House, key: str) -> None:
    house.ask("anthropic", "echo", key, "taken")
    other = house.ask("anthropic", "echo", key, "taken", "another")
    assert_conflict(other, "anthropic", "idempotency_mismatch", 422)
    assert code_in_audit(house, other) == "idempotency_mismatch"


def test_the_same_header_of_another_virtual_key_is_another_request(house: House, key: str) -> None:
    first = house.ask("openai", "echo", key, "shared", "mine")
    other = house.ask("openai", "echo", house.gateway.create_key()["key"], "shared", "theirs")
    assert other.status == 200
    assert "idempotent-replayed" not in other.headers
    assert other.body != first.body


@pytest.mark.parametrize("surface", SURFACES)
def test_of_calls_at_the_same_time_one_is_made_and_the_others_are_told_to_wait(house: House, key: str, surface: Surface) -> None:
    before, answers, start = house.asked(surface, "slow"), [], threading.Barrier(6)

    def call() -> None:
        start.wait()
        answers.append(house.ask(surface, "slow", key, "together"))

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    (first,) = [answer for answer in answers if answer.status == 200]
    assert house.asked(surface, "slow") == before + 1
    waiting = [answer for answer in answers if answer is not first]
    assert len(waiting) == 5
    for answer in waiting:
        assert_conflict(answer, surface, "idempotency_in_progress", retried=True)
        assert answer.headers["x-lockgate-original-request-id"] == first.headers["x-request-id"]
    assert_replayed(house.ask(surface, "slow", key, "together"), first)


@pytest.mark.parametrize("token", ["", "x" * 256, "with space", "tab\there", "ümlaut"], ids=["empty", "long", "space", "tab", "not ASCII"])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_header_that_is_no_key_is_refused(house: House, key: str, surface: Surface, token: str) -> None:
    asked = house.asked(surface, "echo")
    answer = house.ask(surface, "echo", key, token)
    assert answer.status == 400
    assert answer.headers["x-should-retry"] == "false"
    if surface == "openai":
        assert answer.json["error"]["code"] == "invalid_idempotency_key"
    assert code_in_audit(house, answer) == "invalid_idempotency_key"
    assert house.asked(surface, "echo") == asked


def test_the_longest_key_is_one(house: House, key: str) -> None:
    first = house.ask("openai", "echo", key, "~" * 255)
    assert_replayed(house.ask("openai", "echo", key, "~" * 255), first)


def test_what_was_refused_before_it_was_written_down_is_not_kept(house: House) -> None:
    gateway = house.gateway
    strict = gateway.create_key(workspace="strict")["key"]
    blocked = house.ask("openai", "echo", strict, "again", "project nightfall")
    assert (blocked.status, blocked.json["error"]["code"]) == (400, "content_blocked")
    assert house.ask("openai", "echo", strict, "again", "something else").status == 200

    poor = gateway.create_key(budget={"limit_usd": "0.000001"})["key"]
    for _ in range(2):
        refused = house.ask("openai", "echo", poor, "again")
        assert (refused.status, refused.json["error"]["code"]) == (429, "budget_exceeded")

    unknown = house.ask("openai", "nothing", gateway.create_key()["key"], "again")
    assert (unknown.status, unknown.json["error"]["code"]) == (404, "model_not_found")


def test_a_replay_needs_no_budget_and_counts_as_a_request(house: House) -> None:
    made = house.gateway.create_key(budget={"limit_usd": "0.002"}, rpm_limit=4)
    answers = [house.ask("openai", "echo", made["key"], "kept", max_tokens=64)]
    assert answers[0].status == 200
    spent = house.ask("openai", "echo", made["key"], None, "x " * 3000, max_tokens=64)
    assert spent.json["error"]["code"] == "budget_exceeded"
    for _ in range(2):
        answers.append(house.ask("openai", "echo", made["key"], "kept", max_tokens=64))
        assert_replayed(answers[-1], answers[0])
    assert answers[-1].headers["x-ratelimit-remaining-requests"] == "0"
    limited = house.ask("openai", "echo", made["key"], "kept", max_tokens=64)
    assert (limited.status, limited.json["error"]["code"]) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize("act", ["block", "revoke"])
def test_a_key_that_is_over_gets_its_refusal_and_never_a_replay(house: House, act: str) -> None:
    made = house.gateway.create_key()
    assert house.ask("openai", "echo", made["key"], "kept").status == 200
    house.gateway.admin("POST", f"/v1/keys/{made['id']}/{act}")
    refused = house.ask("openai", "echo", made["key"], "kept")
    assert (refused.status, refused.json["error"]["code"]) == (401, {"block": "key_blocked", "revoke": "key_revoked"}[act])


def test_a_caller_who_left_a_whole_answer_is_given_it_when_it_comes_back(house: House, key: str) -> None:
    before = house.asked("openai", "slow")
    with pytest.raises(OSError):  # noqa: PT011 - whatever the socket says: the caller does not wait for the answer
        house.gateway.call(
            "POST", PATHS["openai"], body_for("openai", "openai-slow"), key=key, headers={"idempotency-key": "left"}, timeout=0.4
        )
    again = _until_ended(house, key, "left")
    assert again.status == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert house.asked("openai", "slow") == before + 1


def _until_ended(house: House, key: str, token: str) -> Answer:
    waiting = threading.Event()
    for _ in range(100):
        answer = house.ask("openai", "slow", key, token)
        if answer.status != 409 or answer.json["error"]["code"] != "idempotency_in_progress":
            return answer
        waiting.wait(0.1)
    raise AssertionError("it is still under way")


@pytest.mark.parametrize("surface", SURFACES)
def test_half_a_stream_is_never_given_as_a_whole_one(house: House, key: str, surface: Surface) -> None:
    stream = Stream(house.gateway.url, surface, f"{surface}-paced", key, headers={"idempotency-key": "half"})
    stream.begin().some(4)
    stream.leave()
    request_id = _wait_for_end(house, f"{surface}-paced")
    again = house.ask(surface, "paced", key, "half", stream=True)
    assert_conflict(again, surface, "idempotency_answer_incomplete")
    assert again.headers["x-lockgate-original-request-id"] == request_id
    assert code_in_audit(house, again) == "idempotency_answer_incomplete"


def _wait_for_end(house: House, model: str) -> str:
    waiting = threading.Event()
    for _ in range(100):
        for row in house.gateway.events(kind="gateway:call:finish"):
            if row["model"] == model:
                assert row["outcome"] == "aborted"
                return str(row["request_id"])
        waiting.wait(0.1)
    raise AssertionError("it did not end")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_is_too_large_is_not_kept_and_not_asked_for_again(house: House, key: str, stream: bool) -> None:
    more = {"stream": True} if stream else {}
    first = house.ask("openai", "long", key, "large", max_tokens=2000, **more)
    assert first.status == 200
    assert len(first.body) > MAX_ANSWER
    asked = house.asked("openai", "long")
    again = house.ask("openai", "long", key, "large", max_tokens=2000, **more)
    assert_conflict(again, "openai", "idempotency_answer_too_large")
    assert house.asked("openai", "long") == asked


def test_an_administrative_write_happens_once(house: House) -> None:
    gateway, headers = house.gateway, {"idempotency-key": "workspace-1"}
    first = gateway.call("POST", "/v1/workspaces", {"slug": "twice"}, key=gateway.admin_key, headers=headers)
    assert first.status == 201
    again = gateway.call("POST", "/v1/workspaces", {"slug": "twice"}, key=gateway.admin_key, headers=headers)
    assert_replayed(again, first)
    assert [row["kind"] for row in reversed(house.events(first))] == [
        "admin:request:start",
        "admin:workspace:create",
        "admin:request:finish",
    ]
    assert [row["kind"] for row in house.events(again)] == ["admin:request:replay"]
    other = gateway.call("POST", "/v1/workspaces", {"slug": "other"}, key=gateway.admin_key, headers=headers)
    assert_conflict(other, "openai", "idempotency_mismatch", 422)


def test_an_administrative_refusal_is_not_kept(house: House) -> None:
    gateway, headers = house.gateway, {"idempotency-key": "user-1"}
    for status in (404, 200):
        answer = gateway.call("DELETE", "/v1/users/later", key=gateway.admin_key, headers=headers)
        assert answer.status == status, answer.body
        if status == 404:
            gateway.admin("POST", "/v1/users", {"name": "later", "role": "auditor", "password": "a long enough password"})
    assert_replayed(gateway.call("DELETE", "/v1/users/later", key=gateway.admin_key, headers=headers), answer)


def test_a_virtual_key_is_made_once_and_never_kept_to_be_shown_again(house: House) -> None:
    gateway, headers = house.gateway, {"idempotency-key": "key-1"}
    first = gateway.call("POST", "/v1/keys", {"alias": "only-one"}, key=gateway.admin_key, headers=headers)
    assert first.status == 201
    again = gateway.call("POST", "/v1/keys", {"alias": "only-one"}, key=gateway.admin_key, headers=headers)
    assert_conflict(again, "openai", "idempotency_answer_withheld")
    assert first.json["key"].encode() not in again.body
    made = gateway.admin("GET", "/v1/keys")["data"]
    assert [each["id"] for each in made if each["alias"] == "only-one"] == [first.json["id"]]


def test_a_read_has_no_use_for_the_header(house: House) -> None:
    answer = house.gateway.call("GET", "/v1/workspaces", key=house.gateway.admin_key, headers={"idempotency-key": "read"})
    assert answer.status == 200
    assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize("environment", ["clients-newest", "clients-pinned"])
@pytest.mark.clients
def test_the_unmodified_clients_read_a_replay_as_the_answer(house: House, environment: str) -> None:
    if not has_environment(environment):
        pytest.skip(f"the environment .venv-{environment} is not installed; run: make clients")
    for surface, base in (("openai", f"{house.gateway.url}/v1"), ("anthropic", house.gateway.url)):
        made = house.gateway.create_key()
        before = house.asked(surface, "echo")  # type: ignore[arg-type]
        given = {
            "surface": surface,
            "base_url": base,
            "key": made["key"],
            "model": f"{surface}-echo",
            "prompt": KEPT_TEXT,
            "token": environment,
        }
        seen = run_client(environment, "idempotency_walk", given)
        assert seen["first"]["text"] == seen["again"]["text"] == seen["streamed"]["text"] == seen["streamed_again"]["text"] == KEPT_TEXT
        assert (seen["first"]["replayed"], seen["again"]["replayed"]) == (None, "true")
        assert seen["mismatch"] == "UnprocessableEntityError"
        refusals = [row for row in house.gateway.events(kind="gateway:call:refuse") if row["key_id"] == made["id"]]
        assert [row["error"] for row in refusals] == ["idempotency_mismatch"], "it was not tried again"
        assert house.asked(surface, "echo") == before + 2  # type: ignore[arg-type]


def test_no_file_shows_the_header_or_the_answer(house: House, key: str) -> None:
    token = "a-very-recognizable-header-of-a-caller"
    first = house.ask("openai", "echo", key, token, KEPT_TEXT)
    assert_replayed(house.ask("openai", "echo", key, token, KEPT_TEXT), first)
    with sqlite3.connect(f"file:{house.gateway.home / 'lockgate.db'}?mode=ro", uri=True) as database:
        sealed = [row[0] for row in database.execute("SELECT answer FROM idempotency_claims WHERE state = 'done'")]
    assert any(len(answer) > len(first.body) for answer in sealed), "the answer really is in the file"
    for name, data in house.gateway.written().items():
        assert KEPT_TEXT.encode() not in data, name
        assert token.encode() not in data, name


def test_the_books_are_right_after_all_of_that(house: House) -> None:
    with Books(url_of(house.gateway)) as books:
        books.settled()
        assert {row["request_id"] for row in books.events() if row["kind"] == "gateway:call:start"} == books.endings().keys()
    assert house.gateway.cli("audit", "verify").returncode == 0
