"""Whether the caveats of a proven key permit a call: asked once before its body is read, and again when model and tools are known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pipeline.errors import KeyExpired, KeyOutOfScope, KeyRejected, LedgerError, PipelineError
from pipeline.gateway.model import House
from pipeline.keys.calls import give_back_calls, take_calls
from pipeline.keys.caveats import Circumstances, Refusal, RouteName
from pipeline.keys.model import Caller
from pipeline.ledger.model import Claim, ClaimTaken

_LISTS: Final = ("tools", "functions", "mcp_servers")


def circumstances(house: House, route: RouteName, peer: str) -> Circumstances:
    """What is known of a call before its body is read."""
    site = house.site
    return Circumstances(route, peer, house.clock.now_us(), site.environment, site.audience)


def permit(caller: Caller, call: Circumstances) -> None:
    """Let a call pass, or raise KeyOutOfScope (403, the caveat's code), KeyExpired for a key that expired meanwhile."""
    for caveat in caller.caveats:
        refusal = caveat.permits(call)
        if refusal is not None:
            raise refused(refusal)


def permit_request(caller: Caller, call: Circumstances, model: str, body: Mapping[str, Any]) -> None:
    """The second look: at the model and the tools of a body."""
    if caller.caveats:
        permit(caller, replace(call, model=model, tools=tools_of(body)))


def refused(refusal: Refusal) -> KeyRejected:
    """A refusal as the error that a caller is told."""
    if refusal.code == KeyExpired.code:
        return KeyExpired(refusal.message, hint=refusal.hint)
    return KeyOutOfScope(refusal.message, hint=refusal.hint, code=refusal.code, param=refusal.param)


def tools_of(body: Mapping[str, Any]) -> frozenset[str]:
    """The names of the tools that a request offers, on any surface; "" stands for one whose name cannot be told, which no caveat has."""
    named: set[str] = set()
    for name in _LISTS:
        offered = body.get(name)
        if offered is None:
            continue
        named.update(_name_of(tool) for tool in offered) if isinstance(offered, list) else named.add("")
    if body.get("web_search_options") is not None:
        named.add("web_search")
    return frozenset(named)


def _name_of(tool: Any) -> str:
    """OpenAI puts a tool's name below its type, Anthropic beside it; what has no name goes by its server's label or its type."""
    if not isinstance(tool, dict):
        return ""
    kind = tool.get("type")
    inner = tool.get(kind) if isinstance(kind, str) else None
    if isinstance(inner, dict):
        # A name beside it as well would be one that nobody uses, to look like a tool that is allowed.
        name = inner.get("name") if "name" not in tool else None
    else:
        name = next((tool[field] for field in ("name", "server_label") if field in tool), kind)
    return name if isinstance(name, str) else ""


@asynccontextmanager
async def counted(house: House, caller: Caller, claim: Claim | None = None) -> AsyncIterator[None]:
    """Count a call of a key that may make so many, durably, before it is made; given back when it was refused before anything was done.

    Raises KeyOutOfScope (`calls_exhausted`), or LedgerError when it cannot be counted. Keys without the caveat cost nothing.
    """
    caveats = {key.id: key.caveats.max_calls for key in caller.lineage if key.caveats.max_calls is not None}
    if not caveats:
        yield
        return
    wanted = [(key_id, caveat.most) for key_id, caveat in caveats.items()]
    used_up = await house.ledger.run(partial(take_calls, wanted=wanted, claim=claim))
    if used_up:
        raise refused(caveats[used_up].used_up())
    try:
        yield
    except (PipelineError, ClaimTaken) as error:
        if not isinstance(error, LedgerError):  # whether it was written down is not known then: it stays counted
            with suppress(LedgerError):
                await house.ledger.run(partial(give_back_calls, key_ids=tuple(caveats)))
        raise
