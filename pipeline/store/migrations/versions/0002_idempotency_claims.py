"""Claims of idempotency keys, with the answer that is given back.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_claims",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=26), nullable=False),
        sa.Column("epoch_id", sa.String(length=26), nullable=False),
        sa.Column("params", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="open", nullable=False),
        sa.Column("status", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seal_key", sa.String(length=64), server_default="", nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_idempotency_claims")),
    )
    op.create_index(op.f("ix_idempotency_claims_request_id"), "idempotency_claims", ["request_id"])
    op.create_index(op.f("ix_idempotency_claims_expires_us"), "idempotency_claims", ["expires_us"])
    op.create_index(
        "ix_idempotency_claims_open",
        "idempotency_claims",
        ["epoch_id"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
