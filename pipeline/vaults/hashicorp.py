"""`hashicorp_vault` (alias `openbao`): HashiCorp Vault and OpenBao through hvac: KV version 1 and 2, and engines that lease credentials.

`secret_path` is `mount/path` (the API's `mount/data/path` is understood too) or, with `vault_mount`, the path inside that
mount. Mount and version are asked of Vault (`sys/internal/ui/mounts`); where that is not allowed the first segment is taken
for the mount and version 2 is tried before version 1. Any other engine's path is read as it is; an answer with a lease is held,
renewed and revoked (`hashicorp_leases`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.clock import Clock
from pipeline.vaults import failures
from pipeline.vaults.auth import text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.hashicorp_answers import KvVersion, Mount, as_fetched, as_kv_version, is_gone, is_plain, told_mount
from pipeline.vaults.hashicorp_leases import Leases
from pipeline.vaults.hashicorp_login import Login, login_of
from pipeline.vaults.hashicorp_session import Session
from pipeline.vaults.hashicorp_wire import Refusal, Wire, connect
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext


class HashicorpVault:
    """One Vault address with one credential. Thread-safe. Holds a token and leases, which `tend` keeps and `give_up` ends."""

    def __init__(self, wire: Wire, login: Login | None, clock: Clock, *, mount: str | None = None, kv_version: KvVersion = "auto") -> None:
        """`wire` holds the token, or `login` gets one when first asked."""
        self._wire = wire
        self._session = Session(wire, login, clock)
        self._leases = Leases(wire, self._session, clock)
        self._mount = mount.strip("/") if mount else None
        self._kv_version = kv_version
        self._mounts: dict[str, Mount] = {}

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read a secret: its only field, or all of them as JSON when `secret_key` asks for one."""
        return given(self._answer(ref))

    def refused(self, ref: SecretRef) -> None:
        """A provider refused what `fetch` gave: a leased credential is taken back."""
        self._leases.refused(ref)

    def tend(self) -> None:
        """Renew the token when that is due, and revoke the leases that were replaced."""
        self._session.tend()
        self._leases.tend()

    def give_up(self, slug: str | None = None) -> None:
        """Revoke what is leased for a reference; without one everything, and the token if it came by a login."""
        self._leases.give_up(slug)
        if slug is None:
            self._session.end()
            self._wire.close()

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        if not is_plain(ref.secret_path):
            return failures.misconfigured(ref.slug, "secret_path must be segments between single slashes, without . .. ? #")
        if ref.version is not None and not ref.version.isdecimal():
            return failures.misconfigured(ref.slug, "a version of Vault's KV store is a number")
        failed = self._session.be_ready(ref.slug)
        if failed is not None:
            return failed
        held = self._leases.held(ref)
        if held is not None:
            return held
        with self._leases.turn(ref):
            return self._leases.held(ref) or self._made(ref)

    def _made(self, ref: SecretRef) -> Fetched | Failure:
        """Read the secret, or have a credential made; after a refusal perhaps with another token."""
        generation = self._session.generation
        answer = self._attempt(ref)
        if isinstance(answer, Failure) and answer.reason == "denied":
            again = self._session.after_refusal(ref.slug, generation, start_over=not self._leases.holds_any)
            answer = again or self._attempt(ref)
        if isinstance(answer, Failure) and answer.transient:
            return self._leases.last(ref) or answer
        return answer

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
        answer = self._wire.ask(ref.slug, lambda: self._wire.client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}"))
        if isinstance(answer, Refusal):
            return answer.failure if answer.failure.transient else None
        return told_mount(answer, self._kv_version)

    def _read(self, ref: SecretRef, mount: Mount, path: str) -> Fetched | Failure:
        kv, generation = self._wire.client.secrets.kv, self._session.generation
        if mount.version == "2":
            body = self._wire.ask(
                ref.slug,
                lambda: kv.v2.read_secret_version(path, version=ref.version, mount_point=mount.path, raise_on_deleted_version=True),
            )
        else:
            body = self._wire.ask(ref.slug, lambda: kv.v1.read_secret(path, mount_point=mount.path))
        if not isinstance(body, Refusal):
            return self._leases.hold(ref, body, generation) or as_fetched(ref, mount, body)
        if body.status == 404:
            self._mounts.pop(mount.path, None)  # it may have been mounted anew with another version
            return failures.version_gone(ref.slug) if is_gone(body.body) else body.failure
        return body.failure


def open_hashicorp(auth_config: Mapping[str, Any], context: VaultContext) -> HashicorpVault:
    """Make the adapter. Makes no call."""
    kv_version = as_kv_version(text_of(auth_config, "vault_kv_version"))
    wire, login = connect(auth_config, context), login_of(auth_config, context)
    return HashicorpVault(wire, login, context.clock, mount=text_of(auth_config, "vault_mount"), kv_version=kv_version)
