"""Tables of sums of charges, so that a long period is not added up row by row. They can be made again from `charges` at any time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, String, Table

from pipeline.store.tables.columns import Serial, counter, metadata, words

ROLLUP_GROUPS: Final = (
    "org_id", "workspace_id", "key_id", "model", "target_id", "provider", "state", "secret_reference", "secret_version",
    "secret_fingerprint",
)  # fmt: skip
"""What charges are told apart by in a rollup; each is a column of `charges` of the same name."""

ROLLUP_SUMS: Final = (
    "cost_micros", "tokens_input", "tokens_cache_read", "tokens_cache_write_5m", "tokens_cache_write_1h", "tokens_input_audio",
    "tokens_output", "tokens_reasoning", "tokens_output_audio", "tokens_input_image", "tokens_output_image",
)  # fmt: skip
"""What is summed; beside them `charges` counts the rows."""


SLOT_GROUPS: Final = ("org_id", "workspace_id", "state")
"""What `spend_slots` tells apart: enough for a course over time of a whole organization or workspace."""


def _rollup(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Serial, primary_key=True, autoincrement=True),
        Column("start_us", BigInteger, nullable=False),
        Column("org_id", String(64), nullable=False),
        words("workspace_id", 26),
        words("key_id", 26),
        words("model"),
        words("target_id"),
        words("provider", 64),
        words("state", 32),
        words("secret_reference"),
        words("secret_version"),
        words("secret_fingerprint", 64),
        counter("charges"),
        *(counter(column) for column in ROLLUP_SUMS),
        Index(f"ix_{name}_start", "start_us"),
    )


spend_quarters = _rollup("spend_quarters")  # one row a quarter of an hour and group: any time zone's days are made of them
Index("ix_spend_quarters_key", spend_quarters.c.key_id, spend_quarters.c.start_us)
spend_slots = _rollup("spend_slots")  # one row a quarter of an hour, workspace and state; the other groups are empty
spend_days = _rollup("spend_days")  # one row a day (UTC) and group

spend_gaps = Table(  # hours whose sums are to be made again, because a charge came after they were made
    "spend_gaps", metadata, Column("hour_us", BigInteger, primary_key=True, autoincrement=False)
)
