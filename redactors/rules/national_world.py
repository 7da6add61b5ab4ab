"""National ids, tax, health and social security numbers of the Americas, Asia, Africa and Oceania, by their published check digits."""

from __future__ import annotations

from random import Random

from redactors.rules.digits import alnum, is_date, is_short_date, luhn, numbers, varied, verhoeff, weighted
from redactors.rules.model import Rule
from redactors.rules.national import national
from redactors.rules.samples import DIGITS, UPPER

_OECD = "https://www.oecd.org/tax/automatic-exchange/crs-implementation-and-assistance/tax-identification-numbers/"
_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def _digits(rng: Random, size: int) -> str:
    return rng.choice("123456789") + "".join(rng.choice(DIGITS) for _ in range(size - 1))


def _ymd(rng: Random) -> str:
    return f"{rng.randint(40, 99):02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"


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
    return (1 <= district <= 12 or 21 <= district <= 32 or 61 <= district <= 72) and varied(value) and weighted(value, (3, 7, 1) * 3) % 10 == 0


def dea(value: str) -> bool:
    """US registration of prescribers: two sums, the second doubled."""
    found = numbers(value)
    return varied(value) and (found[0] + found[2] + found[4] + 2 * (found[1] + found[3] + found[5])) % 10 == found[6]


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
    return is_short_date(int(text[:2]), int(text[2:4]), int(text[4:6])) and (1 <= int(text[6:8]) <= 59 or int(text[6:8]) in {82, 83, 98, 99})


def tc_kimlik(value: str) -> bool:
    """Turkish identity number: sums of odd and even places, modulo 10."""
    found = numbers(value)
    odd, even = sum(found[0:9:2]), sum(found[1:8:2])
    return found[0] != 0 and (odd * 7 - even) % 10 == found[9] and sum(found[:10]) % 10 == found[10]


def south_african_id(value: str) -> bool:
    """South African identity number: a date, a citizenship and Luhn."""
    text = "".join(map(str, numbers(value)))
    return is_short_date(int(text[:2]), int(text[2:4]), int(text[4:6])) and text[10] in "012" and luhn(text)


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


def _curp(rng: Random) -> str:
    return "".join(rng.choice("ABCDEFGLMPR") for _ in range(4)) + _ymd(rng) + rng.choice("HM") + "DF" + "".join(rng.choice("BCDFGLMN") for _ in range(3)) + "0" + rng.choice(DIGITS)


def _gstin(rng: Random) -> str:
    return f"{rng.randint(10, 37)}{''.join(rng.choice(UPPER) for _ in range(3))}P{rng.choice(UPPER)}{_digits(rng, 4)}{rng.choice(UPPER)}1Z{rng.choice(_ALNUM)}"


RULES: tuple[Rule, ...] = (
    national("us-itin", "itin", "US individual taxpayer number", r"9[0-9]{2}[- ](?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[- ][0-9]{4}", itin, lambda r: f"9{r.randint(10, 99)}-7{r.randint(0, 9)}-{_digits(r, 4)}", source="https://www.irs.gov/individuals/individual-taxpayer-identification-number", wrong="900-49-1234"),
    national("us-ein", "tax_id", "US employer number", r"[0-9]{2}-?[0-9]{7}", varied, lambda r: f"{r.randint(10, 98)}-{_digits(r, 7)}", names=r"\bein\b|employer identification|federal tax id|fein", source="https://www.irs.gov/businesses/small-businesses-self-employed/employer-id-numbers", wrong="ein: 11-1111111"),
    national("us-npi", "medical_id", "US national provider number", r"[12][0-9]{9}", npi, lambda r: "1" + _digits(r, 9), names=r"\bnpi\b|national provider", source="https://www.cms.gov/regulations-and-guidance/administrative-simplification/nationalprovidentstand", wrong="npi: 1234567890"),
    national("us-dea", "medical_id", "US registration of prescribers", r"[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}", dea, lambda r: "B" + r.choice(UPPER) + _digits(r, 7), names=r"\bdea\b|medical license|prescriber", source="https://www.deadiversion.usdoj.gov/", wrong="dea: AB1234567"),
    national("us-mbi", "health_id", "US Medicare beneficiary number", r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}", varied, lambda r: f"{r.randint(1, 9)}EG{r.randint(0, 9)}-T{r.choice('ACDE')}{r.randint(0, 9)}-MK{r.randint(10, 99)}", source="https://www.cms.gov/medicare/new-medicare-card", wrong="1EG4-TE1-MK1"),
    national("us-routing-number", "bank_account", "US bank routing number", r"[0-9]{9}", routing, lambda r: f"{r.randint(0, 1)}{r.randint(1, 2)}" + _digits(r, 7), names=r"routing|\baba\b|\brtn\b", source="https://www.aba.com/about-us/routing-number", wrong="routing: 123456789"),
    national("us-bank-account", "bank_account", "Bank account number beside a word for it", r"[0-9]{6,17}", varied, lambda r: _digits(r, 10), names=r"bank account|account number|account no|acct no|acct #|kontonummer|numéro de compte|número de cuenta", source="https://www.fdic.gov/", wrong="bank account: 1111111111"),
    national("passport", "passport", "Passport number beside a word for it, of any country", r"[A-Z]{0,2}[0-9]{6,9}[A-Z]?", varied, lambda r: r.choice(UPPER) + _digits(r, 8), names=r"passport|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort|paszport|паспорт|护照|パスポート|여권|جواز", source="https://www.icao.int/publications/pages/publication.aspx?docnum=9303", wrong="passport: A11111111"),
    national("driver-license", "driving_licence", "Driver's license number beside the whole words for it", r"[A-Z]{0,3}[0-9]{5,14}", lambda v: varied(v) and any(c.isalpha() for c in v), lambda r: r.choice(UPPER) + _digits(r, 8), names=r"driver license|driver.?s licen[cs]e(?: number| no\.?)?|driving licen[cs]e(?: number| no\.?)?|führerschein(?:nummer)?|permis de conduire|licencia de conducir|\bdl number\b", source="https://www.aamva.org/", wrong="driver's license: 11111111"),
    national("ca-sin", "social_security_number", "Canadian social insurance number", r"[1-79][0-9]{2}[- ]?[0-9]{3}[- ]?[0-9]{3}", sin, lambda r: _grouped(r.choice("1245679") + _digits(r, 8), r.choice(" -"), 3, 3, 3), names=r"\bsin\b|social insurance|assurance sociale|\bnas\b", source="https://www.canada.ca/en/employment-social-development/services/sin.html", wrong="sin: 123-456-789"),
    national("br-cpf", "tax_id", "Brazilian CPF", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf, lambda r: f"{_grouped(_digits(r, 9), '.', 3, 3, 3)}-{_digits(r, 2)}", source=_OECD, wrong="123.456.789-00"),
    national("br-cpf-named", "tax_id", "Brazilian CPF without points, beside its name", r"[0-9]{11}", cpf, lambda r: _digits(r, 11), names=r"\bcpf\b", source=_OECD, wrong="cpf: 12345678900"),
    national("br-cnpj", "tax_id", "Brazilian CNPJ", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}", cnpj, lambda r: f"{_grouped(_digits(r, 8), '.', 2, 3, 3)}/0001-{_digits(r, 2)}", source=_OECD, wrong="11.222.333/0001-82"),
    national("mx-curp", "national_id", "Mexican CURP", r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]", curp, _curp, source="https://www.gob.mx/curp/", wrong="BOXW310820HNERXN08"),
    national("ar-cuit", "tax_id", "Argentine CUIT and CUIL", r"(?:20|23|24|25|26|27|30|33|34)-[0-9]{8}-[0-9]", cuit, lambda r: f"20-{_digits(r, 8)}-{r.choice(DIGITS)}", source=_OECD, wrong="20-12345678-9"),
    national("cl-rut", "national_id", "Chilean RUT", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]", rut, lambda r: f"{_grouped(_digits(r, 8), '.', 2, 3, 3)}-{r.choice('0123456789K')}", source=_OECD, wrong="12.345.678-0"),
    national("in-aadhaar", "national_id", "Indian Aadhaar number in groups", r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}", aadhaar, lambda r: _grouped(r.choice("23456789") + _digits(r, 11), r.choice(" -"), 4, 4, 4), source="https://uidai.gov.in/", wrong="2341 2341 2341"),
    national("in-aadhaar-named", "national_id", "Indian Aadhaar number beside its name", r"[2-9][0-9]{11}", aadhaar, lambda r: r.choice("23456789") + _digits(r, 11), names=r"aadhaar|aadhar|uidai|आधार", source="https://uidai.gov.in/", wrong="aadhaar: 234123412341"),
    national("in-pan", "tax_id", "Indian PAN", r"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]", lambda v: varied(v, 2), lambda r: f"{''.join(r.choice(UPPER) for _ in range(3))}P{r.choice(UPPER)}{_digits(r, 4)}{r.choice(UPPER)}", source="https://incometaxindia.gov.in/", wrong="ABCDE1234F"),
    national("in-gstin", "tax_id", "Indian GSTIN", r"[0-3][0-9][A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]", gstin, _gstin, source="https://www.gst.gov.in/", wrong="27AAPFU0939F1ZX"),
    national("in-voter-id", "national_id", "Indian voter card", r"[A-Z]{3}[0-9]{7}", varied, lambda r: "".join(r.choice(UPPER) for _ in range(3)) + _digits(r, 7), names=r"voter|epic no|election card", source="https://eci.gov.in/", wrong="voter: ABC1111111"),
    national("au-tfn", "tax_id", "Australian tax file number", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{2,3}", lambda v: len(numbers(v)) == 9 and tfn(v), lambda r: _grouped(_digits(r, 9), " ", 3, 3, 3), names=r"\btfn\b|tax file", source="https://www.ato.gov.au/", wrong="tfn: 123 456 789"),
    national("au-medicare", "health_id", "Australian Medicare number", r"[2-6][0-9]{3}[ -]?[0-9]{5}[ -]?[0-9]", medicare, lambda r: _grouped(r.choice("23456") + _digits(r, 9), " ", 4, 5, 1), names=r"medicare", source="https://www.servicesaustralia.gov.au/medicare", wrong="medicare: 2123 45678 1"),
    national("au-abn", "tax_id", "Australian business number", r"[1-9][0-9](?: ?[0-9]{3}){3}", abn, lambda r: _grouped(_digits(r, 11), " ", 2, 3, 3, 3), names=r"\babn\b|business number", source="https://abr.business.gov.au/Help/AbnFormat", wrong="abn: 51 824 753 557"),
    national("nz-ird", "tax_id", "New Zealand tax number", r"[0-9]{2,3}-?[0-9]{3}-?[0-9]{3}", ird, lambda r: f"{r.randint(10, 149)}-{_digits(r, 3)}-{_digits(r, 3)}", names=r"\bird\b|inland revenue", source="https://www.ird.govt.nz/", wrong="ird: 49-091-851"),
    national("cn-resident-id", "national_id", "Chinese resident identity number", r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]", resident_id, lambda r: f"11010{r.randint(1, 9)}19{_ymd(r)}{_digits(r, 3)}{r.choice('0123456789X')}", source="https://openstd.samr.gov.cn/bzgk/gb/newGbInfo?hcno=080D6FBF2BB468F9007657F26D60013E", wrong="110101199003070000"),
    national("kr-rrn", "national_id", "Korean resident number", r"[0-9]{2}[01][0-9][0-3][0-9]-[1-8][0-9]{6}", rrn, lambda r: f"{_ymd(r)}-{r.choice('12')}{_digits(r, 6)}", source="https://www.law.go.kr/", wrong="900101-1234560"),
    national("jp-my-number", "national_id", "Japanese individual number", r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", my_number, lambda r: _digits(r, 12), names=r"my number|マイナンバー|個人番号", source="https://www.digital.go.jp/policies/mynumber", wrong="my number: 123456789012"),
    national("sg-nric", "national_id", "Singapore NRIC and FIN", r"[STFGM][0-9]{7}[A-Z]", nric, lambda r: r.choice("STFG") + _digits(r, 7) + r.choice(UPPER), source="https://www.ica.gov.sg/", wrong="S1234567A"),
    national("hk-id", "national_id", "Hong Kong identity card", r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)", hkid, lambda r: f"{r.choice(UPPER)}{_digits(r, 6)}({r.choice('0123456789A')})", names=r"hkid|hong kong id|identity card|身份證", source="https://www.immd.gov.hk/", wrong="hkid: A123456(7)"),
    national("tw-id", "national_id", "Taiwanese identity card", r"[A-Z][1289][0-9]{8}", taiwan_id, lambda r: r.choice(UPPER) + r.choice("12") + _digits(r, 8), source="https://www.ris.gov.tw/", wrong="A123456780"),
    national("th-national-id", "national_id", "Thai identity card", r"[1-8]-?[0-9]{4}-?[0-9]{5}-?[0-9]{2}-?[0-9]", thai_id, lambda r: r.choice("12345678") + _digits(r, 12), names=r"thai id|national id|citizen id|บัตรประชาชน", source="https://www.bora.dopa.go.th/", wrong="thai id: 1234567890123"),
    national("my-mykad", "national_id", "Malaysian identity card", r"[0-9]{2}[01][0-9][0-3][0-9]-[0-9]{2}-[0-9]{4}", mykad, lambda r: f"{_ymd(r)}-{r.randint(10, 16)}-{_digits(r, 4)}", source="https://www.jpn.gov.my/", wrong="991332-14-1234"),
    national("id-nik", "national_id", "Indonesian NIK", r"[1-9][0-9]{15}", lambda v: varied(v) and 1 <= int(v[6:8]) % 40 <= 31 and 1 <= int(v[8:10]) <= 12, lambda r: f"{r.randint(110101, 947199)}{r.randint(1, 28):02d}{r.randint(1, 12):02d}{r.randint(50, 99)}{_digits(r, 4)}", names=r"\bnik\b|\bktp\b|nomor induk", source="https://dukcapil.kemendagri.go.id/", wrong="nik: 3201239913900001"),
    national("tr-tc-kimlik", "national_id", "Turkish identity number", r"[1-9][0-9]{10}", tc_kimlik, lambda r: _digits(r, 11), names=r"tc kimlik|t\.c\.|kimlik no|\btckn\b", source="https://www.nvi.gov.tr/", wrong="tc kimlik: 12345678901"),
    national("za-id", "national_id", "South African identity number", r"[0-9]{2}[01][0-9][0-3][0-9][0-9]{4}[012][0-9]{2}", south_african_id, lambda r: f"{_ymd(r)}{_digits(r, 4)}08{r.choice(DIGITS)}", names=r"sa id|south african id|identity number|id number", source="https://www.dha.gov.za/", wrong="sa id: 8001015009080"),
    national("il-id", "national_id", "Israeli identity number", r"[0-9]{9}", teudat_zehut, lambda r: _digits(r, 9), names=r"teudat zehut|israeli id|תעודת זהות|ת\.ז", source="https://www.gov.il/", wrong="teudat zehut: 123456789"),
    national("ru-snils", "social_security_number", "Russian insurance number", r"[0-9]{3}-[0-9]{3}-[0-9]{3} [0-9]{2}", snils, lambda r: f"{_grouped(_digits(r, 9), '-', 3, 3, 3)} {_digits(r, 2)}", source="https://sfr.gov.ru/", wrong="112-233-445 94"),
    national("ru-inn", "tax_id", "Russian tax number of a person", r"[0-9]{12}", inn, lambda r: _digits(r, 12), names=r"\binn\b|инн|ИНН", source="https://www.nalog.gov.ru/", wrong="inn: 500100732258"),
)
