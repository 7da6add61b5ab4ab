"""The redactor over texts and trees: nothing leaks, nothing else changes, nothing is quoted."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import threading
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownSecrets, Redactor, build_redactor
from redactors.detectors.pattern import PatternSet, compile_patterns
from redactors.model import Finding, RedactionError, is_clean
from tests import planted
from tests.redactors.samples import PIECES, RULES, secrets
from tests.redactors.test_walk import TREES

SELF_EVIDENT = tuple(
    kind for kind in planted.kinds() if kind not in {"aws_secret_access_key", "azure_openai", "vault_secret_id", "password", "phone"}
)
"""Kinds whose own form gives them away; the others need a name beside them."""

SMALL = build_redactor(pattern_set=compile_patterns(RULES), known=["live-Value_0123"], terms=["zeppelin"])


@pytest.mark.parametrize("kind", SELF_EVIDENT)
def test_a_planted_secret_is_masked_whole(redactor: Redactor, kind: str) -> None:
    for seed in range(5):
        value = secrets(seed)[kind]
        clean = redactor.text(f"I tried {value} and it failed.")
        assert planted.leaks(clean.value.encode(), {kind: value}) == []
        assert clean.value.startswith("I tried ")


def test_the_mask_says_the_kind_and_replaces_the_prefix_too() -> None:
    assert SMALL.text("see acme_abcdefghijkl, ok").value == "see [REDACTED:acme_token], ok"


def test_remarks_point_at_code_points_of_the_input() -> None:
    text = "日本 😀 acme_abcdefghijkl"
    (remark,) = SMALL.text(text).remarks
    assert text[remark.start : remark.end] == "acme_abcdefghijkl"


@pytest.mark.parametrize("text", ["", "hello", "naïve café", "\ud83d lone", "\x00\x01", "[REDACTED:acme_token]", "a\\nb"])
def test_a_benign_text_is_the_same_object(text: str) -> None:
    clean = SMALL.text(text)
    assert clean.value is text
    assert is_clean(clean)


@pytest.mark.parametrize(
    "disguise",
    [
        "\u200b".join,
        lambda s: "".join(chr(ord(c) + 0xFEE0) for c in s),
        lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
        lambda s: "".join(f"%{ord(c):02x}" for c in s),
        lambda s: "".join(f"&#{ord(c)};" for c in s),
        lambda s: s.encode().hex(),
        lambda s: __import__("base64").b64encode(b"see " + s.encode() + b" ok").decode(),
        lambda s: __import__("base64").b64encode(__import__("base64").b64encode(b"see " + s.encode() + b" ok")).decode(),
        lambda s: json.dumps(json.dumps({"a": s})),
        lambda s: s[:9] + "\\\n" + s[9:],
    ],
)
def test_a_disguised_secret_is_cut_out_of_the_original(disguise: Any) -> None:
    secret = "acme_abcdefghijkl"
    text = f"before {disguise(secret)} after"
    clean = SMALL.text(text)
    assert "[REDACTED:acme_token]" in clean.value
    assert clean.value.startswith("before ")
    assert clean.value.endswith(" after")
    assert SMALL.text(clean.value).value == clean.value


def test_four_encodings_around_one_another_do_not_pass() -> None:
    text = "acme_abcdefghijkl and some more text to be long enough"
    for _ in range(5):
        text = __import__("base64").b64encode(text.encode()).decode()
    assert "[REDACTED:encoded]" in SMALL.text(f"look {text}").value


def test_a_replacement_in_the_text_does_not_switch_detection_off() -> None:
    clean = SMALL.text("[REDACTED:acme_token] acme_abcdefghijkl password: hunt[REDACTED:acme_token]er2 live-Value_0123")
    assert "acme_a" not in clean.value
    assert "hunt" not in clean.value
    assert "live-V" not in clean.value


def test_json_in_text_stays_json() -> None:
    text = json.dumps({"a": "x\nacme_abcdefghijkl", "password": "hunter2\\", "b": '"acme_abcdefghijkl"'})
    clean = SMALL.text(text)
    assert "acme_a" not in clean.value
    assert set(json.loads(clean.value)) == {"a", "password", "b"}


def test_trees_are_redacted_leaf_by_leaf() -> None:
    tree = {
        "messages": [{"content": "acme_abcdefghijkl"}, {"content": ["ok", {"text": "é live-Value_0123"}]}],
        "password": "anything at all",
        "max_tokens": 5,
        "arguments": '{"api_key": "q7", "secret": "swordfish", "note": "acme_abcdefghijkl"}',
        "acme_abcdefghijkl": 1,
    }
    clean = SMALL.tree(tree)
    assert clean.value == {
        "messages": [{"content": "[REDACTED:acme_token]"}, {"content": ["ok", {"text": "é [REDACTED:live_secret]"}]}],
        "password": "[REDACTED:secret_value]",
        "max_tokens": 5,
        "arguments": '{"api_key": "q7", "secret": "[REDACTED:secret_value]", "note": "[REDACTED:acme_token]"}',
        "[REDACTED:acme_token]": 1,
    }
    paths = [remark.path for remark in clean.remarks]
    assert "/messages/1/content/1/text" in paths
    assert "/arguments/note" in paths
    assert not any("acme_a" in path for path in paths)


def test_two_leaves_are_never_read_as_one() -> None:
    tree = ["my password:", "hunter2x"]
    assert SMALL.tree(tree).value is tree


def test_a_tree_finds_what_its_texts_alone_would_find(redactor: Redactor) -> None:
    rng = Random(5)
    for _ in range(40):
        texts = [rng.choice([*PIECES, *secrets(rng.randrange(99)).values()]) for _ in range(6)]
        texts = [text for text in texts if text.strip()[:1] not in ("{", "[")]
        assert redactor.tree(texts).value == [redactor.text(text).value for text in texts]


def test_long_numbers_are_texts(patterns: PatternSet) -> None:
    digits = "4111111111111111"
    clean = build_redactor(pattern_set=patterns).tree({"n": int(digits), "small": 42})
    assert digits not in str(clean.value)
    assert clean.value["small"] == 42  # type: ignore[index, call-overload]


def test_a_value_announced_later_is_found_by_redactors_built_before() -> None:
    known = KnownSecrets()
    redactor = build_redactor(known, rules=RULES)
    text, tree = "say swordfish-Q9", {"a": "swordfish-Q9", "b": "x"}
    assert redactor.text(text).value == text
    assert redactor.tree(tree).value == tree
    known.announce("swordfish-Q9", "db")
    assert redactor.text(text).value == "say [REDACTED:live_secret]"
    assert redactor.tree(tree).value == {"a": "[REDACTED:live_secret]", "b": "x"}
    known.retire("db")
    assert redactor.text(text).value == text


def test_recognizers_see_whole_texts() -> None:
    class Names:
        def find(self, text: str) -> list[Finding]:
            at = text.find("Ada")
            return [Finding(at, at + 3, "ner", "person", "pii")] if at >= 0 else []

    redactor = build_redactor(rules=RULES, recognizers=[Names()])
    assert redactor.text("ask Ada").value == "ask [REDACTED:person]"
    assert redactor.tree(["ask Ada", "me"]).value == ["ask [REDACTED:person]", "me"]


def test_one_redactor_serves_several_threads(redactor: Redactor) -> None:
    texts = [f"see {value} ok" for value in secrets(3).values()]
    expected = [redactor.text(text).value for text in texts]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(10):
            wrong.extend(index for index, text in enumerate(texts) if redactor.text(text).value != expected[index])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_text_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redactors.engine.MAX_TEXT", 10)
    with pytest.raises(RedactionError) as caught:
        SMALL.text("hunter2x" * 2)
    assert "hunter2x" not in str(caught.value)


def test_messages_never_hold_matched_text(redactor: Redactor, caplog: pytest.LogCaptureFixture) -> None:
    values = secrets(11)
    with caplog.at_level(logging.DEBUG):
        clean = redactor.tree([f"{kind} {value}" for kind, value in values.items()])
    shown = f"{clean.remarks} {redactor!r} {caplog.text} {clean.counts}"
    assert planted.leaks(shown.encode(), values) == []


def test_importing_the_package_loads_no_engine() -> None:
    probe = (
        "import sys, redactors; print([m for m in ('hyperscan', 're2', 'redactors.engine', 'redactors.rules.catalog') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_crash(raw: bytes) -> None:
    for text in (raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape")):
        clean = SMALL.text(text)
        assert all(0 <= remark.start < remark.end <= len(text) for remark in clean.remarks)


@given(TREES)
def test_any_tree_comes_back_as_json(tree: Any) -> None:
    clean = SMALL.tree(tree)
    assert is_clean(clean)
    json.dumps(clean.value)


@given(
    st.lists(
        st.sampled_from(["acme_abcdefghijkl", "live-Value_0123", "a Zeppelin", "password: hunter2x", "4111-1111-1111-1111", *PIECES]),
        max_size=8,
    )
)
def test_a_second_redaction_changes_nothing(pieces: list[str]) -> None:
    once = SMALL.text(" ".join(pieces)).value
    assert SMALL.text(once).value == once


@given(st.lists(st.sampled_from([*PIECES, *secrets(21).values()]), max_size=6))
def test_findings_are_disjoint_and_the_rest_is_untouched(pieces: list[str]) -> None:
    text = " ".join(pieces)
    remarks = sorted(SMALL.text(text).remarks, key=lambda remark: remark.start)
    assert all(one.end <= other.start for one, other in itertools.pairwise(remarks))
