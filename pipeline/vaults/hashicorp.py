"""`hashicorp_vault` (alias `openbao`): HashiCorp Vault and OpenBao through hvac, KV version 1 and 2, token and AppRole.

`secret_path` is `mount/path` (the API's `mount/data/path` is understood too) or, with `vault_mount`, the path inside that
mount. Mount and version are asked of Vault (`sys/internal/ui/mounts`); where that is not allowed the first segment is taken
for the mount and version 2 is tried before version 1. Redirects, proxies and `.netrc` of the environment are not followed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from pipeline.clock import Clock
from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.hashicorp_answers import KvVersion, Mount, as_fetched, as_kv_version, is_gone, is_plain, told_mount
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

if TYPE_CHECKING:
    import hvac

_RENEW_AT: Final = 2 / 3


class HashicorpVault:
    """One Vault address with one credential. Thread-safe; a lock guards logging in and renewing."""

    def __init__(
        self,
        client: hvac.Client,
        *,
        approle: Mapping[str, str] | None,
        clock: Clock,
        mount: str | None = None,
        kv_version: KvVersion = "auto",
    ) -> None:
        """`client` holds the token; with `approle` (`role_id`, `secret_id`, `mount_point`) it has none yet and logs in when first asked."""
        self._client = client
        self._approle = approle
        self._clock = clock
        self._mount = mount.strip("/") if mount else None
        self._kv_version = kv_version
        self._lock = threading.Lock()
        self._asked = False
        self._renew_at = float("inf")
        self._mounts: dict[str, Mount] = {}

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read a secret: its only field, or all of them as JSON when `secret_key` asks for one."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        if not is_plain(ref.secret_path):
            return failures.misconfigured(ref.slug, "secret_path must be segments between single slashes, without . .. ? #")
        if ref.version is not None and not ref.version.isdecimal():
            return failures.misconfigured(ref.slug, "a version of Vault's KV store is a number")
        failed = self._be_logged_in(ref)
        if failed is not None:
            return failed
        answer = self._attempt(ref)
        if not (isinstance(answer, Failure) and answer.reason == "denied"):
            return answer
        # 403 says "this token may not" or "this token is no more": AppRole finds out by a new token, a fixed token by a look at itself.
        if self._approle is not None:
            return self._login(ref, self._approle) or self._attempt(ref)
        told = self._look_up(ref)
        return told if isinstance(told, Failure) else answer

    def _attempt(self, ref: SecretRef) -> Fetched | Failure:
        mount = self._mount_of(ref)
        if mount is None:
            return self._guess(ref)
        if isinstance(mount, Failure):
            return mount
        self._mounts[mount.path] = mount
        inside = self._full(ref).removeprefix(mount.path).strip("/")
        if mount.version == "2" and not self._mount:
            inside = inside.removeprefix("data/")
        return self._read(ref, mount, inside)

    def _guess(self, ref: SecretRef) -> Fetched | Failure:
        """Try the versions in turn, newest first, where Vault does not tell; a refusal says more than an absence."""
        guesses: tuple[Literal["1", "2"], ...] = ("2", "1") if self._kv_version == "auto" else (self._kv_version,)
        first, _, rest = ref.secret_path.strip("/").partition("/")
        worst: Failure | None = None
        for version in guesses:
            inside = ref.secret_path.strip("/") if self._mount else rest.removeprefix("data/") if version == "2" else rest
            guess = Mount(self._mount or first, version)
            answer = self._read(ref, guess, inside)
            if isinstance(answer, Fetched):
                self._mounts[guess.path] = guess
                return answer
            if answer.reason not in ("not_found", "denied"):
                return answer
            if worst is None or answer.reason == "denied":
                worst = answer
        return worst or failures.not_found(ref.slug)

    def _full(self, ref: SecretRef) -> str:
        path = ref.secret_path.strip("/")
        return f"{self._mount}/{path}" if self._mount else path

    def _mount_of(self, ref: SecretRef) -> Mount | Failure | None:
        """The mount that a path stands in: known, configured, or asked for; None when Vault does not tell."""
        path = self._full(ref)
        fitting = [mount for mount in tuple(self._mounts.values()) if path.startswith(mount.path + "/")]
        if fitting:
            return max(fitting, key=lambda mount: len(mount.path))
        if self._mount is not None and self._kv_version != "auto":
            return Mount(self._mount, self._kv_version)
        return self._ask_for_mount(ref, path)

    def _ask_for_mount(self, ref: SecretRef, path: str) -> Mount | Failure | None:
        import requests
        from hvac import exceptions

        try:
            answer = self._client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}")
        except exceptions.VaultError as error:
            failure = _failure(ref, error)
            return failure if failure.transient else None
        except requests.RequestException as error:
            return _unreachable(ref, error)
        return told_mount(answer, self._kv_version)

    def _read(self, ref: SecretRef, mount: Mount, path: str) -> Fetched | Failure:
        import requests
        from hvac import exceptions

        try:
            if mount.version == "2":
                body = self._client.secrets.kv.v2.read_secret_version(
                    path, version=ref.version, mount_point=mount.path, raise_on_deleted_version=True
                )
            else:
                body = self._client.secrets.kv.v1.read_secret(path, mount_point=mount.path)
        except exceptions.InvalidPath as error:
            self._mounts.pop(mount.path, None)  # it may have been mounted anew with another version
            return failures.version_gone(ref.slug) if is_gone(error.json) else failures.not_found(ref.slug)
        except exceptions.VaultError as error:
            return _failure(ref, error)
        except requests.RequestException as error:
            return _unreachable(ref, error)
        return as_fetched(ref, mount, body)

    def _be_logged_in(self, ref: SecretRef) -> Failure | None:
        """Log in or renew when it is time. What a token may not tell or renew is not missed: it works until it does not."""
        with self._lock:
            if not self._asked and self._approle is None:
                told = self._look_up(ref)
                if isinstance(told, Failure) and told.transient:
                    return told
                self._asked = True
                self._note_lifetime(None if isinstance(told, Failure) else told)
            if self._approle is not None and not self._client.token:
                return self._log_in(ref, self._approle)
            if self._clock.monotonic() >= self._renew_at:
                self._renew_at = float("inf")
                if not self._renew() and self._approle is not None:
                    return self._log_in(ref, self._approle)
        return None

    def _login(self, ref: SecretRef, approle: Mapping[str, str]) -> Failure | None:
        with self._lock:
            return self._log_in(ref, approle)

    def _log_in(self, ref: SecretRef, approle: Mapping[str, str]) -> Failure | None:
        import requests
        from hvac import exceptions

        try:
            answer = self._client.auth.approle.login(**approle, use_token=False)
        except (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.Unauthorized, exceptions.InvalidPath):
            return failures.unauthenticated(
                ref.slug, "Vault refuses the AppRole: check vault_role_id, vault_secret_id and vault_auth_mount."
            )
        except exceptions.VaultError as error:
            return _failure(ref, error)
        except requests.RequestException as error:
            return _unreachable(ref, error)
        auth = answer.get("auth") if isinstance(answer, dict) else None
        if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
            return failures.unavailable(ref.slug, "Vault's answer to the login is not one that it gives.")
        self._client.token = auth["client_token"]
        self._note_lifetime({"ttl": auth.get("lease_duration"), "renewable": auth.get("renewable")})
        return None

    def _look_up(self, ref: SecretRef) -> Mapping[str, Any] | Failure:
        """What Vault says of our token; `unauthenticated` when it does not know it."""
        import requests
        from hvac import exceptions

        try:
            answer = self._client.auth.token.lookup_self()
        except exceptions.VaultError as error:
            failure = _failure(ref, error)
            return failure if failure.transient else failures.unauthenticated(ref.slug)
        except requests.RequestException as error:
            return _unreachable(ref, error)
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else failures.unavailable(ref.slug)

    def _renew(self) -> bool:
        import requests
        from hvac import exceptions

        try:
            answer = self._client.auth.token.renew_self()
        except (exceptions.VaultError, requests.RequestException):
            return False
        auth = answer.get("auth") if isinstance(answer, dict) else None
        self._note_lifetime({"ttl": auth.get("lease_duration"), "renewable": auth.get("renewable")} if isinstance(auth, dict) else None)
        return True

    def _note_lifetime(self, told: Mapping[str, Any] | None) -> None:
        ttl = told.get("ttl") if told else None
        timed = isinstance(ttl, int) and ttl > 0 and told is not None and (told.get("renewable") is True or self._approle is not None)
        self._renew_at = self._clock.monotonic() + ttl * _RENEW_AT if timed and isinstance(ttl, int) else float("inf")


def _failure(ref: SecretRef, error: hvac.exceptions.VaultError) -> Failure:
    """Class by class, which hvac chooses by status; the texts are Vault's and are not looked at."""
    from hvac import exceptions

    match error:
        case exceptions.Forbidden():
            return failures.denied(ref.slug, "Grant the token's policy `read` on the secret's path.")
        case exceptions.Unauthorized():
            return failures.unauthenticated(ref.slug)
        case exceptions.RateLimitExceeded():
            return failures.throttled(ref.slug)
        case exceptions.VaultDown():
            return failures.unavailable(ref.slug, "Vault is sealed or in maintenance: unseal it.")
        case exceptions.InvalidRequest():
            return failures.misconfigured(
                ref.slug, "Vault does not understand the request", "Check secret_path, version and vault_namespace."
            )
        case _:
            return failures.unavailable(ref.slug)


def _unreachable(ref: SecretRef, error: Exception) -> Failure:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return failures.unavailable(
            ref.slug, "Vault's certificate is not trusted: set vault_ca_cert to its CA, or mend the name in vault_addr."
        )
    if isinstance(error, requests.exceptions.Timeout):
        return failures.unavailable(ref.slug, "Vault did not answer in time.")
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema | requests.exceptions.InvalidURL):
        return failures.misconfigured(ref.slug, "vault_addr is not a URL", "Write https://HOST:PORT.")
    return failures.unavailable(ref.slug)


def open_hashicorp(auth_config: Mapping[str, Any], context: VaultContext) -> HashicorpVault:
    """Make the adapter: a session of its own that knows nothing of the environment. Makes no call."""
    import hvac
    import requests

    address = text_of(auth_config, "vault_addr") or ""
    kv_version = as_kv_version(text_of(auth_config, "vault_kv_version"))
    if not address.startswith(("https://", "http://")):
        raise ConfigError("auth_config.vault_addr must begin with https:// (or http:// on a trusted network).")
    approle: dict[str, str] | None = None
    if mode_of("hashicorp_vault", auth_config) == "approle":
        approle = {
            "role_id": text_of(auth_config, "vault_role_id") or "",
            "secret_id": text_of(auth_config, "vault_secret_id") or "",
            "mount_point": (text_of(auth_config, "vault_auth_mount") or "approle").strip("/"),
        }
    session = requests.Session()
    session.trust_env = False
    session.verify = text_of(auth_config, "vault_ca_cert") or True
    client = hvac.Client(
        url=address,
        token=text_of(auth_config, "vault_token") or "",  # never None: hvac would look into the environment
        cert=(),
        verify=session.verify,
        timeout=(context.connect_timeout_s, context.read_timeout_s),
        allow_redirects=False,
        session=session,
        namespace=text_of(auth_config, "vault_namespace"),
    )
    return HashicorpVault(client, approle=approle, clock=context.clock, mount=text_of(auth_config, "vault_mount"), kv_version=kv_version)
