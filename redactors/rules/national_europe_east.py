"""National ids and tax numbers of central, eastern and southern Europe, by their published check digits."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.digits import alnum, is_short_date, luhn, mod11_10, numbers, varied, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS

_EU_TIN = "https://ec.europa.eu/taxation_customs/tin/"


_IT_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)


def _digits(rng: Random, size: int) -> str:
    return rng.choice("123456789") + "".join(rng.choice(DIGITS) for _ in range(size - 1))


def _day(rng: Random) -> tuple[int, int, int]:
    return rng.randint(40, 99), rng.randint(1, 12), rng.randint(1, 28)


def codice_fiscale(value: str) -> bool:
    """Italian fiscal code: odd and even places weigh differently, modulo 26."""
    text = alnum(value)
    total = sum(_IT_ODD[c] if i % 2 == 0 else int(c) if c.isdigit() else ord(c) - 65 for i, c in enumerate(text[:15]))
    return chr(65 + total % 26) == text[15]


def pesel(value: str) -> bool:
    """Polish PESEL: weights 1 3 7 9, a date whose month tells the century."""
    found = numbers(value)
    month = (found[2] * 10 + found[3]) % 20
    return 1 <= month <= 12 and 1 <= found[4] * 10 + found[5] <= 31 and -weighted(value, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10 == found[10]


def nip(value: str) -> bool:
    """Polish tax number: weights modulo 11."""
    return varied(value) and weighted(value, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == numbers(value)[9]


def ahv(value: str) -> bool:
    """Swiss AHV number: an EAN-13 beginning with 756."""
    found = numbers(value)
    return -weighted(value, (1, 3) * 6) % 10 == found[12]


def svnr(value: str) -> bool:
    """Austrian social security number: weights modulo 11 at the fourth place, then a date."""
    found = numbers(value)
    total = weighted(value, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6))
    return total % 11 == found[3] and found[0] != 0


def nif(value: str) -> bool:
    """Portuguese tax number: weights 9 to 2, modulo 11."""
    rest = 11 - weighted(value, tuple(range(9, 1, -1))) % 11
    return varied(value) and (0 if rest > 9 else rest) == numbers(value)[8]


def rodne_cislo(value: str) -> bool:
    """Czech and Slovak birth number of ten digits: divisible by 11, month plus 20, 50 or 70."""
    text = "".join(map(str, numbers(value)))
    return len(text) == 10 and int(text) % 11 == 0 and 1 <= int(text[2:4]) % 50 % 20 <= 12 and 1 <= int(text[4:6]) <= 31


def cnp(value: str) -> bool:
    """Romanian CNP: weights modulo 11."""
    found = numbers(value)
    rest = weighted(value, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return found[0] != 0 and 1 <= found[3] * 10 + found[4] <= 12 and (1 if rest == 10 else rest) == found[12]


def egn(value: str) -> bool:
    """Bulgarian EGN: weights modulo 11, modulo 10; month plus 20 or 40."""
    found = numbers(value)
    return 1 <= (found[2] * 10 + found[3]) % 20 <= 12 and weighted(value, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == found[9]


def isikukood(value: str) -> bool:
    """Estonian and Lithuanian personal code: two rounds of weights modulo 11."""
    found = numbers(value)
    rest = weighted(value, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if rest == 10:
        rest = weighted(value, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return 1 <= found[0] <= 8 and 1 <= found[3] * 10 + found[4] <= 12 and rest == found[10]


def amka(value: str) -> bool:
    """Greek AMKA: a date and Luhn."""
    text = "".join(map(str, numbers(value)))
    return is_short_date(int(text[4:6]), int(text[2:4]), int(text[:2])) and luhn(text)


def _cf(rng: Random) -> str:
    letters = "".join(rng.choice("BCDFGLMNPRSTVZ") for _ in range(6))
    year, _, day = _day(rng)
    return f"{letters}{year:02d}{rng.choice('ABCDEHLMPRST')}{day:02d}{rng.choice('ABFGHL')}{rng.randint(100, 999)}{rng.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}"


def _dmy(rng: Random) -> str:
    year, month, day = _day(rng)
    return f"{day:02d}{month:02d}{year:02d}"


def _ymd(rng: Random) -> str:
    year, month, day = _day(rng)
    return f"{year:02d}{month:02d}{day:02d}"


RULES: tuple[Rule, ...] = (
    national(
        "it-codice-fiscale",
        "tax_id",
        "Italian fiscal code",
        r"[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]",
        codice_fiscale,
        _cf,
        source="https://www.agenziaentrate.gov.it/portale/web/guest/codice-fiscale",
        wrong="RSSMRA85T10A562A",
    ),
    national(
        "it-vat",
        "tax_id",
        "Italian VAT number",
        r"[0-9]{11}",
        luhn,
        lambda r: _digits(r, 11),
        names=r"partita iva|p\. ?iva|\bp\.?iva\b",
        source=_EU_TIN,
        wrong="partita iva: 12345678901",
    ),
    national(
        "pl-pesel",
        "national_id",
        "Polish PESEL",
        r"[0-9]{11}",
        pesel,
        lambda r: _ymd(r) + _digits(r, 5),
        names=r"pesel",
        source="https://www.gov.pl/web/gov/czym-jest-numer-pesel",
        wrong="pesel: 44051401358",
    ),
    national(
        "pl-nip",
        "tax_id",
        "Polish tax number",
        r"[0-9]{3}-?[0-9]{2,3}-?[0-9]{2}-?[0-9]{2,3}",
        lambda v: len(numbers(v)) == 10 and nip(v),
        lambda r: _digits(r, 10),
        names=r"\bnip\b",
        source=_EU_TIN,
        wrong="nip: 1234567890",
    ),
    national(
        "ch-ahv",
        "social_security_number",
        "Swiss AHV number",
        r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}",
        ahv,
        lambda r: f"756.{_digits(r, 4)}.{_digits(r, 4)}.{_digits(r, 2)}",
        source="https://www.zas.admin.ch/zas/de/home/particuliers/nouveau-numero-avs.html",
        wrong="756.9217.0769.84",
    ),
    national(
        "at-svnr",
        "social_security_number",
        "Austrian social security number",
        r"[1-9][0-9]{3} ?[0-3][0-9][01][0-9]{3}",
        svnr,
        lambda r: f"{_digits(r, 4)} {_dmy(r)}",
        names=r"svnr|sozialversicherungsnummer|\bsvn\b|versicherungsnummer",
        source="https://www.oesterreich.gv.at/themen/arbeit_beruf_und_pension/sozialversicherung.html",
        wrong="svnr: 1237 010181",
    ),
    national(
        "pt-nif",
        "tax_id",
        "Portuguese tax number",
        r"[1-35689][0-9]{2} ?[0-9]{3} ?[0-9]{3}",
        nif,
        lambda r: r.choice("1235689") + _digits(r, 8),
        names=r"\bnif\b|contribuinte|número fiscal",
        source=_EU_TIN,
        wrong="nif: 123456780",
    ),
    national(
        "cz-birth-number",
        "national_id",
        "Czech and Slovak birth number",
        r"[0-9]{2}[0-7][0-9][0-3][0-9]/[0-9]{3,4}",
        rodne_cislo,
        lambda r: f"{_ymd(r)}/{_digits(r, 4)}",
        source=_EU_TIN,
        wrong="736028/5164",
    ),
    national(
        "ro-cnp",
        "national_id",
        "Romanian CNP",
        r"[1-9][0-9]{12}",
        cnp,
        lambda r: r.choice("1256") + _ymd(r) + _digits(r, 6),
        names=r"\bcnp\b|cod numeric personal",
        source=_EU_TIN,
        wrong="cnp: 1800101221145",
    ),
    national(
        "bg-egn",
        "national_id",
        "Bulgarian EGN",
        r"[0-9]{10}",
        egn,
        lambda r: _ymd(r) + _digits(r, 4),
        names=r"\begn\b|ЕГН|егн",
        source=_EU_TIN,
        wrong="egn: 7523169264",
    ),
    national(
        "hr-oib",
        "national_id",
        "Croatian OIB",
        r"[0-9]{11}",
        mod11_10,
        lambda r: _digits(r, 11),
        names=r"\boib\b",
        source=_EU_TIN,
        wrong="oib: 12345678901",
    ),
    national(
        "baltic-personal-code",
        "national_id",
        "Estonian and Lithuanian personal code",
        r"[1-8][0-9]{10}",
        isikukood,
        lambda r: r.choice("3456") + _ymd(r) + _digits(r, 4),
        names=r"isikukood|asmens kodas|personal code",
        source=_EU_TIN,
        wrong="isikukood: 37605030298",
    ),
    national(
        "gr-amka",
        "social_security_number",
        "Greek AMKA",
        r"[0-3][0-9][01][0-9]{8}",
        amka,
        lambda r: _dmy(r) + _digits(r, 5),
        names=r"amka|ΑΜΚΑ",
        source="https://www.amka.gr/",
        wrong="amka: 01018012345",
    ),
)
