"""Before anything is served: every required reference must resolve. Optional ones that do not are named in the log and tried again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.clock import Clock
from pipeline.errors import SecretError
from pipeline.vaults.check import check, counts, decisive, missing
from pipeline.vaults.model import SecretRef
from pipeline.vaults.resolver import Resolver

log = logging.getLogger("lockgate.secrets")


async def refuse_if_missing(refs: Sequence[SecretRef], resolver: Resolver, clock: Clock) -> None:
    """Read every reference once. Raises SecretError that names the required ones that cannot be had, and nothing else."""
    statuses = await check(refs, resolver, clock)
    for status in statuses:
        if not status.resolvable and not counts(status.reason, required=status.required):
            log.warning(
                "an optional reference does not resolve; its targets are skipped until it does",
                extra={"reference": status.slug, "reason": status.reason},
            )
    lost = missing(statuses)
    if lost:
        error = SecretError(
            f"Required references do not resolve: {', '.join(lost)}.",
            hint="`lockgate check` says why each of them does not; `required: false` on the target makes it optional.",
            code="secret_missing",
        )
        error.reason = decisive((status.reason, counts(status.reason, required=status.required)) for status in statuses)
        raise error
