"""Caveats of keys, and how many calls a key with such a caveat has made.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("virtual_keys", sa.Column("caveats_json", sa.Text(), server_default="{}", nullable=False))
    op.add_column("virtual_keys", sa.Column("calls_used", sa.BigInteger(), server_default="0", nullable=False))
