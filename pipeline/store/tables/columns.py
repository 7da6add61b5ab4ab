"""The one metadata of every table, and the kinds of columns that most of them have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids only to INTEGER PRIMARY KEY; PostgreSQL needs 64 bits.
Serial = BigInteger().with_variant(Integer, "sqlite")


def moment(name: str) -> Column[int]:
    """A time in microseconds since the epoch, UTC; 0 for none."""
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


def words(name: str, length: int = 255) -> Column[str]:
    """A short text of at most `length` characters; "" for none."""
    return Column(name, String(length), nullable=False, default="", server_default="")


def counter(name: str) -> Column[int]:
    """A number that only grows, or an amount, from 0."""
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")
