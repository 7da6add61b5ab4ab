"""Tables of secret references, their switches and status, and the local encrypted store."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from pipeline.store.tables.columns import metadata, moment, words

secret_references = Table(  # references made by REST; those of the YAML document are mirrored with origin = "document"
    "secret_references",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("org_id", String(64), nullable=False),
    Column("slug", String(255), nullable=False),
    words("name"),
    Column("manager_type", String(32), nullable=False),
    Column("auth_config", Text, nullable=False, default="{}", server_default="{}"),  # inner references or ciphertext, never a value
    Column("secret_path", String(1024), nullable=False),
    words("secret_key"),
    Column("allow_all_workspaces", Boolean, nullable=False, default=True, server_default="1"),
    Column("allowed_workspaces", Text, nullable=False, default="[]", server_default="[]"),
    Column("required", Boolean, nullable=False, default=True, server_default="1"),
    words("origin", 16),
    words("status", 16),
    moment("created_us"),
    moment("updated_us"),
    words("description", 1024),
    Column("tags", Text, nullable=False, default="", server_default=""),  # JSON text -> text, "" for none
    words("version"),
    Column("cache_ttl_s", Double, nullable=False, default=300.0, server_default="300"),
    Column("negative_ttl_s", Double, nullable=False, default=15.0, server_default="15"),
    Column("max_stale_s", Double, nullable=False, default=900.0, server_default="900"),
    Column("refresh_ahead_ratio", Double, nullable=False, default=0.8, server_default="0.8"),
    Column("usage_class", String(16), nullable=False, default="standard", server_default="standard"),  # standard | admin | tool
    words("environment"),
    Column("max_age_days", Integer, nullable=False, default=0, server_default="0"),
    words("created_by"),
    Column("edition", Integer, nullable=False, default=1, server_default="1"),  # moves on with every edit: what is cached of others is void
    UniqueConstraint("org_id", "slug"),
)

reference_switches = Table(  # what every worker does to a reference at once, also to one of the document or one written in place
    "reference_switches",
    metadata,
    Column("org_id", String(64), primary_key=True),
    Column("slug", String(255), primary_key=True),
    moment("disabled_us"),  # since when the kill switch is set; 0: it is not
    words("disabled_by"),
    moment("purged_us"),  # when it was last asked that every worker forget its value
)

secret_status = Table(  # the last thing that is known of each reference; never a value
    "secret_status",
    metadata,
    Column("slug", String(255), primary_key=True),
    Column("manager_type", String(32), nullable=False),
    words("outcome", 32),
    words("error", 64),
    words("version"),
    words("fingerprint", 64),
    moment("resolved_us"),  # last good read from the vault
    moment("first_seen_us"),  # when this version was first seen: its age
    moment("used_us"),
    moment("latency_us"),
    moment("checked_us"),
    Column("required", Boolean, nullable=False, default=True, server_default="1"),
    Column("targets", Text, nullable=False, default="[]", server_default="[]"),
)

local_secrets = Table(  # the local encrypted store: AES-256-GCM, associated data = name + version
    "local_secrets",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("key_id", String(64), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    moment("created_us"),
    words("created_by"),
)
