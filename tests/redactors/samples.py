"""Small rules and texts for tests of the engine that should not depend on the catalog."""

from __future__ import annotations

from random import Random

from redactors.rules.model import Rule
from tests import planted


def rule(name: str, pattern: str, **fields: object) -> Rule:
    """A rule with nothing but a pattern and what a test says about it."""
    values: dict[str, object] = {"kind": name.replace("-", "_"), "about": "", "source": "", "dated": "", **fields}
    return Rule(id=name, pattern=pattern, **values)  # type: ignore[arg-type]


TOKEN = rule("acme-token", r"\bacme_[a-z0-9]{12,}", longest=64)
NAMED = rule("named-secret", r"(?:pass|secret)word[ \t]*[:=][ \t]*([^\s\"']{6,})", group=1, longest=128, case_insensitive=True)
LOOSE = rule("loose-id", r"\b[0-9]{4}(?:[- ]?[0-9]{4}){3}\b", longest=32, detector="pii")
RULES = (TOKEN, NAMED, LOOSE)

PIECES = (
    "The quick fox. ",
    "naïve café — “quotes” ",
    "日本語のテキスト。",
    "https://example.org/a/b?c=d&e=f ",
    '{"a": 1, "key": "v"} ',
    "0123456789 ",
    "deadbeefdeadbeefdeadbeef ",
    "some_long_identifier_name_here_ok ",
    "\\n\\t ",
    "%20%41 ",
    "&amp; &#65; ",
    "=\n",
    "[REDACTED:email] ",
    "[HASHED:",
    "\ud83d",
    "\u200b",
    "== ",
    "password: ",
    "secret = ",
    "my key is ",
    "-----BEGIN RSA PRIVATE KEY-----\n",
    "A" * 600,
    "x\\",
)
"""What texts are put together from, beside secrets: benign, half open, and odd."""


def secrets(seed: int) -> dict[str, str]:
    """One value of every planted kind."""
    rng = Random(seed)
    return {kind: planted.secret(kind, rng) for kind in planted.kinds()}
