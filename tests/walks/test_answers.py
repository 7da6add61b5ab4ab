"""Every refusal has the documented answer on both surfaces, stands in the audit, and nothing of it reached the provider.

Statuses, types and codes are those of reference/conventions B2. What goes wrong behind the gateway is in tests/faults.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.servers.provider import Provider, running_provider
from tests.walks.asking import PATHS, SURFACES, Surface, ask, assert_refused, body_for, key_header, raw_exchange, raw_request
from tests.walks.rig import BLOCK_SECRETS, MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway

MAX_BODY = 64 * 1024
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}


@dataclass
class House:
    """The gateway under test, the provider behind it, and a key for every fate."""

    gateway: Gateway
    provider: Provider
    keys: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        document = {
            "targets": [
                openai_target("openai", "echo", provider.url),
                anthropic_target("anthropic", "echo", provider.url),
                {"id": "priceless", "provider": "hosted_vllm", "model": "nobody-knows-its-price", "base_url": f"{provider.url}/v1"},
            ],
            "models": {name: {"targets": [name]} for name in ("openai", "anthropic", "priceless")},
            "prices": PRICES,
            "policies": {"default": MASK_ALL, "strict": BLOCK_SECRETS},
            "workspaces": {"default": {}, "strict": {"policy": "strict"}},
            "limits": {"max_body_bytes": MAX_BODY, "max_decoded_bytes": 2 * MAX_BODY, "body_timeout_s": 1, "max_header_count": 40},
        }
        with running_gateway(tmp_path_factory.mktemp("answers"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            yield House(gateway, provider, keys_of(gateway))


def keys_of(gateway: Gateway) -> dict[str, str]:
    made = {
        "good": gateway.create_key(),
        "revoked": gateway.create_key(),
        "blocked": gateway.create_key(),
        "expired": gateway.create_key(duration="1s"),
        "narrow": gateway.create_key(models=["priceless"]),
        "poor": gateway.create_key(budget={"limit_usd": "0.000001"}),
        "strict": gateway.create_key(workspace="strict"),
        "slow": gateway.create_key(rpm_limit=1),
    }
    gateway.admin("POST", f"/v1/keys/{made['revoked']['id']}/revoke")
    gateway.admin("POST", f"/v1/keys/{made['blocked']['id']}/block")
    for surface in SURFACES[:1]:
        assert ask(gateway.url, surface, surface, made["slow"]["key"]).status == 200  # its only call of this minute
    time.sleep(1.1)
    return {name: key["key"] for name, key in made.items()} | {"unknown": "lgk_" + "0" * 43, "malformed": "sk-somebody-elses"}


@dataclass(frozen=True)
class Case:
    """A refusal: how it is asked for, and what must be answered. Anthropic's type follows from its status."""

    name: str
    ask: Callable[[House, Surface], Answer]
    status: int
    kind: str
    code: str
    event: str | None = "gateway:call:refuse"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    anthropic_status: int = 0


def with_key(name: str, **more: Any) -> Callable[[House, Surface], Answer]:
    return lambda house, surface: ask(house.gateway.url, surface, surface, house.keys[name], **more)


def with_body(body: bytes, *headers: str, length: int | None = None) -> Callable[[House, Surface], Answer]:
    return lambda house, surface: raw_exchange(house.gateway.url, raw_request(surface, house.keys["good"], body, *headers, length=length))


def with_fields(drop: str = "", **fields: Any) -> Callable[[House, Surface], Answer]:
    def send(house: House, surface: Surface) -> Answer:
        body = {**body_for(surface, surface), **fields}
        body.pop(drop, None)
        return house.gateway.call("POST", PATHS[surface], body, key=house.keys["good"])

    return send


def without_key(house: House, surface: Surface) -> Answer:
    return ask(house.gateway.url, surface, surface, None)


def small(**more: Any) -> bytes:
    return json.dumps({**body_for("openai", "openai"), **more}).encode()


CHUNKED = b"".join(b"4000\r\n" + b" " * 0x4000 + b"\r\n" for _ in range(6))  # 96 KiB, and no end
INVALID, LIMIT = "invalid_request_error", "rate_limit_error"
NO_RETRY = {"x-should-retry": "false"}
BEARER = {"www-authenticate": "Bearer"}
REJECT = "auth:key:reject"

CASES = [
    Case("cut off JSON", with_body(b'{"model": "openai", "messages": ['), 400, INVALID, "invalid_json"),
    Case("an empty body", with_body(b""), 400, INVALID, "invalid_json"),
    Case("a list", with_body(b"[1, 2]"), 400, INVALID, "invalid_json"),
    Case("bytes that are not UTF-8", with_body(b'{"model": "\xff\xfe"}'), 400, INVALID, "invalid_json"),
    Case("a lone surrogate", with_body(b'{"model": "\\ud800"}'), 400, INVALID, "invalid_json"),
    Case("NaN", with_body(b'{"model": "openai", "temperature": NaN}'), 400, INVALID, "invalid_json"),
    Case("a byte order mark", with_body(b"\xef\xbb\xbf" + small()), 400, INVALID, "invalid_json"),
    Case("JSON a thousand levels deep", with_body(b'{"a":' * 1000 + b"1" + b"}" * 1000), 400, INVALID, "json_too_deep"),
    Case("thirty thousand open brackets", with_body(b"[" * 30_000), 400, INVALID, "json_too_deep"),
    Case("no model", with_fields("model"), 400, INVALID, "invalid_request", param="model"),
    Case("no messages", with_fields("messages"), 400, INVALID, "invalid_request", param="messages"),
    Case("messages that are text", with_fields(messages="hello"), 400, INVALID, "invalid_request", param="messages"),
    Case("stream that is text", with_fields(stream="yes"), 400, INVALID, "invalid_request", param="stream"),
    *(
        Case(f"the field {name}", with_fields(**{name: "http://127.0.0.1:9"}), 400, INVALID, "field_not_allowed", param=name)
        for name in ("api_base", "base_url", "api_key", "custom_llm_provider", "mock_response", "extra_headers", "user_config", "fallbacks")
    ),
    Case("a declared body that is too large", with_body(b"", length=MAX_BODY + 1), 413, INVALID, "request_too_large"),
    Case("a declared body beyond all measure", with_body(b"", length=10**15), 413, INVALID, "request_too_large"),
    Case("chunks without end", with_body(CHUNKED, "Transfer-Encoding: chunked", length=-1), 413, INVALID, "request_too_large"),
    Case("a small gzip bomb", with_body(gzip.compress(b" " * (4 << 20)), "Content-Encoding: gzip"), 413, INVALID, "request_too_large"),
    Case("a deflate bomb", with_body(zlib.compress(b" " * (4 << 20)), "Content-Encoding: deflate"), 413, INVALID, "request_too_large"),
    Case("gzip that is cut off", with_body(gzip.compress(small())[:-9], "Content-Encoding: gzip"), 400, INVALID, "invalid_encoding"),
    Case("gzip that is none", with_body(small(), "Content-Encoding: gzip"), 400, INVALID, "invalid_encoding"),
    Case("an unknown coding", with_body(small(), "Content-Encoding: br"), 415, INVALID, "unsupported_media_type"),
    Case("a body that never comes", with_body(b"{", length=50), 408, INVALID, "request_timeout"),
    Case("no key", without_key, 401, INVALID, "invalid_api_key", REJECT, headers=BEARER),
    Case("an unknown key", with_key("unknown"), 401, INVALID, "invalid_api_key", REJECT, headers=BEARER),
    Case("a key that is not ours", with_key("malformed"), 401, INVALID, "invalid_api_key", REJECT, headers=BEARER),
    Case("a revoked key", with_key("revoked"), 401, INVALID, "key_revoked", REJECT, headers=BEARER),
    Case("a blocked key", with_key("blocked"), 401, INVALID, "key_blocked", REJECT, headers=BEARER),
    Case("an expired key", with_key("expired"), 401, INVALID, "key_expired", REJECT, headers=BEARER),
    Case("a model that the key may not use", with_key("narrow"), 403, "permission_error", "model_not_allowed", param="model"),
    Case("an unknown model", with_fields(model="no-such-model"), 404, INVALID, "model_not_found", param="model"),
    Case("a model without a price", with_fields(model="priceless"), 403, "permission_error", "price_unknown", param="model"),
    Case("an exhausted budget", with_key("poor"), 429, "insufficient_quota", "budget_exceeded", headers=NO_RETRY, anthropic_status=402),
    Case("too many requests", with_key("slow"), 429, LIMIT, "rate_limit_exceeded", headers={"retry-after": "", "retry-after-ms": ""}),
    Case(
        "a blocked prompt",
        with_key("strict", content="what is Project Nightfall?"),
        400,
        INVALID,
        "content_blocked",
        "policy:prompt:block",
        param="/messages/0/content",
        headers=NO_RETRY,
    ),
]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refusal_has_its_documented_answer(house: House, surface: Surface, case: Case) -> None:
    before = len(house.provider.calls)
    answer = case.ask(house, surface)
    status = case.anthropic_status if surface == "anthropic" and case.anthropic_status else case.status
    request_id = assert_refused(answer, surface, status, case.kind, case.code, param=case.param)
    for name, value in case.headers.items():
        assert name in answer.headers, (name, answer.headers)
        assert value in ("", answer.headers[name])
    assert len(house.provider.calls) == before, "nothing of it reached the provider"
    if case.event:
        (told,) = house.gateway.events(request_id=request_id)
        assert (told["kind"], told["outcome"], told["status"]) == (case.event, "refused", case.status), told
        assert told["error"] == case.code


@pytest.mark.parametrize("surface", SURFACES)
def test_a_blocked_prompt_names_rules_and_never_the_text(house: House, surface: Surface) -> None:
    answer = ask(house.gateway.url, surface, surface, house.keys["strict"], "what is Project Nightfall?")
    assert b"ightfall" not in answer.body
    assert b"ightfall" not in json.dumps(house.gateway.events(request_id=answer.headers["x-request-id"])).encode()


DUPLICATES = [
    ("duplicate_header", "Authorization: Bearer another", "Authorization: Bearer one-more"),
    ("duplicate_header", "X-Api-Key: one", "X-Api-Key: two"),
    ("duplicate_header", "Host: elsewhere"),
    ("duplicate_header", "Content-Encoding: gzip", "Content-Encoding: identity"),
    ("headers_too_large", "X-Large: " + "x" * 20_000),
    ("headers_too_large", *(f"X-Header-{number}: 1" for number in range(60))),
]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("lines", DUPLICATES, ids=lambda lines: lines[1][:24])
def test_headers_that_mean_two_things_are_refused(house: House, surface: Surface, lines: tuple[str, ...]) -> None:
    code, *headers = lines
    before = len(house.provider.calls)
    answer = raw_exchange(house.gateway.url, raw_request(surface, house.keys["good"], small(), *headers))
    assert_refused(answer, surface, 431 if code == "headers_too_large" else 400, INVALID, code)
    assert len(house.provider.calls) == before


SMUGGLING = [
    b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{}  ",
    b"POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: h\r\nX-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    b"POST %s HTTP/1.1\r\nHost : h\r\nContent-Length: 2\r\n\r\n{}",
    b"POST %s HTTP/1.1\r\nHost: h\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    b"GARBAGE\r\n\r\n",
]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("number", range(len(SMUGGLING)))
def test_a_request_that_two_servers_could_read_differently_is_refused(house: House, surface: Surface, number: int) -> None:
    request = SMUGGLING[number]
    answer = raw_exchange(house.gateway.url, request % PATHS[surface].encode() if b"%s" in request else request)
    assert answer.status in (400, 401), answer
    assert house.gateway.call("GET", "/health/live").status == 200


UNROUTED = [
    ("GET", "/v1/chat/completions", 405, "method_not_allowed", "POST"),
    ("DELETE", "/v1/messages", 405, "method_not_allowed", "POST"),
    ("PATCH", "/v1/keys", 405, "method_not_allowed", "GET, POST"),
    ("POST", "/v1/nothing/messages", 404, "not_found", None),
    ("POST", "/v1/nothing", 404, "not_found", None),
    ("POST", "/v1/chat/completions/", 404, "not_found", None),
    ("POST", "//v1/chat/completions", 404, "not_found", None),
    ("POST", "/V1/chat/completions", 404, "not_found", None),
    ("GET", "/v1/keys/a/b/c", 404, "not_found", None),
]


@pytest.mark.parametrize(("method", "path", "status", "code", "allow"), UNROUTED)
def test_an_unknown_path_or_method_says_so(house: House, method: str, path: str, status: int, code: str, allow: str | None) -> None:
    answer = house.gateway.call(method, path, key=house.keys["good"])
    assert_refused(answer, "anthropic" if path.endswith("/messages") else "openai", status, INVALID, code)
    assert answer.headers.get("allow") == allow


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity"])
def test_a_compressed_body_is_read(house: House, surface: Surface, coding: str) -> None:
    plain = json.dumps(body_for(surface, surface)).encode()
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[coding](plain)
    answer = raw_exchange(house.gateway.url, raw_request(surface, house.keys["good"], packed, f"Content-Encoding: {coding}"))
    assert answer.status == 200


def test_duplicate_keys_of_the_body_mean_to_the_provider_what_they_meant_to_us(house: House) -> None:
    """The re-serialised object is forwarded, never the caller's bytes: nobody downstream can read another message."""
    body = b'{"model": "nothing", "model": "openai", "messages": [], "messages": [{"role": "user", "content": "second"}]}'
    answer = raw_exchange(house.gateway.url, raw_request("openai", house.keys["good"], body))
    assert answer.status == 200
    assert house.provider.calls[-1].raw.count(b'"messages"') == house.provider.calls[-1].raw.count(b'"model"') == 1


def test_rate_limit_headers_count_down_and_are_true(house: House) -> None:
    key = house.gateway.create_key(rpm_limit=3)["key"]
    for left in (2, 1, 0):
        answer = ask(house.gateway.url, "openai", "openai", key)
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "3"
        assert answer.headers["x-ratelimit-remaining-requests"] == str(left)
        assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
    refused = ask(house.gateway.url, "openai", "openai", key)
    assert_refused(refused, "openai", 429, LIMIT, "rate_limit_exceeded")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert int(refused.headers["retry-after-ms"]) <= 1000 * int(refused.headers["retry-after"])


def test_rate_limit_headers_of_the_anthropic_surface_have_its_names(house: House) -> None:
    key = house.gateway.create_key(rpm_limit=2)["key"]
    answer = ask(house.gateway.url, "anthropic", "anthropic", key)
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_guessing_keys_is_slowed_down_and_right_keys_still_work(house: House) -> None:
    """From an address of its own, because the limit is the address's."""
    answers = [ask(house.gateway.url, "openai", "openai", f"lgk_{number:043d}", source="127.0.0.99") for number in range(25)]
    assert [answer.status for answer in answers[:20]] == [401] * 20
    assert {answer.status for answer in answers[20:]} == {429}
    assert_refused(answers[-1], "openai", 429, LIMIT, "too_many_failures")
    assert ask(house.gateway.url, "openai", "openai", house.keys["good"], source="127.0.0.99").status == 200


@pytest.mark.parametrize("surface", SURFACES)
def test_a_key_is_read_from_every_header_that_sdks_use(house: House, surface: Surface) -> None:
    for name in ("authorization", "x-api-key", "api-key", "x-portkey-api-key"):
        value = f"Bearer {house.keys['good']}" if name == "authorization" else house.keys["good"]
        answer = house.gateway.call("POST", PATHS[surface], body_for(surface, surface), headers={name: value})
        assert answer.status == 200, name


def test_a_clients_own_request_id_is_never_ours(house: House) -> None:
    body, key = body_for("openai", "openai"), house.keys["good"]
    answer = house.gateway.call("POST", PATHS["openai"], body, headers={**key_header("openai", key), "x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] != "mine-1"
    assert house.gateway.events(request_id=answer.headers["x-request-id"])


def test_after_all_of_it_nothing_is_reserved_and_the_audit_stands(house: House) -> None:
    for key in house.gateway.admin("GET", "/v1/keys")["data"]:
        if key["budget"]:
            assert key["budget"]["reserved_usd"] == "0.000000"
    assert house.gateway.cli("audit", "verify").returncode == 0
