"""What belongs to production is out of the reach of staging, over aliases, fallbacks and what is cached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.walks.rig import MASK_ALL, Answer, Gateway, running_gateway

CANARY = "canary-of-production-0123456789"
DOCUMENT: dict[str, Any] = {
    "targets": [
        {"id": "of-production", "provider": "demo", "model": "demo", "secret_key_ref": {"ref": "of-production"}},
        {"id": "absent", "provider": "demo", "model": "demo", "required": False, "secret_key_ref": {"env": "NOT_THERE"}},
        {"id": "by-rest", "provider": "demo", "model": "demo", "required": False, "secret_key_ref": {"ref": "by-rest"}},
    ],
    "models": {
        "direct": {"targets": ["of-production"]},
        "first-another": {"targets": ["absent", "of-production"]},
        "by-fallback": {"targets": ["absent"], "fallbacks": ["direct"]},
        "by-rest": {"targets": ["by-rest"]},
    },
    "references": {"of-production": {"manager_type": "env", "secret_path": "KEY_OF_PRODUCTION", "environment": "production"}},
    "reference_api": {"allowed_secrets": ["env:KEY_OF_PRODUCTION"]},
    "workspaces": {"production": {"environment": "production"}, "staging": {"environment": "staging"}, "default": {}},
    "policies": {"default": MASK_ALL},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("environments"), DOCUMENT, KEY_OF_PRODUCTION=CANARY) as running:
        yield running


def ask(gateway: Gateway, key: str, model: str) -> Answer:
    return gateway.call("POST", "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "echo hello"}]}, key=key)


@pytest.mark.parametrize("model", ["direct", "first-another", "by-fallback"])
@pytest.mark.parametrize(("workspace", "status"), [("production", 200), ("staging", 403), ("default", 403)])
def test_a_reference_of_production_serves_production_alone(gateway: Gateway, model: str, workspace: str, status: int) -> None:
    inside = gateway.create_key(workspace="production")["key"]
    assert ask(gateway, inside, model).status == 200, "it is cached from now on"
    answer = ask(gateway, gateway.create_key(workspace=workspace)["key"], model)
    assert answer.status == status, answer.body
    if status == 403:
        assert answer.json["error"]["code"] == "reference_not_allowed"


def test_a_workspace_that_is_made_by_rest_stands_in_its_environment(gateway: Gateway) -> None:
    made = gateway.admin("POST", "/v1/workspaces", {"slug": "another-production", "environment": "production"})
    assert made["environment"] == "production"
    assert ask(gateway, gateway.create_key(workspace="another-production")["key"], "direct").status == 200
    answer = gateway.call("POST", "/v1/workspaces", {"slug": "x", "environment": "not a name"}, key=gateway.admin_key)
    assert (answer.status, answer.json["error"]["param"]) == (400, "environment")


def test_a_change_of_a_references_environment_holds_for_what_is_cached(gateway: Gateway) -> None:
    body = {"name": "by rest", "manager_type": "env", "auth_config": {}, "secret_path": "KEY_OF_PRODUCTION", "environment": "staging"}
    gateway.admin("POST", "/v1/secret-references", body)
    staging, production = (gateway.create_key(workspace=name)["key"] for name in ("staging", "production"))
    assert (ask(gateway, staging, "by-rest").status, ask(gateway, production, "by-rest").status) == (200, 403)
    gateway.admin("PUT", "/v1/secret-references/by-rest", {"environment": "production"})
    assert (ask(gateway, staging, "by-rest").status, ask(gateway, production, "by-rest").status) == (403, 200)
    gateway.admin("PUT", "/v1/secret-references/by-rest", {"environment": None})
    assert (ask(gateway, staging, "by-rest").status, ask(gateway, production, "by-rest").status) == (200, 200)
