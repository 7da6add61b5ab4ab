"""Child keys: whose they are, what for, and what they were given of their parent's budget.

Revision: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
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
