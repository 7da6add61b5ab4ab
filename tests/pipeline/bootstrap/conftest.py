"""A real store and ledger, as the keys' tests have them."""

from __future__ import annotations

from tests.pipeline.keys.conftest import (
    clock,
    peppers,
    postgres,
    postgres_template,
    postgres_url,
    recorder,
    sqlite_template,
    sqlite_url,
    stood,
    url,
)

__all__ = ["clock", "peppers", "postgres", "postgres_template", "postgres_url", "recorder", "sqlite_template", "sqlite_url", "stood", "url"]
