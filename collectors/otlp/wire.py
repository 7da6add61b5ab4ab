"""The two kinds of attributes that make up most of a request, read from their bytes without a message in between.

Only the plain spelling is read: key and value once each, in this order, lengths that fit to the byte. So nothing can stand beside what was
read. Everything else is left to the parser. Source: protobuf.dev/programming-guides/encoding; `KeyValue` and `AnyValue` of
opentelemetry-proto's common.proto.
"""

from __future__ import annotations

import re
from typing import Final

_KEY, _VALUE, _STRING = 0x0A, 0x12, 0x0A

_SMALL_NUMBER: Final = re.compile(
    rb"\x12(?:"
    rb"\x02\x10[\x00\x01]"  # a boolean
    rb"|\x02\x18[\x00-\x7f]"  # an integer of up to 35 bits, which is less than 10**11
    rb"|\x03\x18[\x80-\xff][\x00-\x7f]"
    rb"|\x04\x18[\x80-\xff]{2}[\x00-\x7f]"
    rb"|\x05\x18[\x80-\xff]{3}[\x00-\x7f]"
    rb"|\x06\x18[\x80-\xff]{4}[\x00-\x7f]"
    rb"|\x09\x21[\x00-\xff]{7}[\x00-\x41\x80-\xc1]"  # a double of less than 2**33
    rb")"
)


def head_of(raw: bytes) -> bytes:
    """The bytes up to the end of the key, where the key comes first and is shorter than 128 bytes; empty otherwise."""
    if len(raw) < 2 or raw[0] != _KEY or raw[1] > 0x7F:
        return b""
    return raw[: raw[1] + 2]


def is_small_number(raw: bytes, head: bytes) -> bool:
    """Whether what follows the key is a boolean or a number too small to be anybody's account, and nothing else."""
    return _SMALL_NUMBER.fullmatch(raw, len(head)) is not None


def text_of(raw: bytes, head: bytes) -> tuple[str, str] | None:
    """Key and value of an attribute that is a text; None for any other. Raises UnicodeDecodeError."""
    at, end = len(head), len(raw)
    if not head or at + 4 > end or raw[at] != _VALUE:
        return None
    if end - at < 0x80:  # both lengths are one byte
        if raw[at + 1] == end - at - 2 and raw[at + 2] == _STRING and raw[at + 3] == end - at - 4:
            return head[2:].decode(), raw[at + 4 :].decode()
        return None
    size, at = _length(raw, at + 1)
    if at + size != end or at >= end or raw[at] != _STRING:
        return None
    size, at = _length(raw, at + 1)
    if at + size != end:
        return None
    return head[2:].decode(), raw[at:].decode()


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A length of up to three bytes, and where it ends; a longer one gives a length that fits nowhere."""
    size = shift = 0
    for place in range(at, min(at + 3, len(raw))):
        byte = raw[place]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return size, place + 1
        shift += 7
    return len(raw) + 1, at
