"""Alerts about money: where they are told, what counts as unusual, and for which of them a key is blocked."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.config.outward import is_guarded, names_host
from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Name, Seconds, Section, Usd

Kind = Literal["threshold", "soft_limit", "exhausted", "anomaly"]


class AlertDestinationSection(Section):
    """Where alerts are told: a signed webhook, an address that takes Slack's messages, or the log."""

    id: Name
    """Its name."""
    type: Literal["webhook", "slack", "log"]
    """`webhook` is signed after Standard Webhooks; `slack` gets `{"text": …}`."""
    url: Annotated[str, StringConstraints(max_length=1024, pattern=r"^https?://[^\s@]+$")] | None = None
    """The address of a webhook, `https://` unless it is on this machine. Nothing but this document says where alerts go."""
    url_ref: SecretKeyRef | None = None
    """The address by reference: that of a chat is itself a secret."""
    secret_key_ref: SecretKeyRef | None = None
    """What a webhook is signed with: `whsec_` and base64, or any text of at least 24 characters."""
    kinds: tuple[Kind, ...] = ("threshold", "soft_limit", "exhausted", "anomaly")
    """What is told here."""
    timeout_s: Seconds = 10.0
    """Seconds that one attempt may take."""

    @model_validator(mode="after")
    def _whole(self) -> AlertDestinationSection:
        if self.type == "log":
            if self.url is not None or self.url_ref is not None or self.secret_key_ref is not None:
                raise ValueError("a log has no address and no secret")
            return self
        if (self.url is None) == (self.url_ref is None):
            raise ValueError("a webhook has a url or a url_ref")
        if (self.type == "webhook") != (self.secret_key_ref is not None):
            raise ValueError("a webhook is signed with secret_key_ref, and nothing else is")
        if self.url is not None:
            check_address(self.url)
        return self


class AnomalySection(Section):
    """When a key spends as it never did: its last hour against the hours of its last week, once it has a day of history."""

    enabled: bool = True
    """Whether anybody looks."""
    min_usd: Usd = Decimal(1)
    """What the hour must have cost at least."""
    score: Annotated[float, Field(gt=0, le=1000)] = 3.5
    """The modified z-score above which it is told."""


class AlertsSection(Section):
    """Alerts about budgets and spending. Each is told once per budget and period, tried again until it is taken, given up in the end."""

    destinations: tuple[AlertDestinationSection, ...] = ()
    """Where they are told; they also stand in the audit, under `GET /v1/alerts` and in `lockgate budgets alerts`."""
    anomaly: AnomalySection = AnomalySection()
    """Unusual spending."""
    block_key_on: tuple[Literal["exhausted", "anomaly"], ...] = ()
    """For which alerts their key is blocked, until somebody unblocks it (`lockgate keys unblock`). `exhausted`: what a key spent left no
    room for a call of it."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 12
    """How often a delivery is tried, over about half a day, before it is given up."""

    @model_validator(mode="after")
    def _each_once(self) -> AlertsSection:
        if len({each.id for each in self.destinations}) != len(self.destinations):
            raise ValueError("two destinations have the same id")
        return self


def check_address(url: str) -> None:
    """Raise ValueError for an address that alerts must not be sent to: plain HTTP to another machine, or none at all."""
    if not names_host(url):
        raise ValueError("the address of an alert names a host and no credential")
    if not is_guarded(url):
        raise ValueError("alerts leave this machine by https:// only")
