"""A reloaded document sends telemetry elsewhere: no start anew, nothing lost of what waited, and the account stays exact."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Gateway, Sink, openai_target, running_gateway, running_sink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class House:
    """A gateway, two sinks, and what its document says beside telemetry."""

    gateway: Gateway
    first: Sink
    second: Sink
    document: Mapping[str, Any]
    key: str

    def reload(self, *destinations: Mapping[str, Any]) -> None:
        document = {**self.document, "telemetry": {"destinations": list(destinations)}}
        self.gateway.config.write_text(yaml.safe_dump(document, sort_keys=False))
        self.gateway.admin("POST", "/v1/config/reload", {})

    def call(self, status: int = 200) -> str:
        body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
        answer = self.gateway.call("POST", "/v1/chat/completions", body, key=self.key)
        assert answer.status == status
        return answer.headers["x-request-id"]

    def account(self, name: str) -> Mapping[str, Any]:
        rows = {(row["destination"], row["signal"]): row for row in self.gateway.admin("GET", "/v1/outbox")["data"]}
        assert all(row["missing"] == 0 for row in rows.values())
        found: Mapping[str, Any] = rows[name, "traces"]
        return found


def told(sink: Sink) -> set[str]:
    """The calls whose spans came to a sink."""
    pairs = [pair for span in sink.spans() for pair in span.attributes]
    return {pair.value.string_value for pair in pairs if pair.key == "lockgate.request.id"}


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider, running_sink() as first, running_sink() as second:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
        }
        given = {**document, "telemetry": {"destinations": [{"id": "sre", "endpoint": first.http_url}]}}
        with running_gateway(tmp_path_factory.mktemp("destinations"), given) as gateway:
            yield House(gateway, first, second, document, gateway.create_key()["key"])


def test_a_destination_that_is_added_gets_what_comes_from_then_on(house: House) -> None:
    before = house.call()
    house.reload({"id": "sre", "endpoint": house.first.http_url}, {"id": "audit", "endpoint": house.second.http_url})
    after = house.call()
    wait_until(lambda: {before, after} <= told(house.first) and after in told(house.second))
    assert before not in told(house.second)
    assert house.account("audit")["accepted"] == 2
    exposition = house.gateway.call("GET", "/metrics", key=house.gateway.admin_key).body
    assert b'lockgate_outbox_limit_bytes{destination="audit"}' in exposition


def test_what_waits_for_a_dead_address_goes_to_the_new_one_when_it_is_corrected(house: House) -> None:
    house.reload({"id": "lost", "endpoint": "http://127.0.0.1:9", "timeout_s": 1})
    waiting = house.call()
    wait_until(lambda: house.account("lost")["queued"] == 2)
    house.reload({"id": "lost", "endpoint": house.second.http_url})
    wait_until(lambda: waiting in told(house.second))
    wait_until(lambda: house.account("lost")["delivered"] == 2)  # the sink has them before their delivery is written down
    assert house.account("lost")["queued"] == 0


def test_what_waits_for_a_destination_that_is_gone_stays_until_it_is_back_and_nothing_more_comes(house: House) -> None:
    house.reload({"id": "away", "endpoint": "http://127.0.0.1:9", "timeout_s": 1}, {"id": "sre", "endpoint": house.first.http_url})
    waiting = house.call()
    house.reload({"id": "sre", "endpoint": house.first.http_url})
    after = house.call()
    wait_until(lambda: {waiting, after} <= told(house.first))
    assert (house.account("away")["accepted"], house.account("away")["queued"]) == (2, 2)
    house.reload({"id": "away", "endpoint": house.second.http_url}, {"id": "sre", "endpoint": house.first.http_url})
    wait_until(lambda: waiting in told(house.second))
    assert after not in told(house.second)


def test_a_bound_that_is_lowered_holds_at_once_and_readiness_names_it(house: House) -> None:
    queue = {"max_bytes": 1 << 20, "when_full": "refuse"}
    narrow = {"id": "narrow", "endpoint": "http://127.0.0.1:9", "timeout_s": 1, "queue": queue}
    house.reload(narrow)
    for _ in range(4):
        house.call()
    assert house.gateway.call("GET", "/health/ready").status == 200
    house.reload({**narrow, "queue": {**queue, "max_bytes": 1024}})
    ready = house.gateway.call("GET", "/health/ready")
    assert (ready.status, ready.json["reasons"]) == (503, {"outbox:narrow": "full: calls are refused"})
    house.call(503)
    house.reload({"id": "sre", "endpoint": house.first.http_url})
    assert house.gateway.call("GET", "/health/ready").status == 200
    house.call()


def test_a_document_that_is_refused_changes_no_destination_and_sighup_reloads_as_well(house: House) -> None:
    house.reload({"id": "sre", "endpoint": house.first.http_url})
    house.gateway.config.write_text("telemetry: {destinations: [{id: sre, endpoint: nowhere}]}")
    assert house.gateway.call("POST", "/v1/config/reload", {}, key=house.gateway.admin_key).status >= 400
    kept = house.call()
    wait_until(lambda: kept in told(house.first))
    document = {**house.document, "telemetry": {"destinations": [{"id": "hup", "endpoint": house.second.http_url}]}}
    house.gateway.config.write_text(yaml.safe_dump(document))
    house.gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "hup" in {row["destination"] for row in _after_a_call(house)})


def _after_a_call(house: House) -> list[dict[str, Any]]:
    house.call()
    rows: list[dict[str, Any]] = house.gateway.admin("GET", "/v1/outbox")["data"]
    return rows


def test_a_reload_names_the_settings_that_wait_for_a_restart(house: House) -> None:
    telemetry = {"service_name": "another-door", "destinations": [{"id": "sre", "endpoint": house.first.http_url}]}
    house.gateway.config.write_text(yaml.safe_dump({**house.document, "telemetry": telemetry}, sort_keys=False))
    told = house.gateway.cli("config", "reload")
    assert b"telemetry.service_name takes effect when the gateway starts again" in told.stderr
    reloads = house.gateway.events(kind="config:document:reload")
    assert reloads[0]["detail"]["needs_restart"] == ["telemetry.service_name"]
    house.reload({"id": "sre", "endpoint": house.first.http_url})
    assert house.gateway.events(kind="config:document:reload")[0]["detail"]["needs_restart"] == []
