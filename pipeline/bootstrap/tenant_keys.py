"""The keys of hashes and pseudonyms: one for each tenant and purpose, derived, so that replicas and restarts agree and nothing is kept.

A tenant is a workspace of an organization, a purpose a direction of a policy: the name that a provider sees for a value is not the one
that telemetry shows, and no workspace's names say anything about another's. Keys of pseudonyms also change with their period.

What a caller asks to be redacted (`/v1/redact`) has purposes of its own: whoever may ask for the hash of a guess must not be able to
compare it with the hashes in telemetry.
"""

from __future__ import annotations

import hmac
import json
from typing import Final

from pipeline.clock import Clock
from redactors.model import Direction
from redactors.operators import Keys

DAY_US: Final = 86_400_000_000


class TenantKeys:
    """Derives keys from a master secret (32 bytes) by HMAC-SHA256 over what they are for."""

    def __init__(self, master: bytes, clock: Clock) -> None:
        self._master = master
        self._clock = clock

    def period(self, days: int) -> int:
        """The number of the period of so many days (from the epoch, UTC) that it is now."""
        return self._clock.now_us() // (days * DAY_US)

    def keys(self, org_id: str, workspace_id: str, direction: Direction, days: int, period: int) -> Keys:
        """The keys of a tenant for a direction, in one of the periods of so many days."""
        return Keys(
            hashes=self._derived("hash", org_id, workspace_id, direction),
            pseudonyms=self._derived("pseudonym", org_id, workspace_id, direction, days, period),
        )

    def asked_keys(self, org_id: str, workspace_id: str, direction: Direction, days: int, period: int) -> Keys:
        """The keys for what a caller of the tenant asks for: nothing that they make occurs in calls, telemetry or the record."""
        return Keys(
            hashes=self._derived("asked hash", org_id, workspace_id, direction),
            pseudonyms=self._derived("asked pseudonym", org_id, workspace_id, direction, days, period),
        )

    def _derived(self, *use: str | int) -> bytes:
        # JSON: no two uses have the same spelling, whatever stands in an id.
        return hmac.digest(self._master, json.dumps(use).encode(), "sha256")
