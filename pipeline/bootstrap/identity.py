"""The document's identity providers as running parts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pipeline.clock import Clock
from pipeline.config.document import Document
from pipeline.config.identity import ProviderSection
from pipeline.keys.identities import Grant, Provider
from pipeline.keys.jwks import KeyRing, fetch_file, fetch_uri
from pipeline.keys.tokens import Issuer


def providers_of(document: Document, folder: Path, clock: Clock) -> tuple[Provider, ...]:
    """The providers of a document; relative paths of key files start at `folder`. Nothing is fetched before the first token comes."""
    if document.identity.providers:
        import jwt  # noqa: F401 - loaded now, so that the first token does not keep the event loop waiting for it
    return tuple(_provider(section, folder, clock) for section in document.identity.providers)


def service_aliases(document: Document) -> frozenset[str]:
    """The aliases of keys by which tokens call models."""
    return frozenset(grant.service for section in document.identity.providers for grant in section.roles if grant.service)


def _provider(section: ProviderSection, folder: Path, clock: Clock) -> Provider:
    fetch = (
        partial(fetch_uri, section.jwks_uri) if section.jwks_uri is not None else partial(fetch_file, folder / (section.jwks_file or ""))
    )
    ring = KeyRing(fetch, clock, algorithms=section.algorithms, ttl_s=section.cache_ttl_s, max_stale_s=section.max_stale_s)
    grants = tuple(
        Grant(grant.claim, frozenset(grant.values), grant.role, grant.workspace or "", grant.service or "") for grant in section.roles
    )
    return Provider(Issuer(section.issuer, section.audience, section.algorithms, section.leeway_s, ring), grants)
