"""What a hostile provider, caller or operator tries: each of these once got through."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests import planted
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway

Written = tuple[int, str, Sequence[bytes]]
"""What the provider writes: status, content type, and its pieces as they go out."""

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
PERSONAL_ONLY = {name: [{"detect": ["pii"], "action": "mask"}] for name in ("prompt", "answer", "telemetry")}


class Hostile:
    """A provider that writes, byte for byte, what a test tells it to, or what a function makes of the request's headers."""

    def __init__(self) -> None:
        self.answer: Written | Callable[[dict[str, str]], Written] = (500, "text/plain", [])
        self.headers: list[dict[str, str]] = []
        self.gone = threading.Event()
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hostile.headers.append(headers)
                status, kind, pieces = hostile.answer(headers) if callable(hostile.answer) else hostile.answer
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                if not pieces:
                    hostile.gone.wait(20)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@dataclass
class House:
    """The gateway, its hostile provider, and what was planted."""

    gateway: Gateway
    provider: Hostile
    secret: str
    provider_key: str
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)

    def ask(
        self, answer: Written | Callable[[dict[str, str]], Written], *, surface: str = "openai", policy: str = "default", **more: Any
    ) -> Answer:
        """One call that the provider answers so."""
        self.provider.answer = answer
        body = {"model": surface, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50, **more}
        path = MESSAGES if surface == "anthropic" else CHAT
        return self.gateway.call("POST", path, body, key=self.keys[policy])

    def charge(self, answer: Answer) -> list[tuple[str, int]]:
        """The charges of a call: state and micro-dollars."""
        return self.rows(f"SELECT state, cost_micros FROM charges WHERE request_id = '{answer.headers['x-request-id']}'")

    def rows(self, query: str) -> list[Any]:
        """Rows of its database."""
        import sqlite3

        with sqlite3.connect(f"file:{self.gateway.home}/lockgate.db?mode=ro", uri=True) as connection:
            return connection.execute(query).fetchall()

    def open_calls(self) -> int:
        """How many reservations are open, once those that are about to end have ended."""
        deadline = time.monotonic() + 10
        while (found := self.rows("SELECT count(*) FROM reservations WHERE state = 'open'")[0][0]) and time.monotonic() < deadline:
            time.sleep(0.05)
        return int(found)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    rng = Random(20261122)
    provider, folder = Hostile(), tmp_path_factory.mktemp("adversary")
    threading.Thread(target=provider.server.serve_forever, daemon=True).start()
    key = planted.secret("password", rng) + planted.secret("password", rng)
    reference = {"secret_key_ref": {"env": "HOSTILE_KEY"}}
    document = {
        "targets": [openai_target("openai", "m", provider.url, **reference), anthropic_target("anthropic", "m", provider.url, **reference)],
        "models": {name: {"targets": [name], "fallback": {"enabled": False}} for name in ("openai", "anthropic")},
        "prices": {name: {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for name in ("openai/*", "anthropic/*")},
        "policies": {"default": MASK_ALL, "personal": PERSONAL_ONLY},
        "workspaces": {"default": {}, "personal": {"policy": "personal"}},
    }
    with running_gateway(folder, document, HOSTILE_KEY=key) as gateway:
        keys = {name: gateway.create_key(workspace=name)["key"] for name in ("default", "personal")}
        yield House(gateway, provider, planted.secret("github", rng), key, folder, keys)
        provider.gone.set()
    provider.server.shutdown()
    provider.server.server_close()


def streamed(*trees: dict[str, Any]) -> Written:
    named = [(f"event: {tree['type']}\n" if "type" in tree else "", tree) for tree in trees]
    pieces = [f"{name}data: {json.dumps(tree)}\n\n".encode() for name, tree in named]
    return 200, "text/event-stream", pieces if any("type" in tree for tree in trees) else [*pieces, b"data: [DONE]\n\n"]


def whole(tree: dict[str, Any]) -> Written:
    return 200, "application/json", [json.dumps(tree).encode()]


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}], **more}


def chunks(*trees: dict[str, Any]) -> Written:
    return streamed(*trees, chunk(finish="stop"), {**CHUNK, "choices": [], "usage": USAGE})


def tool(**fields: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": 0, **fields}]})


# Streams of OpenAI's format with a secret (whole, or its halves) where the format has structure, or where nobody knows the field.
OPENAI: dict[str, Callable[[str, str, str], Written]] = {
    "content in parts": lambda s, a, b: chunks(chunk({"content": [{"type": "text", "text": s}]})),
    "content in parts, cut": lambda s, a, b: chunks(
        chunk({"content": [{"type": "text", "text": f"x {a}"}]}), chunk({"content": [{"type": "text", "text": b}]})
    ),
    "a refusal that is no text": lambda s, a, b: chunks(chunk({"refusal": {"why": s}})),
    "the chunk's id": lambda s, a, b: chunks(chunk({"content": "So it is. "}, id=s)),
    "the chunk's model": lambda s, a, b: chunks(chunk({"content": "So it is. "}, model=s)),
    "the fingerprint": lambda s, a, b: chunks(chunk({"content": "So it is. "}, system_fingerprint=s)),
    "the service tier": lambda s, a, b: chunks(chunk({"content": "So it is. "}, service_tier=s)),
    "the finish reason": lambda s, a, b: chunks(chunk(finish=s)),
    "the role": lambda s, a, b: chunks(chunk({"role": s, "content": "So it is. "})),
    "the index": lambda s, a, b: chunks({**CHUNK, "choices": [{"index": s, "delta": {"content": "So it is. "}}]}),
    "a tool call's id": lambda s, a, b: chunks(tool(id=s, type="function", function={"name": "f", "arguments": "{}"})),
    "tool calls that are no list": lambda s, a, b: chunks(chunk({"tool_calls": {"a": s}})),
    "a function call that is no object": lambda s, a, b: chunks(chunk({"function_call": [s]})),
    "a custom tool's input, cut": lambda s, a, b: chunks(tool(id="1", custom={"name": "f", "input": f"x {a}"}), tool(custom={"input": b})),
    "reasoning details, cut": lambda s, a, b: chunks(
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": f"x {a}"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": b}]}),
    ),
    "a transcript, cut": lambda s, a, b: chunks(chunk({"audio": {"id": "a", "transcript": f"x {a}"}}), chunk({"audio": {"transcript": b}})),
    "text after the end, cut": lambda s, a, b: chunks(chunk({"content": f"x {a}"}), chunk(finish="stop"), chunk({"content": b})),
    "an empty finish reason, cut": lambda s, a, b: chunks(chunk({"content": f"x {a}"}, finish=""), chunk({"content": b}, finish="")),
    "log probabilities of another text": lambda s, a, b: chunks(
        {**CHUNK, "choices": [{"index": 0, "delta": {"content": "So it is. "}, "logprobs": {"content": [{"token": s, "logprob": -1}]}}]}
    ),
    "a field's name": lambda s, a, b: chunks(chunk({"content": "So it is. ", s: "x"})),
}

START = {
    "type": "message_start",
    "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 3}},
}
END = ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}, {"type": "message_stop"})


def block(text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text, **more}}


def piece(text: str, index: Any = 0, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}, **more}


STOP = {"type": "content_block_stop", "index": 0}
ANTHROPIC: dict[str, Callable[[str, str, str], Written]] = {
    "text at the start of a block, cut": lambda s, a, b: streamed(START, block(f"x {a}"), piece(b), STOP, *END),
    "the end of a block": lambda s, a, b: streamed(START, block(), piece("ok"), {**STOP, "note": s}, *END),
    "the stop reason": lambda s, a, b: streamed(START, block(), piece("ok"), STOP, {**END[0], "delta": {"stop_reason": s}}, END[1]),
    "the end of the message": lambda s, a, b: streamed(START, block(), piece("ok"), STOP, END[0], {**END[1], "note": s}),
    "beside a delta": lambda s, a, b: streamed(START, block(), piece("So it is. ", note=s), STOP, *END),
    "the index": lambda s, a, b: streamed(START, block(), piece("So it is. ", s), STOP, *END),
    "text after a block's end, cut": lambda s, a, b: streamed(START, block(), piece(f"x {a}"), STOP, piece(b), *END),
    "an event's name": lambda s, a, b: (200, "text/event-stream", [f"event: {s}\ndata: {{}}\n\n".encode(), *streamed(START, *END)[2]]),
    "a signature": lambda s, a, b: streamed(
        START, block(), {**piece(""), "delta": {"type": "signature_delta", "signature": s}}, STOP, *END
    ),
}


@pytest.mark.parametrize(
    ("surface", "case"), [*(("openai", name) for name in OPENAI), *(("anthropic", name) for name in ANTHROPIC)], ids=lambda value: value
)
def test_no_place_of_a_stream_lets_a_secret_through(house: House, surface: str, case: str) -> None:
    secret = house.secret
    cases = OPENAI if surface == "openai" else ANTHROPIC
    answer = house.ask(cases[case](secret, secret[:10], secret[10:]), surface=surface, stream=True)
    assert answer.status == 200
    assert planted.leaks(answer.body, {"it": secret}) == []
    parts = json.loads("[" + ",".join(line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: {")) + "]")
    assert secret not in "".join(_texts(parts)), "the pieces put together spell it"
    assert "error" not in (kind for part in parts for kind in part)


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | dict):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _texts(item)


@pytest.mark.parametrize("case", ["a text", "a list", "an object in the wrong shape"])
def test_a_stream_in_a_shape_that_nobody_expects_ends_in_words_and_is_charged(house: House, case: str) -> None:
    odd: Any = {"a text": "x", "a list": ["x"], "an object in the wrong shape": {"tool_calls": 5, "content": 7}}[case]
    answer = house.ask(
        streamed(chunk({"content": "So it is. "}), chunk(odd), {**CHUNK, "choices": 5}, {**CHUNK, "choices": [], "usage": odd}), stream=True
    )
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert [state for state, _ in house.charge(answer)] in (["estimated"], ["aborted_estimated"], ["observed"])
    assert house.open_calls() == 0


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 2**63, "completion_tokens": 2**62},
        {"prompt_tokens": 1, "completion_tokens": 2**45},
        "many",
        [1],
        {"prompt_tokens": -5},
    ],
    ids=["beyond every integer", "absurd", "a text", "a list", "negative"],
)
def test_a_provider_that_counts_nonsense_is_estimated_and_leaves_no_reservation(house: House, usage: Any) -> None:
    tree = {"id": "1", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}}], "usage": usage}
    answer = house.ask(whole(tree))
    assert answer.status == 200
    ((state, cost),) = house.charge(answer)
    assert (state, cost < 1000) == ("estimated", True)
    assert house.open_calls() == 0


@pytest.mark.parametrize("wrong", [{"choices": 5}, {"choices": [{"message": "x"}]}, {"choices": [{"message": {"tool_calls": 5}}]}], ids=str)
def test_a_whole_answer_in_an_odd_shape_is_passed_on_and_charged(house: House, wrong: dict[str, Any]) -> None:
    answer = house.ask(whole({"id": "1", "model": "m", **wrong, "usage": USAGE}))
    assert (answer.status, house.charge(answer)) == (200, [("observed", 9)])


def test_log_probabilities_that_spell_a_secret_out_are_dropped_from_a_whole_answer(house: House) -> None:
    tokens = [{"token": house.secret[at : at + 4], "logprob": -1.0} for at in range(0, len(house.secret), 4)]
    choice = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "logprobs": {"content": tokens}}
    answer = house.ask(whole({"id": "1", "model": "m", "choices": [choice], "usage": USAGE}))
    assert answer.json["choices"][0]["logprobs"] is None


def test_a_service_tier_is_not_written_down_as_it_came(house: House) -> None:
    secret = planted.secret("stripe", Random(4))
    answer = house.ask(whole({"id": "1", "model": "m", "service_tier": secret, "choices": [], "usage": USAGE}))
    assert answer.status == 200
    (row,) = house.rows(f"SELECT service_tier FROM charges WHERE request_id = '{answer.headers['x-request-id']}'")
    assert planted.leaks(row[0].encode(), {"it": secret}) == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_quotes_its_key_is_not_repeated_under_a_policy_that_masks_no_keys(house: House, stream: bool) -> None:
    def refuse(headers: dict[str, str]) -> Written:
        return 400, "application/json", [json.dumps({"error": {"message": "you sent " + headers["authorization"]}}).encode()]

    answer = house.ask(refuse, policy="personal", stream=stream)
    assert answer.status == 400
    assert planted.leaks(answer.body, {"it": house.provider_key}) == []


def test_half_a_secret_at_the_border_of_what_is_shown_of_an_error_is_not_shown(house: House) -> None:
    many = " ".join(planted.secret("openai_project", Random(seed)) for seed in range(23))
    message = many[: 3960 - len(many) % 7].rsplit(" ", 1)[0].ljust(3970) + house.secret
    answer = house.ask((400, "application/json", [json.dumps({"error": {"message": message}}).encode()]))
    assert planted.leaks(answer.body, {"it": house.secret}, window=10) == []


def test_a_secret_in_a_header_that_is_passed_on_does_not_reach_the_provider(house: House) -> None:
    house.provider.answer = whole({"id": "m", "type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 1}})
    body = {"model": "anthropic", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    beta = f"prompt-caching-2024-07-31, {house.keys['default']},{house.secret}"
    house.gateway.call(
        "POST", MESSAGES, body, key=house.keys["default"], headers={"anthropic-beta": beta, "anthropic-version": "2023-06-01"}
    )
    sent = house.provider.headers[-1]
    assert (sent["anthropic-beta"], sent["anthropic-version"]) == ("prompt-caching-2024-07-31", "2023-06-01")


@pytest.mark.parametrize("name", ["n", "max_tokens", "max_completion_tokens", "best_of"])
@pytest.mark.parametrize("value", ["100", 100.0, -1, 2**62, True], ids=str)
def test_a_bound_of_the_cost_that_another_might_read_as_a_number_is_refused(house: House, name: str, value: Any) -> None:
    answer = house.ask((500, "text/plain", [b"x"]), **{name: value})
    assert (answer.status, answer.json["error"]["param"]) == (400, name)


@pytest.mark.parametrize(("name", "value"), [("stream_options", [1]), ("stream_options", "x"), ("modalities", 5)])
def test_an_option_of_the_wrong_type_is_a_refusal_and_not_a_defect(house: House, name: str, value: Any) -> None:
    answer = house.ask((500, "text/plain", [b"x"]), stream=True, **{name: value})
    assert (answer.status, answer.json["error"]["param"]) == (400, name)


def test_a_document_that_only_the_provider_can_see_is_reserved_as_large_as_it_can_be(house: House) -> None:
    poor = house.gateway.create_key(budget={"limit_usd": "0.05"})["key"]
    content = [{"type": "file", "file": {"file_id": "file-123"}}]
    body = {"model": "openai", "max_tokens": 5, "messages": [{"role": "user", "content": content}]}
    assert house.gateway.call("POST", CHAT, body, key=poor).json["error"]["code"] == "budget_exceeded"


def test_leaving_a_stream_before_its_first_piece_is_no_way_around_a_budget(house: House) -> None:
    house.provider.answer = (200, "text/event-stream", [])  # no piece: it waits
    body = json.dumps({"model": "openai", "stream": True, "messages": [{"role": "user", "content": "word " * 2000}]}).encode()
    before = len(house.provider.headers)
    line = _connect(house)
    line.sendall(_head(house, len(body)) + body)
    deadline = time.monotonic() + 10
    while len(house.provider.headers) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    line.close()
    assert house.open_calls() == 0
    house.provider.gone.set()
    house.provider.gone.clear()
    assert house.rows("SELECT state, tokens_input > 1000 FROM charges ORDER BY id DESC LIMIT 1") == [("aborted_estimated", 1)]


def test_a_policy_that_is_gone_does_not_fall_back_to_another(house: House) -> None:
    config, gateway = house.gateway.config, house.gateway
    before = config.read_text()
    document = yaml.safe_load(before)
    document["policies"]["was-here-once"] = document["policies"]["default"]
    config.write_text(yaml.safe_dump(document))
    gateway.admin("POST", "/v1/config/reload")
    key = gateway.create_key(policy="was-here-once")["key"]
    config.write_text(before)
    gateway.admin("POST", "/v1/config/reload")
    answer = gateway.call("POST", CHAT, {"model": "openai", "messages": []}, key=key)
    assert answer.status == 503


def test_a_key_cannot_name_a_policy_that_does_not_exist(house: House) -> None:
    answer = house.gateway.call("POST", "/v1/keys", {"policy": "never-was"}, key=house.gateway.admin_key)
    assert (answer.status, answer.json["error"]["param"]) == (400, "policy")


@pytest.mark.parametrize("limit", ["%C2%B2", "9" * 5000])
def test_a_number_that_python_does_not_read_is_a_refusal_and_not_a_defect(house: House, limit: str) -> None:
    assert house.gateway.call("GET", f"/v1/audit/events?limit={limit}", key=house.gateway.admin_key).status == 400


def test_a_header_that_never_ends_does_not_fill_the_memory(house: House) -> None:
    line = _connect(house)
    flood = b"GET /health/live HTTP/1.1\r\nhost: x\r\na: " + b"b" * (32 << 20)
    with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
        line.sendall(flood)
    line.close()


def test_a_body_of_millions_of_tiny_values_is_refused_before_it_is_parsed(house: House) -> None:
    body = b'{"model":"openai","messages":[{"role":"user","content":"x"}],"metadata":{"a":[' + b"[]," * 3_000_000 + b"1]}}"
    answer = house.gateway.call("POST", CHAT, body, key=house.keys["default"])
    assert (answer.status, answer.json["error"]["code"]) == (400, "json_too_many_values")


def test_the_provider_key_does_not_stand_in_the_environment_of_the_process(house: House) -> None:
    path = Path(f"/proc/{house.gateway.process.pid}/environ")
    if not path.exists():
        pytest.skip("no /proc here")
    assert b"LOCKGATE_CONFIG=" in path.read_bytes()
    assert planted.leaks(path.read_bytes(), {"it": house.provider_key}) == []


def test_nothing_of_all_this_was_written_down(house: House) -> None:
    values = {"secret": house.secret, "provider key": house.provider_key, **{f"key {name}": key for name, key in house.keys.items()}}
    for name, data in house.gateway.written().items():
        assert planted.leaks(data, values) == [], name


def _connect(house: House) -> socket.socket:
    split = urlsplit(house.gateway.url)
    return socket.create_connection((split.hostname or "", split.port or 0), timeout=10)


def _head(house: House, length: int) -> bytes:
    lines = [f"POST {CHAT} HTTP/1.1", "host: x", "content-type: application/json", f"content-length: {length}"]
    return "\r\n".join([*lines, f"authorization: Bearer {house.keys['default']}", "", ""]).encode()
