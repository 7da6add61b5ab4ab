"""National ids, tax and health numbers of Canada, Latin America, Africa and Oceania, by their published check digits."""

from __future__ import annotations

from random import Random

from redactors.rules.digits import alnum, is_short_date, luhn, numbers, varied, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS

_OECD = "https://www.oecd.org/tax/automatic-exchange/crs-implementation-and-assistance/tax-identification-numbers/"


_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def _digits(rng: Random, size: int) -> str:
    return rng.choice("123456789") + "".join(rng.choice(DIGITS) for _ in range(size - 1))


def _ymd(rng: Random) -> str:
    return f"{rng.randint(40, 99):02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"


def sin(value: str) -> bool:
    """Canadian social insurance number: Luhn; 0 and 8 are not issued to persons."""
    return numbers(value)[0] not in {0, 8} and varied(value) and luhn(value)


def cpf(value: str) -> bool:
    """Brazilian CPF: two check digits modulo 11."""
    found = numbers(value)
    first = weighted(value, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(value, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return varied(value) and [first, second] == found[9:]


def cnpj(value: str) -> bool:
    """Brazilian CNPJ: two check digits modulo 11."""
    found = numbers(value)
    weights = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    first, second = weighted(value, weights) % 11, weighted(value, (6, *weights)) % 11
    return varied(value) and [0 if first < 2 else 11 - first, 0 if second < 2 else 11 - second] == found[12:]


def curp(value: str) -> bool:
    """Mexican CURP: a date and the sum of places modulo 10."""
    text = value.upper()
    total = sum(_CURP.index(c) * (18 - i) for i, c in enumerate(text[:17]))
    return is_short_date(int(text[4:6]), int(text[6:8]), int(text[8:10])) and str(-total % 10) == text[17]


def cuit(value: str) -> bool:
    """Argentine CUIT and CUIL: weights modulo 11."""
    rest = 11 - weighted(value, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return varied(value) and {11: 0, 10: 9}.get(rest, rest) == numbers(value)[10]


def rut(value: str) -> bool:
    """Chilean RUT: weights 2 to 7 from the right, modulo 11, K for 10."""
    text = alnum(value)
    total = sum(int(c) * (2 + i % 6) for i, c in enumerate(reversed(text[:-1])))
    return varied(value) and "0123456789K0"[11 - total % 11] == text[-1]


def tfn(value: str) -> bool:
    """Australian tax file number: weights modulo 11."""
    return varied(value) and weighted(value, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def medicare(value: str) -> bool:
    """Australian Medicare number: weights modulo 10."""
    found = numbers(value)
    return varied(value) and weighted(value, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == found[8]


def abn(value: str) -> bool:
    """Australian business number: first digit less one, weights modulo 89."""
    found = numbers(value)
    return varied(value) and (weighted(value, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) - 10) % 89 == 0 and found[0] != 0


def ird(value: str) -> bool:
    """New Zealand tax number: weights modulo 11, second weights when the first give 10."""
    text = "".join(map(str, numbers(value))).rjust(9, "0")
    for weights in ((3, 2, 7, 6, 5, 4, 3, 2), (7, 4, 3, 2, 5, 2, 7, 6)):
        rest = -weighted(text, weights) % 11
        if rest < 10:
            return varied(value) and 10_000_000 <= int(text) <= 150_000_000 and rest == int(text[8])
    return False


def south_african_id(value: str) -> bool:
    """South African identity number: a date, a citizenship and Luhn."""
    text = "".join(map(str, numbers(value)))
    return is_short_date(int(text[:2]), int(text[2:4]), int(text[4:6])) and text[10] in "012" and luhn(text)


def _grouped(text: str, joint: str, *sizes: int) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return joint.join(parts)


def _curp(rng: Random) -> str:
    return (
        "".join(rng.choice("ABCDEFGLMPR") for _ in range(4))
        + _ymd(rng)
        + rng.choice("HM")
        + "DF"
        + "".join(rng.choice("BCDFGLMN") for _ in range(3))
        + "0"
        + rng.choice(DIGITS)
    )


RULES: tuple[Rule, ...] = (
    national(
        "ca-sin",
        "social_security_number",
        "Canadian social insurance number",
        r"[1-79][0-9]{2}[- ]?[0-9]{3}[- ]?[0-9]{3}",
        sin,
        lambda r: _grouped(r.choice("1245679") + _digits(r, 8), r.choice(" -"), 3, 3, 3),
        names=r"\bsin\b|social insurance|assurance sociale|\bnas\b",
        source="https://www.canada.ca/en/employment-social-development/services/sin.html",
        wrong="sin: 123-456-789",
    ),
    national(
        "br-cpf",
        "tax_id",
        "Brazilian CPF",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
        cpf,
        lambda r: f"{_grouped(_digits(r, 9), '.', 3, 3, 3)}-{_digits(r, 2)}",
        source=_OECD,
        wrong="123.456.789-00",
    ),
    national(
        "br-cpf-named",
        "tax_id",
        "Brazilian CPF without points, beside its name",
        r"[0-9]{11}",
        cpf,
        lambda r: _digits(r, 11),
        names=r"\bcpf\b",
        source=_OECD,
        wrong="cpf: 12345678900",
    ),
    national(
        "br-cnpj",
        "tax_id",
        "Brazilian CNPJ",
        r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}",
        cnpj,
        lambda r: f"{_grouped(_digits(r, 8), '.', 2, 3, 3)}/0001-{_digits(r, 2)}",
        source=_OECD,
        wrong="11.222.333/0001-82",
    ),
    national(
        "mx-curp",
        "national_id",
        "Mexican CURP",
        r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]",
        curp,
        _curp,
        source="https://www.gob.mx/curp/",
        wrong="BOXW310820HNERXN08",
    ),
    national(
        "ar-cuit",
        "tax_id",
        "Argentine CUIT and CUIL",
        r"(?:20|23|24|25|26|27|30|33|34)-[0-9]{8}-[0-9]",
        cuit,
        lambda r: f"20-{_digits(r, 8)}-{r.choice(DIGITS)}",
        source=_OECD,
        wrong="20-12345678-9",
    ),
    national(
        "cl-rut",
        "national_id",
        "Chilean RUT",
        r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]",
        rut,
        lambda r: f"{_grouped(_digits(r, 8), '.', 2, 3, 3)}-{r.choice('0123456789K')}",
        source=_OECD,
        wrong="12.345.678-0",
    ),
    national(
        "au-tfn",
        "tax_id",
        "Australian tax file number",
        r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{2,3}",
        lambda v: len(numbers(v)) == 9 and tfn(v),
        lambda r: _grouped(_digits(r, 9), " ", 3, 3, 3),
        names=r"\btfn\b|tax file",
        source="https://www.ato.gov.au/",
        wrong="tfn: 123 456 789",
    ),
    national(
        "au-medicare",
        "health_id",
        "Australian Medicare number",
        r"[2-6][0-9]{3}[ -]?[0-9]{5}[ -]?[0-9]",
        medicare,
        lambda r: _grouped(r.choice("23456") + _digits(r, 9), " ", 4, 5, 1),
        names=r"medicare",
        source="https://www.servicesaustralia.gov.au/medicare",
        wrong="medicare: 2123 45678 1",
    ),
    national(
        "au-abn",
        "tax_id",
        "Australian business number",
        r"[1-9][0-9](?: ?[0-9]{3}){3}",
        abn,
        lambda r: _grouped(_digits(r, 11), " ", 2, 3, 3, 3),
        names=r"\babn\b|business number",
        source="https://abr.business.gov.au/Help/AbnFormat",
        wrong="abn: 51 824 753 557",
    ),
    national(
        "nz-ird",
        "tax_id",
        "New Zealand tax number",
        r"[0-9]{2,3}-?[0-9]{3}-?[0-9]{3}",
        ird,
        lambda r: f"{r.randint(10, 149)}-{_digits(r, 3)}-{_digits(r, 3)}",
        names=r"\bird\b|inland revenue",
        source="https://www.ird.govt.nz/",
        wrong="ird: 49-091-851",
    ),
    national(
        "za-id",
        "national_id",
        "South African identity number",
        r"[0-9]{2}[01][0-9][0-3][0-9][0-9]{4}[012][0-9]{2}",
        south_african_id,
        lambda r: f"{_ymd(r)}{_digits(r, 4)}08{r.choice(DIGITS)}",
        names=r"sa id|south african id|identity number|id number",
        source="https://www.dha.gov.za/",
        wrong="sa id: 8001015009080",
    ),
)
