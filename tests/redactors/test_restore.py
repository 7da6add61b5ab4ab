"""Pseudonyms put back: only where policy says so, only what this prompt gave, wherever a stream is cut, and JSON stays JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Redactor, Screen, build_redactor
from redactors.detectors.pattern import compile_patterns
from redactors.model import AnswerRedactor, is_clean
from redactors.operators import Keys, pseudonym
from redactors.policy import Restorable, restorable
from redactors.restore import JsonPlace, Restoring
from redactors.rules.catalog import all_rules
from tests.redactors.samples import RULES, rule

TOKEN = "acme_abcdefghijkl"
NUMBER = "4111 1111 1111 1111"
QUOTED = 'the "big" \\ house\n2'
HOUSE = rule("house-name", r'the "big" \\ house\n[0-9]', longest=64, detector="pii")
PATTERNS = compile_patterns((*RULES, HOUSE))
POLICY = {
    "prompt": [{"detect": ["secrets"], "action": "mask"}, {"detect": ["pii"], "action": "pseudonymize"}],
    "answer": [{"detect": ["secrets"], "action": "mask"}, {"detect": ["pii"], "action": "mask", "restore": True}],
}
KEY = b"k" * 32


def redactor(direction: Any, policy: Any = None, key: bytes = KEY) -> Redactor:
    return build_redactor(policy=policy or POLICY, direction=direction, pattern_set=PATTERNS, key=key)


def answering(prompt: Any, policy: Any = None, live: bytes = b"\0none") -> tuple[Any, AnswerRedactor]:
    """The prompt as the provider sees it, and what its answer is screened with."""
    policy = policy or POLICY
    screened = Screen(redactor("prompt", policy), redactor("answer", policy), noting=True).inspect(prompt)
    return screened.outbound, screened.answering(redactor("answer", policy), restorable(policy), lambda value: live in value)


def test_a_value_goes_out_as_a_pseudonym_and_comes_back_as_itself() -> None:
    sent, answer = answering([{"role": "user", "content": f"charge {NUMBER}"}])
    assert NUMBER not in json.dumps(sent)
    name = sent[0]["content"].removeprefix("charge ")
    clean = answer.tree({"content": f"I charged {name}, not 4222 2222 2222 2222 or {TOKEN}."})
    assert clean.value == {"content": f"I charged {NUMBER}, not [REDACTED:loose_id] or [REDACTED:acme_token]."}
    assert isinstance(answer, Restoring)
    assert answer.restored == {"loose_id": 1}


def test_what_holds_a_restored_value_is_not_clean() -> None:
    _, answer = answering(NUMBER)
    assert not is_clean(answer.text("x"))
    assert not is_clean(answer.tree({"a": 1}).map(lambda tree: tree))
    assert NUMBER not in f"{answer!r} {answer.text('x')!r} {answer.stream()!r}"


def test_the_same_value_has_the_same_name_everywhere_in_a_conversation() -> None:
    sent, _ = answering({"messages": [NUMBER, f"again {NUMBER}"], "tools": {NUMBER: '{"n": "' + NUMBER + '"}'}})
    names = {sent["messages"][0], sent["messages"][1].removeprefix("again "), *sent["tools"]}
    names.add(json.loads(next(iter(sent["tools"].values())))["n"])
    assert len(names) == 1


def test_a_name_that_the_prompt_did_not_give_stays() -> None:
    other = answering("4222 2222 2222 2222")[0]
    _, answer = answering(NUMBER)
    assert answer.text(other).value == other


@pytest.mark.parametrize(
    "rules",
    [
        [{"detect": ["secrets"], "action": "mask", "restore": True}],
        [{"detect": ["pii"], "action": "mask"}],
        [{"detect": ["pii"], "kinds": ["house_name"], "action": "mask", "restore": True}],
    ],
)
def test_without_permission_for_its_detector_and_kind_nothing_is_put_back(rules: Any) -> None:
    sent, answer = answering(NUMBER, {**POLICY, "answer": rules})
    assert answer.text(sent).value == sent


def test_a_kind_that_also_another_detector_reported_needs_permission_for_both() -> None:
    _, answer = answering({"a": NUMBER})
    assert isinstance(answer, Restoring)
    policy = {**POLICY, "prompt": [{"detect": ["secrets", "pii"], "action": "pseudonymize"}]}
    twin = rule("twin", r"\btwin_[a-z]{12}\b", kind="loose_id", longest=32)
    patterns = compile_patterns((*RULES, twin))
    screen = Screen(
        *[build_redactor(policy=policy, direction=way, pattern_set=patterns, key=KEY) for way in ("prompt", "answer")],  # type: ignore[arg-type]
        noting=True,
    )
    plain = redactor("answer", policy)
    screened = screen.inspect([NUMBER, "twin_abcdefghijkl"])
    assert screened.answering(plain, restorable(policy), lambda value: False) is plain


def test_a_live_secret_is_never_put_back() -> None:
    sent, answer = answering(NUMBER, live=b"1111 1111")
    assert answer.text(sent).value == sent


@pytest.mark.parametrize("size", range(1, 60))
def test_a_pseudonym_cut_anywhere_is_put_back(size: int) -> None:
    sent, answer = answering(f"{NUMBER} and {QUOTED}")
    text = f"so {sent} [P [PSEUDONYM: [PSEUDONYM:loose_id:0] {TOKEN} [end"
    stream = answer.stream()
    out = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.close().value
    assert out == answer.text(text).value
    assert out.startswith(f"so {NUMBER} and {QUOTED} [P")
    assert stream.redactions == 3
    assert stream.held == 0


@pytest.mark.parametrize(
    "shape",
    [
        '{"where": "%s"}',
        '{"a": [1, {"b": "to %s, and back"}], "c": "\\u0022%s"}',
        '  [ "%s", "%s" ]',
        '{"body": "{\\"where\\": \\"%s\\", \\"n\\": [\\"x\\"]}", "after": "%s"}',
        '{"q": "he said \\"hi\\" to %s"}',
        '{"deep": "[\\"{\\\\\\"x\\\\\\": \\\\\\"%s\\\\\\"}\\"]"}',
        '{"text": "%s"}',
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_json_stays_json_and_says_the_value(shape: str, size: int) -> None:
    sent, answer = answering(QUOTED)
    source = shape.replace("%s", sent)
    expected = json.loads(source, object_hook=None)
    stream = answer.stream()
    out = "".join(stream.feed(source[at : at + size]) for at in range(0, len(source), size)) + stream.close().value
    assert out == answer.text(source).value
    assert _deeply(json.loads(out)) == _filled(_deeply(expected), sent)
    assert sent not in out


def _deeply(tree: Any) -> Any:
    """A tree with the JSON in its strings read too."""
    if isinstance(tree, dict):
        return {name: _deeply(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_deeply(value) for value in tree]
    return _deeply(json.loads(tree)) if isinstance(tree, str) and tree[:1] in ("{", "[") and not tree.startswith("[PSEUDONYM") else tree


def _filled(tree: Any, name: str) -> Any:
    if isinstance(tree, dict):
        return {key: _filled(value, name) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, name) for value in tree]
    return tree.replace(name, QUOTED) if isinstance(tree, str) else tree


def test_plain_text_is_not_escaped() -> None:
    sent, answer = answering(QUOTED)
    for text in (f'see "{sent}"', sent, f"{sent}: [x]"):
        assert answer.text(text).value == text.replace(sent, QUOTED)


def test_keys_of_objects_are_put_back_too_and_none_is_lost() -> None:
    sent, answer = answering(NUMBER)
    assert answer.tree({sent: 1, "b": [{sent: None}]}).value == {NUMBER: 1, "b": [{NUMBER: None}]}
    assert answer.tree({sent: 1, NUMBER[:4]: 2}).value == {NUMBER: 1, NUMBER[:4]: 2}


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_the_place_in_json_is_right_in_every_string(tree: Any) -> None:
    source = json.dumps({"tree": tree, "mark": "<>"}, ensure_ascii=False)
    place = JsonPlace()
    place.move(source[: source.index('"<>"') + 1] if '"<>"' in source else source)
    if '"<>"' in source and source.count('"<>"') == 1:
        assert place.depth == 1
        place.move('<>"}')
    assert place.depth == 0


def test_a_second_redaction_leaves_pseudonyms_alone() -> None:
    sent, _ = answering(f"pay {NUMBER} now; password: {sent_of(NUMBER)}")
    for direction in ("prompt", "answer"):
        assert redactor(direction).text(sent).value == sent
    assert build_redactor(pattern_set=PATTERNS).text(sent).value == sent


def sent_of(text: str) -> Any:
    return answering(text)[0]


def test_pseudonyms_do_not_look_like_anything_to_the_whole_catalog(redactor: Redactor) -> None:
    kinds = sorted({each.kind for each in all_rules()})
    names = [pseudonym(bytes([number % 256]))(kind, str(number)) for number, kind in enumerate(kinds)]
    text = " ".join(names)
    assert redactor.text(text).value == text
    tree = {"password": names[0], "card": names[1], "deep": json.dumps({"token": names[2]})}
    assert redactor.tree(tree).value == tree


def test_keys_of_tenants_and_purposes_give_names_of_their_own() -> None:
    one = redactor("prompt")
    names = {one.keyed(Keys(b"h", bytes([n]))).text(NUMBER).value for n in range(5)}
    assert len(names) == 5
    assert one.keyed(Keys(b"other", KEY)).text(NUMBER).value == one.text(NUMBER).value
    assert one.keyed(Keys(KEY, b"x")).tree(["no", NUMBER]).value == ["no", one.keyed(Keys(b"", b"x")).text(NUMBER).value]


def test_what_may_be_restored_is_read_from_the_answers_rules() -> None:
    rules = [
        {"detect": ["pii", "terms"], "action": "allow", "restore": True},
        {"detect": ["secrets"], "kinds": ["k"], "action": "mask", "restore": True},
    ]
    found = restorable({"answer": rules})
    assert [found.allows(*pair) for pair in (("pii", "x"), ("terms", "y"), ("secrets", "k"), ("secrets", "x"))] == [True, True, True, False]
    assert not restorable({"answer": "unsafe_allow_all"})
    assert not Restorable()
