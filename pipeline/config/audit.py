"""How what is written down is proved: checkpoints, the key that signs them, and where copies of them go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Section

Path = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class BucketSection(Section):
    """An S3 bucket with object lock. Credentials are those of the process's role (or profile), or of a role that it assumes."""

    bucket: Annotated[str, StringConstraints(min_length=3, max_length=63, pattern=r"^[a-z0-9.-]+$")]
    """Its name; object lock must be enabled on it."""
    prefix: Annotated[str, StringConstraints(max_length=512)] = "lockgate/checkpoints/"
    """What object keys begin with; behind it `CHAIN/NUMBER.json`."""
    region: Annotated[str, StringConstraints(max_length=64)] | None = None
    """Its region."""
    endpoint_url: Annotated[str, StringConstraints(max_length=1024, pattern=r"^https?://")] | None = None
    """Another address than AWS's."""
    mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE"
    """Whether some may lift the lock (`GOVERNANCE`) or nobody (`COMPLIANCE`)."""
    retain_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """Days for which an object cannot be changed or deleted."""
    role_arn: Annotated[str, StringConstraints(max_length=2048)] | None = None
    """A role to assume; needs `region`."""
    external_id: Annotated[str, StringConstraints(max_length=1224)] | None = None
    """What the role's trust policy asks for."""


class CopySection(Section):
    """A place for copies of checkpoints, best where the owner of the database has no rights: exactly one of `file`, `directory`, `s3`."""

    file: Path | None = None
    """A file that is appended to (relative to the folder of the document)."""
    directory: Path | None = None
    """A folder that gets a file for each checkpoint."""
    s3: BucketSection | None = None
    """An S3 bucket with object lock."""

    @model_validator(mode="after")
    def _exactly_one(self) -> CopySection:
        if sum(place is not None for place in (self.file, self.directory, self.s3)) != 1:
            raise ValueError("exactly one of file, directory, s3 is wanted")
        return self


class CheckpointsSection(Section):
    """Checkpoints: Merkle roots over what was written down, signed, linked, and copied elsewhere, so that nobody can rewrite the past."""

    signing_key: SecretKeyRef | None = None
    """The Ed25519 private key (PKCS #8, base64 of DER on one line; `lockgate audit keygen` makes one). Without it checkpoints are not
    signed, and say so."""
    every_events: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Events after which a checkpoint is made."""
    every_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Seconds after which one is made, also when nothing has happened."""
    copies: tuple[CopySection, ...] = ()
    """Where they are copied to, outside of every request; what fails is tried again and told by metrics and `/health/ready`."""

    @field_validator("signing_key", mode="before")
    @classmethod
    def _unwrapped(cls, form: Any) -> Any:
        """Also as `{secret_key_ref: {…}}`, as a reference stands elsewhere in the document."""
        return form["secret_key_ref"] if isinstance(form, Mapping) and [*form] == ["secret_key_ref"] else form
