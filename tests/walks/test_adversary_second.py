"""What a hostile caller tries with the second set of features: repetitions, pseudonyms, limits, texts that are long."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.gateway import chat
from pipeline.gateway.model import Asked, House, PolicySet
from pipeline.gateway.streaming import LeakFound, encode
from pipeline.gateway.wire import stream_screen
from pipeline.routing.model import Delta
from redactors.detectors.known import KnownSecrets
from redactors.detectors.pattern import PatternSet
from redactors.engine import Redactor, build_redactor
from redactors.model import Clean, Direction, Json
from redactors.screen import Screen
from tests import planted
from tests.compiled import compiled_patterns
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Surface, ask, body_for, key_header
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway
from tests.walks.test_adversary import PERSONAL_ONLY
from tests.walks.test_pseudonyms import NAME, PSEUDONYMS

PATHS: dict[Surface, str] = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
EMAIL = planted.secret("email", Random(31))
OPEN = {"answer": "unsafe_allow_all"}


@dataclass
class Place:
    """The gateway, its provider, and a key in each workspace."""

    gateway: Gateway
    provider: Provider
    keys: dict[str, str]

    def say(self, surface: Surface, workspace: str, text: str, token: str, **more: Any) -> Answer:
        """One call under an idempotency key."""
        headers = {**key_header(surface, self.keys[workspace]), "idempotency-key": token}
        return self.gateway.call("POST", PATHS[surface], body_for(surface, surface, text, **more), headers=headers)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    policies = {"default": MASK_ALL, "personal": PERSONAL_ONLY, "named": PSEUDONYMS}
    with running_provider() as provider:
        document = {
            "targets": [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "echo", provider.url)],
            "models": {name: {"targets": [name], "fallback": {"enabled": False}} for name in SURFACES},
            "prices": {f"{name}/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for name in SURFACES},
            "policies": policies,
            "workspaces": {"default": {}, **{name: {"policy": name} for name in ("personal", "named")}},
            "telemetry": {"capture_content": True},
        }
        with running_gateway(tmp_path_factory.mktemp("second"), document) as gateway:
            keys = {name: gateway.create_key(workspace=name)["key"] for name in ("default", "personal", "named")}
            yield Place(gateway, provider, keys)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_kept_answer_that_holds_a_live_secret_by_now_is_not_given_again(place: Place, surface: Surface, stream: bool) -> None:
    value = planted.secret("password", Random(f"{surface}{stream}")) + "zQ4"
    more = {"stream": True} if stream else {}
    first = place.say(surface, "personal", value, f"later-{surface}-{stream}", **more)
    assert first.status == 200
    place.gateway.admin("POST", f"/v1/secrets/later-{surface}-{int(stream)}", {"value": value})
    again = place.say(surface, "personal", value, f"later-{surface}-{stream}", **more)
    assert (again.status, again.headers["x-should-retry"]) == (409, "false")
    assert planted.leaks(again.body, {"it": value}) == []


def test_a_redaction_that_is_repeated_is_done_again_with_what_is_a_live_secret_by_now(place: Place) -> None:
    value = planted.secret("password", Random(77)) + "zQ4"
    given = {"key": place.keys["personal"], "headers": {"idempotency-key": "redaction"}}
    first = place.gateway.call("POST", "/v1/redact", {"text": value}, **given)
    assert (first.status, first.json["text"]) == (200, value)
    place.gateway.admin("POST", "/v1/secrets/redaction", {"value": value})
    again = place.gateway.call("POST", "/v1/redact", {"text": value}, **given)
    assert (again.status, again.json["text"]) == (200, "[REDACTED:live_secret]")
    assert planted.leaks(again.body, {"it": value}) == []


def test_an_idempotency_key_is_no_way_around_the_limit_of_requests_and_stores_no_redaction(place: Place) -> None:
    key = place.gateway.create_key(rpm_limit=2)["key"]
    answers = [place.gateway.call("POST", "/v1/redact", {"text": "a"}, key=key, headers={"idempotency-key": "x"}) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[1].headers["x-ratelimit-remaining-requests"] == "0"
    assert "idempotent-replayed" not in answers[1].headers
    for answer in answers[:2]:
        assert [row["kind"] for row in place.gateway.events(request_id=answer.headers["x-request-id"])] == ["gateway:redaction:finish"]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_call_that_is_one_too_many_does_not_count_its_tokens_in_what_it_says_is_left(place: Place, surface: Surface) -> None:
    name = "x-ratelimit-remaining-tokens" if surface == "openai" else "anthropic-ratelimit-tokens-remaining"
    key = place.gateway.create_key(rpm_limit=1, tpm_limit=100_000)["key"]
    first, second = (ask(place.gateway.url, surface, surface, key, "hello " * 500, max_tokens=9000) for _ in range(2))
    assert (first.status, second.status) == (200, 429)
    assert second.headers[name] == first.headers[name]


@pytest.mark.parametrize("together", [1, 2, 5, 100])
@pytest.mark.parametrize("size", [1, 3, 11])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_live_secret_in_pieces_that_come_together_does_not_pass_the_last_look(
    live: KnownSecrets, surface: Surface, size: int, together: int
) -> None:
    """Where the redactor let one pass, the last look must see through the pieces of one text."""
    screen = stream_screen(f"{surface}.{'chat' if surface == 'openai' else 'messages'}", redactor("answer", OPEN, live))  # type: ignore[arg-type]
    text = f"So it is {LIVE}, and so it goes on."
    pieces = [_delta(surface, text[at : at + size]) for at in range(0, len(text), size)]
    out: list[bytes] = []

    def send_all() -> None:
        for at in range(0, len(pieces), together):
            out.append(encode(screen.feed_all(pieces[at : at + together]), live.contains))

    with pytest.raises(LeakFound):
        send_all()
    said = "".join(map(_said, b"".join(out).decode().splitlines()))
    assert planted.leaks(said.encode(), {"it": LIVE}) == []


LIVE = planted.secret("password", Random(5)) + planted.secret("password", Random(6))


@pytest.fixture(scope="module")
def live() -> KnownSecrets:
    known = KnownSecrets()
    known.announce(LIVE, "in pieces")
    return known


def _delta(surface: Surface, piece: str) -> Delta:
    if surface == "openai":
        return Delta({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": piece}}]})
    data = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    return Delta(data, "content_block_delta")


def _said(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    tree = json.loads(line[6:])
    delta = tree["choices"][0]["delta"] if "choices" in tree else tree["delta"]
    return str(delta.get("content") or delta.get("text") or "")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES)
def test_values_that_were_put_back_are_given_again_to_their_own_key_only_and_stand_nowhere(
    place: Place, surface: Surface, stream: bool
) -> None:
    more = {"stream": True} if stream else {}
    first = place.say(surface, "named", f"write to {EMAIL}", f"mine-{surface}-{stream}", **more)
    again = place.say(surface, "named", f"write to {EMAIL}", f"mine-{surface}-{stream}", **more)
    assert EMAIL.encode() in first.body
    assert again.body == first.body
    (name,) = set(NAME.findall(place.provider.calls[-1].raw.decode()))
    other = place.gateway.create_key(workspace="named")["key"]
    headers = {**key_header(surface, other), "idempotency-key": f"mine-{surface}-{stream}"}
    theirs = place.gateway.call("POST", PATHS[surface], body_for(surface, surface, f"write to {name}", **more), headers=headers)
    assert "idempotent-replayed" not in theirs.headers
    assert planted.leaks(theirs.body, {"it": EMAIL}) == []
    events = json.dumps(place.gateway.events())
    assert planted.leaks(events.encode(), {"it": EMAIL}) == []


def test_nothing_of_all_this_was_written_down(place: Place) -> None:
    values = {"email": EMAIL, **{f"key {name}": key for name, key in place.keys.items()}}
    assert {name: found for name, data in place.gateway.written().items() if (found := planted.leaks(data, values))} == {}


class Watched:
    """A telemetry redactor that remembers which threads it worked on."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def tree(self, raw: Json) -> Clean[Json]:
        """Redact, and remember."""
        self.threads.append(threading.get_ident())
        return redactor("telemetry").tree(raw)


BADGES = {name: [{"detect_patterns": ["EMP-[0-9]{6}"], "action": "mask"}] for name in ("prompt", "telemetry")}


@cache
def rules() -> PatternSet:
    """The built-in rules, as compiled at set-up."""
    return compiled_patterns()


def redactor(direction: Direction, policy: Any = BADGES, known: KnownSecrets | None = None) -> Redactor:
    """A redactor of one direction."""
    return build_redactor(known or KnownSecrets(), policy=policy, direction=direction, pattern_set=rules())


def test_what_telemetry_captures_of_a_long_prompt_is_not_made_on_the_event_loop() -> None:
    telemetry = Watched()
    body = {"model": "m", "messages": [{"role": "user", "content": ("EMP-123456 " + "and so on " * 60) * 200}]}
    policy = cast(PolicySet, SimpleNamespace(recognizes=False, prompt=Screen(redactor("prompt"), cast(Redactor, telemetry))))

    async def screened() -> int:
        with ThreadPoolExecutor(1) as pool:
            house = cast(House, SimpleNamespace(screening=pool, swapped=SimpleNamespace(capture_content=True)))
            found = await chat.screen(house, policy, Asked(body, "m", stream=False, wants_usage=False, size=120_000))
        assert "EMP-" not in json.dumps(found.clean.value)
        assert list(found.totals.values()) == [200]
        return threading.get_ident()

    loop_thread = asyncio.run(screened())
    assert telemetry.threads
    assert loop_thread not in telemetry.threads
