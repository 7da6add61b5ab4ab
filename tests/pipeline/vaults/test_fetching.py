"""What a raw value becomes before it is used."""

from __future__ import annotations

import json

import pytest

from pipeline.vaults.fetching import as_line, fault


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ('{\n  "a": "b",\n  "c": {"d": [1, 2]}\n}\n', '{"a":"b","c":{"d":[1,2]}}'),
        ('\r\n{"a": "x\\ny",\r\n "umlaut": "ä"}', '{"a":"x\\ny","umlaut":"ä"}'),
        ('{"a": "b"}', '{"a": "b"}'),
        ("one\ntwo", "one\ntwo"),
        ('{"a": "b"\n', '{"a": "b"\n'),
        ('{"a": "b\nc"}', '{"a": "b\nc"}'),
        ('[\n"a"]', '[\n"a"]'),
        ("plain", "plain"),
    ],
)
def test_only_a_json_object_of_several_lines_is_written_as_one(value: str, line: str) -> None:
    assert as_line(value) == line


def test_a_key_file_as_its_vendor_gives_it_is_usable_and_means_the_same() -> None:
    told = {"type": "service_account", "private_key": "-----BEGIN\nabc\n-----END\n", "client_email": "a@b"}
    pretty = json.dumps(told, indent=2) + "\n"
    assert fault(pretty) is not None
    assert fault(as_line(pretty)) is None
    assert json.loads(as_line(pretty)) == told
