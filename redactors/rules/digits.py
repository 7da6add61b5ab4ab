"""Check digits of cards, accounts and national numbers: pure arithmetic, each with the source of its formula.

Every function takes the characters as they were written, separators included, and answers whether the check digits fit.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""The alphabet of Bitcoin, without 0, O, I and l."""
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
"""The alphabet of BIP 173."""

_VERHOEFF_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258")


def numbers(value: str) -> list[int]:
    """The decimal digits of a value, separators dropped."""
    return [int(c) for c in value if c in "0123456789"]


def alnum(value: str) -> str:
    """The letters and digits of a value in upper case, separators dropped."""
    return "".join(c for c in value if c.isalnum()).upper()


def luhn(value: str) -> bool:
    """Luhn's formula (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, number in enumerate(reversed(numbers(value))):
        doubled = number * 2 if index % 2 else number
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def mod97(value: str) -> bool:
    """The check of an IBAN (ISO 13616, ISO 7064 MOD 97-10): rearranged and read as a number it leaves 1."""
    text = alnum(value)
    number = "".join(str(int(c, 36)) for c in text[4:] + text[:4])
    return int(number) % 97 == 1


def weighted(value: str, weights: tuple[int, ...]) -> int:
    """The sum of the leading digits, each times its weight."""
    return sum(number * weight for number, weight in zip(numbers(value), weights, strict=False))


def verhoeff(value: str) -> bool:
    """Verhoeff's dihedral check (J. Verhoeff, Error Detecting Decimal Codes, 1969), used by Aadhaar."""
    check = 0
    for index, number in enumerate(reversed(numbers(value))):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[index % 8][number])])
    return check == 0


def mod11_10(value: str) -> bool:
    """ISO 7064 MOD 11,10, used by the German tax id and the Croatian OIB."""
    found = numbers(value)
    product = 10
    for number in found[:-1]:
        total = (number + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == found[-1]


def base58check(value: str) -> bool:
    """The four checksum bytes of base58 addresses and keys (Bitcoin wiki, Base58Check)."""
    number = 0
    for character in value:
        index = BASE58.find(character)
        if index < 0:
            return False
        number = number * 58 + index
    size = (number.bit_length() + 7) // 8
    raw = b"\0" * (len(value) - len(value.lstrip("1"))) + number.to_bytes(size, "big")
    return len(raw) > 4 and sha256(sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def bech32(value: str) -> bool:
    """The checksum of segwit and other bech32 addresses (BIP 173, BIP 350)."""
    head, _, data = value.lower().rpartition("1")
    if not head or len(data) < 8 or any(c not in BECH32 for c in data):
        return False
    return bech32_remainder(head, [BECH32.index(c) for c in data]) in {1, 0x2BC830A3}


def bech32_remainder(head: str, values: list[int]) -> int:
    """The remainder of BIP 173's polynomial over the human-readable part and the five-bit values."""
    check = 1
    for number in [ord(c) >> 5 for c in head] + [0] + [ord(c) & 31 for c in head] + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ number
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                check ^= generator
    return check


def is_date(year: int, month: int, day: int) -> bool:
    """Whether the calendar has the day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_short_date(year: int, month: int, day: int) -> bool:
    """Whether a day with a two-digit year exists in the last or this century."""
    return is_date(1900 + year, month, day) or is_date(2000 + year, month, day)


def varied(value: str, least: int = 3) -> bool:
    """Whether at least `least` different digits occur: 000000000 and 111111111 pass many checks and are never numbers of a person."""
    return len(set(numbers(value))) >= least
