"""The builder of rules for secrets that only their name gives away, and the literals by which their names are found fast."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from redactors.rules.model import Must, MustNot, Rule, Validator
from redactors.rules.passwords import witness_of
from redactors.rules.samples import Text, fixed
from redactors.rules.shapes import DATED

SOURCE = "https://cwe.mitre.org/data/definitions/798.html"

PASSWORD_KEYWORDS = (
    "pass", "pwd", "psw", "pw", "wort", "mdp", "contrase", "senha", "wachtwoord", "parola", "has", "sifre", "şifre", "senord", "parol", "пароль", "密", "パスワード",
    "비밀번호", "adgangskode", "salasana", "heslo", "jelsz", "kata", "mot", "clave", "losung", "zugang", "κωδικός", "סיסמ", "口令", "暗証", "암호", "كلمة",
    "पासवर्ड", "mật", "รหัส", "лозинка", "pin",
)  # fmt: skip
SECRET_KEYWORDS = (
    "key", "secret", "token", "cred", "bearer", "jwt", "auth", "string", "url", "assertion", "seed", "mnemonic", "recovery", "pat", "sig", "schl", "geheim",
    "cl", "jeton", "llave", "chave", "chiave", "sleutel", "klucz", "ключ", "токен", "секрет", "anahtar", "nyckel", "nøkkel", "nøgle", "avain", "klíč",
    "kulcs", "密", "秘", "令", "金", "キー", "トークン", "鍵", "시크릿", "키", "토큰", "مفتاح", "رمز", "कुंजी", "टोकन", "khóa", "kunci", "κλειδί", "מפתח",
)  # fmt: skip


def named(
    id: str,  # noqa: A002 - the field's name in Rule
    kind: str,
    about: str,
    pattern: str,
    validate: Validator,
    must: tuple[Text, ...],
    must_not: tuple[tuple[str, str], ...],
    keywords: tuple[str, ...] = (),
    longest: int = 1_024,
    case_insensitive: bool = True,
    shaped: bool = False,
) -> Rule:
    """A rule whose first group is the value and whose context is a name in code, configuration or prose.

    The pattern of a `shaped` value says more than what the validator wants of every one, so the scan goes by the pattern.
    """
    return Rule(
        id=id,
        kind=kind,
        about=about,
        pattern=pattern,
        group=1,
        source=SOURCE,
        dated=DATED,
        keywords=keywords,
        longest=longest,
        validate=validate,
        witness=None if shaped else witness_of(validate),
        must=tuple(Must(text) for text in must),
        must_not=tuple(MustNot(fixed(text), reason) for text, reason in must_not),
        case_insensitive=case_insensitive,
    )
