"""A caller who leaves a stream is charged what the provider bills, within the bounds of reading on, and an estimate beyond."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Price
from tests.walks.asking import PATHS, SURFACES, Surface, body_for, key_header
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

RATES = {"input_per_mtok_usd": 1000, "output_per_mtok_usd": 2000}
PRICE = Price(input=1_000_000_000, output=2_000_000_000)
SHORT, LONG = "say:60+pace:0.02", "say:4000+pace:0.002"
TARGETS = {"openai": openai_target, "anthropic": anthropic_target}


@dataclass
class House:
    gateway: Gateway
    provider: Provider
    key: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        targets = [
            TARGETS[name](f"{name}-{size}", script, provider.url)
            for name in SURFACES
            for size, script in (("short", SHORT), ("long", LONG))
        ]
        document = {
            "targets": targets,
            "models": {target["id"]: {"targets": [target["id"]]} for target in targets},
            "prices": {f"{name}/*": RATES for name in SURFACES},
            "policies": {"default": MASK_ALL},
            "limits": {"read_on_s": 30, "read_on_tokens": 300},
        }
        with running_gateway(tmp_path_factory.mktemp("abandoned"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            yield House(gateway, provider, gateway.create_key()["key"])


def leave(house: House, surface: Surface, model: str) -> str:
    """Begin a stream, read a little of it, and go. Gives the request's id."""
    split = urlsplit(house.gateway.url)
    line = http.client.HTTPConnection(split.hostname or "", split.port, timeout=30)
    headers = {"content-type": "application/json", **key_header(surface, house.key)}
    body = body_for(surface, model, stream=True) | {"max_tokens": 5_000}
    line.request("POST", PATHS[surface], json.dumps(body), headers)
    answer = line.getresponse()
    assert answer.status == 200
    assert answer.read(200)
    line.close()
    answer.close()
    return str(answer.headers["x-lockgate-request-id"])


def settled(house: House, request_id: str) -> dict[str, Any]:
    """The event that ends a call."""
    deadline = time.monotonic() + 40
    while True:
        found = house.gateway.events(request_id=request_id, kind="gateway:call:finish")
        if found:
            return found[0]
        assert time.monotonic() < deadline, "the call was not settled"
        time.sleep(0.2)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_stream_that_ends_within_the_bounds_is_charged_as_the_provider_bills_it(house: House, surface: Surface) -> None:
    event = settled(house, leave(house, surface, f"{surface}-short"))
    call = house.provider.calls[-1]
    assert (event["outcome"], event["status"], event["error"]) == ("aborted", 499, "client_disconnected")
    assert event["detail"]["charge_state"] == "aborted_drained"
    assert (call.finished, call.billed) == (True, True)
    assert event["detail"]["cost_micros"] == PRICE.micros(call.tally)
    assert event["detail"]["tokens_out"] == call.tally.completion


@pytest.mark.parametrize("surface", SURFACES)
def test_a_stream_that_goes_on_is_cut_off_and_charged_by_our_count(house: House, surface: Surface) -> None:
    event = settled(house, leave(house, surface, f"{surface}-long"))
    assert (event["outcome"], event["detail"]["charge_state"]) == ("aborted", "aborted_estimated")
    assert 300 <= event["detail"]["tokens_out"] < 3_000
    deadline = time.monotonic() + 10
    while not house.provider.calls[-1].disconnected:
        assert time.monotonic() < deadline, "the provider was not left"
        time.sleep(0.1)
