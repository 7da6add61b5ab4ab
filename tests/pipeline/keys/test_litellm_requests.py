"""LiteLLM's request fields: every one of them is mapped or refused by its name, and none is dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest
from pipeline.keys.litellm_fields import TEAM_UNSUPPORTED, USER_UNSUPPORTED, in_their_words
from pipeline.keys.litellm_money import INCREASE, MONEY_FIELDS, Money, duration_of, read_money, read_money_changes
from pipeline.keys.litellm_requests import KEY_FIELDS, LLM_ROUTES, ROUTE_PATHS, read_generate, read_grace, read_update
from pipeline.keys.litellm_teams import PERSON_FIELDS, TEAM_FIELDS, read_new_team, read_new_user, read_team_changes
from pipeline.keys.requests import read_new_key, read_new_workspace

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "litellm_admin.json").read_text())
NOW_US = parse_rfc3339("2027-01-31T12:00:00Z")
ODD: Any = {"odd": ["value"]}


def refusal(body: dict[str, Any], **former: str) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read_update(body, NOW_US, former) if former else read_generate(body, NOW_US)
    return caught.value


@pytest.mark.parametrize("name", sorted({*SCHEMA["requests"]["GenerateKeyRequest"], *SCHEMA["later"]["GenerateKeyRequest"]} - KEY_FIELDS))
def test_a_field_of_generate_that_is_not_mapped_is_refused_by_name(name: str) -> None:
    error = refusal({name: ODD})
    assert (error.param, error.status, error.code) == (name, 400, "unsupported_field")
    assert error.hint, "what to use instead"
    assert "odd" not in error.message + error.hint
    assert read_generate({name: None}, NOW_US).fields == {}, "null says nothing"


@pytest.mark.parametrize("model", ["UpdateKeyRequest", "RegenerateKeyRequest"])
def test_every_field_of_a_change_is_known(model: str) -> None:
    for name in sorted(set(SCHEMA["requests"][model]) - KEY_FIELDS - INCREASE - {"key", "grace_period"}):
        assert refusal({name: ODD}, user_id="ana").param == name
        assert read_update({name: None}, NOW_US, {}).fields == {}


def test_every_field_of_a_team_and_of_a_user_is_known() -> None:
    for name in sorted(set(SCHEMA["requests"]["NewTeamRequest"]) - TEAM_FIELDS):
        with pytest.raises(BadRequest) as caught:
            read_new_team({name: ODD}, "fresh")
        assert caught.value.param == name
    for role in ("internal_user", "proxy_admin"):
        for name in sorted(set(SCHEMA["requests"]["NewUserRequest"]) - KEY_FIELDS - PERSON_FIELDS):
            with pytest.raises(BadRequest) as caught:
                read_new_user({"user_role": role, name: ODD}, "fresh")
            assert caught.value.param == name, role
    assert not set(TEAM_UNSUPPORTED) & TEAM_FIELDS
    assert not set(USER_UNSUPPORTED) & PERSON_FIELDS


def test_a_field_that_nobody_knows_is_counted_and_not_repeated() -> None:
    error = refusal({"sk-what-is-this": 1})
    assert error.code == "unknown_field"
    assert "sk-what" not in error.message + error.hint


MAPPED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"key_alias": "app", "team_id": "research"}, {"alias": "app", "workspace": "research"}),
    ({"models": ["echo"]}, {"models": ["echo"]}),
    ({"models": ["all-team-models"]}, {"models": []}),
    ({"models": ["all-proxy-models", "echo"]}, {"models": []}),
    ({"duration": "30d"}, {"duration": "30d"}),
    ({"duration": "1mo"}, {"expires_at": "2027-02-28T12:00:00.000000Z"}),
    ({"duration": "12mo"}, {"expires_at": "2028-01-31T12:00:00.000000Z"}),
    ({"duration": "-1"}, {"expires_at": None}),
    ({"rpm_limit": 5, "tpm_limit": 6, "max_parallel_requests": 7}, {"rpm_limit": 5, "tpm_limit": 6, "max_parallel_requests": 7}),
    ({"policies": ["strict"]}, {"policy": "strict"}),
    ({"metadata": {"a": "b"}, "tags": ["x", "y"], "user_id": "u"}, {"metadata": {"a": "b", "tags": "x,y", "user_id": "u"}}),
    ({"agent_id": "bot"}, {"metadata": {"agent_id": "bot"}}),
    ({"metadata": {"tags": ["x"]}}, {"metadata": {"tags": "x"}}),
    ({"key_type": "llm_api"}, {"caveats": {"routes": list(LLM_ROUTES)}}),
    ({"key_type": "default"}, {}),
    ({"allowed_routes": ["/v1/chat/completions", "/embeddings"]}, {"caveats": {"routes": ["chat", "embeddings"]}}),
    ({"allowed_routes": ["anthropic_routes"]}, {"caveats": {"routes": ["count_tokens", "messages"]}}),
    ({"max_budget": 2.5, "budget_duration": "1d"}, {"budget": {"limit_usd": 2.5, "period": "day"}}),
    ({"max_budget": 3}, {"budget": {"limit_usd": 3, "period": "total"}}),
    ({"budget_limits": [{"budget_duration": "weekly", "max_budget": 9}]}, {"budget": {"limit_usd": 9, "period": "week"}}),
    ({"organization_id": "default", "spend": 0, "config": {}, "aliases": {}, "auto_rotate": False, "guardrails": []}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "fields"), MAPPED, ids=[str(number) for number in range(len(MAPPED))])
def test_a_key_is_asked_for_in_our_words(body: dict[str, Any], fields: dict[str, Any]) -> None:
    wish = read_generate(body, NOW_US)
    assert wish.fields == fields
    read_new_key(wish.fields, NOW_US)  # and our own API takes them


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"models": ["no-default-models"]}, "models"),
    ({"duration": "soon"}, "duration"),
    ({"duration": 5}, "duration"),
    ({"rpm_limit": 0}, "rpm_limit"),
    ({"tpm_limit": "9"}, "tpm_limit"),
    ({"max_parallel_requests": True}, "max_parallel_requests"),
    ({"organization_id": "another"}, "organization_id"),
    ({"policies": ["a", "b"]}, "policies"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"metadata": ["a"]}, "metadata"),
    ({"tags": "x"}, "tags"),
    ({"tags": ["a,b"]}, "tags"),
    ({"user_id": 5}, "user_id"),
    ({"blocked": "yes"}, "blocked"),
    ({"key_type": "management"}, "key_type"),
    ({"key_type": "llm_api", "allowed_routes": ["/models"]}, "allowed_routes"),
    ({"allowed_routes": ["management_routes"]}, "allowed_routes"),
    ({"allowed_routes": "/models"}, "allowed_routes"),
    ({"max_budget": 0}, "max_budget"),
    ({"max_budget": "5"}, "max_budget"),
    ({"max_budget": float("nan")}, "max_budget"),
    ({"budget_duration": "1d"}, "budget_duration"),
    ({"max_budget": 1, "budget_duration": "5d"}, "budget_duration"),
    ({"max_budget": 1, "budget_duration": "24h", "budget_limits": [{"budget_duration": "1d", "max_budget": 1}]}, "budget_limits"),
    ({"soft_budget": 1}, "soft_budget"),
    ({"max_budget": 1, "soft_budget": 0}, "soft_budget"),
    ({"model_max_budget": {"echo": {"max_budget": 1, "tpm_limit": 5}}}, "model_max_budget"),
    ({"model_max_budget": {"echo": {"max_budget": 1, "budget_duration": "2h"}}}, "model_max_budget"),
    ({"model_max_budget": ["echo"]}, "model_max_budget"),
    ({"temp_budget_increase": 5}, "temp_budget_increase"),
    ({"budget_limits": [{"budget_duration": "1d"}]}, "budget_limits"),
]


@pytest.mark.parametrize(("body", "param"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_wrong_value_is_refused_by_the_name_of_its_field(body: dict[str, Any], param: str) -> None:
    assert refusal(body).param == param


def test_a_change_keeps_what_is_not_sent_and_takes_away_what_is_null() -> None:
    former = {"user_id": "ana", "tags": "x", "a": "b"}
    assert read_update({"tags": ["y"]}, NOW_US, former).fields == {"metadata": {"user_id": "ana", "tags": "y", "a": "b"}}
    assert read_update({"metadata": {"c": "d"}}, NOW_US, former).fields == {"metadata": {"user_id": "ana", "tags": "x", "c": "d"}}
    assert read_update({"user_id": None, "tags": []}, NOW_US, former).fields == {"metadata": {"a": "b"}}
    assert read_update({"rpm_limit": None, "duration": None, "allowed_routes": None}, NOW_US, former).fields == {
        "rpm_limit": None,
        "expires_at": None,
        "caveats": {"routes": None},
    }


@pytest.mark.parametrize(("grace", "seconds"), [(None, 0), ("", 0), ("30s", 30), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000)])
def test_a_grace_period_is_an_overlap(grace: Any, seconds: int) -> None:
    assert read_grace(grace) == seconds


@pytest.mark.parametrize("grace", ["31d", "soon", 60, "1mo", "-1"])
def test_a_grace_period_is_bounded(grace: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read_grace(grace)
    assert caught.value.param == "grace_period"


def test_periods_read_back_as_they_are_written() -> None:
    for duration in ("1d", "7d", "30d"):
        assert duration_of(read_money({"max_budget": 1, "budget_duration": duration}).own[0]) == duration
    assert duration_of(None) is duration_of({"period": "total"}) is None


def test_several_budgets_and_those_of_models_are_taken_apart() -> None:
    windows = [{"budget_duration": "1d", "max_budget": 2}, {"budget_duration": "30d", "max_budget": 20}]
    models = {"echo": {"budget_limit": 1, "time_period": "7d"}, "other": 3}
    wish = read_generate({"max_budget": 100, "soft_budget": 80, "budget_limits": windows, "model_max_budget": models}, NOW_US)
    assert wish.fields == {"budget": {"limit_usd": 100, "period": "total", "soft_limit_usd": 80}}
    assert wish.money == Money(
        ({"limit_usd": 2, "period": "day"}, {"limit_usd": 20, "period": "month"}),
        {"echo": {"limit_usd": 1, "period": "week"}, "other": {"limit_usd": 3, "period": "total"}},
    )


CHANGES: list[tuple[dict[str, Any], Any]] = [
    ({}, {}),
    ({"max_budget": None}, None),
    ({"max_budget": 5}, {"limit_usd": 5}),
    ({"budget_duration": "7d", "soft_budget": None}, {"period": "week", "soft_limit_usd": None}),
    ({"budget_duration": None}, {"period": "total"}),
    ({"temp_budget_increase": 5, "temp_budget_expiry": "t"}, {"temp_budget_increase": 5, "temp_budget_expiry": "t"}),
]


@pytest.mark.parametrize(("body", "changes"), CHANGES, ids=[str(number) for number in range(len(CHANGES))])
def test_a_change_of_a_budget_says_only_what_was_said(body: dict[str, Any], changes: Any) -> None:
    assert read_money_changes(body) == changes
    assert read_update(body, NOW_US, {}).changes == changes


def test_a_team_keeps_all_but_its_budget() -> None:
    assert read_team_changes({"team_id": "t", "max_budget": 4}) == ("t", {"limit_usd": 4})
    for name in sorted(set(SCHEMA["requests"]["UpdateTeamRequest"]) - {"team_id", *MONEY_FIELDS} | {"budget_limits"}):
        with pytest.raises(BadRequest) as caught:
            read_team_changes({"team_id": "t", name: ODD})
        assert caught.value.param == name


TEAMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"team_alias": "Data Science"}, {"slug": "data-science", "name": "Data Science"}),
    ({"team_id": "t-1", "team_alias": "X", "models": ["all-proxy-models"]}, {"slug": "t-1", "name": "X"}),
    ({"team_alias": "日本"}, {"slug": "fresh", "name": "日本"}),
    ({"max_budget": 4, "budget_duration": "1mo"}, {"slug": "fresh", "budget": {"limit_usd": 4, "period": "month"}}),
    ({"policies": ["p"]}, {"slug": "fresh", "policy": "p"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), TEAMS, ids=[str(number) for number in range(len(TEAMS))])
def test_a_team_is_asked_for_as_a_workspace(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert read_new_team(body, "FRESH") == wanted
    read_new_workspace(wanted)


def test_a_user_is_a_person_or_a_name_on_a_key() -> None:
    person = read_new_user({"user_id": "a", "user_role": "proxy_admin", "password": "p" * 10, "auto_create_key": False}, "fresh")
    assert person.person == {"name": "a", "role": "admin", "password": "p" * 10}
    assert "pppp" not in repr(person)
    caller = read_new_user({"user_email": "a@example.com", "teams": ["research"], "max_budget": 1, "models": ["echo"]}, "fresh")
    assert caller.person is None
    assert caller.key == {"team_id": "research", "max_budget": 1, "models": ["echo"], "user_id": "a@example.com"}
    for wrong in ({"password": "x"}, {"teams": ["a", "b"]}, {"user_role": "customer"}, {"organizations": ["o"]}, {"sso_user_id": "s"}):
        with pytest.raises(BadRequest) as caught:
            read_new_user(wrong, "fresh")
        assert caught.value.param == next(iter(wrong))


def test_our_own_errors_are_told_in_their_words() -> None:
    with pytest.raises(BadRequest) as caught, in_their_words():
        read_new_key({"alias": "not an alias!"}, NOW_US)
    assert caught.value.param == "key_alias"
    assert caught.value.message.startswith("key_alias: ")


def test_every_route_that_a_key_can_be_limited_to_is_one_of_ours() -> None:
    from pipeline.keys.caveats import ROUTE_NAMES

    assert {name for names in ROUTE_PATHS.values() for name in names} <= set(ROUTE_NAMES)
