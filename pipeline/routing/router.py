"""From a model name to the targets that will be tried, in order."""

from __future__ import annotations

import random
from collections.abc import Mapping

from pipeline.clock import Clock
from pipeline.errors import ConfigError, NoTarget
from pipeline.routing.cooldown import Cooldown
from pipeline.routing.model import ModelRoute, Plan, Target


class Router:
    """Plans calls. Ordered routes keep their order; weighted ones are drawn by weight, without replacement.

    Targets that rest after failures are left out, unless all of them rest. Raises ConfigError for a route without
    targets, a fallback to an unknown model, or fallbacks that form a circle.
    """

    def __init__(self, routes: Mapping[str, ModelRoute], clock: Clock, rng: random.Random) -> None:
        self._routes = dict(routes)
        self._rng = rng
        self._cooldown = Cooldown(clock, rng)
        for name, route in self._routes.items():
            if not route.targets:
                raise ConfigError(f"The model {name!r} has no targets.", hint="Name at least one target under models.")
            if route.strategy == "weighted" and not any(target.weight > 0 for target in route.targets):
                raise ConfigError(f"The weighted model {name!r} has no target with a weight above zero.")
        self._chains = {name: self._chain(name, ()) for name in self._routes}

    def _chain(self, name: str, path: tuple[str, ...]) -> tuple[ModelRoute, ...]:
        """The route and its fallbacks, depth first, each once."""
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            raise ConfigError(f"Fallbacks form a circle: {circle}.", hint="Remove one of these fallbacks.")
        route = self._routes.get(name)
        if route is None:
            raise ConfigError(f"The model {path[-1]!r} falls back to {name!r}, which is not defined.")
        found = {route.name: route}
        for fallback in route.fallbacks:
            for further in self._chain(fallback, (*path, name)):
                found.setdefault(further.name, further)
        return tuple(found.values())

    def models(self) -> tuple[str, ...]:
        """The names that callers may ask for, in the order of the document."""
        return tuple(self._routes)

    def route(self, model: str) -> ModelRoute:
        """The route of a model; NoTarget (404) when there is none."""
        route = self._routes.get(model)
        if route is None:
            raise NoTarget("No such model is served here.", hint="GET /v1/models lists the names.", param="model")
        return route

    def targets(self) -> tuple[Target, ...]:
        """Every target of every route, each once, for checks and pricing."""
        return tuple({target.id: target for route in self._routes.values() for target in route.targets}.values())

    def plan(self, model: str) -> Plan:
        """The targets of one call in the order in which they will be tried; NoTarget (404) for an unknown model."""
        route = self.route(model)
        chain = self._chains[model] if route.fallback_enabled else (route,)
        ordered: dict[str, Target] = {}
        for part in chain:
            for target in part.targets if part.strategy == "ordered" else self._drawn(part.targets):
                ordered.setdefault(target.id, target)
        resting = self._cooldown.resting
        targets = tuple(target for target in ordered.values() if not resting(target.id)) or tuple(ordered.values())
        if not route.fallback_enabled:
            return Plan(model, targets[:1], 1, route.retry_on, route.policy)
        return Plan(model, targets, 1 + max(route.max_retries, 0), route.retry_on, route.policy)

    def _drawn(self, targets: tuple[Target, ...]) -> list[Target]:
        """Draw all targets by weight; those of weight zero come last (they are spares)."""
        left = [target for target in targets if target.weight > 0]
        order: list[Target] = []
        while left:
            point = self._rng.random() * sum(target.weight for target in left)
            for target in left:
                point -= target.weight
                if point < 0:
                    break
            order.append(target)
            left.remove(target)
        return order + [target for target in targets if target.weight <= 0]

    def report(self, target: Target, outcome: str, retry_after_s: float | None = None) -> None:
        """Take note of how a try ended: `ok`, a FailureClass or an error code."""
        self._cooldown.report(target.id, outcome, retry_after_s)

    def resting(self) -> tuple[str, ...]:
        """The ids of the targets that rest now, for health reports."""
        return tuple(target.id for target in self.targets() if self._cooldown.resting(target.id))
