"""Where a secret may stand in a structure: it is found there, and the structure stays what it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from redactors import Redactor
from redactors.model import Json, RedactionError
from redactors.walk import MAX_DEPTH
from tests import planted

SECRET = planted.secret("openai_project", Random(21))
CARD = planted.secret("card", Random(22))

PLACES: dict[str, Callable[[str], Json]] = {
    "value": lambda s: {"a": s},
    "key": lambda s: {s: 1},
    "deep key": lambda s: {"a": [{"b": {f"x {s}": None}}]},
    "list": lambda s: [[], ["fine", s]],
    "bare": lambda s: s,
    "beside lone surrogates": lambda s: {"a": f"\ud83d {s} \udc00"},
    "behind a broken surrogate key": lambda s: {"\ud83d": s},
    "embedded value": lambda s: {"a": json.dumps({"b": s})},
    "embedded key": lambda s: {"a": json.dumps({s: 1})},
    "embedded three times": lambda s: json.dumps({"a": json.dumps({"b": json.dumps([s])})}),
    "embedded, indented": lambda s: {"a": "\n  " + json.dumps({"b": [s]}, indent=2) + "\n"},
    "embedded with a key that stands twice": lambda s: {"a": f'{{"b": "{s}", "b": 1}}'},
    "json lines": lambda s: {"a": f'{{"b": 1}}\n{{"b": "{s}"}}\n'},
    "broken json": lambda s: {"a": f'{{"b": ["{s}"'},
    "json in prose": lambda s: {"a": f'Here: ```json\n{{"b": "{s}"}}\n``` ok'},
    "python's spelling": lambda s: {"a": str({"b": s, "c": None})},
    "escaped for a shell": lambda s: {"a": "echo '" + json.dumps({"b": s}).replace('"', '\\"') + "'"},
    "as a tuple": lambda s: ["x", (s, 1)],
    "after many": lambda s: [*range(2000), *(f"item {number}" for number in range(2000)), s],
    "under many levels": lambda s: _nested(s, MAX_DEPTH - 1),
}


def _nested(leaf: Json, levels: int) -> Json:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_found_wherever_it_stands(redactor: Redactor, place: str) -> None:
    tree = PLACES[place](SECRET)
    before = json.dumps(tree)
    clean = redactor.tree(tree)
    shown = json.dumps(clean.value)
    assert planted.leaks(shown.encode(), {"secret": SECRET}) == []
    assert json.loads(shown) == json.loads(json.dumps(clean.value)), "still JSON"
    assert [remark.kind for remark in clean.remarks] == ["openai_key"]
    assert json.dumps(tree) == before, "what was given is left as it was"
    assert redactor.tree(clean.value).value == clean.value


@pytest.mark.parametrize("place", PLACES)
def test_the_same_places_without_a_secret_are_the_same_object(redactor: Redactor, place: str) -> None:
    tree = PLACES[place]("harmless")
    assert redactor.tree(tree).value is tree


@pytest.mark.parametrize("place", ["value", "key", "embedded value", "embedded three times", "embedded, indented"])
def test_what_surrounds_a_secret_in_a_structure_stays(redactor: Redactor, place: str) -> None:
    clean = redactor.tree(PLACES[place](SECRET)).value
    assert _read(clean) == _read(PLACES[place]("[REDACTED:openai_key]"))


def _read(tree: Any) -> Any:
    if isinstance(tree, str) and tree.strip()[:1] in ("{", "["):
        try:
            return _read(json.loads(tree))
        except ValueError:
            return tree
    if isinstance(tree, dict):
        return {name: _read(value) for name, value in tree.items()}
    return [_read(value) for value in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("number", [int(CARD), -int(CARD)])
def test_a_card_written_as_a_number_is_found(redactor: Redactor, number: int) -> None:
    clean = redactor.tree({"amount": 12, "n": number})
    assert str(abs(number)) not in json.dumps(clean.value)
    assert clean.remarks


def test_two_keys_that_are_redacted_alike_are_both_kept(redactor: Redactor) -> None:
    other = planted.secret("openai_project", Random(23))
    clean = redactor.tree({SECRET: 1, other: 2}).value
    assert isinstance(clean, dict)
    assert sorted(clean.values()) == [1, 2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-7"])
def test_bytes_read_in_any_way_never_crash_and_ascii_secrets_are_found(redactor: Redactor, encoding: str) -> None:
    raw = b"\xff\xfe caf\xe9 \x00\x80 " + SECRET.encode() + b" \xed\xa0\x80 \xf0\x9f"
    for text in (raw.decode("utf-8", "surrogateescape"), raw.decode("latin-1"), raw.decode("utf-8", "replace")):
        clean = redactor.text(text)
        assert SECRET not in clean.value
        assert clean.value.replace("[REDACTED:openai_key]", SECRET) == text
    assert SECRET not in redactor.text(SECRET.encode(encoding).decode("utf-8", "surrogateescape")).value


@pytest.mark.parametrize(
    ("tree", "reason"), [(_nested("x", MAX_DEPTH + 1), "deeply"), ({1: "x"}, "key"), ([b"x"], "not JSON"), ([object()], "not JSON")]
)
def test_what_cannot_be_looked_at_does_not_pass_and_is_not_quoted(redactor: Redactor, tree: Any, reason: str) -> None:
    with pytest.raises(RedactionError, match=reason):
        redactor.tree(tree)


def test_a_tree_whose_texts_are_counted_differently_does_not_pass(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redactors.walk.embedded", _changing_its_mind())
    with pytest.raises(RedactionError, match="told apart"):
        redactor.tree([json.dumps({"a": "harmless"}), SECRET])


def _changing_its_mind() -> Callable[[str, int], Any]:
    looks: dict[str, int] = {}

    def embedded(text: str, room: int) -> Any:
        looks[text] = looks.get(text, 0) + 1
        return json.loads(text) if text[:1] == "{" and looks[text] == 1 else None

    return embedded
