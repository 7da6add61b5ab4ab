"""Pictures, sound and files in content: no destination gets them, whatever way they are written."""

from __future__ import annotations

import base64
import hashlib
import json
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.blobs import described, without_blobs
from collectors.content import captured
from collectors.otlp.cleanse import Cleanser
from collectors.otlp.gathering import Seen
from redactors import build_redactor
from tests import planted
from tests.collectors.plain_redactor import PlainRedactor
from tests.compiled import compiled_patterns

RAW = Random(41).randbytes(900)
DATA = base64.b64encode(RAW).decode()
DIGEST = f"sha256:{hashlib.sha256(RAW).hexdigest()}"
SAID = f"900 bytes, {DIGEST}]"

SHAPES: dict[str, Any] = {
    "a blob part": [
        {"role": "user", "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": DATA}, {"type": "text"}]}
    ],
    "a picture by data URL": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}", "detail": "low"}}],
    "sound": {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
    "a file": {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}},
    "a bare file": {"type": "file", "file": {"file_data": DATA}},
    "a source": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    "inline data": {"inline_data": {"mime_type": "image/png", "data": DATA}},
    "a generated picture": {"data": [{"b64_json": DATA}]},
    "lines": {"type": "blob", "content": "\n".join(DATA[at : at + 76] for at in range(0, len(DATA), 76))},
    "a key-value list": [{"type": "blob"}, {"mime_type": "image/png"}, {"content": DATA}],
    "JSON in JSON": {"response": json.dumps({"source": {"type": "base64", "media_type": "image/png", "data": DATA}})},
    "a web alphabet": {"type": "blob", "content": base64.urlsafe_b64encode(RAW).decode()},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_blob_is_replaced_by_type_size_and_digest(shape: str) -> None:
    tree = SHAPES[shape]
    before = json.dumps(tree)
    clean = without_blobs(tree)
    spelled = json.dumps(clean)

    assert DATA[:60] not in spelled
    assert SAID in spelled
    assert json.dumps(tree) == before
    assert without_blobs(clean) is clean
    if "png" in before:
        assert "image/png" in spelled


@pytest.mark.parametrize(
    "tree",
    [
        "plain", {"content": "a sentence of words, " * 20}, {"data": "short"}, {"data": [1, 2]}, {"url": "data:,hello"}, {"data": ""},
        {"type": "text", "content": "dGhpcw=="}, {"note": 'the "data" of base64, blob'}, [None, 1.5, True], '{"data": broken', {"a": {}},
        {"content": "abc_123" * 6, "role": "user"},
    ],
)  # fmt: skip
def test_everything_else_stays_the_same_object(tree: Any) -> None:
    assert without_blobs(tree) is tree


def test_a_few_bytes_have_no_digest() -> None:
    assert described(base64.b64encode(b"hunter2").decode()) == (7, "")
    assert without_blobs({"type": "blob", "content": "aHVudGVyMg=="}) == {"type": "blob", "content": "[blob, 7 bytes]"}
    assert described("not base64!") == (8, "") or described("not base64!").digest == ""


def test_a_text_in_base64_has_no_digest_since_who_guesses_it_could_check_it() -> None:
    words = ("The meeting with the bank is on Tuesday at ten, room four. " * 3).encode()
    spelled = without_blobs({"url": f"data:text/plain;base64,{base64.b64encode(words).decode()}"})
    assert spelled == {"url": f"[blob text/plain, {len(words)} bytes]"}
    assert described(base64.b64encode(words + b"\xff").decode()).digest


def test_a_media_type_that_is_none_is_not_repeated() -> None:
    assert without_blobs({"mime_type": "my name is Bob", "data": DATA})["data"] == f"[blob, {SAID}"


def test_a_media_type_is_repeated_as_it_was_so_that_a_secret_in_it_is_found() -> None:
    redactor = build_redactor(["VIOLET-Harbor.93"], pattern_set=compiled_patterns())
    secrets = ("VIOLET-Harbor.93", planted.secret("aws_access_key_id", Random(42)))
    for secret in secrets:
        for tree in (
            {"url": f"data:image/{secret};base64,{DATA}"},
            {"mime_type": f"image/{secret}", "data": DATA},
            {"format": secret, "data": DATA},
        ):
            said = json.dumps(redactor.tree(without_blobs(tree)).value)
            assert DIGEST in said
            assert secret.lower() not in said.lower()


@pytest.mark.parametrize("beside", ["\ud83d", float("nan"), "\ud83d and " + "9" * 30, {"n": 10**30, "half": "\udc00"}])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_as_only_python_writes_it_goes_on_without_blobs(beside: Any, ascii_only: bool) -> None:
    text = json.dumps({"beside": beside, "source": {"media_type": "image/png", "data": DATA}}, ensure_ascii=ascii_only)
    clean = without_blobs({"a": text})["a"]
    assert DATA[:60] not in clean
    assert json.loads(clean)["source"]["data"] == f"[blob image/png, {SAID}"
    if isinstance(beside, str):
        assert json.loads(clean)["beside"] == beside


def test_a_number_beside_a_blob_keeps_every_digit() -> None:
    number = 48151623421042481516234
    blob = {"type": "blob", "mime_type": "image/png", "content": base64.b64encode(b"\x89" * 600).decode()}
    assert str(number) in without_blobs(json.dumps([blob, {"account": number}]))


def test_nesting_has_an_end() -> None:
    tree: Any = DATA
    for _ in range(2_000):
        tree = [tree]
    assert without_blobs(tree) is tree


def sent(shape: str, form: str) -> ExportTraceServiceRequest:
    built = ExportTraceServiceRequest()
    span = built.resource_spans.add().scope_spans.add().spans.add(name="chat m")
    pair = span.attributes.add(key="gen_ai.input.messages")
    (nested if form == "nested" else spelled)(pair.value, SHAPES[shape])
    return built


def spelled(value: Any, tree: Any) -> None:
    value.string_value = json.dumps(tree)


def nested(value: Any, tree: Any) -> None:
    if isinstance(tree, dict):
        value.kvlist_value.SetInParent()
        for key, inner in tree.items():
            pair = value.kvlist_value.values.add(key=key)
            nested(pair.value, inner)
    elif isinstance(tree, list):
        value.array_value.SetInParent()
        for inner in tree:
            nested(value.array_value.values.add(), inner)
    else:
        value.string_value = tree


@pytest.mark.parametrize("form", ["spelled", "nested"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_other_programs_send_goes_on_without_blobs(shape: str, form: str) -> None:
    done = Cleanser(PlainRedactor()).cleanse("traces", sent(shape, form).SerializeToString(), Seen(0))
    ((clean, items),) = done.parts
    (pair,) = ExportTraceServiceRequest.FromString(clean.value).resource_spans[0].scope_spans[0].spans[0].attributes

    assert items == 1
    assert done.tombstones == 0
    assert DATA[:60].encode() not in clean.value
    assert SAID.encode() in clean.value
    assert pair.key == "gen_ai.input.messages"
    if form == "spelled":
        assert json.loads(pair.value.string_value) == without_blobs(SHAPES[shape])


def test_log_bodies_and_data_urls_of_attributes_go_on_without_blobs() -> None:
    built = ExportLogsServiceRequest()
    record = built.resource_logs.add().scope_logs.add().log_records.add()
    nested(record.body, SHAPES["a blob part"])
    record.attributes.add(key="llm.input_messages.0.image.url").value.string_value = f"data:image/png;base64,{DATA}"
    done = Cleanser(PlainRedactor()).cleanse("logs", built.SerializeToString(), Seen(0))
    ((clean, _items),) = done.parts

    assert DATA[:60].encode() not in clean.value
    assert clean.value.count(SAID.encode()) == 2


def test_the_real_redactor_leaves_a_digest_as_it_is() -> None:
    redactor = build_redactor(pattern_set=compiled_patterns())
    done = Cleanser(redactor).cleanse("traces", sent("a source", "spelled").SerializeToString(), Seen(0))
    assert SAID.encode() in done.parts[0][0].value


def test_our_own_content_says_what_a_blob_was() -> None:
    body = {
        "messages": [
            {
                "role": "user",
                "content": [
                    SHAPES["a picture by data URL"][0],
                    SHAPES["sound"],
                    SHAPES["a file"],
                    {"type": "file", "file": {"file_id": "f-1"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": [SHAPES["a picture by data URL"][0]]},
        ]
    }
    content = captured("openai.chat", PlainRedactor().tree(body), None)
    assert content.input is not None
    first, second = json.loads(content.input.value)
    common = {"type": "blob", "size": 900, "digest": DIGEST}
    assert first["parts"] == [
        {**common, "modality": "image", "mime_type": "image/png"},
        {**common, "modality": "audio", "mime_type": "audio/wav"},
        {**common, "modality": "document", "mime_type": "application/pdf"},
        {"type": "file", "modality": "document", "file_id": "f-1"},
    ]
    assert second["parts"][0]["response"][0]["image_url"]["url"] == f"[blob image/png, {SAID}"
