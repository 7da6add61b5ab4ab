"""The same operations as the admin API, done on the store directly while no gateway runs. Audited all the same."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from pipeline import ids
from pipeline.cli import looks
from pipeline.clock import SystemClock
from pipeline.config.environment import Process, database_url
from pipeline.config.home import Home, prepare_home
from pipeline.errors import BadRequest, PipelineError
from pipeline.keys import budgets, contents, letters, people, references, service, spending, storing
from pipeline.ledger.ledger import DurableLedger
from pipeline.store.engine import StoreError
from pipeline.store.migrate import migrate
from pipeline.store.read_engine import open_read_engine, reading
from pipeline.version import VERSION

T = TypeVar("T")


class StoreUnavailable(PipelineError):
    """The store cannot be opened for writing."""

    code, status, type = "store_unavailable", 503, "server_error"


class OfflineAdmin:
    """Administration without a gateway. Opens the ledger once, for as long as the command runs."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._home = prepare_home(process.home)
        self._url = database_url(process)
        self._clock = SystemClock()
        self._actor = service.Actor(f"cli:{_login()}")
        try:
            migrate(self._url)
        except StoreError as error:
            raise StoreUnavailable(
                f"The store cannot be opened: {error}.", hint="Stop the process that uses it, or use its admin API."
            ) from None
        self._loop = asyncio.new_event_loop()
        self._ledger = DurableLedger(
            self._url,
            clock=self._clock,
            journal_dir=self._home.journal,
            require="all",
            epoch_id=ids.ulid(self._clock.now_us()),
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
        )
        self._office = service.Office(self._ledger, self._home.peppers(), self._clock, _cleaner(process))
        self._engine = open_read_engine(self._url)
        self._do(self._ledger.start())

    @property
    def home(self) -> Home:
        """The data folder that is worked in."""
        return self._home

    def create_key(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key; `key` of the answer is its token."""
        self._have_workspace()
        return self._do(service.create_key(self._office, self._actor, body))

    def change_key(self, key_id: str, action: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`block`, `unblock`, `revoke` or `rotate` a key."""
        match action:
            case "block":
                return self._do(service.block_key(self._office, self._actor, key_id))
            case "unblock":
                return self._do(service.unblock_key(self._office, self._actor, key_id))
            case "revoke":
                return self._do(service.revoke_key(self._office, self._actor, key_id))
            case "rotate":
                return self._do(service.rotate_key(self._office, self._actor, key_id, body or {}))
        raise BadRequest("There is no such action on a key.")

    def update_key(self, key_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change what may be changed of a key."""
        return self._do(service.update_key(self._office, self._actor, key_id, body))

    def list_keys(self, workspace: str = "") -> dict[str, Any]:
        """The keys, of one workspace or all."""
        return self._read(lambda connection: service.list_keys(connection, self._clock.now_us(), workspace=workspace))

    def show_key(self, key_id: str) -> dict[str, Any]:
        """One key."""
        return self._read(lambda connection: service.show_key(connection, key_id, self._clock.now_us()))

    def create_workspace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a workspace."""
        return self._do(service.create_workspace(self._office, self._actor, body))

    def create_budget(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a budget."""
        return self._do(budgets.create_budget(self._office, self._actor, body))

    def update_budget(self, budget_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change a budget."""
        return self._do(budgets.update_budget(self._office, self._actor, budget_id, body))

    def delete_budget(self, budget_id: str) -> dict[str, Any]:
        """Take a budget away."""
        return self._do(budgets.delete_budget(self._office, self._actor, budget_id))

    def create_user(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a dashboard user."""
        return self._do(people.create_user(self._office, self._actor, body))

    def delete_user(self, name: str) -> None:
        """Remove a dashboard user."""
        self._do(people.delete_user(self._office, self._actor, name))

    def list_users(self) -> dict[str, Any]:
        """The dashboard users."""
        return self._read(people.list_users)

    def store_secret(self, name: str, value: str) -> dict[str, Any]:
        """Write a value into the local store."""
        return self._do(storing.store_secret(self._office, self._actor, self._home.store_keys(), name, value))

    def list_secrets(self) -> dict[str, Any]:
        """What is in the local store, by name."""
        return self._read(storing.stored_names)

    def switch_reference(self, slug: str, action: str) -> dict[str, Any]:
        """`disable` or `enable` a reference; a gateway that starts later finds the switch."""
        change = references.disable_reference if action == "disable" else references.enable_reference
        return self._do(change(self._office, self._actor, slug))

    def replay_letters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Put dead letters back into the outbox; they are sent when a gateway runs."""
        return self._do(letters.replay_letters(self._office, self._actor, letters.read_order(body)))

    def drop_letters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Give up dead letters, or what waits."""
        return self._do(letters.drop_letters(self._office, self._actor, letters.read_order(body, may_wait=True)))

    def adjust_charges(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make charges cost what the body says."""
        return self._do(spending.adjust_charges(self._office, self._actor, body))

    def show_letter(self, ident: int) -> dict[str, Any]:
        """One dead letter with its content."""
        return self._do(looks.look_at_letter(self._process, self._engine, self._note, ident))

    def list_contents(self, filters: Mapping[str, str]) -> dict[str, Any]:
        """Stored content, newest first, without what was said."""
        return looks.list_contents(self._engine, filters, self._clock.now_us())

    def show_content(self, reference: str) -> dict[str, Any]:
        """What a call said, as it was stored."""
        return self._do(looks.look_at_content(self._process, self._engine, self._home, self._note, reference, self._clock.now_us()))

    def delete_contents(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Remove stored content before its time."""
        return self._do(contents.delete_contents(self._office, self._actor, contents.read_removal(body)))

    def note(self, kind: str, detail: dict[str, Any], outcome: str = "ok") -> None:
        """Write down what a command does, before it does it or with how it went."""
        self._do(self._note(kind, detail, outcome))

    async def _note(self, kind: str, detail: dict[str, Any], outcome: str) -> None:
        """Write down who looks, before anything is shown."""
        await self._ledger.append(service.event(self._office, self._actor, kind, detail, outcome=outcome))

    def prove(self, event_id: str) -> dict[str, Any]:
        """The proof that an event was written down."""
        from pipeline.ledger.inclusion import prove_event

        self._do(self._note("audit:event:prove", {"event": event_id}, "ok"))
        return self._read(lambda connection: prove_event(connection, event_id))

    def hash_value(self, value: str) -> dict[str, Any]:
        """The keyed hashes of a value, and where they stand in the record."""
        from pipeline.keys import seen

        hashes = seen.hashes_of(seen.value_of({"value": value}), self._home.peppers())
        found = self._read(lambda connection: seen.where_seen(connection, hashes, "default"))
        self._do(self._note("audit:value:search", {"seen": found["seen"]}, "ok"))
        return seen.view(hashes, found)

    def export(self, filters: Mapping[str, str], form: str) -> Iterator[bytes]:
        """The audit events of a filter in a format, or the evidence bundle. The export itself is written down first."""
        from pipeline.cli import exporting
        from pipeline.store.formats.catalog import FORMATS
        from pipeline.store.read_model import parse_filter
        from pipeline.store.reads import open_reads

        asked = parse_filter(filters)
        detail = {"what": "events", "format": form, "filter": dict(filters)}
        if form == exporting.BUNDLE:
            signer = self._do(exporting.signer_of_home(self._process))
            self._do(self._note("audit:export:create", {**detail, "signed_by": signer.key_id if signer else ""}, "ok"))
            yield from exporting.bundle(self._engine, asked, signer, self._clock.now_us())
            return
        self._do(self._note("audit:export:create", detail, "ok"))
        reads = open_reads(self._url)
        try:
            yield from FORMATS[form].pieces(reads.iterate_events(asked))
        finally:
            reads.close()

    def close(self) -> None:
        """Write what waits and let the store go."""
        self._engine.dispose()
        self._do(self._ledger.stop())
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def _read(self, query: Callable[[Connection], T]) -> T:
        return _reading(self._engine, query)

    def _have_workspace(self) -> None:
        """A key needs a workspace; on an empty store there is none before the first start."""
        if not self._read(lambda connection: service.list_workspaces(connection, 0))["data"]:
            self.create_workspace({"slug": "default"})


def _reading(engine: Engine, query: Callable[[Connection], T]) -> T:
    with reading(engine) as connection:
        return query(connection)


def _cleaner(process: Process) -> Callable[[Any], Any]:
    from pipeline.cli.engine import redactor_of

    hashed = {"telemetry": [{"detect": ["secrets", "known", "keynames", "pii"], "action": "hash"}]}
    return redactor_of(process, policy=hashed, direction="telemetry").tree


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
