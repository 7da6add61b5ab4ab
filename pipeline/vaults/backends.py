"""Backends: each with its own bounded threads, deadline and circuit, so that a slow or dead vault cannot hold up the others.

A backend is a *place* (a Vault address, an AWS endpoint and region); the adapters opened on it differ by credential. An
adapter is opened when first needed, with the inner references of its `auth_config` resolved, and opened again when one of
those has a new value. Runs on one event loop; adapters run in threads and their values come back as `Secret` or `Failure`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from pipeline.clock import Clock
from pipeline.errors import ConfigError, SecretError
from pipeline.vaults import failures
from pipeline.vaults.auth import ALIASES, SHAPES, inner_references
from pipeline.vaults.circuit import Circuit
from pipeline.vaults.failures import Failure
from pipeline.vaults.fetching import Reader, fingerprint_of
from pipeline.vaults.model import Holding, ManagerType, Secret, SecretRef, Vault

log = logging.getLogger("lockgate.secrets")

T = TypeVar("T")

Open = Callable[[ManagerType, Mapping[str, Any]], Vault]
"""Opens an adapter from resolved `auth_config`: `registry.open_vault` with its context filled in. Runs in a vault thread."""

Inner = Callable[[SecretRef, Secret | None], Awaitable[Secret | Failure]]
"""Resolves an inner reference for ourselves. Given the value that the vault refused, reads it anew: a Failure when it is the same."""

MAX_OPEN: Final = 256
"""How many adapters stay open; the oldest is let go beyond that."""

PRUNE_EVERY_S: Final = 300.0
"""How often it is looked for adapters that no reference leads to any more, and for places without one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of every backend. Seconds, except counts."""

    deadline_s: float = 3.0
    open_deadline_s: float = 20.0
    close_deadline_s: float = 3.0
    leave_s: float = 3_600.0
    workers: int = 4
    circuit_failures: int = 5
    circuit_cooldown_s: float = 5.0


@dataclass(slots=True)
class _Backend:
    pool: ThreadPoolExecutor
    circuit: Circuit
    reads: int = 0


@dataclass(slots=True)
class _Opened:
    backend: _Backend
    used_at: float
    seal: tuple[str, ...] | None = None
    vault: Vault | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Backends:
    """Reads references through their backends. Never raises; what went wrong comes back as a Failure."""

    def __init__(
        self,
        open_vault: Open,
        reader: Reader,
        *,
        inner: Inner,
        references: Callable[[], Mapping[str, SecretRef]],
        clock: Clock,
        jitter: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._open_vault = open_vault
        self._reader = reader
        self._inner = inner
        self._references = references
        self._clock = clock
        self._jitter = jitter
        self._limits = limits
        self._backends: dict[tuple[str, ...], _Backend] = {}
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._leaving: list[tuple[float, _Backend, Holding]] = []
        self._prune_at = clock.monotonic() + PRUNE_EVERY_S

    async def read(self, ref: SecretRef, *, refused: bool = False) -> Secret | Failure:
        """Read a reference from its vault, within the deadline. `refused`: a provider refused what was read before."""
        started = asyncio.get_running_loop().time()
        result = await self._read(ref, {}, self._limits.deadline_s, refused=refused)
        if isinstance(result, Failure) and result.reason == "unauthenticated" and ref.auth_config:
            fresh = await self._other_credentials(ref)
            left = self._limits.deadline_s - (asyncio.get_running_loop().time() - started)
            if fresh and left > 0:
                return await self._read(ref, fresh, left)
        return result

    async def tend(self) -> None:
        """Keep alive what the open adapters hold (tokens, leases), and let go of those that were replaced long enough ago."""
        now = self._clock.monotonic()
        left = [(backend, vault) for leaves_at, backend, vault in self._leaving if leaves_at <= now]
        self._leaving = [entry for entry in self._leaving if entry[0] > now]
        await self._on_all([(backend, vault.tend) for backend, vault in self._holding()])
        await self._on_all([(backend, vault.give_up) for backend, vault in left])
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_S
            self._prune(now)

    def _prune(self, now: float) -> None:
        """Let go of adapters that were not used for an hour and that no reference leads to, and of the threads of places without any."""
        old = {key for key, opened in self._opened.items() if opened.used_at + self._limits.leave_s <= now and key[1]}
        if old:
            old -= {(_name(ref), self._digest(ref.auth_config)) for ref in self._references().values()}
        for key in old:
            self._let_go(self._opened.pop(key))
        kept = {id(opened.backend) for opened in self._opened.values()} | {id(backend) for _, backend, _ in self._leaving}
        for place, backend in tuple(self._backends.items()):
            if id(backend) not in kept and not backend.reads:
                del self._backends[place]
                backend.pool.shutdown(wait=False)

    async def give_up(self, slug: str) -> None:
        """Have every adapter, also those that were replaced, give back what it holds for a reference."""
        await self._on_all([(backend, partial(vault.give_up, slug)) for backend, vault in self._all_holding()])

    async def close(self) -> None:
        """Give back what is held, within a deadline, and let go of the threads; running reads end by their own time-outs."""
        await self._on_all([(backend, vault.give_up) for backend, vault in self._all_holding()])
        self._opened.clear()
        self._leaving.clear()
        for backend in self._backends.values():
            backend.pool.shutdown(wait=False, cancel_futures=True)

    def _holding(self) -> list[tuple[_Backend, Holding]]:
        opened = ((each.backend, _holding(each.vault)) for each in self._opened.values())
        return [(backend, vault) for backend, vault in opened if vault is not None]

    def _all_holding(self) -> list[tuple[_Backend, Holding]]:
        return [*self._holding(), *((backend, vault) for _, backend, vault in self._leaving)]

    async def _on_all(self, calls: Sequence[tuple[_Backend, Callable[[], None]]]) -> None:
        """Call each in its backend's threads. What fails or takes too long is left to end by itself, as every lease does."""
        loop = asyncio.get_running_loop()
        futures = {loop.run_in_executor(backend.pool, call) for backend, call in calls}
        if not futures:
            return
        done, late = await asyncio.wait(futures, timeout=self._limits.close_deadline_s)
        for future in late:
            future.cancel()
        if late or any(future.exception() is not None for future in done):
            log.warning("a vault could not be told in time what is kept or given back", extra={"reason": "unavailable"})

    def is_open(self, ref: SecretRef) -> bool:
        """Whether the circuit of a reference's backend is open: its vault is being left alone."""
        backend = self._backends.get(_place(ref))
        return backend is not None and backend.circuit.is_open

    async def _read(self, ref: SecretRef, given: Mapping[str, Secret], deadline_s: float, *, refused: bool = False) -> Secret | Failure:
        backend = self._backend(ref)
        backend.reads += 1
        try:
            return await self._read_from(backend, ref, given, deadline_s, refused=refused)
        finally:
            backend.reads -= 1

    async def _read_from(
        self, backend: _Backend, ref: SecretRef, given: Mapping[str, Secret], deadline_s: float, *, refused: bool
    ) -> Secret | Failure:
        vault = await self._vault(ref, backend, given)
        if isinstance(vault, Failure):
            return vault
        if not backend.circuit.admits(self._clock.monotonic()):
            return failures.unavailable(ref.slug, "The vault failed several times in a row and is left alone for a few seconds.")
        read = self._reader.read_anew if refused else self._reader.read
        result = await self._run(backend, ref, deadline_s, read, vault, ref)
        if isinstance(result, Failure) and result.transient:
            backend.circuit.failed(self._clock.monotonic(), self._jitter())
        else:
            backend.circuit.succeeded()
        return result

    async def _run(self, backend: _Backend, ref: SecretRef, deadline_s: float, call: Callable[..., T], *args: Any) -> T | Failure:
        future = asyncio.get_running_loop().run_in_executor(backend.pool, call, *args)
        done, _ = await asyncio.wait({future}, timeout=deadline_s)
        if done and future.exception() is None:
            return future.result()
        future.cancel()  # one that still waits for a thread never starts; a running one ends by its adapter's time-outs
        return failures.unavailable(ref.slug, f"The vault did not answer within {self._limits.deadline_s:g} s.")

    async def _vault(self, ref: SecretRef, backend: _Backend, given: Mapping[str, Secret]) -> Vault | Failure:
        config = await self._resolved(ref, given)
        if isinstance(config, Failure):
            return config
        opened = self._slot(ref, backend)
        seal = tuple(f"{name}={value.fingerprint}" for name, value in sorted(config.items()) if isinstance(value, Secret))
        if opened.vault is not None and opened.seal == seal:
            return opened.vault
        async with opened.lock:
            if opened.vault is not None and opened.seal == seal:
                return opened.vault
            vault = await self._run(backend, ref, self._limits.open_deadline_s, self._open, ref, config)
            if not isinstance(vault, Failure):
                self._let_go(opened)
                opened.vault, opened.seal = vault, seal
            return vault

    def _let_go(self, opened: _Opened) -> None:
        """An adapter that another takes the place of: what it holds is still used for a while."""
        vault = _holding(opened.vault)
        if vault is not None:
            self._leaving.append((self._clock.monotonic() + self._limits.leave_s, opened.backend, vault))

    def _open(self, ref: SecretRef, config: Mapping[str, Any]) -> Vault | Failure:
        try:
            return self._open_vault(ref.manager_type, config)
        except ConfigError as error:
            return failures.misconfigured(ref.slug, error.message.rstrip("."), error.hint)
        except SecretError as error:
            return failures.as_failure(error)
        except Exception:  # noqa: BLE001 - boundary: an SDK's error while opening may quote credentials, so nothing of it is kept
            return failures.misconfigured(ref.slug, "its vault could not be opened", "Check auth_config.")

    async def _resolved(self, ref: SecretRef, given: Mapping[str, Secret]) -> dict[str, Any] | Failure:
        config = dict(ref.auth_config)
        try:
            inner = inner_references(config, self._references()) if config else {}
        except ConfigError as error:
            return failures.misconfigured(ref.slug, error.message.rstrip("."), error.hint)
        for name, inner_ref in inner.items():
            value = given.get(name) or await self._inner(inner_ref, None)
            if isinstance(value, Failure):
                return _credential_failure(ref, inner_ref, value)
            config[name] = value
        return config

    async def _other_credentials(self, ref: SecretRef) -> dict[str, Secret]:
        """After the vault refused our credential: read its inner references anew; empty when none has another value."""
        try:
            inner = inner_references(ref.auth_config, self._references())
        except ConfigError:
            return {}
        fresh: dict[str, Secret] = {}
        for name, inner_ref in inner.items():
            used = await self._inner(inner_ref, None)
            value = await self._inner(inner_ref, used) if isinstance(used, Secret) else used
            if isinstance(value, Secret):
                fresh[name] = value
        return fresh

    def _backend(self, ref: SecretRef) -> _Backend:
        place = _place(ref)
        backend = self._backends.get(place)
        if backend is None:
            pool = ThreadPoolExecutor(self._limits.workers, thread_name_prefix=f"vault-{place[0]}")
            backend = _Backend(pool, Circuit(self._limits.circuit_failures, self._limits.circuit_cooldown_s))
            self._backends[place] = backend
        return backend

    def _slot(self, ref: SecretRef, backend: _Backend) -> _Opened:
        key = (_name(ref), self._digest(ref.auth_config))
        opened = self._opened.get(key)
        if opened is None:
            if len(self._opened) >= MAX_OPEN:
                self._let_go(self._opened.pop(next(iter(self._opened))))
            opened = self._opened[key] = _Opened(backend, self._clock.monotonic())
        opened.used_at = self._clock.monotonic()
        return opened

    def _digest(self, auth_config: Mapping[str, Any]) -> str:
        if not auth_config:
            return ""
        text = json.dumps(auth_config, sort_keys=True, default=self._plain)
        return hashlib.sha256(text.encode()).hexdigest()

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return ["secret", value.fingerprint or fingerprint_of(value.reveal(), self._reader.fingerprint_key)]
        return dict(value) if isinstance(value, Mapping) else str(value)


def _holding(vault: object) -> Holding | None:
    return vault if isinstance(vault, Holding) else None


def _name(ref: SecretRef) -> str:
    return ALIASES.get(ref.manager_type, ref.manager_type)


def _place(ref: SecretRef) -> tuple[str, ...]:
    name = _name(ref)
    shape = SHAPES.get(name)
    return (name, *(str(ref.auth_config.get(field, "")) for field in (shape.place if shape is not None else ())))


def _credential_failure(ref: SecretRef, inner: SecretRef, failure: Failure) -> Failure:
    hint = f"Reference {inner.slug!r} in its auth_config: {failure.message} {failure.hint}"
    if failure.transient:
        return failures.unavailable(ref.slug, hint)
    return failures.unauthenticated(ref.slug, hint)
