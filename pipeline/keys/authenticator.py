"""From a bearer token to a proven caller: a dictionary look-up on an HMAC, kept fresh by a revision in the store.

Nothing on the request's path touches the database. What is looked up is a keyed digest, so how long it takes tells nothing
about a key: who does not have the pepper cannot choose the digest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.clock import Clock, rfc3339
from pipeline.errors import KeyExpired, KeyOutOfScope, KeyRejected, PipelineError
from pipeline.ids import KEY_LENGTH
from pipeline.keys.failures import FailureLimit
from pipeline.keys.lineage import ancestors_in, earliest, worst_status
from pipeline.keys.model import Caller, VirtualKey
from pipeline.keys.pepper import Peppers
from pipeline.keys.revisions import KEYS, read_revisions
from pipeline.keys.scope import narrowed
from pipeline.keys.store import Proof, load_proofs
from pipeline.keys.watch import POLL_S, follow
from pipeline.keys.workspaces import list_workspaces

PREFIXES: Final = ("lgk_", "lgc_")
REMEMBER_REVOKED_US: Final = 90 * 86_400 * 1_000_000
REMEMBER_CHILDREN_US: Final = 3_600 * 1_000_000
MAX_STALE_S: Final = 60.0


class KeysUnavailable(PipelineError):
    """The store has been away for so long that a revocation could have been missed."""

    code, status, type = "keys_unavailable", 503, "server_error"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A proven caller and until when its token is good (epoch microseconds, 0: for ever)."""

    caller: Caller
    until_us: int


@dataclass(frozen=True, slots=True)
class _Known:
    """Every token that proves something, by digest, as of one revision."""

    revision: int = -1
    entries: Mapping[str, _Entry] = field(default_factory=dict, repr=False)
    services: Mapping[str, _Entry] = field(default_factory=dict)
    """Keys of the role `key` by alias: what a token of an identity provider may stand for."""
    workspaces: Mapping[str, str] = field(default_factory=dict)
    """Workspace ids by slug."""


class Authenticator:
    """Proves virtual keys. Reads the store when `refresh` is called and, while `run` runs, whenever a key changed."""

    def __init__(
        self,
        engine: Engine,
        peppers: Peppers,
        clock: Clock,
        *,
        workspace_models: Mapping[str, tuple[str, ...]] | None = None,
        failures: FailureLimit | None = None,
        max_stale_s: float = MAX_STALE_S,
    ) -> None:
        self._engine = engine
        self._peppers = peppers
        self._clock = clock
        self._workspace_models = dict(workspace_models or {})
        self._failures = failures or FailureLimit(clock)
        self._max_stale_s = max_stale_s
        self._known = _Known()
        self._used: dict[str, int] = {}
        self._unread_since: float | None = None
        self._reading = threading.Lock()

    def authenticate(self, token: str, peer: str = "") -> Caller:
        """Prove a token. `peer` is the caller's address, for counting failures.

        Raises KeyRejected for a token that nobody has, KeyExpired (`key_expired`, `key_blocked`, `key_revoked`) for one that was
        proven but is over, RateLimited after too many failures of an address, KeysUnavailable when the store was away too long.
        """
        self._check_fresh()
        if len(token) != 4 + KEY_LENGTH or not token.startswith(PREFIXES):
            self._refuse(peer)
        entries = self._known.entries
        entry = None
        for digest in self._peppers.candidates(token):
            entry = entries.get(digest)
            if entry is not None:
                break
        if entry is None:
            self._refuse(peer)
        return self._good(entry)

    def service(self, alias: str) -> Caller:
        """The key of an alias, for a service that a token proved. KeyExpired when it is over, KeyOutOfScope when there is none."""
        self._check_fresh()
        entry = self._known.services.get(alias)
        if entry is None:
            hint = "The operator makes a virtual key with the alias that identity.providers names."
            raise KeyOutOfScope("The service of this token has no key here.", hint=hint, code="role_not_allowed")
        return self._good(entry)

    def workspace_id(self, slug: str) -> str:
        """The id of a workspace; "" when there is none."""
        self._check_fresh()
        return self._known.workspaces.get(slug, "")

    def refuse(self, peer: str) -> NoReturn:
        """Refuse a credential that proves nothing, and count it: KeyRejected, or RateLimited after too many of an address."""
        self._refuse(peer)

    def _good(self, entry: _Entry) -> Caller:
        now_us = self._clock.now_us()
        key = entry.caller.key
        if key.status != "active" or 0 < entry.until_us <= now_us:
            raise _over(entry)
        self._used[key.id] = now_us
        return entry.caller

    def refresh(self) -> None:
        """Read every key again. Blocking; raises KeysUnavailable when the store cannot be read."""
        with self._reading:
            try:
                with self._engine.connect() as connection:
                    # The number first: a change that comes between the two is read again at the next look.
                    revision = read_revisions(connection, (KEYS,))[KEYS]
                    now_us = self._clock.now_us()
                    proofs = load_proofs(
                        connection,
                        forget_before_us=max(0, now_us - REMEMBER_REVOKED_US),
                        forget_children_us=max(0, now_us - REMEMBER_CHILDREN_US),
                    )
                    known = {workspace.slug: workspace.id for workspace in list_workspaces(connection)}
            except SQLAlchemyError as error:
                raise KeysUnavailable(f"The keys cannot be read ({type(error).__name__}).", hint="Check the database.") from None
            keys = {proof.key.id: proof.key for proof in proofs}
            entries = {proof.digest: self._entry(proof, keys) for proof in proofs}
            self._known = _Known(revision, entries, _services(entries.values()), known)
            self._unread_since = None

    def restrict(self, workspace_models: Mapping[str, tuple[str, ...]]) -> None:
        """Set which models each workspace (by slug) may use (missing or empty: every model), and apply it at once."""
        self._workspace_models = dict(workspace_models)
        self.refresh()

    async def run(self, *, poll_s: float = POLL_S) -> None:
        """Follow the store until cancelled."""
        await follow(self._poll, poll_s=poll_s)

    def drain_used(self) -> dict[str, int]:
        """When keys were last used (epoch microseconds by key id) since the last call: for `keys.store.mark_used`."""
        used, self._used = self._used, {}
        return used

    def _poll(self) -> None:
        try:
            with self._engine.connect() as connection:
                revision = read_revisions(connection, (KEYS,))[KEYS]
            if revision != self._known.revision:
                self.refresh()
            self._unread_since = None
        except (SQLAlchemyError, KeysUnavailable):
            if self._unread_since is None:
                self._unread_since = self._clock.monotonic()

    def _check_fresh(self) -> None:
        if self._unread_since is not None and self._clock.monotonic() - self._unread_since > self._max_stale_s:
            raise KeysUnavailable("The keys could not be read for too long.", hint="The operator must bring the database back.")

    def _refuse(self, peer: str) -> NoReturn:
        self._failures.failed(peer)
        raise KeyRejected("This API key is not valid.", hint="Check the key, or ask an administrator for a new one.")

    def _entry(self, proof: Proof, keys: Mapping[str, VirtualKey]) -> _Entry:
        """A child key is blocked, revoked and expired with whatever it descends from, and has only the models that are left."""
        key = proof.key
        ancestors, whole = ancestors_in(key, keys)
        models = narrowed(key.models, self._workspace_models.get(key.workspace, ()))
        for ancestor in ancestors:
            models = narrowed(models, ancestor.models)
        until_us = earliest(proof.until_us, key.expires_us, *(ancestor.expires_us for ancestor in ancestors))
        status = worst_status(each.status for each in (key, *ancestors)) if whole else "revoked"
        proven = replace(key, models=models, expires_us=until_us, status=status)
        caller = Caller(proven, proof.workspace_policy, workspace_environment=proof.workspace_environment, ancestors=ancestors)
        return _Entry(caller, until_us)


def _services(entries: Iterable[_Entry]) -> dict[str, _Entry]:
    """By alias, of the default organization. A former token's entry ends before its key's: the one that ends last stands for the key."""
    found: dict[str, _Entry] = {}
    for entry in entries:
        key = entry.caller.key
        if not key.alias or key.descent.parent or key.role != "key" or key.status == "revoked" or key.org_id != "default":
            continue
        other = found.get(key.alias)
        if other is None or entry.until_us == 0 or 0 < other.until_us < entry.until_us:
            found[key.alias] = entry
    return found


def _over(entry: _Entry) -> KeyExpired:
    key = entry.caller.key
    if key.status == "revoked":
        return KeyExpired("This API key was revoked.", hint="Ask an administrator for a new one.", code="key_revoked")
    if key.status == "blocked":
        return KeyExpired("This API key is blocked.", hint="Ask an administrator to unblock it.", code="key_blocked")
    return KeyExpired(f"This API key expired at {rfc3339(entry.until_us)[:19]}Z.", hint="Ask an administrator for a new one.")
