"""Server-sent events, decoded as the bytes arrive.

Format: html.spec.whatwg.org/multipage/server-sent-events.html. Lines end in LF, CRLF or CR, in any mix; a line that
begins with a colon is a comment; several `data` lines of one event are joined by LF. Works on bytes, so a character cut by a
piece of the network is never seen half: JSON is parsed only from whole lines.
"""

from __future__ import annotations


class EventTooLongError(Exception):
    """A line or an event is longer than allowed."""


class SseDecoder:
    """Turns pieces of bytes into (event name, data) pairs; `max_bytes` bounds one line and one event.

    What follows the last blank line when the stream ends is, by the standard, not an event; `rest` says whether there is any.
    """

    __slots__ = ("_after_cr", "_data", "_data_size", "_event", "_max", "_parts", "_parts_size", "_started")

    def __init__(self, max_bytes: int = 10 << 20) -> None:
        self._max = max_bytes
        self._parts: list[bytes] = []  # pieces of a line that has not ended yet, joined only when it does
        self._parts_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = ""
        self._after_cr = False
        self._started = False

    @property
    def rest(self) -> bool:
        """Whether an unfinished line or event is left."""
        return bool(self._parts_size or self._data)

    def feed(self, piece: bytes) -> list[tuple[str, bytes]]:
        """Take a piece of any size; give the events that it completes. Raises EventTooLongError."""
        if not self._started and piece:
            self._started = True
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in piece or self._after_cr:
            piece = self._plain_ends(piece)
        if b"\n" not in piece:
            self._keep(piece)
            return []
        if self._parts:
            self._parts.append(piece)
            piece = b"".join(self._parts)
            self._parts.clear()
            self._parts_size = 0
        lines = piece.split(b"\n")
        last = lines.pop()
        if last:
            self._keep(last)
        return self._events(lines)

    def _plain_ends(self, piece: bytes) -> bytes:
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a CRLF whose CR already ended the line
        if not piece:
            return piece
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, piece: bytes) -> None:
        self._parts_size += len(piece)
        if self._parts_size > self._max:
            raise EventTooLongError
        self._parts.append(piece)

    def _events(self, lines: list[bytes]) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    found.append((self._event, data[0] if len(data) == 1 else b"\n".join(data)))
                    data.clear()
                    self._data_size = 0
                self._event = ""
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data_size += len(value)
                if self._data_size > self._max:
                    raise EventTooLongError
                data.append(value)
            elif line.startswith(b"event:"):
                self._event = line[6:].strip().decode("utf-8", "replace")
        return found
