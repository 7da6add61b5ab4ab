"""The document as the plain values that the features take: references, targets, routes. Pure; resolves and opens nothing."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.config.document import Document
from pipeline.config.references import ReferenceSection
from pipeline.config.targets import TargetSection
from pipeline.routing.model import ModelRoute, Target
from pipeline.vaults.model import SecretRef
from pipeline.vaults.reference import parse_reference, with_revision


def declared_references(document: Document) -> dict[str, SecretRef]:
    """The references under `references`, by slug. `required` is true when a target that uses one is required."""
    required = {
        target.secret_key_ref.ref
        for target in document.targets
        if target.required and target.secret_key_ref is not None and target.secret_key_ref.ref
    }
    return {slug: _declared(document, slug, reference, slug in required) for slug, reference in document.references.items()}


def used_references(document: Document) -> dict[str, SecretRef]:
    """Every reference that is declared or used in place (`env:NAME`, …), by slug: what `check` looks at."""
    declared = declared_references(document)
    found = dict(declared)
    for target in document.targets:
        if target.secret_key_ref is not None:
            reference = reference_of(target, declared)
            known = found.get(reference.slug)
            found[reference.slug] = reference if known is None or reference.required else known
    for destination in document.telemetry.destinations:
        for header in destination.headers.values():
            if header.secret_key_ref is not None:
                reference = with_revision(parse_reference(header.secret_key_ref.form(), declared))
                found.setdefault(reference.slug, reference)
    return found


def reference_of(target: TargetSection, declared: Mapping[str, SecretRef]) -> SecretRef:
    """The reference of one target; ConfigError when it names none that is declared, ValueError when it has none."""
    if target.secret_key_ref is None:
        raise ValueError("this target needs no secret")
    from dataclasses import replace

    reference = parse_reference(target.secret_key_ref.form(), declared, where=f"target {target.id}")
    if target.secret_key_ref.ref is None:
        reference = replace(reference, required=target.required)
    if target.secret_key_ref.secret_key:
        # Another field of the same secret is another value: it gets a slug of its own, so that the two are told apart.
        reference = replace(reference, slug=f"{reference.slug}#{target.secret_key_ref.secret_key}", required=target.required)
    return with_revision(reference)


def targets_of(document: Document) -> dict[str, Target]:
    """The targets, by id."""
    declared = declared_references(document)
    return {target.id: _target(target, declared) for target in document.targets}


def routes_of(document: Document) -> dict[str, ModelRoute]:
    """What callers can ask for, by name."""
    targets = targets_of(document)
    return {
        name: ModelRoute(
            name=name,
            strategy=model.strategy,
            targets=tuple(targets[target] for target in model.targets),
            fallback_enabled=model.fallback.enabled,
            max_retries=model.fallback.max_retries if model.fallback.enabled else 0,
            retry_on=tuple(model.fallback.retry_on),
            fallbacks=model.fallbacks,
        )
        for name, model in document.models.items()
    }


def price_overrides(document: Document) -> dict[str, dict[str, float]]:
    """The prices that the document sets, as the pricer takes them: dollars per million tokens by `provider/model`."""
    return {
        name: {field: float(value) for field, value in price.model_dump(exclude_none=True).items()}
        for name, price in document.prices.items()
    }


def environment_names(document: Document) -> tuple[str, ...]:
    """The environment variables that references of the document name: dropped from the environment after start-up."""
    refs = used_references(document).values()
    return tuple(sorted({reference.secret_path for reference in refs if reference.manager_type == "env"}))


def _declared(document: Document, slug: str, reference: ReferenceSection, required: bool) -> SecretRef:
    vault = document.vaults[reference.vault] if reference.vault is not None else None
    return with_revision(
        SecretRef(
            slug=slug,
            manager_type=vault.manager_type if vault is not None else str(reference.manager_type),
            secret_path=reference.secret_path,
            auth_config=dict(vault.auth_config if vault is not None else reference.auth_config),
            secret_key=reference.secret_key,
            version=reference.version,
            allow_all_workspaces=reference.open_to_all,
            allowed_workspaces=reference.allowed_workspaces,
            cache_ttl_s=reference.cache_ttl_s,
            negative_ttl_s=reference.negative_ttl_s,
            max_stale_s=reference.max_stale_s,
            refresh_ahead_ratio=reference.refresh_ahead_ratio,
            required=required,
            vault=reference.vault,
        )
    )


def _target(target: TargetSection, declared: Mapping[str, SecretRef]) -> Target:
    return Target(
        id=target.id,
        provider=target.provider,
        model=target.model,
        base_url=target.base_url,
        reference=None if target.secret_key_ref is None else reference_of(target, declared).slug,
        required=target.required,
        lane=target.lane,
        weight=target.weight,
        extra=target.extra,
        connect_timeout_s=target.connect_timeout_s,
        first_byte_timeout_s=target.first_byte_timeout_s,
        idle_timeout_s=target.idle_timeout_s,
    )
