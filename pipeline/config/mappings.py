"""Secret mappings: a target's credential of several parts, each from a reference. The field names are Portkey's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Section, Slug
from pipeline.routing.mapping import KEY, check_fields, field_of


class SecretMappingSection(Section):
    """One part of a target's credential, or a setting that stands beside it in the vault."""

    target_field: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    """What it fills: `key`, or `configurations.FIELD` (the prefix may be left out): `aws_access_key_id`, `aws_secret_access_key`,
    `aws_session_token`, `vertex_credentials`, `base_url`, `api_version`, `aws_region_name`, …; Portkey's names of them as well."""
    secret_reference_id: Slug | None = None
    """The reference, by slug."""
    secret_key_ref: SecretKeyRef | None = None
    """The reference in any form, instead."""
    secret_key: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """The field of a secret that is a JSON object; goes before the reference's own."""
    value_format: Literal["string", "json"] = "string"
    """`json`: the value is an object, stored as one or as its text."""

    @model_validator(mode="after")
    def _one_reference(self) -> SecretMappingSection:
        field_of(self.target_field)
        if (self.secret_reference_id is None) == (self.secret_key_ref is None):
            raise ValueError("exactly one of secret_reference_id and secret_key_ref is wanted")
        return self

    @property
    def field(self) -> str:
        """What it fills, by its name here."""
        return field_of(self.target_field)

    @property
    def source(self) -> SecretKeyRef:
        """The reference, with the field of it."""
        named = self.secret_key_ref or SecretKeyRef(ref=self.secret_reference_id)
        return named.model_copy(update={"secret_key": self.secret_key}) if self.secret_key else named


Mappings = Annotated[tuple[SecretMappingSection, ...], Field(max_length=32)]


def check_mappings(provider: str, mappings: Sequence[SecretMappingSection], *, has_key: bool) -> None:
    """Refuse mappings that fill a field twice or make no credential. `has_key`: the target has a `secret_key_ref`. ValueError."""
    fields = [mapping.field for mapping in mappings] + ([KEY] if has_key else [])
    twice = sorted({name for name in fields if fields.count(name) > 1})
    if twice:
        raise ValueError(
            f"the target_field {twice[0]} is filled twice" + (" (secret_key_ref is key)" if twice[0] == KEY and has_key else "")
        )
    check_fields(provider, fields)
