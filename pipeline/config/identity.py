"""Identity providers: whose tokens (OIDC, JWT) prove people and services here, and what each token's claims make of its holder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.outward import is_guarded, names_host
from pipeline.config.section import Name, Section, Slug

Algorithm = Literal["RS256", "ES256", "EdDSA"]
Words = Annotated[str, Field(min_length=1, max_length=255)]


class GrantSection(Section):
    """What a claim of a token makes of its holder: a role on the admin API, or a service that calls models with the key of an alias."""

    claim: Words
    """The claim's name; a text, or a list of texts of which one is enough."""
    values: Annotated[tuple[Words, ...], Field(min_length=1)]
    """The values that count."""
    role: Literal["admin", "auditor", "manager"] | None = None
    """The role of a person."""
    workspace: Slug | None = None
    """The workspace that a manager manages."""
    service: Name | None = None
    """The alias of a virtual key of the role `key`: its models, caveats, limits and budget are those of this service."""

    @model_validator(mode="after")
    def _one_meaning(self) -> GrantSection:
        if (self.role is None) == (self.service is None):
            raise ValueError("name either a role or a service")
        if (self.workspace is not None) != (self.role == "manager"):
            raise ValueError("a manager has a workspace, and nobody else")
        return self


class ProviderSection(Section):
    """One issuer of tokens."""

    issuer: Words
    """Its name, exactly as `iss` has it."""
    audience: Annotated[tuple[Words, ...], Field(min_length=1)]
    """The names this gateway goes by; `aud` must hold one of them."""
    jwks_uri: str | None = None
    """Where its public keys are fetched (https)."""
    jwks_file: str | None = None
    """A file with its public keys (JWKS), relative to the document."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    """The signatures that are taken, whatever a token says of itself."""
    cache_ttl_s: Annotated[float, Field(ge=10, le=86_400)] = 300.0
    """Seconds after which its keys are fetched again."""
    max_stale_s: Annotated[float, Field(ge=0, le=86_400)] = 3_600.0
    """Seconds for which its last keys still count when they cannot be fetched."""
    leeway_s: Annotated[float, Field(ge=0, le=120)] = 30.0
    """Seconds by which its clock and ours may differ."""
    roles: Annotated[tuple[GrantSection, ...], Field(min_length=1)]
    """What its tokens may do; the first that fits counts, and without one nothing."""

    @field_validator("jwks_uri")
    @classmethod
    def _safe(cls, uri: str | None) -> str | None:
        if uri is not None and not (names_host(uri) and is_guarded(uri)):
            raise ValueError("jwks_uri is an https address without credentials")
        return uri

    @model_validator(mode="after")
    def _one_source(self) -> ProviderSection:
        if (self.jwks_uri is None) == (self.jwks_file is None):
            raise ValueError("name either jwks_uri or jwks_file")
        return self


class IdentitySection(Section):
    """Who may prove themselves here beside virtual keys and dashboard users."""

    providers: tuple[ProviderSection, ...] = ()
    """Issuers of tokens; each once."""

    @field_validator("providers")
    @classmethod
    def _each_once(cls, providers: tuple[ProviderSection, ...]) -> tuple[ProviderSection, ...]:
        if len({provider.issuer for provider in providers}) != len(providers):
            raise ValueError("an issuer stands twice")
        return providers
