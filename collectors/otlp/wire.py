"""The two kinds of attributes that make up most of a request, read from their bytes without a message in between.

Only the plain spelling is read: key and value once each, in this order, lengths that fit to the byte. So nothing can stand beside what was
read. Everything else is left to the parser. Source: protobuf.dev/programming-guides/encoding; `KeyValue` and `AnyValue` of
opentelemetry-proto's common.proto.
"""

from __future__ import annotations

import re
from typing import Final

_KEY, _VALUE, _STRING = 0x0A, 0x12, 0x0A

is_small_number: Final = re.compile(
    rb"\x12(?:"
    rb"\x02\x10[\x00\x01]"  # a boolean
    rb"|\x02\x18[\x00-\x7f]"  # an integer of up to 35 bits, which is less than 10**11
    rb"|\x03\x18[\x80-\xff][\x00-\x7f]"
    rb"|\x04\x18[\x80-\xff]{2}[\x00-\x7f]"
    rb"|\x05\x18[\x80-\xff]{3}[\x00-\x7f]"
    rb"|\x06\x18[\x80-\xff]{4}[\x00-\x7f]"
    rb"|\x09\x21[\x00-\xff]{7}[\x00-\x41\x80-\xc1]"  # a double of less than 2**33
    rb")"
).fullmatch
"""Matches where what follows the key, from a place on, is a boolean or a number too small to be anybody's account, and nothing else."""


def head_of(raw: bytes) -> bytes:
    """The bytes up to the end of the key, where the key comes first and is shorter than 128 bytes; empty otherwise."""
    if len(raw) < 2 or raw[0] != _KEY or raw[1] > 0x7F:
        return b""
    return raw[: raw[1] + 2]


def text_from(raw: bytes, at: int) -> int:
    """Where the text of an attribute begins whose key ends at `at`; 0 for one that holds something else, or is spelled in another way."""
    size = len(raw) - at
    if not at or size < 4 or raw[at] != _VALUE:
        return 0
    if size < 0x80:  # both lengths are one byte
        return at + 4 if raw[at + 1] == size - 2 and raw[at + 2] == _STRING and raw[at + 3] == size - 4 else 0
    length, inner = _length(raw, at + 1)
    if inner + length != len(raw) or length < 2 or raw[inner] != _STRING:
        return 0
    length, text = _length(raw, inner + 1)
    return text if text + length == len(raw) else 0


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A length of up to three bytes, and where it ends; a longer one gives a length that fits nowhere."""
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    if at + 2 < len(raw):
        second = raw[at + 1]
        if second < 0x80:
            return first & 0x7F | second << 7, at + 2
        third = raw[at + 2]
        if third < 0x80:
            return first & 0x7F | (second & 0x7F) << 7 | third << 14, at + 3
    return len(raw) + 1, at
