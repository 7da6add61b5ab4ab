"""From the document to the values that the parts run on. Pure: no file, no socket, no clock.

What a person writes (`pipeline.config`) and what runs (`pipeline.routing.model`, `pipeline.vaults.model`, …) are two types; a mistake
that only shows when they meet stops `check` and `serve` here, not the first request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.config.document import Document
from pipeline.config.references import ReferenceSection, SecretKeyRef
from pipeline.config.targets import TargetSection
from pipeline.errors import ConfigError
from pipeline.gateway.http import HttpLimits
from pipeline.routing.mapping import CREDENTIALS
from pipeline.routing.model import ModelRoute, Target
from pipeline.vaults.addresses import read_host_rule, read_name_rule
from pipeline.vaults.auth import inner_references
from pipeline.vaults.model import SecretRef
from pipeline.vaults.permits import NOTHING_ELSE, Connection, Permits, measured
from pipeline.vaults.reference import absent_reference, named_slugs, parse_reference, with_revision


@dataclass(frozen=True, slots=True)
class References:
    """Every reference: by slug as declared (in the document or by REST, those `made`), by target id as used, and all of them once.

    `by_target` has a target's credential, or the first part of it; `parts` all of one that has several, by field. `permits` is what the
    document lets those made by REST name; the ones here were measured by it.
    """

    declared: Mapping[str, SecretRef]
    by_target: Mapping[str, SecretRef]
    parts: Mapping[str, Mapping[str, SecretRef]]
    headers: Mapping[tuple[str, str], SecretRef]
    client_keys: Mapping[str, SecretRef]
    content_key: SecretRef | None = None
    made: frozenset[str] = frozenset()
    permits: Permits = NOTHING_ELSE
    signing_key: SecretRef | None = None
    alerts: Mapping[tuple[str, str], SecretRef] = field(default_factory=dict)
    """By alert destination and field (`url_ref`, `secret_key_ref`)."""

    def all(self) -> tuple[SecretRef, ...]:
        """Each reference once, required if anything requires it."""
        found: dict[tuple[str, str | None], SecretRef] = {}
        for ref in (
            *self.by_target.values(),
            *self.headers.values(),
            *self.client_keys.values(),
            *self.alerts.values(),
            *(ref for ref in (self.content_key, self.signing_key) if ref is not None),
            *self._parts(),
        ):
            place = (ref.slug, ref.secret_key)
            known = found.get(place)
            if known is None or (ref.required and not known.required):
                found[place] = ref
        used = {slug for slug, _ in found}
        return (*found.values(), *(replace(ref, required=False) for slug, ref in self.declared.items() if slug not in used))

    def preflight(self) -> tuple[SecretRef, ...]:
        """What a start and a reload read: everything but what was made by REST and that nothing uses. There may be thousands of those."""
        placed = (*self.headers.values(), *self.client_keys.values(), *self.alerts.values())
        used = {ref.slug for ref in (*self.by_target.values(), *self._parts(), *placed)}
        used.update(ref.slug for ref in (self.content_key, self.signing_key) if ref is not None)
        return tuple(ref for ref in self.all() if ref.slug in used or ref.slug not in self.made)

    def users_of(self, slug: str) -> tuple[str, ...]:
        """What uses a reference, in words: targets, headers and keys of destinations, the connections of other references."""
        return (
            *(f"target {target}" for target in self.targets_of(slug)),
            *(f"header {name} of destination {place}" for (place, name), ref in self.headers.items() if ref.slug == slug),
            *(f"client key of destination {place}" for place, ref in self.client_keys.items() if ref.slug == slug),
            *(f"alerts to {place}" for (place, _), ref in self.alerts.items() if ref.slug == slug),
            *(("stored content",) if self.content_key is not None and self.content_key.slug == slug else ()),
            *(("signature of checkpoints",) if self.signing_key is not None and self.signing_key.slug == slug else ()),
            *(f"reference {other}" for other, ref in self.declared.items() if other != slug and slug in named_slugs(ref.auth_config)),
        )

    def targets_of(self, slug: str) -> tuple[str, ...]:
        """The targets that use a reference."""
        single = [target for target, ref in self.by_target.items() if ref.slug == slug]
        return tuple(
            dict.fromkeys([*single, *(target for target, refs in self.parts.items() if slug in {ref.slug for ref in refs.values()})])
        )

    def _parts(self) -> Iterator[SecretRef]:
        for refs in self.parts.values():
            yield from refs.values()


def compile_references(document: Document, made: Mapping[str, SecretRef] | None = None) -> References:
    """The references of a document, and those that were made by REST (`made`, by slug; the document's go first).

    `required` comes from the target that uses one, unless the reference itself is not. ConfigError names a reference whose vault's
    credential is nowhere, or behind that vault itself.
    """
    permits = compile_permits(document)
    references = gather_references(document, {slug: measured(ref, permits) for slug, ref in (made or {}).items()}, permits)
    for slug in document.references:
        _check_inner(references.declared[slug], references.declared)
    return references


def gather_references(document: Document, made: Mapping[str, SecretRef], permits: Permits) -> References:
    """The same for a document that was compiled before, whatever was done by REST since: what does not fit fails when it is used.

    `made` were measured by the document's `permits` already: there may be thousands, and one has changed.
    """
    of_document = document_references(document)
    declared = {**made, **of_document}
    by_target, parts = {}, _parts(document, declared)
    for target in document.targets:
        if target.id in parts:
            fields = parts[target.id]
            by_target[target.id] = fields[next(name for name in CREDENTIALS if name in fields)]
        elif target.secret_key_ref is not None:
            ref = _used(target.secret_key_ref, declared, f"targets.{target.id}")
            by_target[target.id] = replace(ref, required=target.required and ref.required)
    headers = {
        (destination.id, name): _used(value.secret_key_ref, declared, f"telemetry.destinations.{destination.id}.headers.{name}")
        for destination in document.telemetry.destinations
        for name, value in destination.headers.items()
        if value.secret_key_ref is not None
    }
    client_keys = {
        destination.id: _used(destination.tls.client_key_ref, declared, f"telemetry.destinations.{destination.id}.tls.client_key_ref")
        for destination in document.telemetry.destinations
        if destination.tls.client_key_ref is not None
    }
    stored = document.telemetry.stored_content.secret_key_ref
    content_key = None if stored is None else _used(stored, declared, "telemetry.stored_content.secret_key_ref")
    signing = document.audit.checkpoints.signing_key
    signing_key = None if signing is None else _used(signing, declared, "audit.checkpoints.signing_key")
    by_rest = frozenset(declared.keys() - of_document.keys())
    alerts = _of_alerts(document, declared)
    return References(declared, by_target, parts, headers, client_keys, content_key, by_rest, permits, signing_key, alerts)


def _parts(document: Document, declared: Mapping[str, SecretRef]) -> dict[str, dict[str, SecretRef]]:
    """The parts of credentials that have several, by target and field."""
    found: dict[str, dict[str, SecretRef]] = {}
    for target in document.targets:
        for name, mapping in target.secret_fields.items():
            ref = _used(mapping.source, declared, f"targets.{target.id}.secret_mappings")
            part = replace(ref, required=target.required and ref.required, value_format=mapping.value_format, announced=name in CREDENTIALS)
            if part.value_format != "string" or not part.announced:  # the same place read otherwise is another value in the cache
                part = replace(part, revision=f"{ref.revision}-{part.value_format}-{part.announced:d}")
            found.setdefault(target.id, {})[name] = part
    return found


def compile_permits(document: Document) -> Permits:
    """What references made by REST may name."""
    section = document.reference_api
    return Permits(
        hosts=tuple(map(read_host_rule, section.allowed_hosts)),
        credentials=tuple(map(read_name_rule, section.allowed_credentials)),
        secrets=tuple(map(read_name_rule, section.allowed_secrets)),
        connections={name: Connection(vault.manager_type, vault.auth_config) for name, vault in document.vaults.items()},
    )


def _of_alerts(document: Document, declared: Mapping[str, SecretRef]) -> dict[tuple[str, str], SecretRef]:
    return {
        (section.id, name): _used(ref, declared, f"alerts.destinations.{section.id}.{name}")
        for section in document.alerts.destinations
        for name, ref in (("url_ref", section.url_ref), ("secret_key_ref", section.secret_key_ref))
        if ref is not None
    }


def _check_inner(ref: SecretRef, declared: Mapping[str, SecretRef]) -> None:
    """The credential of a reference's vault must be somewhere, and not behind that vault itself. ConfigError names the reference."""
    try:
        inner_references(ref.auth_config, declared)
    except ConfigError as error:
        raise ConfigError(f"references.{ref.slug}: {error.message}", hint=error.hint) from None


def document_references(document: Document) -> dict[str, SecretRef]:
    """The references that a document declares, by slug."""
    return {slug: with_revision(_declared(slug, section, document)) for slug, section in document.references.items()}


def _declared(slug: str, section: ReferenceSection, document: Document) -> SecretRef:
    if section.vault is not None:
        vault = document.vaults[section.vault]
        manager_type, auth_config = vault.manager_type, vault.auth_config
    else:
        assert section.manager_type is not None
        manager_type, auth_config = section.manager_type, section.auth_config
    return SecretRef(
        slug=slug,
        manager_type=manager_type,
        secret_path=section.secret_path,
        auth_config=auth_config,
        secret_key=section.secret_key,
        version=section.version,
        allow_all_workspaces=section.open_to_all,
        allowed_workspaces=section.allowed_workspaces,
        cache_ttl_s=section.cache_ttl_s,
        negative_ttl_s=section.negative_ttl_s,
        max_stale_s=section.max_stale_s,
        refresh_ahead_ratio=section.refresh_ahead_ratio,
        vault=section.vault,
        environment=section.environment,
    )


def _used(section: SecretKeyRef, declared: Mapping[str, SecretRef], where: str) -> SecretRef:
    if section.ref is not None and section.ref not in declared:
        return absent_reference(section.ref)  # it may be made by REST while we run
    return parse_reference(section.form(), declared, where=where)


def compile_routes(document: Document, references: References) -> Mapping[str, ModelRoute]:
    """What callers ask for by name, with the targets behind it."""
    targets = compile_targets(document, references)
    return {
        name: ModelRoute(
            name=name,
            strategy=section.strategy,
            targets=tuple(targets[target] for target in section.targets),
            fallback_enabled=section.fallback.enabled,
            max_retries=section.fallback.max_retries,
            retry_on=tuple(section.fallback.retry_on),
            fallbacks=section.fallbacks,
            policy=section.policy or "",
        )
        for name, section in document.models.items()
    }


def compile_targets(document: Document, references: References) -> dict[str, Target]:
    """Every target by its id, whether or not a model names it."""
    return {section.id: _target(section, references) for section in document.targets}


def _target(section: TargetSection, references: References) -> Target:
    ref = references.by_target.get(section.id)
    return Target(
        id=section.id,
        provider=section.provider,
        model=section.model,
        base_url=section.base_url,
        reference=ref.slug if ref else None,
        required=section.required,
        lane=section.lane,
        weight=section.weight,
        extra=section.extra,
        connect_timeout_s=section.connect_timeout_s,
        first_byte_timeout_s=section.first_byte_timeout_s,
        idle_timeout_s=section.idle_timeout_s,
        composed=section.id in references.parts,
    )


def compile_limits(document: Document) -> HttpLimits:
    """What a request may weigh."""
    limits = document.limits
    return HttpLimits(
        header_bytes=limits.max_header_bytes,
        header_count=limits.max_header_count,
        body_bytes=limits.max_body_bytes,
        decoded_bytes=limits.max_decoded_bytes,
        json_depth=limits.max_json_depth,
        json_containers=limits.max_json_containers,
        json_values=limits.max_json_values,
        body_timeout_s=limits.body_timeout_s,
    )


def compile_prices(document: Document) -> Mapping[str, Mapping[str, Any]]:
    """The document's own prices, by `provider/model`."""
    return {name: section.model_dump(mode="json", exclude_none=True) for name, section in document.prices.items()}


def folder_of(config: Path) -> Path:
    """Where relative paths of a document start."""
    return config.resolve().parent
