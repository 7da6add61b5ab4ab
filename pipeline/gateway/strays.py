"""Requests that reach no call: unknown paths, wrong methods, heads that are too large or no HTTP. Each is written down, within bounds.

In every second the first few are events of their own (`gateway:request:refuse`); whatever comes beyond them in that second is counted by
error code and peer in one more event (`gateway:request:flood`), so that a port scan is seen and does not fill the ledger. What is counted
is in memory until its event is written, a second later or when the gateway stops.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from pipeline.errors import PipelineError
from pipeline.gateway.auth import bearer
from pipeline.gateway.http import Headers
from pipeline.gateway.model import House
from pipeline.gateway.refusals import write_refusal
from pipeline.gateway.routes import READERS
from pipeline.keys.model import VirtualKey
from pipeline.keys.tokens import is_token
from pipeline.ledger.model import Event

EACH_S = 10
"""Events of their own in one second."""

PEERS = 20
"""Addresses that one flood event names; the others are counted together."""

LONGEST_PATH = 1024
"""Characters of a path that is looked at and kept; of a longer one only its length is."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Strays:
    """Writes such requests down. Used on the event loop only."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._began = 0.0
        self._written = 0
        self._more: Counter[tuple[str, str]] = Counter()
        self._since_us = 0
        self._telling: asyncio.Task[None] | None = None
        self._soon: set[asyncio.Task[None]] = set()

    async def note(self, request_id: str, error: PipelineError, scope: Any, headers: Headers | None = None) -> None:
        """Write a refused request down, or count it. `scope` is its ASGI scope. Raises nothing: nothing had been done for it."""
        client = scope.get("client")
        peer = client[0] if client else ""
        if not self._has_room():
            self._count(error.code, peer)
            return
        path: str = scope["path"]
        detail: dict[str, Any] = {
            "code": error.code,
            "method": scope["method"] if scope["method"] in _METHODS else "other",
            "peer": peer,
            "path_length": len(path),
        }
        if len(path) <= LONGEST_PATH:
            detail["path"] = path
        key = self._key_of(headers, peer)
        await self._write("gateway:request:refuse", detail, request_id, error.status, error.code, key)

    def note_unread(self, status: int, code: str, peer: str) -> str:
        """Take note of a request that was turned away before it could be read, and give it an id."""
        request_id = self._house.new_id()
        if self._has_room():
            detail: dict[str, Any] = {"code": code, "peer": peer}
            task = asyncio.create_task(self._write("gateway:request:refuse", detail, request_id, status, code, None))
            self._soon.add(task)
            task.add_done_callback(self._soon.discard)
        else:
            self._count(code, peer)
        return request_id

    async def flush(self) -> None:
        """Write down what was counted so far."""
        counted, self._more = self._more, Counter()
        self._telling = None
        if counted:
            codes: Counter[str] = Counter()
            peers: Counter[str] = Counter()
            for (code, peer), count in counted.items():
                codes[code] += count
                peers[peer] += count
            named = dict(peers.most_common(PEERS))
            detail = {
                "requests": counted.total(),
                "codes": dict(codes),
                "peers": named,
                "other_peers": counted.total() - sum(named.values()),
                "since_us": self._since_us,
            }
            await self._write("gateway:request:flood", detail, "", 0, "", None)
        await asyncio.gather(*self._soon)

    def _has_room(self) -> bool:
        now = self._house.clock.monotonic()
        if now - self._began >= 1.0:
            self._began, self._written = now, 0
        self._written += 1
        return self._written <= EACH_S

    def _count(self, code: str, peer: str) -> None:
        if not self._more:
            self._since_us = self._house.clock.now_us()
        # One address may come from anywhere in IPv6: the table is bounded by what one event can hold.
        self._more[(code, peer if len(self._more) < 1000 else "")] += 1
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        await asyncio.sleep(1.0)
        await self.flush()

    def _key_of(self, headers: Headers | None, peer: str) -> VirtualKey | None:
        """The key that the caller proved, for the event; a wrong one counts as a guess, here as anywhere."""
        token = bearer(headers) if headers is not None else None
        if token is None or token.startswith("lgs_") or is_token(token):
            return None
        try:
            return self._house.authenticator.authenticate(token, peer).key
        except PipelineError:
            return None

    def _event(self, kind: str, detail: dict[str, Any], request_id: str, status: int, code: str, key: VirtualKey | None) -> Event:
        house = self._house
        return Event(
            id=house.new_id(),
            at_us=house.clock.now_us(),
            kind=kind,
            actor=key.id if key else "anonymous",
            outcome="refused",
            detail=house.recorder.tree(detail),
            request_id=request_id,
            org_id=key.org_id if key else "default",
            # What somebody of the whole organization asks for names other workspaces; no manager of the one their key stands in reads it.
            workspace_id=key.workspace_id if key and key.role not in READERS else "",
            key_id=key.id if key else "",
            status=status,
            error=code,
        )

    async def _write(self, kind: str, detail: dict[str, Any], request_id: str, status: int, code: str, key: VirtualKey | None) -> None:
        await write_refusal(self._house, lambda: self._event(kind, detail, request_id, status, code, key))
