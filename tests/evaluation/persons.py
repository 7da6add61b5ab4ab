"""Personal data with true check digits, written down for the evaluation alone.

Formulas are those of the issuing authorities, as Wikipedia's articles on the numbers describe them.
"""

# ruff: noqa: E501
# Tables and samples are read whole.
from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.evaluation.draws import ALPHABETS, DIGITS, LOWER, UPPER, draw

Make = Callable[[Random], str]

_FIRST = (
    "anna", "john", "maria", "lukas", "sofia", "ahmed", "yuki", "olga", "pierre", "ines", "tomasz", "emre", "chloe", "raj", "wei", "lena", "marco", "nils",
)  # fmt: skip
_LAST = (
    "schmidt", "garcia", "rossi", "kowalski", "tanaka", "ivanov", "dupont", "silva", "yilmaz", "jensen", "patel", "oconnor", "novak", "larsen", "weber",
)  # fmt: skip
_DOMAINS = (
    "gmail.com",
    "outlook.com",
    "gmx.de",
    "orange.fr",
    "libero.it",
    "yahoo.co.jp",
    "mail.ru",
    "proton.me",
    "web.de",
    "icloud.com",
    "qq.com",
)


def _digits(rng: Random, size: int) -> str:
    return "".join(rng.choice(DIGITS) for _ in range(size))


def _nonzero(rng: Random, size: int) -> str:
    return str(rng.randint(1, 9)) + _digits(rng, size - 1)


def luhn(body: str) -> str:
    """The body with its Luhn digit."""
    total = 0
    for index, character in enumerate(reversed(body)):
        number = int(character) * (2 if index % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return body + str(-total % 10)


def weighted(body: str, weights: tuple[int, ...]) -> int:
    """The sum of digits times weights."""
    return sum(int(c) * w for c, w in zip(body, weights, strict=True))


def _until(make: Callable[[], str | None]) -> str:
    while True:
        value = make()
        if value is not None:
            return value


def _day(rng: Random) -> tuple[int, int, int]:
    return rng.randint(1940, 2005), rng.randint(1, 12), rng.randint(1, 28)


def mail(rng: Random) -> str:
    """A mail address of a person or a company."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    local = rng.choice(
        (f"{first}.{last}", f"{first}{rng.randint(1, 99)}", f"{first[0]}{last}", f"{first}_{last}", f"{first}+news", f"{first}-{last}")
    )
    domain = rng.choice(
        (
            *_DOMAINS,
            f"{draw(rng, LOWER, 7)}.{rng.choice(('com', 'io', 'de', 'co.uk', 'com.br', 'ai', 'fr'))}",
            f"mail.{draw(rng, LOWER, 6)}.org",
        )
    )
    address = f"{local}@{domain}"
    return address if rng.random() < 0.9 else address.title().replace(".Com", ".com")


def phone(rng: Random) -> str:
    """A phone number in one of the forms of ten countries."""
    us = f"{rng.choice((212, 415, 617, 303, 206, 312, 512))}"
    mid, end = str(rng.randint(220, 989)), f"{rng.randint(0, 9999):04d}"
    return rng.choice(
        (
            f"+1 {us}-{mid}-{end}",
            f"({us}) {mid}-{end}",
            f"+1{us}{mid}{end}",
            f"{us}-{mid}-{end}",
            f"+1 ({us}) {mid}-{end}",
            f"+44 7{rng.randint(400, 599)} {rng.randint(100000, 999999)}",
            f"+44 20 7{rng.randint(100, 999)} {rng.randint(1000, 9999)}",
            f"+49 30 {rng.randint(2000000, 8999999)}",
            f"+49 17{rng.choice('0156')} {rng.randint(2000000, 9999999)}",
            f"+33 6 {' '.join(f'{rng.randint(10, 99)}' for _ in range(4))}",
            f"+34 6{rng.randint(10, 99)} {rng.randint(100, 999)} {rng.randint(100, 999)}",
            f"+39 34{rng.randint(0, 9)} {rng.randint(1000000, 9999999)}",
            f"+55 11 9{rng.randint(5000, 9999)}-{rng.randint(1000, 9999)}",
            f"+91 9{rng.randint(1000, 9999)} {rng.randint(10000, 99999)}",
            f"+81 90-{rng.randint(2000, 9999)}-{rng.randint(1000, 9999)}",
            f"+86 138 {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}",
            f"+48 60{rng.randint(0, 9)} {rng.randint(100, 999)} {rng.randint(100, 999)}",
            f"+31 6 {rng.randint(10000000, 58999999)}",
        )
    )


def card(rng: Random) -> str:
    """A payment card of four issuers, in groups or not."""
    kind = rng.randrange(5)
    if kind == 4:
        number = luhn(rng.choice(("34", "37")) + _digits(rng, 12))
        return rng.choice((number, f"{number[:4]} {number[4:10]} {number[10:]}", f"{number[:4]}-{number[4:10]}-{number[10:]}"))
    number = luhn(
        (
            "4" + _digits(rng, 14),
            f"5{rng.randint(1, 5)}" + _digits(rng, 13),
            "6011" + _digits(rng, 11),
            f"{rng.randint(2221, 2720)}" + _digits(rng, 11),
        )[kind]
    )
    joint = rng.choice(("", " ", "-"))
    return joint.join(number[i : i + 4] for i in range(0, 16, 4))


_BBAN: tuple[tuple[str, Make], ...] = (
    ("DE", lambda r: _nonzero(r, 18)),
    ("FR", lambda r: _digits(r, 10) + draw(r, DIGITS + UPPER, 11) + _digits(r, 2)),
    ("GB", lambda r: draw(r, UPPER, 4) + _digits(r, 14)),
    ("NL", lambda r: draw(r, UPPER, 4) + _digits(r, 10)),
    ("ES", lambda r: _digits(r, 20)),
    ("IT", lambda r: draw(r, UPPER, 1) + _digits(r, 22)),
    ("BE", lambda r: _digits(r, 12)),
    ("CH", lambda r: _digits(r, 17)),
    ("AT", lambda r: _digits(r, 16)),
    ("PL", lambda r: _digits(r, 24)),
    ("SE", lambda r: _digits(r, 20)),
    ("NO", lambda r: _digits(r, 11)),
    ("PT", lambda r: _digits(r, 21)),
    ("IE", lambda r: draw(r, UPPER, 4) + _digits(r, 14)),
    ("TR", lambda r: _digits(r, 5) + "0" + _digits(r, 16)),
)


def iban(rng: Random) -> str:
    """An account number of one of fifteen countries, in groups or not (ISO 13616)."""
    country, make = rng.choice(_BBAN)
    body = make(rng)
    number = int("".join(str(int(c, 36)) for c in f"{body}{country}00"))
    text = f"{country}{98 - number % 97:02d}{body}"
    return text if rng.random() < 0.5 else " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def ssn(rng: Random) -> str:
    """A US social security number."""
    return f"{rng.choice([*range(1, 666), *range(667, 900)]):03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def ip(rng: Random) -> str:
    """A public address of version 4 or 6."""
    if rng.random() < 0.75:
        return f"{rng.choice((5, 23, 46, 62, 78, 81, 89, 93, 109, 151, 176, 185, 194, 203, 212))}.{rng.randint(30, 250)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    head = rng.choice(("2a00", "2a02", "2607", "2001:4860", "2400"))
    groups = [draw(rng, ALPHABETS["h"], 4) for _ in range(3)]
    return (
        f"{head}:{':'.join(groups)}::{rng.randint(1, 9999):x}"
        if rng.random() < 0.5
        else f"{head}:" + ":".join(draw(rng, ALPHABETS["h"], 4) for _ in range(7 - head.count(":")))
    )


CORE: dict[str, Make] = {"mail": mail, "phone": phone, "card": card, "iban": iban, "ssn": ssn, "ip": ip}

CORE_FRAMES = {
    "mail": (
        "please write to {s}, thanks", "From: {s}", "<{s}>", '{"email": "{s}"}', "user {s} logged in", "mailto:{s}", "Kontakt: {s}.", "escribe a {s}",
        "我的邮箱是{s}，请联系我", "メールは{s}です", "{s};{s}", "https://x.example.net/u?email={s}&a=1", "contact={s}", "почта {s}",
    ),
    "phone": (
        "call me at {s}", "Tel.: {s}", '{"phone": "{s}"}', "my number is {s}, ok?", "Telefon: {s}", "mon numéro : {s}", "llámame al {s}",
        "电话 {s}", "WhatsApp {s}", "| phone | {s} |", "phone={s}", "sms to {s} failed", "мой телефон {s}",
    ),
    "card": (
        "my card is {s}", "card number: {s}, exp 04/27", '{"pan": "{s}"}', "Kreditkarte {s}", "charged {s} twice", "tarjeta {s}", "{s}", "carte bancaire : {s}",
        "card={s}&amount=10", "カード番号は{s}です", "paid with {s}.",
    ),
    "iban": ("IBAN: {s}", "please wire to {s}", '{"iban": "{s}"}', "Konto {s}, danke", "mon IBAN est {s}.", "{s}", "cuenta {s}", "rekening {s}"),
    "ssn": ("my SSN is {s}", "SSN: {s}", '{"ssn": "{s}"}', "social security number {s}.", "{s} is her social", "ssn={s}"),
    "ip": ("connection from {s} refused", "client {s}:443", '{"ip": "{s}"}', "ssh root@{s}", "Host {s} is down", "remote_addr={s} status=200", "ping {s}", "[{s}]", "peer {s}, port 22"),
}  # fmt: skip


def _nino(r: Random) -> str:
    a = draw(r, "ABCEGHJKLMNPRSTWXYZ", 1) + draw(r, "ABCEGHJKLMNPRSTWXYZ", 1)
    if a in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}:
        return _nino(r)
    d = _digits(r, 6)
    return f"{a}{d}{r.choice('ABCD')}" if r.random() < 0.5 else f"{a} {d[:2]} {d[2:4]} {d[4:]} {r.choice('ABCD')}"


def _nhs(r: Random) -> str:
    def make() -> str | None:
        body = _nonzero(r, 9)
        check = 11 - weighted(body, tuple(range(10, 1, -1))) % 11
        return None if check == 10 else body + str(check % 11)

    text = _until(make)
    return f"{text[:3]} {text[3:6]} {text[6:]}"


def _steuer(r: Random) -> str:
    def make() -> str | None:
        pool = list(DIGITS)
        r.shuffle(pool)
        body = [*pool[:9], pool[r.randrange(9)]]
        r.shuffle(body)
        if body[0] == "0":
            return None
        product = 10
        for character in body:
            total = (int(character) + product) % 10 or 10
            product = total * 2 % 11
        return "".join(body) + str((11 - product) % 10)

    text = _until(make)
    return text if r.random() < 0.5 else f"{text[:2]} {text[2:5]} {text[5:8]} {text[8:]}"


def _nir(r: Random) -> str:
    body = f"{r.choice('12')}{r.randint(40, 99)}{r.randint(1, 12):02d}{r.randint(1, 95):02d}{r.randint(1, 990):03d}{r.randint(1, 999):03d}"
    key = 97 - int(body) % 97
    return f"{body}{key:02d}" if r.random() < 0.5 else f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {key:02d}"


def _dni(r: Random) -> str:
    number = r.randint(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _nie(r: Random) -> str:
    lead, number = r.randrange(3), r.randint(1_000_000, 9_999_999)
    return f"{'XYZ'[lead]}{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(f'{lead}{number}') % 23]}"


_ODD = dict(
    zip(
        DIGITS + UPPER,
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)


def _fiscale(r: Random) -> str:
    year, _, day = _day(r)
    consonants = "BCDFGLMNPRSTVZ"
    body = (
        draw(r, consonants, 6)
        + f"{year % 100:02d}"
        + r.choice("ABCDEHLMPRST")
        + f"{day + r.choice((0, 40)):02d}"
        + r.choice("ABCDEFGHIL")
        + f"{r.randint(100, 999)}"
    )
    total = sum(_ODD[c] if i % 2 == 0 else (int(c) if c.isdigit() else ord(c) - 65) for i, c in enumerate(body))
    return body + chr(65 + total % 26)


def _pesel(r: Random) -> str:
    year, month, day = _day(r)
    body = f"{year % 100:02d}{month + (20 if year >= 2000 else 0):02d}{day:02d}{_digits(r, 4)}"
    return body + str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _cpf(r: Random) -> str:
    body = _digits(r, 9)
    for size in (10, 11):
        rest = weighted(body, tuple(range(size, 1, -1))) * 10 % 11
        body += str(rest % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}" if r.random() < 0.7 else body


def _cnpj(r: Random) -> str:
    body = _digits(r, 8) + "0001"
    for weights in ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)):
        rest = weighted(body, weights) % 11
        body += str(0 if rest < 2 else 11 - rest)
    return f"{body[:2]}.{body[2:5]}.{body[5:8]}/{body[8:12]}-{body[12:]}"


_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_P = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258")


def _aadhaar(r: Random) -> str:
    body = str(r.randint(2, 9)) + _digits(r, 10)
    check = 0
    for index, character in enumerate(reversed(body)):
        check = int(_D[check][int(_P[(index + 1) % 8][int(character)])])
    last = next(d for d in DIGITS if _D[check][int(d)] == "0")
    text = body + last
    return f"{text[:4]} {text[4:8]} {text[8:]}" if r.random() < 0.7 else text


def _pan(r: Random) -> str:
    return draw(r, UPPER, 3) + r.choice("PCHFT") + draw(r, UPPER, 1) + _nonzero(r, 4) + draw(r, UPPER, 1)


def _chinese(r: Random) -> str:
    year, month, day = _day(r)
    body = f"{r.choice((110101, 310104, 440305, 330106, 510104))}{year}{month:02d}{day:02d}{_digits(r, 3)}"
    return body + "10X98765432"[weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def _mynumber(r: Random) -> str:
    body = _nonzero(r, 11)
    rest = weighted(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return body + str(0 if rest <= 1 else 11 - rest)


def _rrn(r: Random) -> str:
    year, month, day = _day(r)
    body = f"{year % 100:02d}{month:02d}{day:02d}{r.choice('34') if year >= 2000 else r.choice('12')}{_digits(r, 5)}"
    check = (11 - weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return f"{body[:6]}-{body[6:]}{check}"


def _tfn(r: Random) -> str:
    def make() -> str | None:
        text = _nonzero(r, 9)
        return text if weighted(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 else None

    text = _until(make)
    return f"{text[:3]} {text[3:6]} {text[6:]}"


def _abn(r: Random) -> str:
    def make() -> str | None:
        text = _nonzero(r, 11)
        return text if weighted(str(int(text[0]) - 1) + text[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0 else None

    text = _until(make)
    return f"{text[:2]} {text[2:5]} {text[5:8]} {text[8:]}"


def _sin(r: Random) -> str:
    text = luhn(str(r.choice((1, 2, 4, 5, 6, 7))) + _digits(r, 7))
    joint = r.choice((" ", "-", ""))
    return joint.join((text[:3], text[3:6], text[6:]))


def _bsn(r: Random) -> str:
    def make() -> str | None:
        text = _nonzero(r, 9)
        return text if weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 else None

    return _until(make)


def _belgian(r: Random) -> str:
    year, month, day = _day(r)
    body = f"{year % 100:02d}{month:02d}{day:02d}{r.randint(1, 997):03d}"
    check = 97 - int(("2" if year >= 2000 else "") + body) % 97
    return f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{check:02d}"


def _personnummer(r: Random) -> str:
    year, month, day = _day(r)
    body = luhn(f"{year % 100:02d}{month:02d}{day:02d}{_digits(r, 3)}")
    return f"{year // 100 if r.random() < 0.5 else ''}{body[:6]}-{body[6:]}"


def _hetu(r: Random) -> str:
    year, month, day = _day(r)
    head, serial = f"{day:02d}{month:02d}{year % 100:02d}", f"{r.randint(2, 899):03d}"
    return f"{head}{'A' if year >= 2000 else '-'}{serial}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(head + serial) % 31]}"


def _fodselsnummer(r: Random) -> str:
    def make() -> str | None:
        year, month, day = _day(r)
        body = f"{day:02d}{month:02d}{year % 100:02d}{r.randint(0, 499) if year < 2000 else r.randint(500, 999):03d}"
        first = (11 - weighted(body, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11) % 11
        if first == 10:
            return None
        second = (11 - weighted(f"{body}{first}", (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11
        return None if second == 10 else f"{body}{first}{second}"

    return _until(make)


def _ahv(r: Random) -> str:
    body = "756" + _digits(r, 9)
    text = body + str(-weighted(body, (1, 3) * 6) % 10)
    return f"{text[:3]}.{text[3:7]}.{text[7:11]}.{text[11:]}"


def _svnr(r: Random) -> str:
    def make() -> str | None:
        year, month, day = _day(r)
        serial, birth = f"{r.randint(100, 999)}", f"{day:02d}{month:02d}{year % 100:02d}"
        check = (weighted(serial, (3, 7, 9)) + weighted(birth, (5, 8, 4, 2, 1, 6))) % 11
        return None if check == 10 else f"{serial}{check} {birth}"

    return _until(make)


def _nif(r: Random) -> str:
    body = r.choice("12") + _digits(r, 7)
    rest = weighted(body, tuple(range(9, 1, -1))) % 11
    return body + str(0 if rest < 2 else 11 - rest)


def _rodne(r: Random) -> str:
    def make() -> str | None:
        year, month, day = r.randint(1955, 1999), r.randint(1, 12), r.randint(1, 28)
        body = f"{year % 100:02d}{month + r.choice((0, 50)):02d}{day:02d}{_digits(r, 3)}"
        rest = int(body) % 11
        return None if rest == 10 else f"{body[:6]}/{body[6:]}{rest}"

    return _until(make)


def _cnp(r: Random) -> str:
    year, month, day = r.randint(1940, 1999), r.randint(1, 12), r.randint(1, 28)
    body = f"{r.choice('12')}{year % 100:02d}{month:02d}{day:02d}{r.randint(1, 46):02d}{r.randint(1, 999):03d}"
    rest = weighted(body, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return body + str(1 if rest == 10 else rest)


def _egn(r: Random) -> str:
    year, month, day = r.randint(1940, 1999), r.randint(1, 12), r.randint(1, 28)
    body = f"{year % 100:02d}{month:02d}{day:02d}{_digits(r, 3)}"
    return body + str(weighted(body, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10)


def _tckn(r: Random) -> str:
    body = _nonzero(r, 9)
    odd, even = sum(int(c) for c in body[::2]), sum(int(c) for c in body[1::2])
    tenth = (odd * 7 - even) % 10
    return body + str(tenth) + str((odd + even + tenth) % 10)


def _south_african(r: Random) -> str:
    year, month, day = _day(r)
    return luhn(f"{year % 100:02d}{month:02d}{day:02d}{_digits(r, 4)}{r.choice('01')}8")


def _curp(r: Random) -> str:
    year, month, day = r.randint(1940, 1999), r.randint(1, 12), r.randint(1, 28)
    body = (
        r.choice("BCDFGHLMPRST")
        + r.choice("AEIOU")
        + draw(r, "BCDFGHLMPRST", 2)
        + f"{year % 100:02d}{month:02d}{day:02d}"
        + r.choice("HM")
        + r.choice(("DF", "JC", "NL", "MC", "PL"))
        + draw(r, "BCDFGHLMNPRST", 3)
        + r.choice(DIGITS)
    )
    values = DIGITS + "ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(values.index(c) * (18 - i) for i, c in enumerate(body))
    return body + str(-total % 10)


def _nric(r: Random) -> str:
    lead, body = r.choice("ST"), _digits(r, 7)
    total = weighted(body, (2, 7, 6, 5, 4, 3, 2)) + (4 if lead == "T" else 0)
    return f"{lead}{body}{'JZIHGFEDCBA'[total % 11]}"


def _oib(r: Random) -> str:
    body, product = _nonzero(r, 10), 10
    for character in body:
        product = ((int(character) + product) % 10 or 10) * 2 % 11
    return body + str((11 - product) % 10)


def _npi(r: Random) -> str:
    body = r.choice("12") + _digits(r, 8)
    return body + luhn("80840" + body)[-1]


def _mbi(r: Random) -> str:
    letters = "ACDEFGHJKMNPQRTUVWXY"
    return f"{r.randint(1, 9)}{r.choice(letters)}{r.choice(letters + DIGITS)}{r.choice(DIGITS)}-{r.choice(letters)}{r.choice(letters + DIGITS)}{r.choice(DIGITS)}-{r.choice(letters)}{r.choice(letters)}{_digits(r, 2)}"


def _imei(r: Random) -> str:
    return luhn(r.choice(("35", "86", "01")) + _digits(r, 12))


def _vin(r: Random) -> str:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ" + DIGITS
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
    body = r.choice(("1HG", "WVW", "JTD", "5YJ")) + draw(r, letters, 5) + "0" + draw(r, letters, 8)
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    rest = sum((int(c) if c.isdigit() else values[c]) * w for c, w in zip(body, weights, strict=True)) % 11
    return body[:8] + ("X" if rest == 10 else str(rest)) + body[9:]


def _ein(r: Random) -> str:
    return f"{r.choice((12, 20, 27, 35, 46, 52, 81, 94))}-{_digits(r, 7)}"


def _itin(r: Random) -> str:
    return f"9{_digits(r, 2)}-{r.choice((70, 75, 78, 82, 88, 90, 92, 94, 99))}-{r.randint(1000, 9999)}"


def _dob(r: Random) -> str:
    year, month, day = _day(r)
    return r.choice(
        (f"{year}-{month:02d}-{day:02d}", f"{day:02d}.{month:02d}.{year}", f"{month:02d}/{day:02d}/{year}", f"{day:02d}/{month:02d}/{year}")
    )


def _hkid(r: Random) -> str:
    lead, body = r.choice(UPPER), _digits(r, 6)
    rest = (11 - (36 * 9 + (ord(lead) - 55) * 8 + weighted(body, (7, 6, 5, 4, 3, 2))) % 11) % 11
    return f"{lead}{body}({'A' if rest == 10 else rest})"


def _thai(r: Random) -> str:
    body = r.choice("12345678") + draw(
        r, DIGITS, 11
    )  # the first digit tells the kind of person: 1 to 8 (Thai Department of Provincial Administration)
    check = (11 - weighted(body, tuple(range(13, 1, -1))) % 11) % 10
    text = f"{body}{check}"
    return f"{text[0]}-{text[1:5]}-{text[5:10]}-{text[10:12]}-{text[12]}"


def _mac(r: Random) -> str:
    return r.choice((":", "-")).join(draw(r, ALPHABETS["h"], 2) for _ in range(6))


def _amka(r: Random) -> str:
    year, month, day = _day(r)
    return luhn(f"{day:02d}{month:02d}{year % 100:02d}{_digits(r, 4)}")


def _israeli(r: Random) -> str:
    body = _digits(r, 8)
    total = 0
    for index, character in enumerate(body):
        number = int(character) * (1 + index % 2)
        total += number - 9 if number > 9 else number
    return body + str(-total % 10)


PATTERNS: tuple[tuple[Make, tuple[str, ...]], ...] = (
    (_nino, ("National Insurance number: {s}", "my NI number is {s}", '{"nino": "{s}"}')),
    (_nhs, ("NHS number {s}", "patient NHS no. {s}, please check")),
    (_steuer, ("Steuer-ID: {s}", "meine Steueridentifikationsnummer ist {s}.", '{"steuer_id": "{s}"}')),
    (_nir, ("numéro de sécurité sociale : {s}", "NIR {s}", "n° sécu {s}")),
    (_dni, ("DNI: {s}", "mi DNI es {s}", "DNI {s}, Madrid")),
    (_nie, ("NIE {s}", "su NIE es {s}.")),
    (_fiscale, ("codice fiscale {s}", "CF: {s}", "il mio codice fiscale è {s}.")),
    (_pesel, ("PESEL: {s}", "mój PESEL to {s}")),
    (_cpf, ("CPF: {s}", "meu CPF é {s}", '{"cpf": "{s}"}')),
    (_cnpj, ("CNPJ {s}", "CNPJ da empresa: {s}")),
    (_aadhaar, ("Aadhaar: {s}", "my aadhaar number is {s}")),
    (_pan, ("PAN: {s}", "PAN card {s}")),
    (_chinese, ("身份证号：{s}", "身份证号码是{s}", "ID card {s}")),
    (_mynumber, ("マイナンバー: {s}", "マイナンバーは{s}です", "My Number {s}")),
    (_rrn, ("주민등록번호 {s}", "주민번호: {s}", "RRN {s}")),
    (_tfn, ("TFN: {s}", "my tax file number is {s}")),
    (_abn, ("ABN {s}", "ABN: {s}")),
    (_sin, ("SIN: {s}", "my social insurance number is {s}", "NAS {s}")),
    (_bsn, ("BSN: {s}", "mijn burgerservicenummer is {s}")),
    (_belgian, ("rijksregisternummer {s}", "numéro national : {s}", "INSZ {s}")),
    (_personnummer, ("personnummer {s}", "mitt personnummer är {s}")),
    (_hetu, ("henkilötunnus {s}", "HETU: {s}", "hetuni on {s}")),
    (_fodselsnummer, ("fødselsnummer {s}", "fødselsnummeret mitt er {s}")),
    (_ahv, ("AHV-Nummer {s}", "AHV {s}", "numéro AVS {s}", "{s}")),
    (_svnr, ("SVNR: {s}", "Sozialversicherungsnummer {s}")),
    (_nif, ("NIF: {s}", "o meu NIF é {s}", "contribuinte {s}")),
    (_rodne, ("rodné číslo {s}", "rodné číslo: {s}", "RČ {s}")),
    (_cnp, ("CNP: {s}", "CNP {s}")),
    (_egn, ("ЕГН: {s}", "ЕГН {s}")),
    (_tckn, ("TC kimlik no: {s}", "T.C. Kimlik No {s}", "TCKN {s}")),
    (_south_african, ("SA ID number {s}", "RSA ID: {s}", "my ID number is {s}")),
    (_curp, ("CURP: {s}", "mi CURP es {s}", "{s}")),
    (_nric, ("NRIC: {s}", "my NRIC is {s}", "FIN/NRIC {s}")),
    (_oib, ("OIB: {s}", "moj OIB je {s}")),
    (_npi, ("NPI: {s}", "provider NPI {s}")),
    (_mbi, ("Medicare number {s}", "MBI: {s}")),
    (_imei, ("IMEI: {s}", "IMEI {s}")),
    (_vin, ("VIN: {s}", "vehicle identification number {s}")),
    (_ein, ("EIN: {s}", "our EIN is {s}", "employer identification number {s}")),
    (_itin, ("ITIN: {s}", "ITIN {s}")),
    (_dob, ("date of birth: {s}", "DOB {s}", "born on {s}", "geboren am {s}", "né le {s}", "fecha de nacimiento: {s}", '{"birthdate": "{s}"}', "data di nascita {s}", "生年月日: {s}", "出生日期：{s}")),
    (_hkid, ("HKID: {s}", "身份證號碼 {s}", "HKID {s}")),
    (_thai, ("เลขบัตรประชาชน {s}", "Thai ID {s}")),
    (_mac, ("MAC address {s}", "mac={s}", "wlan0: {s}")),
    (_amka, ("ΑΜΚΑ: {s}", "AMKA {s}")),
    (_israeli, ("תעודת זהות {s}", "ת.ז. {s}", "teudat zehut {s}")),
    (lambda r: draw(r, "CFGHJKLMNPRTVWXYZ", 1) + draw(r, "CFGHJKLMNPRTVWXYZ0123456789", 8), ("Reisepassnummer {s}", "passport number: {s}", "passport no. {s}")),
    (lambda r: _nonzero(r, 9), ("passport number {s}", "US passport: {s}", "numéro de passeport : {s}")),
    (lambda r: r.choice(UPPER) + _digits(r, 7), ("driver's license: {s}", "driver license number {s}", "Führerschein {s}", "DL# {s}")),
    (lambda r: f"{r.randint(100, 999)}", ("CVV: {s}", "cvc {s}", "security code: {s}")),
    (lambda r: "0x" + draw(r, ALPHABETS["h"], 40), ("send ETH to {s}", "wallet {s}", "{s}")),
    (lambda r: f"{r.randint(10, 99)}-{r.randint(10, 99)}-{r.randint(10, 99)} {_nonzero(r, 8)}", ("sort code and account: {s}", "account {s}")),
    (lambda r: _nonzero(r, r.choice((8, 10, 12))), ("bank account number: {s}", "account no. {s}", "Kontonummer {s}", "numéro de compte {s}")),
)  # fmt: skip
"""Numbers of nations, companies, people and things, with the texts in which they stand."""


def lookalikes(rng: Random) -> str:
    """A text with numbers in it that are nobody's: orders, parcels, times, parts, measures."""
    return rng.choice(
        (
            lambda r: f"order {_nonzero(r, 10)} shipped, tracking 1Z{draw(r, UPPER + DIGITS, 16)}",
            lambda r: f"invoice INV-{r.randint(2019, 2026)}-{_digits(r, 6)} is due in 30 days",
            lambda r: f"ticket #{_nonzero(r, 7)} was closed at {r.randint(10, 23)}:{r.randint(10, 59)}:{r.randint(10, 59)}.{_digits(r, 3)}",
            lambda r: f"ISBN 978-{r.randint(0, 9)}-{r.randint(10, 99)}-{r.randint(100000, 999999)}-{r.randint(0, 9)}",
            lambda r: f"processed {r.randint(1, 999)},{_digits(r, 3)},{_digits(r, 3)} rows in {r.random() * 100:.4f} s",
            lambda r: f"offset={_nonzero(r, 9)} size={_nonzero(r, 11)} inode={_nonzero(r, 8)}",
            lambda r: f"at {1_600_000_000 + r.randrange(10**8)} (epoch), {1_600_000_000_000 + r.randrange(10**11)} ms",
            lambda r: f"build {r.randint(2019, 2026)}.{r.randint(1, 12)}.{r.randint(1, 31)}.{r.randint(1, 9999)} passed",
            lambda r: f"commit {draw(r, ALPHABETS['h'], 40)} touches 3 files",
            lambda r: f"part no. {draw(r, UPPER, 2)}-{_digits(r, 5)}-{_digits(r, 2)} rev {r.choice('ABC')}",
            lambda r: f"coordinates {r.random() * 90:.6f}, {r.random() * 180:.6f}",
            lambda r: f"GET /api/v2/users/{_nonzero(r, 9)}/orders/{_nonzero(r, 12)} 200 {r.randint(10, 999)}ms",
            lambda r: f"PID {r.randint(100, 65000)} exited, pid {r.randint(100, 65000)} started; port {r.randint(1024, 65535)}",
            lambda r: f"EAN {_nonzero(r, 13)} qty {r.randint(1, 99)} price {r.randint(1, 999)}.{_digits(r, 2)}",
            lambda r: (
                f"from {r.randint(2015, 2025)}-0{r.randint(1, 9)}-1{r.randint(0, 9)} to {r.randint(2015, 2025)}-1{r.randint(0, 2)}-2{r.randint(0, 8)}"
            ),
            lambda r: (
                f"listening on 10.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}:{r.randint(1000, 9999)} and 192.168.{r.randint(0, 255)}.{r.randint(1, 254)}"
            ),
            lambda r: f"version {r.randint(1, 20)}.{r.randint(0, 40)}.{r.randint(0, 99)}.{r.randint(0, 20)} of the driver",
            lambda r: f"matrix row: {' '.join(str(r.randint(0, 9999)) for _ in range(12))}",
            lambda r: f"seed={_nonzero(r, 10)}, lr={r.random():.6f}, step {r.randint(1000, 999999)}",
            lambda r: f"chunk {r.randint(0, 99)}-{r.randint(100, 199)}-{r.randint(1000, 9999)} of file {_digits(r, 4)}",
            lambda r: f"RFC {r.randint(1000, 9999)}, section {r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)}",
            lambda r: (
                f"the museum was opened on {r.randint(1, 28)}.{r.randint(1, 12)}.{r.randint(1900, 2020)} and has {r.randint(100, 999)} rooms"
            ),
            lambda r: f"SELECT * FROM orders WHERE id = {_nonzero(r, 9)} LIMIT {r.randint(10, 1000)};",
            lambda r: f"0x{draw(r, ALPHABETS['h'], 8)} at pc {draw(r, ALPHABETS['h'], 16)}",
            lambda r: f"flight LH{r.randint(100, 999)}, seat {r.randint(1, 40)}{r.choice('ABCDEF')}, PNR {draw(r, UPPER, 6)}",
            lambda r: f"ticker {draw(r, UPPER, 4)} closed at {r.randint(10, 999)}.{_digits(r, 2)} (+{r.random():.2f}%)",
            lambda r: f"ip route via 172.{r.randint(16, 31)}.0.{r.randint(1, 254)} dev eth{r.randint(0, 3)} metric {r.randint(1, 999)}",
            lambda r: f"Aktenzeichen {r.randint(1, 30)} O {r.randint(100, 999)}/{r.randint(10, 26)} vom Landgericht",
            lambda r: f"reference number: {draw(r, UPPER, 3)}{_digits(r, 7)}; batch {_digits(r, 6)}",
            lambda r: f"user@{r.choice(('localhost', 'host'))}:~$ ls -la; git@github.com:acme/app.git; @types/node@{r.randint(10, 22)}.1.0",
        )
    )(rng)
