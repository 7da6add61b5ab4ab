"""Secrets told in sentences, notes, tables and chats, in more than twenty languages."""

# ruff: noqa: E501, S105
# Expressions and samples are read whole; names of expressions are not passwords.
from __future__ import annotations

from random import Random

from redactors.rules.model import Rule
from redactors.rules.named import PASSWORD_KEYWORDS, SECRET_KEYWORDS, named
from redactors.rules.passwords import firm_password, lone_key, secret_like, spoken
from redactors.rules.samples import ALNUM, mixed, password_sample, weak_password, within
from redactors.rules.vocabulary import (
    BARE,
    LAST,
    OPEN,
    SAID_PASSWORD,
    SAID_PASSWORD_EUROPE,
    SAID_PASSWORD_WORLD,
    SAID_SECRET,
    SAID_SECRET_EUROPE,
    SAID_SECRET_WORLD,
    SAYS,
    SAYS_EUROPE,
    SAYS_WORLD,
)

_NEXT_LINE = r"(?:[ \t]*\r?\n){0,2}[ \t>]*"
_PASSWORD_VALUE = rf"({BARE}{{3,}}{LAST})"
_SECRET_VALUE = r"([A-Za-z0-9_\-+/=.~:%!@#$^*|]{7,}[A-Za-z0-9_\-+/=~%!@#$^*|])"


def _said_passwords() -> tuple[Rule, Rule, Rule]:
    """Passwords told in a sentence, a note, a table or a chat."""
    return (
        named(
            "said-password",
            "password",
            "Password told in English: my password is …, **Password:** …, | password | … |",
            r"(?:\bpass|" + SAID_PASSWORD + ")" + SAYS + _NEXT_LINE + OPEN + _PASSWORD_VALUE,
            spoken,
            (
                within(
                    "my password is {s}",
                    "the wifi password for the office is {s}, ok?",
                    "Password (admin): `{s}`",
                    "| password | {s} |",
                    "**Password:** {s}",
                )(weak_password),
            ),
            (
                ("the password is incorrect, the password was changed yesterday", "words"),
                ("the password is 12 characters long and the password is case-sensitive", "properties of passwords"),
                ("our password hashing is argon2id and the password policy is OAuth2-based", "methods"),
                ("password: see https://wiki.example.com/page2", "an address"),
            ),
            PASSWORD_KEYWORDS,
            512,
        ),
        named(
            "said-password-europe",
            "password",
            "Password told in German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Swedish, Danish, Norwegian, Finnish, Czech, Hungarian, Romanian",
            SAID_PASSWORD_EUROPE + SAYS_EUROPE + _NEXT_LINE + OPEN + _PASSWORD_VALUE,
            spoken,
            (
                within(
                    "mein Passwort lautet {s}.",
                    "mi contraseña es {s}",
                    "mon mot de passe est « {s} »",
                    "la mia parola d'ordine è {s}",
                    "a minha senha é {s}",
                )(weak_password),
                within(
                    "mijn wachtwoord is {s}",
                    "moje hasło to jest {s}",
                    "şifrem: {s}",
                    "mitt lösenord är {s}",
                    "heslo je {s}",
                    "salasanani on {s}",
                )(weak_password),
            ),
            (("Das Passwort ist abgelaufen. Le mot de passe est requis. La senha é obrigatória.", "words"),),
            PASSWORD_KEYWORDS,
            512,
        ),
        named(
            "said-password-world",
            "password",
            "Password told in Russian, Serbian, Greek, Hebrew, Chinese, Japanese, Korean, Arabic, Hindi, Vietnamese, Thai, Indonesian, Malay",
            SAID_PASSWORD_WORLD + SAYS_WORLD + _NEXT_LINE + OPEN + _PASSWORD_VALUE,
            spoken,
            (
                within("мой пароль: {s}", "密码是{s}。谢谢", "パスワードは{s}です", "비밀번호는 {s} 입니다", "κωδικός είναι {s}")(
                    weak_password
                ),
                within("كلمة المرور هي {s}", "पासवर्ड है {s}", "mật khẩu là {s}", "kata sandi adalah {s}", "סיסמה: {s}")(weak_password),
            ),
            (("пароль неверный. 密码是错误的。パスワードは必須です", "words"),),
            PASSWORD_KEYWORDS,
            512,
        ),
    )


def _said_secrets() -> tuple[Rule, Rule, Rule]:
    """Keys and tokens told in a sentence, a note, a table or a chat."""

    def key(rng: Random) -> str:
        return mixed(rng, ALNUM, 32)

    return (
        named(
            "said-secret",
            "secret",
            "Key or token told in English",
            SAID_SECRET + SAYS + _NEXT_LINE + OPEN + _SECRET_VALUE,
            secret_like,
            (
                within(
                    "my key is {s}",
                    "the api key for staging is {s}, thanks",
                    "Token (prod): `{s}`",
                    "| secret | {s} |",
                    "here is the token:\n\n{s}\n",
                )(key),
            ),
            (
                ("the key is to listen, and the token is invalid", "words"),
                ("the token is base64-encoded and the key is 32 bytes, AES-256-GCM", "properties of keys"),
                ("the primary key is customer_id_v2", "a name"),
                ("the secret is at projects/acme/secrets/db/versions/latest", "a path"),
                ("the key is gpt-4o-2024-08-06", "the name of a model"),
            ),
            SECRET_KEYWORDS,
            1_024,
        ),
        named(
            "said-secret-europe",
            "secret",
            "Key or token told in German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Swedish, Danish, Norwegian, Finnish, Czech, Hungarian",
            SAID_SECRET_EUROPE + SAYS_EUROPE + _NEXT_LINE + OPEN + _SECRET_VALUE,
            secret_like,
            (
                within(
                    "mein API-Schlüssel lautet {s}.",
                    "mi clave de API es {s}",
                    "ma clé est {s}",
                    "la chiave è {s}",
                    "a chave é {s}",
                    "de sleutel is {s}",
                    "klucz: {s}",
                )(key),
            ),
            (("der Schlüssel ist abgelaufen, la clé est invalide, la llave es inválida", "words"),),
            SECRET_KEYWORDS,
            1_024,
        ),
        named(
            "said-secret-world",
            "secret",
            "Key or token told in Russian, Chinese, Japanese, Korean, Arabic, Hindi, Vietnamese, Indonesian, Greek, Hebrew",
            SAID_SECRET_WORLD + SAYS_WORLD + _NEXT_LINE + OPEN + _SECRET_VALUE,
            secret_like,
            (within("мой ключ: {s}", "密钥是{s}，谢谢", "キーは{s}です", "토큰은 {s} 입니다", "مفتاح: {s}", "कुंजी: {s}")(key),),
            (("ключ недействителен. 密钥是无效的。キーは必須です", "words"),),
            SECRET_KEYWORDS,
            1_024,
        ),
    )


RULES: tuple[Rule, ...] = (
    *_said_passwords(),
    *_said_secrets(),
    named(
        "password-beside",
        "password",
        "Password straight after the word, without a verb: password hunter2, wifi password hunter2",
        r"(?:"
        + "|".join(said[3:-1] for said in (SAID_PASSWORD, SAID_PASSWORD_EUROPE, SAID_PASSWORD_WORLD))
        + r")[ \t]+"
        + OPEN
        + rf"({BARE}{{4,}}{LAST})",
        spoken,
        (
            within("мой пароль {s}", "mật khẩu {s} nhé")(weak_password),
            within("log in as bob with password {s}", "the passphrase {s} please", "wifi passcode {s}", "das Passwort {s} bitte")(
                weak_password
            ),
        ),
        (
            ("use password authentication with the password manager", "words"),
            ("with password-based encryption (PBKDF2) and password policy v2.1", "a method"),
        ),
        PASSWORD_KEYWORDS,
        512,
    ),
    named(
        "secret-beside",
        "secret",
        "Key or token straight after the word, without a verb: use this key …, api-token …",
        SAID_SECRET + r"[ \t]+" + OPEN + r"([A-Za-z0-9_\-+/=.]{11,}[A-Za-z0-9_\-+/=])",
        lone_key,
        (
            within("use this key {s} for staging", "TOKEN {s}", "api-key {s}, please", "webhook secret {s}")(
                lambda rng: mixed(rng, ALNUM, 32)
            ),
        ),
        (("the primary key 3f2504e0-4f89-41d3-9a0c-0305e82c3301", "a UUID"), ("token authenticationMiddlewareFactory2", "a name")),
        SECRET_KEYWORDS,
        1_024,
    ),
    named(
        "password-before",
        "password",
        "Password in front of the word: hunter2 is the password, try hunter2 as password",
        rf"(?:^|[\s\"'`(:])({BARE}{{5,}}{LAST})[\"'`)*]{{0,2}}[ \t]+(?:is|as|ist|als|est|es|è|como)[ \t]+(?:(?:the|my|our|your|his|her|a|das|mein|unser|le|mon|la|mi|su|il|a|minha)[ \t]+)?(?:[a-z]+[ \t]+){{0,2}}"
        rf"(?:{SAID_PASSWORD[3:-1]}|passwort|kennwort|mot de passe|contrase(?:ñ|n)a|senha)",
        spoken,
        (within("{s} is the password", "try {s} as the root password", "{s} ist das Passwort")(weak_password),),
        (("OAuth2-based login is the password of the future, bcrypt is a password hash", "methods and words"),),
        PASSWORD_KEYWORDS,
        512,
    ),
    named(
        "secret-before",
        "secret",
        "Key or token in front of the word: … is my api key",
        r"(?:^|[\s\"'`(:])([A-Za-z0-9_\-+/=.]{15,}[A-Za-z0-9_\-+/=])[\"'`)*]{0,2}[ \t]+(?:is|as|ist|als|est|es|è|como)[ \t]+(?:(?:the|my|our|your|a|der|mein|la|ma|mi|il|a)[ \t]+)?(?:[a-z]+[ \t-]+){0,2}(?:"
        + SAID_SECRET[3:-1]
        + r"|schlüssel|clé|clave|chave|chiave)",
        lone_key,
        (within("{s} is my api key", "use {s} as the token", "{s} ist mein API-Schlüssel")(lambda rng: mixed(rng, ALNUM, 32)),),
        (
            (
                "authenticationMiddlewareFactory2 is the key class, 3f2504e0-4f89-41d3-9a0c-0305e82c3301 is the primary key",
                "a name and a UUID",
            ),
        ),
        SECRET_KEYWORDS,
        1_024,
    ),
    named(
        "account-and-password",
        "password",
        "Well-known account and password joined by a colon or slash",
        r"(?:^|[\s\"'`(,;=>])(?:admin|root|administrator|postgres|sa|guest|ubuntu|ec2-user|pi|test|user|oracle|sysadmin|superuser|elastic|neo4j|tomcat|jenkins)[ \t]?[:/][ \t]?([!#-&*-.0-9;=?-_a-~][!#-&*-9;=?-_a-~]{4,}[!#-&*+\-/0-9=?-Z^_a-z|~])",
        firm_password,
        (within("log in with admin:{s}", "root / {s}", "the box has postgres:{s}, ok?")(password_sample),),
        (
            ("user:session:v2 and root:x:0:0 and admin/users/42/edit", "keys of caches, lines of passwd, routes"),
            ("ubuntu:24.04 and postgres:16.2-alpine", "images"),
        ),
        (
            "admin",
            "root",
            "postgres",
            "sa",
            "guest",
            "ubuntu",
            "ec2",
            "pi",
            "test",
            "user",
            "oracle",
            "elastic",
            "neo4j",
            "tomcat",
            "jenkins",
        ),
        256,
    ),
)
