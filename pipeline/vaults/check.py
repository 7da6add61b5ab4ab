"""Preflight: does every reference resolve? For `lockgate check`, `lockgate secrets status` and the start of `serve`.

Each reference is read from its vault, whatever is cached. What comes back says version, age, latency and fingerprint, and
the class of the error with what to do about it; never a value.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.clock import Clock
from pipeline.vaults.failures import TRANSIENT, Reason
from pipeline.vaults.model import Asker, Secret, SecretRef
from pipeline.vaults.resolver import Probe, Resolver

PREFLIGHT: Final = Asker(workspace="", key_id="preflight")
"""Who asks, in the audit."""

AT_ONCE: Final = 4
"""References of one kind of vault that are read at the same time: as many as a backend has threads."""

OK: Final = 0
MISSING: Final = 1
BAD_CONFIG: Final = 2
UNREACHABLE: Final = 3
BAD: Final[Reason] = "misconfigured"
UNTRIED: Final[Reason] = "untried"
DISABLED: Final[Reason] = "disabled"


@dataclass(frozen=True, slots=True)
class RefStatus:
    """How one reference stands. `reason` is "" when it resolves; `age_s` is since the vault made this version (None: unknown).

    `length_class` says as much of the value's length as helps to see that it is the wrong thing: `short` (under 20), `medium`, `long`
    (100 and more characters).
    """

    slug: str
    manager_type: str
    required: bool
    reason: Reason | str
    message: str
    hint: str
    version: str
    age_s: float | None
    latency_us: int
    fingerprint: str
    degraded: bool
    suspect: bool
    length_class: str = ""

    @property
    def resolvable(self) -> bool:
        """Whether the vault gave a usable value just now."""
        return not self.reason


async def check(refs: Iterable[SecretRef], resolver: Resolver, clock: Clock, *, asker: Asker = PREFLIGHT) -> tuple[RefStatus, ...]:
    """Read every reference once, a few of each kind of vault at the same time, and report in the given order.

    A read has so much time from when it is asked for, and waiting behind hundreds of others must not be what it is spent on.
    """
    places: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    async def status(ref: SecretRef) -> RefStatus:
        async with places[ref.manager_type]:
            found, _ = await look(ref, resolver, clock, asker=asker)
            return found

    return tuple(await asyncio.gather(*map(status, refs)))


async def look(ref: SecretRef, resolver: Resolver, clock: Clock, *, asker: Asker = PREFLIGHT) -> tuple[RefStatus, Secret | None]:
    """Read one reference and report, with the secret itself for whoever tries it at its provider."""
    probe = await resolver.probe(ref, asker)
    return _status(ref, probe, resolver, clock), probe.secret


def _status(ref: SecretRef, probe: Probe, resolver: Resolver, clock: Clock) -> RefStatus:
    secret, failure = probe.secret, probe.failure
    known_age = secret is not None and secret.created_us > 0
    return RefStatus(
        slug=ref.slug,
        manager_type=ref.manager_type,
        required=ref.required,
        reason=failure.reason if failure is not None else "",
        message=failure.message if failure is not None else "",
        hint=failure.hint if failure is not None else "",
        version=secret.version if secret is not None else "",
        age_s=max(0.0, (clock.now_us() - secret.created_us) / 1_000_000) if secret is not None and known_age else None,
        latency_us=probe.latency_us,
        fingerprint=secret.fingerprint if secret is not None else "",
        degraded=resolver.is_degraded(ref),
        suspect=resolver.is_suspect(ref),
        length_class=_length_class(len(secret.reveal())) if secret is not None else "",
    )


def _length_class(length: int) -> str:
    return "short" if length < 20 else "medium" if length < 100 else "long"


def exit_code(statuses: Sequence[RefStatus], *, strict: bool = False) -> int:
    """The command's exit code: 2 a bad configuration, 1 a required reference is missing or denied, 3 a vault cannot be reached, else 0.

    References that are not required only count under `strict`.
    """
    return code_of(decisive((status.reason, counts(status.reason, required=status.required, strict=strict)) for status in statuses))


def counts(reason: str, *, required: bool, strict: bool = False) -> bool:
    """Whether a reference that does not resolve stands in the way: one that is optional, was not tried or was disabled only under `strict`.

    What somebody disabled must not stop a gateway's restart.
    """
    return strict or (required and reason not in (UNTRIED, DISABLED))


def decisive(reasons: Iterable[tuple[str, bool]]) -> str:
    """Of the reasons why references do not resolve ("" where one does), each with whether it counts, the one that decides.

    A bad configuration always counts; what the vault says is not there decides before a vault that cannot be reached. "" is none.
    """
    found = {reason for reason, counts in reasons if reason and (counts or reason == BAD)}
    return BAD if BAD in found else min(found - TRANSIENT, default=min(found, default=""))


def code_of(reason: str) -> int:
    """The exit code of `check`, `secrets status` and a refused start for the reason that decides."""
    if reason in ("", BAD):
        return BAD_CONFIG if reason else OK
    return UNREACHABLE if reason in TRANSIENT else MISSING


def missing(statuses: Sequence[RefStatus]) -> tuple[str, ...]:
    """The slugs of the required references that do not resolve: what start-up is refused with (names only)."""
    return tuple(status.slug for status in statuses if status.required and not status.resolvable and status.reason != DISABLED)
