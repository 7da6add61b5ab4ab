"""Credentials of several parts: which fields of a target a secret may fill, and how the parts become one.

Field names are Portkey's (`secret_mappings`: `key`, `configurations.<field>`) and LiteLLM's, which the settings of a target have. Parts of
a credential (an AWS pair, a service account's JSON, a key) become one `Secret`; parts that are settings (an endpoint, a region) go with it
and are put into the target before it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from pipeline.errors import SecretError
from pipeline.routing.model import Target
from pipeline.vaults import failures
from pipeline.vaults.addresses import read_address
from pipeline.vaults.model import Secret

KEY: Final = "key"
PREFIX: Final = "configurations."
_AWS_PAIR: Final = frozenset({"aws_access_key_id", "aws_secret_access_key"})
CREDENTIALS: Final = (KEY, "aws_secret_access_key", "vertex_credentials", "aws_access_key_id", "aws_session_token")
"""The fields that are secrets; the first that is there stands for all of them in the audit."""

SETTINGS: Final = frozenset(
    {
        "base_url",
        "api_version",
        "organization",
        "project",
        "aws_region_name",
        "aws_role_name",
        "vertex_project",
        "vertex_location",
        "tenant_id",
        "client_id",
        "watsonx_region_name",
        "watsonx_project",
    }
)
"""The fields that say where and as whom; no secrets, so they are not looked for in what passes."""

ALIASES: Final[Mapping[str, str]] = {
    "vertex_service_account_json": "vertex_credentials",
    "vertex_project_id": "vertex_project",
    "vertex_region": "vertex_location",
    "aws_region": "aws_region_name",
    "aws_role_arn": "aws_role_name",
    "azure_endpoint": "base_url",
    "azure_api_version": "api_version",
    "azure_entra_tenant_id": "tenant_id",
    "azure_entra_client_id": "client_id",
    "openai_organization": "organization",
    "openai_project": "project",
}
"""Portkey's names of them."""

_MAX_SETTING: Final = 1024


def field_of(target_field: str) -> str:
    """The field that a mapping fills: `key`, or a setting with or without `configurations.`. ValueError names those that there are."""
    name = target_field.removeprefix(PREFIX)
    name = ALIASES.get(name, name)
    if (name not in SETTINGS and name not in CREDENTIALS) or (name == KEY and target_field != KEY):
        known = ", ".join((KEY, *(PREFIX + each for each in sorted({*CREDENTIALS[1:], *SETTINGS}))))
        raise ValueError(f"there is no such target_field; known: {known}")
    return name


def check_fields(provider: str, fields: Collection[str]) -> None:
    """Refuse fields that do not make one credential of a provider. ValueError says what is missing or too much."""
    given = set(fields) & set(CREDENTIALS)
    aws, vertex = given & {*_AWS_PAIR, "aws_session_token"}, given & {"vertex_credentials"}
    if not given:
        raise ValueError("secret_mappings name no credential: map key, or the fields of the provider's credential")
    if bool(aws) + bool(vertex) + (KEY in given) > 1:
        raise ValueError("secret_mappings name more than one credential; keep key, the AWS pair or vertex_credentials")
    if aws and not aws >= _AWS_PAIR:
        raise ValueError("an AWS credential has aws_access_key_id and aws_secret_access_key")
    if aws and not provider.startswith(("bedrock", "sagemaker")):
        raise ValueError(f"{provider} takes no AWS credential")
    if vertex and not provider.startswith("vertex_ai"):
        raise ValueError(f"{provider} takes no vertex_credentials")


def composed(parts: Mapping[str, Secret]) -> Secret:
    """One credential of its parts, by field. SecretError `bad_value` names a setting that is none.

    Version and fingerprint are those of its first secret part, as `CREDENTIALS` has them.
    """
    settings = {name: _setting(name, part) for name, part in parts.items() if name in SETTINGS}
    first = parts[next(name for name in CREDENTIALS if name in parts)]
    pair = {name: part.reveal() for name, part in parts.items() if name.startswith("aws_") and name in CREDENTIALS}
    return Secret(
        json.dumps(pair) if pair else first.reveal(),
        reference=first.reference,
        version=first.version,
        fingerprint=first.fingerprint,
        fetched_us=first.fetched_us,
        created_us=first.created_us,
        lasts_s=first.lasts_s,
        parts=parts,
        settings=settings,
    )


def applied(target: Target, secret: Secret | None) -> Target:
    """The target with the settings that came with its credential."""
    if secret is None or not secret.settings:
        return target
    extra = {name: value for name, value in secret.settings.items() if name != "base_url"}
    return replace(target, base_url=secret.settings.get("base_url", target.base_url), extra={**target.extra, **extra})


def _setting(name: str, part: Secret) -> str:
    value = part.reveal().strip()
    if name == "base_url":
        address = read_address(value)
        good = address is not None and (address.secure or address.is_loopback)
    else:
        good = len(value) <= _MAX_SETTING and value.isascii() and value.isprintable() and " " not in value
    if not good:
        raise _unusable(part.reference, name)
    return value


def _unusable(slug: str, name: str) -> SecretError:
    what = "it is not plainly https://HOST[:PORT][/PATH]" if name == "base_url" else "it is not a word of printable characters"
    return failures.bad_value(slug, f"as {name} of a target {what}").error()
