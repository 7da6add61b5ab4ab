"""Checkpoints with Merkle roots and signatures, and which of them were copied to where.

Follows 0008.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("chain", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), server_default="", nullable=False),
        sa.Column("signature", sa.String(length=128), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_checkpoints")),
        sa.UniqueConstraint("chain", "number", name=op.f("uq_audit_checkpoints_chain_number")),
    )
    op.create_index("ix_audit_checkpoints_last", "audit_checkpoints", ["chain", "last_seq"])
    op.create_table(
        "checkpoint_copies",
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("checkpoint_id", sa.String(length=26), nullable=False),
        sa.Column("at_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("place", "checkpoint_id", name=op.f("pk_checkpoint_copies")),
    )
