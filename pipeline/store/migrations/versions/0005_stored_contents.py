"""Content of calls, redacted and sealed, that spans refer to.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_contents",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("key_id", sa.String(length=26), server_default="", nullable=False),
        sa.Column("model", sa.String(length=255), server_default="", nullable=False),
        sa.Column("parts", sa.String(length=64), server_default="", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seal_key", sa.String(length=255), server_default="", nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_contents")),
    )
    op.create_index(op.f("ix_stored_contents_expires_us"), "stored_contents", ["expires_us"])
    op.create_index("ix_stored_contents_key", "stored_contents", ["key_id", "id"])
