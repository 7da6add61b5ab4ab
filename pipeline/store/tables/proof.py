"""Tables of proof: checkpoints over segments of chains, and which of them stand elsewhere, too."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from pipeline.store.tables.columns import metadata, moment, words

audit_checkpoints = Table(  # format: pipeline/ledger/checkpoint.py. `body` is what is hashed and signed; the rest finds it
    "audit_checkpoints",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("chain", String(26), nullable=False),
    Column("number", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    moment("at_us"),
    Column("body", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    words("key_id", 16),
    words("signature", 128),
    UniqueConstraint("chain", "number"),
    Index("ix_audit_checkpoints_last", "chain", "last_seq"),
)

checkpoint_copies = Table(
    "checkpoint_copies",
    metadata,
    Column("place", String(64), primary_key=True),  # digest of where: a path or a bucket may say more than this table should
    Column("checkpoint_id", String(26), primary_key=True),
    moment("at_us"),
)
