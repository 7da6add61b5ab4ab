"""What one value may cost: a text or tree that is dear by nature ends in an error."""

from __future__ import annotations

from itertools import count

import pytest

from redactors import build_redactor
from redactors.blocks import BLOCK
from redactors.detectors.pattern import compile_patterns
from redactors.model import RedactionError
from redactors.patience import Patience
from tests.redactors.samples import RULES

REDACTOR = build_redactor(pattern_set=compile_patterns(RULES))
LONG = "acme_abcdefghijkl and more of it. " * (4 * BLOCK // 34)


def counting(steps: int) -> Patience:
    """Patience for so many questions."""
    return Patience(steps, clock=count().__next__)


def test_a_long_text_that_costs_too_much_is_refused_between_its_blocks() -> None:
    with pytest.raises(RedactionError, match="costs more time"):
        REDACTOR.patient(counting(2)).text(LONG)


def test_a_tree_that_costs_too_much_is_refused_between_its_texts() -> None:
    with pytest.raises(RedactionError, match="costs more time"):
        REDACTOR.patient(counting(10)).tree([f"acme_{number:012d}" for number in range(50)])


def test_what_costs_little_enough_is_redacted_as_ever() -> None:
    patient = REDACTOR.patient(counting(100))
    assert patient.text(LONG).value == REDACTOR.text(LONG).value
    tree = {"a": ["acme_abcdefghijkl", "no"], "password": "hunter2x"}
    assert patient.tree(tree).value == REDACTOR.tree(tree).value


def test_each_value_has_its_own_time() -> None:
    patient = REDACTOR.patient(Patience(6, clock=count().__next__))
    assert [patient.text(LONG[: 2 * BLOCK]).verdict for _ in range(5)] == [REDACTOR.text(LONG[: 2 * BLOCK]).verdict] * 5


def test_copies_are_as_patient() -> None:
    with pytest.raises(RedactionError):
        REDACTOR.patient(counting(2)).noting({}).text(LONG)


def test_a_stream_is_as_long_as_it_is() -> None:
    stream = REDACTOR.patient(counting(0)).stream()
    assert stream.feed(LONG[: 2 * BLOCK]) + stream.close().value == REDACTOR.text(LONG[: 2 * BLOCK]).value


def test_the_message_holds_no_text() -> None:
    with pytest.raises(RedactionError) as refused:
        REDACTOR.patient(counting(1)).text(LONG)
    assert "acme" not in str(refused.value)
