"""AWS's binary event stream, decoded as the bytes arrive.

Format: big endian; a prelude of total length, headers length and their CRC-32; headers of name, type and value; the payload; a CRC-32 over
all of it (docs.aws.amazon.com/transcribe/latest/dg/event-stream.html). Bedrock uses headers of type string only.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

MAX_FRAME = 24 << 20
"""AWS allows 16 MiB of payload and 128 KiB of headers."""

_STRING = 7


class BrokenFrameError(Exception):
    """A frame's length, checksum or header is wrong."""


class EventStreamDecoder:
    """Turns pieces of bytes into (headers, payload) pairs. Raises BrokenFrameError; `rest` says whether half a frame is left."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def rest(self) -> bool:
        """Whether an unfinished frame is left."""
        return bool(self._buffer)

    def feed(self, piece: bytes) -> list[tuple[Mapping[str, str], bytes]]:
        """Take a piece of any size; give the frames that it completes."""
        buffer = self._buffer
        buffer += piece
        found: list[tuple[Mapping[str, str], bytes]] = []
        while len(buffer) >= 12:
            total, headers, check = struct.unpack_from("!III", buffer)
            if not 16 + headers <= total <= MAX_FRAME or zlib.crc32(buffer[:8]) != check:
                raise BrokenFrameError
            if len(buffer) < total:
                break
            frame = bytes(buffer[:total])
            if zlib.crc32(frame[:-4]) != struct.unpack_from("!I", frame, total - 4)[0]:
                raise BrokenFrameError
            del buffer[:total]
            found.append((_headers(frame[12 : 12 + headers]), frame[12 + headers : -4]))
        return found


def _headers(packed: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(packed):
            name_end = at + 1 + packed[at]
            kind, size = struct.unpack_from("!BH", packed, name_end)
            value_end = name_end + 3 + size
            if kind != _STRING or value_end > len(packed):
                raise BrokenFrameError
            headers[packed[at + 1 : name_end].decode()] = packed[name_end + 3 : value_end].decode()
            at = value_end
    except (struct.error, IndexError, UnicodeDecodeError):
        raise BrokenFrameError from None
    return headers
