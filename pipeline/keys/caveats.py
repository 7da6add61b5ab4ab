"""What limits a key beyond its role: small frozen caveats, each with one verb, kept together as JSON in one column.

A key has at most one caveat of a kind; a kind that it lacks limits nothing. `permits` looks at what is known of a call and refuses what
it does not allow; `narrower_than` is the law of attenuation: whatever a caveat permits, a wider one permits too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, Protocol, Self, get_args

RouteName = Literal["chat", "completions", "embeddings", "messages", "count_tokens", "models", "redact", "telemetry", "children", "admin"]
ROUTE_NAMES: Final[tuple[RouteName, ...]] = get_args(RouteName)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a call so far. `model` and `tools` (names, "" for one without) are None until its body has been read.

    `address` is the client's, "" when nobody knows it. `at_us`: epoch microseconds. `environment` and `audience` are this gateway's own.
    """

    route: RouteName
    address: str
    at_us: int
    environment: str = ""
    audience: frozenset[str] = frozenset()
    model: str | None = None
    tools: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which caveat a call breaks: its stable code and what a caller may be told. It quotes nothing of the call."""

    code: str
    message: str
    hint: str
    param: str | None = None


class Caveat(Protocol):
    """One limit of a key."""

    def permits(self, call: Circumstances) -> Refusal | None:
        """None when the call is permitted, as far as it is known."""
        ...

    def narrower_than(self, other: Self) -> bool:
        """Whether the other one permits whatever this one permits."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCaveat:
    """Only these models."""

    names: frozenset[str]

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses every other model."""
        if call.model is None or call.model in self.names:
            return None
        hint = "GET /v1/models lists those that it may use."
        return Refusal("model_not_allowed", "This key may not use this model.", hint, "model")

    def narrower_than(self, other: Self) -> bool:
        """Whether these are among the other's models."""
        return self.names <= other.names


@dataclass(frozen=True, slots=True)
class RouteCaveat:
    """Only these routes, by the names of `ROUTE_NAMES`."""

    names: frozenset[str]

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses every other route."""
        if call.route in self.names:
            return None
        return Refusal("route_not_allowed", "This key may not use this route.", "Its caveats name those that it may use.")

    def narrower_than(self, other: Self) -> bool:
        """Whether these are among the other's routes."""
        return self.names <= other.names


@dataclass(frozen=True, slots=True)
class ToolCaveat:
    """Only tools of these names may be offered to a model; with no name at all, none."""

    names: frozenset[str]

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses a call that offers any other tool, or one without a name."""
        if call.tools is None or call.tools <= self.names:
            return None
        return Refusal("tool_not_allowed", "This key may not offer one of these tools.", "Leave out tools that its caveats lack.", "tools")

    def narrower_than(self, other: Self) -> bool:
        """Whether these are among the other's tools."""
        return self.names <= other.names


@dataclass(frozen=True, slots=True)
class ExpiryCaveat:
    """Only until a moment (epoch microseconds)."""

    at_us: int

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses calls from that moment on."""
        return None if call.at_us < self.at_us else Refusal("key_expired", "This API key expired.", "Ask an administrator for a new one.")

    def narrower_than(self, other: Self) -> bool:
        """Whether this ends no later."""
        return self.at_us <= other.at_us


@dataclass(frozen=True, slots=True)
class AddressCaveat:
    """Only clients with an address in these networks (CIDR)."""

    networks: frozenset[Network]

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses every other address, and a client whose address nobody knows."""
        address = address_of(call.address)
        if address is not None and any(address in network for network in self.networks):
            return None
        return Refusal("address_not_allowed", "This key may not be used from this address.", "Its caveats name the networks.")

    def narrower_than(self, other: Self) -> bool:
        """Whether each of these networks lies in one of the other's."""
        return all(any(_within(network, wider) for wider in other.networks) for network in self.networks)


@dataclass(frozen=True, slots=True)
class EnvironmentCaveat:
    """Only gateways of these environments (`server.environment`)."""

    names: frozenset[str]

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses calls at any other gateway, and at one that names no environment."""
        if call.environment in self.names:
            return None
        return Refusal("environment_not_allowed", "This key is not for this environment.", "Use the key of this environment.")

    def narrower_than(self, other: Self) -> bool:
        """Whether these are among the other's environments."""
        return self.names <= other.names


@dataclass(frozen=True, slots=True)
class AudienceCaveat:
    """Only gateways that go by one of these names (`server.audience`)."""

    names: frozenset[str]

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses calls at a gateway that goes by none of them."""
        if not self.names.isdisjoint(call.audience):
            return None
        return Refusal("audience_not_allowed", "This key is meant for another service.", "Use a key whose audience is this gateway.")

    def narrower_than(self, other: Self) -> bool:
        """Whether these are among the other's audiences."""
        return self.names <= other.names


@dataclass(frozen=True, slots=True)
class CallsCaveat:
    """So many calls of models and redactions, ever. Counted in the store (`keys.calls`), where every worker sees the same count."""

    most: int

    def permits(self, call: Circumstances) -> Refusal | None:
        """Refuses all when none is allowed; otherwise the store decides."""
        return None if self.most > 0 else self.used_up()

    def used_up(self) -> Refusal:
        """What a caller is told when the count has been reached."""
        return Refusal("calls_exhausted", "This key has made all the calls that it may make.", "Ask an administrator for a new one.")

    def narrower_than(self, other: Self) -> bool:
        """Whether this allows no more."""
        return self.most <= other.most


@dataclass(frozen=True, slots=True)
class Caveats:
    """The caveats of a key, by kind; None limits nothing. `models` and `expiry` stand in columns of their own, as before."""

    models: ModelCaveat | None = None
    routes: RouteCaveat | None = None
    tools: ToolCaveat | None = None
    expiry: ExpiryCaveat | None = None
    cidrs: AddressCaveat | None = None
    environments: EnvironmentCaveat | None = None
    audiences: AudienceCaveat | None = None
    max_calls: CallsCaveat | None = None

    def permits(self, call: Circumstances) -> Refusal | None:
        """The first refusal, or None when every caveat permits what is known of the call."""
        for caveat in self.each():
            refusal = caveat.permits(call)
            if refusal is not None:
                return refusal
        return None

    def each(self) -> tuple[Caveat, ...]:
        """Those that there are."""
        return tuple(caveat for caveat in (getattr(self, name) for name in KINDS) if caveat is not None)

    def wider_than(self, other: Caveats) -> tuple[str, ...]:
        """The kinds in which this permits more than the other; none when the law of attenuation holds."""
        wider = []
        for name in KINDS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if theirs is not None and (mine is None or not mine.narrower_than(theirs)):
                wider.append(name)
        return tuple(wider)


def every(caveats: Caveats, models: Collection[str], expires_us: int) -> Caveats:
    """The caveats with those that stand in columns of their own: models (none: every one) and expiry (0: never)."""
    named = ModelCaveat(frozenset(models)) if models else None
    return replace(caveats, models=named, expiry=ExpiryCaveat(expires_us) if expires_us else None)


KINDS: Final = tuple(field.name for field in fields(Caveats))


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as it is compared: without a zone, and an IPv4 address in IPv6's clothes as IPv4. None for what is no address."""
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def plain(caveats: Caveats) -> dict[str, Any]:
    """The caveats that have no column of their own, as the API shows them and as they are stored: lists are sorted."""
    found: dict[str, Any] = {}
    for name, caveat in (("routes", caveats.routes), ("tools", caveats.tools)):
        if caveat is not None:
            found[name] = sorted(caveat.names)
    if caveats.cidrs is not None:
        found["cidrs"] = sorted(str(network) for network in caveats.cidrs.networks)
    for name, named in (("environments", caveats.environments), ("audiences", caveats.audiences)):
        if named is not None:
            found[name] = sorted(named.names)
    if caveats.max_calls is not None:
        found["max_calls"] = caveats.max_calls.most
    return found


def parsed(tree: Mapping[str, Any]) -> Caveats:
    """The caveats that `plain` wrote. What cannot be read (a newer version wrote it) permits nothing, and harms no other key."""
    try:
        return _parsed(tree)
    except (ValueError, TypeError):
        return Caveats(routes=RouteCaveat(frozenset()))


def _parsed(tree: Mapping[str, Any]) -> Caveats:
    unknown = set(tree) - {"routes", "tools", "cidrs", "environments", "audiences", "max_calls"}
    if unknown:
        raise ValueError("a key has caveats that this version does not know")
    return Caveats(
        routes=RouteCaveat(_names(tree["routes"])) if "routes" in tree else None,
        tools=ToolCaveat(_names(tree["tools"])) if "tools" in tree else None,
        cidrs=AddressCaveat(frozenset(ipaddress.ip_network(text) for text in _names(tree["cidrs"]))) if "cidrs" in tree else None,
        environments=EnvironmentCaveat(_names(tree["environments"])) if "environments" in tree else None,
        audiences=AudienceCaveat(_names(tree["audiences"])) if "audiences" in tree else None,
        max_calls=CallsCaveat(_whole(tree["max_calls"])) if "max_calls" in tree else None,
    )


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("a caveat is not a list of texts")
    return frozenset(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a caveat is not a whole number")
    return value


def _within(network: Network, wider: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(wider, ipaddress.IPv4Network) and network.subnet_of(wider)
    return isinstance(wider, ipaddress.IPv6Network) and network.subnet_of(wider)
