"""Child keys: whose they are, what for, and what they were given of their parent's budget. Approvals of calls.

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("parent_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("depth", sa.Integer(), server_default="0", nullable=False),
        sa.Column("purpose", sa.String(length=255), server_default="", nullable=False),
        sa.Column("agent_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("session_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("actor_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("child_budget_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("carved", sa.Boolean(), server_default="0", nullable=False),
    ):
        op.add_column("virtual_keys", column)
    op.create_index(op.f("ix_virtual_keys_parent_id"), "virtual_keys", ["parent_id"])
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("key_id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="pending", nullable=False),
        sa.Column("rule", sa.String(length=255), server_default="", nullable=False),
        sa.Column("facts", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), server_default="", nullable=False),
        sa.Column("decided_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("request_id", sa.String(length=26), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    waiting = sa.text("state IN ('pending', 'approved')")
    op.create_index("ix_approvals_waiting", "approvals", ["key_id", "digest"])
    op.create_index("ix_approvals_open", "approvals", ["expires_us"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_approvals_org", "approvals", ["org_id", "created_us"])
