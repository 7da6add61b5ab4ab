"""What references that are made by REST may name beyond connections of the document and addresses that a vendor fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from pipeline.config.section import Section
from pipeline.vaults.addresses import KINDS, read_host_rule, read_name_rule
from pipeline.vaults.reference import KINDS as PLACES

Rule = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Rules = Annotated[tuple[Rule, ...], Field(max_length=256)]


class ReferenceApiSection(Section):
    """What references made by REST may name. Looked at when one is written and whenever it is used, so narrowing it holds at once."""

    allowed_hosts: Rules = ()
    """Hosts of vaults, as `vault.example.com`, `vault.example.com:8200`, `*.vault.example.com`; by HTTPS. One on this machine needs its
    port (`127.0.0.1:8200`) and may be asked without TLS. Compared as written: nothing is looked up."""
    allowed_credentials: Rules = ()
    """What may open a vault for them: `env:VAULT_TOKEN`, `env:VAULT_*`, `file:/run/secrets/*`, `store:NAME`, `keychain:NAME`, `ref:SLUG`;
    also files of certificates and tokens, and what this machine is to a cloud (`identity:aws`, `identity:azure`, `identity:gcp`)."""
    allowed_secrets: Rules = ()
    """What references of `manager_type` `env`, `file`, `local` and `keychain` may read: `env:OPENAI_*`, `store:*`."""

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return _read(texts, read_host_rule)

    @field_validator("allowed_credentials")
    @classmethod
    def _credentials(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return _read(texts, lambda text: read_name_rule(text, KINDS))

    @field_validator("allowed_secrets")
    @classmethod
    def _secrets(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return _read(texts, lambda text: read_name_rule(text, tuple(PLACES)))


def _read(texts: Iterable[str], read: Callable[[str], object]) -> tuple[str, ...]:
    for text in texts:
        read(text)
    return tuple(texts)
