"""Validators of secrets: small pure functions that say whether a matched value is what it looks like."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable

from redactors.rules.entropy import classes, reads_as_names, shannon, switches, turns
from redactors.rules.placeholders import is_counted, is_placeholder

Check = Callable[[str], bool]

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def token(value: str) -> bool:
    """A value with a vendor's prefix: anything but a documentation sample. Dots behind it end a sentence."""
    value = value.rstrip(".")
    return not is_placeholder(value) and not is_counted(value)


def drawn(value: str) -> bool:
    """A value that must look random: not a sample, cases and digits interleaved as random text has them."""
    if not token(value) or (bits := shannon(value)) < min(3.0, len(value) / 8):
        return False
    if value.isalpha() and reads_as_names(value):
        return False
    return switches(value) >= 3 or turns(value) * 10 >= len(value) * 3 or (bits >= 4.0 and classes(value) >= 3)


def hexadecimal(value: str) -> bool:
    """A drawn key in hexadecimal: digits and letters both, and no long repetition."""
    return token(value) and shannon(value) >= 2.5


def dense(value: str) -> bool:
    """A drawn value with lower case, upper case and digits: what hexadecimal ids never are."""
    return drawn(value) and classes("".join(c for c in value if c.isalnum())) == 3


def has_digit(value: str) -> bool:
    """A token with a digit and a letter: what is all letters after a short prefix is nearly always a word."""
    return token(value) and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def body(prefix: int, check: Check) -> Check:
    """Apply `check` to what follows the first `prefix` characters."""

    def checked(value: str) -> bool:
        return check(value[prefix:])

    return checked


def after(mark: str, check: Check) -> Check:
    """Apply `check` to what follows the first `mark`; without the mark the value is refused."""

    def checked(value: str) -> bool:
        _, found, rest = value.partition(mark)
        return bool(found) and check(rest)

    return checked


def both(*checks: Check) -> Check:
    """All checks must agree."""

    def checked(value: str) -> bool:
        return all(check(value) for check in checks)

    return checked


def crc32_base62(value: str) -> bool:
    """Whether the last six characters are the base62 CRC-32 of what stands between the prefix and them.

    Source: GitHub, "Behind GitHub's new authentication token formats" (2021): 30 random characters, then the checksum
    padded with zeros; npm tokens have the same. Soft: used to tell samples from real tokens, never to refuse a token.
    """
    _, found, rest = value.rpartition("_")
    if not found or len(rest) < 12:
        return False
    number = zlib.crc32(rest[:-6].encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == rest[-6:]


def decoded(value: str) -> bytes | None:
    """The bytes behind base64 in either alphabet, padded or not; None when it is not base64."""
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    if len(text) % 4 == 1:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def jwt(value: str) -> bool:
    """Whether the first part decodes to a JSON object with an algorithm, as RFC 7519 asks."""
    head = decoded(value.split(".", 1)[0])
    return head is not None and head[:1] == b"{" and (b'"alg"' in head or b'"enc"' in head or b'"typ"' in head or b'"kid"' in head)


def basic(value: str) -> bool:
    """Whether base64 decodes to `user:password` with a password in it, as RFC 7617 asks."""
    raw = decoded(value)
    if raw is None:
        return False
    user, found, password = raw.partition(b":")
    if not found or not (user or password):
        return False
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() and not is_placeholder(password.decode())
