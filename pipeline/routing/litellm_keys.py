"""How a target's one secret becomes LiteLLM's credential arguments.

LiteLLM looks in the environment for whatever it is not given, so nothing here is ever missing: a target without a secret sends a visible
word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.routing.direct import reveal
from pipeline.routing.model import Target, UpstreamError
from pipeline.vaults.model import Secret

NO_KEY = "no-key-needed"
"""Sent where a target has no secret (a model server of one's own): a visible word instead of whatever the environment holds."""

EXTRA = frozenset(
    {
        "api_version",
        "organization",
        "aws_region_name",
        "aws_bedrock_runtime_endpoint",
        "vertex_project",
        "vertex_location",
        "base_model",
        "project",
        "aws_profile_name",
        "aws_role_name",
        "aws_session_name",
        "tenant_id",
        "client_id",
        "watsonx_region_name",
        "watsonx_project",
    }
)
"""The settings of `Target.extra` that are handed to LiteLLM; every other is ours or is ignored."""

_AWS = frozenset({"bedrock", "bedrock_converse", "sagemaker", "sagemaker_chat"})
_AWS_FIELDS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def credentials(target: Target, key: Secret | None) -> dict[str, Any]:
    """LiteLLM's credential and connection arguments for a target.

    AWS providers take a JSON secret with `aws_access_key_id` and `aws_secret_access_key` (and `aws_session_token`), or a Bedrock API
    key; `vertex_ai` takes a service account's JSON. Raises UpstreamError `auth` for a secret that cannot be used.
    """
    arguments: dict[str, Any] = {name: value for name, value in target.extra.items() if name in EXTRA}
    if target.provider in _AWS and target.base_url:
        arguments["aws_bedrock_runtime_endpoint"] = target.base_url
    if key is None:
        return arguments if aws_identity(target) else arguments | {"api_key": NO_KEY}
    value = key.reveal()
    if target.provider in _AWS and value.lstrip().startswith("{"):
        # LiteLLM would add a bearer or session token from the environment unless it is given an empty one; nothing is sent for it
        return arguments | {"api_key": "", "aws_session_token": ""} | aws_fields(value)
    if target.provider.startswith("vertex_ai") and value.lstrip().startswith("{"):
        return arguments | {"vertex_credentials": value}
    return arguments | {"api_key": reveal(key)}


def aws_identity(target: Target) -> bool:
    """Whether an AWS target names a profile or a role instead of a secret, so that AWS's own chain finds the keys."""
    return target.provider in _AWS and bool(target.extra.get("aws_profile_name") or target.extra.get("aws_role_name"))


def plain_key(target: Target, key: Secret | None) -> str:
    """The target's secret as one string: a key, or for AWS the JSON of its keys; NO_KEY where the target has none."""
    if key is None:
        return NO_KEY
    value = key.reveal()
    if target.provider in _AWS and value.lstrip().startswith("{"):
        return value
    return reveal(key)


def aws_fields(value: str) -> dict[str, str]:
    """The AWS keys of a JSON secret. Raises UpstreamError `auth` when it has none."""
    try:
        tree: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        tree = None
    if not isinstance(tree, Mapping):
        raise UpstreamError("auth")
    fields = {name: tree[name] for name in _AWS_FIELDS if isinstance(tree.get(name), str) and tree[name]}
    if not {"aws_access_key_id", "aws_secret_access_key"} <= set(fields):
        raise UpstreamError("auth")
    return fields
