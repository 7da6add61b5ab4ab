"""Ways into AWS for every service: access key, assumed role (with external id), web identity, or the SDK's default chain.

An assumed role's credentials, by key or by web identity, are fetched when first needed and renewed by botocore before they end.
One attempt per call with short time-outs: retrying, caching and serving old values are the resolver's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.aws_failures import UnreadableIdentityError
from pipeline.vaults.failures import Failure
from pipeline.vaults.identity_file import identity_file
from pipeline.vaults.registry import VaultContext

_LOUD_LOGGERS: Final = ("botocore", "botocore.parsers", "botocore.auth", "botocore.endpoint", "botocore.hooks", "botocore.regions")


def open_client(service: str, auth_config: Mapping[str, Any], context: VaultContext) -> Any:
    """A boto3 client of a service, which is thread-safe. Imports boto3 (about half a second, in a vault thread); makes no call."""
    _keep_quiet()
    failed, client = _client(service, auth_config, context)
    if failed:
        raise ConfigError(failed, hint="Check aws_region, aws_profile_name and aws_session_duration of auth_config.")
    return client


def _client(service: str, auth_config: Mapping[str, Any], context: VaultContext) -> tuple[str, Any]:
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
        match mode_of("aws_sm", auth_config):
            case "assumedRole":
                session = _renewing(_by_role(session, auth_config, config), "assume-role", region)
            case "webIdentity":
                session = _renewing(_by_identity(session, auth_config, config, context), "assume-role-with-web-identity", region)
        client = session.client(service, region_name=region, endpoint_url=text_of(auth_config, "aws_endpoint_url"), config=config)
    except (BotoCoreError, ValueError):
        return "The AWS session cannot be made as auth_config says.", None
    return "", client


def _renewing(fetch: Callable[[], Any], method: str, region: str | None) -> Any:
    """A session whose credentials are fetched when first needed and renewed before they end."""
    import boto3
    import botocore.session
    from botocore.credentials import DeferredRefreshableCredentials

    inner = botocore.session.Session()
    inner._credentials = DeferredRefreshableCredentials(refresh_using=fetch, method=method)
    return boto3.session.Session(botocore_session=inner, region_name=region)


def _by_role(source: Any, auth_config: Mapping[str, Any], config: Any) -> Callable[[], Any]:
    """Fetches a role's credentials with those of `source`."""
    from botocore.credentials import AssumeRoleCredentialFetcher
    from botocore.exceptions import NoCredentialsError

    def sts(service: str, **credentials: Any) -> Any:
        return source.client(service, config=config, **_place(auth_config), **credentials)

    external_id = text_of(auth_config, "aws_external_id")
    own = source.get_credentials()
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=own,
        role_arn=text_of(auth_config, "aws_role_arn"),
        extra_args=_asked(auth_config) | ({"ExternalId": external_id} if external_id else {}),
        cache={},
    )

    def fetch() -> Any:
        if own is None:
            raise NoCredentialsError
        return fetcher.fetch_credentials()

    return fetch


def _by_identity(source: Any, auth_config: Mapping[str, Any], config: Any, context: VaultContext) -> Callable[[], Any]:
    """Fetches a role's credentials with a signed token that the platform puts into a file and renews there."""
    from botocore.credentials import AssumeRoleWithWebIdentityCredentialFetcher

    file = identity_file(text_of(auth_config, "aws_web_identity_token_file") or "", context)

    def sts(service: str, *, config: Any = None) -> Any:
        return source.client(service, config=ours.merge(config) if config is not None else ours, **_place(auth_config))

    def token() -> str:
        found = file.token("web-identity")
        if isinstance(found, Failure):
            raise UnreadableIdentityError(found)
        return found

    ours = config
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=sts,
        web_identity_token_loader=token,
        role_arn=text_of(auth_config, "aws_role_arn"),
        extra_args=_asked(auth_config),
        cache={},
    )
    fetch: Callable[[], Any] = fetcher.fetch_credentials
    return fetch


def _place(auth_config: Mapping[str, Any]) -> dict[str, Any]:
    """Where STS is asked."""
    endpoint = text_of(auth_config, "aws_sts_endpoint_url") or text_of(auth_config, "aws_endpoint_url")
    return {"region_name": text_of(auth_config, "aws_region"), "endpoint_url": endpoint}


def _asked(auth_config: Mapping[str, Any]) -> dict[str, Any]:
    """What a role's session is asked to be."""
    asked: dict[str, Any] = {"RoleSessionName": text_of(auth_config, "aws_role_session_name") or "lockgate"}
    duration = text_of(auth_config, "aws_session_duration")
    return asked | ({"DurationSeconds": int(duration)} if duration else {})


def _keep_quiet() -> None:
    """Keep botocore from logging: at DEBUG it writes whole answers, secrets included, and signed headers."""
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
