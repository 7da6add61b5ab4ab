"""Tables that belong to no subject: revisions that every worker polls, settings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from pipeline.store.tables.columns import metadata

revisions = Table(  # bumped in the transaction of a change, polled by every worker: keys, references, policies
    "revisions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False, default=0, server_default="0"),
)

settings = Table("settings", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))
