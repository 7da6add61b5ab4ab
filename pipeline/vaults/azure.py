"""`azure_kv`: Azure Key Vault through Microsoft's client (`lockgate[azure]`): client secret, workload, managed identity, or its chain.

The official client is used and not its REST: it works in a vault thread without an event loop of its own, sends nothing but
the request (no telemetry beyond its user agent), and speaks Key Vault's challenge protocol, which checks that a token is only
given to the vault that it is for. Its retries, redirects, proxies of the environment and logging are turned off.

`secret_path` is the secret's name, `version` its 32 hexadecimal characters. Key Vault hands out secrets before `nbf` and after
`exp`; what its owner dated so is refused here (`version_gone`).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from string import hexdigits
from typing import Any, Final

from pipeline.clock import Clock
from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.deadline import mount_deadline
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.identity_file import IdentityFile, identity_file
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION_DIGITS: Final = 32
_GONE: Final = frozenset({"SecretDisabled", "SecretNotYetValid", "SecretExpired"})
"""Inner codes of a 403 that say something of the secret and nothing of us (Key Vault REST API, error codes)."""

_PUBLIC_AUTHORITY: Final = "https://login.microsoftonline.com"
_LINK_LOCAL: Final = "http://169.254.169.254/"
_LOUD_LOGGERS: Final = ("azure", "msal")


class _Watched:
    """Microsoft's transport, which also notes how the last request of each thread went.

    The credentials turn everything that goes wrong into one class of error without a status, and whether Entra ID refuses
    or is away decides whether the last good value may be served.
    """

    def __init__(self, inner: Any, ignored: tuple[str, ...]) -> None:
        self._inner = inner
        self._ignored = ignored
        self._last = threading.local()

    @property
    def status(self) -> int:
        """The status that was answered last; 0 when nothing came."""
        return int(getattr(self._last, "status", 0))

    @property
    def error(self) -> BaseException | None:
        """Why nothing came."""
        found: BaseException | None = getattr(self._last, "error", None)
        return found

    def forget(self) -> None:
        """Begin anew. A chain that finds no credential makes no request, and that is a refusal."""
        self._last.status, self._last.error = 401, None

    def send(self, request: Any, **options: Any) -> Any:
        """Send one request, as `azure.core.pipeline.transport.HttpTransport` does."""
        try:
            response = self._inner.send(request, **options)
        except Exception as error:
            if not request.url.startswith(self._ignored):
                self._last.status, self._last.error = 0, error
            raise
        self._last.status = response.status_code
        return response

    def open(self) -> None:
        """Open the sockets."""
        self._inner.open()

    def close(self) -> None:
        """Close the sockets."""
        self._inner.close()

    def sleep(self, duration: float) -> None:
        """Never asked for: nothing is tried again."""

    def __enter__(self) -> _Watched:
        self._inner.__enter__()
        return self

    def __exit__(self, *gone: Any) -> None:
        self._inner.__exit__(*gone)


class AzureKeyVault:
    """One Key Vault with one credential. Microsoft's client and credentials are thread-safe and keep their tokens themselves."""

    def __init__(self, client: Any, watched: _Watched, clock: Clock) -> None:
        self._client = client
        self._watched = watched
        self._clock = clock

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the newest version, or the pinned one."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        from azure.core import exceptions

        if not _NAME.fullmatch(ref.secret_path):
            return failures.misconfigured(ref.slug, "secret_path of azure_kv is a name of letters, digits and hyphens")
        if ref.version is not None and not (len(ref.version) == _VERSION_DIGITS and set(ref.version) <= set(hexdigits)):
            return failures.misconfigured(ref.slug, "a version of Azure Key Vault is 32 hexadecimal characters")
        self._watched.forget()
        try:
            secret = self._client.get_secret(ref.secret_path, ref.version)
        except exceptions.ClientAuthenticationError:
            return _no_token(ref, self._watched)
        except exceptions.HttpResponseError as error:
            return _by_status(ref, error)
        except exceptions.AzureError as error:
            return _unreachable(ref, error)
        except ValueError:  # the challenge protocol's: what answers is no Key Vault, or not the one of azure_vault_url
            return failures.misconfigured(ref.slug, "what answers at azure_vault_url is not that Key Vault", "Check azure_vault_url.")
        return self._fetched(ref, secret)

    def _fetched(self, ref: SecretRef, secret: Any) -> Fetched | Failure:
        properties = secret.properties
        now_us = self._clock.now_us()
        if properties.enabled is False:
            return failures.version_gone(ref.slug)
        if properties.not_before is not None and _micros(properties.not_before) > now_us:
            return failures.version_gone(ref.slug, "The secret's activation date lies ahead: wait for it or change it.")
        if properties.expires_on is not None and _micros(properties.expires_on) <= now_us:
            return failures.version_gone(ref.slug, "The secret's expiration date has passed: write a new version or change the date.")
        if not isinstance(secret.value, str):
            return failures.unavailable(
                ref.slug, "The answer is not one that Key Vault gives; something else may stand at azure_vault_url."
            )
        created = properties.created_on
        return Fetched(secret.value, str(properties.version or ""), _micros(created) if created is not None else 0)


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _by_status(ref: SecretRef, error: Any) -> Failure:
    inner = error.error.innererror if error.error is not None else None
    code = inner.get("code") if isinstance(inner, Mapping) else None
    match error.status_code:
        case 404:
            return failures.not_found(ref.slug, "Check secret_path, version and azure_vault_url; a deleted secret can be recovered.")
        case 403 if code in _GONE:
            return failures.version_gone(ref.slug)
        case 403 if code == "ForbiddenByFirewall":
            return failures.denied(ref.slug, "Key Vault's firewall refuses this network: allow it, or use a private endpoint.")
        case 403:
            return failures.denied(ref.slug, "Grant the identity the role Key Vault Secrets User (or the access policy `get` on secrets).")
        case 401:
            return failures.unauthenticated(ref.slug)
        case 429:
            return failures.throttled(ref.slug)
        case 400:
            return failures.misconfigured(ref.slug, "Key Vault does not understand the request", "Check secret_path and version.")
        case _:
            return failures.unavailable(ref.slug, "Azure Key Vault answers with an error; see its status page.")


def _no_token(ref: SecretRef, watched: _Watched) -> Failure:
    """Key Vault's own 401, or no token: refused by what gives tokens (Entra ID, the managed identity endpoint), or that is away."""
    match watched.status:
        case 0:
            return _unreachable(ref, watched.error)
        case 429:
            return failures.throttled(ref.slug)
        case status if status < 400 or status >= 500:
            return failures.unavailable(
                ref.slug,
                "What gives tokens (Entra ID or the managed identity endpoint) answers with an error, or is none.",
            )
        case _:
            return failures.unauthenticated(
                ref.slug, "Azure gives no token for this credential: check the azure_* fields, and that the client secret has not expired."
            )


def _unreachable(ref: SecretRef, error: BaseException | None) -> Failure:
    import requests

    if any(isinstance(cause, requests.exceptions.SSLError) for cause in _causes(error)):
        return failures.unavailable(ref.slug, "The certificate of Key Vault or Entra ID is not trusted: set azure_ca_cert to its CA.")
    return failures.unavailable(ref.slug, "Azure Key Vault, or what gives tokens for it, cannot be reached from here.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__


def open_azure(auth_config: Mapping[str, Any], context: VaultContext) -> AzureKeyVault:
    """Make the adapter. Imports Microsoft's packages (about half a second, in a vault thread); makes no call."""
    address = text_of(auth_config, "azure_vault_url") or ""
    if not address.startswith("https://"):
        raise ConfigError("auth_config.azure_vault_url must begin with https://.", hint="https://NAME.vault.azure.net")
    try:
        import azure.identity
        import azure.keyvault.secrets  # noqa: F401 - asked for here, so that its absence is told
    except ImportError:
        installed = False
    else:
        installed = True
    if not installed:
        raise ConfigError("azure_kv needs Microsoft's packages, which are not installed.", hint="pip install 'lockgate[azure]'")
    for name in _LOUD_LOGGERS:  # they write whole answers of Entra ID, and addresses with names of secrets
        logging.getLogger(name).setLevel(logging.CRITICAL)
    watched = _transport(auth_config, context)
    failed, client = _client(address, auth_config, context, watched)
    if failed:
        raise ConfigError(failed, hint="Check the azure_* fields of auth_config.")
    return AzureKeyVault(client, watched, context.clock)


def _transport(auth_config: Mapping[str, Any], context: VaultContext) -> _Watched:
    from azure.core.pipeline.transport import RequestsTransport

    inner = RequestsTransport(
        connection_timeout=context.connect_timeout_s,
        read_timeout=context.read_timeout_s,
        connection_verify=text_of(auth_config, "azure_ca_cert") or True,
        use_env_settings=False,
    )
    inner.open()
    mount_deadline(inner.session, context.connect_timeout_s + context.read_timeout_s)
    # The chain asks whether there is a managed identity endpoint; that there is none says nothing.
    return _Watched(inner, (_LINK_LOCAL,) if mode_of("azure_kv", auth_config) == "default" else ())


def _client(address: str, auth_config: Mapping[str, Any], context: VaultContext, watched: _Watched) -> tuple[str, Any]:
    """The client, or why there is none; a frame that holds the client secret raises nothing."""
    from azure.keyvault.secrets import SecretClient

    way: dict[str, Any] = {"transport": watched, "retry_total": 0}
    failed, credential = _credential(auth_config, context, way)
    return failed, None if failed else SecretClient(address, credential, permit_redirects=False, **way)


def _credential(auth_config: Mapping[str, Any], context: VaultContext, way: Mapping[str, Any]) -> tuple[str, Any]:
    from azure import identity

    tenant, client = text_of(auth_config, "azure_entra_tenant_id"), text_of(auth_config, "azure_entra_client_id")
    authority = text_of(auth_config, "azure_authority_host") or context.environment.get("AZURE_AUTHORITY_HOST") or _PUBLIC_AUTHORITY
    entra = {"authority": authority, "disable_instance_discovery": True, **way}  # discovery would ask Microsoft's public cloud
    mode = mode_of("azure_kv", auth_config)
    try:
        match mode:
            case "entra":
                secret = text_of(auth_config, "azure_entra_client_secret") or ""
                made: Any = identity.ClientSecretCredential(tenant or "", client or "", secret, **entra)
            case "workload":
                told = text_of(auth_config, "azure_federated_token_file") or context.environment.get("AZURE_FEDERATED_TOKEN_FILE")
                tenant, client = tenant or context.environment.get("AZURE_TENANT_ID"), client or context.environment.get("AZURE_CLIENT_ID")
                if not (told and tenant and client):
                    return "Workload identity needs azure_federated_token_file, azure_entra_tenant_id and azure_entra_client_id.", None
                file = identity_file(told, context)
                made = identity.ClientAssertionCredential(tenant, client, lambda: _assertion(file), **entra)
            case "managed":
                made = identity.ManagedIdentityCredential(client_id=text_of(auth_config, "azure_managed_client_id"), **way)
            case _:
                made = identity.DefaultAzureCredential(
                    exclude_shared_token_cache_credential=True,
                    exclude_visual_studio_code_credential=True,
                    exclude_powershell_credential=True,
                    exclude_developer_cli_credential=True,
                    exclude_broker_credential=True,
                    process_timeout=2,
                    **entra,
                )
    except ValueError:
        return f"The Azure credential for azure_auth_mode={mode} cannot be made.", None
    return "", made


def _assertion(file: IdentityFile) -> str:
    """The mounted token; without it Microsoft's credential fails as it does when Entra ID refuses one."""
    mounted = file.token("")
    if isinstance(mounted, Failure):
        from azure.core.exceptions import ClientAuthenticationError

        raise ClientAuthenticationError
    return mounted
