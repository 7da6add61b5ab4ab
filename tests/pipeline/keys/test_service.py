"""Each act of administration is one transaction with its event, and no token, password or value is in either."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline import ids
from pipeline.errors import BadRequest, ConfigError, KeyRejected, RateLimited
from pipeline.keys import people, service, storing, users
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.failures import FailureLimit
from pipeline.keys.passwords import hash_password, password_fits
from pipeline.keys.sessions import Sessions
from pipeline.ledger.verify import verify_store
from pipeline.store.tables import events, metadata, virtual_keys
from pipeline.vaults.local import LocalVault
from pipeline.vaults.local_keys import make_keys
from pipeline.vaults.local_sql import SqlRows
from pipeline.vaults.model import SecretRef
from tests.pipeline.keys.clocks import MovableClock

PASSWORD = "four words make one"


def kinds(stood: Any) -> list[str]:
    with stood.reader.connect() as connection:
        return list(connection.execute(select(events.c.kind).where(events.c.kind.notlike("ledger:%")).order_by(events.c.seq)).scalars())


def actor_of(stood: Any, kind: str) -> str:
    with stood.reader.connect() as connection:
        return str(connection.execute(select(events.c.actor).where(events.c.kind == kind)).scalar_one())


def everything(stood: Any, tmp_path: Path) -> bytes:
    """All that was written down: the rows of every table, and the bytes of database file, WAL and journals."""
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with stood.reader.connect() as connection:
        rows = [str(connection.execute(select(table)).all()) for table in metadata.sorted_tables]
    return files + "".join(rows).encode()


async def test_a_key_lives_through_its_whole_life(stood: Any, peppers: Any, clock: MovableClock, tmp_path: Path) -> None:
    office, actor = stood.office, stood.actor
    made = await service.create_key(office, actor, {"alias": "ci", "models": ["m"], "budget": {"limit_usd": 25, "period": "month"}})
    token = made["key"]
    assert token.startswith("lgk_")
    assert made["budget"] == {
        "limit_usd": "25.000000",
        "period": "month",
        "spent_usd": "0.000000",
        "reserved_usd": "0.000000",
        "remaining_usd": "25.000000",
    }
    assert (await service.block_key(office, actor, made["id"]))["status"] == "blocked"
    assert (await service.unblock_key(office, actor, made["id"]))["status"] == "active"
    rotated = await service.rotate_key(office, actor, made["id"], {"overlap_s": 60})
    assert rotated["id"] == made["id"]
    assert rotated["key"] != token
    assert (await service.revoke_key(office, actor, "ci"))["status"] == "revoked"
    assert kinds(stood) == [f"admin:key:{action}" for action in ("create", "block", "unblock", "rotate", "revoke")]
    with stood.reader.connect() as connection:
        listed = service.list_keys(connection, clock.us)
        assert service.show_key(connection, made["id"], clock.us) == listed["data"][0]
        by_key = connection.execute(select(func.count()).where(events.c.key_id == made["id"])).scalar()
    assert by_key == 4  # the last one named its key by alias
    assert "key" not in listed["data"][0]
    written = everything(stood, tmp_path)
    for secret in (token, rotated["key"]):
        assert secret.encode() not in written
        assert secret[4:24].encode() not in written
    assert verify_store(stood.reader).ok


async def test_what_is_refused_leaves_no_trace_of_success(stood: Any) -> None:
    with pytest.raises(BadRequest, match="no such workspace"):
        await service.create_key(stood.office, stood.actor, {"workspace": "nowhere"})
    with pytest.raises(BadRequest):
        await service.rotate_key(stood.office, stood.actor, "x", {"overlap_s": -1})
    with pytest.raises(BadRequest):
        await service.rotate_key(stood.office, stood.actor, "x", {"overlap": 1})
    assert kinds(stood) == []
    with stood.reader.connect() as connection:
        assert connection.execute(select(func.count()).select_from(virtual_keys)).scalar() == 0


async def test_memory_is_refreshed_after_a_change(stood: Any) -> None:
    seen: list[str] = []

    async def changed() -> None:
        seen.append("changed")

    office = service.Office(stood.ledger, stood.office.peppers, stood.office.clock, stood.office.clean, changed=changed)
    made = await service.create_key(office, stood.actor, {})
    await service.block_key(office, stood.actor, made["id"])
    assert seen == ["changed", "changed"]


async def test_the_admin_key_of_the_data_folder_is_made_known_once(stood: Any, peppers: Any, clock: MovableClock) -> None:
    token = ids.token("lgk")
    for _ in range(3):
        await service.ensure_admin_key(stood.office, token)
    assert kinds(stood) == ["admin:key:create"]
    authenticator = Authenticator(stood.reader, peppers, clock)
    authenticator.refresh()
    caller = authenticator.authenticate(token)
    assert caller.key.role == "admin"
    await service.revoke_key(stood.office, stood.actor, caller.key.id)
    with pytest.raises(ConfigError, match=r"admin\.key"):
        await service.ensure_admin_key(stood.office, token)


async def test_workspaces_are_made_once(stood: Any, clock: MovableClock) -> None:
    made = await service.create_workspace(stood.office, stood.actor, {"slug": "lab", "policy": "strict", "budget": {"limit_usd": 5}})
    assert (made["slug"], made["policy"], made["budget"]["period"]) == ("lab", "strict", "total")
    with pytest.raises(BadRequest, match="slug"):
        await service.create_workspace(stood.office, stood.actor, {"slug": "lab"})
    with stood.reader.connect() as connection:
        assert [each["slug"] for each in service.list_workspaces(connection, clock.us)["data"]] == ["default", "lab"]


async def test_a_user_logs_in_and_out(stood: Any, peppers: Any, clock: MovableClock, tmp_path: Path) -> None:
    desk = people.FrontDesk(stood.office, stood.reader, FailureLimit(clock, limit=3))
    user = await people.create_user(stood.office, stood.actor, {"name": "ana", "role": "auditor", "password": PASSWORD})
    assert user["role"] == "auditor"
    opened = await people.log_in(desk, stood.actor, "ana", PASSWORD)
    sessions = Sessions(stood.reader, peppers, clock)
    sessions.refresh()
    session = sessions.current(opened["session"])
    assert (session.user, session.role) == ("ana", "auditor")
    assert people.session_view(session)["workspace"] is None
    await people.log_out(stood.office, stood.actor, opened["session"])
    sessions.refresh()
    with pytest.raises(KeyRejected):
        sessions.current(opened["session"])
    written = everything(stood, tmp_path)
    assert PASSWORD.encode() not in written
    assert opened["session"][4:24].encode() not in written
    assert b"$argon2id$" in written
    assert kinds(stood) == ["admin:user:create", "auth:session:open", "auth:session:close"]
    assert actor_of(stood, "auth:session:open") == "user:ana"


async def test_a_wrong_password_is_refused_written_down_and_slowed(stood: Any, clock: MovableClock) -> None:
    desk = people.FrontDesk(stood.office, stood.reader, FailureLimit(clock, limit=3))
    await people.create_user(stood.office, stood.actor, {"name": "ana", "password": PASSWORD})
    for name, password in (("ana", "wrong password"), ("nobody", PASSWORD), (PASSWORD, "ana")):
        with pytest.raises(KeyRejected) as caught:
            await people.log_in(desk, stood.actor, name, password)
        assert caught.value.code == "login_failed"
    with pytest.raises(RateLimited):
        await people.log_in(desk, stood.actor, "ana", "wrong again")
    assert kinds(stood).count("auth:session:reject") == 4
    with stood.reader.connect() as connection:
        details = list(connection.execute(select(events.c.detail)).scalars())
    assert PASSWORD not in "".join(details)


async def test_a_login_link_works_once_and_not_for_long(stood: Any, clock: MovableClock) -> None:
    desk = people.FrontDesk(stood.office, stood.reader, FailureLimit(clock))
    link = await people.make_link(stood.office, stood.actor, "operator", "admin")
    opened = await people.log_in_by_link(desk, stood.actor, link)
    assert (opened["name"], opened["role"]) == ("operator", "admin")
    assert actor_of(stood, "auth:session:open") == "user:operator"
    with pytest.raises(KeyRejected, match="not valid any more"):
        await people.log_in_by_link(desk, stood.actor, link)
    late = await people.make_link(stood.office, stood.actor, "operator", "admin")
    clock.move(3_601)
    with pytest.raises(KeyRejected):
        await people.log_in_by_link(desk, stood.actor, late)
    with pytest.raises(KeyRejected):
        await people.log_in_by_link(desk, stood.actor, opened["session"])


async def test_a_session_ends_by_itself_and_with_its_user(stood: Any, peppers: Any, clock: MovableClock) -> None:
    desk = people.FrontDesk(stood.office, stood.reader, FailureLimit(clock))
    sessions = Sessions(stood.reader, peppers, clock)
    await people.create_user(stood.office, stood.actor, {"name": "ana", "password": PASSWORD})
    first = (await people.log_in(desk, stood.actor, "ana", PASSWORD))["session"]
    sessions.refresh()
    sessions.current(first)
    clock.move(users.SESSION_US / 1_000_000)
    with pytest.raises(KeyRejected):
        sessions.current(first)
    second = (await people.log_in(desk, stood.actor, "ana", PASSWORD))["session"]
    await people.delete_user(stood.office, stood.actor, "ana")
    sessions.refresh()
    with pytest.raises(KeyRejected):
        sessions.current(second)
    with pytest.raises(BadRequest, match="no such user"):
        await people.delete_user(stood.office, stood.actor, "ana")
    with stood.reader.connect() as connection:
        assert people.list_users(connection)["data"] == []


async def test_a_stored_secret_is_named_and_never_shown(stood: Any, tmp_path: Path) -> None:
    keys = make_keys(os.urandom)
    value = "value-" + ids.token("x")
    for version in (1, 2):
        stored = await storing.store_secret(stood.office, stood.actor, keys, "OPENAI", value)
        assert (stored["name"], stored["version"]) == ("OPENAI", version)
    with stood.reader.connect() as connection:
        [listed] = storing.stored_names(connection)["data"]
    assert (listed["version"], listed["versions"], listed["created_by"]) == (2, 2, "tester")
    assert value.encode() not in everything(stood, tmp_path) + json.dumps(listed).encode()
    ref = SecretRef(slug="store:OPENAI", manager_type="local", secret_path="OPENAI")
    assert LocalVault(SqlRows(stood.reader), keys).fetch(ref).value == value
    await storing.remove_secret(stood.office, stood.actor, "OPENAI")
    with pytest.raises(BadRequest, match="no such secret"):
        await storing.remove_secret(stood.office, stood.actor, "OPENAI")
    with pytest.raises(BadRequest) as caught:
        await storing.store_secret(stood.office, stood.actor, keys, "bad name", value)
    assert value not in str(caught.value)


def test_a_password_fits_only_its_own_hash() -> None:
    stored = hash_password(PASSWORD)
    assert password_fits(stored, PASSWORD)
    assert not password_fits(stored, PASSWORD + "x")
    assert not password_fits(None, PASSWORD)
    assert not password_fits("damaged", PASSWORD)
