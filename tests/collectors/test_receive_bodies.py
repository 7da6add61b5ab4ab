from __future__ import annotations

import gzip
import zlib

import orjson
import pytest
from google.rpc import status_pb2

from collectors.model import CollectorError
from collectors.otlp.answers import rejected_items, retry_delay
from collectors.otlp.bodies import BodyLimits, TooLarge, UnknownCoding, decoded, encoding_of
from collectors.otlp.receive_grpc import peer_of
from collectors.otlp.replies import accepted, code_of, failed
from tests.collectors.otlp_requests import SIGNALS

LIMITS = BodyLimits(sent_bytes=5_000_000, decoded_bytes=8_000_000, ratio=20)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", "protobuf"), ("Application/JSON; charset=utf-8", "json"), ("application/protobuf", None), ("", None),
        ("text/json", None),
    ],
)  # fmt: skip
def test_media_types(content_type: str, encoding: str | None) -> None:
    assert encoding_of(content_type) == encoding


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_gzip_is_undone(coding: str) -> None:
    assert decoded(gzip.compress(b"body"), coding, LIMITS) == b"body"


def test_deflate_and_identity_are_undone() -> None:
    assert decoded(zlib.compress(b"body"), "deflate", LIMITS) == b"body"
    assert decoded(b"body", "", LIMITS) == decoded(b"body", "identity", LIMITS) == b"body"


@pytest.mark.parametrize(
    ("raw", "coding", "kind"),
    [
        (b"x" * 5_000_001, "", TooLarge),
        (gzip.compress(b"\0" * 8_000_001), "gzip", TooLarge),
        (gzip.compress(b"\0" * 2_000_000), "gzip", TooLarge),  # a thousand times what was sent
        (b"body", "br", UnknownCoding),
        (b"body", "gzip, gzip", UnknownCoding),
        (b"no gzip", "gzip", CollectorError),
        (gzip.compress(b"body")[:-1], "gzip", CollectorError),
        (gzip.compress(b"body") + gzip.compress(b"more"), "gzip", CollectorError),
        (b"", "deflate", CollectorError),
    ],
    ids=["sent", "decompressed", "ratio", "coding", "two codings", "no gzip", "cut off", "two members", "empty"],
)
def test_what_a_body_may_not_be(raw: bytes, coding: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        decoded(raw, coding, LIMITS)


def test_a_small_body_may_compress_as_far_as_it_does() -> None:
    assert len(decoded(gzip.compress(b"\0" * 1_000_000), "gzip", LIMITS)) == 1_000_000


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_a_receiver_says_a_sender_understands(signal: str) -> None:
    for encoding in ("protobuf", "json"):
        for rejected in (0, 3):
            body = accepted(signal, encoding, rejected)  # type: ignore[arg-type]
            assert rejected_items(signal, body, is_json=encoding == "json") == rejected  # type: ignore[arg-type]


def test_an_error_says_its_code_and_when_to_come_again() -> None:
    assert orjson.loads(failed("json", 503, "full", 5.0)) == {"code": 14, "message": "full"}
    body = failed("protobuf", 503, "full", 2.5)
    assert (status_pb2.Status.FromString(body).code, retry_delay(body)) == (14, 2.5)
    assert retry_delay(failed("protobuf", 400, "bad")) is None


@pytest.mark.parametrize(
    ("status", "code"), [(400, 3), (401, 16), (403, 7), (404, 5), (413, 3), (429, 8), (503, 14), (500, 13), (599, 13), (418, 3)]
)
def test_codes_of_statuses(status: int, code: int) -> None:
    assert code_of(status) == code


@pytest.mark.parametrize(
    ("spelled", "address"),
    [("ipv4:127.0.0.1:5000", "127.0.0.1"), ("ipv6:%5B::1%5D:5000", "::1"), ("ipv6:[::1]:5000", "::1"), ("unix:/tmp/x", ""), ("", "")],
)
def test_the_address_of_a_grpc_peer(spelled: str, address: str) -> None:
    assert peer_of(spelled) == address
