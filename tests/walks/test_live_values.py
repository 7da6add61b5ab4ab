"""Live values while a gateway runs, on both engines: caught on the way, in no file in any form, and in no core dump."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from redactors.detectors.engines import SLOWER
from redactors.detectors.pattern import load_patterns
from redactors.rules.catalog import all_rules
from tests import planted
from tests.engines import ENGINES, python_path
from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

SERIALIZED = b"\xdb\xdb\xdb\xdb"
"""How every serialized database of hyperscan begins."""


@dataclass(frozen=True)
class Lived:
    """A gateway that ran and was killed: what was announced, what it answered, and its files before and after its end."""

    engine: str
    values: dict[str, str]
    answers: list[Answer]
    limits: str
    files: dict[str, bytes]


@pytest.fixture(scope="module", params=ENGINES)
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    rng = Random(41)
    values = {"provider_key": planted.secret("openai_project", rng), "second_key": planted.secret("password", rng) * 2}
    environment = {"LIVE_FIRST": values["provider_key"], "LIVE_SECOND": values["second_key"]}
    environment["PYTHONPATH"] = python_path(fallback=request.param == "fallback")
    with running_provider() as provider:
        document = {
            "targets": [
                openai_target("first", "echo", provider.url, secret_key_ref={"env": "LIVE_FIRST"}),
                openai_target("second", "echo", provider.url, secret_key_ref={"env": "LIVE_SECOND"}),
            ],
            "models": {"first": {"targets": ["first"]}, "second": {"targets": ["second"]}},
            "policies": {"default": MASK_ALL},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        }
        with running_gateway(tmp_path_factory.mktemp("live"), document, **environment) as gateway:
            values["virtual_key"] = gateway.create_key()["key"]
            values["admin_key"] = gateway.admin_key
            answers = [_ask(gateway, model, stream, values) for model in ("first", "second") for stream in (False, True)]
            limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
            files = {f"{name} of the running gateway": data for name, data in gateway.written().items()}
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait()
            files |= {f"{name} of the killed gateway": data for name, data in gateway.written().items()}
    return Lived(request.param, values, answers, limits, files)


def _ask(gateway: Gateway, model: str, stream: bool, values: dict[str, str]) -> Answer:
    said = "; ".join(form.decode() for value in values.values() for form in (value.encode(), value.encode().hex().encode()))
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"Our keys are {said}."}]}
    return gateway.call("POST", "/v1/chat/completions", body, key=values["virtual_key"])


def test_the_values_are_caught_on_the_way(lived: Lived) -> None:
    assert [answer.status for answer in lived.answers] == [200] * 4
    for answer in lived.answers:
        assert b"REDACTED" in answer.body
        assert planted.leaks(answer.body, lived.values) == []


def test_no_file_holds_one_in_any_form_not_even_backwards(lived: Lived) -> None:
    assert any(name.startswith("lockgate.db-wal") for name in lived.files)
    backwards = {f"{name} backwards": value[::-1] for name, value in lived.values.items()}
    for name, data in lived.files.items():
        assert planted.leaks(data, lived.values | backwards) == [], name


def test_no_file_holds_a_scan_for_them(lived: Lived) -> None:
    """The one serialized scan there may be is that of the rules, which is the same without a gateway."""
    for name, data in lived.files.items():
        if name.startswith("cache/rules.db"):
            rules = load_patterns(all_rules(), data)
            assert rules is not None
            assert rules.dump() == data
        else:
            assert SERIALIZED not in data, name


def test_a_crash_leaves_no_core_dump(lived: Lived) -> None:
    (line,) = [line for line in lived.limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


def test_the_slower_engine_is_said_once(lived: Lived) -> None:
    said = lived.files["log of the killed gateway"].decode().count(SLOWER)
    assert said == (1 if lived.engine == "fallback" else 0)


def test_redact_leaves_no_core_dump_either(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": python_path(), "LOCKGATE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "pipeline.cli.main", "redact", "--jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"id": 1, "text": "hello"}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.stdin.close()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
