"""References that are made by REST have all their fields, and switches that every worker follows.

Follows 0005.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("description", sa.String(length=1024), server_default="", nullable=False),
        sa.Column("tags", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.String(length=255), server_default="", nullable=False),
        sa.Column("cache_ttl_s", sa.Double(), server_default="300", nullable=False),
        sa.Column("negative_ttl_s", sa.Double(), server_default="15", nullable=False),
        sa.Column("max_stale_s", sa.Double(), server_default="900", nullable=False),
        sa.Column("refresh_ahead_ratio", sa.Double(), server_default="0.8", nullable=False),
        sa.Column("usage_class", sa.String(length=16), server_default="standard", nullable=False),
        sa.Column("environment", sa.String(length=255), server_default="", nullable=False),
        sa.Column("max_age_days", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_by", sa.String(length=255), server_default="", nullable=False),
        sa.Column("edition", sa.Integer(), server_default="1", nullable=False),
    ):
        op.add_column("secret_references", column)
    op.create_table(
        "reference_switches",
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("disabled_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disabled_by", sa.String(length=255), server_default="", nullable=False),
        sa.Column("purged_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("org_id", "slug", name=op.f("pk_reference_switches")),
    )
