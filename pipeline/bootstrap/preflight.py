"""Before anything is served: every required reference must resolve, and what is a key must be one.

Optional references that do not resolve are named in the log and tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.bootstrap.compile import References
from pipeline.clock import Clock
from pipeline.config.document import Document
from pipeline.errors import ConfigError, SecretError
from pipeline.gateway.content_keys import ContentKeys
from pipeline.keys.signing_key import signer_by
from pipeline.ledger.signing import KeyUnusable
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


async def check_keys(document: Document, references: References, content_keys: ContentKeys, resolver: Resolver) -> None:
    """What seals stored content and what signs checkpoints must be keys. Raises ConfigError, or SecretError when one is away."""
    if document.telemetry.capture_content == "stored" and references.content_key is not None:
        await content_keys.of(references.content_key)
    try:
        await signer_by(references.signing_key, resolver)
    except KeyUnusable as error:
        raise ConfigError(f"audit.checkpoints.signing_key: {error}.", hint="Make one: lockgate audit keygen.") from None
