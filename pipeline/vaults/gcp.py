"""`gcp_sm`: Google Cloud Secret Manager through Google's client over REST (`lockgate[gcp]`).

`secret_path` is `projects/P/secrets/S`, or the secret's name alone with `gcp_project_id`; `version` a number, an alias, or
`latest`, which is what an absent one means. The payload's CRC32C is checked. One attempt per read: Google's client would retry a
503 for many seconds. A service account signs its tokens itself and asks nobody; the address in its JSON is not used.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.crc32c import crc32c
from pipeline.vaults.deadline import mount_deadline
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.identity_file import identity_file
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_PATH: Final = re.compile(
    r"projects/(?P<project>[A-Za-z0-9:.-]{1,63})(?:/locations/(?P<location>[a-z0-9-]{1,63}))?/secrets/(?P<name>[A-Za-z0-9_-]{1,255})"
)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)

OpenClient = Callable[[], Any]
"""Makes Google's client. May look for credentials, and so is called at the first read."""


class GcpSecretManager:
    """Secret Manager with one credential. Google's client is thread-safe; a lock guards making it."""

    def __init__(self, open_client: OpenClient, *, project: str | None, location: str | None, timeout_s: float) -> None:
        self._open_client = open_client
        self._project = project
        self._location = location
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: Any = None

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the newest version, or the pinned one."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        import requests
        from google.api_core import exceptions
        from google.auth import exceptions as auth_exceptions
        from google.protobuf.json_format import ParseError

        name = self._name_of(ref)
        if isinstance(name, Failure):
            return name
        try:
            answer = self._opened().access_secret_version(request={"name": name}, retry=None, timeout=self._timeout_s)
        except exceptions.GoogleAPICallError as error:
            return _by_status(ref, error)
        except auth_exceptions.GoogleAuthError as error:
            return _no_token(ref, error)
        except requests.RequestException as error:
            return _unreachable(ref, error)
        except (ParseError, ValueError):  # the latter where an answer to the question for a token is no JSON
            return failures.unavailable(ref.slug, "The answer is not one that Google gives.")
        return _fetched(ref, answer)

    def _name_of(self, ref: SecretRef) -> str | Failure:
        """The resource name of the version, as the API wants it."""
        path = ref.secret_path
        if self._project is not None and _NAME.fullmatch(path):
            inside = f"/locations/{self._location}" if self._location else ""
            path = f"projects/{self._project}{inside}/secrets/{path}"
        told = _PATH.fullmatch(path)
        if told is None:
            return failures.misconfigured(
                ref.slug, "secret_path of gcp_sm is projects/PROJECT/secrets/NAME", "The name alone does with gcp_project_id."
            )
        if told["location"] != self._location:
            return failures.misconfigured(ref.slug, "secret_path names another location than gcp_location", "Regional secrets need both.")
        version = ref.version or "latest"
        if not _VERSION.fullmatch(version):
            return failures.misconfigured(ref.slug, "a version of Secret Manager is a number or an alias")
        return f"{path}/versions/{version}"

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._open_client()
            return self._client


def _fetched(ref: SecretRef, answer: Any) -> Fetched | Failure:
    payload = answer.payload
    data = bytes(payload.data)
    if not answer.name:
        return failures.unavailable(ref.slug, "The answer is not one that Secret Manager gives.")
    if "data_crc32c" in payload and payload.data_crc32c != crc32c(data):
        return failures.unavailable(ref.slug, "The secret arrived damaged: its checksum is another.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return failures.bad_value(ref.slug, "it is binary")
    return Fetched(text, str(answer.name).rpartition("/")[2])


def _by_status(ref: SecretRef, error: Any) -> Failure:
    """By HTTP status, and for a 400 by the canonical code in the body (google.rpc.Status)."""
    match int(error.code or 0):
        case 404:
            return failures.not_found(ref.slug, "Check secret_path, gcp_project_id and the version.")
        case 400 if _canonical(error) == "FAILED_PRECONDITION":
            return failures.version_gone(ref.slug)
        case 400:
            return failures.misconfigured(ref.slug, "Secret Manager does not understand the request", "Check secret_path and version.")
        case 403:
            return failures.denied(ref.slug, "Grant the identity the role Secret Manager Secret Accessor on the secret.")
        case 401:
            return failures.unauthenticated(ref.slug)
        case 429:
            return failures.throttled(ref.slug)
        case _:
            return failures.unavailable(ref.slug, "Google Cloud Secret Manager answers with an error; see its status page.")


def _canonical(error: Any) -> str:
    try:
        told = error.response.json()["error"]["status"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return str(told)


def _no_token(ref: SecretRef, error: Any) -> Failure:
    from google.auth import exceptions

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, exceptions.TransportError):
            return _unreachable(ref, cause.__cause__ or cause.__context__ or cause)
        cause = cause.__cause__ or cause.__context__
    if getattr(error, "retryable", False):
        return failures.unavailable(ref.slug, "What gives tokens for Google Cloud answers with an error.")
    return failures.unauthenticated(
        ref.slug, "Google gives no token for this credential: check the gcp_* fields, and that the service account's key is not disabled."
    )


def _unreachable(ref: SecretRef, error: BaseException) -> Failure:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return failures.unavailable(ref.slug, "The certificate of Google's endpoint is not trusted: set gcp_ca_cert to its CA.")
    return failures.unavailable(ref.slug, "Google Cloud Secret Manager, or what gives tokens for it, cannot be reached from here.")


def open_gcp(auth_config: Mapping[str, Any], context: VaultContext) -> GcpSecretManager:
    """Make the adapter. Imports Google's packages (about half a second, in a vault thread); makes no call."""
    try:
        import google.cloud.secretmanager_v1  # noqa: F401 - asked for here, so that its absence is told
    except ImportError:
        installed = False
    else:
        installed = True
    if not installed:
        raise ConfigError("gcp_sm needs Google's packages, which are not installed.", hint="pip install 'lockgate[gcp]'")
    logging.getLogger("google").setLevel(logging.ERROR)  # at DEBUG its client writes whole answers, payloads included
    location = text_of(auth_config, "gcp_location")
    host = f"secretmanager.{location}.rep.googleapis.com" if location else "secretmanager.googleapis.com"
    endpoint = text_of(auth_config, "gcp_endpoint_url") or f"https://{host}"
    if not endpoint.startswith("https://"):
        raise ConfigError("auth_config.gcp_endpoint_url must begin with https://.")
    failed, credentials = _credentials(auth_config, context)
    if failed:
        raise ConfigError(failed, hint="Check the gcp_* fields of auth_config.")
    ca_file = text_of(auth_config, "gcp_ca_cert")

    def client() -> Any:
        return _client(endpoint, credentials, ca_file, context)

    return GcpSecretManager(client, project=text_of(auth_config, "gcp_project_id"), location=location, timeout_s=context.read_timeout_s)


def _credentials(auth_config: Mapping[str, Any], context: VaultContext) -> tuple[str, Any]:
    """The credentials of the chosen mode (None: Google's chain, which is asked later), or why there are none. Raises nothing."""
    from google.auth import compute_engine, identity_pool
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2 import service_account

    mode = mode_of("gcp_sm", auth_config)
    try:
        match mode:
            case "serviceAccount":
                told = json.loads(text_of(auth_config, "gcp_service_account_json") or "")
                made = service_account.Credentials.from_service_account_info(told, scopes=_SCOPES)
                return "", made.with_always_use_jwt_access(True)
            case "workload":
                file = identity_file(text_of(auth_config, "gcp_credential_config_file") or "", context).token("")
                told = json.loads(file if isinstance(file, str) else "")
                return "", identity_pool.Credentials.from_info(told, scopes=_SCOPES)
            case "metadata":
                return "", compute_engine.Credentials(scopes=_SCOPES)
            case _:
                return "", None
    except (ValueError, TypeError, AttributeError, GoogleAuthError):
        if mode == "serviceAccount":
            return "auth_config.gcp_service_account_json is not what Google makes.", None
        return (
            "auth_config.gcp_credential_config_file is not what Google makes, or in none of the folders that secrets may come from.",
            None,
        )


def _client(endpoint: str, credentials: Any, ca_file: str | None, context: VaultContext) -> Any:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceRestTransport

    request = _request(ca_file, context.read_timeout_s)
    if credentials is None:
        credentials = _chain(request)
    transport = SecretManagerServiceRestTransport(host=endpoint, credentials=_only_tokens(credentials, request))
    session = transport._session  # Google's client has no other way to give it a CA, or to keep proxies of the environment out
    session.trust_env, session.verify, session.max_redirects = False, ca_file or True, 0
    mount_deadline(session, context.connect_timeout_s + context.read_timeout_s)
    return SecretManagerServiceClient(transport=transport)


def _chain(request: Any) -> Any:
    """What Google's chain finds on this machine; DefaultCredentialsError, also where the metadata server is the last it asks in vain."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    try:
        credentials, _ = google.auth.default(scopes=_SCOPES, request=request)
    except RefreshError:
        found = False
    else:
        found = True
    if not found:
        raise DefaultCredentialsError
    return credentials


def _request(ca_file: str | None, timeout_s: float) -> Any:
    """What google-auth asks for tokens with: a session that knows nothing of the environment, and our time-out instead of 120 s.

    A 429 or 5xx is raised as the transport's error: some credentials would make a refusal of it, which no stale value bridges. Where
    nothing answers it is asked once: Google's own five attempts with pauses would hold a vault's thread for half a minute, and the
    resolver tries again by itself.
    """
    import requests
    from google.auth.exceptions import RefreshError, TransportError
    from google.auth.transport.requests import Request

    class Timed(Request):  # type: ignore[misc] # the base is loaded when it is needed
        def __call__(self, *args: Any, timeout: float = timeout_s, **options: Any) -> Any:
            try:
                response = super().__call__(*args, timeout=min(timeout, timeout_s), **options)
                if response.status == 429 or response.status >= 500:
                    raise TransportError
            except TransportError as error:
                raise RefreshError from error  # which none of Google's loops takes for a reason to go on
            return response

    session = mount_deadline(requests.Session(), 2 * timeout_s)
    session.trust_env, session.verify, session.max_redirects = False, ca_file or True, 0
    return Timed(session)


def _only_tokens(inner: Any, request: Any) -> Any:
    """The same credentials, for tokens and nothing else, which they get by `request`.

    Those of google-auth would also look up `allowedLocations` at iamcredentials.googleapis.com in a thread of their own, a
    connection that no configuration names.
    """
    from google.auth.credentials import Credentials

    lock = threading.Lock()

    class OnlyTokens(Credentials):  # type: ignore[misc] # the base is loaded when it is needed
        def refresh(self, _request: Any) -> None:
            with lock:
                inner.refresh(request)
                self.token, self.expiry = inner.token, inner.expiry

    return OnlyTokens()
