"""What the receiver of telemetry keeps between requests: places, worker threads, what redactors had nothing to say about."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar, TypeVarTuple

from collectors.model import Signal
from collectors.otlp.bodies import BodyLimits, Encoding
from collectors.otlp.gathering import Seen
from pipeline.errors import PipelineError
from redactors.engine import Redactor

_MOST_MEMORIES: Final = 64
RETRY_S: Final = 5
PATIENCE_S: Final = 60.0
"""Seconds in which a request must be clean; a large one takes one or two, on a machine with nothing else to do."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it was sent: `body` in its content coding, what it claims to be, and for whom it is written down."""

    signal: Signal
    encoding: Encoding
    coding: str
    body: bytes
    request_id: str
    peer: str


class Intake:
    """What the receiver keeps between requests: places, worker threads, and what each redactor had nothing to say about.

    `destinations` are the ids of those that take a signal.
    """

    def __init__(
        self,
        *,
        pool: Executor,
        limits: BodyLimits,
        most: int,
        fault_s: float,
        destinations: Mapping[Signal, Sequence[str]],
        generation: Callable[[], object],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        self.pool = pool
        self.limits = limits
        self.fault_s = fault_s
        self.destinations = destinations
        self._generation = generation
        self._most = most
        self._running = 0
        self._memories: OrderedDict[Redactor, Seen] = OrderedDict()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among the requests that are held in memory; 503 when there is none."""
        if self._running >= self._most:
            raise PipelineError(
                "Too many telemetry requests are being read.",
                hint="Send it again later.",
                code="overloaded",
                status=503,
                headers={"retry-after": str(RETRY_S)},
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def work(self, work: Callable[[*Ts], T], *given: *Ts) -> T:
        """Do work on a thread of the receiver's own, and give up on it after `patience_s` (503): what it gives then is thrown away.

        A detector that hangs keeps its thread; when all hang, nothing is taken any more and every sender keeps what it has.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.get_running_loop().run_in_executor(self.pool, work, *given)
        except TimeoutError:
            raise PipelineError(
                "The telemetry took too long to redact.",
                hint="Send it again later, in smaller batches.",
                code="telemetry_timeout",
                status=503,
                headers={"retry-after": str(RETRY_S)},
            ) from None

    def memory(self, redactor: Redactor) -> Seen:
        """What a redactor had nothing to say about, as long as no other live secret is known. Called on the event loop."""
        generation = self._generation()
        if redactor.recognizes:
            return Seen(generation)  # a recognizer may have been passed over: its silence says nothing about the next time
        seen = self._memories.get(redactor)
        if seen is None or seen.generation != generation:
            seen = self._memories[redactor] = Seen(generation)
        self._memories.move_to_end(redactor)
        if len(self._memories) > _MOST_MEMORIES:
            self._memories.popitem(last=False)
        return seen
