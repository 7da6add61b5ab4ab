"""Where secrets come from: vaults, references by slug, and the short form `secret_key_ref`. Never a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.config.section import Environment, Name, Section, Slug
from pipeline.errors import ConfigError
from pipeline.vaults.auth import check_auth, inner_references
from pipeline.vaults.reference import FORMS, parse_reference

Kind = Literal["env", "file", "store", "keychain", "ref"]
KINDS: tuple[Kind, ...] = ("env", "file", "store", "keychain", "ref")


class SecretKeyRef(Section):
    """Names the place of one secret: exactly one of `env`, `file`, `store`, `keychain`, `ref`. Also as a string: `env:NAME`."""

    env: str | None = None
    """The name of an environment variable."""
    file: str | None = None
    """The path of a file that holds the secret (relative to the folder of the document)."""
    store: str | None = None
    """The name of a secret in the local encrypted store (`lockgate secrets add NAME --store`)."""
    keychain: str | None = None
    """The name of an entry in the operating system's keychain."""
    ref: Slug | None = None
    """The slug of a reference under `references`, or of one that is made by REST."""
    secret_key: str | None = None
    """The field of a secret that is a JSON object."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, form: Any) -> Any:
        if isinstance(form, str):
            kind, colon, name = form.partition(":")
            if colon and kind in KINDS:
                return {kind: name.strip()}
            raise ValueError(f"a literal value stands where only a reference may stand; write {FORMS}")
        return form

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretKeyRef:
        named = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(named) != 1:
            raise ValueError("exactly one of env, file, store, keychain, ref is wanted")
        if named[0] != "ref":
            _valid(self.form())
        return self

    @property
    def kind(self) -> Kind:
        """Which form it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    def form(self) -> dict[str, str]:
        """The mapping that `pipeline.vaults.reference.parse_reference` reads."""
        given: dict[str, str] = {self.kind: str(getattr(self, self.kind))}
        return {**given, "secret_key": self.secret_key} if self.secret_key else given


class VaultSection(Section):
    """A connection to a vault. Sensitive fields of `auth_config` are references themselves, also to another vault, three deep at most."""

    manager_type: Name
    """`hashicorp_vault` (also `openbao`), `aws_sm`, `aws_ssm`, `azure_kv`, `gcp_sm`, `doppler`, `infisical`, `onepassword`, `env`, `file`,
    `local`, `keychain`, or the name of a plug-in."""
    auth_config: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    """How to connect; which fields exist depends on the vault and its way to authenticate."""

    @model_validator(mode="after")
    def _known_fields(self) -> VaultSection:
        _valid_auth(self.manager_type, self.auth_config)
        return self


class ReferenceSection(Section):
    """A secret reference: a place in a vault. Field names are Portkey's."""

    vault: Name | None = None
    """A connection under `vaults`; stands for `manager_type` and `auth_config`."""
    manager_type: Name | None = None
    """The kind of vault, when no `vault` is named."""
    auth_config: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    """How to connect, when no `vault` is named."""
    secret_path: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """The place in the vault: a path, a name, an ARN; of an engine of Vault's that leases credentials as `openai/creds/app`."""
    secret_key: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """The field of a secret that is a JSON object."""
    version: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """A pinned version (a number or id; AWS: also a stage or label); the newest when absent."""
    allow_all_workspaces: bool | None = None
    """Whether every workspace may use it (the default unless `allowed_workspaces` is given)."""
    allowed_workspaces: tuple[Name, ...] = ()
    """The only workspaces that may use it."""
    environment: Environment | None = None
    """The environment that it belongs to: only keys, workspaces and gateways that stand in it may use it."""
    cache_ttl_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """Seconds for which a value is used without asking the vault again."""
    negative_ttl_s: Annotated[float, Field(ge=0, le=3_600)] = 15.0
    """Seconds for which a refusal of the vault is remembered."""
    max_stale_s: Annotated[float, Field(ge=0, le=86_400)] = 900.0
    """Seconds after the TTL for which the last value still serves while the vault cannot be reached."""
    refresh_ahead_ratio: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The part of the TTL after which the value is read again in the background."""
    max_age_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days after which the dashboard says that the value is to be rotated; 90 when absent, and a third of it for the earlier remark."""

    @model_validator(mode="after")
    def _one_connection(self) -> ReferenceSection:
        if (self.vault is None) == (self.manager_type is None):
            raise ValueError("exactly one of vault and manager_type is wanted")
        if self.vault is not None and self.auth_config:
            raise ValueError("auth_config belongs to the vault when one is named")
        if self.manager_type is not None:
            _valid_auth(self.manager_type, self.auth_config)
        if self.allow_all_workspaces and self.allowed_workspaces:
            raise ValueError("allow_all_workspaces: true contradicts allowed_workspaces")
        if self.allow_all_workspaces is False and not self.allowed_workspaces:
            raise ValueError("no workspace may use this reference; name some under allowed_workspaces")
        return self

    @property
    def open_to_all(self) -> bool:
        """Whether every workspace may use it."""
        return not self.allowed_workspaces


def _valid(form: Mapping[str, str]) -> None:
    try:
        parse_reference(form)
    except ConfigError as error:
        raise ValueError(_told(error)) from None


def _valid_auth(manager_type: str, auth_config: Mapping[str, Any]) -> None:
    try:
        check_auth(manager_type, auth_config)
        inner_references(auth_config)
    except ConfigError as error:
        raise ValueError(_told(error)) from None


def _told(error: ConfigError) -> str:
    return f"{error.message} {error.hint}".strip()
