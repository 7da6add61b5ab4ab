"""Caveats of keys, how many calls a key with such a caveat has made, and which workspace a manager manages.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("virtual_keys", sa.Column("caveats_json", sa.Text(), server_default="{}", nullable=False))
    op.add_column("virtual_keys", sa.Column("calls_used", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("users", sa.Column("workspace_id", sa.String(26), server_default="", nullable=False))
