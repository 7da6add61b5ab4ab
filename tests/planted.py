"""Format-true synthetic secrets, and the scan that finds any form of them in bytes.

Nothing here is ever valid anywhere: every value is drawn from a seeded random source at run time, with the vendor's
prefix, alphabet, length and checksum. The formats are written down here a second time, apart from the rules, so that a wrong
rule does not make its own proof.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from random import Random
from urllib.parse import quote, quote_plus

import ahocorasick

_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_UPPER = _LOWER.upper()
_BASE62 = _DIGITS + _UPPER + _LOWER
_HEX = _DIGITS + "abcdef"
_URLSAFE = _BASE62 + "-_"
WINDOW = 12
"""Characters of a planted value that must stand together to count as a leak."""

_NAIVE = 40_000_000
"""Bytes times pieces up to which plain searching is faster than building an automaton."""


def _draw(rng: Random, alphabet: str, length: int) -> str:
    """Random characters; letters and digits both wherever the alphabet has them and the length allows it."""
    mixed = length >= 8 and any(c.isdigit() for c in alphabet) and any(c.isalpha() for c in alphabet)
    while True:
        text = "".join(rng.choice(alphabet) for _ in range(length))
        shown = text[0].isalnum() and text[-1].isalnum()
        if shown and (not mixed or (sum(c.isdigit() for c in text) >= 2 and any(c.isalpha() for c in text))):
            return text


def _base64(rng: Random, size: int) -> str:
    return base64.b64encode(rng.randbytes(size)).decode()


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _github(rng: Random) -> str:
    body = _draw(rng, _BASE62, 30)
    number = zlib.crc32(body.encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return f"ghp_{body}{digits.rjust(6, '0')}"


def _jwt(rng: Random) -> str:
    head = _segment(b'{"alg":"RS256","typ":"JWT"}')
    claims = _segment(json.dumps({"sub": _draw(rng, _BASE62, 12), "exp": rng.randint(1_900_000_000, 2_000_000_000)}).encode())
    return f"{head}.{claims}.{_segment(rng.randbytes(64))}"


def _pem(rng: Random) -> str:
    raw = _base64(rng, 48 * 12)
    lines = [raw[i : i + 64] for i in range(0, len(raw), 64)]
    return "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])


def _luhn(digits: str) -> str:
    """The digits with their Luhn check digit."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        number = int(character) * (2 if index % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def _card(rng: Random) -> str:
    return _luhn(rng.choice(("4", "51", "55")).ljust(2, str(rng.randint(1, 9))) + _draw(rng, _DIGITS, 13))


def _iban(rng: Random) -> str:
    account = str(rng.randint(10**17, 10**18 - 1))
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02d}{account}"


def _ssn(rng: Random) -> str:
    return f"{rng.choice([*range(101, 665), *range(667, 900)])}-{rng.randint(11, 99)}-{rng.randint(1001, 9999)}"


def _phone(rng: Random) -> str:
    return f"+1 {rng.choice((212, 415, 617, 303, 206))}-{rng.randint(221, 554)}-{rng.randint(1000, 9999)}"


def _email(rng: Random) -> str:
    return f"{_draw(rng, _LOWER, 6)}.{_draw(rng, _LOWER, 7)}{rng.randint(10, 99)}@{_draw(rng, _LOWER, 9)}.com"


def _password(rng: Random) -> str:
    return _draw(rng, _BASE62, 14) + rng.choice("!#*") + _draw(rng, _BASE62, 3)


def _database_url(rng: Random) -> str:
    return f"postgresql://app:{_draw(rng, _BASE62, 20)}@db-{rng.randint(1, 9)}.internal:5432/app"


_KINDS: Mapping[str, Callable[[Random], str]] = {
    "openai": lambda rng: f"sk-{_draw(rng, _BASE62, 20)}T3BlbkFJ{_draw(rng, _BASE62, 20)}",
    "openai_project": lambda rng: f"sk-proj-{_draw(rng, _URLSAFE, 74)}T3BlbkFJ{_draw(rng, _URLSAFE, 74)}",
    "anthropic": lambda rng: f"sk-ant-api03-{_draw(rng, _URLSAFE, 93)}AA",
    "aws_access_key_id": lambda rng: f"AKIA{_draw(rng, _UPPER + '234567', 16)}",
    "aws_secret_access_key": lambda rng: _draw(rng, _BASE62 + "+/", 40),
    "aws_session_token": lambda rng: "IQoJb3JpZ2luX2Vj" + _base64(rng, 240),
    "azure_openai": lambda rng: _draw(rng, _HEX, 32),
    "github": _github,
    "gitlab": lambda rng: f"glpat-{_draw(rng, _URLSAFE, 20)}",
    "slack": lambda rng: f"xoxb-{_draw(rng, _DIGITS, 12)}-{_draw(rng, _DIGITS, 13)}-{_draw(rng, _BASE62, 24)}",
    "stripe": lambda rng: f"sk_live_{_draw(rng, _BASE62, 24)}",
    "google": lambda rng: f"AIza{_draw(rng, _URLSAFE, 35)}",
    "groq": lambda rng: f"gsk_{_draw(rng, _BASE62, 52)}",
    "huggingface": lambda rng: f"hf_{_draw(rng, _UPPER + _LOWER + _DIGITS, 34)}",
    "sendgrid": lambda rng: f"SG.{_draw(rng, _URLSAFE, 22)}.{_draw(rng, _URLSAFE, 43)}",
    "vault_token": lambda rng: f"hvs.{_draw(rng, _URLSAFE, 90)}",
    "vault_secret_id": lambda rng: (
        f"{_draw(rng, _HEX, 8)}-{_draw(rng, _HEX, 4)}-4{_draw(rng, _HEX, 3)}-a{_draw(rng, _HEX, 3)}-{_draw(rng, _HEX, 12)}"
    ),
    "virtual_key": lambda rng: f"lgk_{_draw(rng, _BASE62, 43)}",
    "child_key": lambda rng: f"lgc_{_draw(rng, _BASE62, 43)}",
    "session": lambda rng: f"lgs_{_draw(rng, _BASE62, 43)}",
    "jwt": _jwt,
    "pem": _pem,
    "password": _password,
    "database_url": _database_url,
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "ssn": _ssn,
}


def kinds() -> tuple[str, ...]:
    """The kinds that `secret` makes, in a stable order."""
    return tuple(_KINDS)


def secret(kind: str, rng: Random) -> str:
    """One synthetic secret or personal datum of a kind; the same seed gives the same value."""
    return _KINDS[kind](rng)


def _aligned(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterable[tuple[int, bytes]]:
    """The part of a base64 text that does not depend on the neighbors, for each of the three alignments."""
    for shift in range(3):
        encoded = encode(b"\0" * shift + raw).rstrip(b"=")
        head = (shift * 8 + 5) // 6
        whole_bits = (shift + len(raw)) * 8
        yield shift, encoded[head : whole_bits // 6]


def forms(value: str) -> dict[str, bytes]:
    """The forms in which a leak may hide: raw, URL, HTML and JSON escaped, hex, base64 in both alphabets at three alignments."""
    raw = value.encode()
    found = {
        "raw": raw,
        "url": quote(value, safe="").encode(),
        "url_lower": _lower_escapes(quote(value, safe="")).encode(),
        "url_plus": quote_plus(value).encode(),
        "html": html.escape(value).encode(),
        "json": json.dumps(value)[1:-1].encode(),
        "json_twice": json.dumps(json.dumps(value))[3:-3].encode(),
        "hex": raw.hex().encode(),
        "hex_upper": raw.hex().upper().encode(),
    }
    for shift, part in _aligned(raw, base64.b64encode):
        found[f"base64_{shift}"] = part
    for shift, part in _aligned(raw, base64.urlsafe_b64encode):
        found[f"base64url_{shift}"] = part
    return found


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return parts[0] + "".join("%" + part[:2].lower() + part[2:] for part in parts[1:])


def _common(value: str) -> tuple[str, ...]:
    """The stretches of a value that are secret: format marks which every such value shares are left out."""
    if value.startswith("-----BEGIN"):
        return tuple(value.split("\n")[1:-1])
    if "://" in value:
        return (value.split("://", 1)[1].split("@", 1)[0].partition(":")[2],)
    if value.count(".") == 2 and value.startswith("eyJ"):
        return tuple(value.split(".")[1:])
    for prefix in ("sk-ant-api03-", "sk-proj-", "IQoJb3JpZ2luX2Vj"):
        if value.startswith(prefix):
            return (value[len(prefix) :],)
    return (value,)


def leaks(data: bytes, values: Mapping[str, str], window: int = WINDOW) -> list[str]:
    """Names of the planted values of which any form, or any `window` characters of any form, occurs in `data`.

    Values shorter than the window are looked for whole. Encoded forms are looked for in proportionally longer windows, so that a
    window always stands for `window` characters of the value. The text itself is never returned. Linear in `data`.
    """
    pieces = {name: {piece for part in _common(value) if part for piece in _windows(part, window)} for name, value in values.items()}
    if len(data) * sum(map(len, pieces.values())) > _NAIVE:
        return _scan(data, pieces)
    return [name for name, wanted in pieces.items() if any(piece in data for piece in wanted)]


def _windows(value: str, window: int) -> Iterable[bytes]:
    """Every stretch of every form that stands for `window` characters of the value; short forms whole."""
    for form, encoded in forms(value).items():
        width = window * 2 if form.startswith("hex") else window * 4 // 3 if form.startswith("base64") else window
        if len(encoded) > width:
            yield from (encoded[start : start + width] for start in range(len(encoded) - width + 1))
        elif len(encoded) >= 6:
            yield encoded


def _scan(data: bytes, pieces: Mapping[str, set[bytes]]) -> list[str]:
    """The same look over large data: one Aho-Corasick pass for all pieces."""
    automaton = ahocorasick.Automaton()
    for name, wanted in pieces.items():
        for piece in wanted:
            automaton.add_word(piece.decode("latin-1"), name)
    if not len(automaton):
        return []
    automaton.make_automaton()
    seen = {name for _, name in automaton.iter(data.decode("latin-1"))}
    return [name for name in pieces if name in seen]
