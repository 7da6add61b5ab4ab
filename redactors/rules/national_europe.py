"""National ids, tax, health and social security numbers of western and northern Europe, by their published check digits."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.digits import alnum, is_short_date, luhn, mod11_10, numbers, varied, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS

_EU_TIN = "https://ec.europa.eu/taxation_customs/tin/"


_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


_FI = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def _digits(rng: Random, size: int) -> str:
    return rng.choice("123456789") + "".join(rng.choice(DIGITS) for _ in range(size - 1))


def _day(rng: Random) -> tuple[int, int, int]:
    return rng.randint(40, 99), rng.randint(1, 12), rng.randint(1, 28)


def nhs(value: str) -> bool:
    """UK health number: weights 10 to 2, modulo 11."""
    found = numbers(value)
    return varied(value) and (11 - weighted(value, tuple(range(10, 1, -1))) % 11) % 11 == found[9]


def nino(value: str) -> bool:
    """UK national insurance number: prefixes that are issued."""
    text = alnum(value)
    return text[:2] not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"} and varied(text, 2)


def steuer_id(value: str) -> bool:
    """German tax id: one digit of the first ten occurs twice or thrice, ISO 7064 MOD 11,10."""
    found = numbers(value)
    return found[0] != 0 and len(set(found[:10])) in {8, 9} and mod11_10(value)


def rvnr(value: str) -> bool:
    """German pension insurance number: the letter as two digits, weights, cross sums, modulo 10."""
    text = alnum(value)
    plain = text[:8] + f"{ord(text[8]) - 64:02d}" + text[9:11]
    total = sum(sum(divmod(int(c) * w, 10)) for c, w in zip(plain, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return total % 10 == int(text[11])


def nir(value: str) -> bool:
    """French social security number: 97 minus the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    text = alnum(value).replace("2A", "19").replace("2B", "18")
    return text.isdigit() and len(text) == 15 and 1 <= int(text[3:5]) <= 99 and 97 - int(text[:13]) % 97 == int(text[13:])


def dni(value: str) -> bool:
    """Spanish DNI and NIE: the letter of the number modulo 23."""
    text = alnum(value)
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and varied(number, 2) and _LETTERS[int(number) % 23] == text[-1]


def bsn(value: str) -> bool:
    """Dutch citizen number: the test of eleven."""
    return varied(value) and weighted(value, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def rijksregister(value: str) -> bool:
    """Belgian national number: 97 minus the number modulo 97, with a 2 in front for those born from 2000."""
    text = "".join(map(str, numbers(value)))
    return any(97 - int(front + text[:9]) % 97 == int(text[9:]) for front in ("", "2"))


def personnummer(value: str) -> bool:
    """Swedish personal number: a date (or a coordination number, day plus 60) and Luhn."""
    found = numbers(value)[-10:]
    text = "".join(map(str, found))
    day = int(text[4:6])
    return is_short_date(int(text[:2]), int(text[2:4]), day - 60 if day > 60 else day) and luhn(text)


def hetu(value: str) -> bool:
    """Finnish personal code: date and serial modulo 31."""
    text = value.upper()
    return is_short_date(int(text[4:6]), int(text[2:4]), int(text[:2])) and _FI[int(text[:6] + text[7:10]) % 31] == text[10]


def fodselsnummer(value: str) -> bool:
    """Norwegian birth number: two check digits modulo 11."""
    found = numbers(value)
    first, second = weighted(value, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)), weighted(value, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return varied(value) and first % 11 == 0 and second % 11 == 0 and 1 <= found[0] % 4 * 10 + found[1] <= 31


def cpr(value: str) -> bool:
    """Danish CPR number: a date; numbers since 2007 have no check digit."""
    text = "".join(map(str, numbers(value)))
    return is_short_date(int(text[4:6]), int(text[2:4]), int(text[:2]))


def pps(value: str) -> bool:
    """Irish PPS number: weights 8 to 2 and the second letter times 9, modulo 23."""
    text = alnum(value)
    extra = ord(text[8]) - 64 if len(text) > 8 and text[8] != "W" else 0
    return varied(text) and "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(text, (8, 7, 6, 5, 4, 3, 2)) + extra * 9) % 23] == text[7]


def _dmy(rng: Random) -> str:
    year, month, day = _day(rng)
    return f"{day:02d}{month:02d}{year:02d}"


def _ymd(rng: Random) -> str:
    year, month, day = _day(rng)
    return f"{year:02d}{month:02d}{day:02d}"


def _repeat_digit(rng: Random) -> str:
    digits = rng.sample("123456789", 9)
    digits.insert(rng.randint(1, 9), rng.choice(digits))
    return "".join(digits) + rng.choice(DIGITS)


def _nir(rng: Random) -> str:
    year, month, _ = _day(rng)
    body = f"{rng.choice('12')}{year:02d}{month:02d}{rng.randint(10, 95)}{rng.randint(100, 999)}{rng.randint(100, 999)}"
    return f"{body}{97 - int(body) % 97:02d}"


RULES: tuple[Rule, ...] = (
    national(
        "uk-nhs-number",
        "nhs_number",
        "UK health service number",
        r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}",
        nhs,
        lambda r: _digits(r, 10),
        names=r"nhs|national health|health service",
        source="https://www.datadictionary.nhs.uk/attributes/nhs_number.html",
        wrong="nhs: 943 476 5918",
    ),
    national(
        "uk-nino",
        "national_insurance_number",
        "UK national insurance number",
        r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
        nino,
        lambda r: f"{r.choice('ABCEHJ')}{r.choice('ABCEHJ')}{_digits(r, 6)}{r.choice('ABCD')}",
        source="https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110",
        wrong="GB123456A",
    ),
    national(
        "uk-driving-licence",
        "driving_licence",
        "UK driving licence number",
        r"[A-Z]{2}[A-Z9]{3}[0-9][0156][0-9][0-3][0-9]{2}[A-Z9]{2}[0-9A-Z]{3}",
        lambda v: 1 <= int(v[7:9]) % 50 <= 12 or int(v[6:8]) % 50 <= 12,
        lambda r: (
            f"{''.join(r.choice('BCDFGHJKLM') for _ in range(5))}{r.randint(0, 9)}0{r.randint(1, 9)}1{r.randint(0, 9)}{r.randint(0, 9)}{r.choice('ABCDE')}9{r.randint(0, 9)}{r.choice('ABC')}{r.choice('DEF')}"
        ),
        source="https://www.gov.uk/government/publications/driving-licence-number",
        wrong="ABCDE999999AB9CD",
    ),
    national(
        "de-tax-id",
        "tax_id",
        "German tax id",
        r"[1-9][0-9](?: ?[0-9]{3}){3}",
        steuer_id,
        _repeat_digit,
        names=r"steueridentifikationsnummer|steuer[ _-]?id|idnr|tax id|identifikationsnummer|tin",
        source="https://www.bzst.de/DE/Privatpersonen/SteuerlicheIdentifikationsnummer/",
        wrong="steuer-id: 12345678901",
    ),
    national(
        "de-pension-number",
        "social_security_number",
        "German pension insurance number",
        r"[0-9]{2} ?[0-3][0-9][01][0-9]{3} ?[A-Z] ?[0-9]{3}",
        rvnr,
        lambda r: f"{r.randint(10, 89)}{_dmy(r)}{r.choice('ABCDEFGHKLMNPRSTW')}{r.randint(100, 999)}",
        source="https://www.gesetze-im-internet.de/vkvv/",
        wrong="65180539W002",
    ),
    national(
        "fr-nir",
        "social_security_number",
        "French social security number",
        r"[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        nir,
        _nir,
        source="https://www.insee.fr/fr/metadonnees/definition/c1409",
        wrong="1 84 12 76 451 089 47",
    ),
    national(
        "es-dni",
        "national_id",
        "Spanish DNI",
        r"[0-9]{8}[ -]?[A-HJ-NP-TV-Z]",
        dni,
        lambda r: _digits(r, 8) + r.choice(_LETTERS),
        source="https://www.interior.gob.es/opencms/es/servicios-al-ciudadano/tramites-y-gestiones/dni/calculo-del-digito-de-control-del-nif-nie/",
        wrong="12345678A",
    ),
    national(
        "es-nie",
        "national_id",
        "Spanish number of foreigners",
        r"[XYZ][ -]?[0-9]{7}[ -]?[A-HJ-NP-TV-Z]",
        dni,
        lambda r: r.choice("XYZ") + _digits(r, 7) + r.choice(_LETTERS),
        source="https://www.interior.gob.es/opencms/es/servicios-al-ciudadano/tramites-y-gestiones/dni/calculo-del-digito-de-control-del-nif-nie/",
        wrong="X1234567A",
    ),
    national(
        "nl-bsn",
        "national_id",
        "Dutch citizen service number",
        r"[0-9]{9}",
        bsn,
        lambda r: _digits(r, 9),
        names=r"\bbsn\b|burgerservicenummer|sofinummer",
        source="https://www.rvig.nl/bsn",
        wrong="bsn: 123456789",
    ),
    national(
        "be-national-number",
        "national_id",
        "Belgian national number",
        r"[0-9]{2}[.]?[0-9]{2}[.]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}",
        rijksregister,
        lambda r: f"{_ymd(r)[:2]}.{_ymd(r)[2:4]}.{_ymd(r)[4:]}-{r.randint(100, 997)}.{r.randint(1, 97):02d}",
        names=r"rijksregister|registre national|num(?:é|e)ro national|national number|insz|niss|nationaal nummer",
        source=_EU_TIN,
        wrong="rijksregister: 85.07.30-033.27",
    ),
    national(
        "se-personnummer",
        "national_id",
        "Swedish personal number",
        r"(?:19|20)?[0-9]{2}[01][0-9][0-9]{2}[-+][0-9]{4}",
        personnummer,
        lambda r: f"{_ymd(r)}-{_digits(r, 4)}",
        source="https://www.skatteverket.se/personnummer",
        wrong="811218-9875",
    ),
    national(
        "fi-hetu",
        "national_id",
        "Finnish personal identity code",
        r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]",
        hetu,
        lambda r: f"{_dmy(r)}-{r.randint(100, 899)}{r.choice(_FI)}",
        source="https://dvv.fi/en/personal-identity-code",
        wrong="131052-308A",
    ),
    national(
        "no-fodselsnummer",
        "national_id",
        "Norwegian birth number",
        r"[0-7][0-9]{5} ?[0-9]{5}",
        fodselsnummer,
        lambda r: _dmy(r) + _digits(r, 5),
        names=r"fødselsnummer|fodselsnummer|personnummer|d-nummer",
        source="https://www.skatteetaten.no/en/person/national-registry/identitetsnummer/",
        wrong="fødselsnummer: 01010012345",
    ),
    national(
        "dk-cpr",
        "national_id",
        "Danish CPR number",
        r"[0-3][0-9][01][0-9]{3}-?[0-9]{4}",
        cpr,
        lambda r: f"{_dmy(r)}-{_digits(r, 4)}",
        names=r"\bcpr\b|personnummer|cpr-nummer",
        source="https://cpr.dk/cpr-systemet/opbygning-af-cpr-nummeret",
        wrong="cpr: 320199-1234",
    ),
    national(
        "ie-pps",
        "national_id",
        "Irish PPS number",
        r"[0-9]{7}[A-W][A-IW]?",
        pps,
        lambda r: _digits(r, 7) + r.choice("ABCDEFGHIJKLMNOPQRSTUVW"),
        names=r"\bppsn?\b|pps number|personal public service",
        source="https://www.gov.ie/en/service/12e6de-get-a-personal-public-service-pps-number/",
        wrong="pps: 1234567A",
    ),
)
