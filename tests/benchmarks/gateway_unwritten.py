"""The gateway as `lockgate serve` runs it, but for a ledger that writes down no call: what the ledger costs is the difference.

Run as `python -m tests.benchmarks.gateway_unwritten`, with the environment of `lockgate serve`. Events, charges and spans are built all
the same; reservations, the journal and the outbox (whose rows ride with the settlement) are what is left out. It exists here and
nowhere in the product: a gateway that does not write down its calls is none.
"""

from __future__ import annotations

import sys

from pipeline.bootstrap import build
from pipeline.bootstrap.serve import serve
from pipeline.config.environment import read_process
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Intent, Receipt, Settlement


class Unwritten(DurableLedger):
    """Says that every call is written down, at once."""

    async def open(self, intent: Intent) -> Receipt:
        """Nothing is reserved."""
        return Receipt(intent.event.id, 1)

    async def close(self, settlement: Settlement) -> Receipt:
        """Nothing is charged."""
        return Receipt(settlement.events[0].id, 1)


if __name__ == "__main__":
    build.DurableLedger = Unwritten  # type: ignore[misc]
    sys.exit(serve(read_process()))
