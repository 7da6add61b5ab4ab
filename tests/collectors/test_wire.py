from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from collectors.otlp.wire import head_of, is_small_number, text_from

KEYS = st.one_of(st.sampled_from(["k", "http.route", "é", "k" * 127, "k" * 128]), st.text(max_size=140))
VALUES: Any = st.one_of(
    st.text(max_size=300).map(lambda value: ("string_value", value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: ("int_value", value)),
    st.integers(0, 2**36).map(lambda value: ("int_value", value)),
    st.booleans().map(lambda value: ("bool_value", value)),
    st.floats().map(lambda value: ("double_value", value)),
    st.binary(max_size=20).map(lambda value: ("bytes_value", value)),
)


def pair(key: str, kind: str, value: Any) -> KeyValue:
    built = KeyValue(key=key)
    setattr(built.value, kind, value)
    return built


def text_of(raw: bytes, head: bytes) -> tuple[str, str] | None:
    """Key and value of an attribute that is read as a text."""
    at = text_from(raw, len(head))
    return (head[2:].decode(), raw[at:].decode()) if at else None


@given(KEYS, VALUES)
def test_what_is_read_from_the_bytes_is_what_the_parser_reads(key: str, value: tuple[str, Any]) -> None:
    raw = pair(key, *value).SerializeToString()
    head = head_of(raw)
    kind, given_value = value

    assert head == (raw[: raw[1] + 2] if key and len(key.encode()) < 128 else b"")
    assert text_of(raw, head) == ((key, given_value) if head and kind == "string_value" else None)
    if head and is_small_number(raw, len(head)):
        assert kind in ("int_value", "bool_value", "double_value")
        assert abs(given_value) < 10**11


@pytest.mark.parametrize(
    ("kind", "value", "is_small"),
    [
        ("bool_value", False, True), ("int_value", 0, True), ("int_value", 2**35 - 1, True), ("int_value", 2**35, False),
        ("int_value", -1, False), ("double_value", 0.0, True), ("double_value", -1.5, True), ("double_value", 8e9, True),
        ("double_value", 4_111_111_111_111_111.0, False), ("double_value", float("nan"), False), ("double_value", float("-inf"), False),
        ("string_value", "", False), ("bytes_value", b"\x18\x01", False),
    ],
)  # fmt: skip
def test_which_numbers_are_small(kind: str, value: Any, is_small: bool) -> None:
    raw = pair("k", kind, value).SerializeToString()
    assert (is_small_number(raw, len(head_of(raw))) is not None) is is_small


@given(KEYS, VALUES, st.data())
def test_nothing_can_stand_beside_what_was_read(key: str, value: tuple[str, Any], data: st.DataObject) -> None:
    """Bytes put anywhere into an attribute: when it is still read without the parser, the parser reads the same and nothing more."""
    raw = pair(key, *value).SerializeToString()
    at = data.draw(st.integers(0, len(raw)))
    put = data.draw(st.one_of(st.binary(min_size=1, max_size=6), st.just(b"\x1a\x03abc"), st.just(b"\x12\x05\x0a\x03abc")))
    raw = raw[:at] + put + raw[at + data.draw(st.integers(0, 6)) :]
    head = head_of(raw)
    try:
        text = text_of(raw, head)
        head[2:].decode()  # a number is read so only under a key that the parser read before
    except UnicodeDecodeError:
        return
    if text is None and not (head and is_small_number(raw, len(head))):
        return
    parsed = KeyValue.FromString(raw)
    before = parsed.ByteSize()
    parsed.DiscardUnknownFields()
    assert parsed.ByteSize() == before
    assert parsed.value.WhichOneof("value") in (("string_value",) if text else ("bool_value", "int_value", "double_value"))
    assert text in (None, (parsed.key, parsed.value.string_value))
