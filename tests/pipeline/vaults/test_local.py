"""The local encrypted store: sealed to name and version, write-only, and closed without its key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select, update

from pipeline.errors import BadRequest, ConfigError, SecretError, VaultUnavailable
from pipeline.store.tables import local_secrets, metadata
from pipeline.vaults.local_keys import LocalKeys, dump_keys, make_keys, parse_keys
from pipeline.vaults.local_sql import SqlRows, delete_secret, list_secrets, put_secret
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'store.db'}")
    metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def keys() -> LocalKeys:
    return make_keys(os.urandom)


def put(engine: Engine, keys: LocalKeys, name: str, value: str) -> int:
    with engine.begin() as connection:
        return put_secret(connection, keys, name, value, now_us=7, created_by="admin", random_bytes=os.urandom)


def read(engine: Engine, keys: LocalKeys, name: str, version: str | None = None) -> str:
    vault = open_vault("local", {}, VaultContext(Clock(), local_rows=SqlRows(engine), local_keys=keys))
    return vault.fetch(SecretRef(slug=f"store:{name}", manager_type="local", secret_path=name, version=version)).value


def test_versions_count_up_and_the_newest_is_read(engine: Engine, keys: LocalKeys) -> None:
    values = [fresh_value() for _ in range(3)]
    assert [put(engine, keys, "OPENAI", value) for value in values] == [1, 2, 3]
    assert read(engine, keys, "OPENAI") == values[2]
    assert read(engine, keys, "OPENAI", "1") == values[0]


def test_the_database_file_holds_no_value(engine: Engine, keys: LocalKeys, tmp_path: Path) -> None:
    value = fresh_value()
    put(engine, keys, "OPENAI", value)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"OPENAI" in stored
    assert value.encode() not in stored


def test_the_same_value_twice_looks_different(engine: Engine, keys: LocalKeys) -> None:
    for _ in range(2):
        put(engine, keys, "OPENAI", "the-same-value")
    with engine.connect() as connection:
        rows = connection.execute(select(local_secrets.c.ciphertext, local_secrets.c.nonce)).all()
    assert len({row.ciphertext for row in rows}) == len({row.nonce for row in rows}) == 2


@pytest.mark.parametrize(
    "change",
    [{"name": "ANTHROPIC"}, {"version": 9}, {"ciphertext": b"0" * 40}, {"nonce": b"0" * 12}, {"key_id": "k9"}, {"nonce": b""}],
    ids=["renamed", "renumbered", "other-ciphertext", "other-nonce", "other-key", "no-nonce"],
)
def test_a_row_that_was_tampered_with_does_not_open(engine: Engine, keys: LocalKeys, change: dict[str, object]) -> None:
    put(engine, keys, "OPENAI", fresh_value())
    with engine.begin() as connection:
        connection.execute(update(local_secrets).values(**change))
    with pytest.raises(SecretError) as failed:
        read(engine, keys, str(change.get("name", "OPENAI")))
    assert failed.value.code == "bad_value"


def test_another_key_does_not_open_it_and_an_older_key_still_does(engine: Engine, keys: LocalKeys) -> None:
    value = fresh_value()
    put(engine, keys, "OPENAI", value)
    with pytest.raises(SecretError):
        read(engine, make_keys(os.urandom), "OPENAI")
    rotated = LocalKeys("k2", {**keys.keys, "k2": os.urandom(32)})
    put(engine, rotated, "NEWER", value)
    assert read(engine, rotated, "OPENAI") == read(engine, rotated, "NEWER") == value


def test_a_database_that_cannot_be_read_is_unavailable(engine: Engine, keys: LocalKeys) -> None:
    metadata.drop_all(engine)
    with pytest.raises(VaultUnavailable) as failed:
        read(engine, keys, "OPENAI")
    assert failed.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a b", "v"),
        ("a/b", "v"),
        ("", "v"),
        ("a" * 256, "v"),
        ("ok", ""),
        ("ok", " \n"),
        ("ok", "a\0b"),
        ("ok", "x" * 70_000),
        ("ok", "\ud800"),
    ],
    ids=["space", "slash", "no-name", "long-name", "empty", "blank", "nul", "long", "surrogate"],
)
def test_what_cannot_be_used_is_not_stored(engine: Engine, keys: LocalKeys, name: str, value: str) -> None:
    with pytest.raises(BadRequest):
        put(engine, keys, name, value)
    with engine.connect() as connection:
        assert list_secrets(connection) == ()


def test_listing_names_and_numbers_only(engine: Engine, keys: LocalKeys) -> None:
    value = fresh_value()
    for name in ("B", "A", "B"):
        put(engine, keys, name, value)
    with engine.connect() as connection:
        listed = list_secrets(connection)
    assert [(stored.name, stored.version, stored.versions, stored.created_us, stored.created_by) for stored in listed] == [
        ("A", 1, 1, 7, "admin"),
        ("B", 2, 2, 7, "admin"),
    ]
    assert value not in repr(listed)


def test_deleting_takes_one_version_or_all(engine: Engine, keys: LocalKeys) -> None:
    for _ in range(3):
        put(engine, keys, "A", fresh_value())
    with engine.begin() as connection:
        assert delete_secret(connection, "A", version=3) == 1
        assert delete_secret(connection, "A") == 2
        assert delete_secret(connection, "A") == 0


def test_the_key_file_reads_back_and_is_never_printed(keys: LocalKeys) -> None:
    text = dump_keys(keys)
    assert parse_keys(text) == keys
    assert keys.keys["k1"].hex() not in repr(keys)
    assert str(keys.keys["k1"]) not in repr(keys)


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"current": "k1", "keys": {}}', '{"current": "k1", "keys": {"k1": "c2hvcnQ="}}', '{"current": "k2", "keys": 5}'],
)
def test_a_damaged_key_file_is_a_config_error_without_its_text(text: str) -> None:
    with pytest.raises(ConfigError) as failed:
        parse_keys(text)
    assert failed.value.__context__ is None


def test_without_a_local_store_a_store_reference_is_a_config_error() -> None:
    with pytest.raises(ConfigError):
        open_vault("store", {}, VaultContext(Clock()))
