"""What has been redacted once is left alone by a second redaction, whatever stands beside what.

`LOCKGATE_TEST_TEXTS` says how many texts are tried; a long run takes 20,000.
"""

from __future__ import annotations

import os
from random import Random

from redactors import Redactor
from redactors.rules.catalog import all_rules
from redactors.rules.model import Rule
from tests.redactors.samples import PIECES

TEXTS = int(os.environ.get("LOCKGATE_TEST_TEXTS", "400"))
BETWEEN = ("", " ", "", ":", "\n", "=", '"')
STRAYS = ('"', "'", "\\", "=", ":", " ", "\n", "@", "/", "-", "\u200b", "%41", "[REDACTED:email]", "x", "9", "A")


def sample(rule: Rule, rng: Random) -> str:
    """A text that the rule must catch or must not."""
    given = rng.choice([*rule.must, *rule.must_not]).text
    drawn = given(rng) if callable(given) else given
    return drawn if isinstance(drawn, str) else str(drawn[0])


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


def test_a_second_redaction_changes_nothing(redactor: Redactor) -> None:
    rng = Random(20)
    rules = all_rules()
    for number in range(TEXTS):
        parts = [
            spoiled(sample(rng.choice(rules), rng), rng) if rng.random() < 0.7 else rng.choice(PIECES) for _ in range(rng.randint(1, 5))
        ]
        once = redactor.text(rng.choice(BETWEEN).join(parts)).value
        again = redactor.text(once)
        assert again.value == once, (number, [remark.rule for remark in again.remarks])
