"""What is done about people: users, logins and logouts, each with its audit event. For the admin API and the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine

from pipeline.clock import rfc3339
from pipeline.errors import KeyRejected
from pipeline.keys import users
from pipeline.keys.failures import FailureLimit
from pipeline.keys.model import Role
from pipeline.keys.passwords import hash_password, password_fits
from pipeline.keys.requests import read_new_user
from pipeline.keys.service import Actor, Office, event, refuse_secrets
from pipeline.keys.users import LINK_PREFIX, SESSION_PREFIX, Session
from pipeline.keys.views import user_view

HASHES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class FrontDesk:
    """What logging in works with: the office, a reading engine, and how many failures an address may have."""

    office: Office
    engine: Engine
    failures: FailureLimit
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HASHES_AT_ONCE))


async def create_user(office: Office, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a user (`POST /v1/users`)."""
    new, now_us = read_new_user(body), office.clock.now_us()
    refuse_secrets(office, name=new.name)
    hashed = await asyncio.to_thread(hash_password, new.password)

    def apply(connection: Connection) -> dict[str, Any]:
        return user_view(users.create_user(connection, new.name, new.role, hashed, now_us=now_us, workspace=new.workspace))

    return await office.ledger.change(
        event(office, actor, "admin:user:create", {"user": new.name, "role": new.role, "workspace": new.workspace}), apply
    )


async def delete_user(office: Office, actor: Actor, name: str) -> None:
    """Remove a user and end their sessions (`DELETE /v1/users/{name}`)."""
    await office.ledger.change(
        event(office, actor, "admin:user:delete", {"user": name}), lambda connection: users.delete_user(connection, name)
    )
    await office.changed()


def list_users(connection: Connection) -> dict[str, Any]:
    """All users (`GET /v1/users`). Over a reading connection."""
    return {"object": "list", "data": [user_view(user) for user in users.list_users(connection)]}


async def make_link(office: Office, actor: Actor, user: str, role: Role) -> str:
    """Make a one-time login link's token, for the operator at the terminal."""
    token, now_us = office.new_token(LINK_PREFIX), office.clock.now_us()

    def apply(connection: Connection) -> None:
        users.create_link(connection, office.peppers, token, user, role, now_us=now_us)

    await office.ledger.change(event(office, actor, "auth:link:create", {"user": user, "role": role}), apply)
    return token


async def log_in(desk: FrontDesk, actor: Actor, name: str, password: str) -> dict[str, Any]:
    """Open a session for a name and a password. KeyRejected when they do not fit, RateLimited after too many; both are written down."""
    found = await asyncio.to_thread(_stored, desk.engine, name)
    async with desk.hashing:
        fits = await asyncio.to_thread(password_fits, found[0] if found else None, password)
    if not fits or found is None:
        await _refused(desk, actor)
        raise KeyRejected("Name or password is wrong.", code="login_failed")
    office, token, now_us, role = desk.office, desk.office.new_token(SESSION_PREFIX), desk.office.clock.now_us(), found[1]

    def apply(connection: Connection) -> Session:
        return users.open_session(connection, office.peppers, token, name, role, now_us=now_us)

    opened = event(office, replace(actor, id=f"user:{name}"), "auth:session:open", {"user": name, "role": role, "by": "password"})
    session = await office.ledger.change(opened, apply)
    await office.changed()
    return _shown(token, session)


async def log_in_by_link(desk: FrontDesk, actor: Actor, link: str) -> dict[str, Any]:
    """Use a one-time link up and open a session. KeyRejected when it is not good; that is written down too."""
    office, token, now_us = desk.office, desk.office.new_token(SESSION_PREFIX), desk.office.clock.now_us()

    def apply(connection: Connection) -> Session:
        return users.redeem_link(connection, office.peppers, link, token, now_us=now_us)

    holder = await asyncio.to_thread(_holder, desk, link)
    who = replace(actor, id=f"user:{holder}") if holder else actor
    try:
        session = await office.ledger.change(event(office, who, "auth:session:open", {"user": holder, "by": "link"}), apply)
    except KeyRejected:
        await _refused(desk, actor)
        raise
    await office.changed()
    return _shown(token, session)


async def log_out(office: Office, actor: Actor, token: str) -> None:
    """End a session. Idempotent."""
    await office.ledger.change(
        event(office, actor, "auth:session:close", {}), lambda connection: users.close_session(connection, office.peppers, token)
    )
    await office.changed()


def session_view(session: Session) -> dict[str, Any]:
    """A session as the dashboard sees it; without its token."""
    return {"name": session.user, "role": session.role, "workspace": session.workspace or None, "expires_at": rfc3339(session.expires_us)}


def _shown(token: str, session: Session) -> dict[str, Any]:
    return {"session": token, **session_view(session)}


async def _refused(desk: FrontDesk, actor: Actor) -> None:
    """Count a failed login (RateLimited beyond the limit) and write it down. The name is left out: people type passwords into it."""
    refusal = event(desk.office, actor, "auth:session:reject", {}, outcome="refused")
    await desk.office.ledger.change(refusal, lambda _connection: None)
    desk.failures.failed(actor.peer)


def _holder(desk: FrontDesk, link: str) -> str:
    with desk.engine.connect() as connection:
        return users.link_holder(connection, desk.office.peppers, link)


def _stored(engine: Engine, name: str) -> tuple[str, Role] | None:
    with engine.connect() as connection:
        return users.password_of(connection, name)
