"""National ids, tax, health and social security numbers of Europe, by their published check digits."""

from __future__ import annotations

from random import Random

from redactors.rules.digits import alnum, is_short_date, luhn, mod11_10, numbers, varied, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS

_EU_TIN = "https://ec.europa.eu/taxation_customs/tin/"
_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_FI = "0123456789ABCDEFHJKLMNPRSTUVWXY"
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


def pps(value: str) -> bool:
    """Irish PPS number: weights 8 to 2 and the second letter times 9, modulo 23."""
    text = alnum(value)
    extra = ord(text[8]) - 64 if len(text) > 8 and text[8] != "W" else 0
    return varied(text) and "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(text, (8, 7, 6, 5, 4, 3, 2)) + extra * 9) % 23] == text[7]


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
        names=r"steuer-id|steuerid|steueridentifikationsnummer|idnr|tax id|identifikationsnummer|tin",
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
        names=r"rijksregister|registre national|national number|insz|niss|nationaal nummer",
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
