"""Names and metadata are kept and shown as they are, so none of them may hold a secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.keys import people, service
from redactors import build_redactor
from redactors.rules.catalog import all_rules
from tests import planted
from tests.pipeline.keys.conftest import Stood

SECRET = planted.secret("github", Random(20261125))
PASSWORD = planted.secret("password", Random(20261125))

REFUSED: dict[str, tuple[Callable[..., Awaitable[Any]], str, dict[str, Any]]] = {
    "the alias of a key": (service.create_key, "alias", {"alias": SECRET}),
    "the metadata of a key": (service.create_key, "metadata", {"metadata": {"note": f"use {SECRET}"}}),
    "metadata that is called a password": (service.create_key, "metadata", {"metadata": {"password": PASSWORD}}),
    "a model of a key": (service.create_key, "models", {"models": [SECRET]}),
    "the name of a workspace": (service.create_workspace, "name", {"slug": "w", "name": SECRET}),
    "the slug of a workspace": (service.create_workspace, "slug", {"slug": SECRET}),
    "the name of a user": (people.create_user, "name", {"name": SECRET, "role": "auditor", "password": PASSWORD}),
}


@pytest.fixture
def office(stood: Stood) -> service.Office:
    """An office that knows one rule, which compiles in no time."""
    rules = tuple(rule for rule in all_rules() if rule.id.startswith("github"))
    return replace(stood.office, clean=build_redactor(rules=rules, direction="telemetry").tree)


@pytest.mark.parametrize("what", REFUSED)
async def test_a_secret_is_refused_as(stood: Stood, office: service.Office, what: str) -> None:
    create, param, body = REFUSED[what]
    with pytest.raises(BadRequest) as refused:
        await create(office, stood.actor, body)
    assert refused.value.param == param
    assert planted.leaks(f"{refused.value.message} {refused.value.hint}".encode(), {"it": SECRET, "password": PASSWORD}) == []


async def test_ordinary_names_pass(stood: Stood, office: service.Office) -> None:
    made = await service.create_key(office, stood.actor, {"alias": "checkout-eu.2", "metadata": {"team": "payments", "owner": "ana"}})
    assert made["alias"] == "checkout-eu.2"
    user = await people.create_user(office, stood.actor, {"name": "ana@example.com", "role": "auditor", "password": PASSWORD})
    assert user["name"] == "ana@example.com"
