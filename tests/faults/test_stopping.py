"""Starting, reloading and stopping: what runs is finished, what is broken changes nothing, and two never share a home. F20, F22."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.books import Books, assert_nothing_lost, url_of
from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Price
from tests.walks.asking import SURFACES, Line, Stream, ask, assert_refused
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

PRICE = Price(input=1_000_000, output=2_000_000)
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
SCRIPTS = {"echo": "echo", "long": "say:50+pace:0.03", "endless": "say:4000+pace:0.03"}


def document(provider: Provider, **more: Any) -> dict[str, Any]:
    targets = []
    for name, script in SCRIPTS.items():
        targets.append(openai_target(f"openai-{name}", f"openai-{name}--{script}", provider.url))
        targets.append(anthropic_target(f"anthropic-{name}", f"anthropic-{name}--{script}", provider.url))
    return {
        "targets": targets,
        "models": {target["id"]: {"targets": [target["id"]]} for target in targets},
        "prices": PRICES,
        "policies": {"default": dict(MASK_ALL)},
        **more,
    }


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


def test_a_stop_finishes_what_runs_and_takes_nothing_new(tmp_path: Path, provider: Provider) -> None:
    with running_gateway(tmp_path, document(provider), LOCKGATE_LOG_LEVEL="INFO") as gateway:
        key = gateway.create_key(budget={"limit_usd": 5})["key"]
        kept = Line(gateway.url)
        assert kept.ask("openai", "openai-echo", key).status == 200
        streams = [Stream(gateway.url, surface, f"{surface}-long", key).begin() for surface in SURFACES for _ in range(3)]
        for stream in streams:
            stream.some(2)
        gateway.process.send_signal(signal.SIGTERM)
        told_to_go(gateway, key, kept)
        for stream in streams:
            stream.rest()
            assert stream.complete, "a running stream ends as it would have"
        assert gateway.process.wait(30) == 0
        assert not (gateway.home / "run.json").exists()
        with Books(url_of(gateway)) as books:
            assert books.open_calls() == 0
            endings = assert_nothing_lost(books, [stream.request_id for stream in streams], provider.calls, PRICE)
        assert endings["finish:ok"] == 7
        assert gateway.cli("audit", "verify").returncode == 0


def told_to_go(gateway: Gateway, key: str, kept: Line) -> None:
    """Readiness and calls are answered 503 on new connections and on old ones, which end with it; nothing reaches the provider."""
    wait_until_draining(gateway)
    for surface in SURFACES:
        answer = ask(gateway.url, surface, f"{surface}-echo", key)
        assert_refused(answer, surface, 503, "server_error", "overloaded")
        assert answer.headers["retry-after"]
    answer = kept.ask("openai", "openai-echo", key)
    assert_refused(answer, "openai", 503, "server_error", "overloaded")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert gateway.call("GET", "/health/live").status == 200


def wait_until_draining(gateway: Gateway) -> None:
    deadline = time.monotonic() + 5
    while (ready := gateway.call("GET", "/health/ready")).status == 200:
        assert time.monotonic() < deadline, "it does not say that it stops"
    assert (ready.status, ready.json["reasons"]) == (503, {"server": "draining"})
    assert ready.headers["retry-after"]


def test_a_stop_with_nothing_to_finish_is_noticed_all_the_same(tmp_path: Path, provider: Provider) -> None:
    """For as long as the document says, and no longer than the whole drain may last."""
    with running_gateway(tmp_path, document(provider, limits={"drain_s": 2, "drain_notice_s": 60})) as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        wait_until_draining(gateway)
        assert gateway.call("GET", "/nowhere").headers["connection"] == "close"
        assert gateway.process.wait(30) == 0
        with Books(url_of(gateway)) as books:
            assert [row["error"] for row in books.events() if row["kind"] == "gateway:request:refuse"] == ["not_found"]


def test_who_does_not_end_within_the_grace_is_settled(tmp_path: Path, provider: Provider) -> None:
    with running_gateway(tmp_path, document(provider, limits={"drain_s": 1}), LOCKGATE_LOG_LEVEL="INFO") as gateway:
        key = gateway.create_key(budget={"limit_usd": 5})["key"]
        stream = Stream(gateway.url, "openai", "openai-endless", key, max_tokens=10_000).begin()
        stream.some(3)
        assert gateway.stop() == 0
        stream.rest()
        assert not stream.complete
        assert stream.events[-1]["error"]["code"] == "overloaded", "it is told, not cut off"
        with Books(url_of(gateway)) as books:
            assert books.open_calls() == 0
            assert books.charges()[stream.request_id]["cost_micros"] > 0
            ending = books.endings()[stream.request_id]
            assert (ending["outcome"], ending["status"], ending["error"]) == ("aborted", 503, "overloaded")
            assert_nothing_lost(books, (), provider.calls, PRICE)


def test_a_second_signal_ends_at_once_and_recovery_settles(tmp_path: Path, provider: Provider) -> None:
    with running_gateway(tmp_path, document(provider), LOCKGATE_LOG_LEVEL="INFO") as gateway:
        key = gateway.create_key(budget={"limit_usd": 5})["key"]
        stream = Stream(gateway.url, "anthropic", "anthropic-endless", key, max_tokens=10_000).begin()
        stream.some(3)
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(15) == 0
        stream.leave()
        gateway.start_again()
        with Books(url_of(gateway)) as books:
            books.settled()
            assert stream.request_id in books.charges()
            assert_nothing_lost(books, (), provider.calls, PRICE)
        assert gateway.cli("audit", "verify").returncode == 0


@pytest.fixture(scope="module")
def gateway(shared: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("stopping"), document(shared), LOCKGATE_LOG_LEVEL="INFO") as running:
        yield running


def broken(plain: dict[str, Any], how: str) -> str:
    match how:
        case "no YAML":
            return "targets: [\n  - {"
        case "an unknown key":
            plain["tragets"] = []
        case "an unknown target":
            plain["models"]["openai-echo"] = {"targets": ["nowhere"]}
        case "a literal key":
            plain["targets"][0]["api_key"] = "sk-live-1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c"
        case "a missing secret":
            plain["targets"][0]["secret_key_ref"] = {"env": "NOT_SET_ANYWHERE"}
        case "an unusable pattern":
            plain["policies"]["default"]["prompt"] = [{"detect_patterns": ["(unclosed"], "action": "mask"}]
    plain["models"]["only-in-the-broken-one"] = {"targets": ["openai-echo"]}
    return yaml.safe_dump(plain, sort_keys=False)


BROKEN = ["no YAML", "an unknown key", "an unknown target", "a literal key", "a missing secret", "an unusable pattern"]


@pytest.mark.parametrize("by", ["POST", "SIGHUP"])
def test_a_broken_document_changes_nothing_and_is_told(gateway: Gateway, shared: Provider, by: str) -> None:
    key = gateway.create_key()["key"]
    good = gateway.config.read_text()
    for how in BROKEN:
        gateway.config.write_text(broken(document(shared), how))
        seen = len(reloads(gateway))
        if by == "POST":
            answer = gateway.call("POST", "/v1/config/reload", key=gateway.admin_key)
            assert answer.status == (503 if how == "a missing secret" else 400), (how, answer)
            assert answer.json["error"]["message"], how
            assert b"1f0e9d8c7b6a" not in answer.body
        else:
            gateway.process.send_signal(signal.SIGHUP)
        newest = until_reloaded(gateway, seen)
        assert newest["outcome"] == "failed", how
        assert ask(gateway.url, "openai", "openai-echo", key).status == 200, how
        assert ask(gateway.url, "openai", "only-in-the-broken-one", key).status == 404, how
    gateway.config.write_text(good)
    assert gateway.call("POST", "/v1/config/reload", key=gateway.admin_key).status == 200
    assert b"1f0e9d8c7b6a" not in gateway.log.read_bytes()


@pytest.mark.parametrize("by", ["POST", "SIGHUP"])
def test_a_good_document_is_in_force_at_once_and_running_calls_end_under_the_old_one(gateway: Gateway, shared: Provider, by: str) -> None:
    key = gateway.create_key()["key"]
    stream = Stream(gateway.url, "openai", "openai-long", key).begin()
    stream.some(2)
    plain = document(shared)
    plain["models"]["brand-new"] = {"targets": ["openai-echo"]}
    del plain["models"]["anthropic-echo"]
    gateway.config.write_text(yaml.safe_dump(plain))
    seen = len(reloads(gateway))
    if by == "POST":
        assert gateway.call("POST", "/v1/config/reload", key=gateway.admin_key).status == 200
    else:
        gateway.process.send_signal(signal.SIGHUP)
    assert until_reloaded(gateway, seen)["outcome"] == "ok"
    assert ask(gateway.url, "openai", "brand-new", key).status == 200
    assert ask(gateway.url, "anthropic", "anthropic-echo", key).status == 404
    stream.rest()
    assert stream.complete
    gateway.config.write_text(yaml.safe_dump(document(shared)))
    assert gateway.call("POST", "/v1/config/reload", key=gateway.admin_key).status == 200


def reloads(gateway: Gateway) -> list[dict[str, Any]]:
    return gateway.events(kind="config:document:reload")


def until_reloaded(gateway: Gateway, seen: int) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while len(found := reloads(gateway)) == seen:
        assert time.monotonic() < deadline, "the reload is not in the audit"
        time.sleep(0.1)
    return found[0]


def test_a_second_gateway_on_the_same_home_is_refused(gateway: Gateway) -> None:
    done = serve_once(gateway)
    assert done.returncode == 2
    assert gateway.url in done.stderr.decode(), "it says where the first one runs"
    run = (gateway.home / "run.json").read_text()
    (gateway.home / "run.json").unlink()  # even without knowing of the first one: one writer for each database
    done = serve_once(gateway)
    assert done.returncode not in (0, None)
    assert b"Traceback" not in done.stderr
    (gateway.home / "run.json").write_text(run)
    assert gateway.call("GET", "/health/ready").status == 200


def serve_once(gateway: Gateway) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pipeline.cli.main", "serve"]
    return subprocess.run(command, capture_output=True, cwd=gateway.home.parent, env=gateway.environment, check=False, timeout=30)


def test_a_home_that_was_left_behind_by_a_killed_gateway_is_taken_over(gateway: Gateway) -> None:
    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    left = json.loads((gateway.home / "run.json").read_text())
    assert left["pid"] == gateway.process.pid
    gateway.start_again()
    assert gateway.call("GET", "/health/ready").status == 200


def test_a_restored_copy_of_a_home_serves(gateway: Gateway, tmp_path: Path) -> None:
    """A backup is the folder: stopped, copied, started elsewhere, with the same keys and the same record."""
    key = gateway.create_key()["key"]
    assert ask(gateway.url, "openai", "openai-echo", key).status == 200
    assert gateway.stop() == 0
    shutil.copytree(gateway.home, tmp_path / "restored")
    gateway.environment["LOCKGATE_HOME"] = str(tmp_path / "restored")
    gateway.home = tmp_path / "restored"
    gateway.start_again()
    assert ask(gateway.url, "openai", "openai-echo", key).status == 200
    assert gateway.cli("audit", "verify").returncode == 0
