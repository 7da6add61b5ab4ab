"""Child keys: how long they live and how far they descend."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.section import Section


class ChildKeysSection(Section):
    """Limits of child keys, which a key makes of itself or an administrator of any key."""

    default_ttl_s: Annotated[int, Field(ge=1, le=366 * 86_400)] = 900
    """Seconds that a child key lives when nobody says how long."""
    max_ttl_s: Annotated[int, Field(ge=1, le=366 * 86_400)] = 86_400
    """Seconds that one lives at most; it never outlives its parent."""
    max_depth: Annotated[int, Field(ge=0, le=16)] = 3
    """How deep they descend: 1 allows children and no grandchildren, 0 none at all."""
    max_children: Annotated[int, Field(ge=1, le=100_000)] = 100
    """How many children of one key are alive at the same time."""

    @model_validator(mode="after")
    def _fits(self) -> ChildKeysSection:
        if self.default_ttl_s > self.max_ttl_s:
            raise ValueError("default_ttl_s is longer than max_ttl_s")
        return self
