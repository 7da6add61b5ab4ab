"""Tables of organizations, workspaces and the people who look at the dashboard."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, UniqueConstraint

from pipeline.store.tables.columns import metadata, moment, words

organizations = Table("organizations", metadata, Column("id", String(64), primary_key=True), words("name"), moment("created_us"))

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("org_id", String(64), nullable=False),
    Column("slug", String(255), nullable=False),
    words("name"),
    words("policy"),
    moment("created_us"),
    words("environment", 64),
    UniqueConstraint("org_id", "slug"),
)

users = Table(  # people who look at the dashboard
    "users",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("role", String(16), nullable=False),
    words("password_hash"),  # argon2id
    Column("status", String(16), nullable=False, default="active", server_default="active"),
    moment("created_us"),
    moment("last_login_us"),
    words("workspace_id", 26),  # of a manager: the one that they manage
)

logins = Table(  # one-time login links and sessions, both only as HMAC
    "logins",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),  # link | session
    Column("user_name", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    moment("created_us"),
    moment("expires_us"),
    moment("used_us"),
)
