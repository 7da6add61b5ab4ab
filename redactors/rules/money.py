"""Payment cards, bank accounts and wallets."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

import re
from hashlib import sha256
from random import Random

from redactors.later import compiled_later
from redactors.rules.digits import BASE58, BECH32, alnum, base58check, bech32, bech32_remainder, luhn, mod97, varied
from redactors.rules.model import Must, Rule
from redactors.rules.personal import confirmed, personal, plain
from redactors.rules.samples import DIGITS, HEX, draw, in_plain, within

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28,
    "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""Length of an IBAN by country (SWIFT IBAN registry, release 99)."""


def card(value: str) -> bool:
    """A payment card: issuer's range and length, Luhn (ISO/IEC 7812)."""
    found = "".join(c for c in value if c.isdigit())
    size, two, three, four = len(found), int(found[:2]), int(found[:3]), int(found[:4])
    ranges = (
        (found[0] == "4" and size in {13, 16, 19})
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in {34, 37} and size == 15)
        or ((four == 6011 or 644 <= three <= 649 or two == 65) and 16 <= size <= 19)
        or ((300 <= three <= 305 or two in {36, 38, 39}) and 14 <= size <= 19)
        or (3528 <= four <= 3589 and 16 <= size <= 19)
        or (two in {62, 81} and 16 <= size <= 19)
        or ((four in {5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763} or two == 50) and 12 <= size <= 19)
        or (2200 <= four <= 2204 and 16 <= size <= 19)
        or (two in {60, 82} and size == 16)
    )
    return ranges and _is_grouped(value) and luhn(found) and varied(found, 2) and confirmed("card", value)


_SEPARATORS = compiled_later("[ .-]")
_ARTICLE = compiled_later(r"\b(?:ean|gtin|isbn|upc|jan|barcode)(?:-?1[34])?(?:[ :=#\"']|number|no\.?|code){1,6}\Z", re.IGNORECASE)


def _is_grouped(value: str) -> bool:
    """Whether separators stand where cards have them: after every fourth digit, 4-6-5 and 4-6-4, or into equal parts."""
    sizes = [len(part) for part in _SEPARATORS.split(value)]
    return all(size == 4 for size in sizes[:-1]) or sizes[:2] == [4, 6] or len(set(sizes)) == 1 or len(sizes) == 1


def _numbers_an_article(before: str) -> bool:
    """Whether a word for article numbers stands right before thirteen digits."""
    return _ARTICLE.search(before) is not None


def iban(value: str) -> bool:
    """An IBAN: the country's length and MOD 97."""
    text = alnum(value)
    return IBAN_LENGTHS.get(text[:2]) == len(text) and mod97(text) and varied(text, 2) and confirmed("iban", value)


def _with_luhn(rng: Random, head: str, size: int) -> str:
    body = head + "".join(rng.choice(DIGITS) for _ in range(size - len(head) - 1))
    return next(body + digit for digit in DIGITS if luhn(body + digit))


def make_card(rng: Random) -> str:
    """A card number of one of four issuers, grouped or not."""
    head, size = rng.choice((("4", 16), ("52", 16), ("2221", 16), ("6011", 16)))
    text = _with_luhn(rng, head, size)
    joint = rng.choice(("", " ", "-"))
    return joint.join(text[i : i + 4] for i in range(0, 16, 4))


def make_iban(rng: Random, countries: tuple[str, ...] = ("DE", "BE", "FR", "ES")) -> str:
    """An IBAN of Germany, Belgium, the Netherlands or France, grouped or not."""
    country = rng.choice(countries)
    body = "".join(rng.choice(DIGITS) for _ in range(IBAN_LENGTHS[country] - 4))
    text = next(f"{country}{check:02d}{body}" for check in range(2, 99) if mod97(f"{country}{check:02d}{body}"))
    return text if rng.random() < 0.5 else " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def _base58check(rng: Random, version: bytes, size: int) -> str:
    raw = version + rng.randbytes(size)
    raw += sha256(sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, index = divmod(number, 58)
        text = BASE58[index] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def _grouped(text: str) -> str:
    compact = text.replace(" ", "")
    return " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))


def _bech32(rng: Random) -> str:
    values = [0] + [rng.randrange(32) for _ in range(32)]
    check = bech32_remainder("bc", values + [0] * 6) ^ 1
    return "bc1" + "".join(BECH32[value] for value in values + [check >> 5 * (5 - i) & 31 for i in range(6)])


RULES: tuple[Rule, ...] = (
    personal(
        "credit-card",
        "card",
        "Payment card number, grouped or not",
        r"\b(?:[2-68][0-9]{3}[ .-]?[0-9]{4}[ .-]?[0-9]{4}(?:[ .-]?[0-9]{1,4}){0,2}|3[0-9]{3}[ .-]?[0-9]{6}[ .-]?[0-9]{4,5})\b",
        "https://www.iso.org/standard/70484.html",
        validate=card,
        against=_numbers_an_article,
        longest=48,
        must=plain(make_card),
        must_not=(
            ("EAN 4354078430102 qty 70", "an article"),
            ("GET /orders/375477124526 200 335ms", "grouped as no card is"),
            ("order 4000000000000001 and 1234567890123456", "the check digit does not fit"),
            ("1700000000000000000 ns since 1970", "no issuer's range"),
        ),
    ),
    personal(
        "credit-card-sixteen",
        "card",
        "Payment card number of sixteen digits, whatever number stands behind it",
        r"\b(?:[2-68][0-9]{3}|35[2-8][0-9])[ .-]?[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{4}\b",
        "https://www.iso.org/standard/70484.html",
        validate=card,
        longest=48,
        must=(
            Must(within("{s} 746-18-9744", "{s}-12", "{s} 3 pieces", "{s}.2027")(make_card)),
            Must(in_plain(lambda rng: _with_luhn(rng, "3530", 16))),
        ),
        must_not=(("4000000000000001 746-18-9744", "the check digit does not fit"),),
    ),
    personal(
        "card-code",
        "card_code",
        "Security code beside a word for it",
        r"\b(?:cvv2?|cvc2?|cid|csc|security code|card code|prüfziffer|kartenprüfnummer)\b[^\n0-9]{0,12}([0-9]{3,4})\b",
        "https://www.pcisecuritystandards.org/document_library/",
        group=1,
        case_insensitive=True,
        keywords=("cv", "cid", "csc", "code", "prüf"),
        longest=64,
        must=(Must(within("cvv {s}", "CVC: {s}", "security code is {s}.")(lambda rng: str(rng.randint(100, 9999)))),),
        must_not=(("the security code has three digits", "no digits"),),
    ),
    personal(
        "iban",
        "iban",
        "International bank account number, compact",
        r"\b[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\b",
        "https://www.swift.com/standards/data-standards/iban",
        validate=iban,
        longest=48,
        must=plain(lambda rng: make_iban(rng).replace(" ", "")),
        must_not=(("DE00123456789012345678 is a sample", "the check digits do not fit"),),
    ),
    personal(
        "iban-grouped",
        "iban",
        "International bank account number in groups of four with a rest",
        r"\b[A-Z]{2}[0-9]{2}(?:[ -][A-Z0-9]{4}){2,7}[ -][A-Z0-9]{1,3}\b",
        "https://www.swift.com/standards/data-standards/iban",
        validate=iban,
        longest=64,
        must=plain(lambda rng: _grouped(make_iban(rng, ("DE", "FR")))),
        must_not=(("DE00 1234 5678 9012 3456 78 is a sample", "the check digits do not fit"),),
    ),
    personal(
        "iban-whole-groups",
        "iban",
        "International bank account number in groups of four without a rest",
        r"\b[A-Z]{2}[0-9]{2}(?:[ -][A-Z0-9]{4}){3,7}\b",
        "https://www.swift.com/standards/data-standards/iban",
        validate=iban,
        longest=64,
        must=plain(lambda rng: _grouped(make_iban(rng, ("BE", "ES")))),
        must_not=(("BE00 1234 5678 9012 is a sample", "the check digits do not fit"),),
    ),
    personal(
        "bitcoin-address",
        "crypto_address",
        "Bitcoin and kindred addresses in base 58",
        r"\b[13LMDTX][1-9A-HJ-NP-Za-km-z]{25,34}\b",
        "https://en.bitcoin.it/wiki/Base58Check_encoding",
        validate=base58check,
        longest=64,
        must=plain(lambda rng: _base58check(rng, b"\0", 20)),
        must_not=(("13HJNPZaKmzAbCdEfGhJkMnPqRsTuVw", "the checksum does not fit"),),
    ),
    personal(
        "bech32-address",
        "crypto_address",
        "Segwit, Litecoin and Cardano addresses in bech32",
        r"\b(?:bc1|ltc1|tb1|addr1|cosmos1)[02-9ac-hj-np-z]{25,110}\b",
        "https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki",
        validate=bech32,
        keywords=("1",),
        longest=160,
        must=plain(_bech32),
        must_not=(("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdx", "the checksum does not fit"),),
    ),
    personal(
        "ethereum-address",
        "crypto_address",
        "Ethereum address",
        r"\b0x[0-9a-fA-F]{40}\b",
        "https://eips.ethereum.org/EIPS/eip-55",
        keywords=("0x",),
        longest=64,
        validate=lambda value: len(set(value[2:].lower())) > 6,
        must=plain(lambda rng: "0x" + draw(rng, HEX, 40)),
        must_not=(("0x0000000000000000000000000000000000000000", "the null address"),),
    ),
)
