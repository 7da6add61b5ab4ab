"""Sums of charges by quarter of an hour and by day, the hours whose sums are to be made again, and tokens of images on charges.

Follows 0010.

Revision: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SUMS = (
    "charges", "cost_micros", "tokens_input", "tokens_cache_read", "tokens_cache_write_5m", "tokens_cache_write_1h", "tokens_input_audio",
    "tokens_output", "tokens_reasoning", "tokens_output_audio", "tokens_input_image", "tokens_output_image",
)  # fmt: skip


def upgrade() -> None:
    for image in ("tokens_input_image", "tokens_output_image"):
        op.add_column("charges", sa.Column(image, sa.BigInteger(), server_default="0", nullable=False))
    for name in ("spend_quarters", "spend_slots", "spend_days"):
        op.create_table(
            name,
            sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
            sa.Column("start_us", sa.BigInteger(), nullable=False),
            sa.Column("org_id", sa.String(length=64), nullable=False),
            sa.Column("workspace_id", sa.String(length=26), server_default="", nullable=False),
            sa.Column("key_id", sa.String(length=26), server_default="", nullable=False),
            sa.Column("model", sa.String(length=255), server_default="", nullable=False),
            sa.Column("target_id", sa.String(length=255), server_default="", nullable=False),
            sa.Column("provider", sa.String(length=64), server_default="", nullable=False),
            sa.Column("state", sa.String(length=32), server_default="", nullable=False),
            sa.Column("secret_reference", sa.String(length=255), server_default="", nullable=False),
            sa.Column("secret_version", sa.String(length=255), server_default="", nullable=False),
            sa.Column("secret_fingerprint", sa.String(length=64), server_default="", nullable=False),
            *(sa.Column(column, sa.BigInteger(), server_default="0", nullable=False) for column in _SUMS),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        )
        op.create_index(f"ix_{name}_start", name, ["start_us"])
    op.create_index("ix_spend_quarters_key", "spend_quarters", ["key_id", "start_us"])
    op.create_table(
        "spend_gaps",
        sa.Column("hour_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("hour_us", name=op.f("pk_spend_gaps")),
    )
