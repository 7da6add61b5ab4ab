"""The properties that `make fuzz` drives, on bytes drawn here. What a run found has tests of its own where it was mended."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.fuzz.properties import TARGETS
from tests.fuzz.reading import seeds

INPUTS = int(os.environ.get("LOCKGATE_TEST_TEXTS", "150"))


@pytest.mark.timeout(400)  # without hyperscan this takes many times longer
@pytest.mark.parametrize("target", TARGETS)
def test_it_holds_for_bytes_of_any_kind(target: str) -> None:
    rng = Random(len(target))
    begun = seeds(100)
    for _ in range(INPUTS if target != "engines" else INPUTS // 3):
        data = bytearray(rng.choice(begun) + rng.randbytes(rng.randint(0, 60)) + rng.choice(begun))
        data[rng.randrange(len(data))] = rng.randrange(256)
        TARGETS[target](bytes(data))
