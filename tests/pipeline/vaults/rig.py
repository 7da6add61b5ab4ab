"""A resolver over a scripted vault and a clock that stands still: what the resolver's tests are made of."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.vaults import failures
from pipeline.vaults.backends import Limits
from pipeline.vaults.failures import Failure, Reason
from pipeline.vaults.model import Asker, Fetched, SecretRead, SecretRef
from pipeline.vaults.resolver import Resolver

ASKER = Asker(workspace="production", key_id="key-1", request_id="request-1")


def fresh_value(length: int = 24) -> str:
    """A value that occurs nowhere else."""
    return "canary" + secrets.token_hex(length)


class Clock:
    """Stands still until told to go on."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now_us(self) -> int:
        return 1_800_000_000_000_000 + int(self.seconds * 1_000_000)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class ScriptedVault:
    """Answers what it is told to: a value per path, or one failure for all, after `takes_s`.

    `gate`, when set, holds every read until it is opened.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.version = 1
        self.failure: Reason | None = None
        self.calls = 0
        self.takes_s = 0.0
        self.gate: threading.Event | None = None
        self.started = threading.Event()

    def fetch(self, ref: SecretRef) -> Fetched:
        self.calls += 1
        value, version, failure = self.values.get(ref.secret_path), self.version, self.failure
        self.started.set()
        time.sleep(self.takes_s)
        if self.gate is not None:
            assert self.gate.wait(30)
        if failure is not None:
            raise Failure(failure, f"The reference {ref.slug!r} failed as the test wants it.").error()
        if value is None:
            raise failures.not_found(ref.slug).error()
        return Fetched(value, str(version))


@dataclass
class Rig:
    """The resolver and everything that it was given."""

    vaults: dict[str, ScriptedVault] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    known: dict[str, str] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)
    reads: list[SecretRead] = field(default_factory=list)
    references: dict[str, SecretRef] = field(default_factory=dict)
    opened: list[Mapping[str, Any]] = field(default_factory=list)
    jitter: Callable[[], float] = lambda: 0.0
    limits: Limits = field(default_factory=Limits)
    retire_after_s: float = 3_600.0

    def __post_init__(self) -> None:
        self.resolver = Resolver(
            self._open,
            clock=self.clock,
            fingerprint_key=b"k" * 32,
            announce=self._announce,
            retire=self.retired.append,
            on_read=self.reads.append,
            jitter=lambda: self.jitter(),  # noqa: PLW0108 - a test may change it later
            references=lambda: self.references,
            limits=self.limits,
            retire_after_s=self.retire_after_s,
        )

    def _announce(self, value: str, label: str) -> None:
        self.known[label] = value

    def _open(self, manager_type: str, auth_config: Mapping[str, Any]) -> ScriptedVault:
        self.opened.append(auth_config)
        return self.vault(manager_type)

    def vault(self, manager_type: str = "scripted") -> ScriptedVault:
        return self.vaults.setdefault(manager_type, ScriptedVault())

    def ref(self, slug: str = "openai-prod", **changes: Any) -> SecretRef:
        """A reference into the scripted vault, where its path is its slug."""
        given: dict[str, Any] = {"slug": slug, "manager_type": "scripted", "secret_path": slug, **changes}
        return SecretRef(**given)

    @property
    def outcomes(self) -> list[str]:
        return [read.outcome for read in self.reads]
