"""People who look at the dashboard: users, one-time login links and sessions. Functions over a SQLAlchemy Connection.

Passwords are argon2id; links and sessions are bearer tokens of which only the HMAC is stored, like virtual keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, cast

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.errors import BadRequest, KeyRejected
from pipeline.keys.model import Reach, Role
from pipeline.keys.pepper import Peppers
from pipeline.keys.revisions import LOGINS, bump
from pipeline.keys.workspaces import workspace_by_slug
from pipeline.store.tables import logins, users, workspaces

SESSION_US: Final = 12 * 3_600 * 1_000_000
LINK_US: Final = 3_600 * 1_000_000
SESSION_PREFIX: Final = "lgs"
LINK_PREFIX: Final = "lgl"

_U = users.c
_L = logins.c


@dataclass(frozen=True, slots=True)
class User:
    """A person, without the password. Times are epoch microseconds, 0 for never. `workspace`: the slug of a manager's."""

    name: str
    role: Role
    status: str
    created_us: int
    last_login_us: int
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A proven login: who, as what, until when (epoch microseconds); for a manager the workspace (id and slug) that they manage."""

    user: str
    role: Role
    expires_us: int
    workspace_id: str = ""
    workspace: str = ""


def create_user(connection: Connection, name: str, role: Role, password_hash: str, *, now_us: int, workspace: str = "") -> User:
    """Store a user, a manager with the slug of their workspace. `password_hash` comes from `keys.passwords.hash_password`.

    BadRequest when the name is in use or there is no such workspace.
    """
    if connection.execute(select(_U.name).where(_U.name == name)).first() is not None:
        raise BadRequest(
            "There is a user with that name.", hint="Remove it first, or choose another.", code="user_exists", status=409, param="name"
        )
    managed = workspace_by_slug(connection, workspace, Reach()).id if workspace else ""
    values = {"password_hash": password_hash, "status": "active", "created_us": now_us, "workspace_id": managed}
    connection.execute(insert(users).values(name=name, role=role, **values))
    return User(name, role, "active", now_us, 0, workspace)


def delete_user(connection: Connection, name: str) -> None:
    """Remove a user and end their sessions. BadRequest (404) when there is none."""
    if connection.execute(delete(users).where(_U.name == name)).rowcount == 0:
        raise BadRequest("There is no such user.", hint="`lockgate users list` shows them.", code="user_not_found", status=404)
    connection.execute(delete(logins).where(_L.user_name == name))
    bump(connection, LOGINS)


def list_users(connection: Connection) -> tuple[User, ...]:
    """All users, by name."""
    columns = (_U.name, _U.role, _U.status, _U.created_us, _U.last_login_us, workspaces.c.slug)
    query = select(*columns).outerjoin(workspaces, workspaces.c.id == _U.workspace_id).order_by(_U.name)
    return tuple(
        User(row.name, cast(Role, row.role), row.status, row.created_us, row.last_login_us, row.slug or "")
        for row in connection.execute(query)
    )


def password_of(connection: Connection, name: str) -> tuple[str, Role] | None:
    """The stored hash and the role of an active user, for the check that happens outside the transaction; None when there is none."""
    row = connection.execute(select(_U.password_hash, _U.role).where(_U.name == name, _U.status == "active")).first()
    return None if row is None else (row.password_hash, cast(Role, row.role))


def create_link(connection: Connection, peppers: Peppers, token: str, user: str, role: Role, *, now_us: int, ttl_us: int = LINK_US) -> None:
    """Store a one-time login link; `user` need not be in `users` (the operator at the terminal is not)."""
    _forget_old(connection, now_us)
    _insert(connection, peppers.digest(token)[1], "link", Session(user, role, now_us + ttl_us), now_us)


def link_holder(connection: Connection, peppers: Peppers, link: str) -> str:
    """Whom a login link lets in, for the audit event of its use; "" when it is none of ours. Whether it is good, `redeem_link` decides."""
    query = select(_L.user_name).where(_L.digest.in_(peppers.candidates(link)), _L.kind == "link")
    return str(connection.execute(query).scalar() or "")


def redeem_link(connection: Connection, peppers: Peppers, link: str, session: str, *, now_us: int, session_us: int = SESSION_US) -> Session:
    """Use a login link up and open a session. KeyRejected when it is unknown, used or too old."""
    query = select(logins).where(_L.digest.in_(peppers.candidates(link)), _L.kind == "link").with_for_update()
    row = connection.execute(query).first()
    if row is None or row.used_us or row.expires_us <= now_us:
        raise KeyRejected("This login link is not valid any more.", hint="Each works once. `lockgate up` prints a new one.")
    connection.execute(update(logins).where(_L.digest == row.digest).values(used_us=now_us))
    return open_session(connection, peppers, session, row.user_name, cast(Role, row.role), now_us=now_us, session_us=session_us)


def open_session(
    connection: Connection, peppers: Peppers, token: str, user: str, role: Role, *, now_us: int, session_us: int = SESSION_US
) -> Session:
    """Store a session under the digest of its token."""
    _forget_old(connection, now_us)
    session = Session(user, role, now_us + session_us)
    _insert(connection, peppers.digest(token)[1], "session", session, now_us)
    managed = select(workspaces.c.id, workspaces.c.slug).join(users, _U.workspace_id == workspaces.c.id).where(_U.name == user)
    found = connection.execute(managed).first()
    if found is not None and role == "manager":
        session = replace(session, workspace_id=found.id, workspace=found.slug)
    connection.execute(update(users).where(_U.name == user).values(last_login_us=now_us))
    bump(connection, LOGINS)
    return session


def close_session(connection: Connection, peppers: Peppers, token: str) -> bool:
    """End a session; says whether there was one."""
    ended = connection.execute(delete(logins).where(_L.digest.in_(peppers.candidates(token)), _L.kind == "session")).rowcount > 0
    if ended:
        bump(connection, LOGINS)
    return ended


def load_sessions(connection: Connection, now_us: int) -> dict[str, Session]:
    """The sessions that are good now, by digest."""
    columns = (_L.digest, _L.user_name, _L.role, _L.expires_us, workspaces.c.id.label("workspace_id"), workspaces.c.slug)
    joined = select(*columns).outerjoin(users, _U.name == _L.user_name).outerjoin(workspaces, workspaces.c.id == _U.workspace_id)
    rows = connection.execute(joined.where(_L.kind == "session", _L.expires_us > now_us)).all()
    return {row.digest: Session(row.user_name, cast(Role, row.role), row.expires_us, *_managed(row)) for row in rows}


def _managed(row: Any) -> tuple[str, str]:
    return (row.workspace_id or "", row.slug or "") if row.role == "manager" else ("", "")


def _insert(connection: Connection, digest: str, kind: str, session: Session, now_us: int) -> None:
    times = {"created_us": now_us, "expires_us": session.expires_us, "used_us": 0}
    connection.execute(insert(logins).values(digest=digest, kind=kind, user_name=session.user, role=session.role, **times))


def _forget_old(connection: Connection, now_us: int) -> None:
    connection.execute(delete(logins).where(_L.expires_us <= now_us))
