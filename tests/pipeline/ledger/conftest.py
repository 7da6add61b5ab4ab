from tests.pipeline.ledger.stores import postgres, postgres_template, postgres_url, sqlite_template, sqlite_url, url

__all__ = ["postgres", "postgres_template", "postgres_url", "sqlite_template", "sqlite_url", "url"]
