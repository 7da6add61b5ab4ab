"""The planted secrets and the leak scan that every walk relies on are themselves right."""

from __future__ import annotations

import base64
import json
from random import Random
from urllib.parse import quote

import pytest

from tests import planted


def _values() -> dict[str, str]:
    rng = Random(4)
    return {kind: planted.secret(kind, rng) for kind in planted.kinds()}


@pytest.mark.parametrize("kind", planted.kinds())
def test_the_same_seed_gives_the_same_value(kind: str) -> None:
    assert planted.secret(kind, Random(9)) == planted.secret(kind, Random(9))
    assert planted.secret(kind, Random(9)) != planted.secret(kind, Random(10))


@pytest.mark.parametrize("kind", planted.kinds())
@pytest.mark.parametrize("shift", [b"", b"a", b"ab"])
def test_a_leak_in_any_form_is_seen(kind: str, shift: bytes) -> None:
    value = planted.secret(kind, Random(5))
    values = {kind: value}
    raw = value.encode()
    for leaked in (
        raw,
        quote(value, safe="").encode(),
        json.dumps({"text": value}).encode(),
        json.dumps(json.dumps({"text": value})).encode(),
        base64.b64encode(shift + raw + b"tail"),
        base64.urlsafe_b64encode(shift + raw + b"tail"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    ):
        assert planted.leaks(b"before " + leaked + b" after", values) == [kind]


@pytest.mark.parametrize("kind", ["openai", "anthropic", "github", "virtual_key", "pem", "jwt", "aws_secret_access_key"])
def test_a_stretch_of_twelve_characters_is_a_leak_and_eleven_are_not(kind: str) -> None:
    value = planted.secret(kind, Random(6))
    body = value.replace("\n", "")[-40:-14] if kind != "pem" else value.split("\n")[3]
    assert planted.leaks(body[:12].encode(), {kind: value}) == [kind]
    assert planted.leaks(body[:11].encode(), {kind: value}) == []


def test_clean_data_and_format_marks_are_no_leak() -> None:
    values = _values()
    assert planted.leaks(b"", values) == []
    assert planted.leaks(b"sk-ant-api03- sk-proj- -----BEGIN RSA PRIVATE KEY----- [REDACTED:openai_key] postgresql://app:", values) == []


def test_large_data_is_scanned_in_one_pass_with_the_same_answer() -> None:
    values = _values()
    noise = b"nothing to see here, move along. " * 60_000
    assert planted.leaks(noise, values) == []
    assert planted.leaks(noise + values["stripe"].encode() + noise, values) == ["stripe"]


def test_the_answer_names_values_and_never_quotes_them() -> None:
    values = _values()
    found = planted.leaks("\n".join(values.values()).encode(), values)
    assert set(found) == set(values)
    assert not any(value in repr(found) for value in values.values())
