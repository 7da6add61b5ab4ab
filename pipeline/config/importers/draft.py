"""What an import writes as it reads: the document so far, and for every setting one line that says what became of it.

A credential that stands in the source is never quoted. Depending on `Literals` its setting is refused, becomes a reference that the
operator fills, or is held (out of sight) until the command has put it into the local store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

Outcome = Literal["mapped", "ignored", "refused"]
Literals = Literal["refuse", "leave", "move"]
"""What happens to a credential in the source: refused, a reference to fill by hand, or moved into the local store."""

_SHORTEST_ID: Final = 3
"""Characters of a name under `prices`, where target ids may stand."""

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_.:/-]+")
_NO_STORE: Final = re.compile(r"[^A-Za-z0-9_]+")
_NO_SLUG: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one setting. `place` names fields and positions, `told` says what it became or why it did not; neither a value."""

    place: str
    outcome: Outcome
    told: str


@dataclass(slots=True)
class Draft:
    """One import under way. `values` are credentials to be moved into the store, by the name that they get there."""

    literals: Literals = "refuse"
    lines: list[Line] = field(default_factory=list)
    vaults: dict[str, Any] = field(default_factory=dict)
    references: dict[str, Any] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sections: dict[str, Any] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict, repr=False)
    _stored: dict[str, str] = field(default_factory=dict, repr=False)
    """Each name in the local store that was given out, with what stands for its value: two credentials never share one."""

    def mapped(self, place: str, told: str) -> None:
        """This setting is in the document now."""
        self.lines.append(Line(place, "mapped", told))

    def ignored(self, place: str, why: str) -> None:
        """This setting is left out, and nothing is lost by it that the operator should not know."""
        self.lines.append(Line(place, "ignored", why))

    def refused(self, place: str, why: str) -> None:
        """This setting cannot be taken over, and to go on without it would change what the operator relies on."""
        self.lines.append(Line(place, "refused", why))

    def literal(self, place: str, value: str, name: str) -> dict[str, str] | None:
        """The reference for a credential that stands in the source, or None when it is refused. `name` is a wish."""
        name = _NO_STORE.sub("_", name).strip("_").upper()[:200] or "IMPORTED_KEY"
        if self.literals == "refuse":
            self.refused(
                place,
                f"a credential stands here in clear; --to-store moves it into the local store as {name}, "
                "--allow-inline writes the reference and leaves the value to you",
            )
            return None
        name = self._free(name, value)
        if self.literals == "leave":
            self.mapped(place, f"secret_key_ref: {{store: {name}}}; add the value: lockgate secrets add {name} --stdin")
            return {"store": name}
        self.values[name] = value
        self.mapped(place, f"goes into the local store as {name}; replace it at its provider if the file was ever shared")
        return {"store": name}

    def missing(self, place: str, name: str) -> dict[str, str]:
        """The reference for a credential that the source names but does not hold (it was masked there)."""
        name = self._free(_NO_STORE.sub("_", name).strip("_").upper()[:200], f"\0masked at {place}")
        self.mapped(place, f"secret_key_ref: {{store: {name}}}; the source shows it masked, add it: lockgate secrets add {name} --stdin")
        return {"store": name}

    def _free(self, name: str, value: str) -> str:
        free, number = name, 2
        while self._stored.setdefault(free, value) != value:
            free, number = f"{name}_{number}", number + 1
        return free

    def document(self) -> dict[str, Any]:
        """The document as plain data, in the order of the reference."""
        parts = {"vaults": self.vaults, "references": self.references, "targets": self.targets, "models": self.models}
        tree = {name: part for name, part in parts.items() if part}
        if self.rules:
            tree["policies"] = {"default": self.rules}
        return tree | self.sections

    def target_id(self, wish: str) -> str:
        """A target id that is free."""
        base, number = name_of(wish) or "target", 2
        if len(base) < _SHORTEST_ID:
            base = f"target-{base}"
        taken = {target["id"] for target in self.targets}
        free = base
        while free in taken:
            free, number = f"{base}-{number}", number + 1
        return free


def plain(key: object) -> str:
    """A key of the source as it may be shown: a key can be anything, so only short plain words are repeated."""
    text = str(key)
    return text if _PLAIN.fullmatch(text) and sum(letter.isdigit() for letter in text) < 6 else "(a key)"


def name_of(text: str) -> str:
    """A text as a name of the document (models, targets), or empty when nothing is left of it."""
    return _NO_NAME.sub("-", text).strip("-.:/_")[:255]


def slug_of(text: str) -> str:
    """A text as a slug (references, vaults, workspaces)."""
    return _NO_SLUG.sub("-", text).strip("-")[:255]


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> list[Any]:
    """A list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def decimal(value: Any) -> Decimal | None:
    """A number of the source exactly as it is written, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def number(value: Decimal) -> int | float:
    """A decimal as YAML writes it."""
    return int(value) if value == value.to_integral_value() else float(value)
