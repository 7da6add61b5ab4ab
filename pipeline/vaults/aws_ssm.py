"""`aws_ssm`: AWS Systems Manager Parameter Store through boto3. A SecureString is always asked for decrypted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.vaults import failures
from pipeline.vaults.aws_failures import Service, ask
from pipeline.vaults.aws_session import open_client
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_SERVICE: Final = Service("AWS Parameter Store", "ssm:GetParameter")


class AwsParameterStore:
    """One AWS endpoint with one credential. boto3's client is thread-safe."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the newest version of a parameter (its name or ARN), or the pinned one: a number or a label."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        name = ref.secret_path
        if ":" in name and not name.startswith("arn:"):
            return failures.misconfigured(ref.slug, "secret_path has a colon", "Write the number or the label as `version`.")
        if ref.version is not None:
            name = f"{name}:{ref.version}"  # AWS's selector: the service takes a version and a label at the same place
        body = ask(_SERVICE, ref, lambda: self._client.get_parameter(Name=name, WithDecryption=True))
        if isinstance(body, Failure):
            return body
        parameter = body.get("Parameter")
        value = parameter.get("Value") if isinstance(parameter, Mapping) else None
        if not isinstance(parameter, Mapping) or not isinstance(value, str):
            return failures.unavailable(ref.slug, "The answer is not one that AWS gives; something else may stand at the endpoint.")
        modified = parameter.get("LastModifiedDate")
        created_us = int(modified.timestamp() * 1_000_000) if modified is not None else 0
        return Fetched(value, str(parameter.get("Version", "")), created_us)


def open_aws_ssm(auth_config: Mapping[str, Any], context: VaultContext) -> AwsParameterStore:
    """Make the adapter; makes no call."""
    return AwsParameterStore(open_client("ssm", auth_config, context))
