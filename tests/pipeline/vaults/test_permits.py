"""What a reference made by REST may name: a table of attacks, each refused with its field, and of what is meant to work."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.bootstrap.compile import compile_permits
from pipeline.config.document import Document
from pipeline.vaults import permits
from pipeline.vaults.addresses import read_address, read_host_rule, read_name_rule
from pipeline.vaults.auth import SENSITIVE, SHAPES
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.permits import NOTHING_ELSE, Permits, Refusal, measured, permitted
from pipeline.vaults.reference import REFUSED

TOKEN = {"vault_addr": "https://vault.example.com:8200", "vault_token": Secret("literal-of-the-request", reference="x")}
KEYS = {name: Secret("literal-of-the-request", reference="x") for name in ("aws_access_key_id", "aws_secret_access_key")}
AWS = {"aws_auth_type": "accessKey", "aws_region": "eu-central-1", **KEYS}
ENTRA = {
    "azure_auth_mode": "entra",
    "azure_vault_url": "https://team.vault.azure.net",
    "azure_entra_tenant_id": "72f988bf-86f1-41af-91ab-2d7cd011db47",
    "azure_entra_client_id": "client",
    "azure_entra_client_secret": Secret("literal-of-the-request", reference="x"),
}
INFISICAL = {"infisical_client_id": "c", "infisical_project_id": "p", "infisical_environment": "prod",
             "infisical_client_secret": Secret("literal-of-the-request", reference="x")}  # fmt: skip
DOPPLER = {"doppler_token": Secret("literal-of-the-request", reference="x")}
DOCUMENT = Document.model_validate(
    {
        "vaults": {
            "prod": {"manager_type": "hashicorp_vault", "auth_config": {"vault_addr": "https://v.internal",
                                                                             "vault_token": "env:VAULT_TOKEN"}},
            "machine": {"manager_type": "env"},
        },
        "reference_api": {
            "allowed_hosts": ["vault.example.com:8200", "*.vault.internal", "127.0.0.1:8200", "10.0.0.5", "[2001:db8::1]"],
            "allowed_credentials": ["env:VAULT_*", "file:/run/secrets/vault-*", "store:EXACT", "ref:token", "identity:gcp"],
            "allowed_secrets": ["env:OPENAI_*", "file:/run/secrets/*"],
        },
    }
)  # fmt: skip
SOME = compile_permits(DOCUMENT)


def reference(manager_type: str, auth_config: Mapping[str, Any], path: str = "llm/openai") -> SecretRef:
    return SecretRef(slug="made", manager_type=manager_type, secret_path=path, auth_config=auth_config, revision="id.1")


def judged(manager_type: str, auth_config: Mapping[str, Any], rules: Permits, path: str = "llm/openai") -> str:
    """The field that is refused; "" for what is permitted."""
    found = permitted(reference(manager_type, auth_config, path), rules)
    return found.param if isinstance(found, Refusal) else ""


BY_DEFAULT: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("aws_sm", AWS),
    ("aws_ssm", AWS),
    ("aws_sm", {**AWS, "aws_auth_type": "assumedRole", "aws_role_arn": Secret("arn", reference="x")}),
    ("azure_kv", ENTRA),
    ("azure_kv", {**ENTRA, "azure_authority_host": "https://login.microsoftonline.us"}),
    ("azure_kv", {**ENTRA, "azure_vault_url": "https://TEAM.vault.azure.net/"}),
    ("gcp_sm", {"gcp_auth_mode": "serviceAccount", "gcp_service_account_json": Secret(json.dumps({"type": "x"}), reference="x")}),
    ("gcp_sm", {"gcp_auth_mode": "serviceAccount", "gcp_location": "europe-west3",
                "gcp_service_account_json": Secret('{"token_uri": "https://oauth2.googleapis.com/token"}', reference="x")}),
    ("doppler", DOPPLER),
    ("doppler", {**DOPPLER, "doppler_api_host": "https://api.doppler.com"}),
    ("infisical", INFISICAL),
    ("infisical", {**INFISICAL, "infisical_site_url": "https://eu.infisical.com"}),
    ("hashicorp_vault", {"vault": "prod"}),
    ("openbao", {"vault": "prod"}),
)  # fmt: skip


@pytest.mark.parametrize(("manager_type", "auth_config"), BY_DEFAULT)
def test_a_vendors_own_address_with_credentials_of_the_request_needs_no_permission(
    manager_type: str, auth_config: Mapping[str, Any]
) -> None:
    assert judged(manager_type, auth_config, compile_permits(DOCUMENT.model_copy(update={"reference_api": Document().reference_api}))) == ""


NOT_BY_DEFAULT: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("hashicorp_vault", TOKEN, "auth_config.vault_addr"),
    ("onepassword", {"op_connect_host": "https://connect.example.com", "op_connect_token": KEYS["aws_access_key_id"]},
     "auth_config.op_connect_host"),
    ("aws_sm", {**AWS, "aws_endpoint_url": "https://vpce.example.com"}, "auth_config.aws_endpoint_url"),
    ("aws_sm", {**AWS, "aws_sts_endpoint_url": "https://sts.example.com"}, "auth_config.aws_sts_endpoint_url"),
    ("aws_sm", {**AWS, "aws_endpoint_url": "https://attacker.execute-api.eu-central-1.amazonaws.com"}, "auth_config.aws_endpoint_url"),
    ("aws_sm", {}, "auth_config.aws_auth_type"),
    ("aws_sm", {"aws_auth_type": "serviceRole"}, "auth_config.aws_auth_type"),
    ("aws_ssm", {"aws_auth_type": "assumedRole", "aws_role_arn": "arn", "aws_region": "eu-central-1"}, "auth_config.aws_auth_type"),
    ("aws_sm", {**AWS, "aws_auth_type": "assumedRole", "aws_profile_name": "admin"}, "auth_config.aws_auth_type"),
    ("aws_sm", {"aws_auth_type": "webIdentity", "aws_role_arn": "arn", "aws_region": "eu-central-1",
                "aws_web_identity_token_file": "/run/token"}, "auth_config.aws_web_identity_token_file"),
    ("azure_kv", {"azure_vault_url": "https://team.vault.azure.net"}, "auth_config.azure_auth_mode"),
    ("azure_kv", {"azure_auth_mode": "managed", "azure_vault_url": "https://team.vault.azure.net"}, "auth_config.azure_auth_mode"),
    ("azure_kv", {"azure_auth_mode": "workload", "azure_vault_url": "https://team.vault.azure.net"}, "auth_config.azure_auth_mode"),
    ("gcp_sm", {}, "auth_config.gcp_auth_mode"),
    ("gcp_sm", {"gcp_auth_mode": "metadata"}, "auth_config.gcp_auth_mode"),
    ("gcp_sm", {"gcp_auth_mode": "workload", "gcp_credential_config_file": "c.json"}, "auth_config.gcp_credential_config_file"),
    ("doppler", {"doppler_token": "env:OPENAI_KEY"}, "auth_config.doppler_token"),
    ("doppler", {"doppler_auth_mode": "identity", "doppler_identity_id": "i", "doppler_oidc_token_file": "/run/t"},
     "auth_config.doppler_oidc_token_file"),
    ("env", {}, "secret_path"),
    ("file", {}, "secret_path"),
    ("local", {}, "secret_path"),
    ("store", {}, "secret_path"),
    ("keychain", {}, "secret_path"),
    ("env", {"vault": "machine"}, "secret_path"),
    ("somebodys_plug_in", {"anything": "x"}, "manager_type"),
)  # fmt: skip


@pytest.mark.parametrize(("manager_type", "auth_config", "param"), NOT_BY_DEFAULT)
def test_nothing_else_is_permitted_by_a_document_that_says_nothing_of_it(
    manager_type: str, auth_config: Mapping[str, Any], param: str
) -> None:
    rules = Permits(connections=SOME.connections)
    assert judged(manager_type, auth_config, rules) == param


ADDRESSES = (
    "https://elsewhere.example.com",
    "https://vault.example.com",  # another port than the one that is allowed
    "https://vault.example.com:8201",
    "http://vault.example.com:8200",  # not TLS
    "https://vault.example.com.:8200",  # the same host to a resolver, another one to a comparison
    "https://vault.example.com:8200@evil.example",
    "https://vault.example.com:8200\\@evil.example",
    "https://evil.example#vault.example.com:8200",
    "https://evil.example?vault.example.com:8200",
    "https://evil.example/vault.example.com:8200",
    "https://user:pass@vault.example.com:8200",
    "https://vault.example.com:8200?redirect=1",
    "https://vault.example.com:8200/%2e%2e/",
    "https://vault.example.com\n:8200",
    " https://vault.example.com:8200",
    "https:/vault.example.com:8200",
    "//vault.example.com:8200",
    "vault.example.com:8200",
    "ftp://vault.example.com:8200",
    "file:///etc/passwd",
    "https://vault.example.com:0",
    "https://vault.example.com:65536",
    "https://vault.example.com:008200000",
    "https://vault.internal",  # the suffix itself
    "https://evilvault.internal",
    "https://x.vault.internal.evil.example",
    "https://\u24e5ault.example.com:8200",
    "https://127.0.0.1",
    "https://127.0.0.1:8201",
    "https://127.1:8200",
    "https://2130706433:8200",
    "https://0x7f000001:8200",
    "https://0x7f.0.0.1:8200",
    "https://0177.0.0.1:8200",
    "https://127.0.0.1.:8200",
    "http://10.0.0.5",
    "https://10.0.0.05",
    "https://10.5",
    "https://167772165",
    "https://[::ffff:10.0.0.5]",
    "https://[::ffff:127.0.0.1]:8200",
    "https://[::1]:8200",
    "https://[2001:db8::1%25eth0]",
    "https://[2001:db8::2]",
    "https://169.254.169.254",
    "https://localhost:8200",
    {"secret_key_ref": {"env": "VAULT_ADDR"}},
    "env:VAULT_ADDR",
    7,
)


@pytest.mark.parametrize("url", ADDRESSES, ids=str)
def test_an_address_that_no_rule_means_is_refused(url: Any) -> None:
    assert judged("hashicorp_vault", {**TOKEN, "vault_addr": url}, SOME) == "auth_config.vault_addr"


@pytest.mark.parametrize(
    "url",
    [
        "https://vault.example.com:8200",
        "https://VAULT.example.com:8200/",
        "https://a.vault.internal",
        "https://a.b.vault.internal:8200/prefix",
        "http://127.0.0.1:8200",
        "https://127.0.0.1:8200",
        "https://10.0.0.5:8200",
        "https://[2001:0db8::0001]:8200",
    ],
)
def test_an_address_that_a_rule_means_is_permitted(url: str) -> None:
    assert judged("hashicorp_vault", {**TOKEN, "vault_addr": url}, SOME) == ""


VENDORS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("azure_kv", "azure_vault_url", ENTRA),
    ("azure_kv", "azure_authority_host", ENTRA),
    ("doppler", "doppler_api_host", DOPPLER),
    ("infisical", "infisical_site_url", INFISICAL),
    ("gcp_sm", "gcp_endpoint_url",
     {"gcp_auth_mode": "serviceAccount", "gcp_service_account_json": Secret("{}", reference="x")}),
)  # fmt: skip


@pytest.mark.parametrize(("manager_type", "field", "auth_config"), VENDORS, ids=[row[1] for row in VENDORS])
@pytest.mark.parametrize(
    "url",
    [
        "http://{host}",
        "https://{host}:8443",
        "https://{host}.evil.example",
        "https://{host}@evil.example",
        "https://evil.example/{host}",
        "https://evil-{host}",
        "https://a.b.{host}",
    ],
)
def test_what_looks_like_a_vendors_address_is_none(manager_type: str, field: str, auth_config: Mapping[str, Any], url: str) -> None:
    fixed = permits.ADDRESSES[field][0]
    host = fixed.removeprefix("=") if fixed.startswith("=") else f"team.{fixed}"
    if url == "https://evil-{host}" and not fixed.startswith("="):
        host = fixed  # evil-vault.azure.net
    assert judged(manager_type, {**auth_config, field: url.format(host=host)}, NOTHING_ELSE) == f"auth_config.{field}"


INNER: tuple[tuple[Any, bool], ...] = (
    ("env:VAULT_TOKEN", True),
    ({"secret_key_ref": {"env": "VAULT_TOKEN"}}, True),
    ({"secret_key_ref": "env:VAULT_TOKEN"}, True),
    ({"secret_key_ref": {"env": "VAULT_TOKEN", "secret_key": "field"}}, True),
    ({"secret_key_ref": {"file": "/run/secrets/vault-token"}}, True),
    ({"secret_key_ref": {"store": "EXACT"}}, True),
    ({"secret_key_ref": {"ref": "token"}}, True),
    ("env:OPENAI_KEY", False),  # a secret that may be read, not a vault's credential
    ("env:vault_token", False),
    ("env:LOCKGATE_DATABASE_URL", False),
    ("store:EXACTLY", False),
    ("store:VAULT_TOKEN", False),
    ("keychain:VAULT_TOKEN", False),
    ("ref:another", False),
    ("ref:token2", False),
    ("file:/run/secrets/openai", False),
    ("file:/run/secrets/vault-x/../openai", False),
    ("file:/run/secrets/vault-/../../../etc/passwd", False),
    ("file:/run/secrets/vault-x/y", False),
    ("file:/run//secrets/vault-token", False),
    ("file:run/secrets/vault-token", False),
    ({"secret_key_ref": {"env": "VAULT_TOKEN", "file": "/etc/passwd"}}, False),
    ({"secret_key_ref": {"identity": "gcp"}}, False),
    ({"env": "VAULT_TOKEN"}, True),
)


@pytest.mark.parametrize(("value", "good"), INNER)
def test_an_inner_credential_is_permitted_only_by_its_own_rule(value: Any, good: bool) -> None:
    found = judged("hashicorp_vault", {**TOKEN, "vault_token": value}, SOME)
    assert found == ("" if good else "auth_config.vault_token")


@pytest.mark.parametrize("field", sorted(permits.FILES | permits.IN_HOST | permits.ADDRESSES.keys()))
def test_where_something_leads_is_never_taken_from_a_secret(field: str) -> None:
    name = next(name for name, shape in SHAPES.items() if any(field in mode.required | mode.optional for mode in shape.modes.values()))
    given = {field: {"secret_key_ref": {"env": "VAULT_TOKEN"}}, "aws_secret_access_key": KEYS["aws_secret_access_key"]}
    assert judged(name, given, SOME) == f"auth_config.{field}"


@pytest.mark.parametrize("field", sorted(permits.IN_HOST))
@pytest.mark.parametrize("value", ["evil.example/", "x@evil.example", "x#", "x?", "..", "a/b", "a b", "", "x" * 200])
def test_a_part_of_a_host_is_a_plain_name(field: str, value: str) -> None:
    name = {"aws_region": "aws_sm", "gcp_location": "gcp_sm"}.get(field, "azure_kv")
    given = {"aws_sm": AWS, "azure_kv": ENTRA}.get(name, {"gcp_auth_mode": "metadata"})
    assert judged(name, {**given, field: value}, SOME) == f"auth_config.{field}"


@pytest.mark.parametrize(
    ("manager_type", "path", "good"),
    [
        ("env", "OPENAI_KEY", True),
        ("env", "OPENAI_", True),
        ("env", "VAULT_TOKEN", False),
        ("env", "MY_OPENAI_KEY", False),
        ("file", "/run/secrets/openai", True),
        ("file", "/run/secrets/../openai", False),
        ("file", "/run/secrets/deeper/openai", False),
        ("local", "OPENAI_KEY", False),
        ("keychain", "OPENAI_KEY", False),
    ],
)
def test_a_place_on_this_machine_is_read_only_when_the_document_names_it(manager_type: str, path: str, good: bool) -> None:
    assert judged(manager_type, {}, SOME, path) == ("" if good else "secret_path")
    if manager_type == "env":
        assert judged(manager_type, {"vault": "machine"}, SOME, path) == ("" if good else "secret_path")


@pytest.mark.parametrize(("name", "field"), [("file", "unsafe_allow_world_readable"), ("keychain", "keychain_service")])
def test_switches_of_the_machines_own_places_belong_to_the_document(name: str, field: str) -> None:
    rules = Permits(secrets=(read_name_rule("file:/run/secrets/*"), read_name_rule("keychain:*")))
    assert judged(name, {field: True}, rules, "/run/secrets/x") == f"auth_config.{field}"


@pytest.mark.parametrize(
    "uri", ["https://evil.example/token", "http://oauth2.googleapis.com/token", "https://oauth2.googleapis.com/token/../x", 7]
)
def test_the_key_of_a_service_account_asks_for_tokens_at_googles_address_alone(uri: Any) -> None:
    given = {"gcp_auth_mode": "serviceAccount", "gcp_service_account_json": Secret(json.dumps({"token_uri": uri}), reference="x")}
    assert judged("gcp_sm", given, SOME) == "auth_config.gcp_service_account_json"


@pytest.mark.parametrize(
    ("server", "good"),
    [
        ("team.1password.com", True),
        ("team.1password.eu", True),
        ("evil.example", False),
        ("team.1password.com@evil.example", False),
        ("team.1password.com.evil.example", False),
        ("127.0.0.1:8443", False),
        ("team.1password.com:8443", False),
        ("", False),
        (7, False),
    ],
)
def test_the_token_of_a_1password_service_account_leads_to_1password_alone(server: Any, good: bool) -> None:
    told = base64.urlsafe_b64encode(json.dumps({"signInAddress": server}).encode()).decode().rstrip("=")
    given = {"op_auth_mode": "serviceAccount", "op_service_account_token": Secret("ops_" + told, reference="x")}
    assert judged("onepassword", given, SOME) == ("" if good else "auth_config.op_service_account_token")


def test_a_token_that_cannot_be_read_leads_nowhere() -> None:
    given = {"op_auth_mode": "serviceAccount", "op_service_account_token": Secret("ops_x", reference="x")}
    assert judged("onepassword", given, SOME) == "auth_config.op_service_account_token"


def test_every_field_of_every_vault_is_of_one_kind() -> None:
    kinds = (frozenset(permits.ADDRESSES), permits.FILES, permits.DOCUMENTS_ONLY, permits.IN_HOST, permits.PLAIN, SENSITIVE)
    fields = {shape.selector for shape in SHAPES.values()} - {""}
    fields |= {name for shape in SHAPES.values() for mode in shape.modes.values() for name in mode.required | mode.optional}
    assert frozenset().union(*kinds) == fields
    assert sum(map(len, kinds)) == len(fields), "no field is of two kinds"


def test_what_is_refused_stands_for_itself_and_says_why_without_a_value() -> None:
    ref = reference("hashicorp_vault", {**TOKEN, "vault_addr": "https://elsewhere.example.com"})
    found = measured(ref, SOME)
    assert (found.manager_type, found.slug, found.revision != ref.revision) == (REFUSED, "made", True)
    assert found.auth_config["param"] == "auth_config.vault_addr"
    assert "elsewhere" not in json.dumps(dict(found.auth_config))
    assert "literal" not in json.dumps(dict(found.auth_config))


def test_a_connection_is_filled_in_and_its_change_makes_what_is_cached_void() -> None:
    ref = reference("hashicorp_vault", {"vault": "prod"})
    other = DOCUMENT.model_copy(
        update={
            "vaults": {
                "prod": DOCUMENT.vaults["prod"].model_copy(update={"auth_config": {"vault_addr": "https://b", "vault_token": "env:T"}})
            }
        }
    )
    found, again = measured(ref, SOME), measured(ref, compile_permits(other))
    assert found.auth_config == DOCUMENT.vaults["prod"].auth_config
    assert len({ref.revision, found.revision, again.revision}) == 3


@pytest.mark.parametrize(
    "text",
    ["", "*", "*.com", "*.", "https://vault.example.com", "vault.example.com/", "user@vault", "a b", "127.0.0.1", "localhost", "[::1]",
     "127.1:80", "*.10.0.0.1", "v.example.:1", "v.example:0", "v.example:99999", "*.*.example.com", "v*.example.com"],
)  # fmt: skip
def test_a_rule_for_hosts_that_means_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host|port|\*"):
        read_host_rule(text)


@pytest.mark.parametrize(
    "text", ["", "env", "env:", "*", "literal:x", "env:A*B", "file:/a/../b", "file:/a//*", "identity:*", "identity:me", "ref:"]
)
def test_a_rule_for_names_that_means_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"written|identity|path"):
        read_name_rule(text)


def test_an_address_is_read_the_same_however_its_ip_is_spelled() -> None:
    assert read_address("https://[2001:DB8:0::1]") == read_address("https://[2001:db8::1]:443/")
