"""What AWS's errors mean, by code and class; its texts are not looked at. One table for Secrets Manager, Parameter Store and STS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.vaults import failures
from pipeline.vaults.failures import Failure
from pipeline.vaults.model import SecretRef

_CODES: Final[Mapping[str, failures.Reason]] = {
    "ResourceNotFoundException": "not_found",
    "ParameterNotFound": "not_found",
    "ParameterVersionNotFound": "not_found",
    "InvalidRequestException": "version_gone",
    "AccessDeniedException": "denied",
    "DecryptionFailure": "denied",
    "InvalidKeyId": "denied",
    "AccessDenied": "unauthenticated",
    "UnrecognizedClientException": "unauthenticated",
    "InvalidSignatureException": "unauthenticated",
    "SignatureDoesNotMatch": "unauthenticated",
    "IncompleteSignature": "unauthenticated",
    "InvalidClientTokenId": "unauthenticated",
    "MissingAuthenticationToken": "unauthenticated",
    "ExpiredTokenException": "unauthenticated",
    "ExpiredToken": "unauthenticated",
    "RequestExpired": "unauthenticated",
    "RequestTimeTooSkewed": "unauthenticated",
    "InvalidIdentityToken": "unauthenticated",
    "IDPRejectedClaim": "unauthenticated",
    "ThrottlingException": "throttled",
    "Throttling": "throttled",
    "TooManyRequestsException": "throttled",
    "RequestLimitExceeded": "throttled",
    "InvalidParameterException": "misconfigured",
    "ValidationException": "misconfigured",
}
"""AWS's error codes (the services', common errors, and STS's, whose `AccessDenied` refuses the role); others are taken as passing."""


@dataclass(frozen=True, slots=True)
class Service:
    """How a service is called in what we say, and the permission that reading takes."""

    name: str
    permission: str


class UnreadableIdentityError(Exception):
    """The token for a web identity cannot be had; carries the failure through botocore, which calls for the token."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def ask(service: Service, ref: SecretRef, call: Callable[[], Any]) -> Mapping[str, Any] | Failure:
    """Make one call of boto3's: its answer, or what its error means."""
    from botocore import exceptions

    try:
        body: Mapping[str, Any] = call()
    except exceptions.ClientError as error:
        return _by_code(service, ref, str(error.response.get("Error", {}).get("Code", "")))
    except exceptions.BotoCoreError as error:
        return _by_class(service, ref, error)
    except UnreadableIdentityError as error:
        return failures.unauthenticated(ref.slug, error.failure.hint)
    return body


def code_of(call: Callable[[], Any]) -> str:
    """Make one call of boto3's whose answer nobody needs: "" when it succeeded, otherwise AWS's code or the class of the error."""
    from botocore import exceptions

    try:
        call()
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        return code if code.isalnum() and len(code) <= 64 else "ClientError"
    except (exceptions.BotoCoreError, UnreadableIdentityError) as error:
        return type(error).__name__
    return ""


def _by_code(service: Service, ref: SecretRef, code: str) -> Failure:
    match _CODES.get(code):
        case "not_found":
            return failures.not_found(
                ref.slug, "Check secret_path, aws_region and the version; another account's secret needs its whole ARN."
            )
        case "version_gone":
            return failures.version_gone(ref.slug)
        case "denied":
            return failures.denied(ref.slug, f"Allow {service.permission} on the secret, and kms:Decrypt on its key.")
        case "unauthenticated":
            return failures.unauthenticated(
                ref.slug,
                "The AWS credential is wrong, expired or revoked, its role refuses, or this machine's clock is minutes off. "
                "Renew it where auth_config refers to.",
            )
        case "throttled":
            return failures.throttled(ref.slug)
        case "misconfigured":
            return failures.misconfigured(ref.slug, "AWS does not understand the request", "Check secret_path, version and aws_region.")
        case _:
            return failures.unavailable(ref.slug, f"{service.name} answers with an error; see its status page.")


def _by_class(service: Service, ref: SecretRef, error: Exception) -> Failure:
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
            return failures.unavailable(ref.slug, f"{service.name} cannot be reached from here.")
