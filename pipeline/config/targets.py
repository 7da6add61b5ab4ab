"""Providers and models: what stands behind a name, and in which order it is tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.config.mappings import Mappings, SecretMappingSection, check_mappings
from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Name, Seconds, Section

Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]

SETTINGS = (
    "api_version",
    "organization",
    "project",
    "aws_region_name",
    "aws_bedrock_runtime_endpoint",
    "aws_profile_name",
    "aws_role_name",
    "aws_session_name",
    "vertex_project",
    "vertex_location",
    "tenant_id",
    "client_id",
    "watsonx_region_name",
    "watsonx_project",
    "base_model",
)
"""The provider settings that a target may carry to LiteLLM, by LiteLLM's names. Nothing else reaches it."""

_NEED_A_KEY = frozenset(
    {"openai", "anthropic", "gemini", "mistral", "groq", "cohere", "xai", "deepseek", "openrouter", "together_ai", "fireworks_ai"}
)

RetryOn = Literal["5xx", "timeout", "rate_limit", "connect", "auth", "not_found"]


class TargetSection(Section):
    """One provider, one model, one credential."""

    id: Name
    """Its name in `models`, in the audit and on the dashboard."""
    provider: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9_.-]+$")]
    """LiteLLM's name of the provider: `openai`, `anthropic`, `bedrock`, `gemini`, `azure`, …; `demo` is built in."""
    model: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    """The provider's own id of the model."""
    base_url: Annotated[str, StringConstraints(max_length=1024, pattern=r"^https?://[^\s]+$")] | None = None
    """Where the provider is, when not at its usual address."""
    lane: Literal["auto", "litellm", "direct"] = "auto"
    """`auto` forwards where both sides speak the same wire format and translates with LiteLLM otherwise."""
    required: bool = True
    """Whether start-up is refused when the secret cannot be resolved; otherwise the target is skipped and tried again."""
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The share of calls under `strategy: weighted`."""
    secret_key_ref: SecretKeyRef | None = None
    """Where its key is. None: the provider needs none."""
    secret_mappings: Mappings = ()
    """The parts of a credential that has several, and settings that stand beside it in the vault (Portkey's form)."""
    connect_timeout_s: Seconds = 5.0
    """Seconds until the connection must stand."""
    first_byte_timeout_s: Seconds = 60.0
    """Seconds until the answer must begin."""
    idle_timeout_s: Seconds = 60.0
    """Seconds that may pass between two pieces of an answer."""
    api_version: Text | None = None
    """Azure's API version."""
    organization: Text | None = None
    """OpenAI's organization id."""
    project: Text | None = None
    """OpenAI's project id."""
    aws_region_name: Text | None = None
    """Bedrock's region."""
    aws_bedrock_runtime_endpoint: Text | None = None
    """Bedrock's endpoint, when it is a private one."""
    aws_profile_name: Text | None = None
    """A profile of the AWS configuration."""
    aws_role_name: Text | None = None
    """The role that is assumed for Bedrock."""
    aws_session_name: Text | None = None
    """The name of that session."""
    vertex_project: Text | None = None
    """Vertex's project."""
    vertex_location: Text | None = None
    """Vertex's location."""
    tenant_id: Text | None = None
    """Azure's tenant."""
    client_id: Text | None = None
    """Azure's client."""
    watsonx_region_name: Text | None = None
    """Watsonx's region."""
    watsonx_project: Text | None = None
    """Watsonx's project."""
    base_model: Text | None = None
    """The model whose price and abilities count, where `model` is a deployment's name."""
    drop_params: bool = False
    """Whether parameters that the provider does not know are left out instead of refused (LiteLLM lane)."""
    include_usage: bool = True
    """Whether streams ask for usage; false only for servers that refuse the option. Tokens are then estimated."""

    @field_validator("base_url")
    @classmethod
    def _no_credentials(cls, url: str | None) -> str | None:
        if url is not None and "@" in url.split("//", 1)[1].split("/", 1)[0]:
            raise ValueError("the address carries a credential; write it as secret_key_ref")
        return url

    @model_validator(mode="after")
    def _has_its_key(self) -> TargetSection:
        if self.secret_mappings:
            check_mappings(self.provider, self.secret_mappings, has_key=self.secret_key_ref is not None)
        elif self.secret_key_ref is None and self.base_url is None and self.provider in _NEED_A_KEY:
            raise ValueError(f"{self.provider} needs a key: add secret_key_ref (for example {{env: NAME}} or {{store: NAME}})")
        return self

    @property
    def secret_fields(self) -> Mapping[str, SecretMappingSection]:
        """Its mappings by the field that each fills; a `secret_key_ref` beside them fills `key`. Empty without mappings."""
        own = {mapping.field: mapping for mapping in self.secret_mappings}
        if own and self.secret_key_ref is not None:
            own["key"] = SecretMappingSection(target_field="key", secret_key_ref=self.secret_key_ref)
        return own

    @property
    def named_references(self) -> tuple[tuple[tuple[str | int, ...], SecretKeyRef], ...]:
        """Every reference of the target with its place in it."""
        own = ((("secret_key_ref",), self.secret_key_ref),) if self.secret_key_ref is not None else ()
        return (*own, *((("secret_mappings", index), each.source) for index, each in enumerate(self.secret_mappings)))

    @property
    def extra(self) -> Mapping[str, str]:
        """The provider settings that are set, by LiteLLM's names; switches as `true` and `false` where they differ from the default."""
        settings = {name: str(value) for name in SETTINGS if (value := getattr(self, name)) is not None}
        if self.drop_params:
            settings["drop_params"] = "true"
        if not self.include_usage:
            settings["include_usage"] = "false"
        return settings


class FallbackSection(Section):
    """Whether and when another target is tried before the first piece of an answer has come."""

    enabled: bool = True
    """False: only the first target is asked, once."""
    max_retries: Annotated[int, Field(ge=0, le=16)] = 2
    """Further attempts after the first, over all targets."""
    retry_on: Annotated[tuple[RetryOn, ...], Field(min_length=1)] = ("5xx", "timeout", "rate_limit", "connect")
    """The classes of failure after which the next target is tried."""


class ModelSection(Section):
    """What callers ask for by name."""

    strategy: Literal["ordered", "weighted"] = "ordered"
    """`ordered` tries the targets as they stand, `weighted` draws the first by weight."""
    targets: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Ids of targets."""
    fallback: FallbackSection = FallbackSection()
    """What happens when a target fails."""
    fallbacks: tuple[Name, ...] = ()
    """Other model names that are tried when every target of this one has failed. They have the same `policy`."""
    policy: Name | None = None
    """The redaction policy of calls for this model, before their workspace's; a key's own comes before both."""
