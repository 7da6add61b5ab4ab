"""`aws_sm`: AWS Secrets Manager through boto3. The current version is always asked for as `VersionStage=AWSCURRENT`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.vaults import failures
from pipeline.vaults.aws_failures import Service, ask
from pipeline.vaults.aws_session import open_client
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_SERVICE: Final = Service("AWS Secrets Manager", "secretsmanager:GetSecretValue")
_VERSION_ID_LENGTH: Final = 32


class AwsSecretsManager:
    """One AWS endpoint with one credential. boto3's client is thread-safe."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the current version, or the pinned one: a version id (32 characters or more) or a stage."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        version = ref.version or "AWSCURRENT"
        pin = {"VersionId": version} if len(version) >= _VERSION_ID_LENGTH else {"VersionStage": version}
        body = ask(_SERVICE, ref, lambda: self._client.get_secret_value(SecretId=ref.secret_path, **pin))
        return body if isinstance(body, Failure) else _fetched(ref, body)


def _fetched(ref: SecretRef, body: Mapping[str, Any]) -> Fetched | Failure:
    created = body.get("CreatedDate")
    created_us = int(created.timestamp() * 1_000_000) if created is not None else 0
    text = body.get("SecretString")
    binary = body.get("SecretBinary")
    if text is None and binary is None:  # botocore makes an empty answer of a body that is not JSON
        return failures.unavailable(ref.slug, "The answer is not one that AWS gives; something else may stand at the endpoint.")
    if text is None:
        try:
            text = bytes(binary or b"").decode()
        except UnicodeDecodeError:
            return failures.bad_value(ref.slug, "it is binary")
    return Fetched(text, str(body.get("VersionId", "")), created_us)


def open_aws(auth_config: Mapping[str, Any], context: VaultContext) -> AwsSecretsManager:
    """Make the adapter; makes no call."""
    return AwsSecretsManager(open_client("secretsmanager", auth_config, context))
