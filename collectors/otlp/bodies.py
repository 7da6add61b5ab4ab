"""What a received OTLP body may weigh and how it is coded: media types, content codings, and the bounds of a decompression.

Source: opentelemetry.io/docs/specs/otlp, section OTLP/HTTP.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Literal

from collectors.model import CollectorError

Encoding = Literal["protobuf", "json"]

MEDIA: Final[dict[Encoding, str]] = {"protobuf": "application/x-protobuf", "json": "application/json"}
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_SMALL: Final = 1 << 20
"""Bytes below which no ratio is suspicious: a small body of one long text compresses as far as zlib goes."""


class TooLarge(CollectorError):
    """A body that weighs more than it may, as it is sent or decompressed."""


class UnknownCoding(CollectorError):
    """A content coding that is not supported."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes as sent, bytes decompressed, and how many times the one may be of the other (beyond a megabyte)."""

    sent_bytes: int = 16 * 1024 * 1024
    decoded_bytes: int = 32 * 1024 * 1024
    ratio: int = 200


def encoding_of(content_type: str) -> Encoding | None:
    """The encoding that a content type names; None for any other."""
    media = content_type.partition(";")[0].strip().lower()
    return next((encoding for encoding, name in MEDIA.items() if name == media), None)


def decoded(raw: bytes, coding: str, limits: BodyLimits) -> bytes:
    """The body without its content coding.

    Raises TooLarge before more than `decoded_bytes` are made, UnknownCoding, and CollectorError for a stream that is broken or has a tail.
    """
    if len(raw) > limits.sent_bytes:
        raise TooLarge(f"the body has more than {limits.sent_bytes} bytes")
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return raw
    window = _WINDOWS.get(coding)
    if window is None:
        raise UnknownCoding("the content coding is none of gzip, deflate and identity")
    most = min(limits.decoded_bytes, max(_SMALL, len(raw) * limits.ratio))
    inflater = zlib.decompressobj(window)
    try:
        body = inflater.decompress(raw, most + 1)
    except zlib.error:
        raise CollectorError("the body cannot be decompressed") from None
    if len(body) > most:
        raise TooLarge(f"the body has more than {limits.decoded_bytes} bytes decompressed, or more than {limits.ratio} times what was sent")
    if not inflater.eof or inflater.unused_data:
        raise CollectorError("the compressed body is cut off or has a tail")
    return body
