"""Whether the caveats of a proven key permit a call: asked once before its body is read, and again when model and tools are known."""

from __future__ import annotations

import re
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
_SEARCHES: Final = ("web_search_options", "search_parameters", "enable_search")
"""The fields by which OpenAI, xAI and DashScope are asked to search by themselves; OpenRouter has `plugins` for it, by id."""
_DECLARATIONS: Final = ("function", "custom")
_SERVERS: Final = ("mcp", "url")
_DATED: Final = re.compile(r"_20[0-9]{6}\Z")
_EDITORS: Final = ("str_replace_editor", "str_replace_based_edit_tool")
"""What Anthropic calls its dated types `text_editor_…`; every other one bears the name of its type."""


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
        named.update(*map(_names_of, offered)) if isinstance(offered, list) else named.add("")
    if any(body.get(field) not in (None, False) for field in _SEARCHES):
        named.add("web_search")
    plugins = body.get("plugins")
    if plugins is not None:
        named.update(map(_plugin, plugins)) if isinstance(plugins, list) else named.add("")
    return frozenset(named)


def _plugin(plugin: Any) -> str:
    name = plugin.get("id") if isinstance(plugin, dict) else None
    return name if isinstance(name, str) else ""


def _names_of(tool: Any) -> frozenset[str]:
    """OpenAI puts a tool's name below its type, Anthropic beside it; what has no name goes by its server's label or its type.

    One that goes by several names has none: which of them counts differs from provider to provider, and some read `function` whatever the
    type says. One whose type is more than a kind of declaration (`web_search`) is what its type says, so it goes by that as well.
    """
    kind = tool.get("type") if isinstance(tool, dict) else ""
    if not isinstance(tool, dict) or not isinstance(kind, str | None):
        return frozenset(("",))
    said = [tool[field] for field in ("name", "server_label") if field in tool]
    below = [tool[field] for field in {*_DECLARATIONS, kind} if isinstance(tool.get(field), dict)]
    said += [inner.get("name") for inner in below]
    if len(said) > 1 or not all(isinstance(name, str) for name in said) or (not said and kind in (None, *_DECLARATIONS)):
        return frozenset(("",))
    return frozenset(said if said and _is_no_more(kind, tool, said[0]) else (*said, kind or ""))


def _is_no_more(kind: str | None, tool: Mapping[str, Any], name: str) -> bool:
    """Whether a type says no more than the name: a declaration, a server that is named, or a dated type of exactly that name."""
    if kind is None or kind in _DECLARATIONS or kind == name:
        return True
    if kind in _SERVERS:
        return "name" in tool or "server_label" in tool
    stem = _DATED.sub("", kind)
    return name == stem or (stem == "text_editor" and name in _EDITORS)


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
