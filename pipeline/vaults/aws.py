"""`aws_sm`: AWS Secrets Manager through boto3: access key, assumed role (with external id), or the SDK's default chain.

The current version is always asked for as `VersionStage=AWSCURRENT`. One attempt per read with short time-outs: retrying,
caching and serving old values are the resolver's. An assumed role's session is renewed by botocore before it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_CODES: Final[Mapping[str, failures.Reason]] = {
    "ResourceNotFoundException": "not_found",
    "InvalidRequestException": "version_gone",
    "AccessDeniedException": "denied",
    "AccessDenied": "unauthenticated",
    "DecryptionFailure": "denied",
    "UnrecognizedClientException": "unauthenticated",
    "InvalidSignatureException": "unauthenticated",
    "SignatureDoesNotMatch": "unauthenticated",
    "IncompleteSignature": "unauthenticated",
    "InvalidClientTokenId": "unauthenticated",
    "MissingAuthenticationToken": "unauthenticated",
    "ExpiredTokenException": "unauthenticated",
    "ExpiredToken": "unauthenticated",
    "RequestExpired": "unauthenticated",
    "ThrottlingException": "throttled",
    "Throttling": "throttled",
    "TooManyRequestsException": "throttled",
    "RequestLimitExceeded": "throttled",
    "InvalidParameterException": "misconfigured",
    "ValidationException": "misconfigured",
}
"""AWS's error codes (Secrets Manager, common errors, and STS, whose `AccessDenied` refuses the role); others are taken as passing."""

_VERSION_ID_LENGTH: Final = 32
_LOUD_LOGGERS: Final = ("botocore", "botocore.parsers", "botocore.auth", "botocore.endpoint", "botocore.hooks", "botocore.regions")


class AwsSecretsManager:
    """One AWS endpoint with one credential. boto3's client is thread-safe."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the current version, or the pinned one: a version id (32 characters or more) or a stage."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        from botocore import exceptions

        version = ref.version or "AWSCURRENT"
        pin = {"VersionId": version} if len(version) >= _VERSION_ID_LENGTH else {"VersionStage": version}
        try:
            body = self._client.get_secret_value(SecretId=ref.secret_path, **pin)
        except exceptions.ClientError as error:
            return _by_code(ref, str(error.response.get("Error", {}).get("Code", "")))
        except exceptions.BotoCoreError as error:
            return _by_class(ref, error)
        return _fetched(ref, body)


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


def _by_code(ref: SecretRef, code: str) -> Failure:
    match _CODES.get(code):
        case "not_found":
            return failures.not_found(
                ref.slug, "Check secret_path, aws_region and the version; another account's secret needs its whole ARN."
            )
        case "version_gone":
            return failures.version_gone(ref.slug)
        case "denied":
            return failures.denied(ref.slug, "Allow secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its key.")
        case "unauthenticated":
            return failures.unauthenticated(ref.slug)
        case "throttled":
            return failures.throttled(ref.slug)
        case "misconfigured":
            return failures.misconfigured(ref.slug, "AWS does not understand the request", "Check secret_path, version and aws_region.")
        case _:
            return failures.unavailable(ref.slug, "AWS Secrets Manager answers with an error; see its status page.")


def _by_class(ref: SecretRef, error: Exception) -> Failure:
    from botocore import exceptions

    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError() | exceptions.NoAuthTokenError():
            return failures.unauthenticated(
                ref.slug, "The default chain finds no AWS credentials here: give this machine a role or a profile."
            )
        case exceptions.CredentialRetrievalError() | exceptions.MetadataRetrievalError():
            return failures.unavailable(ref.slug, "The source of the AWS credentials does not answer.")
        case (
            exceptions.ParamValidationError() | exceptions.NoRegionError() | exceptions.InvalidRegionError() | exceptions.ProfileNotFound()
        ):
            return failures.misconfigured(ref.slug, "AWS cannot be asked this way", "Check secret_path, aws_region and aws_profile_name.")
        case exceptions.SSLError():
            return failures.unavailable(ref.slug, "The certificate of the AWS endpoint is not trusted.")
        case _:
            return failures.unavailable(ref.slug, "AWS Secrets Manager cannot be reached from here.")


def open_aws(auth_config: Mapping[str, Any], context: VaultContext) -> AwsSecretsManager:
    """Make the adapter. Imports boto3 (about half a second, in a vault thread); makes no call."""
    _keep_quiet()
    failed, client = _client(auth_config, context)
    if failed:
        raise ConfigError(failed, hint="Check aws_region, aws_profile_name and aws_session_duration of auth_config.")
    return AwsSecretsManager(client)


def _client(auth_config: Mapping[str, Any], context: VaultContext) -> tuple[str, Any]:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=context.connect_timeout_s,
        read_timeout=context.read_timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
        ignore_configured_endpoint_urls=True,
    )
    region = text_of(auth_config, "aws_region")
    try:
        session = boto3.session.Session(
            aws_access_key_id=text_of(auth_config, "aws_access_key_id"),
            aws_secret_access_key=text_of(auth_config, "aws_secret_access_key"),
            aws_session_token=text_of(auth_config, "aws_session_token"),
            region_name=region,
            profile_name=text_of(auth_config, "aws_profile_name"),
        )
        if mode_of("aws_sm", auth_config) == "assumedRole":
            session = _assumed(session, auth_config, config)
        client = session.client("secretsmanager", region_name=region, endpoint_url=text_of(auth_config, "aws_endpoint_url"), config=config)
    except (BotoCoreError, ValueError):
        return "The AWS session cannot be made as auth_config says.", None
    return "", client


def _assumed(source: Any, auth_config: Mapping[str, Any], config: Any) -> Any:
    """A session with the role's credentials, fetched when first needed and renewed before they end."""
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError

    region = text_of(auth_config, "aws_region")
    endpoint = text_of(auth_config, "aws_sts_endpoint_url") or text_of(auth_config, "aws_endpoint_url")

    def sts(service: str, **credentials: Any) -> Any:
        return source.client(service, region_name=region, endpoint_url=endpoint, config=config, **credentials)

    asked: dict[str, Any] = {"RoleSessionName": text_of(auth_config, "aws_role_session_name") or "lockgate"}
    external_id, duration = text_of(auth_config, "aws_external_id"), text_of(auth_config, "aws_session_duration")
    if external_id:
        asked["ExternalId"] = external_id
    if duration:
        asked["DurationSeconds"] = int(duration)
    own = source.get_credentials()
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=own,
        role_arn=text_of(auth_config, "aws_role_arn"),
        extra_args=asked,
        cache={},
    )

    def fetch() -> Any:
        if own is None:
            raise NoCredentialsError
        return fetcher.fetch_credentials()

    inner = botocore.session.Session()
    inner._credentials = DeferredRefreshableCredentials(refresh_using=fetch, method="assume-role")
    return boto3.session.Session(botocore_session=inner, region_name=region)


def _keep_quiet() -> None:
    """Keep botocore from logging: at DEBUG it writes whole answers, secrets included, and signed headers."""
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
