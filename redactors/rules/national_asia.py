"""National ids, tax, health and social security numbers of Asia, by their published check digits."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

import re
from random import Random

from redactors.later import compiled_later
from redactors.rules.digits import alnum, is_date, is_short_date, luhn, numbers, varied, verhoeff, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS, UPPER

_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _digits(rng: Random, size: int) -> str:
    return rng.choice("123456789") + "".join(rng.choice(DIGITS) for _ in range(size - 1))


def _ymd(rng: Random) -> str:
    return f"{rng.randint(40, 99):02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"


def aadhaar(value: str) -> bool:
    """Indian Aadhaar: begins with 2 to 9, Verhoeff, no palindrome."""
    text = "".join(map(str, numbers(value)))
    return text[0] not in "01" and text != text[::-1] and varied(value) and verhoeff(value)


def gstin(value: str) -> bool:
    """Indian GSTIN: state, PAN, and a check modulo 36."""
    total = 0
    for index, character in enumerate(value[:14]):
        product = _ALNUM.index(character) * (1 + index % 2)
        total += product // 36 + product % 36
    return 1 <= int(value[:2]) <= 38 and _ALNUM[-total % 36] == value[14]


def resident_id(value: str) -> bool:
    """Chinese resident id: a date, ISO 7064 MOD 11-2."""
    text = value.upper()
    total = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(text[:17]))
    return is_date(int(text[6:10]), int(text[10:12]), int(text[12:14])) and "10X98765432"[total % 11] == text[17]


def rrn(value: str) -> bool:
    """Korean resident number: a date; weights modulo 11 for those issued before October 2020."""
    text = "".join(map(str, numbers(value)))
    total = weighted(value, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return is_short_date(int(text[:2]), int(text[2:4]), int(text[4:6])) and (11 - total % 11) % 10 == int(text[12])


def my_number(value: str) -> bool:
    """Japanese individual number: weights modulo 11."""
    rest = weighted(value, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return varied(value) and (0 if rest <= 1 else 11 - rest) == numbers(value)[11]


def nric(value: str) -> bool:
    """Singapore NRIC and FIN: weights modulo 11, letters by series."""
    text = value.upper()
    total = weighted(value, (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    series = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}[text[0]]
    place = 10 - total % 11 if text[0] == "M" else total % 11
    return varied(value) and series[place] == text[8]


def hkid(value: str) -> bool:
    """Hong Kong identity card: letters count from 10, a blank counts 36, modulo 11."""
    text = alnum(value)
    front = text[:-1].rjust(8)
    total = sum((36 if c == " " else int(c, 36)) * (9 - i) for i, c in enumerate(front))
    return "0123456789A"[-total % 11] == text[-1]


def taiwan_id(value: str) -> bool:
    """Taiwanese identity card: the letter as two digits, weights modulo 10."""
    place = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(value[0].upper()) + 10
    found = [place // 10, place % 10, *numbers(value)]
    return sum(n * w for n, w in zip(found, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0


def thai_id(value: str) -> bool:
    """Thai identity card: weights 13 to 2, modulo 11."""
    return varied(value) and (11 - weighted(value, tuple(range(13, 1, -1))) % 11) % 10 == numbers(value)[12]


def mykad(value: str) -> bool:
    """Malaysian identity card: a date and a place of birth that exists."""
    text = "".join(map(str, numbers(value)))
    return is_short_date(int(text[:2]), int(text[2:4]), int(text[4:6])) and (
        1 <= int(text[6:8]) <= 59 or int(text[6:8]) in {82, 83, 98, 99}
    )


def tc_kimlik(value: str) -> bool:
    """Turkish identity number: sums of odd and even places, modulo 10."""
    found = numbers(value)
    odd, even = sum(found[0:9:2]), sum(found[1:8:2])
    return found[0] != 0 and (odd * 7 - even) % 10 == found[9] and sum(found[:10]) % 10 == found[10]


def teudat_zehut(value: str) -> bool:
    """Israeli identity number: Luhn over nine digits."""
    return varied(value) and luhn("".join(map(str, numbers(value))))


def snils(value: str) -> bool:
    """Russian insurance number: weights 9 to 1, modulo 101."""
    found = numbers(value)
    return varied(value) and weighted(value, tuple(range(9, 0, -1))) % 101 % 100 == found[9] * 10 + found[10]


def inn(value: str) -> bool:
    """Russian tax number of a person: two check digits modulo 11."""
    found = numbers(value)
    first = weighted(value, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = weighted(value, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return varied(value) and [first, second] == found[10:]


def _grouped(text: str, joint: str, *sizes: int) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return joint.join(parts)


def _gstin(rng: Random) -> str:
    return f"{rng.randint(10, 37)}{''.join(rng.choice(UPPER) for _ in range(3))}P{rng.choice(UPPER)}{_digits(rng, 4)}{rng.choice(UPPER)}1Z{rng.choice(_ALNUM)}"


_GROUPS_BEFORE = compiled_later(r"(?:^|[^0-9])((?:[0-9]{1,4}[ -])+)\Z")


def _in_a_row(before: str) -> bool:
    """Whether groups of digits stand before the number that are no such number: it is part of a table then."""
    found = _GROUPS_BEFORE.search(before)
    if found is None:
        return False
    groups = re.split("[ -]", found[1].rstrip(" -"))
    if len(groups) == 1:
        return len(groups[0]) == 4
    return len(groups) % 3 != 0 or not aadhaar("".join(groups[-3:]))


RULES: tuple[Rule, ...] = (
    national(
        "in-aadhaar",
        "national_id",
        "Indian Aadhaar number in groups",
        r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}",
        aadhaar,
        lambda r: _grouped(r.choice("23456789") + _digits(r, 11), r.choice(" -"), 4, 4, 4),
        source="https://uidai.gov.in/",
        wrong="2341 2341 2341 and row: 9607 4483 4579 6025 5070 5283 3736",
        against=_in_a_row,
    ),
    national(
        "in-aadhaar-named",
        "national_id",
        "Indian Aadhaar number beside its name",
        r"[2-9][0-9]{11}",
        aadhaar,
        lambda r: r.choice("23456789") + _digits(r, 11),
        names=r"aadhaar|aadhar|uidai|आधार",
        source="https://uidai.gov.in/",
        wrong="aadhaar: 234123412341",
    ),
    national(
        "in-pan",
        "tax_id",
        "Indian PAN",
        r"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]",
        lambda v: varied(v, 2),
        lambda r: f"{''.join(r.choice(UPPER) for _ in range(3))}P{r.choice(UPPER)}{_digits(r, 4)}{r.choice(UPPER)}",
        source="https://incometaxindia.gov.in/",
        wrong="ABCDE1234F",
    ),
    national(
        "in-gstin",
        "tax_id",
        "Indian GSTIN",
        r"[0-3][0-9][A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]",
        gstin,
        _gstin,
        source="https://www.gst.gov.in/",
        wrong="27AAPFU0939F1ZX",
    ),
    national(
        "in-voter-id",
        "national_id",
        "Indian voter card",
        r"[A-Z]{3}[0-9]{7}",
        varied,
        lambda r: "".join(r.choice(UPPER) for _ in range(3)) + _digits(r, 7),
        names=r"voter|epic no|election card",
        source="https://eci.gov.in/",
        wrong="voter: ABC1111111",
    ),
    national(
        "cn-resident-id",
        "national_id",
        "Chinese resident identity number",
        r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]",
        resident_id,
        lambda r: f"11010{r.randint(1, 9)}19{_ymd(r)}{_digits(r, 3)}{r.choice('0123456789X')}",
        source="https://openstd.samr.gov.cn/bzgk/gb/newGbInfo?hcno=080D6FBF2BB468F9007657F26D60013E",
        wrong="110101199003070000",
    ),
    national(
        "kr-rrn",
        "national_id",
        "Korean resident number",
        r"[0-9]{2}[01][0-9][0-3][0-9]-[1-8][0-9]{6}",
        rrn,
        lambda r: f"{_ymd(r)}-{r.choice('12')}{_digits(r, 6)}",
        source="https://www.law.go.kr/",
        wrong="900101-1234560",
    ),
    national(
        "jp-my-number",
        "national_id",
        "Japanese individual number",
        r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}",
        my_number,
        lambda r: _digits(r, 12),
        names=r"my number|マイナンバー|個人番号",
        source="https://www.digital.go.jp/policies/mynumber",
        wrong="my number: 123456789012",
    ),
    national(
        "sg-nric",
        "national_id",
        "Singapore NRIC and FIN",
        r"[STFGM][0-9]{7}[A-Z]",
        nric,
        lambda r: r.choice("STFG") + _digits(r, 7) + r.choice(UPPER),
        source="https://www.ica.gov.sg/",
        wrong="S1234567A",
    ),
    national(
        "hk-id",
        "national_id",
        "Hong Kong identity card",
        r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)",
        hkid,
        lambda r: f"{r.choice(UPPER)}{_digits(r, 6)}({r.choice('0123456789A')})",
        names=r"hkid|hong kong id|identity card|身份證",
        source="https://www.immd.gov.hk/",
        wrong="hkid: A123456(7)",
    ),
    national(
        "tw-id",
        "national_id",
        "Taiwanese identity card",
        r"[A-Z][1289][0-9]{8}",
        taiwan_id,
        lambda r: r.choice(UPPER) + r.choice("12") + _digits(r, 8),
        source="https://www.ris.gov.tw/",
        wrong="A123456780",
    ),
    national(
        "th-national-id",
        "national_id",
        "Thai identity card",
        r"[1-8]-?[0-9]{4}-?[0-9]{5}-?[0-9]{2}-?[0-9]",
        thai_id,
        lambda r: r.choice("12345678") + _digits(r, 12),
        names=r"thai id|national id|citizen id|บัตรประชาชน",
        source="https://www.bora.dopa.go.th/",
        wrong="thai id: 1234567890123",
    ),
    national(
        "my-mykad",
        "national_id",
        "Malaysian identity card",
        r"[0-9]{2}[01][0-9][0-3][0-9]-[0-9]{2}-[0-9]{4}",
        mykad,
        lambda r: f"{_ymd(r)}-{r.randint(10, 16)}-{_digits(r, 4)}",
        source="https://www.jpn.gov.my/",
        wrong="991332-14-1234",
    ),
    national(
        "id-nik",
        "national_id",
        "Indonesian NIK",
        r"[1-9][0-9]{15}",
        lambda v: varied(v) and 1 <= int(v[6:8]) % 40 <= 31 and 1 <= int(v[8:10]) <= 12,
        lambda r: f"{r.randint(110101, 947199)}{r.randint(1, 28):02d}{r.randint(1, 12):02d}{r.randint(50, 99)}{_digits(r, 4)}",
        names=r"\bnik\b|\bktp\b|nomor induk",
        source="https://dukcapil.kemendagri.go.id/",
        wrong="nik: 3201239913900001",
    ),
    national(
        "tr-tc-kimlik",
        "national_id",
        "Turkish identity number",
        r"[1-9][0-9]{10}",
        tc_kimlik,
        lambda r: _digits(r, 11),
        names=r"tc kimlik|t\.c\.|kimlik no|\btckn\b",
        source="https://www.nvi.gov.tr/",
        wrong="tc kimlik: 12345678901",
    ),
    national(
        "il-id",
        "national_id",
        "Israeli identity number",
        r"[0-9]{9}",
        teudat_zehut,
        lambda r: _digits(r, 9),
        names=r"teudat zehut|israeli id|תעודת זהות|ת\.ז",
        source="https://www.gov.il/",
        wrong="teudat zehut: 123456789",
    ),
    national(
        "ru-snils",
        "social_security_number",
        "Russian insurance number",
        r"[0-9]{3}-[0-9]{3}-[0-9]{3} [0-9]{2}",
        snils,
        lambda r: f"{_grouped(_digits(r, 9), '-', 3, 3, 3)} {_digits(r, 2)}",
        source="https://sfr.gov.ru/",
        wrong="112-233-445 94",
    ),
    national(
        "ru-inn",
        "tax_id",
        "Russian tax number of a person",
        r"[0-9]{12}",
        inn,
        lambda r: _digits(r, 12),
        names=r"\binn\b|инн|ИНН",
        source="https://www.nalog.gov.ru/",
        wrong="inn: 500100732258",
    ),
)
