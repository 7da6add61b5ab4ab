"""What every section of the document has in common: frozen, unknown keys refused, values never quoted in an error."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]*$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NAME_PATTERN)]
"""What a person calls a model, target, workspace, policy or destination."""

Slug = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_-]+$")]
"""The slug of a secret reference or of a vault (Portkey's rule)."""

Environment = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""The name of an environment: `production`, `staging`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]
"""A duration in seconds."""

Usd = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
"""An amount in US dollars."""


class Section(BaseModel):
    """A part of the document."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )
