"""Proves dashboard sessions from memory, kept fresh by a revision in the store, like the authenticator does for keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.clock import Clock
from pipeline.errors import KeyRejected
from pipeline.keys.authenticator import KeysUnavailable
from pipeline.keys.failures import FailureLimit
from pipeline.keys.pepper import Peppers
from pipeline.keys.revisions import LOGINS, read_revisions
from pipeline.keys.users import Session, load_sessions
from pipeline.keys.watch import POLL_S, follow


class Sessions:
    """The sessions that are good, by digest. Reads the store when `refresh` is called and whenever a login changed while `run` runs."""

    def __init__(self, engine: Engine, peppers: Peppers, clock: Clock, *, failures: FailureLimit | None = None) -> None:
        self._engine = engine
        self._peppers = peppers
        self._clock = clock
        self._failures = failures or FailureLimit(clock)
        self._revision = -1
        self._known: Mapping[str, Session] = MappingProxyType({})

    def current(self, token: str, peer: str = "") -> Session:
        """The session of a token; KeyRejected when there is none or it is over, RateLimited after too many failures of an address."""
        known = self._known
        for digest in self._peppers.candidates(token):
            session = known.get(digest)
            if session is not None and session.expires_us > self._clock.now_us():
                return session
        self._failures.failed(peer)
        raise KeyRejected("This session is over.", hint="Log in again.")

    def refresh(self) -> None:
        """Read every session again. Blocking; raises KeysUnavailable when the store cannot be read."""
        try:
            with self._engine.connect() as connection:
                revision = read_revisions(connection, (LOGINS,))[LOGINS]
                known = load_sessions(connection, self._clock.now_us())
        except SQLAlchemyError as error:
            raise KeysUnavailable(f"The sessions cannot be read ({type(error).__name__}).", hint="Check the database.") from None
        self._known, self._revision = MappingProxyType(known), revision

    async def run(self, *, poll_s: float = POLL_S) -> None:
        """Follow the store until cancelled."""
        await follow(self._poll, poll_s=poll_s)

    def _poll(self) -> None:
        try:
            with self._engine.connect() as connection:
                revision = read_revisions(connection, (LOGINS,))[LOGINS]
            if revision != self._revision:
                self.refresh()
        except (SQLAlchemyError, KeysUnavailable):
            return  # sessions only read the dashboard; the authenticator decides what an absent store means
