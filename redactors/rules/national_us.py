"""US national, medical and bank numbers; passports, licences and accounts beside their names."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.digits import luhn, numbers, varied, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS, UPPER


def _digits(rng: Random, size: int) -> str:
    return rng.choice("123456789") + "".join(rng.choice(DIGITS) for _ in range(size - 1))


def itin(value: str) -> bool:
    """US taxpayer number: area 9, groups that are issued."""
    return varied(value)


def npi(value: str) -> bool:
    """US provider number: Luhn with the prefix 80840."""
    return varied(value) and luhn("80840" + "".join(map(str, numbers(value))))


def routing(value: str) -> bool:
    """US bank routing number: weights 3 7 1, modulo 10, first two digits of a Federal Reserve district."""
    found = numbers(value)
    district = found[0] * 10 + found[1]
    return (
        (1 <= district <= 12 or 21 <= district <= 32 or 61 <= district <= 72) and varied(value) and weighted(value, (3, 7, 1) * 3) % 10 == 0
    )


def dea(value: str) -> bool:
    """US registration of prescribers: two sums, the second doubled."""
    found = numbers(value)
    return varied(value) and (found[0] + found[2] + found[4] + 2 * (found[1] + found[3] + found[5])) % 10 == found[6]


_GERMAN = frozenset("CFGHJKLMNPRTVWXYZ0123456789")
"""The characters of German document numbers: no vowels, so that they spell no words."""


def _passport(value: str) -> bool:
    """Nine characters in upper case, with two digits or of an alphabet without vowels."""
    return value.isupper() and (
        (sum(c.isdigit() for c in value) >= 2 and varied(value, 2)) or (_GERMAN.issuperset(value) and len(set(value)) > 3)
    )


RULES: tuple[Rule, ...] = (
    national(
        "us-itin",
        "itin",
        "US individual taxpayer number",
        r"9[0-9]{2}[- ](?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[- ][0-9]{4}",
        itin,
        lambda r: f"9{r.randint(10, 99)}-7{r.randint(0, 9)}-{_digits(r, 4)}",
        source="https://www.irs.gov/individuals/individual-taxpayer-identification-number",
        wrong="900-49-1234",
    ),
    national(
        "us-ein",
        "tax_id",
        "US employer number",
        r"[0-9]{2}-?[0-9]{7}",
        varied,
        lambda r: f"{r.randint(10, 98)}-{_digits(r, 7)}",
        names=r"\bein\b|employer identification|federal tax id|fein",
        source="https://www.irs.gov/businesses/small-businesses-self-employed/employer-id-numbers",
        wrong="ein: 11-1111111",
    ),
    national(
        "us-npi",
        "medical_id",
        "US national provider number",
        r"[12][0-9]{9}",
        npi,
        lambda r: "1" + _digits(r, 9),
        names=r"\bnpi\b|national provider",
        source="https://www.cms.gov/regulations-and-guidance/administrative-simplification/nationalprovidentstand",
        wrong="npi: 1234567890",
    ),
    national(
        "us-dea",
        "medical_id",
        "US registration of prescribers",
        r"[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}",
        dea,
        lambda r: "B" + r.choice(UPPER) + _digits(r, 7),
        names=r"\bdea\b|medical license|prescriber",
        source="https://www.deadiversion.usdoj.gov/",
        wrong="dea: AB1234567",
    ),
    national(
        "us-mbi",
        "health_id",
        "US Medicare beneficiary number",
        r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}",
        varied,
        lambda r: f"{r.randint(1, 9)}EG{r.randint(0, 9)}-T{r.choice('ACDE')}{r.randint(0, 9)}-MK{r.randint(10, 99)}",
        source="https://www.cms.gov/medicare/new-medicare-card",
        wrong="1EG4-TE1-MK1",
    ),
    national(
        "us-routing-number",
        "bank_account",
        "US bank routing number",
        r"[0-9]{9}",
        routing,
        lambda r: f"{r.randint(0, 1)}{r.randint(1, 2)}" + _digits(r, 7),
        names=r"routing|\baba\b|\brtn\b",
        source="https://www.aba.com/about-us/routing-number",
        wrong="routing: 123456789",
    ),
    national(
        "us-bank-account",
        "bank_account",
        "Bank account number beside a word for it",
        r"[0-9]{6,17}",
        varied,
        lambda r: _digits(r, 10),
        names=r"bank account|account number|account no|acct no|acct #|kontonummer|numéro de compte|número de cuenta",
        source="https://www.fdic.gov/",
        wrong="bank account: 1111111111",
    ),
    national(
        "passport",
        "passport",
        "Passport number beside a word for it, of any country",
        r"[A-Z]{0,2}[0-9]{6,9}[A-Z]?",
        varied,
        lambda r: r.choice(UPPER) + _digits(r, 8),
        names=r"passport|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort|paszport|паспорт|护照|パスポート|여권|جواز",
        source="https://www.icao.int/publications/pages/publication.aspx?docnum=9303",
        wrong="passport: A11111111",
    ),
    national(
        "passport-letters",
        "passport",
        "Passport number of letters and digits, as in Germany, beside a word for it",
        r"[A-Z][A-Z0-9]{8}",
        _passport,
        lambda r: r.choice("CFGHJK") + "".join(r.choice("CFGHJKLMNPRTVWXYZ0123456789") for _ in range(8)),
        names=r"passport|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort|paszport|personalausweis|ausweis|id card",
        source="https://www.icao.int/publications/pages/publication.aspx?docnum=9303",
        wrong="passport: identical1",
    ),
    national(
        "vehicle-number",
        "vehicle_id",
        "Vehicle identification number beside a word for it",
        r"[A-HJ-NPR-Z0-9]{17}",
        lambda v: v.isupper() and sum(c.isdigit() for c in v) >= 3 and varied(v, 3),
        lambda r: "WVW" + "".join(r.choice("ABCDEFGHJKLMNPRSTUVWXYZ0123456789") for _ in range(8)) + _digits(r, 6),
        names=r"\bvin\b|vehicle identification|chassis|fahrgestell|fahrzeug-?ident|num(?:é|e)ro de s(?:é|e)rie|bastidor|telaio",
        source="https://www.iso.org/standard/52200.html",
        wrong="vin: 11111111111111111",
    ),
    national(
        "imei",
        "device_id",
        "Number of a mobile phone beside its name, with its Luhn digit",
        r"[0-9]{2}[- ]?[0-9]{6}[- ]?[0-9]{6}[- ]?[0-9]",
        lambda v: varied(v, 2) and luhn("".join(c for c in v if c.isdigit())),
        lambda r: "35" + _digits(r, 13),
        names=r"\bimei\b",
        source="https://www.gsma.com/newsroom/wp-content/uploads/TS.06-v18.0-IMEI-Allocation-and-Approval-Process.pdf",
        wrong="imei: 356938035643800",
    ),
    national(
        "uk-sort-code-account",
        "bank_account",
        "UK sort code and account number",
        r"[0-9]{2}-[0-9]{2}-[0-9]{2}[ ,/]{1,3}[0-9]{8}",
        varied,
        lambda r: f"{r.randint(10, 99)}-{r.randint(10, 99)}-{r.randint(10, 99)} {_digits(r, 8)}",
        names=r"sort code|account|a/c|bank|konto|iban",
        source="https://www.vocalink.com/tools/modulus-checking/",
        wrong="account 11-11-11 11111111",
    ),
    national(
        "driver-license",
        "driving_licence",
        "Driver's license number beside the whole words for it",
        r"[A-Z]{0,3}[0-9]{5,14}",
        lambda v: varied(v) and any(c.isalpha() for c in v),
        lambda r: r.choice(UPPER) + _digits(r, 8),
        names=r"driver license|driver.?s licen[cs]e(?: number| no\.?)?|driving licen[cs]e(?: number| no\.?)?|führerschein(?:nummer)?|permis de conduire|licencia de conducir|\bdl number\b|\bdl ?#|\bdl no\b",
        source="https://www.aamva.org/",
        wrong="driver's license: 11111111",
    ),
)
