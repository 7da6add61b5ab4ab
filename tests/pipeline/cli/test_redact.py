"""`redact` and `rules`: the engine on a pipe."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.cli import redacting
from pipeline.cli.main import main
from redactors import build_redactor
from redactors.detectors.engines import SLOWER
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


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"text": 1}', '{"text": "a", "json": 1}', "[" * 100_000, '{"json": ' + "[" * 200 + "]" * 200 + "}"]
)
def test_a_line_that_cannot_be_redacted_is_named_and_the_others_are_cleaned(
    run: Any, monkeypatch: pytest.MonkeyPatch, secret: str, line: str
) -> None:
    piped(monkeypatch, f'{{"text": "fine"}}\n{line}\n\n{{"id": 3, "text": "{secret}"}}\n'.encode())
    ran = run("redact", "--jsonl")
    assert ran.code == 2
    assert "line 2: it is " in ran.err or "line 2: the value is " in ran.err or 'line 2: its "text"' in ran.err
    first, wrong, last = [json.loads(one) for one in ran.out.splitlines()]
    assert first["text"] == "fine"
    assert list(wrong) == ["error"]
    assert (last["id"], last["text"][:10]) == (3, "[REDACTED:")
    assert planted.leaks((ran.out + ran.err).encode(), {"secret": secret}) == []


def test_an_error_keeps_the_id_of_its_line_and_never_its_text(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b'{"id": "x-7", "text": ["swordfish"]}\n' + b'{"swordfish": \xff}\n')
    ran = run("redact", "--jsonl")
    assert json.loads(ran.out.splitlines()[0]) == {"id": "x-7", "error": 'its "text" is not a text'}
    assert ran.code == 2
    assert "swordfish" not in ran.out + ran.err


def test_many_wrong_lines_are_told_in_few_words(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"x\n" * 500)
    ran = run("redact", "--jsonl")
    assert len(ran.out.splitlines()) == 500
    told = [line for line in ran.err.splitlines() if SLOWER not in line]
    assert len(told) == 101
    assert "500 lines in all" in ran.err


def test_a_line_too_long_is_passed_over_without_being_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redacting, "MAX_LINE", 64)
    source = io.BytesIO(b'{"text": "' + b"a" * 300_000 + b'"}\n' + b'{"text": "b"}\n' + b'{"text": "' + b"c" * 99)
    sink = io.BytesIO()
    wrong = redacting.redact_lines(build_redactor(rules=()), source, sink, {})
    assert [number for number, _ in wrong] == [1, 3]
    assert [json.loads(line).get("text") for line in sink.getvalue().splitlines()] == [None, "b", None]


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b", "\u0000", "\u2028", "\ufeff", "\x85"])
def test_odd_characters_come_back_as_they_were(run: Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    piped(monkeypatch, json.dumps({"text": text, "id": text}).encode() + b"\n" + json.dumps({"json": {text: [text]}}).encode())
    first, second = [json.loads(line) for line in run("redact", "--jsonl").out.splitlines()]
    assert first == {"id": text, "text": text, "findings": []}
    assert second["json"] == {text: [text]}


def test_findings_in_json_point_at_keys_and_into_embedded_json(run: Any, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    tree = {"a/b": {"~": json.dumps([{"k": f"é {secret}"}])}, secret: 1}
    piped(monkeypatch, json.dumps({"json": tree}).encode())
    out = json.loads(run("redact", "--jsonl").out)
    value, key = out["findings"]
    assert (value["path"], value["start"], value["end"]) == ("/a~1b/~0/0/k", 2, 2 + len(secret))
    assert key["path"] == f"/[REDACTED:{key['kind']}]"
    assert set(value) == {"start", "end", "rule", "kind", "action", "path"}


def test_a_stream_keeps_nothing_of_what_it_has_written() -> None:
    redactor = build_redactor(known=["zebra-crossing-901"], rules=())
    line = b"one zebra-crossing-901 and a harmless end\n"
    sink, counts = io.BytesIO(), {}
    seen: list[int] = []
    stream = redactor.stream

    def watched() -> Any:
        made = stream()
        feed = made.feed
        made.feed = lambda piece: (seen.append(len(made.remarks)), feed(piece))[1]  # type: ignore[method-assign]
        return made

    redactor.stream = watched  # type: ignore[method-assign]
    redacting.redact_stream(redactor, io.BytesIO(line * 20_000), sink, counts)
    assert sink.getvalue() == line.replace(b"zebra-crossing-901", b"[REDACTED:live_secret]") * 20_000
    assert sum(counts.values()) == 20_000
    assert max(seen) == 0, "what was done is counted and forgotten"


def test_known_values_terms_and_patterns_come_from_files(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.parent
    (folder / "known").write_bytes(b'\xef\xbb\xbf"zebra-crossing-901"\n"line\xe2\x80\xa8separated-value-77"\r\n')
    (folder / "terms").write_text('"nightingale"\n{"term": "waterfall", "max_distance": 1}\n')
    (folder / "patterns").write_text('{"name": "badge", "pattern": "EMP-[0-9]{6}"}\n')
    piped(monkeypatch, "line\u2028separated-value-77 zebra-crossing-901 Nightingale waterfal EMP-123456 plain".encode())
    ran = run("redact", "--known", str(folder / "known"), "--terms", str(folder / "terms"), "--patterns", str(folder / "patterns"))
    assert ran.code == 0
    for gone in ("separated", "zebra", "ightingale", "waterfal", "EMP-1"):
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


@pytest.mark.parametrize(
    ("line", "reason"), [('"(?=x)y"', "look-around"), ('{"name": "twice", "pattern": "(a)\\\\1"}', "look-around"), ("5", "a text")]
)
def test_a_pattern_that_is_refused_is_named_with_its_line_the_reason_and_the_way_out(run: Any, home: Path, line: str, reason: str) -> None:
    path = home.parent / "patterns"
    path.write_text(f'"EMP-[0-9]+"\n\n{line}\n')
    ran = run("redact", "--patterns", str(path))
    assert (ran.code, ran.out) == (2, "")
    assert f"{path}:3: a custom pattern (" in ran.err
    assert reason in ran.err
    assert "how to fix" in ran.err


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
