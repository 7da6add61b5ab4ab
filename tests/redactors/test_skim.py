"""A first look at many trees passes exactly what a walk of each would."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import KnownSecrets, Redactor, build_redactor
from redactors.detectors.pattern import PatternSet
from redactors.model import Clean, Json
from redactors.skim import Shapes, skim
from tests import planted
from tests.compiled import compiled_patterns

SECRET = planted.secret("openai_project", Random(31))
CARD = planted.secret("card", Random(32))
LIVE = planted.secret("virtual_key", Random(33))
ODD = "violet\1harbor-93x"
"""A live secret with a character that JSON spells otherwise."""


def message(content: Any, role: str = "user") -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}], "finish_reason": "stop"}])


HARMLESS = [{"gen_ai.input.messages": message(f"Please look at order number {number}.")} for number in range(12)]

NODES: dict[str, Json] = {
    "a secret in a value": {"a": SECRET},
    "a secret as a key": {SECRET: "x"},
    "a bare secret": SECRET,
    "a secret in a message": {"gen_ai.input.messages": message(f"my key is {SECRET}, keep it")},
    "a secret behind escapes": {"gen_ai.input.messages": message(f'line\nmy "key"\\ is\t{SECRET}')},
    "a secret spelled in escapes": {"gen_ai.input.messages": message("X").replace("X", "".join(f"\\u{ord(one):04x}" for one in SECRET))},
    "a secret as a role": {"gen_ai.input.messages": message("hello", role=SECRET)},
    "a live secret in a message": {"gen_ai.input.messages": message(LIVE)},
    "a secret in JSON in a message": {"gen_ai.input.messages": message(json.dumps({"q": [SECRET]}))},
    "a value under a secret name": {"password": "plain words"},
    "a value under a secret name in JSON": {"a": json.dumps({"password": "plain words"})},
    "a secret name spelled in escapes": {"a": '{"p\\u0061ssword": "plain words"}'},
    "a key that stands twice": {"a": f'{{"role": "{SECRET}", "role": "x"}}'},
    "a card as a number": {"a": json.dumps({"number": int(CARD)})},
    "a card as a float": {"a": f'{{"number": {CARD}.0}}'},
    "a bare number": {"a": int(CARD)},
    "a raw line end in a string": {"a": message("X").replace("X", f"password:\n{SECRET}")},
    "broken JSON": {"a": f'[{{"role": "user", "parts": ["{SECRET}'},
    "an odd quote": {"a": f'["x", "password = {SECRET}"" ]'},
    "half a surrogate": {"a": f'["\\ud83d", "{SECRET}"]'},
    "a secret between strings": {"a": f'["x" {SECRET} "y"]'},
    "control characters": {"a": f'["\0\1", "{SECRET}\\\\"]'},
    "control characters without an escape": {"gen_ai.input.messages": message("X").replace("X", ODD)},
    "a string without an end": {"gen_ai.input.messages": f'{message("hello")}"my key is {SECRET}'},
    "nothing in strings": {"a": '[[], {}, 1, null, ""]'},
    "two pairs": {"a": "x", "b": SECRET},
    "a list": ["x", [SECRET]],
    "nothing": None,
}


@pytest.fixture(scope="module")
def redactor(patterns: PatternSet) -> Redactor:
    return build_redactor(KnownSecrets([LIVE, ODD]), pattern_set=patterns)


def alone(redactor: Redactor, node: Json, place: int) -> tuple[Json, list[tuple[str, int, int, str]]]:
    """What a walk makes of a tree, with its remarks as those of the tree at a place."""
    clean = redactor.tree(node)
    return clean.value, [(f"/{place}{one.path}", one.start, one.end, one.rule) for one in clean.remarks]


def check(redactor: Redactor, nodes: list[Json]) -> Clean[Json]:
    clean = redactor.tree(nodes)
    expected = [alone(redactor, node, place) for place, node in enumerate(nodes)]
    assert clean.value == [value for value, _ in expected]
    assert [(one.path, one.start, one.end, one.rule) for one in clean.remarks] == [one for _, remarks in expected for one in remarks]
    return clean


@pytest.mark.parametrize("what", NODES)
def test_what_stands_among_many_is_found_as_by_itself(redactor: Redactor, what: str) -> None:
    redactor.tree(HARMLESS)  # shapes are learned of these
    redactor.tree(HARMLESS)
    for _ in range(3):
        check(redactor, [*HARMLESS[:4], NODES[what], *HARMLESS[4:]])


def test_a_list_without_a_finding_is_the_same_object(redactor: Redactor) -> None:
    assert all(redactor.tree(HARMLESS).value is HARMLESS for _ in range(3))


def test_a_message_of_a_known_shape_is_not_walked() -> None:
    redactor = build_redactor(pattern_set=compiled_patterns())
    redactor.tree(HARMLESS)
    redactor.tree(HARMLESS)
    silent, shapes = redactor._remembered()
    other = {"gen_ai.input.messages": message('a "text"\nthat was not there before')}
    texts, owners, walked = skim([other], silent, shapes)
    assert (texts, owners, walked) == (['a "text"\nthat was not there before'], [0], [])


def test_nothing_is_learned_of_what_is_no_json() -> None:
    shapes = Shapes()
    assert shapes.strings(f'{{"a" {SECRET}: "b"}}', {"a", "b"}) is None
    assert shapes.size == 0
    assert not shapes._shapes


def test_a_new_live_secret_is_found_in_what_was_silent(patterns: PatternSet) -> None:
    known = KnownSecrets([])
    redactor = build_redactor(known, pattern_set=patterns)
    nodes = [*HARMLESS, {"note": "violet-harbor-93"}, {"a": '["violet-harbor-93"]'}]
    assert redactor.tree(nodes).value is nodes
    assert redactor.tree(nodes).value is nodes
    assert known.announce("violet-harbor-93", "later")
    assert "violet-harbor-93" not in json.dumps(redactor.tree(nodes).value)


def test_what_a_policy_allows_is_told_of_a_list_too(patterns: PatternSet) -> None:
    policy = {"telemetry": [{"detect": ["pii"], "action": "allow"}]}
    redactor = build_redactor(policy=policy, pattern_set=patterns)
    nodes = [*HARMLESS, {"to": planted.secret("email", Random(34))}]
    for _ in range(3):
        assert check(redactor, nodes).remarks
        assert redactor.tree(nodes).value is nodes


def test_json_that_was_passed_as_a_key_is_read_as_a_value(patterns: PatternSet) -> None:
    redactor = build_redactor(pattern_set=patterns)
    spelled = '{"password": "plain words"}'
    nodes = [{"a": "x"}, {spelled: "x"}] * 6
    assert redactor.tree(nodes).value is nodes
    assert "plain" not in json.dumps(redactor.tree([*nodes, {"a": spelled}]).value[-1])  # type: ignore[index]
    assert "plain" not in str(redactor.tree(spelled).value)


_WORDS = st.sampled_from(
    ["user", "role", "stop", SECRET, "password", 'a "quoted" one', "a\nb", "\\", "é", f"key: {SECRET}", CARD, "12", ""]
)
_TREES = st.recursive(
    _WORDS | st.none() | st.integers(0, 10**16), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3)
)
_SPELLED = _TREES.map(json.dumps) | _TREES.map(lambda tree: json.dumps(tree, ensure_ascii=False, indent=1))
_CUT = st.tuples(_SPELLED, st.integers(0, 60), st.sampled_from(['"', "\\", "{", "}", ":", ",", "\n", "1"])).map(
    lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] :]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(_WORDS, _SPELLED | _CUT, min_size=1, max_size=1), min_size=8, max_size=12))
def test_drawn_trees_are_found_among_many_as_by_themselves(nodes: list[Json]) -> None:
    check(_shared(), nodes)
    check(_shared(), nodes)


@cache
def _shared() -> Redactor:
    """One for all drawn trees, so that what it learns of some is met by others."""
    return build_redactor(pattern_set=compiled_patterns())
