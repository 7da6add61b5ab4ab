"""Lockgate's own keys: virtual keys, child keys and session tokens."""

from __future__ import annotations

from redactors.rules.model import Rule
from redactors.rules.samples import ALNUM
from redactors.rules.shapes import prefixed

_SOURCE = "pipeline.ids.new_virtual_key"

RULES: tuple[Rule, ...] = (
    prefixed("lockgate-virtual-key", "lockgate_key", "Lockgate virtual key", "lgk_", ALNUM, 43, least=20, source=_SOURCE),
    prefixed(
        "lockgate-child-key",
        "lockgate_key",
        "Lockgate child key with caveats",
        "lgc_",
        ALNUM,
        43,
        least=20,
        accepts="A-Za-z0-9_.=-",
        source=_SOURCE,
    ),
    prefixed(
        "lockgate-session-token", "lockgate_key", "Lockgate dashboard session or login token", "lgs_", ALNUM, 43, least=20, source=_SOURCE
    ),
)
