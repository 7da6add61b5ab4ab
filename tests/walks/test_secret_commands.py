"""`lockgate secrets create|update|rotate|show|delete` against a running gateway: values by pipe, file or variable, and in no argument."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.walks.rig import MASK_ALL, Gateway, running_gateway

NUMBERS = count()
VAULT = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    document = {
        "targets": [{"id": "demo", "provider": "demo", "model": "demo"}],
        "models": {"demo": {"targets": ["demo"]}},
        "vaults": {
            "prod": {"manager_type": "hashicorp_vault", "auth_config": {"vault_addr": "http://127.0.0.1:9", "vault_token": "env:T"}}
        },
        "references": {"of-the-document": {"vault": "prod", "secret_path": "x"}},
        "reference_api": {"allowed_hosts": ["127.0.0.1:9"], "allowed_secrets": ["store:CLI_*"]},
        "workspaces": {"default": {}, "production": {}},
        "policies": {"default": MASK_ALL},
    }
    with running_gateway(tmp_path_factory.mktemp("commands"), document) as running:
        yield running


def value() -> str:
    return "canary-" + secrets.token_hex(16)


def told(gateway: Gateway, *arguments: str, given: str | None = None) -> dict[str, Any]:
    done = gateway.cli("secrets", *arguments, "--json", given=None if given is None else given.encode())
    tree: dict[str, Any] = json.loads(done.stdout)["reference"]
    return tree


def kept(gateway: Gateway, slug: str) -> dict[str, Any]:
    shown: dict[str, Any] = gateway.admin("GET", f"/v1/secret-references/{slug}")
    return shown


def refused(gateway: Gateway, *arguments: str, given: str | None = None) -> str:
    done = gateway.cli("secrets", *arguments, given=None if given is None else given.encode(), check=False)
    assert done.returncode == 2, done
    return done.stderr.decode()


def test_a_reference_is_made_changed_shown_and_deleted(gateway: Gateway) -> None:
    slug = f"made-{next(NUMBERS)}"
    options = ("--path", "llm/openai", "--key", "api_key", "--workspace", "production", "--environment", "production", "--ttl", "60")
    assert told(gateway, "create", slug, "--vault", "prod", *options)["slug"] == slug
    shown = told(gateway, "show", slug)
    assert (shown["vault"], shown["secret_key"], shown["allowed_workspaces"]) == ("prod", "api_key", ["production"])
    assert (shown["environment"], shown["cache_ttl_s"]) == ("production", 60)
    told(gateway, "update", slug, "--path", "llm/other", "--version", "3")
    shown = kept(gateway, slug)
    assert (shown["secret_path"], shown["version"], shown["secret_key"]) == ("llm/other", "3", "api_key")
    assert "no terminal" in refused(gateway, "delete", slug, given="")
    assert told(gateway, "delete", slug, "--yes")["deleted"] is True
    assert "no such reference" in refused(gateway, "show", slug)


def test_a_credential_comes_from_a_pipe_and_is_shown_masked(gateway: Gateway) -> None:
    slug, token, other = f"made-{next(NUMBERS)}", value(), value()
    auth = ("--manager-type", "hashicorp_vault", "--auth", "vault_auth_type=token", "--auth", "vault_addr=http://127.0.0.1:9")
    told(gateway, "create", slug, *auth, "--path", "x", "--credential", "vault_token", "--stdin", given=token + "\n")
    assert kept(gateway, slug)["auth_config"]["masked_vault_token"] == "****" + token[-4:]
    told(gateway, "update", slug, "--credential", "vault_token", "--stdin", given=other)
    assert kept(gateway, slug)["auth_config"]["masked_vault_token"] == "****" + other[-4:]
    for name, content in gateway.written().items():
        assert not any(each.encode() in content for each in (token, other)), name


def test_a_request_may_come_from_a_file(gateway: Gateway, tmp_path: Path) -> None:
    slug, file = f"made-{next(NUMBERS)}", tmp_path / "request.json"
    auth = {"vault_auth_type": "token", "vault_addr": "http://127.0.0.1:9", "vault_token": value()}
    file.write_text(json.dumps({"name": slug, "manager_type": "hashicorp_vault", "auth_config": auth, "secret_path": "x"}))
    told(gateway, "create", "--from", str(file), "--key", "field")
    shown = kept(gateway, slug)
    assert ("masked_vault_token" in shown["auth_config"], shown["secret_key"]) == (True, "field")


def test_a_secret_of_the_local_store_is_rotated_and_read_again(gateway: Gateway) -> None:
    name, slug = f"CLI_{next(NUMBERS)}", f"made-{next(NUMBERS)}"
    gateway.admin("POST", f"/v1/secrets/{name}", {"value": value()})
    told(gateway, "create", slug, "--manager-type", "local", "--path", name)
    first = gateway.admin("POST", f"/v1/secret-references/{slug}/verify", {})
    rotated = told(gateway, "rotate", slug, "--stdin", given=value())
    assert (first["version"], rotated["version"], rotated["resolvable"]) == ("1", "2", True)
    assert rotated["fingerprint"] != first["fingerprint"]


REFUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("create", "x", "--manager-type", "hashicorp_vault", "--auth", "vault_token=something"), "never an argument"),
    (("update", "of-the-document", "--auth", "vault_secret_id=something"), "never an argument"),
    (("create", "x", "--auth", "no-equals-sign"), "FIELD=VALUE"),
    (("create", "x", "--vault", "no-such", "--path", "p"), "no such connection"),
    (("create", "x", "--manager-type", "env", "--path", "HOME"), "does not permit"),
    (("create", "x", "--stdin"), "one --credential"),
    (("create", "--from", "/does/not/exist.json"), "cannot be read"),
    (("rotate", "of-the-document", "--stdin"), "only reads"),
    (("rotate", "of-the-document", "--credential", "vault_addr", "--stdin"), "no secret field"),
    (("rotate", "no-such-reference", "--stdin"), "no such reference"),
)


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_what_cannot_be_is_said_and_quotes_no_value(gateway: Gateway, arguments: tuple[str, ...], says: str) -> None:
    told = refused(gateway, *arguments, given="")
    assert says in told
    assert "something" not in told
