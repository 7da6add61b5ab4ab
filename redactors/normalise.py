r"""Other ways to read a text: what detectors also look at, each with the way back to the original places.

A view is made only where a cheap test sees its marks: odd characters (zero-width, look-alike, full-width), escapes (`\u`, `\x`, `%`,
`&#`, line continuations), and long runs that decode from base64 or hexadecimal to printable text. Every view is local: what stands in one
depends on a few neighboring characters of the original only, so a stream sees the same views as a whole text.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from array import array
from binascii import a2b_base64
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Final

from redactors.later import compiled_later

STRETCH: Final = 8
"""Printable characters in a row from which on decoded bytes are read as text."""

LONGEST_RUN: Final = 1 << 16
"""A longer run is read in windows of as many characters, which overlap by far more than anything found in one is long."""

LONGEST_PACKED: Final = 1 << 14
"""A longer run is not unpacked: a stream would have to hold it."""

_RUN_STEP: Final = LONGEST_RUN // 4 * 3
BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
"""The characters of an encoded run, hexadecimal ones included."""

_DASHES: Final = compiled_later("(?<=[0-9])\u2013")
"""Typesetters put it between digits; between words it is left alone, because prose is full of it."""

_FOREIGN: Final = compiled_later(r"[^\x00-\x7f]+")
RUN_AT: Final = compiled_later(r"[A-Za-z0-9+/_-]{20,}")
"""A run that may be an encoding."""
_PRINTABLE: Final = b"\t\n\r" + bytes(range(0x20, 0x7F))
_HEX_RUNS: Final = compiled_later(r"[0-9a-fA-F]{20,}")
_BASE32_RUNS: Final = compiled_later(r"[A-Z2-7]{24,}|[a-z2-7]{24,}")
_PACKED: Final = (
    "H4sI",
    *(head + last for head, lasts in (("eJ", "wxyz"), ("eN", "opqr"), ("eA", "EFGH"), ("eF", "4567")) for last in lasts),
)
"""How gzip (RFC 1952) and zlib (RFC 1950, window of 32 KB, the four levels) begin in base64."""
_STRETCHES: Final = compiled_later(rb"[\t\n\r\x20-\x7e]{8,}")
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE32_DIGITS: Final = str.maketrans(_BASE32, "0123456789ABCDEFGHIJKLMNOPQRSTUV")

_JOINED: Final = r"(?:[ \t]{0,4}[+.&][ \t]{0,4}(?:\r?\n[ \t]{0,12})?|[ \t]{0,4}\r?\n[ \t]{0,16})[\"']"
# Every alternative begins with one plain character: only then does the search skip to the next place where one may begin.
_ESCAPES: Final = compiled_later(
    r"\\\\{0,7}+(?:u[dD][89abAB][0-9a-fA-F]{2}\\{1,8}+u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}"
    r"|[nrt\"'/_*.#~+-]|[0-3][0-7]{2}|\r?\n[ \t]{0,16})"
    r"|%(?:[0-7][0-9a-fA-F]|[c-dC-D][0-9a-fA-F]%[89abAB][0-9a-fA-F]|[eE][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){2}"
    r"|[fF][0-7](?:%[89abAB][0-9a-fA-F]){3})"
    r"|&(?:#[0-9]{1,7};?|#[xX][0-9a-fA-F]{1,6};?|(?:amp|lt|gt|quot|apos|nbsp|colon|equals|sol|lowbar|hyphen|dash|period|plus|num|commat);)"
    r"|=\r?\n"
    rf'|"{_JOINED}'
    rf"|'{_JOINED}"
    r"|0x[2-7][0-9a-fA-F](?:,[ \t]{0,2}|[ \t])|\r\n> ?|\n> ?"
)
_UNFINISHED: Final = compiled_later(
    r"(?:\\{1,8}(?:[0-3][0-7]?|u[0-9a-fA-F]{0,3}|u\{[0-9a-fA-F]{0,6}|x[0-9a-fA-F]?|\r?|\r?\n[ \t]{0,16}"
    r"|u[dD][89abAB][0-9a-fA-F]{2}(?:\\{1,8}(?:u[0-9a-fA-F]{0,3})?)?)"
    r"|%(?:[0-9a-fA-F]?|[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){0,2}(?:%[89abAB]?)?)"
    r"|&(?:#[0-9]{0,7}|#[xX][0-9a-fA-F]{0,6}|[a-zA-Z]{0,8})|=\r?"
    r"|[\"'][ \t]{0,4}[+.&]?[ \t]{0,4}(?:\r|\r?\n[ \t]{0,16})?[\"']?"
    r"|0(?:x(?:[2-7](?:[0-9a-fA-F](?:,[ \t]?)?)?)?)?|\r|\r?\n>?)\Z"
)
_JOINTS: Final = (
    "' +", '" +', "'+", '"+', "' .", '" .', "'.'", '"."', "' &", '" &', "'\n", '"\n', "'\r", '"\r',
)  # fmt: skip
"""Marks of what programs put between quoted parts of a text: sums of strings, lines."""
_ENDS: Final = frozenset("\\%&=\"'0\r\n")
_WORDS: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "/": "/"}
LONGEST_ESCAPE: Final = 40
"""No single escape spans more characters."""

_LOOK_ALIKES: Final = dict(
    zip(
        "АВЕЅІЈКМНОРСТХУаеорсухѕіјһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρυıſℓ‐‑−﹣",
        "ABESIJKMHOPCTXYaeopcyxsijhdqwABEZHIKMNOPTYXovpuisl----",
        strict=True,
    )
)
_ZERO_WIDTH: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\u0300-\u036f\U000e0001\U000e007f\U000e0100-\U000e01ef"
)
_BLANKS: Final = "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_COMPATIBLE: Final = (
    (0xFF01, 0xFF5E),
    (0x1D400, 0x1D7FF),
    (0x24B6, 0x24E9),
    (0x2070, 0x209C),
    (0x2460, 0x2468),
    (0x2100, 0x2138),
    (0x1D2C, 0x1D6A),
)


@cache
def stands_for() -> dict[str, str]:
    """What each odd character stands for; "" for invisible ones."""
    table = {ord(odd): plain for odd, plain in _LOOK_ALIKES.items()}
    for low, high in _COMPATIBLE:
        for code in range(low, high + 1):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1 and plain.isascii():
                table[code] = plain
    # Tag characters spell ASCII invisibly.
    table.update({0xE0000 + code: chr(code) for code in range(0x20, 0x7F)})
    table.update(dict.fromkeys(_codes(_BLANKS), " "))
    table.update(dict.fromkeys(_codes(_ZERO_WIDTH), ""))
    return {chr(code): plain for code, plain in table.items()}


def _codes(ranges: str) -> Iterator[int]:
    """The code points of a list of characters and ranges in the spelling of a character class."""
    at = 0
    while at < len(ranges):
        last = at + 2 if ranges[at + 1 : at + 2] == "-" else at
        yield from range(ord(ranges[at]), ord(ranges[last]) + 1)
        at = last + 1


class View:
    """One other reading of a text. `pieces` are (start, end, origin start, origin end, width) in order.

    `width` tells how places inside a piece go back: 0 as a whole, 1 one to one. `decoded` readings are what an encoding says; `loose` ones
    are a guess, in which only secrets are believed.
    """

    __slots__ = ("_pieces", "_starts", "decoded", "loose", "text")

    def __init__(self, text: str, pieces: list[tuple[int, int, int, int, int]], *, decoded: bool = False, loose: bool = False) -> None:
        self.text = text
        self.decoded = decoded
        self.loose = loose
        self._pieces = pieces
        self._starts = [piece[0] for piece in pieces]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original in which a stretch of the view is written, whole escapes and groups included."""
        at = bisect_right(self._starts, start) - 1
        low, high, origin_low, origin_high, width = self._pieces[at]
        if width == 1:
            first = origin_low + start - low
            if start < end <= high:  # nearly always both ends lie in one piece
                return first, origin_low + end - low
        else:
            first = origin_high if start >= high else origin_low
        low, high, origin_low, origin_high, width = self._pieces[bisect_right(self._starts, max(start, end - 1)) - 1]
        last = origin_high if width == 0 or end >= high else origin_low + end - low
        return first, max(first, last)

    def inward(self, place: int) -> int:
        """The first place of the view that is written at or behind a place of the original."""
        for start, end, origin_low, origin_high, width in self._pieces:
            if origin_low >= place:
                return start
            if origin_high > place and width:
                return min(end, start + place - origin_low)
        return len(self.text)


def _outward(places: int, width: int, *, up: bool = False) -> int:
    """How many characters hold so many decoded bytes: two for one in hexadecimal (2), four for three in base64 (4)."""
    if width == 2:
        return places * 2
    if width == 8:
        return -(-places * 8 // 5) if up else places * 8 // 5
    return -(-places * 4 // 3) if up else places * 4 // 3


def folded(text: str) -> View | None:
    """The text without invisible characters and with look-alikes as ASCII; None when nothing changes."""
    if text.isascii():
        return None
    table = stands_for()
    if "\u2013" in text and (joined := _DASHES.sub("-", text)) != text:
        text = joined
    elif table.keys().isdisjoint("".join(_FOREIGN.findall(text))):
        return None
    plain = [table.get(character, character) for character in text]
    visible = "".join(plain)
    return Sparse(visible, array("I", [place for place, kept in enumerate(plain) if kept]), len(text)) if visible else None


class Sparse(View):
    """A view in which every character stands for one of the original and some are missing: `places` tells where."""

    __slots__ = ("_places", "_size")

    def __init__(self, text: str, places: array[int], size: int) -> None:
        super().__init__(text, [])
        self._places, self._size = places, size

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """From the first to the last character, with what is invisible between them."""
        places = self._places
        first = places[start] if start < len(places) else self._size
        return first, places[end - 1] + 1 if end > start else first

    def inward(self, place: int) -> int:
        """The first place of the view that is written at or behind a place of the original."""
        return bisect_left(self._places, place)


def may_be_escaped(text: str) -> bool:
    """The cheap test for escapes and continued lines."""
    # One character is found at the speed of memory, two are not.
    if "\\" in text or "%" in text or "&" in text:
        return True
    if "=" in text and ("=\n" in text or "=\r" in text):
        return True
    if ("0" in text and "0x" in text) or (">" in text and "\n> " in text):
        return True
    if "'" in text or '"' in text:
        for joint in _JOINTS:
            if joint in text:
                return True
    return False


def unescaped(text: str) -> View | None:
    """The text with escapes resolved and continued lines joined; None when there are none."""
    if not may_be_escaped(text):
        return None
    parts: list[str] = []
    pieces: list[tuple[int, int, int, int, int]] = []
    at = size = 0
    for match in _ESCAPES.finditer(text):
        start, end = match.span()
        if start > at:
            parts.append(text[at:start])
            pieces.append((size, size + start - at, at, start, 1))
            size += start - at
        plain = _resolved(match.group())
        if plain:
            parts.append(plain)
            pieces.append((size, size + len(plain), start, end, 0))
            size += len(plain)
        at = end
    if at == 0:
        return None
    if at < len(text):
        parts.append(text[at:])
        pieces.append((size, size + len(text) - at, at, len(text), 1))
    return View("".join(parts), pieces) if pieces else None


@lru_cache(maxsize=4096)
def _resolved(escape: str) -> str:
    """What one escape spells: one character, or none."""
    mark = escape[0]
    if mark == "%":
        return bytes.fromhex(escape.replace("%", "")).decode("utf-8", "replace")
    if mark == "&":
        import html  # its table is large, and few texts hold an entity

        plain = html.unescape(escape if escape.endswith(";") else escape + ";")
        return " " if plain == "\xa0" else plain
    if mark in "=\"'\r\n":
        return ""
    if mark == "0":
        return chr(int(escape[2:4], 16))
    body = escape.lstrip("\\")
    if body[:1] in _WORDS:
        return _WORDS[body[0]]
    if body[:1] in "_*.#~+-0123":
        return chr(int(body, 8)) if body[:1].isdigit() else body[:1]
    if body[:1] not in "ux":
        return ""
    codes = [int(part.strip("{}"), 16) for part in re.split(r"\\*[ux]", body) if part]
    if len(codes) == 2:
        return chr(0x10000 + ((codes[0] - 0xD800) << 10) + (codes[1] - 0xDC00))
    return chr(codes[0]) if codes[0] <= 0x10FFFF else "\ufffd"


def decoded(text: str, starts: Iterable[int], blank: set[str]) -> Iterator[View]:
    """Every printable stretch that stands behind the base64 or hexadecimal runs that begin at these places, at every alignment.

    Runs in `blank` have none, and those of which this turns out are put into it.
    """
    for start in starts:
        match = RUN_AT.match(text, start)
        if match is None or (run := match.group()) in blank:
            continue
        at, end = match.span()
        while end - at > LONGEST_RUN:
            yield from _readings(text[at : at + LONGEST_RUN], at)
            at += _RUN_STEP
            run = ""
        rest = text[at:end]
        nothing = True
        for stretch in _readings(rest, at):
            nothing = False
            yield stretch
        if nothing and run:
            blank.add(run)


def _readings(run: str, start: int) -> Iterator[View]:
    if is_hexadecimal(run):
        yield from _hexadecimal(run, start)
        return
    size = len(run)
    plain = run.replace("-", "+").replace("_", "/") + "=="
    # One character more than whole groups gives no byte: the alignment that would end with it stops before it.
    raw = [a2b_base64(plain[phase:] if (size - phase) % 4 != 1 else plain[phase : size - 1]) for phase in range(4)]
    yield from _stretches(raw, start, 4)
    for inner in _HEX_RUNS.finditer(run):
        yield from _hexadecimal(inner.group(), start + inner.start())
    for inner in _BASE32_RUNS.finditer(run):
        body = inner.group().upper()
        if body.isalpha():
            continue  # three in sixteen characters are digits
        yield from _stretches([_base32_bytes(body[phase:]) for phase in range(8)], start + inner.start(), 8)
    if run.startswith(_PACKED) and len(run) <= LONGEST_PACKED:
        yield from _unpacked(raw[0], start, len(run))


def is_hexadecimal(run: str) -> bool:
    """Whether there are only digits and six letters in a run, as no other encoding or word of twenty characters has."""
    return _HEX_RUNS.fullmatch(run) is not None


def _hexadecimal(digits: str, start: int) -> Iterator[View]:
    even, odd = len(digits) & ~1, 1 + (len(digits) - 1 & ~1)
    return _stretches([bytes.fromhex(digits[:even]), bytes.fromhex(digits[1:odd])], start, 2)


def _unpacked(raw: bytes, start: int, length: int) -> Iterator[View]:
    """The printable stretches of what was compressed, each written in the whole run. Of a damaged stream, what can be read."""
    stream = zlib.decompressobj(wbits=47)
    try:
        plain = stream.decompress(raw, LONGEST_RUN)
    except zlib.error:
        return
    for match in _STRETCHES.finditer(plain):
        text = match.group().decode("ascii")
        yield View(text, [(0, len(text), start, start + length, 0)], decoded=True)


def _base32_bytes(text: str) -> bytes:
    """The whole bytes that the characters give: five bits each, what is left over at the end is dropped."""
    bits = len(text) * 5
    return (int(text.translate(_BASE32_DIGITS), 32) >> bits % 8).to_bytes(bits // 8) if text else b""


def _base64_bytes(text: str) -> bytes:
    """The whole bytes that the characters give, an incomplete group at the end included."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return a2b_base64(text + "=" * (-len(text) % 4)) if text else b""


def _stretches(raw: list[bytes], origin: int, width: int) -> Iterator[Stretch]:
    """The printable stretches of bytes read at several alignments: the first from `origin` on, the others one place later each."""
    joined = b"\0".join(raw)  # one look at all of them, because nearly always nothing is there
    if _STRETCHES.search(joined) is None:
        return
    for phase, data in enumerate(raw):
        for match in _STRETCHES.finditer(data):
            yield Stretch(match.group().decode("ascii"), origin + phase, match.start(), width)


class Stretch(View):
    """A view of printable bytes behind a run: `skipped` bytes after the first character of the run at `origin`."""

    __slots__ = ("_origin", "_skipped", "_width")

    def __init__(self, text: str, origin: int, skipped: int, width: int) -> None:
        super().__init__(text, [], decoded=True)
        self._origin, self._skipped, self._width = origin, skipped, width

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The characters in which these bytes are written, shared ones included."""
        first = self._origin + _outward(start + self._skipped, self._width)
        return first, max(first, self._origin + _outward(end + self._skipped, self._width, up=True))

    def inward(self, place: int) -> int:
        """The first byte whose characters begin at or behind a place of the original."""
        groups = place - self._origin
        at = max(0, (groups * 3 // 4 if self._width == 4 else groups * 5 // 8 if self._width == 8 else groups // 2) - self._skipped - 1)
        while at < len(self.text) and self.origin(at, at)[0] < place:
            at += 1
        return min(at, len(self.text))


def unfinished(text: str) -> int:
    """Where an escape begins that the end of the text cuts; the length when none does."""
    size = len(text)
    tail = text[-LONGEST_ESCAPE:]
    if _ENDS.isdisjoint(tail):
        return size
    match = _UNFINISHED.search(tail)
    return size if match is None else size - len(tail) + match.start()


def is_packed(run: str) -> bool:
    """Whether a run, or its beginning, holds something compressed that is held as a whole."""
    return len(run) <= LONGEST_PACKED and run.startswith(_PACKED)


def run_at_end(text: str) -> int:
    """How many characters at the end of the text may be part of an encoded run."""
    return len(text) - len(text.rstrip(BASE64))


def open_runs(text: str, length: int) -> Iterator[Stretch]:
    """The readings of the run of `length` characters at the end of the text: what it decodes to so far, as far as that ends printable."""
    start = len(text) - length
    plain = text[start:].replace("-", "+").replace("_", "/")
    for phase in range(4):
        yield from _open_stretch(_base64_bytes(plain[phase : length - (length - phase) % 4]), start + phase, 4)
    digits = length - len(plain.rstrip("0123456789abcdefABCDEF"))
    for phase in range(2):
        body = plain[length - digits + phase :]
        yield from _open_stretch(bytes.fromhex(body[: len(body) & ~1]), len(text) - digits + phase, 2)
    for alphabet in (_BASE32, _BASE32.lower()):
        letters = length - len(plain.rstrip(alphabet))
        for phase in range(8 if letters else 0):
            body = plain[length - letters + phase :].upper()
            yield from _open_stretch(_base32_bytes(body[: len(body) & ~7]), len(text) - letters + phase, 8)


def _open_stretch(raw: bytes, origin: int, width: int) -> Iterator[Stretch]:
    kept = len(raw.rstrip(_PRINTABLE))
    if kept < len(raw):
        yield Stretch(raw[kept:].decode("ascii"), origin, kept, width)
