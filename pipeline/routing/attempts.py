"""One call over its planned targets: try, move on, try again, and remember every try.

Before the first piece of an answer any failure of a class that the route retries moves on to the next target; after it none does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from pipeline.clock import Clock
from pipeline.errors import AllTargetsFailed, PipelineError
from pipeline.routing.mapping import applied
from pipeline.routing.model import Attempt, Delta, Outbound, Plan, Target, UpstreamError
from pipeline.routing.providers import Providers
from pipeline.routing.router import Router
from pipeline.vaults.model import Secret

OpenKey = Callable[[Target, Secret | None], Awaitable[Secret | None]]
"""Resolves a target's secret; the second argument is the one that the provider has just refused. None: the target needs none."""

AGAIN = frozenset({"connect", "5xx", "rate_limit", "timeout"})
"""What may pass when the same target is asked once more, after every other was asked."""

LONGEST_WAIT_S = 2.0


class TargetsFailed(AllTargetsFailed):
    """Every planned target failed, or one failed in a way that no other can help. `last` is the last failure, unscreened."""

    def __init__(self, last: UpstreamError, attempts: tuple[Attempt, ...]) -> None:
        status, code, kind = outward(last)
        headers = {} if last.retry_after_s is None else {"Retry-After": str(max(1, round(last.retry_after_s)))}
        super().__init__(f"The model's provider failed ({last.failure}).", code=code, status=status, type=kind, headers=headers)
        self.last = last
        self.attempts = attempts


def outward(error: UpstreamError) -> tuple[int, str, str]:
    """The (HTTP status, code, type) that a provider's failure means to our caller.

    A provider's 401 is never passed on as one: it is about our key, not about the caller's.
    """
    refused = "invalid_request_error"
    answers = {
        "rate_limit": (429, "upstream_rate_limit", "rate_limit_error"),
        "timeout": (504, "upstream_timeout", "upstream_error"),
        "bad_request": (
            error.status if 400 <= error.status < 500 and error.status not in (401, 403) else 400,
            "upstream_bad_request",
            refused,
        ),
        "context_window": (400, "context_length_exceeded", refused),
        "content_policy": (400, "content_filter", refused),
        "too_large": (413, "request_too_large", refused) if error.status == 413 else (502, "upstream_answer_too_large", "upstream_error"),
        "not_found": (404, "upstream_not_found", refused),
        "auth": (502, "upstream_auth", "upstream_error"),
        "broken_stream": (502, "upstream_protocol_error", "upstream_error"),
    }
    return answers.get(error.failure, (502, "upstream_error", "upstream_error"))


class Pieces:
    """The rest of an answer after its first piece was taken, with that piece in front. `aclose` cancels the upstream call."""

    __slots__ = ("_failed", "_first", "_rest")

    def __init__(self, first: Delta | None, rest: AsyncIterator[Delta], failed: Callable[[UpstreamError], None]) -> None:
        self._first = first
        self._rest = rest
        self._failed = failed

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> Delta:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return await self._rest.__anext__()
        except UpstreamError as error:
            error.started = True
            self._failed(error)
            raise

    async def aclose(self) -> None:
        """Stop reading; the provider's call is cancelled when it has not ended."""
        close = getattr(self._rest, "aclose", None)
        if close is not None:
            await close()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has begun: who gives it, its pieces, the key used, and all tries (the last is this one, ended at its first piece)."""

    target: Target
    attempts: tuple[Attempt, ...]
    deltas: Pieces
    secret: Secret | None

    async def aclose(self) -> None:
        """Cancel what has not been read."""
        await self.deltas.aclose()


class _Call:
    """The state of one call while its targets are tried."""

    def __init__(
        self,
        *,
        make_outbound: Callable[[Target], Outbound],
        open_key: OpenKey,
        providers: Providers,
        router: Router,
        clock: Clock,
        tried: list[Attempt],
    ) -> None:
        self.make_outbound, self.open_key, self.providers = make_outbound, open_key, providers
        self.router, self.clock, self.tried = router, clock, tried

    async def first(self, target: Target, secret: Secret | None) -> Answer:
        """Ask one target with one key, up to its first piece. Every ending is noted."""
        target = applied(target, secret)
        outbound = self.make_outbound(target)
        provider = self.providers.of(target, outbound.surface)
        started = self.clock.now_us()
        outcome, status, ident = "cancelled", 0, ""
        refused = False
        retry_after: float | None = None
        stream = provider.complete(outbound, secret)
        try:
            try:
                piece = await stream.__anext__()
            except StopAsyncIteration:
                raise UpstreamError("broken_stream", target_id=target.id) from None
            outcome, status, ident = "ok", 200, piece.upstream_id
        except UpstreamError as error:
            error.target_id = target.id
            outcome, status, ident, retry_after = error.failure, error.status, error.upstream_id, error.retry_after_s
            # A status that is an error, or an error as the answer, is the provider's word that it did nothing.
            refused = error.status not in (0, 200) or error.body is not None
            raise
        finally:
            unanswered = outbound.departure.sent and outcome != "ok" and not refused
            self._note(target, outbound, secret, started, outcome=outcome, status=status, ident=ident, unanswered=unanswered)
            if outcome != "cancelled":
                self.router.report(target, outcome, retry_after)

        def failed(error: UpstreamError) -> None:
            error.target_id = target.id
            self.router.report(target, error.failure, error.retry_after_s)

        return Answer(target, tuple(self.tried), Pieces(piece, stream, failed), secret)

    def _note(
        self,
        target: Target,
        outbound: Outbound | None,
        secret: Secret | None,
        started: int,
        *,
        outcome: str,
        status: int = 0,
        ident: str = "",
        unanswered: bool = False,
    ) -> None:
        self.tried.append(
            Attempt(
                target_id=target.id,
                provider=target.provider,
                model=target.model,
                lane=self.providers.lane(target, outbound.surface) if outbound else "",
                started_us=started,
                ended_us=self.clock.now_us(),
                outcome=outcome,
                status=status,
                upstream_id=ident,
                secret_reference=target.reference or "",
                secret_version=secret.version if secret else "",
                secret_fingerprint=secret.fingerprint if secret else "",
                unanswered=unanswered,
            )
        )

    async def key(self, target: Target, rejected: Secret | None) -> Secret | None:
        """Resolve the target's key; a failure to do so is noted as that try's ending."""
        started = self.clock.now_us()
        try:
            return await self.open_key(target, rejected)
        except PipelineError as error:
            self._note(target, None, rejected, started, outcome=error.code)
            raise

    async def one(self, target: Target) -> Answer:
        """Ask one target; a refused key is read again from its vault and tried once more, so that a rotation costs no call."""
        secret = await self.key(target, None)
        try:
            return await self.first(target, secret)
        except UpstreamError as error:
            if error.failure != "auth" or secret is None:
                raise
        return await self.first(target, await self.key(target, secret))


async def ask(
    plan: Plan,
    make_outbound: Callable[[Target], Outbound],
    open_key: OpenKey,
    providers: Providers,
    router: Router,
    clock: Clock,
    *,
    tried: list[Attempt] | None = None,
) -> Answer:
    """Try the plan's targets until one begins to answer.

    At most `plan.max_attempts` tries; when there are fewer targets, those that failed in a passing way are asked again after a
    short wait. Raises TargetsFailed, or the PipelineError by which the last target's key could not be had. `tried` is filled as
    the tries happen, so it is right however this ends, also by cancellation.
    """
    tried = [] if tried is None else tried
    call = _Call(make_outbound=make_outbound, open_key=open_key, providers=providers, router=router, clock=clock, tried=tried)
    queue = list(plan.targets)
    last: UpstreamError | PipelineError | None = None
    waits = 0
    again: list[Target] = []
    for _ in range(max(plan.max_attempts, 1)):
        if not queue:
            if not again:
                break
            queue, again = again, []
            waits += 1
            await asyncio.sleep(min(0.1 * 2**waits, LONGEST_WAIT_S))
        target = queue.pop(0)
        try:
            return await call.one(target)
        except UpstreamError as error:
            last = error
            if error.failure not in plan.retry_on:
                break
            if error.failure in AGAIN and (error.retry_after_s or 0) <= LONGEST_WAIT_S:
                again.append(target)
        except PipelineError as error:
            last = error
    if isinstance(last, UpstreamError):
        raise TargetsFailed(last, tuple(tried))
    assert last is not None, "a plan has at least one target"
    raise last
