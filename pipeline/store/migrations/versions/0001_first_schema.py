"""The first schema.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("scope_kind", sa.String(length=16), nullable=False),
        sa.Column("scope_id", sa.String(length=64), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.String(length=16), server_default="", nullable=False),
        sa.Column("period_start_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("scope_kind", "scope_id", name=op.f("uq_budgets_scope_kind_scope_id")),
    )
    op.create_table(
        "charges",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("request_id", sa.String(length=26), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("key_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("model", sa.String(length=255), server_default="", nullable=False),
        sa.Column("target_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("provider", sa.String(length=64), server_default="", nullable=False),
        sa.Column("provider_model", sa.String(length=255), server_default="", nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("price_digest", sa.String(length=64), server_default="", nullable=False),
        sa.Column("tokens_input", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_cache_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_cache_write_5m", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_cache_write_1h", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_input_audio", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_output", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_reasoning", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_output_audio", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("service_tier", sa.String(length=32), server_default="", nullable=False),
        sa.Column("streamed", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("upstream_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("secret_reference", sa.String(length=255), server_default="", nullable=False),
        sa.Column("secret_version", sa.String(length=255), server_default="", nullable=False),
        sa.Column("secret_fingerprint", sa.String(length=64), server_default="", nullable=False),
        sa.Column("duration_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_token_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charges")),
        sa.UniqueConstraint("request_id", "attempt", name=op.f("uq_charges_request_id_attempt")),
    )
    op.create_index("ix_charges_at", "charges", ["at_us"], unique=False)
    op.create_index("ix_charges_key", "charges", ["key_id", "at_us"], unique=False)
    op.create_index("ix_charges_model", "charges", ["model", "at_us"], unique=False)
    op.create_index("ix_charges_workspace", "charges", ["workspace_id", "at_us"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("chain", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_checkpoints_chain_seq")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("destination", sa.String(length=128), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=64), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("buried_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_table(
        "epochs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), server_default="", nullable=False),
        sa.Column("started_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("heartbeat_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.String(length=32), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_epochs")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("chain", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=255), server_default="", nullable=False),
        sa.Column("outcome", sa.String(length=32), server_default="", nullable=False),
        sa.Column("request_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("org_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("key_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("model", sa.String(length=255), server_default="", nullable=False),
        sa.Column("target_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("status", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.String(length=64), server_default="", nullable=False),
        sa.Column("trace_id", sa.String(length=32), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_events_chain_seq")),
    )
    op.create_index("ix_events_at", "events", ["at_us"], unique=False)
    op.create_index("ix_events_key", "events", ["key_id", "at_us"], unique=False)
    op.create_index("ix_events_kind", "events", ["kind", "at_us"], unique=False)
    op.create_index("ix_events_request", "events", ["request_id"], unique=False)
    op.create_index("ix_events_workspace", "events", ["workspace_id", "at_us"], unique=False)
    op.create_table(
        "local_secrets",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_by", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_local_secrets")),
    )
    op.create_table(
        "logins",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_logins")),
    )
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("destination", sa.String(length=128), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.String(length=64), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_order", "outbox", ["destination", "signal", "id"], unique=False)
    op.create_table(
        "outbox_accounts",
        sa.Column("destination", sa.String(length=128), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("accepted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("delivered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected_by_policy", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("destination", "signal", name=op.f("pk_outbox_accounts")),
    )
    op.create_table(
        "redactions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.String(length=26), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("key_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("detector", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redactions")),
    )
    op.create_index(op.f("ix_redactions_at_us"), "redactions", ["at_us"], unique=False)
    op.create_index(op.f("ix_redactions_request_id"), "redactions", ["request_id"], unique=False)
    op.create_table(
        "reservations",
        sa.Column("request_id", sa.String(length=26), nullable=False),
        sa.Column("epoch_id", sa.String(length=26), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="open", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("closed_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("org_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("key_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("model", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_reservations")),
    )
    op.create_index(
        "ix_reservations_open",
        "reservations",
        ["epoch_id"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "secret_references",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("manager_type", sa.String(length=32), nullable=False),
        sa.Column("auth_config", sa.Text(), server_default="{}", nullable=False),
        sa.Column("secret_path", sa.String(length=1024), nullable=False),
        sa.Column("secret_key", sa.String(length=255), server_default="", nullable=False),
        sa.Column("allow_all_workspaces", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("allowed_workspaces", sa.Text(), server_default="[]", nullable=False),
        sa.Column("required", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("origin", sa.String(length=16), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret_references")),
        sa.UniqueConstraint("org_id", "slug", name=op.f("uq_secret_references_org_id_slug")),
    )
    op.create_table(
        "secret_status",
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("manager_type", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), server_default="", nullable=False),
        sa.Column("error", sa.String(length=64), server_default="", nullable=False),
        sa.Column("version", sa.String(length=255), server_default="", nullable=False),
        sa.Column("fingerprint", sa.String(length=64), server_default="", nullable=False),
        sa.Column("resolved_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_seen_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("latency_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("checked_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("required", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("targets", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_secret_status")),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=255), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_login_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "virtual_keys",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("workspace_id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("pepper_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("hint", sa.String(length=32), server_default="", nullable=False),
        sa.Column("alias", sa.String(length=255), server_default="", nullable=False),
        sa.Column("role", sa.String(length=16), server_default="key", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("models", sa.Text(), server_default="[]", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rpm_limit", sa.Integer(), server_default="0", nullable=False),
        sa.Column("policy", sa.String(length=255), server_default="", nullable=False),
        sa.Column("metadata_json", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_by", sa.String(length=255), server_default="", nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("replaced_by", sa.String(length=26), server_default="", nullable=False),
        sa.Column("last_used_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_virtual_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_virtual_keys_digest")),
    )
    op.create_index(op.f("ix_virtual_keys_workspace_id"), "virtual_keys", ["workspace_id"], unique=False)
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("policy", sa.String(length=255), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("org_id", "slug", name=op.f("uq_workspaces_org_id_slug")),
    )


def downgrade() -> None:
    op.drop_table("workspaces")
    op.drop_index(op.f("ix_virtual_keys_workspace_id"), table_name="virtual_keys")
    op.drop_table("virtual_keys")
    op.drop_table("users")
    op.drop_table("settings")
    op.drop_table("secret_status")
    op.drop_table("secret_references")
    op.drop_table("revisions")
    op.drop_index(
        "ix_reservations_open",
        table_name="reservations",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_table("reservations")
    op.drop_index(op.f("ix_redactions_request_id"), table_name="redactions")
    op.drop_index(op.f("ix_redactions_at_us"), table_name="redactions")
    op.drop_table("redactions")
    op.drop_table("outbox_accounts")
    op.drop_index("ix_outbox_order", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("organizations")
    op.drop_table("logins")
    op.drop_table("local_secrets")
    op.drop_index("ix_events_workspace", table_name="events")
    op.drop_index("ix_events_request", table_name="events")
    op.drop_index("ix_events_kind", table_name="events")
    op.drop_index("ix_events_key", table_name="events")
    op.drop_index("ix_events_at", table_name="events")
    op.drop_table("events")
    op.drop_table("epochs")
    op.drop_table("dead_letters")
    op.drop_table("checkpoints")
    op.drop_index("ix_charges_workspace", table_name="charges")
    op.drop_index("ix_charges_model", table_name="charges")
    op.drop_index("ix_charges_key", table_name="charges")
    op.drop_index("ix_charges_at", table_name="charges")
    op.drop_table("charges")
    op.drop_table("budgets")
