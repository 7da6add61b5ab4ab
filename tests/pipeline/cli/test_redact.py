"""`redact` and `rules`: the engine on a pipe."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.cli.main import main
from tests import planted


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.fixture
def secret() -> str:
    return planted.secret("openai_project", Random(11))


def test_a_pipe_is_cleaned(run: Any, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    piped(monkeypatch, f"line one\nmy key is {secret}, ok\n".encode())
    ran = run("redact", "--report")
    assert ran.code == 0
    assert ran.out.startswith("line one\nmy key is [REDACTED:")
    assert ran.out.endswith(", ok\n")
    assert planted.leaks((ran.out + ran.err).encode(), {"secret": secret}) == []
    assert "mask" in ran.err


def test_a_file_with_any_bytes_comes_out_whole(home: Path, capfdbinary: Any) -> None:
    data = bytes(range(256)) * 300 + "名前 🙂\r\n".encode()
    path = home.parent / "bytes"
    path.write_bytes(data)
    capfdbinary.readouterr()
    assert main(["redact", str(path)]) == 0
    assert capfdbinary.readouterr().out == data


def test_a_whole_text_comes_with_its_findings(run: Any, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    piped(monkeypatch, f"é {secret}".encode())
    tree = run("redact", "--json").json
    assert tree["schema"] == "lockgate.redact/1"
    [finding] = tree["findings"]
    assert (finding["start"], finding["end"], finding["action"]) == (2, 2 + len(secret), "mask")


def test_json_lines_keep_their_order_and_ids(run: Any, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    lines = [{"id": 1, "text": "nothing"}, {"id": "b", "json": {"a": [secret], "n": 1}}, {"text": secret}]
    piped(monkeypatch, "\n".join(json.dumps(line) for line in lines).encode() + b"\n\n")
    out = [json.loads(line) for line in run("redact", "--jsonl").out.splitlines()]
    assert out[0] == {"id": 1, "text": "nothing", "findings": []}
    assert out[1]["findings"][0]["path"] == "/a/0"
    assert out[1]["json"]["n"] == 1
    assert "id" not in out[2]
    assert planted.leaks(json.dumps(out).encode(), {"secret": secret}) == []


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"text": 1}', '{"text": "a", "json": 1}'])
def test_a_wrong_line_is_named_by_its_number(run: Any, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    piped(monkeypatch, f'{{"text": "fine"}}\n{line}\n'.encode())
    ran = run("redact", "--jsonl")
    assert ran.code == 2
    assert "ine 2" in ran.err


def test_known_values_terms_and_patterns_come_from_files(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.parent
    (folder / "known").write_text('"zebra-crossing-901"\n')
    (folder / "terms").write_text('"nightingale"\n{"term": "waterfall", "max_distance": 1}\n')
    (folder / "patterns").write_text('{"name": "badge", "pattern": "EMP-[0-9]{6}"}\n')
    piped(monkeypatch, b"zebra-crossing-901 Nightingale waterfal EMP-123456 plain")
    ran = run("redact", "--known", str(folder / "known"), "--terms", str(folder / "terms"), "--patterns", str(folder / "patterns"))
    assert ran.code == 0
    for gone in ("zebra", "ightingale", "waterfal", "EMP-1"):
        assert gone not in ran.out
    assert ran.out.endswith(" plain")


@pytest.mark.parametrize(
    ("option", "content"), [("--known", "plain"), ("--known", "1"), ("--patterns", '{"name": "x", "pattern": "("}'), ("--terms", "{")]
)
def test_a_wrong_file_is_named_and_not_quoted(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch, option: str, content: str) -> None:
    path = home.parent / "file"
    path.write_text(content)
    piped(monkeypatch, b"x")
    ran = run("redact", option, str(path))
    assert (ran.code, ran.out) == (2, "")


def test_a_policy_says_what_is_done(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    path = home.parent / "policy.yaml"
    rule = "[{detect: [secrets], action: remove}]"
    path.write_text(f"prompt: {rule}\nanswer: {rule}\ntelemetry: {rule}\n")
    piped(monkeypatch, f"<{secret}> ana@example.com".encode())
    assert run("redact", "--policy", str(path)).out == "<> ana@example.com"
    assert run("redact", "--policy", str(path), "--direction", "sideways").code == 2


def test_a_file_that_is_not_there_is_an_error(run: Any) -> None:
    ran = run("redact", "/no/such/file")
    assert (ran.code, ran.out) == (2, "")


def test_rules_are_listed(run: Any) -> None:
    rules = run("rules", "list", "--json").json["rules"]
    assert len(rules) >= 60
    assert {"id", "kind", "detector", "about", "source", "dated"} <= set(rules[0])
    assert run("rules", "list", "--detector", "pii").code == 0


def test_a_rule_proves_itself(run: Any) -> None:
    first = run("rules", "list", "--json").json["rules"][0]["id"]
    ran = run("rules", "test", "--rule", first, "--json")
    assert ran.code == 0
    assert ran.json["samples"] > 0
    assert run("rules", "test", "--rule", "no-such-rule").code == 2
