"""Ways to write a secret so that a scanner of plain text does not see it, and a person or program can still put it together."""

from __future__ import annotations

import base64
import codecs
import gzip
from collections.abc import Callable
from random import Random
from urllib.parse import quote

Disguise = Callable[[str, Random], "str | tuple[str, str]"]
"""Gives the disguised value, or (text around it included, the part of it in which the value is written)."""

_LOOKS = str.maketrans("AaBCcEeHiKMOopPTXxy", "АаВСсЕеНіКМОорРТХху")
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def _woven(text: str, mark: str, step: int) -> str:
    return mark.join(text[i : i + step] for i in range(0, len(text), step))


def _bits(text: str, form: str) -> str:
    return "".join(form.format(ord(c)) for c in text)


def _inside(before: str, value: str, after: str, encode: Callable[[bytes], bytes] = base64.b64encode) -> tuple[str, str]:
    """A value in base64 with a text around it, and the characters that the value alone decides."""
    low, high = len(before.encode()), len(f"{before}{value}".encode())
    text = encode(f"{before}{value}{after}".encode()).decode()
    return text, text[-(-low * 4 // 3) : high * 4 // 3]


def _data(text: str, hidden: str) -> tuple[str, str]:
    return f"data:text/plain;base64,{text}", hidden


USUAL: dict[str, Disguise] = {
    "zero width": lambda s, r: _woven(s, r.choice("\u200b\u200c\u200d\u2060\ufeff"), r.randint(2, 6)),
    "soft hyphen": lambda s, r: _woven(s, "\u00ad", r.randint(3, 9)),
    "look-alikes": lambda s, r: s.translate(_LOOKS),
    "full width": lambda s, r: s.translate(_WIDE),
    "mathematical": lambda s, r: "".join(chr(0x1D5BA + ord(c) - 97) if c.islower() else c for c in s),
    "JSON escapes": lambda s, r: _bits(s, "\\u{:04x}"),
    "some JSON escapes": lambda s, r: "".join(f"\\u{ord(c):04x}" if r.random() < 0.3 else c for c in s),
    "hex escapes": lambda s, r: _bits(s, "\\x{:02x}"),
    "percent": lambda s, r: _bits(s, "%{:02X}"),
    "some percent": lambda s, r: "".join(f"%{ord(c):02x}" if r.random() < 0.4 else c for c in s),
    "percent twice": lambda s, r: quote(_bits(s, "%{:02X}"), safe=""),
    "decimal entities": lambda s, r: _bits(s, "&#{};"),
    "hex entities": lambda s, r: _bits(s, "&#x{:x};"),
    "base64": lambda s, r: base64.b64encode(s.encode()).decode(),
    "base64 with a name": lambda s, r: _inside("API_KEY=", s, "\n"),
    "base64 URL-safe": lambda s, r: _inside("key ", s, "\nmore", base64.urlsafe_b64encode),
    "base64 twice": lambda s, r: base64.b64encode(base64.b64encode(f"token={s}".encode())).decode(),
    "hex": lambda s, r: s.encode().hex(),
    "hex upper": lambda s, r: s.encode().hex().upper(),
    "continued line": lambda s, r: s[: len(s) // 2] + "\\\n    " + s[len(s) // 2 :],
    "quoted-printable": lambda s, r: s[: len(s) // 2] + "=\n" + s[len(s) // 2 :],
    "markdown escapes": lambda s, r: s.replace("_", "\\_").replace("-", "\\-"),
    "JSON in JSON": lambda s, r: ('{\\"a\\":\\"' + s + '\\"}', s),
    "data address": lambda s, r: _data(*_inside("secret ", s, ".")),
    "tags": lambda s, r: "".join(chr(0xE0000 + ord(c)) for c in s),
    "superscript mix": lambda s, r: "".join(chr(0x24D0 + ord(c) - 97) if c.islower() and r.random() < 0.4 else c for c in s),
}
"""What formats, programs and people do without meaning harm, and the first tricks that anybody tries."""

HARD: dict[str, Disguise] = {
    "blanks between": lambda s, r: " ".join(s),
    "dashes between": lambda s, r: "-".join(s),
    "groups of four": lambda s, r: _woven(s, " ", 4),
    "wrapped at 20": lambda s, r: _woven(s, "\n", 20),
    "wrapped and indented": lambda s, r: _woven(s, "\n    ", 24),
    "wrapped in a quote": lambda s, r: _woven(s, "\n> ", 24),
    "sum of strings": lambda s, r: f'"{s[: len(s) // 2]}" + "{s[len(s) // 2 :]}"',
    "neighboring strings": lambda s, r: f'("{s[: len(s) // 3]}"\n "{s[len(s) // 3 :]}")',
    "sum with dots": lambda s, r: f"'{s[: len(s) // 2]}' . '{s[len(s) // 2 :]}'",
    "list of characters": lambda s, r: "[" + ", ".join(f"'{c}'" for c in s) + "]",
    "list of codes": lambda s, r: "[" + ", ".join(str(ord(c)) for c in s) + "]",
    "octal escapes": lambda s, r: _bits(s, "\\{:03o}"),
    "hex with blanks": lambda s, r: " ".join(f"{ord(c):02x}" for c in s),
    "hex with colons": lambda s, r: ":".join(f"{ord(c):02x}" for c in s),
    "hex with 0x": lambda s, r: ", ".join(f"0x{ord(c):02x}" for c in s),
    "backwards": lambda s, r: s[::-1],
    "rot13": lambda s, r: codecs.encode(s, "rot13"),
    "base32": lambda s, r: base64.b32encode(s.encode()).decode(),
    "base85": lambda s, r: base64.b85encode(s.encode()).decode(),
    "gzip": lambda s, r: base64.b64encode(gzip.compress(s.encode(), mtime=0)).decode(),
    "binary": lambda s, r: " ".join(f"{ord(c):08b}" for c in s),
    "base64 wrapped": lambda s, r: _woven(base64.b64encode(f"API_KEY={s}\nother=1\n".encode()).decode(), "\n", 20),
    "base64 backwards": lambda s, r: base64.b64encode(s[::-1].encode()).decode(),
}
"""What only somebody does who wants to get it past a scanner, and layouts that tear a key apart."""

PERSONAL: dict[str, Disguise] = {
    "zero width": USUAL["zero width"],
    "full width": USUAL["full width"],
    "JSON escapes": USUAL["JSON escapes"],
    "percent": USUAL["percent"],
    "decimal entities": USUAL["decimal entities"],
    "hex entities": USUAL["hex entities"],
    "non-breaking blanks": lambda s, r: s.replace(" ", "\u00a0").replace("-", "\u2011"),
    "thin blanks": lambda s, r: s.replace(" ", "\u2009").replace("-", "\u2013"),
    "base64": lambda s, r: _inside("customer contact: ", s, "; please call back"),
    "hex": lambda s, r: (f"customer contact: {s};".encode().hex(), s.encode().hex()),
    "soft hyphen": USUAL["soft hyphen"],
    "look-alikes": USUAL["look-alikes"],
    "JSON in JSON": USUAL["JSON in JSON"],
    "circled digits": lambda s, r: "".join(chr(0x2460 + int(c) - 1) if c in "123456789" and r.random() < 0.3 else c for c in s),
}
"""Disguises of personal data."""
