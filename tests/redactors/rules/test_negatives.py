"""Texts without secrets stay as they are, under all rules together."""

from __future__ import annotations

from random import Random

import pytest

from redactors.rules.catalog import all_rules
from tests.redactors.rules import negatives
from tests.redactors.rules.matcher import covered


@pytest.mark.parametrize("name", negatives.names())
def test_a_text_without_secrets_is_left_alone(name: str) -> None:
    for seed in range(8):
        text = negatives.text(name, Random(seed))
        assert [rule for _, _, rule in covered(all_rules(), text)] == []
