"""Walking JSON trees: every text in order, and back without breaking anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.model import RedactionError
from redactors.walk import MAX_DEPTH, Place, changed, texts

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        | st.tuples(st.sampled_from(["", " ", "\n\t", " " * 70]), inner).map(lambda pair: pair[0] + json.dumps(pair[1], indent=1) + pair[0])
    ),
    max_leaves=20,
)


def upper(text: str, place: Place) -> str:
    return text.upper()


def test_values_keys_and_embedded_json_are_texts() -> None:
    tree = {"a": ["b", {"c": '{"d": "e", "n": [1]}'}], "f": 123456789012, "g": 5, "h": None, "i": "{not json"}
    assert texts(tree)[0] == ["a", "b", "c", "d", "e", "n", "f", "123456789012", "g", "h", "i", "{not json"]


def test_the_nearest_key_is_known() -> None:
    found, keys = texts({"token": ["x", {"inner": "y"}]})
    assert list(zip(found, keys, strict=True)) == [("token", ""), ("x", "token"), ("inner", ""), ("y", "inner")]


def test_a_tree_without_a_change_is_the_same_object() -> None:
    tree = {"a": [1, "b", {"c": '{"d": 1}'}]}
    assert changed(tree, lambda text, place: text) is tree


def test_embedded_json_is_written_back_as_json() -> None:
    tree = {"arguments": '{"q": "x", "n": 1}', "compact": '{"q":"x"}'}
    fresh = changed(tree, lambda text, place: "y" if text == "x" else text)
    assert fresh == {"arguments": '{"q": "y", "n": 1}', "compact": '{"q":"y"}'}


def test_pointers_are_escaped_and_lead_there() -> None:
    paths: list[str] = []
    changed({"a/b": [{"c~d": "x"}]}, lambda text, place: paths.append(place.path) or text)  # type: ignore[func-returns-value]
    assert paths == ["/a~1b", "/a~1b/0/c~0d", "/a~1b/0/c~0d"]


def test_keys_that_become_equal_stay_two() -> None:
    assert changed({"a": 1, "A": 2}, upper) == {"A": 1, "A#2": 2}


def test_json_with_a_repeated_key_is_a_text() -> None:
    assert texts(['{"a": "x", "a": "y"}'])[0] == ['{"a": "x", "a": "y"}']


@pytest.mark.parametrize("tree", [{1: "x"}, [object()], [b"bytes"], {"a": {1, 2}}])
def test_what_is_not_json_is_refused(tree: Any) -> None:
    with pytest.raises(RedactionError):
        texts(tree)


def test_a_tree_too_deep_is_refused() -> None:
    tree: Any = "x"
    for _ in range(MAX_DEPTH + 1):
        tree = [tree]
    with pytest.raises(RedactionError, match="deeply"):
        texts(tree)


@given(TREES)
def test_both_walks_see_the_same_texts_in_the_same_order(tree: Any) -> None:
    seen: list[str] = []
    changed(tree, lambda text, place: seen.append(text) or text)  # type: ignore[func-returns-value]
    assert seen == texts(tree)[0]


@given(TREES)
def test_a_changed_tree_is_still_json(tree: Any) -> None:
    fresh = changed(tree, lambda text, place: f"[{text}]")
    assert json.loads(json.dumps(fresh)) is not None or fresh is None


@pytest.mark.parametrize("outer", [0, 100, MAX_DEPTH - 1])
def test_a_string_that_spells_something_too_deep_is_read_as_a_text(outer: int) -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    tree: Any = [deep, "beside"]
    for _ in range(outer):
        tree = [tree]
    assert texts(tree)[0] == [deep, "beside"]
    assert json.loads(json.dumps(changed(tree, lambda text, place: text.replace("beside", "***")))) == json.loads(
        json.dumps(tree).replace("beside", "***")
    )


def test_a_string_that_spells_as_much_as_fits_is_walked() -> None:
    room = MAX_DEPTH - 1
    tree = "[" * room + '"inside"' + "]" * room
    assert texts(tree)[0] == ["inside"]


def test_whole_floating_point_numbers_as_long_as_a_card_are_texts() -> None:
    tree = [4111111111111111.0, 1.5, 12.0, 1e300, float("inf"), -1e15]
    assert texts(tree)[0] == ["4111111111111111"]
    assert changed(tree, lambda text, place: "***") == ["***", 1.5, 12.0, 1e300, float("inf"), -1e15]
