"""Names of people by a model, end to end: masked before the provider sees them; a model that hangs or dies costs its own call only."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engines import python_path
from tests.redactors.detectors.ner_models import DIE, HANG, save_names, save_package
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Surface, ask, assert_refused
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, refused_start, running_gateway, running_sink

PATIENCE_S = 60.0
PRICES = {f"{provider}/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for provider in SURFACES}


@dataclass
class House:
    gateway: Gateway
    provider: Provider
    sink: Any
    key: str

    def say(self, surface: Surface, text: str, **more: Any) -> Any:
        return ask(self.gateway.url, surface, surface, self.key, text, **more)

    def say_until(self, surface: Surface, text: str) -> Any:
        """Ask until the model's process is back."""
        until = time.monotonic() + PATIENCE_S
        while (answer := self.say(surface, text)).status == 503:
            assert time.monotonic() < until, answer.body
            time.sleep(0.05)
        return answer


def document(provider: Provider, ner: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "targets": [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "echo", provider.url)],
        "models": {name: {"targets": [name]} for name in SURFACES},
        "prices": PRICES,
        "policies": {"default": MASK_ALL},
        "detection": {"ner": ner},
        **more,
    }


def children(pid: int) -> list[int]:
    """The processes for models that a gateway started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"ner_worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("names")
    model = save_package(folder / "site")
    with running_provider() as provider, running_sink() as sink:
        telemetry = {"capture_content": True, "destinations": [{"id": "sre", "endpoint": sink.http_url, "protocol": "http/protobuf"}]}
        ner = {"models": [{"lang_code": "en", "model_name": model}], "deadline_ms": 2_000, "max_chars": 100_000}
        path = os.pathsep.join([python_path(), str(folder / "site")])
        with running_gateway(folder, document(provider, ner, telemetry=telemetry), PYTHONPATH=path) as gateway:
            yield House(gateway, provider, sink, gateway.create_key()["key"])


def sent(provider: Provider) -> str:
    return provider.calls[-1].raw.decode()


@pytest.mark.parametrize("surface", SURFACES)
def test_a_name_is_masked_before_the_provider_sees_it(house: House, surface: Surface) -> None:
    answer = house.say_until(surface, f"Please tell Ada Lovelace in London that {surface} works")
    assert answer.status == 200, answer.body
    assert f"Please tell [REDACTED:person] in [REDACTED:location] that {surface} works" in sent(house.provider)
    assert b"[REDACTED:person]" in answer.body
    counted = house.gateway.call("GET", "/metrics").body.decode()
    assert 'lockgate_redactions_total{action="mask",direction="prompt",rule="ner-person"}' in counted
    rows = house.gateway.admin("GET", f"/v1/redactions?request_id={answer.headers['x-request-id']}")["data"]
    assert {(row["rule"], row["detector"], row["count"]) for row in rows} == {("ner-person", "pii", 1), ("ner-location", "pii", 1)}


def test_captured_prompts_and_answers_are_read_too_and_nothing_is_written_with_the_name(house: House) -> None:
    assert house.say_until("openai", "Captured: Grace Hopper").status == 200
    house.sink.wait_for_spans(1)
    assert b"Grace Hopper" not in b"".join([*house.gateway.written().values(), *house.sink.bodies()])


def test_an_answer_is_not_read_streamed_or_not(house: House) -> None:
    """Streams cannot be; so that both forms of an answer are the same, whole answers are not either."""
    house.provider.leak = "Ada Lovelace sends her regards"
    whole = house.say_until("openai", "#!leak")
    streamed = house.say("openai", "#!leak", stream=True)
    assert b"Ada Lovelace sends" in whole.body
    text = "".join(
        json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        for line in streamed.body.decode().splitlines()
        if line.startswith("data: {")
    )
    assert "Ada Lovelace sends" in text


def test_a_model_that_hangs_is_refused_at_its_deadline_while_other_routes_answer(house: House) -> None:
    house.say_until("openai", "Is anybody there?")
    (before,) = children(house.gateway.process.pid)
    sent_before = len(house.provider.calls)
    refusals: list[Any] = []
    asking = threading.Thread(target=lambda: refusals.append(house.say("openai", f"{HANG} Ada Lovelace")))
    asking.start()
    assert house.gateway.call("GET", "/health/live").status == 200
    assert asking.is_alive()
    asking.join(PATIENCE_S)
    assert_refused(refusals[0], "openai", 503, "server_error", "recognition_unavailable")
    assert b"Ada" not in refusals[0].body
    assert len(house.provider.calls) == sent_before
    assert before not in children(house.gateway.process.pid)
    assert house.say_until("openai", "Back again, Ada Lovelace?").status == 200
    assert "Back again, [REDACTED:person]?" in sent(house.provider)


@pytest.mark.parametrize("how", ["by its text", "by the system"])
def test_a_process_that_dies_is_replaced(house: House, how: str) -> None:
    house.say_until("openai", "Is anybody there?")
    (before,) = children(house.gateway.process.pid)
    if how == "by its text":
        assert_refused(house.say("anthropic", f"{DIE} Ada Lovelace"), "anthropic", 503, "server_error", "recognition_unavailable")
    else:
        os.kill(before, signal.SIGKILL)
        assert house.say("openai", f"After the end of {before}, Ada Lovelace").status == 503
    assert house.say_until("openai", f"Back from {before}, Ada Lovelace").status == 200
    assert f"Back from {before}, [REDACTED:person]" in sent(house.provider)
    (after,) = children(house.gateway.process.pid)
    assert after != before


def test_more_text_than_the_model_reads_is_refused(house: House) -> None:
    answer = house.say("openai", "Ada Lovelace " * 10_000)
    assert_refused(answer, "openai", 400, "invalid_request_error", "content_not_screenable")


def test_a_start_without_the_model_is_refused_with_its_name_and_how_to_install_it(tmp_path: Path) -> None:
    with running_provider() as provider:
        ner = {"models": [{"lang_code": "de", "model_name": "de_nobody_has_this"}]}
        code, printed = refused_start(tmp_path, document(provider, ner))
    assert code == 2
    assert "'de_nobody_has_this' for 'de' is not installed" in printed
    assert "python -m spacy download de_nobody_has_this" in printed


def test_skipping_and_a_model_added_by_reload(tmp_path: Path) -> None:
    """Without models names pass; reloaded with one they are masked; one that may skip passes what it could not read, and counts it."""
    save_names(tmp_path / "model")
    ner = {"models": [{"lang_code": "en", "model_name": "model"}], "max_chars": 1_000, "on_failure": "skip", "deadline_ms": 60_000}
    with running_provider() as provider:
        plain = document(provider, ner)
        with running_gateway(tmp_path, {**plain, "detection": {}}) as gateway:
            key = gateway.create_key()["key"]
            assert ask(gateway.url, "openai", "openai", key, "I am Ada Lovelace").status == 200
            assert "I am Ada Lovelace" in sent(provider)
            gateway.config.write_text(yaml.safe_dump(plain))
            gateway.admin("POST", "/v1/config/reload")
            (before,) = children(gateway.process.pid)
            assert ask(gateway.url, "openai", "openai", key, "I am Ada Lovelace").status == 200
            assert "I am [REDACTED:person]" in sent(provider)
            long = "I am Ada Lovelace. " * 100
            assert ask(gateway.url, "openai", "openai", key, long).status == 200
            assert long in sent(provider)
            assert b"lockgate_recognition_skipped_total 1.0" in gateway.call("GET", "/metrics").body
            gateway.admin("POST", "/v1/config/reload")
            assert children(gateway.process.pid) == [before]
            checked = gateway.cli("check", "--config", str(gateway.config))
            assert b"Ready to serve" in checked.stderr
            gateway.config.write_text(yaml.safe_dump({**plain, "detection": {}}))
            gateway.admin("POST", "/v1/config/reload")
            until = time.monotonic() + PATIENCE_S
            while children(gateway.process.pid):
                assert time.monotonic() < until, "the former models are still loaded"
                time.sleep(0.05)
