"""Every route, and who may call it: default deny, in one readable table.

`roles` None means that the endpoint needs no identity (health) or proves it itself (the data plane, whose first step does).
A route that is not in the table does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.keys.caveats import RouteName
from pipeline.keys.model import Role
from pipeline.routing.model import Surface

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
ADMIN: frozenset[Role] = frozenset({"admin"})
READERS: frozenset[Role] = frozenset({"admin", "auditor"})
KEEPERS: frozenset[Role] = frozenset({"admin", "manager"})
"""Who administers keys: a manager those of the role `key` in their workspace."""
LOOKERS: frozenset[Role] = frozenset({"admin", "manager", "auditor"})
"""Who reads what is divided by workspace: a manager only that of theirs."""
CALLERS: frozenset[Role] = frozenset({"admin", "manager", "key"})
"""Who may spend money: an auditor reads, and calls no model."""
EVERYONE: frozenset[Role] = frozenset({"admin", "manager", "auditor", "key"})


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path. `path` may hold `{name}` segments; `endpoint` is what bootstrap wires in.

    `shown_once`: the answer holds a credential, so it is never kept to be given back. `raw`: the endpoint reads its body and sends its
    answer itself, piece by piece. `repeatable`: it changes nothing and costs no money, so an `Idempotency-Key` is not read: keeping
    its answers would be storage for whoever asks, and giving them again a way around the key's limits. `media`: what a raw endpoint reads
    that proves its key itself, as the data plane does, and answers in the encoding of the request. `form`: its body is a form.
    """

    method: Method
    path: str
    roles: frozenset[Role] | None
    endpoint: Any
    surface: Surface | None = None
    shown_once: bool = False
    raw: bool = False
    repeatable: bool = False
    media: tuple[str, ...] = ()
    form: bool = False

    def shown(self, path: str) -> str:
        """A request's path as it may be written down: the route's own where a segment of it may be a token."""
        return self.path if "{key}" in self.path else path

    @property
    def name(self) -> RouteName:
        """What the caveat `routes` calls it."""
        if self.surface is not None:
            return _SURFACE_NAMES[self.surface]
        if self.media:
            return "telemetry"
        return next((name for prefix, name in _PREFIXES if self.path.startswith(prefix)), "admin")


_SURFACE_NAMES: Mapping[Surface, RouteName] = {
    "openai.chat": "chat",
    "openai.completions": "completions",
    "openai.embeddings": "embeddings",
    "anthropic.messages": "messages",
    "anthropic.count_tokens": "count_tokens",
}
_PREFIXES: tuple[tuple[str, RouteName], ...] = (
    ("/v1/models", "models"),
    ("/models", "models"),
    ("/v1/model/info", "models"),
    ("/model/info", "models"),
    ("/v1/redact", "redact"),
    ("/v1/keys/{id}/children", "children"),
    ("/v1/oauth/token", "children"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A matched route and its path parameters."""

    route: Route
    params: Mapping[str, str]


class RouteTable:
    """Looks routes up: exact paths by dictionary, parametrised ones by anchored patterns."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, dict[str, Found]] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            if "{" in route.path:
                # Segments are short and hold no slash, so the pattern is linear.
                pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]{1,255})", re.escape(route.path))
                self._patterns.append((re.compile(rf"\A{pattern}\Z"), route))
            else:
                methods = self._exact.setdefault(route.path, {})
                if route.method in methods:
                    raise ValueError(f"two routes for {route.method} {route.path}")
                methods[route.method] = Found(route, {})

    def find(self, method: str, path: str) -> Found | tuple[str, ...]:
        """The route of a method and path, or the methods that the path does have (none: it does not exist)."""
        methods = self._exact.get(path)
        if methods is not None:
            return methods.get(method) or tuple(sorted(methods))
        allowed = []
        for pattern, route in self._patterns:
            match = pattern.match(path)
            if match is not None:
                if route.method == method:
                    return Found(route, match.groupdict())
                allowed.append(route.method)
        return tuple(sorted(allowed))
