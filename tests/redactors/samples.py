"""Small rules and texts for tests of the engine that should not depend on the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from redactors.rules.model import Must, MustNot, Rule
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

BETWEEN = ("", " ", "", ":", "\n", "=", '"')
STRAYS = ('"', "'", "\\", "=", ":", " ", "\n", "@", "/", "-", "\u200b", "%41", "[REDACTED:email]", "x", "9", "A")


def sample_text(rule: Rule, rng: Random) -> str:
    """A text that the rule must catch or must not."""
    return _drawn(rng.choice([*rule.must, *rule.must_not]), rng)


def sample_texts(rules: Sequence[Rule], rng: Random) -> list[str]:
    """Every text that a rule must catch or must not, drawn once."""
    return [_drawn(one, rng) for each in rules for one in (*each.must, *each.must_not)]


def _drawn(one: Must | MustNot, rng: Random) -> str:
    drawn = one.text(rng)
    return drawn if isinstance(drawn, str) else drawn[0]


def spoiled(text: str, rng: Random) -> str:
    """The text with a part cut out, something put in, or doubled; often as it is."""
    at = rng.randrange(len(text) + 1)
    match rng.randrange(7):
        case 0:
            return text[:at] + text[rng.randrange(at, len(text) + 1) :]
        case 1:
            return text[:at] + rng.choice(STRAYS) + text[at:]
        case 2:
            return text + text
        case _:
            return text


def mixed_texts(drawn: Sequence[str], count: int, rng: Random) -> list[str]:
    """Texts of two to twelve of those that were drawn, most of them whole, one behind the other."""
    return [rng.choice(BETWEEN).join(spoiled(rng.choice(drawn), rng) for _ in range(rng.randint(2, 12))) for _ in range(count)]


def secrets(seed: int) -> dict[str, str]:
    """One value of every planted kind."""
    rng = Random(seed)
    return {kind: planted.secret(kind, rng) for kind in planted.kinds()}
