"""How many fields a large request has, counted before it is decoded: a few megabytes can spell millions of empty spans.

An empty message is two bytes on the wire and a hundred and more in memory, and every attribute is looked at. So where
there may be too many the fields are counted on the wire, down to the attributes, and the count ends where it is too much.
Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from collectors.model import CollectorError
from collectors.otlp.bodies import TooLarge

MOST_FIELDS: Final = 1_500_000
"""As many as fifty thousand spans with twenty attributes each have."""

_LEAST: Final = 2
"""Bytes of the shortest field: a smaller body than so many times the bound is not counted, it cannot have too many."""


def refuse_dense(body: bytes, request: Any, *, most: int = MOST_FIELDS) -> None:
    """Raise TooLarge for a body with more than `most` fields. `request` is the message class that it is decoded as.

    What is no protobuf is left to the parser; groups, which OTLP does not have, raise CollectorError.
    """
    if len(body) <= _LEAST * most:
        return
    count = 0
    ranges = [(0, len(body), request.DESCRIPTOR)]
    while ranges:
        at, end, message = ranges.pop()
        children = _children(message)
        while at < end:
            count += 1
            if count > most:
                raise TooLarge(f"the request has more than {most} fields")
            tag, at = _varint(body, at, end)
            kind = tag & 7
            if kind == 2:
                size, at = _varint(body, at, end)
                child = children.get(tag >> 3)
                if child is not None and at + size <= end:
                    ranges.append((at, at + size, child))
                at += size
            elif kind == 0:
                _, at = _varint(body, at, end)
            elif kind == 1:
                at += 8
            elif kind == 5:
                at += 4
            else:
                raise CollectorError("the body is no OTLP request")


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends; a broken one ends with the message."""
    value = shift = 0
    while at < end:
        byte = body[at]
        at += 1
        if byte < 0x80:
            return value | byte << shift, at
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            break
    return value, end


@cache
def _children(message: Any) -> Mapping[int, Any]:
    return {field.number: field.message_type for field in message.fields if field.message_type is not None}
