"""The document: everything that a `lockgate.yaml` may say, as frozen values. It holds references, never secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.alerts import AlertsSection
from pipeline.config.approvals import ApprovalsSection
from pipeline.config.child_keys import ChildKeysSection
from pipeline.config.detection import DetectionSection
from pipeline.config.identity import IdentitySection
from pipeline.config.money import OrganizationSection, PriceSection, WorkspaceSection
from pipeline.config.policies import PolicySection, default_policy
from pipeline.config.reference_api import ReferenceApiSection
from pipeline.config.references import ReferenceSection, VaultSection
from pipeline.config.section import Name, Section, Slug
from pipeline.config.serving import AuditSection, IdempotencySection, LimitsSection, ServerSection
from pipeline.config.targets import ModelSection, TargetSection
from pipeline.config.telemetry import TelemetrySection


class Document(Section):
    """The whole document. Every field has a default, so that the smallest document is a target and a model."""

    vaults: Mapping[Slug, VaultSection] = Field(default_factory=dict)
    """Connections to vaults, by name."""
    references: Mapping[Slug, ReferenceSection] = Field(default_factory=dict)
    """Secret references, by slug."""
    reference_api: ReferenceApiSection = ReferenceApiSection()
    """What references made by REST may name."""
    targets: tuple[TargetSection, ...] = ()
    """Providers: one model and one credential each."""
    models: Mapping[Name, ModelSection] = Field(default_factory=dict)
    """What callers ask for, by name."""
    policies: Annotated[Mapping[Name, PolicySection], Field(min_length=1)] = Field(default_factory=lambda: {"default": default_policy()})
    """Redaction policies, by name. To a call applies the one that its key names, else its model, else its workspace, else `default`."""
    detection: DetectionSection = DetectionSection()
    """Detectors beyond patterns, which are always on."""
    workspaces: Annotated[Mapping[Slug, WorkspaceSection], Field(min_length=1)] = Field(
        default_factory=lambda: {"default": WorkspaceSection()}
    )
    """Workspaces, by slug."""
    organization: OrganizationSection = OrganizationSection()
    """What all workspaces may spend together."""
    alerts: AlertsSection = AlertsSection()
    """Alerts about money."""
    telemetry: TelemetrySection = TelemetrySection()
    """Traces and where they go."""
    prices: Mapping[Annotated[str, Field(min_length=3, max_length=255, pattern=r"^\S+$")], PriceSection] = Field(default_factory=dict)
    """Prices by `provider/model`, `provider/*` or target id, for what the bundled map does not know or gets wrong."""
    unknown_price: Literal["refuse", "allow"] = "refuse"
    """What happens to a call whose price nobody knows. `allow` charges it at zero and marks it."""
    child_keys: ChildKeysSection = ChildKeysSection()
    """Child keys."""
    approvals: ApprovalsSection = ApprovalsSection()
    """Calls that need an approval."""
    audit: AuditSection = AuditSection()
    """The audit devices."""
    limits: LimitsSection = LimitsSection()
    """The limits of requests."""
    identity: IdentitySection = IdentitySection()
    """Identity providers, whose tokens prove people and services."""
    idempotency: IdempotencySection = IdempotencySection()
    """Requests that come twice."""
    server: ServerSection = ServerSection()
    """The listener."""

    @cached_property
    def by_id(self) -> Mapping[str, TargetSection]:
        """The targets by id."""
        return {target.id: target for target in self.targets}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the document's meaning: comments, order of keys and spelling of defaults do not change it."""
        plain = self.model_dump(mode="json", exclude={"by_id"})
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
