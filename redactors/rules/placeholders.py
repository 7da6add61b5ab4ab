"""What stands where a secret would stand: documentation samples, templates, masks and our own replacements."""

from __future__ import annotations

import re

from redactors.later import compiled_later
from redactors.rules.entropy import ascending, longest_run

_MARKS = ("...", "…", "***", "•••", "●●●", "${", "{{", "$(", "<%", "%(", "#{", "[REDACTED", "[redacted", "[MASKED", "[SECRET")
"""Templates, ellipses and masks, ours included: a value with one of these inside is not a value."""

_MARK = compiled_later("|".join(map(re.escape, _MARKS)))

_WORDS = (
    "placeholder", "changeme", "change_me", "change-me", "replaceme", "replace_me", "replace-me", "replace_with", "replace-with",
    "insert_your", "insert-your", "insertyour", "your_", "your-", "yourapi", "yourkey", "yourtoken", "yoursecret", "yourpass", "yourown",
    "my_api", "my-api", "myapikey", "my_secret_key", "my-secret-key", "enter_your", "dummy", "redacted", "not-a-real", "notareal",
    "not_a_real",
    "not-real", "not_real", "fakekey", "fake_key", "fake-key", "fake-token", "fake_token", "sample-key", "sample_key", "todo_", "put_your",
    "put-your", "paste_your", "paste-your", "_here", "-here", "goes_here", "goeshere", "tokenhere", "keyhere", "secrethere", "example_key",
    "example-key", "some_key", "some-key", "some_token", "some_secret", "lorem", "foobar", "deadbeefdeadbeef", "cafebabecafebabe",
)  # fmt: skip
"""Spellings that documentation uses for a value; long enough that random text does not contain them."""

_WORD = compiled_later("|".join(map(re.escape, _WORDS)))

_FILLERS = frozenset("xX*#?•●-_.")
"""Characters that stand for "some character" in masks."""


def has_mark(value: str) -> bool:
    """Whether the value holds a template mark, an ellipsis or a mask."""
    if value[:1] == "<" and value[-1:] == ">":
        return True
    return _MARK.search(value) is not None


def names_placeholder(value: str) -> bool:
    """Whether the value spells a documentation word such as `your_key`, `changeme` or `EXAMPLE`."""
    lower = value.lower()
    if _WORD.search(lower) is not None:
        return True
    where = lower.find("example")
    if where < 0:
        return False
    spelled = value[where : where + 7]
    return spelled in {"EXAMPLE", "example"}


def is_filler(value: str) -> bool:
    """Whether most of the value is one filler or repeated character: `xxxxxxxx`, `sk-XXXXXXXX`, `0000000000`."""
    size = len(value)
    if size < 4:
        return size > 0 and all(character in _FILLERS for character in value)
    fillers = sum(map(_FILLERS.__contains__, value))
    if fillers * 2 > size and longest_run(value) >= 4:
        return True
    if "xxxxx" in value or "XXXXX" in value:
        return True
    body = value.rstrip("=")
    return len(set(body)) <= 2 or _repeats_one(body)


def _repeats_one(text: str) -> bool:
    """Whether one character repeated is half of the text or more: then it stands in the middle of it."""
    size = len(text)
    for middle in ((size - 1) // 2, size // 2):
        one = text[middle]
        if text.count(one) * 2 >= size:
            around = size - len(text[:middle].rstrip(one)) - len(text[middle:].lstrip(one))
            if around * 2 >= size:
                return True
    return False


def is_placeholder(value: str) -> bool:
    """Whether a value is a documentation sample, a template, a mask or one of our own replacements."""
    return has_mark(value) or names_placeholder(value) or is_filler(value)


def is_counted(value: str) -> bool:
    """Whether more than half of the value counts up (`1234567890abcdef`, `abcdefghijklmnop`): typed, not drawn."""
    return ascending(value) > 0.5
