"""Knows JSON keys whose value is secret whatever it looks like: `password`, `api_key`, `Authorization`, `clientSecret`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from redactors.detectors.subject import Label
from redactors.rules.placeholders import is_placeholder

RULE = "secret-key-name"

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SECRET_WORDS: Final = frozenset(
    "password passwd passwort passphrase passcode pwd secret secrets apikey apikeys credential credentials authorization "
    "kennwort senha contrasena contraseña motdepasse wachtwoord parola haslo lösenord пароль 密码 パスワード 비밀번호".split()
)
"""A key with one of these words names a secret."""

_SECRET_PAIRS: Final = frozenset(
    {
        ("api", "key"), ("api", "keys"), ("access", "key"), ("secret", "key"), ("private", "key"), ("signing", "key"), ("encryption", "key"),
        ("master", "key"), ("account", "key"), ("shared", "key"), ("service", "key"), ("subscription", "key"), ("auth", "key"), ("admin", "key"),
        ("license", "key"), ("access", "token"), ("refresh", "token"), ("id", "token"), ("auth", "token"), ("bearer", "token"), ("session", "token"),
        ("api", "token"), ("security", "token"), ("csrf", "token"), ("xsrf", "token"), ("personal", "token"), ("bot", "token"), ("deploy", "token"),
        ("client", "token"), ("device", "token"), ("user", "token"), ("service", "token"), ("secret", "token"), ("verification", "token"),
        ("connection", "string"), ("account", "sid"), ("session", "id"), ("session", "key"), ("set", "cookie"), ("recovery", "code"),
        ("seed", "phrase"), ("storage", "key"), ("webhook", "token"), ("vault", "token"), ("github", "token"), ("gitlab", "token"),
        ("slack", "token"), ("hf", "token"), ("npm", "token"),
    }
) - {("account", "sid"), ("session", "id")}  # fmt: skip
"""Two neighboring words that name a secret."""

_SECRET_NAMES: Final = frozenset(
    {"token", "tokens", "auth", "jwt", "bearer", "cookie", "otp", "pin", "pass", "pw", "x-api-key", "dsn", "signature"}
) - {"signature", "tokens", "pin"}
"""Names that are secret when they are the whole key."""

_MILD: Final = frozenset(
    "max min count counts total limit limits usage used type types name names hint id ids policy policies length size expires expiry expiration expired "
    "ttl age version format url uri endpoint scope scopes field fields param header path file manager ref reference references required "
    "enabled disabled prompt completion cached reasoning input output audio text image budget per rate created updated last rotated at index "
    "logprobs logprob label placeholder description title status state changed strength rules algorithm alg method schema regex pattern".split()
)
"""Words that turn a key into a statement about a secret: `max_tokens`, `token_type`, `secret_name`, `password_policy`."""


def names_secret(key: str) -> bool:
    """Whether the string under a key is secret whatever it looks like."""
    return len(key) <= 64 and _names_secret(key)


@lru_cache(maxsize=4096)
def _names_secret(key: str) -> bool:
    """The same, remembered: bodies have few different keys, and every one of them is asked about in every walk."""
    words = [word.lower() for word in _WORDS.findall(key)] if key.isascii() else [key.casefold()]
    if not words:
        return False
    if len(words) == 1:
        return words[0] in _SECRET_WORDS or words[0] in _SECRET_NAMES
    if not _MILD.isdisjoint(words[1:]) or words[0] in {
        "max",
        "min",
        "total",
        "has",
        "is",
        "num",
        "n",
        "show",
        "hide",
        "forgot",
        "reset",
        "prompt",
        "completion",
    }:
        return False
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    return words[-1] in {"token", "jwt", "pwd", "pass", "apikey"} or any(
        pair in _SECRET_PAIRS for pair in zip(words, words[1:], strict=False)
    )


def label_of(key: str) -> Label:
    """What is said about a value found by its key's name. The kind is the same for all: the key itself may be anything."""
    return Label(RULE, "secret_value", "keynames")


def is_value(value: str) -> bool:
    """Whether a string under such a key may be a secret: not empty, not a word of one or two characters, not a sample or a mask."""
    text = value.strip()
    return len(text) >= 3 and text.lower() not in _STATES and not is_placeholder(text)


_STATES: Final = frozenset(
    {
        "null",
        "none",
        "true",
        "false",
        "undefined",
        "string",
        "required",
        "optional",
        "auto",
        "default",
        "basic",
        "bearer",
        "oauth",
        "yes",
        "not set",
        "object",
    }
)
