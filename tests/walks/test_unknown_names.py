"""What nobody knows here is not said back: the name of a field or parameter, or of what is stored, may be a secret in the wrong place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random

import pytest

from pipeline.gateway.table import route_table
from tests import planted
from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Gateway, openai_target, running_gateway

SECRET = planted.secret("github", Random(61))
OTHER = planted.secret("jwt", Random(62))
_OURS = [route for route in route_table().routes if route.surface is None and not route.media and not route.form]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}},
            "policies": {"default": MASK_ALL},
        }
        with running_gateway(tmp_path_factory.mktemp("unknown"), document) as running:
            yield running


def test_no_route_says_an_unknown_name_back(gateway: Gateway) -> None:
    said = []
    for route in _OURS:
        path = re.sub(r"\{\w+\}", "x", route.path)
        body = None if route.method == "GET" else {SECRET: 1}
        answer = gateway.call(route.method, f"{path}?{SECRET}=1", body, key=gateway.admin_key)
        if planted.leaks(answer.body + json.dumps(answer.headers).encode(), {"name": SECRET}):
            said.append(f"{route.method} {route.path}")
    assert len(_OURS) > 100
    assert said == []


def test_a_secret_is_no_name_of_a_stored_secret(gateway: Gateway) -> None:
    answer = gateway.call("POST", f"/v1/secrets/{OTHER}", {"value": "openai"}, key=gateway.admin_key)
    assert (answer.status, answer.json["error"]["param"]) == (400, "name")
    given = gateway.cli("secrets", "add", OTHER, given=b"openai", check=False)
    assert given.returncode != 0
    for place, data in {"answer": answer.body, "output": given.stdout + given.stderr, **gateway.written()}.items():
        assert planted.leaks(data, {"name": OTHER}) == [], place
    gateway.admin("POST", "/v1/secrets/openai-key", {"value": planted.secret("openai", Random(63))})


def test_the_folder_of_a_gateway_holds_no_unknown_name(gateway: Gateway) -> None:
    for place, data in gateway.written().items():
        assert planted.leaks(data, {"name": SECRET}) == [], place
