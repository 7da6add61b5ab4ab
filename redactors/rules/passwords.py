"""Validators of values that only their context names: is this a password, a key, or something else?"""

from __future__ import annotations

import re

from redactors.rules.entropy import classes, reads_as_names, shannon, switches, turns
from redactors.rules.model import Validator, Witness
from redactors.rules.placeholders import has_mark, is_filler, is_placeholder, names_placeholder
from redactors.rules.values import (
    DATE,
    HEX_RUN,
    IMAGE,
    METHODS,
    NOT_VALUES,
    PROSE,
    UUID,
    VERSION,
    has_digit,
    has_letter,
    has_symbol,
    is_expression,
    is_path,
    is_plain,
    is_words,
)


def password(value: str) -> bool:
    """A value that a password field is given in code, JSON or an env file: anything but types, templates, expressions and sentences."""
    text = value.strip()
    if len(text) < 3 or has_mark(text) or (is_filler(text) and not text.isdigit()):
        return False
    if text.lower() in NOT_VALUES or is_expression(text) or is_path(text):
        return False
    if text.endswith("=") and is_words(text[:-1]):
        return False  # the name of the next field, whose own value stands behind it
    if not text.isdigit() and classes(text) < 3 and names_placeholder(text):
        return False
    words = text.split()
    if len(words) > 1:
        plain = [word.lower().strip(".,:;!?") for word in words]
        return not any(word in PROSE or word in NOT_VALUES for word in plain) and len(words) < 12
    return True


def marked_password(value: str) -> bool:
    """A password without quotes after `password:` or `password=`: it has a digit, a symbol or inner capitals, so it is no word."""
    if not password(value) or is_plain(value):
        return value.isdigit() and 4 <= len(value) <= 12
    if is_words(value):
        return _inner_capitals(value)
    return has_letter(value) or has_symbol(value)


def _inner_capitals(value: str) -> bool:
    """`SwordFish` and `sWordfish`, not `Swordfish`, `SWORDFISH` or `camelCaseName` with known endings."""
    if not value.isalpha() or len(value) < 8 or value.isupper() or value[1:].islower():
        return False
    lower = value.lower()
    return not lower.endswith(
        ("password", "token", "secret", "key", "value", "field", "input", "string", "hash", "text", "name", "provider")
    )


def spoken(value: str) -> bool:
    """A password said in a sentence: at least six characters, with a digit beside letters or with a symbol; not a term of technology."""
    if len(value) < 6 or not password(value) or is_plain(value) or is_words(value.rstrip("?!")) or is_expression(value):
        return False
    letters = has_letter(value)
    digits = sum(map(str.isdigit, value))
    if has_symbol(value):
        return letters or digits > 0
    if not letters or not digits:
        return False
    if value.lower().replace("-", "").startswith(METHODS) or IMAGE.match(value):
        return False
    parts = value.replace("_", "-").split("-")
    return not (
        1 < len(parts) < 4
        and all(part.isalpha() or part.isdigit() for part in parts)
        and value.islower()
        and len(parts[0]) > 2
        and digits < 3
    )


def secret_like(value: str) -> bool:
    """A key or token named by its context: eight or more characters that look drawn."""
    text = value.strip().rstrip(".,;:!?")
    size = len(text)
    if size < 8:
        return False
    # Words first: most of what is asked about, and the cheapest to tell.
    words = is_words(text)
    if words and not (size >= 16 and " " not in text and turns(text) * 10 >= size * 3 and not reads_as_names(text)):
        return False
    if is_placeholder(text) or is_expression(text) or is_plain(text):
        return False
    if words:
        return True
    if UUID.match(text):
        return True
    if is_path(text) or " " in text:
        return False
    if HEX_RUN.match(text):
        return size >= 12 and shannon(text) >= 2.5
    letters = has_letter(text)
    digits = has_digit(text)
    if not letters:
        return False
    if has_symbol(text.rstrip("=")):
        return shannon(text) >= 2.5
    if not digits:
        return size >= 20 and classes(text) >= 2 and shannon(text) >= 3.8
    named = re.split(r"[-_./:]", text)
    if len(named) > 1 and all(len(part) < 12 and switches(part) <= 1 for part in named):
        return False
    return (switches(text) >= 2 and shannon(text) >= 2.8) or (size >= 10 and classes(text) >= 3 and shannon(text) >= 3.0)


def token_like(value: str) -> bool:
    """Like `secret_like`, for quoted values, where short secrets with a symbol or three classes count too."""
    if secret_like(value):
        return True
    return (
        len(value) >= 8
        and " " not in value
        and spoken(value)
        and (has_symbol(value) or classes(value.replace("_", "").replace("-", "")) >= 3)
    )


def url_password(value: str) -> bool:
    """A password between `user:` and `@` of an address: anything but a template or a sample."""
    if (
        has_mark(value)
        or is_filler(value)
        or value.lower() in {"pass", "password", "passwd", "pwd", "secret", "token", "pw", "your_password"}
    ):
        return False
    return not (value.startswith(("$", "%", "<", "{", ":")) and value.strip("$%<>{}:").isupper())


def query_secret(value: str) -> bool:
    """The value of a secret's parameter in a query: drawn, or a password; percent escapes count as symbols."""
    return secret_like(value) or (
        marked_password(value) and not value.isdigit() and switches(value) >= 1 and classes(value) >= 2 and len(value) >= 8
    )


def drawn_key(value: str) -> bool:
    """A long key beside a name that is often not secret (`…_KEY`): three classes, high entropy, no UUID, no digest, no name."""
    text = value.strip().rstrip(".,;:!?")
    if len(text) < 20 or UUID.match(text) or not secret_like(text):
        return False
    if HEX_RUN.match(text):
        return len(text) in {32, 48, 64, 96, 128}
    return (switches(text) >= 3 or turns(text) * 3 >= len(text)) and shannon(text) >= 3.3


def argument(value: str) -> bool:
    """A password given as an argument: not an option, a path, a variable, a plain word, a number of few digits."""
    if value.startswith(("-", "/", "$", "%", "<", "{", "@", "~", "env:", "file:")) or not password(value):
        return False
    return not is_words(value) and (len(value) > 5 or not value.isdigit()) and not (VERSION.match(value) or DATE.match(value))


def key_argument(value: str) -> bool:
    """A key given as an argument: drawn, and not an option."""
    return not value.startswith("-") and secret_like(value)


def login_password(value: str) -> bool:
    """A password behind a user's name: what an argument may be, but no digest, which follows the name of its method."""
    return argument(value) and not (HEX_RUN.match(value) and len(value) in {32, 40, 56, 64, 96, 128})


def firm_password(value: str) -> bool:
    """A password without any word that says what it is, as in `admin:…`: a symbol, or letters of both cases with digits."""
    return spoken(value) and not is_path(value) and (has_symbol(value) or (classes(value) >= 3 and value.isalnum()))


def lone_key(value: str) -> bool:
    """A key straight behind the word, without a verb: twelve characters or more that look drawn; no UUID."""
    return len(value) >= 12 and not UUID.match(value) and secret_like(value) and (switches(value) >= 4 or turns(value) * 3 >= len(value))


def directive(value: str) -> bool:
    """The value of a directive such as Docker's ENV: a key, or a password with a symbol."""
    return secret_like(value) or firm_password(value)


_PLAIN = r"A-Za-z\"'(),\-./:;<>\[\]_`{}"
"""What is no digit, none of `SYMBOLS`, and nothing beyond ASCII."""
_MARKED = Witness(_PLAIN)
_MARKED_OR_LONG = Witness(_PLAIN, 16)


def witness_of(validate: Validator) -> Witness | None:
    """What every value has that a validator of this module accepts; None where it also accepts plain words."""
    if validate in (spoken, firm_password):
        return _MARKED
    return _MARKED_OR_LONG if validate in (secret_like, token_like, lone_key, drawn_key, key_argument) else None
