"""Personal data of a person without a nation: mail, phones, dates of birth; and the US social security number."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.digits import is_date, numbers, varied
from redactors.rules.entropy import longest_run
from redactors.rules.model import Must, Rule
from redactors.rules.personal import confirmed, personal, plain
from redactors.rules.samples import LOWER, draw, within

_FILE_ENDINGS = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "css",
        "js",
        "mjs",
        "ts",
        "tsx",
        "jsx",
        "py",
        "rb",
        "go",
        "rs",
        "java",
        "kt",
        "c",
        "h",
        "cpp",
        "md",
        "txt",
        "json",
        "yaml",
        "yml",
        "toml",
        "xml",
        "html",
        "map",
        "lock",
        "zip",
        "gz",
        "tar",
        "pdf",
        "sh",
        "exe",
        "dll",
        "so",
        "whl",
        "bin",
        "log",
        "cfg",
        "ini",
        "conf",
        "sql",
        "csv",
        "service",
        "target",
        "socket",
        "timer",
        "local",
    ]
) - {"local", "rs", "md", "sh", "so", "py", "zip"}
"""Endings of file names that are no top-level domains of mail: `icon@2x.png`, `app@1.2.js`."""

_ROBOTS = frozenset({"git", "hg", "svn", "ssh"})
"""Users of remotes such as git@host:path, which are nobody."""


def email(value: str) -> bool:
    """A mail address: not a git remote, not a file name with an at sign, not a package with a version."""
    local, _, domain = value.rpartition("@")
    last = domain.rpartition(".")[2].lower()
    if local.lower() in _ROBOTS or last in _FILE_ENDINGS or ".." in value or not local.strip(".-_+'"):
        return False
    return confirmed("email", value)


def phone(value: str) -> bool:
    """A phone number in international or North American form."""
    found = numbers(value)
    return 7 <= len(found) <= 15 and varied(value) and longest_run("".join(map(str, found))) < 7 and confirmed("phone", value)


def named_phone(value: str) -> bool:
    """Digits after a word for phone: 7 to 15 of them, not a date and not an IP address."""
    found = numbers(value)
    if not 7 <= len(found) <= 15 or not varied(value, 2):
        return False
    parts = value.split(".")
    if len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts):
        return False
    dashes = value.replace("/", "-").split("-")
    return not (
        len(dashes) == 3 and len(found) == 8 and is_date(int(dashes[0]) if dashes[0].isdigit() and len(dashes[0]) == 4 else 0, 1, 1)
    )


def ssn(value: str) -> bool:
    """A US social security number: area, group and serial that are issued (SSA, POMS RM 10201)."""
    found = "".join(c for c in value if c.isdigit())
    area, group, serial = found[:3], found[3:5], found[5:]
    if area in {"000", "666"} or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return varied(found, 2)


def make_ssn(rng: Random) -> str:
    """A social security number in its usual form."""
    return f"{rng.randint(101, 665)}-{rng.randint(11, 99)}-{rng.randint(1001, 9999)}"


def make_phone(rng: Random) -> str:
    """A phone number of the United States, Germany, the United Kingdom or France in international form."""
    return rng.choice(
        (
            f"+1 {rng.choice((212, 415, 617))}-{rng.randint(221, 554)}-{rng.randint(1001, 9899)}",
            f"+49 30 {rng.randint(22000001, 89999999)}",
            f"+44 20 7{rng.randint(221, 899)} {rng.randint(1001, 9899)}",
            f"+33 6 {rng.randint(11, 99)} {rng.randint(11, 99)} {rng.randint(11, 99)} {rng.randint(11, 99)}",
        )
    )


def _email(rng: Random) -> str:
    return f"{draw(rng, LOWER, 5)}.{draw(rng, LOWER, 6)}@{draw(rng, LOWER, 8)}.{rng.choice(('com', 'de', 'co.uk', 'org'))}"


_LETTER = r"[A-Za-z0-9À-ɏЀ-ӿ]"
_MAIL_LEAD = (
    r"(?:^|\\[nrt]|[\s\"'`<>()\[\]{},;=|\\~]|[^\x00-\x7f]|%[0-9A-Fa-f]{2}|(?:^|\s)\*{1,3}|[A-Za-z0-9]/|"
    r"(?:^|[^A-Za-z0-9/_.%+@~-])[A-Za-z0-9_-]+:|(?:[^\x00-\x7f]|[\"'\])]):)"
)
"""What may stand before a mail address: no user of an address, whose password looks like one (`scheme://user:password@host`)."""

_PHONE_WORDS = (
    r"(?:\bphone|\btel\b|\btel[:.]|telephone|\bmobile|\bcell\b|\bcall\b|whatsapp|\bfax\b|\bsms\b|\btext me\b|telefon|\bhandy\b|\bmobil\b|rufnummer|téléphone|\bportable\b|"
    r"tel[ée]fono|\bm[óo]vil\b|cellulare|telefone|celular|telem[óo]vel|telefoon|mobiel|telefonu|kom[óo]rka|телефон|Телефон|\bтел\b|номер|电话|手机|電話|携帯|전화|휴대폰|هاتف|جوال|"
    r"फ़ोन|फोन|मोबाइल|điện thoại|nomor hp|โทร)"
)
_BIRTH_WORDS = (
    r"(?:date of birth|birth ?date|birthday|\bdob\b|\bd\.o\.b\.?|born(?: on)?|geboren(?: am)?|geburtsdatum|\bgeb\.|né(?:e)? le|date de naissance|fecha de nacimiento|nacid[oa] el|"
    r"nat[oa] il|data di nascita|data de nascimento|nascid[oa] em|geboortedatum|data urodzenia|urodzon[ya]|дата рождения|родил(?:ся|ась)|出生日期|生年月日|생년월일|تاريخ الميلاد|जन्म ?तिथि|doğum tarihi|"
    r"födelsedatum|syntymäaika|datum narození|ngày sinh)"
)
_DATE = (
    r"(?:[0-9]{1,2}[./-][0-9]{1,2}[./-](?:19|20)?[0-9]{2}|(?:19|20)[0-9]{2}[./-][0-9]{1,2}[./-][0-9]{1,2}|(?:19|20)[0-9]{2}年[0-9]{1,2}月[0-9]{1,2}日|"
    r"[0-9]{1,2}(?:st|nd|rd|th|\.)? (?:of )?[A-Za-zÀ-ɏЀ-ӿ]{3,10}\.?,? (?:19|20)[0-9]{2}|[A-Z][a-z]{2,8}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{2})"
)


RULES: tuple[Rule, ...] = (
    personal(
        "email",
        "email",
        "E-mail address, letters of Europe's scripts included",
        _MAIL_LEAD
        + rf"((?:{_LETTER}|[%+_])(?:{_LETTER}|[._%+'!#$&~^-])*@(?:{_LETTER}|-)+(?:\.(?:{_LETTER}|-)+)*\.(?:[A-Za-zÀ-ɏЀ-ӿ]{{2,}}|xn--[a-z0-9-]{{2,}}))",
        "https://www.rfc-editor.org/rfc/rfc5322",
        validate=email,
        group=1,
        keywords=("@",),
        longest=320,
        must=plain(_email),
        must_not=(
            ("postgres://app:a1b2c3d4e5@db.internal:5432/app and https://git@host.com/x", "a user and a password of an address"),
            ("git clone git@github.com:acme/app.git", "the user of a git remote"),
            ("load icon@2x.png and logo@3x.webp", "file names of retina images"),
            ("install @types/node@18.0.0 and left-pad@1.3.0", "packages with versions"),
        ),
    ),
    personal(
        "email-spelled",
        "email",
        "E-mail address spelled against robots: name [at] host [dot] com",
        r"[A-Za-z0-9._%+-]+[ ]?[\[({<][ ]?(?:at|AT|@|ät)[ ]?[\])}>][ ]?[A-Za-z0-9-]+(?:[ ]?[\[({<]?[ ]?(?:\.|dot|DOT|punkt)[ ]?[\])}>]?[ ]?[A-Za-z0-9-]{2,})+",
        "https://www.rfc-editor.org/rfc/rfc5322",
        keywords=("at", "@", "ät"),
        longest=160,
        must=plain(lambda rng: f"{draw(rng, LOWER, 6)} [at] {draw(rng, LOWER, 8)} [dot] com"),
        must_not=(("look [at] this and that", "a bracketed word"),),
    ),
    personal(
        "phone-international",
        "phone",
        "Phone number with its country code",
        r"\+[1-9][0-9]{0,2}(?:[ .()/-]{0,3}[0-9]){6,13}\b",
        "https://www.itu.int/rec/T-REC-E.164",
        validate=phone,
        keywords=("+",),
        longest=48,
        must=plain(make_phone),
        must_not=(("2 +1000000000 and +49 0000000000", "numbers of one digit"), ("UTC+02 2024", "an offset of time")),
    ),
    personal(
        "phone-north-america",
        "phone",
        "North American phone number in three groups",
        r"(?:\b1[ .-])?(?:\([2-9][0-9]{2}\)[ ]?|\b[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}\b",
        "https://www.nanpa.com/numbering/plan-numbers",
        validate=phone,
        longest=32,
        must=plain(lambda rng: f"({rng.choice((212, 415, 617))}) {rng.randint(221, 554)}-{rng.randint(1001, 9899)}"),
        must_not=(("build 222 2222 2222 and 200-000-0000", "no such area or exchange"),),
    ),
    personal(
        "phone-france",
        "phone",
        "French phone number in pairs",
        r"\b0[1-9](?:(?: [0-9]{2}){4}|(?:\.[0-9]{2}){4})\b",
        "https://www.arcep.fr/la-regulation/grands-dossiers-thematiques-transverses/la-numerotation.html",
        validate=named_phone,
        longest=32,
        must=plain(lambda rng: "06 " + " ".join(str(rng.randint(11, 99)) for _ in range(4))),
        must_not=(("01 11 11 11", "too few pairs"), ("M0.05 15.88 17.59 19.17", "the separators differ: a drawing")),
    ),
    personal(
        "phone-named",
        "phone",
        "Digits after a word for phone in more than fifteen languages",
        _PHONE_WORDS + r"[^\n0-9+(]{0,20}([+(]{0,2}[0-9](?:[ .()/-]{0,3}[0-9]){6,14})\b",
        "https://www.itu.int/rec/T-REC-E.164",
        validate=named_phone,
        group=1,
        longest=96,
        case_insensitive=True,
        must=(
            Must(
                within("Telefon: {s}", "my phone is {s}.", "mon téléphone: {s}", "手机：{s}，谢谢", "телефон {s}")(
                    lambda rng: f"0{rng.randint(30, 89)} {rng.randint(2200001, 8999999)}"
                )
            ),
        ),
        must_not=(("call 911, phone 2 of 3, tel. ext 4711", "short numbers"), ("mobile 192.168.100.200", "an IP address")),
    ),
    personal(
        "us-ssn",
        "ssn",
        "US social security number with separators",
        r"\b[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}\b",
        "https://www.ssa.gov/employer/randomization.html",
        validate=ssn,
        longest=32,
        must=plain(make_ssn),
        must_not=(("000-12-3456, 666-12-3456 and 912-12-3456", "areas that are never issued"), ("ISBN 0-306-40615-2", "an ISBN")),
    ),
    personal(
        "us-ssn-named",
        "ssn",
        "US social security number beside its name, with or without separators",
        r"\b(?:ssn|social security(?: number| no\.?| #)?|soc sec)\b[^\n0-9]{0,16}([0-9]{3}[-. ]?[0-9]{2}[-. ]?[0-9]{4})\b",
        "https://www.ssa.gov/employer/randomization.html",
        validate=ssn,
        group=1,
        case_insensitive=True,
        keywords=("ssn", "soc"),
        longest=96,
        must=(Must(within("SSN {s}", "social security number: {s}.")(lambda rng: make_ssn(rng).replace("-", ""))),),
        must_not=(("SSN 000123456", "an area that is never issued"),),
    ),
    personal(
        "birth-date",
        "birth_date",
        "Date beside a word for birth in more than fifteen languages",
        _BIRTH_WORDS + r"(?:[\t -/:-@*_]|：|是|は){0,8}(" + _DATE + r")",
        "https://www.rfc-editor.org/rfc/rfc6350#section-6.2.5",
        group=1,
        case_insensitive=True,
        longest=128,
        must=(
            Must(
                within("date of birth: {s}", "geboren am {s}", "née le {s}", "DOB {s}", "fecha de nacimiento: {s}")(
                    lambda rng: f"{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.{rng.randint(1940, 2010)}"
                )
            ),
        ),
        must_not=(("released on 12.03.2024, born to run", "a date without birth"),),
    ),
)
