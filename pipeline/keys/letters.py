"""What people do about telemetry that was not delivered: send dead letters again, or give them (or what still waits) up.

Each transaction moves a bounded number of rows and writes its own event, which says how many, so that neither the writer is held
up nor anything moves unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest, plain_name
from pipeline.keys.service import Actor, Office, event
from pipeline.store.dead_letters import Letters, Moved, drop, drop_waiting, pick, pick_waiting, replay

LETTER_FIELDS: Final = frozenset({"destination", "signal", "reason", "from", "to", "ids"})
MAX_IDS: Final = 1_000
_SIGNALS: Final = ("traces", "logs", "metrics")

Picked = tuple[Moved, tuple[int, ...]]


class _ChangedError(Exception):
    """What was picked is not there any more: somebody else was quicker. Nothing was moved."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants moved. `waiting`: of what still waits, instead of dead letters."""

    letters: Letters
    waiting: bool = False


def read_letters(params: Mapping[str, Any]) -> Letters:
    """Read a filter of dead letters from query parameters or a body. BadRequest names the wrong field."""
    texts = {name: _text(params, name) for name in ("destination", "signal", "reason")}
    if texts["signal"] and texts["signal"] not in _SIGNALS:
        raise BadRequest("There is no such signal.", hint=f"Use one of {', '.join(_SIGNALS)}.", param="signal")
    return Letters(**texts, from_us=_time(params, "from"), to_us=_time(params, "to"), ids=_ids(params))


def read_order(body: Mapping[str, Any], *, may_wait: bool = False) -> Order:
    """Read the body of a replay or (`may_wait`) a drop: a filter, or `all: true`. Nothing at all is refused: it is never meant."""
    known = LETTER_FIELDS | {"all"} | ({"waiting"} if may_wait else set())
    for name in body:
        if name not in known:
            raise BadRequest("There is no such field here.", hint=f"Known are {', '.join(sorted(known))}.", param=plain_name(name))
    for name in ("all", "waiting"):
        if not isinstance(body.get(name, False), bool):
            raise BadRequest(f"{name} is true or false.", param=name)
    letters = read_letters(body)
    if not body.get("all") and letters == Letters():
        raise BadRequest("Say which: a destination, signal, reason, time or ids, or all of them.", hint='Send {"all": true}.')
    if body.get("waiting") and not letters.destination:
        raise BadRequest("Of what still waits only one destination's is given up.", param="destination")
    if body.get("waiting") and (letters.reason or letters.from_us or letters.to_us):
        raise BadRequest("What still waits has no reason and no burial.", hint="Choose by destination, signal and ids.", param="waiting")
    return Order(letters, bool(body.get("waiting")))


async def replay_letters(office: Office, actor: Actor, order: Order) -> dict[str, Any]:
    """Send dead letters again (`POST /v1/outbox/replay`): they go back to their places in the outbox, oldest first."""
    return await _move(office, actor, "replay", order, replay)


async def drop_letters(office: Office, actor: Actor, order: Order) -> dict[str, Any]:
    """Give dead letters, or what still waits for a destination, up for good (`POST /v1/outbox/drop`): rejected by policy."""
    if order.waiting:
        now_us = office.clock.now_us()
        return await _move(office, actor, "drop", order, lambda connection, ids: drop_waiting(connection, ids, now_us))
    return await _move(office, actor, "drop", order, drop)


async def _move(
    office: Office, actor: Actor, action: str, order: Order, move: Callable[[Connection, Sequence[int]], int]
) -> dict[str, Any]:
    """Move all that is there now, some rows a transaction. What is buried meanwhile, perhaps for the second time, is left."""
    now_us = office.clock.now_us()
    asked, source = order.letters, "waiting" if order.waiting else "dead_letters"
    until = Letters(asked.destination, asked.signal, asked.reason, asked.from_us, min(asked.to_us or now_us, now_us), asked.ids)
    rows = items = missed = 0

    def look(connection: Connection) -> Picked:
        return pick_waiting(connection, asked, now_us) if order.waiting else pick(connection, until)

    while missed < 3:
        moved, ids = await office.ledger.run(look)
        if not ids:
            break

        def apply(connection: Connection, ids: tuple[int, ...] = ids) -> None:
            if move(connection, ids) != len(ids):
                raise _ChangedError

        chosen = {name: value for name, value in asdict(asked).items() if value}
        detail: Any = {"of": source, **asdict(moved), "filter": {**chosen, "ids": len(asked.ids)} if asked.ids else chosen}
        try:
            await office.ledger.change(event(office, actor, f"admin:outbox:{action}", detail), apply)
        except _ChangedError:
            missed += 1
            continue
        rows, items, missed = rows + moved.rows, items + moved.items, 0
    return {"object": f"outbox.{action}", "of": source, "rows": rows, "items": items}


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name, "")
    if not isinstance(value, str) or len(value) > 255:
        raise BadRequest(f"{name} is a text of at most 255 characters.", param=name)
    return value.strip()


def _time(params: Mapping[str, Any], name: str) -> int:
    text = _text(params, name)
    try:
        return parse_rfc3339(text) if text else 0
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} is not a time.", hint="Write RFC 3339 or a date.", param=name) from None


def _ids(params: Mapping[str, Any]) -> tuple[int, ...]:
    value = params.get("ids", ())
    if isinstance(value, str):
        value = [int(part) if part.isascii() and part.isdigit() and len(part) < 19 else 0 for part in value.split(",") if part]
    if not isinstance(value, list | tuple) or len(value) > MAX_IDS or not all(map(_is_id, value)):
        raise BadRequest(f"ids are at most {MAX_IDS} whole numbers.", param="ids")
    return tuple(value)


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 62
