"""Which stored content is meant by a removal."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.keys.contents import read_removal

KEY = "01KAM3N5X8Q2V7T9B4C6D8E0FG"


@pytest.mark.parametrize("body", [{}, {"key_id": ""}, {"ids": []}, {"ids": [], "key_id": KEY}, {"ids": "", "all": True}, {"all": 1}])
def test_what_names_nothing_removes_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read_removal(body)


@pytest.mark.parametrize("before", ["1970-01-01", "1970-01-01T00:00:00Z", "1960-05-05"])
def test_before_the_epoch_is_not_any_time(before: str) -> None:
    assert read_removal({"key_id": KEY, "before": before}).before_us == 1
