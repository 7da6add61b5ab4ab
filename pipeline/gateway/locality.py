"""Where a gateway stands: its environment, the names it goes by, and the proxies whose word about a client's address it takes.

`X-Forwarded-For` is read from the right, where the nearest proxy wrote: the client is the first address that is no trusted proxy. All lines
of the header count, because a proxy may add one of its own below the line that a client made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.gateway.http import Scope
from pipeline.keys.caveats import Network, address_of

_FORWARDED: Final = b"x-forwarded-for"
_MOST_HOPS: Final = 32


@dataclass(frozen=True, slots=True)
class Site:
    """What the document says of this gateway's place. `environment` "" names none, and no key for an environment works there.

    `litellm_headers`: answers to calls also bear the headers that LiteLLM's clients read.
    """

    environment: str = ""
    audience: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    litellm_headers: bool = False

    def trusts(self, address: str) -> bool:
        """Whether an address is that of a trusted proxy."""
        parsed = address_of(address)
        return parsed is not None and any(parsed in network for network in self.trusted_proxies)

    def client_of(self, scope: Scope) -> str:
        """The client's address: the peer's, or what a trusted proxy says it is; "" when nobody knows."""
        client = scope.get("client")
        peer = str(client[0]) if client else ""
        if not self.trusts(peer):
            return peer
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED]
        hops = [hop.strip() for hop in ",".join(lines).split(",")] if lines else []
        for hop in reversed(hops[-_MOST_HOPS:]):
            if address_of(hop) is None:
                return peer  # what a proxy wrote is an address; whatever stands left of anything else was not written by one
            peer = hop
            if not self.trusts(hop):
                break
        return peer
