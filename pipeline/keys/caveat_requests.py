"""Caveats as somebody asks for them, checked field by field: `{"routes", "tools", "cidrs", "environments", "audiences", "max_calls"}`.

A list that would permit nothing is refused, but for `tools`: a key that may offer no tool is a useful one. Errors quote nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pipeline.errors import BadRequest
from pipeline.keys.caveats import (
    ROUTE_NAMES,
    AddressCaveat,
    AudienceCaveat,
    CallsCaveat,
    Caveats,
    EnvironmentCaveat,
    RouteCaveat,
    ToolCaveat,
)

MAX_NAMES: Final = 100
MAX_CALLS: Final = 1_000_000_000_000
CAVEAT_FIELDS: Final = ("audiences", "cidrs", "environments", "max_calls", "routes", "tools")
_TOOL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_AUDIENCE: Final = re.compile(r"[\x21-\x7e]{1,255}")


def read_caveats(tree: Any, former: Caveats | None = None) -> Caveats:
    """Read `caveats` of a request over those that a key has: a field that is null takes its caveat away, one that is missing keeps it."""
    caveats = former or Caveats()
    if tree is None:
        return caveats
    if not isinstance(tree, Mapping) or set(tree) - set(CAVEAT_FIELDS):
        hint = f"Known: {', '.join(CAVEAT_FIELDS)}."
        raise BadRequest("caveats is an object of known caveats.", hint=hint, param="caveats")
    for name in CAVEAT_FIELDS:
        if name in tree:
            caveats = _with(caveats, name, tree[name])
    return caveats


def _with(caveats: Caveats, name: str, value: Any) -> Caveats:
    match name:
        case "routes":
            return replace(caveats, routes=None if value is None else RouteCaveat(_routes(value)))
        case "tools":
            return replace(caveats, tools=None if value is None else ToolCaveat(_texts(value, "tools", _TOOL, least=0)))
        case "cidrs":
            return replace(caveats, cidrs=None if value is None else _addresses(value))
        case "environments":
            return replace(caveats, environments=None if value is None else EnvironmentCaveat(_texts(value, "environments", _NAME)))
        case "audiences":
            return replace(caveats, audiences=None if value is None else AudienceCaveat(_texts(value, "audiences", _AUDIENCE)))
        case _:
            return replace(caveats, max_calls=None if value is None else CallsCaveat(_calls(value)))


def _texts(value: Any, name: str, shape: re.Pattern[str], *, least: int = 1) -> frozenset[str]:
    fits = isinstance(value, list | tuple) and least <= len(value) <= MAX_NAMES
    if not fits or not all(isinstance(text, str) and shape.fullmatch(text) for text in value):
        message = f"caveats.{name} is a list of {least} to {MAX_NAMES} names."
        raise BadRequest(message, hint="Send null for no such caveat.", param=f"caveats.{name}")
    return frozenset(value)


def _routes(value: Any) -> frozenset[str]:
    names = _texts(value, "routes", _NAME)
    if not names <= frozenset(ROUTE_NAMES):
        raise BadRequest("There is no such route.", hint=f"Known: {', '.join(ROUTE_NAMES)}.", param="caveats.routes")
    return names


def _addresses(value: Any) -> AddressCaveat:
    try:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_NAMES or not all(isinstance(text, str) for text in value):
            raise ValueError
        return AddressCaveat(frozenset(ipaddress.ip_network(text.strip()) for text in value))
    except ValueError:
        hint = "For example 10.0.0.0/8 or 2001:db8::/32, with no bit set behind the prefix."
        raise BadRequest(f"caveats.cidrs is a list of 1 to {MAX_NAMES} networks.", hint=hint, param="caveats.cidrs") from None


def _calls(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CALLS:
        raise BadRequest(f"caveats.max_calls is a whole number from 1 to {MAX_CALLS}.", param="caveats.max_calls")
    return value
