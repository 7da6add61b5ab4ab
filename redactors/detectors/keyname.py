"""Knows JSON keys whose value is secret whatever it looks like: `password`, `api_key`, `Authorization`, `clientSecret`."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final

from redactors.detectors.subject import Label
from redactors.later import compiled_later
from redactors.rules.placeholders import is_placeholder

LABEL: Final = Label("secret-key-name", "secret_value", "keynames")
"""What is said about a value found by its key's name: the same for all, because the key itself may be anything."""

_WORDS: Final = compiled_later(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SECRET_WORDS: Final = frozenset(
    {
        "password", "passwd", "passwort", "passphrase", "passcode", "pwd", "secret", "secrets", "apikey", "apikeys", "credential",
        "credentials", "authorization", "kennwort", "senha", "contrasena", "contraseña", "motdepasse", "wachtwoord", "parola",
        "haslo", "lösenord", "пароль", "密码", "パスワード", "비밀번호",
    }
)  # fmt: skip
"""A key with one of these words names a secret."""

_SECRET_PAIRS: Final = frozenset(
    {
        ("api", "key"), ("api", "keys"), ("access", "key"), ("secret", "key"), ("private", "key"), ("signing", "key"),
        ("encryption", "key"), ("master", "key"), ("account", "key"), ("shared", "key"), ("service", "key"),
        ("subscription", "key"), ("auth", "key"), ("admin", "key"), ("license", "key"), ("access", "token"), ("refresh", "token"),
        ("id", "token"), ("auth", "token"), ("bearer", "token"), ("session", "token"), ("api", "token"), ("security", "token"),
        ("csrf", "token"), ("xsrf", "token"), ("personal", "token"), ("bot", "token"), ("deploy", "token"), ("client", "token"),
        ("device", "token"), ("user", "token"), ("service", "token"), ("secret", "token"), ("verification", "token"),
        ("connection", "string"), ("session", "key"), ("set", "cookie"), ("recovery", "code"), ("seed", "phrase"),
        ("storage", "key"), ("webhook", "token"), ("vault", "token"), ("github", "token"), ("gitlab", "token"),
        ("slack", "token"), ("hf", "token"), ("npm", "token"),
    }
)  # fmt: skip
"""Two neighboring words that name a secret."""

_SECRET_NAMES: Final = frozenset({"token", "auth", "jwt", "bearer", "cookie", "otp", "pass", "pw", "dsn"})
"""Names that are secret when they are the whole key."""

_LAST_WORDS: Final = frozenset({"token", "jwt", "pwd", "pass", "apikey"})
"""Words that name a secret when they are the last of several."""

_MILD: Final = frozenset(
    {
        "max", "min", "count", "counts", "total", "limit", "limits", "usage", "used", "type", "types", "name", "names", "hint",
        "id", "ids", "policy", "policies", "length", "size", "expires", "expiry", "expiration", "expired", "ttl", "age",
        "version", "format", "url", "uri", "endpoint", "scope", "scopes", "field", "fields", "param", "header", "path", "file",
        "manager", "ref", "reference", "references", "required", "enabled", "disabled", "prompt", "completion", "cached",
        "reasoning", "input", "output", "audio", "text", "image", "budget", "per", "rate", "created", "updated", "last",
        "rotated", "at", "index", "logprobs", "logprob", "label", "placeholder", "description", "title", "status", "state",
        "changed", "strength", "rules", "algorithm", "alg", "method", "schema", "regex", "pattern",
    }
)  # fmt: skip
"""Words that turn a key into a statement about a secret: `token_type`, `secret_name`, `password_policy`."""

_MILD_FIRST: Final = frozenset(
    {
        "max", "min", "total", "has", "is", "num", "n", "show", "hide", "forgot", "reset", "prompt", "completion",
    }
)  # fmt: skip
"""The same in front: `max_tokens`, `has_password`, `prompt_tokens`."""

_STATES: Final = frozenset(
    {
        "null", "none", "true", "false", "undefined", "string", "required", "optional", "auto", "default", "basic", "bearer",
        "oauth", "yes", "object",
    }
)  # fmt: skip
"""What stands under such a key without being a secret: types and states."""


def names_secret(key: str) -> bool:
    """Whether the string under a key is secret whatever it looks like."""
    return len(key) <= 64 and _names_secret(key)


@lru_cache(maxsize=2048)
def _names_secret(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)] if key.isascii() else [key.casefold()]
    if not words:
        return False
    if len(words) == 1:
        return words[0] in _SECRET_WORDS or words[0] in _SECRET_NAMES
    if words[0] in _MILD_FIRST or not _MILD.isdisjoint(words[1:]):
        return False
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    return words[-1] in _LAST_WORDS or any(pair in _SECRET_PAIRS for pair in pairwise(words))


def is_value(value: str) -> bool:
    """Whether a string under such a key may be a secret: not nearly empty, not a state, not a sample or a mask."""
    text = value.strip()
    return len(text) >= 3 and text.lower() not in _STATES and not is_placeholder(text)
