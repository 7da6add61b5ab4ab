"""Portkey's `/v1/secret-references`, row by row: every endpoint, field, default, limit, status code and masking rule.

The rows follow the public documentation as `POST`, `GET`, `PUT` and `DELETE` have it; each is sent as Portkey's clients send it
(`x-portkey-api-key`) and with a bearer key.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from pipeline.vaults.hashicorp_login import SERVICE_ACCOUNT_TOKEN
from tests.walks.rig import MASK_ALL, Answer, Gateway, running_gateway

BASE = "/v1/secret-references"
NUMBERS = count()
HEADERS = ("x-portkey-api-key", "bearer")
ENV = {"manager_type": "env", "auth_config": {}, "secret_path": "SOME_KEY"}
TOKEN = {"vault_auth_type": "token", "vault_addr": "http://127.0.0.1:9", "vault_token": {"secret_key_ref": {"env": "A_TOKEN"}}}
LONG = "canary" + "0123456789abcdef" * 2
SHORT = "canary-short"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    document = {
        "targets": [
            {"id": "demo", "provider": "demo", "model": "demo"},
            {"id": "uses", "provider": "demo", "model": "demo", "required": False, "secret_key_ref": {"ref": "used-by-a-target"}},
        ],
        "models": {"demo": {"targets": ["demo"]}, "uses": {"targets": ["uses"]}},
        "references": {"of-the-document": {"manager_type": "env", "secret_path": "SOME_KEY", "max_age_days": 45}},
        "vaults": {"team-vault": {"manager_type": "hashicorp_vault", "auth_config": TOKEN}},
        "reference_api": {
            "allowed_hosts": ["127.0.0.1:9", "*.vault.example"],
            "allowed_credentials": ["env:A_TOKEN", "ref:*", "identity:aws", "identity:azure", f"file:{SERVICE_ACCOUNT_TOKEN}"],
            "allowed_secrets": ["env:*", "store:USED_*"],
        },
        "workspaces": {"default": {}, "production": {}, "staging": {}},
        "policies": {"default": MASK_ALL},
    }
    with running_gateway(tmp_path_factory.mktemp("contract"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
        yield running


@dataclass(frozen=True)
class Client:
    """A client of the admin API that sends its key in one of the two ways."""

    gateway: Gateway
    header: str
    key: str = ""

    def send(self, method: str, path: str = "", body: Any = None) -> Answer:
        key = self.key or self.gateway.admin_key
        headers = {"authorization": f"Bearer {key}"} if self.header == "bearer" else {self.header: key}
        return self.gateway.call(method, BASE + path, body, headers=headers)

    def make(self, **fields: Any) -> dict[str, Any]:
        body = {"name": f"made {next(NUMBERS)}", **ENV, **fields}
        answer = self.send("POST", "", body)
        assert answer.status == 200, answer.body
        made: dict[str, Any] = answer.json
        return made

    def show(self, ident: str) -> dict[str, Any]:
        answer = self.send("GET", f"/{ident}")
        assert answer.status == 200, answer.body
        shown: dict[str, Any] = answer.json
        return shown

    def find(self, **query: str) -> dict[str, Any]:
        answer = self.send("GET", f"?{urlencode(query)}" if query else "")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found


@pytest.fixture(params=HEADERS)
def client(request: pytest.FixtureRequest, gateway: Gateway) -> Client:
    return Client(gateway, request.param)


def is_uuid(text: str) -> bool:
    return str(uuid.UUID(text)) == text


def refused(answer: Answer, status: int, param: str = "") -> None:
    assert answer.status == status, answer.body
    error = answer.json["error"]
    assert error["message"]
    if param:
        assert error["param"] == param, error


# Create


def test_create_answers_with_id_slug_and_object_and_nothing_else(client: Client) -> None:
    made = client.make()
    assert made.keys() == {"id", "slug", "object"}
    assert made["object"] == "secret-reference"
    assert is_uuid(made["id"])


PORTKEY_DEFAULTS: dict[str, Any] = {
    "description": None,
    "secret_key": None,
    "allow_all_workspaces": True,
    "tags": None,
    "status": "ACTIVE",
    "object": "secret-reference",
    "organisation_id": "default",
}
OUR_DEFAULTS: dict[str, Any] = {
    "allowed_workspaces": [],
    "version": None,
    "cache_ttl_s": 300,
    "negative_ttl_s": 15,
    "max_stale_s": 900,
    "refresh_ahead_ratio": 0.8,
    "required": True,
    "class": "standard",
    "environment": None,
    "max_age_days": None,
    "origin": "api",
    "vault": None,
    "warnings": [],
}


@pytest.mark.parametrize(("name", "value"), [*PORTKEY_DEFAULTS.items(), *OUR_DEFAULTS.items()])
def test_a_field_that_is_left_out_has_its_default(client: Client, name: str, value: Any) -> None:
    shown = client.show(client.make()["id"])
    assert shown[name] == value


ACCEPTED: tuple[tuple[str, Any], ...] = (
    ("name", "n"),
    ("name", "n" * 255),
    ("description", "d" * 1024),
    ("description", None),
    ("secret_path", "p" * 1024),
    ("secret_path", "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf"),
    ("secret_key", "k" * 255),
    ("secret_key", None),
    ("tags", {"team": "search", "tier": "1"}),
    ("tags", {}),
    ("tags", None),
    ("allow_all_workspaces", True),
    ("allow_all_workspaces", False),
    ("version", "3"),
    ("cache_ttl_s", 0),
    ("cache_ttl_s", 86400),
    ("negative_ttl_s", 0),
    ("max_stale_s", 0),
    ("refresh_ahead_ratio", 1),
    ("required", False),
    ("class", "admin"),
    ("class", "tool"),
    ("environment", "staging"),
    ("max_age_days", 90),
)


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_a_field_is_taken_and_given_back_as_it_was_sent(client: Client, name: str, value: Any) -> None:
    shown = client.show(client.make(slug=f"taken-{next(NUMBERS)}", **{name: value})["id"])
    assert shown[name] == value


REFUSED: tuple[tuple[str, Any], ...] = (
    ("name", ""),
    ("name", None),
    ("name", 7),
    ("name", "n" * 256),
    ("slug", "with space"),
    ("slug", "with/slash"),
    ("slug", "s" * 256),
    ("slug", "ünder"),
    ("description", "d" * 1025),
    ("description", 1),
    ("manager_type", None),
    ("manager_type", "no_such_vault"),
    ("manager_type", ""),
    ("auth_config", None),
    ("auth_config", "text"),
    ("auth_config", {"unknown": "field"}),
    ("secret_path", None),
    ("secret_path", ""),
    ("secret_path", "p" * 1025),
    ("secret_key", "k" * 256),
    ("allow_all_workspaces", "yes"),
    ("allowed_workspaces", []),
    ("allowed_workspaces", "production"),
    ("allowed_workspaces", ["no-such-workspace"]),
    ("allowed_workspaces", [7]),
    ("tags", {"team": 7}),
    ("tags", ["team"]),
    ("tags", "team"),
    ("organisation_id", "another"),
    ("cache_ttl_s", -1),
    ("cache_ttl_s", 86401),
    ("cache_ttl_s", True),
    ("negative_ttl_s", 3601),
    ("max_stale_s", 86401),
    ("refresh_ahead_ratio", 0),
    ("refresh_ahead_ratio", 1.1),
    ("required", "yes"),
    ("class", "root"),
    ("max_age_days", 0),
    ("version", "v" * 256),
    ("no_such_field", 1),
)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_wrong_field_is_400_and_is_named(client: Client, name: str, value: Any) -> None:
    body = {"name": "refused", **ENV, name: value}
    refused(client.send("POST", "", body), 400, name)


@pytest.mark.parametrize("name", ["name", "manager_type", "auth_config", "secret_path"])
def test_what_is_wanted_and_missing_is_400(client: Client, name: str) -> None:
    body = {key: value for key, value in {"name": "lacking", **ENV}.items() if key != name}
    refused(client.send("POST", "", body), 400, name)


@pytest.mark.parametrize(
    ("name", "slug"), [("OpenAI prod", "openai-prod"), ("a_b-c", "a_b-c"), ("  spaced  out ", "spaced-out"), ("Füll 9", "f-ll-9")]
)
def test_a_slug_is_made_of_the_name_when_none_is_sent(client: Client, name: str, slug: str) -> None:
    number = next(NUMBERS)
    assert client.make(name=f"{name} {number}")["slug"] == f"{slug}-{number}"


def test_a_slug_that_is_sent_is_kept(client: Client) -> None:
    slug = f"Given_slug-{next(NUMBERS)}"
    assert client.make(slug=slug)["slug"] == slug


@pytest.mark.parametrize("slug", ["", "of-the-document"])
def test_a_slug_in_use_is_400(client: Client, slug: str) -> None:
    taken = slug or client.make()["slug"]
    refused(client.send("POST", "", {"name": "again", **ENV, "slug": taken}), 400, "slug")


def test_all_workspaces_together_with_some_is_400(client: Client) -> None:
    body = {"name": "both", **ENV, "allow_all_workspaces": True, "allowed_workspaces": ["production"]}
    refused(client.send("POST", "", body), 400, "allowed_workspaces")


@pytest.mark.parametrize("by", ["slug", "id"])
def test_allowed_workspaces_close_it_to_all_others(client: Client, by: str) -> None:
    known = {row["slug"]: row for row in client.gateway.admin("GET", "/v1/workspaces")["data"]}
    shown = client.show(client.make(allowed_workspaces=[known["production"][by]])["id"])
    assert (shown["allow_all_workspaces"], shown["allowed_workspaces"]) == (False, ["production"])


# auth_config, per manager type and mode


@dataclass(frozen=True)
class Mode:
    """One way to authenticate: what is required, what may be there, and which literals are masked."""

    manager_type: str
    selector: Mapping[str, str]
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    masked: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return "-".join((self.manager_type, *self.selector.values()))


VAULT = {"vault_addr": "http://127.0.0.1:9"}
NAMESPACE = {"vault_namespace": "team-a"}
AZURE = {"azure_vault_url": "https://team.vault.example"}
MODES = (
    Mode(
        "aws_sm",
        {"aws_auth_type": "accessKey"},
        {"aws_access_key_id": LONG, "aws_secret_access_key": LONG, "aws_region": "us-east-1"},
        masked=frozenset({"aws_access_key_id", "aws_secret_access_key"}),
    ),
    Mode(
        "aws_sm",
        {"aws_auth_type": "assumedRole"},
        {"aws_role_arn": "arn:aws:iam::123456789012:role/reader", "aws_region": "us-east-1"},
        {"aws_external_id": LONG},
        frozenset({"aws_role_arn", "aws_external_id"}),
    ),
    Mode("aws_sm", {"aws_auth_type": "serviceRole"}, {}, {"aws_region": "us-east-1"}),
    Mode(
        "azure_kv",
        {"azure_auth_mode": "entra"},
        {"azure_entra_tenant_id": "tenant", "azure_entra_client_id": "client", "azure_entra_client_secret": LONG, **AZURE},
        masked=frozenset({"azure_entra_client_secret"}),
    ),
    Mode("azure_kv", {"azure_auth_mode": "managed"}, AZURE, {"azure_managed_client_id": "client"}),
    Mode("azure_kv", {"azure_auth_mode": "default"}, AZURE),
    Mode("hashicorp_vault", {"vault_auth_type": "token"}, {**VAULT, "vault_token": LONG}, NAMESPACE, frozenset({"vault_token"})),
    Mode(
        "hashicorp_vault",
        {"vault_auth_type": "approle"},
        {**VAULT, "vault_role_id": "role", "vault_secret_id": LONG},
        NAMESPACE,
        frozenset({"vault_secret_id"}),
    ),
    Mode("hashicorp_vault", {"vault_auth_type": "kubernetes"}, {**VAULT, "vault_role": "gateway"}, NAMESPACE),
)


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> Mode:
    asked: Mode = request.param
    return asked


def test_a_mode_takes_what_it_requires_and_shows_it_with_its_sensitive_fields_masked(client: Client, mode: Mode) -> None:
    given = {**mode.selector, **mode.required, **mode.optional}
    answer = client.send("GET", "/" + client.make(manager_type=mode.manager_type, auth_config=given)["id"])
    shown = answer.json["auth_config"]
    assert shown.keys() == {f"masked_{name}" if name in mode.masked else name for name in given}
    assert all(shown[name] == value for name, value in given.items() if name not in mode.masked)
    for name in mode.masked:
        assert given[name] not in answer.body.decode()
        assert shown[f"masked_{name}"].endswith("****" + given[name][-4:])


def test_a_mode_does_without_what_is_optional(client: Client, mode: Mode) -> None:
    made = client.make(manager_type=mode.manager_type, auth_config={**mode.selector, **mode.required})
    shown = client.show(made["id"])["auth_config"]
    assert not {name for name in shown if name.removeprefix("masked_") in mode.optional}, "what is not set is not shown"


def test_a_mode_without_a_required_field_is_400(client: Client, mode: Mode) -> None:
    for name in mode.required:
        given = {**mode.selector, **{key: value for key, value in mode.required.items() if key != name}}
        refused(
            client.send("POST", "", {"name": "lacks", **ENV, "manager_type": mode.manager_type, "auth_config": given}), 400, "auth_config"
        )


def test_a_mode_with_a_field_of_another_is_400(client: Client, mode: Mode) -> None:
    given = {**mode.selector, **mode.required, "keychain_service": "x"}
    refused(client.send("POST", "", {"name": "mixed", **ENV, "manager_type": mode.manager_type, "auth_config": given}), 400, "auth_config")


def test_a_credential_that_is_stored_here_for_good_is_warned_of(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": LONG})
    assert [warning.split()[0] for warning in client.show(made["id"])["warnings"]] == ["auth_config.vault_token"]


def test_a_sensitive_field_may_be_a_reference_and_is_shown_as_one(client: Client) -> None:
    shown = client.show(client.make(manager_type="hashicorp_vault", auth_config=TOKEN)["id"])
    assert shown["auth_config"] == TOKEN


@pytest.mark.parametrize(
    ("value", "mask"),
    [
        (SHORT, "****"),
        ("c" * 19, "****"),
        (LONG, "****cdef"),
        ("hvs." + LONG, "hvs.****cdef"),
    ],
)
def test_a_mask_shows_a_public_prefix_and_four_characters_of_a_long_value_and_nothing_of_a_short_one(
    client: Client, value: str, mask: str
) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": value})
    assert client.show(made["id"])["auth_config"]["masked_vault_token"] == mask


# A connection of the document instead


def test_a_connection_of_the_document_stands_for_manager_type_and_auth_config(client: Client) -> None:
    body = {"name": f"by connection {next(NUMBERS)}", "vault": "team-vault", "secret_path": "llm/openai"}
    answer = client.send("POST", "", body)
    assert answer.status == 200, answer.body
    shown = client.show(answer.json["id"])
    told = (shown["vault"], shown["manager_type"], shown["auth_config"])
    assert told == ("team-vault", "hashicorp_vault", {"vault": "team-vault"})


def test_a_connection_is_taken_up_and_given_up_by_a_change(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": LONG})
    assert client.send("PUT", f"/{made['id']}", {"vault": "team-vault"}).status == 200
    assert client.show(made["id"])["auth_config"] == {"vault": "team-vault"}
    back = {"auth_config": {**TOKEN, "vault": None, "vault_token": LONG}}
    assert client.send("PUT", f"/{made['id']}", back).status == 200
    assert client.show(made["id"])["vault"] is None


CONNECTED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"vault": "no-such-connection"}, "vault"),
    ({"vault": 7}, "vault"),
    ({"vault": "team-vault", "auth_config": TOKEN}, "auth_config"),
    ({"vault": "team-vault", "manager_type": "env"}, "vault"),
    ({"manager_type": "hashicorp_vault", "auth_config": {"vault": "team-vault", "vault_namespace": "other"}}, "auth_config"),
    ({"manager_type": "hashicorp_vault", "auth_config": {"vault": "no-such-connection"}}, "vault"),
)


@pytest.mark.parametrize(("fields", "param"), CONNECTED)
def test_a_connection_that_does_not_fit_is_400(client: Client, fields: dict[str, Any], param: str) -> None:
    refused(client.send("POST", "", {"name": "misconnected", "secret_path": "p", **fields}), 400, param)


# What the document does not permit (every attack is in tests/pipeline/keys/test_permits.py)


@pytest.mark.parametrize(
    ("param", "auth_config"),
    [
        ("auth_config.vault_addr", {**TOKEN, "vault_addr": "https://elsewhere.example:8200"}),
        ("auth_config.vault_addr", {**TOKEN, "vault_addr": "https://team.vault.example@elsewhere.example"}),
        ("auth_config.vault_token", {**TOKEN, "vault_token": {"secret_key_ref": {"env": "ANOTHER_TOKEN"}}}),
        ("auth_config.vault_token", {**TOKEN, "vault_token": "store:ANOTHER_TOKEN"}),
        ("auth_config.vault_ca_cert", {**TOKEN, "vault_ca_cert": "/etc/hostname"}),
    ],
)
def test_what_the_document_does_not_permit_is_400_with_field_reason_and_remedy(
    client: Client, param: str, auth_config: dict[str, Any]
) -> None:
    answer = client.send("POST", "", {"name": "attack", **ENV, "manager_type": "hashicorp_vault", "auth_config": auth_config})
    refused(answer, 400, param)
    assert answer.json["error"]["code"] == "reference_not_permitted"
    assert "elsewhere" not in answer.body.decode()
    made = client.make(manager_type="hashicorp_vault", auth_config=TOKEN)
    refused(client.send("PUT", f"/{made['id']}", {"auth_config": auth_config}), 400, param)


def test_a_stored_credential_does_not_move_to_another_address_unless_it_is_sent_again(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": LONG})
    move = {"auth_config": {"vault_addr": "https://other.vault.example"}}
    answer = client.send("PUT", f"/{made['id']}", move)
    refused(answer, 400, "auth_config.vault_token")
    assert answer.json["error"]["code"] == "credential_wanted"
    assert client.send("PUT", f"/{made['id']}", {"auth_config": {**move["auth_config"], "vault_token": LONG[::-1]}}).status == 200


# List


def test_a_list_has_the_fields_of_the_documentation(client: Client) -> None:
    made = client.make(name=f"listed here {next(NUMBERS)}x")
    found = client.find(search=made["slug"])
    assert found.keys() == {"object", "total", "data"}
    assert (found["object"], found["total"]) == ("list", 1)
    assert found["data"][0].keys() == {"id", "name", "slug", "manager_type", "status", "created_at", "last_updated_at", "object"}
    assert found["data"][0]["id"] == made["id"]


def test_a_list_has_twenty_of_the_newest_unless_more_are_asked_for(client: Client) -> None:
    marker = f"page{next(NUMBERS)}x"
    made = [client.make(name=f"{marker} {number}")["id"] for number in range(23)]
    pages = [client.find(search=marker, current_page=str(page)) for page in range(3)]
    assert [len(page["data"]) for page in pages] == [20, 3, 0]
    assert [page["total"] for page in pages] == [23, 23, 23]
    assert [row["id"] for page in pages for row in page["data"]] == made[::-1]
    assert len(client.find(search=marker, page_size="100")["data"]) == 23
    assert len(client.find(search=marker, page_size="1", current_page="22")["data"]) == 1


def test_a_search_looks_into_names_and_slugs_without_regard_to_case(client: Client) -> None:
    marker = f"seek{next(NUMBERS)}y"
    named, slugged = client.make(name=f"The {marker.upper()} key"), client.make(slug=f"x-{marker}")
    client.make(name=marker.replace("seek", "see_"))
    assert {row["id"] for row in client.find(search=marker)["data"]} == {named["id"], slugged["id"]}
    assert client.find(search=marker.replace("e", "_"))["total"] == 0, "a wildcard of SQL is a character"


def test_a_list_is_narrowed_by_manager_type(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config=TOKEN)
    rows = client.find(manager_type="hashicorp_vault", page_size="100")["data"]
    assert made["id"] in {row["id"] for row in rows}
    assert {row["manager_type"] for row in rows} == {"hashicorp_vault"}


def test_a_list_is_narrowed_by_every_tag_that_is_asked_for(client: Client) -> None:
    team = f"team-{next(NUMBERS)}"
    both, one = client.make(tags={"team": team, "tier": "1"}), client.make(tags={"team": team})
    assert {row["id"] for row in client.find(tags=json.dumps({"team": team}))["data"]} == {both["id"], one["id"]}
    assert [row["id"] for row in client.find(tags=json.dumps({"team": team, "tier": "1"}))["data"]] == [both["id"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search", ""),
        ("search", "s" * 256),
        ("current_page", "-1"),
        ("current_page", "x"),
        ("page_size", "0"),
        ("page_size", "101"),
        ("tags", "not json"),
        ("tags", '["a"]'),
        ("tags", '{"a": 1}'),
        ("order", "name"),
    ],
)
def test_a_wrong_query_is_400(client: Client, name: str, value: str) -> None:
    refused(client.send("GET", f"?{name}={quote(value)}"), 400, name)


# Get


def test_a_reference_is_found_by_id_and_by_slug(client: Client) -> None:
    made = client.make()
    assert client.show(made["id"]) == client.show(made["slug"])


def test_a_detail_has_the_fields_of_the_documentation_and_ours(client: Client) -> None:
    listed = {"id", "name", "slug", "manager_type", "status", "created_at", "last_updated_at", "object"}
    detail = {"organisation_id", "description", "secret_path", "secret_key", "allow_all_workspaces", "tags", "created_by", "auth_config"}
    shown = client.show(client.make()["id"])
    assert shown.keys() == listed | detail | OUR_DEFAULTS.keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", shown["created_at"])


def test_the_documents_references_are_shown_and_not_changed_here(client: Client) -> None:
    shown = client.show("of-the-document")
    assert (shown["origin"], shown["secret_path"], shown["max_age_days"]) == ("document", "SOME_KEY", 45)
    refused(client.send("PUT", "/of-the-document", {"name": "mine"}), 400)
    refused(client.send("DELETE", "/of-the-document"), 400)


@pytest.mark.parametrize("ident", ["no-such-reference", str(uuid.UUID(int=0))])
@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/verify"),
        ("POST", "/refresh"),
        ("POST", "/disable"),
        ("POST", "/enable"),
    ],
)
def test_what_does_not_exist_is_404(client: Client, ident: str, method: str, action: str) -> None:
    answer = client.send(method, f"/{ident}{action}", {"name": "x"} if method == "PUT" else {} if method == "POST" else None)
    refused(answer, 404)
    assert answer.json["error"]["code"] == "reference_not_found"


# Put


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_a_single_field_is_changed_and_the_others_stay(client: Client, name: str, value: Any) -> None:
    made = client.make(description="before", tags={"a": "b"}, secret_key="k")
    before = client.show(made["id"])
    answer = client.send("PUT", f"/{made['slug']}", {name: value})
    assert (answer.status, answer.json) == (200, made)
    after = client.show(made["id"])
    stays = before.keys() - {name, "last_updated_at"}
    assert after[name] == value
    assert {key: after[key] for key in stays} == {key: before[key] for key in stays}
    assert after["last_updated_at"] > before["last_updated_at"]


@pytest.mark.parametrize("row", [row for row in REFUSED if row[0] not in ("slug", "manager_type", "organisation_id", "no_such_field")])
def test_a_wrong_change_is_400_and_changes_nothing(client: Client, row: tuple[str, Any]) -> None:
    made = client.make()
    before = client.show(made["id"])
    refused(client.send("PUT", f"/{made['id']}", {row[0]: row[1]}), 400, row[0])
    assert client.show(made["id"]) == before


@pytest.mark.parametrize("body", [{}, {"no_such_field": 1}, {"slug": "other"}, {"manager_type": "file"}])
def test_a_change_without_a_valid_field_is_400(client: Client, body: dict[str, Any]) -> None:
    refused(client.send("PUT", f"/{client.make()['id']}", body), 400)


@pytest.mark.parametrize("fixed", [{"slug": "other"}, {"manager_type": "file"}, {"organisation_id": "default"}])
def test_slug_manager_type_and_organization_cannot_be_changed_beside_others(client: Client, fixed: dict[str, Any]) -> None:
    refused(client.send("PUT", f"/{client.make()['id']}", {"name": "new", **fixed}), 400, next(iter(fixed)))


def test_auth_config_is_merged(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": LONG})
    assert client.send("PUT", f"/{made['id']}", {"auth_config": {"vault_namespace": "team-b"}}).status == 200
    shown = client.show(made["id"])["auth_config"]
    assert (shown["vault_namespace"], shown["vault_addr"], shown["masked_vault_token"]) == ("team-b", TOKEN["vault_addr"], "****cdef")
    assert client.send("PUT", f"/{made['id']}", {"auth_config": {"vault_namespace": None, "vault_token": LONG[::-1]}}).status == 200
    shown = client.show(made["id"])["auth_config"]
    assert ("vault_namespace" in shown, shown["masked_vault_token"]) == (False, "****" + LONG[::-1][-4:])


def test_merged_auth_config_is_checked_as_a_whole(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config=TOKEN)
    refused(client.send("PUT", f"/{made['id']}", {"auth_config": {"vault_addr": None}}), 400, "auth_config")
    refused(client.send("PUT", f"/{made['id']}", {"auth_config": {"vault_auth_type": "approle"}}), 400, "auth_config")
    refused(client.send("PUT", f"/{made['id']}", {"auth_config": {"aws_region": "us-east-1"}}), 400, "auth_config")
    change = {"vault_auth_type": "approle", "vault_role_id": "role", "vault_secret_id": LONG}
    assert client.send("PUT", f"/{made['id']}", {"auth_config": change}).status == 200
    assert client.show(made["id"])["auth_config"].keys() == {"vault_auth_type", "vault_addr", "vault_role_id", "masked_vault_secret_id"}


@pytest.mark.parametrize("field_name", ["masked_vault_token", "vault_token"])
def test_a_masked_value_that_is_sent_back_is_400_and_the_value_stays(client: Client, field_name: str) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": LONG})
    shown = client.show(made["id"])["auth_config"]
    back = {field_name: shown["masked_vault_token"]}
    answer = client.send("PUT", f"/{made['id']}", {"auth_config": back})
    refused(answer, 400, f"auth_config.{field_name}")
    assert answer.json["error"]["code"] == "masked_value"
    refused(client.send("POST", "", {"name": "copied", **ENV, "manager_type": "hashicorp_vault", "auth_config": {**TOKEN, **back}}), 400)
    assert client.show(made["id"])["auth_config"] == shown


def test_opening_it_to_all_workspaces_drops_those_that_were_named(client: Client) -> None:
    made = client.make(allowed_workspaces=["production"])
    assert client.send("PUT", f"/{made['id']}", {"allow_all_workspaces": True}).status == 200
    shown = client.show(made["id"])
    assert (shown["allow_all_workspaces"], shown["allowed_workspaces"]) == (True, [])
    assert client.send("PUT", f"/{made['id']}", {"allow_all_workspaces": False}).status == 200
    assert client.show(made["id"])["allowed_workspaces"] == [], "they do not come back"
    assert client.send("PUT", f"/{made['id']}", {"allowed_workspaces": ["staging"]}).status == 200
    assert (client.show(made["id"])["allow_all_workspaces"], client.show(made["id"])["allowed_workspaces"]) == (False, ["staging"])


# Delete


@pytest.mark.parametrize("by", ["id", "slug"])
def test_a_deleted_reference_is_gone_and_its_slug_is_free(client: Client, by: str) -> None:
    made = client.make()
    assert client.send("DELETE", f"/{made[by]}").status == 200
    refused(client.send("GET", f"/{made['id']}"), 404)
    again = client.make(slug=made["slug"])
    assert again["id"] != made["id"]


def test_a_reference_that_a_target_uses_is_not_deleted(client: Client) -> None:
    made = client.make(slug="used-by-a-target")
    refused(client.send("DELETE", f"/{made['id']}"), 400)
    assert client.send("DELETE", f"/{made['id']}").json["error"]["code"] == "reference_in_use"
    release(client, made)


def test_a_reference_that_another_ones_connection_uses_is_not_deleted(client: Client) -> None:
    inner = client.make()
    outer = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": {"secret_key_ref": {"ref": inner["slug"]}}})
    answer = client.send("DELETE", f"/{inner['id']}")
    refused(answer, 400)
    assert outer["slug"] in answer.json["error"]["message"]
    assert client.send("DELETE", f"/{outer['id']}").status == 200
    assert client.send("DELETE", f"/{inner['id']}").status == 200


def test_a_change_that_closes_a_circle_of_connections_is_400(client: Client) -> None:
    one = client.make(manager_type="hashicorp_vault", auth_config=TOKEN)
    through_one = {**TOKEN, "vault_token": {"secret_key_ref": {"ref": one["slug"]}}}
    two = client.make(manager_type="hashicorp_vault", auth_config=through_one)
    for slug in (one["slug"], two["slug"]):
        back = {"auth_config": {"vault_token": {"secret_key_ref": {"ref": slug}}}}
        refused(client.send("PUT", f"/{one['id']}", back), 400, "auth_config")


# Who may


@pytest.mark.parametrize("role", ["key", "manager", "auditor"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("PUT", "/x"), ("DELETE", "/x"), ("POST", "/x/disable"), ("GET", ""), ("GET", "/x")]
)
def test_only_administrators_write_and_only_they_and_auditors_read(client: Client, role: str, method: str, path: str) -> None:
    other = Client(client.gateway, client.header, client.gateway.create_key(role=role)["key"])
    answer = other.send(method, path, {} if method in ("POST", "PUT") else None)
    allowed = role == "auditor" and method == "GET"
    assert answer.status == ((404 if path else 200) if allowed else 403), answer.body


def test_without_a_key_it_is_401(gateway: Gateway) -> None:
    assert gateway.call("GET", BASE).status == 401


# What stands in the store and the audit


def test_nothing_that_was_sent_as_a_literal_stands_in_clear_in_any_file(client: Client, tmp_path: Path) -> None:
    value = "canary-literal-" + uuid.uuid4().hex
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": value})
    client.send("PUT", f"/{made['id']}", {"auth_config": {"vault_namespace": "n"}})
    client.send("POST", "", {"name": value, **ENV})
    for name, content in client.gateway.written().items():
        assert value.encode() not in content, name
    for name in ("description", "secret_path", "slug"):
        answer = client.send("POST", "", {"name": "said again", **ENV, name: value})
        refused(answer, 400, name)
        assert value not in answer.body.decode()


def test_every_change_is_an_event_that_names_fields_and_no_values(client: Client) -> None:
    made = client.make(manager_type="hashicorp_vault", auth_config={**TOKEN, "vault_token": LONG}, allowed_workspaces=["production"])
    client.send("PUT", f"/{made['id']}", {"description": "changed"})
    client.send("POST", f"/{made['id']}/disable", {})
    client.send("POST", f"/{made['id']}/enable", {})
    client.send("POST", f"/{made['id']}/refresh", {})
    client.send("DELETE", f"/{made['id']}")
    events = [row for row in client.gateway.events(limit="50") if row["detail"].get("reference") == made["slug"]]
    told = {row["kind"]: row for row in events}
    assert told.keys() == {f"admin:reference:{act}" for act in ("create", "update", "disable", "enable", "delete")} | {
        "admin:secret:refresh"
    }
    assert told["admin:reference:create"]["detail"]["fields"] == sorted(
        ["name", "manager_type", "auth_config", "secret_path", "allowed_workspaces"]
    )
    assert told["admin:reference:update"]["detail"]["fields"] == ["description"]
    assert LONG not in json.dumps(events)


# A reference that was made here, in use


def ask(gateway: Gateway, key: str) -> Answer:
    body = {"model": "uses", "messages": [{"role": "user", "content": "echo hello"}]}
    return gateway.call("POST", "/v1/chat/completions", body, key=key)


def test_a_target_uses_a_reference_from_when_it_is_made_until_it_is_disabled(client: Client) -> None:
    gateway = client.gateway
    gateway.admin("POST", f"/v1/secrets/{(name := f'USED_{next(NUMBERS)}')}", {"value": "canary-" + uuid.uuid4().hex})
    key, other = gateway.create_key(alias=f"caller-{name}"), gateway.create_key(workspace="staging")
    assert ask(gateway, key["key"]).json["error"]["code"] == "reference_not_allowed", (
        "what does not exist is answered like what is not allowed"
    )
    made = client.make(slug="used-by-a-target", manager_type="local", secret_path=name, allowed_workspaces=["default", "production"])
    path = f"/{made['id']}"
    try:
        assert ask(gateway, key["key"]).status == 200
        assert ask(gateway, other["key"]).status == 403
        verdict = client.send("POST", f"{path}/verify", {}).json
        assert (verdict["resolvable"], verdict["version"], verdict["length_class"]) == (True, "1", "medium")
        used = client.send("GET", f"{path}/usage").json
        row = next(row for row in used["data"] if row["key_id"] == key["id"])
        assert (row["workspace"], row["model"], row["target"], row["calls"]) == ("default", "uses", "uses", 1)
        assert (row["version"], row["fingerprint"], row["key_alias"]) == ("1", verdict["fingerprint"], f"caller-{name}")
        assert (used["reference"], used["used_by"]) == ("used-by-a-target", ["target uses"])
        by_print = gateway.admin("GET", f"{BASE}/usage?fingerprint={verdict['fingerprint']}")
        assert (by_print["keys"], by_print["calls"]) == ([key["id"]], 1)
        current = [row for row in client.send("GET", f"{path}/versions").json["data"] if row["fingerprint"] == verdict["fingerprint"]]
        assert [(row["version"], row["calls"]) for row in current] == [("1", 1)]
        assert client.send("POST", f"{path}/disable", {}).status == 200
        assert client.show(made["id"])["status"] == "DISABLED"
        assert (refusal := ask(gateway, key["key"])).status == 503, refusal.body
        assert client.send("POST", f"{path}/enable", {}).status == 200
        assert ask(gateway, key["key"]).status == 200
        assert client.send("PUT", path, {"allowed_workspaces": ["production"]}).status == 200
        assert ask(gateway, key["key"]).status == 403
    finally:
        assert client.send("POST", f"{path}/refresh", {}).status == 200
        release(client, made)


def release(client: Client, made: Mapping[str, Any]) -> None:
    """Delete the reference that the document's target names: with another document for as long as that takes."""
    config = client.gateway.config
    text = config.read_text()
    config.write_text(text.replace("ref: used-by-a-target", "env: SOME_KEY"))
    client.gateway.admin("POST", "/v1/config/reload", {})
    try:
        assert client.send("DELETE", f"/{made['id']}").status == 200
    finally:
        config.write_text(text)
        client.gateway.admin("POST", "/v1/config/reload", {})
