"""The wire to one Vault: the only file that knows hvac and its exceptions. A call in, its parsed answer or a `Refusal` out.

The session knows nothing of the environment: no proxies, no `.netrc`, no `VAULT_…`; redirects are not followed. What Vault says
in words is not looked at: hvac chooses its exception classes by status, and so do we.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import text_of
from pipeline.vaults.deadline import mount_deadline
from pipeline.vaults.failures import Failure
from pipeline.vaults.registry import VaultContext

if TYPE_CHECKING:
    import hvac


@dataclass(frozen=True, slots=True)
class Refusal:
    """Vault's answer to a call that it did not do. `status` is HTTP's (0: no answer that is Vault's); `body` that of a 404."""

    status: int
    failure: Failure
    body: object = field(default=None, repr=False)

    @property
    def final(self) -> bool:
        """Whether Vault said no to what was asked, rather than being in no state to answer."""
        return self.status in (400, 401, 403, 404)


Answer = dict[str, Any] | Refusal
"""What Vault answered: a parsed body (empty for 204), or why there is none."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Two clients over one session: `client` with our token once there is one, `stranger` always without."""

    client: hvac.Client = field(repr=False)
    stranger: hvac.Client = field(repr=False)

    def ask(self, slug: str, call: Callable[[], Any]) -> Answer:
        """Make one call of hvac's. Raises nothing of hvac's or of the network's; failures name the reference `slug`."""
        import requests
        from hvac import exceptions

        try:
            body = call()
        except exceptions.VaultError as error:
            return _refusal(slug, error)
        except requests.RequestException as error:
            return Refusal(0, _unreachable(slug, error))
        except OSError:  # what requests raises for certificate and key files that it cannot load
            what = "a certificate or key file of its auth_config cannot be read"
            return Refusal(0, failures.misconfigured(slug, what, "Check vault_ca_cert, vault_client_cert and vault_client_key."))
        if isinstance(body, dict):
            return body
        if isinstance(body, requests.Response) and body.status_code == requests.codes.no_content:
            return {}
        return Refusal(
            0, failures.unavailable(slug, "Vault's answer is not one that it gives (a redirecting standby, or no Vault at all).")
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.adapter.close()


def _refusal(slug: str, error: hvac.exceptions.VaultError) -> Refusal:
    from hvac import exceptions

    match error:
        case exceptions.InvalidRequest():
            what = failures.misconfigured(slug, "Vault does not understand the request", "Check secret_path, version and vault_namespace.")
            return Refusal(400, what)
        case exceptions.Unauthorized():
            return Refusal(401, failures.unauthenticated(slug))
        case exceptions.Forbidden():
            return Refusal(403, failures.denied(slug, "Grant the token's policy `read` on the secret's path."))
        case exceptions.InvalidPath():
            return Refusal(404, failures.not_found(slug), error.json)
        case exceptions.RateLimitExceeded():
            return Refusal(429, failures.throttled(slug))
        case exceptions.VaultDown():
            return Refusal(503, failures.unavailable(slug, "Vault is sealed or in maintenance: unseal it."))
        case _:
            return Refusal(500, failures.unavailable(slug))


def _unreachable(slug: str, error: Exception) -> Failure:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return failures.unavailable(
            slug, "Vault's certificate is not trusted: set vault_ca_cert to its CA, or mend the name in vault_addr."
        )
    if isinstance(error, requests.exceptions.Timeout):
        return failures.unavailable(slug, "Vault did not answer in time.")
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema | requests.exceptions.InvalidURL):
        return failures.misconfigured(slug, "vault_addr is not a URL", "Write https://HOST:PORT.")
    return failures.unavailable(slug)


def connect(auth_config: Mapping[str, Any], context: VaultContext) -> Wire:
    """Make the wire that `auth_config` describes. Makes no call. ConfigError names the field that is wrong."""
    import hvac
    import requests

    address = text_of(auth_config, "vault_addr") or ""
    if not address.startswith(("https://", "http://")):
        raise ConfigError("auth_config.vault_addr must begin with https:// (or http:// on a trusted network).")
    session = mount_deadline(requests.Session(), context.connect_timeout_s + context.read_timeout_s)
    session.trust_env = False
    session.verify = _file(auth_config, "vault_ca_cert", context) or True
    certificate = _file(auth_config, "vault_client_cert", context)
    if certificate is not None:
        session.cert = (certificate, _file(auth_config, "vault_client_key", context) or certificate)

    def client(token: str) -> hvac.Client:
        return hvac.Client(
            url=address,
            token=token,  # never None: hvac would look into the environment
            cert=(),
            verify=session.verify,
            timeout=(context.connect_timeout_s, context.read_timeout_s),
            allow_redirects=False,
            session=session,
            namespace=text_of(auth_config, "vault_namespace"),
        )

    return Wire(client(text_of(auth_config, "vault_token") or ""), client(""))


def _file(auth_config: Mapping[str, Any], name: str, context: VaultContext) -> str | None:
    """The path of a PEM file that TLS reads by itself; relative ones stand beside the document."""
    written = text_of(auth_config, name)
    return None if written is None else str((context.file_base or Path()) / written)
