"""What is asked for is checked field by field, and an error names the field, never its content."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.keys.budget_requests import usd_micros
from pipeline.keys.requests import Limit, NewKey, duration_us, read_new_key, read_new_user, read_new_workspace

NOW = 1_790_000_000_000_000


def test_a_whole_key_is_understood() -> None:
    body = {
        "alias": "ci",
        "workspace": "lab",
        "role": "auditor",
        "models": ["a", "b", "a"],
        "duration": "30d",
        "budget": {"limit_usd": "0.1", "period": "month"},
        "rpm_limit": 5,
        "tpm_limit": 6000,
        "max_parallel_requests": 7,
        "metadata": {"team": "x"},
        "policy": "strict",
    }
    expires_us = NOW + 30 * 86_400 * 1_000_000
    wanted = NewKey("ci", "lab", "auditor", ("a", "b"), expires_us, 5, "strict", {"team": "x"}, Limit(100_000, "month"), 6000, 7)
    assert read_new_key(body, NOW) == wanted
    assert read_new_key({}, NOW) == NewKey()
    assert read_new_key({"expires_at": "2027-01-01T00:00:00Z"}, NOW).expires_us == 1_798_761_600_000_000


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"alias": "x" * 300}, "alias"),
        ({"alias": 5}, "alias"),
        ({"alias": "a\nb"}, "alias"),
        ({"workspace": "a/b"}, "workspace"),
        ({"role": "root"}, "role"),
        ({"models": "a"}, "models"),
        ({"models": [1]}, "models"),
        ({"duration": "soon"}, "duration"),
        ({"duration": "0d"}, "duration"),
        ({"duration": "99999999d"}, "duration"),
        ({"duration": "1d", "expires_at": "2030-01-01"}, "duration"),
        ({"expires_at": "2020-01-01"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"rpm_limit": -1}, "rpm_limit"),
        ({"rpm_limit": True}, "rpm_limit"),
        ({"tpm_limit": -5}, "tpm_limit"),
        ({"max_parallel_requests": "3"}, "max_parallel_requests"),
        ({"rpm_limit": 1.5}, "rpm_limit"),
        ({"budget": 5}, "budget"),
        ({"budget": {"limit_usd": 0}}, "budget.limit_usd"),
        ({"budget": {"limit_usd": -1}}, "budget.limit_usd"),
        ({"budget": {"limit_usd": "NaN"}}, "budget.limit_usd"),
        ({"budget": {"limit_usd": "1e99"}}, "budget.limit_usd"),
        ({"budget": {"limit_usd": True}}, "budget.limit_usd"),
        ({"budget": {}}, "budget.limit_usd"),
        ({"budget": {"limit_usd": 1, "period": "year"}}, "budget.period"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(n): "" for n in range(33)}}, "metadata"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_new_key(body, NOW)
    assert caught.value.param == param
    assert caught.value.status == 400


def test_unknown_fields_are_refused_without_repeating_them() -> None:
    with pytest.raises(BadRequest) as caught:
        read_new_key({"hunter2-field": 1}, NOW)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("amount", "micros"), [(1, 1_000_000), (0.1, 100_000), ("0.0000005", 1), ("25.000001", 25_000_001), (1_000_000_000, 10**15)]
)
def test_money_is_exact(amount: Any, micros: int) -> None:
    assert usd_micros(amount, "x") == micros


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_durations_are_understood(text: str, seconds: int) -> None:
    assert duration_us(text, "x") == seconds * 1_000_000


@pytest.mark.parametrize("body", [{}, {"slug": "a b"}, {"slug": "a", "nme": "b"}])
def test_a_wrong_workspace_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read_new_workspace(body)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ana", "password": "short"},
        {"name": "", "password": "long enough indeed"},
        {"name": "ana", "role": "key", "password": "long enough indeed"},
        {"name": "ana", "password": "x" * 2000},
        {"name": "ana"},
    ],
)
def test_a_wrong_user_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read_new_user(body)


def test_a_password_is_in_no_repr() -> None:
    assert "long enough" not in repr(read_new_user({"name": "ana", "password": "long enough indeed"}))
