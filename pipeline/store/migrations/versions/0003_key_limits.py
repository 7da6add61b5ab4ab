"""Tokens per minute and calls at the same time, as limits of a key.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("virtual_keys", sa.Column("tpm_limit", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("virtual_keys", sa.Column("max_parallel_requests", sa.Integer(), server_default="0", nullable=False))
