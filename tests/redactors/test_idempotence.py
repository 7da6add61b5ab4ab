"""What has been redacted once is left alone by a second redaction, whatever stands beside what.

`LOCKGATE_TEST_TEXTS` says how many texts are tried; a long run takes 20,000.
"""

from __future__ import annotations

import os
from random import Random

from redactors import Redactor
from redactors.rules.catalog import all_rules
from tests.redactors.samples import BETWEEN, PIECES, sample_text, spoiled

TEXTS = int(os.environ.get("LOCKGATE_TEST_TEXTS", "400"))


def test_a_second_redaction_changes_nothing(redactor: Redactor) -> None:
    rng = Random(20)
    rules = all_rules()
    for number in range(TEXTS):
        count = rng.randint(1, 5)
        parts = [spoiled(sample_text(rng.choice(rules), rng), rng) if rng.random() < 0.7 else rng.choice(PIECES) for _ in range(count)]
        once = redactor.text(rng.choice(BETWEEN).join(parts)).value
        again = redactor.text(once)
        assert again.value == once, (number, [remark.rule for remark in again.remarks])
