"""What a value is that stands where a secret may stand: an expression, a path, words, a number, a version."""

from __future__ import annotations

import re

from redactors.later import compiled_later
from redactors.rules.entropy import shannon, switches

IDENTIFIER = compiled_later(r"[A-Za-z_$@][A-Za-z0-9_$]*\Z")
NUMBER = compiled_later(r"[+-]?[0-9][0-9_,.]*(?:[a-zA-Z%]{1,3})?\Z")
VERSION = compiled_later(r"v?[0-9]+(?:\.[0-9A-Za-z]+)+(?:[-+][0-9A-Za-z.]+)?\Z")
DATE = compiled_later(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]*(?:Z|[+-][0-9:]*)?)?\Z")
HEX_RUN = compiled_later(r"(?:0x)?[0-9a-fA-F]+\Z")
IMAGE = compiled_later(r"[a-z][a-z0-9./-]*:v?[0-9]+(?:\.[0-9]+)*(?:-[a-z0-9.]+)?\Z")
UUID = compiled_later(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")

NAMESPACE = compiled_later(r"[a-z_][a-z_:]*:v?[0-9]{1,4}\Z")
_PLAIN = compiled_later("|".join(f"(?:{form.pattern})" for form in (NUMBER, VERSION, DATE, NAMESPACE)))
_ESCAPED_LETTER = compiled_later(r"\\u0[0-6][0-9a-fA-F][0-9a-fA-F]")
_ASCII_WORDS = compiled_later(rf"(?:[A-Za-z \-_.'/:]|{_ESCAPED_LETTER.pattern})*+")
_CODE = compiled_later(r"[$@%{(\[.>:]")
"""What every expression has one of."""
_LETTER = compiled_later("[A-Za-z]")
_DIGIT = compiled_later("[0-9]")

NOT_VALUES = frozenset(
    [
        "string",
        "str",
        "text",
        "password",
        "passwd",
        "passphrase",
        "passwort",
        "secret",
        "secrets",
        "token",
        "tokens",
        "none",
        "null",
        "nil",
        "true",
        "false",
        "undefined",
        "nan",
        "required",
        "optional",
        "hidden",
        "masked",
        "redacted",
        "invalid",
        "incorrect",
        "wrong",
        "missing",
        "expired",
        "empty",
        "unset",
        "default",
        "value",
        "values",
        "bytes",
        "int",
        "integer",
        "number",
        "object",
        "field",
        "input",
        "type",
        "name",
        "env",
        "environment",
        "file",
        "vault",
        "disabled",
        "enabled",
        "yes",
        "no",
        "on",
        "off",
        "ok",
        "reset",
        "forgot",
        "change",
        "update",
        "auth",
        "login",
        "bearer",
        "basic",
        "key",
        "keys",
        "apikey",
        "api_key",
        "any",
        "unknown",
        "char",
        "varchar",
        "nvarchar",
        "boolean",
        "bool",
        "float",
        "double",
        "array",
        "list",
        "dict",
        "map",
        "uuid",
        "secretstr",
        "optional[str]",
        "credential",
        "credentials",
        "prompt",
        "ask",
        "confirm",
        "confirmation",
        "repeat",
        "hash",
        "hashed",
        "encrypted",
        "plaintext",
        "plain",
        "base64",
        "utf-8",
        "utf8",
        "sha256",
        "sha-256",
        "sha512",
        "sha1",
        "md5",
        "bcrypt",
        "argon2",
        "argon2id",
        "pbkdf2",
        "scrypt",
        "rsa",
        "hs256",
        "rs256",
        "es256",
        "hmac",
        "aes",
        "aes256",
        "aes-256",
        "aes-256-gcm",
        "oauth",
        "oauth2",
        "oauth2.0",
        "jwt",
        "saml",
        "openid",
        "ldap",
        "kerberos",
        "x509",
        "pkcs8",
        "pkcs12",
        "http",
        "https",
        "http2",
        "ipv4",
        "ipv6",
        "tls1.2",
        "tls1.3",
        "stdin",
        "interactive",
        "readonly",
        "writeonly",
        "not",
        "the",
        "is",
        "are",
        "was",
        "must",
        "should",
        "your",
        "you",
        "this",
        "that",
        "from",
        "with",
        "for",
        "and",
        "self",
        "this.password",
    ]
)
"""Lower-case words that stand as the value of a password field without being one: types, states, methods."""

METHODS = (
    "oauth2",
    "base64",
    "sha256",
    "sha512",
    "sha1",
    "md5",
    "utf8",
    "argon2",
    "pbkdf2",
    "bcrypt",
    "aes256",
    "aes128",
    "rsa2048",
    "rsa4096",
    "rs256",
    "hs256",
    "x509",
)
"""Beginnings of names of methods, without dashes: what is said about a password or key, not the thing itself."""

PROSE = frozenset(
    [
        "the",
        "your",
        "you",
        "is",
        "are",
        "was",
        "be",
        "must",
        "should",
        "please",
        "enter",
        "a",
        "an",
        "to",
        "for",
        "and",
        "or",
        "not",
        "this",
        "that",
        "with",
        "from",
        "of",
        "in",
        "at",
        "least",
        "der",
        "die",
        "das",
        "ihr",
        "sie",
        "le",
        "la",
        "les",
        "votre",
        "el",
        "su",
        "tu",
        "il",
        "lo",
        "il",
        "tuo",
        "o",
        "a",
        "sua",
    ]
)
"""Words by which a sentence is told from a passphrase."""

SYMBOLS = frozenset("!@#$%^&*+=~?|\\§€£")
"""Symbols that stand inside passwords but hardly ever inside words and names."""


def is_expression(value: str) -> bool:
    """Whether the value is code: a call, an index, a member, a path of names, a variable, a template."""
    if _CODE.search(value) is None:
        return False
    if (
        value[:1] in {"$", "@", "%", "{", "(", "["}
        and IDENTIFIER.match(value.strip("$@%{}()[]")) is not None
        and not any(c.isdigit() for c in value)
    ):
        return True
    if (
        value.startswith(("$", "%"))
        and value.strip("${}%()").isupper()
        and len(value) > 3
        and value.replace("_", "").strip("${}%()").isalpha()
    ):
        return True
    for mark in (".", "->", "::", "?."):
        if mark in value:
            names = value.split("(", 1)[0].split("[", 1)[0].rstrip(".;,").split(mark)
            if len(names) > 1 and all(IDENTIFIER.match(name) for name in names) and all(_looks_named(name) for name in names):
                return True
    for first, last in (("(", ")"), ("[", "]")):
        if value.endswith(last) and first in value:
            return IDENTIFIER.match(value.split(first, 1)[0].replace(".", "_") or "0") is not None
    return value.endswith(("()", "(", "[", "{", "=>"))


def _looks_named(name: str) -> bool:
    """Whether an identifier reads as a name: few changes between letters and digits, not long and random."""
    return switches(name) <= 2 and len(name) <= 32


def is_path(value: str) -> bool:
    """Whether the value is a file path or address rather than base64 with slashes."""
    if "://" in value or value.startswith(("./", "../", "~/", "C:\\", "file:", "env:", "store:", "keychain:", "vault:", "arn:", "op://")):
        return True
    value = value.replace("\\\\", "\\")  # an escaped one
    if value.count("/") + value.count("\\") < 2 and not value.startswith("/"):
        return False
    parts = [part for part in re.split(r"[/\\]", value) if part]
    return bool(parts) and all(switches(part) <= 1 and len(part) <= 32 and shannon(part) < 4.2 for part in parts)


def is_words(value: str) -> bool:
    """Whether the value is one or more plain words: letters of any script, joined by dashes, underscores, dots, apostrophes or blanks."""
    if value.isascii():
        return _ASCII_WORDS.fullmatch(value) is not None
    return all(c.isalpha() or c in " -_.'’/:" for c in _ESCAPED_LETTER.sub("é", value))


def is_plain(value: str) -> bool:
    """Whether the value is a number, a version, a date, a type name or a state."""
    if value.lower().strip(".,;:!?()[]") in NOT_VALUES:
        return True
    return _PLAIN.match(value.lstrip("=~^<>!")) is not None


def has_letter(value: str) -> bool:
    """Whether one of the characters is a letter of any script."""
    return _LETTER.search(value) is not None if value.isascii() else any(map(str.isalpha, value))


def has_digit(value: str) -> bool:
    """Whether one of the characters is a digit of any script."""
    return _DIGIT.search(value) is not None if value.isascii() else any(map(str.isdigit, value))


def has_symbol(value: str) -> bool:
    """Whether one of the characters stands inside passwords but hardly ever inside words and names."""
    return not SYMBOLS.isdisjoint(value)
