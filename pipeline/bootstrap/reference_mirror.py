"""Mirrors the document's references into the store, where lists of the admin API and the dashboard see them beside those made by REST."""

from __future__ import annotations

import os

from pipeline.bootstrap.compile import document_references
from pipeline.bootstrap.core import Core
from pipeline.config.document import Document
from pipeline.ids import uuid7
from pipeline.vaults.local_keys import LocalKeys
from pipeline.vaults.model import SecretRef
from pipeline.vaults.reference_sql import StoredReference, mirror_references
from pipeline.vaults.sealing import hold_literals


async def mirror_document(core: Core, document: Document, keys: LocalKeys) -> None:
    """Bring the document's references into the store. A collector's document is its own affair."""
    if not core.plan.part.mirrors:
        return
    now_us = core.clock.now_us()
    wanted = [(uuid7(now_us), _stored(ref, document.references[slug].max_age_days)) for slug, ref in document_references(document).items()]
    await core.ledger.run(lambda connection: mirror_references(connection, wanted, keys, os.urandom, now_us=now_us))


def _stored(ref: SecretRef, max_age_days: int | None) -> StoredReference:
    return StoredReference(
        id="",
        slug=ref.slug,
        name=ref.slug,
        manager_type=ref.manager_type,
        secret_path=ref.secret_path,
        auth_config=hold_literals(ref.auth_config, ref.slug),
        secret_key=ref.secret_key,
        version=ref.version,
        allow_all_workspaces=ref.allow_all_workspaces,
        allowed_workspaces=ref.allowed_workspaces,
        cache_ttl_s=ref.cache_ttl_s,
        negative_ttl_s=ref.negative_ttl_s,
        max_stale_s=ref.max_stale_s,
        refresh_ahead_ratio=ref.refresh_ahead_ratio,
        environment=ref.environment,
        max_age_days=max_age_days or 0,
        origin="document",
        created_by="document",
    )
