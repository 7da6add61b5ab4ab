"""Tells alerts about money where the document says: routed, leased, sent, tried again; blocks keys by choice; looks for unusual spending.

Durable and shared like the outbox: what is to be told stands in SQL, any worker sends it, and a crash tells it again rather than never.
What leaves is ids and numbers, goes through redaction like everything else, and is looked at once more as bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import Connection, Engine

from pipeline.bootstrap.compile import References
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Swapped
from pipeline.clock import Clock
from pipeline.config.alerts import AlertDestinationSection, AlertsSection, check_address
from pipeline.errors import PipelineError
from pipeline.keys.alert_messages import chat_text, envelope, webhook_headers
from pipeline.keys.alerts import block_for, note_spike
from pipeline.keys.budget_views import alert_view
from pipeline.keys.service import Office
from pipeline.ledger.anomalies import spikes
from pipeline.ledger.ledger import DurableLedger
from pipeline.store import alerts as rows
from pipeline.vaults.resolver import SYSTEM, Resolver

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger("lockgate.alerts")

LOOK_EVERY_S: Final = 2.0
SPIKES_EVERY_S: Final = 60.0
LEASE_US: Final = 120_000_000
FIRST_RETRY_S: Final = 5
MOST_RETRY_S: Final = 2 * 3_600


@dataclass(frozen=True, slots=True)
class AlertDesk:
    """What alerts need of the house. `section` and `references` give those of the document in force."""

    ledger: DurableLedger
    office: Office
    reader: Engine
    clock: Clock
    resolver: Resolver
    section: Callable[[], AlertsSection]
    references: Callable[[], References]
    is_dirty: Callable[[bytes], bool] = field(repr=False)


def alert_desk(core: Core, swapped: Swapped, resolver: Resolver, office: Office) -> AlertDesk:
    """What alerts need, of the parts of a gateway."""
    return AlertDesk(
        ledger=core.ledger,
        office=office,
        reader=core.reader,
        clock=core.clock,
        resolver=resolver,
        section=lambda: swapped.document.alerts,
        references=lambda: swapped.references,
        is_dirty=core.redaction.is_dirty,
    )


async def tell_alerts(desk: AlertDesk) -> None:
    """Route and send what waits, every two seconds, until cancelled. What fails is tried again in the next round."""
    sender = Sender(desk)
    try:
        while True:
            try:
                await tell_once(desk, sender)
            except Exception as error:  # noqa: BLE001 - the store may be away in many ways; the next round comes
                log.debug("alerts wait", extra={"error_type": type(error).__name__})
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await sender.close()


async def tell_once(desk: AlertDesk, sender: Sender) -> int:
    """One round; says how many deliveries were made. Raises LedgerError and database errors."""
    now_us = desk.clock.now_us()
    if not await asyncio.to_thread(_ask, desk.reader, partial(rows.waits, now_us=now_us)):
        return 0
    section = desk.section()
    found = await asyncio.to_thread(_ask, desk.reader, rows.unrouted)
    for alert in found:
        if alert.kind in section.block_key_on:
            await block_for(desk.office, alert)
        names = [each.id for each in section.destinations if alert.kind in each.kinds]
        await desk.ledger.run(partial(rows.route, ids=[alert.id], destinations=names, now_us=now_us))
    made = 0
    for leased in await desk.ledger.run(partial(rows.claim, now_us=now_us, lease_us=LEASE_US)):
        made += await _deliver(desk, sender, leased)
    return made


async def watch_spending(desk: AlertDesk) -> None:
    """Look once a minute for keys that spend as they never did, until cancelled."""
    while True:
        await asyncio.sleep(SPIKES_EVERY_S)
        try:
            await look_for_spikes(desk)
        except Exception as error:  # noqa: BLE001 - the store may be away in many ways; the next round comes
            log.debug("spending was not looked at", extra={"error_type": type(error).__name__})


async def look_for_spikes(desk: AlertDesk) -> int:
    """One look; says how many new alerts came of it."""
    wanted = desk.section().anomaly
    if not wanted.enabled:
        return 0
    now_us = desk.clock.now_us()
    look = partial(spikes, now_us=now_us, least_micros=int(wanted.min_usd * 1_000_000), threshold=wanted.score)
    return sum([await note_spike(desk.office, spike) for spike in await asyncio.to_thread(_ask, desk.reader, look)])


class Sender:
    """Sends one alert to one destination. The connection pool is opened with the first."""

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk
        self._session: aiohttp.ClientSession | None = None

    async def send(self, section: AlertDestinationSection, alert: Any) -> str:
        """Send; gives "" when it was taken, else why not (`gone` when it never will be). Raises nothing but cancellation."""
        desk = self._desk
        view = desk.office.clean(alert_view(alert)).value
        if not isinstance(view, dict):
            return "redaction"
        if section.type == "log":
            log.warning(chat_text(view))
            return ""
        body = orjson.dumps(envelope(view) if section.type == "webhook" else {"text": chat_text(view)})
        if desk.is_dirty(body):
            return "live_secret"
        try:
            url, headers = await self._addressed(section, alert.id, body)
        except (PipelineError, KeyError):
            return "reference"
        except ValueError:
            return "address"
        return await self._post(url, headers, body, section.timeout_s)

    async def _addressed(self, section: AlertDestinationSection, alert_id: str, body: bytes) -> tuple[str, dict[str, str]]:
        references, resolver = self._desk.references().alerts, self._desk.resolver
        url = section.url or (await resolver.resolve(references[section.id, "url_ref"], SYSTEM)).reveal().strip()
        check_address(url)
        headers = {"content-type": "application/json"}
        if section.type == "webhook":
            secret = (await resolver.resolve(references[section.id, "secret_key_ref"], SYSTEM)).reveal().strip()
            headers |= webhook_headers(secret, f"msg_{alert_id}", self._desk.clock.now_us() // 1_000_000, body)
        return url, headers

    async def _post(self, url: str, headers: dict[str, str], body: bytes, timeout_s: float) -> str:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False, timeout=limit) as answer:
                if 200 <= answer.status < 300:
                    return ""
                return "gone" if answer.status == 410 else f"http_{answer.status}"
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientError, OSError, ValueError):  # their texts may quote the address, which may be a secret
            return "connect"

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


async def _deliver(desk: AlertDesk, sender: Sender, leased: rows.Leased) -> int:
    section = desk.section()
    to = next((each for each in section.destinations if each.id == leased.destination), None)
    reason = "no_destination" if to is None else await _sent(sender, to, leased.alert)
    now_us = desk.clock.now_us()
    if not reason:
        await desk.ledger.run(partial(rows.ended, leased=leased, state="delivered", now_us=now_us))
        return 1
    if reason in ("gone", "no_destination") or leased.attempts + 1 >= section.max_attempts:
        log.warning("an alert was given up", extra={"destination": leased.destination, "reason": reason})
        await desk.ledger.run(partial(rows.ended, leased=leased, state="dead", now_us=now_us, reason=reason))
        return 0
    wait_s = min(MOST_RETRY_S, FIRST_RETRY_S * 2**leased.attempts)
    await desk.ledger.run(partial(rows.again, leased=leased, due_us=now_us + wait_s * 1_000_000, reason=reason))
    return 0


async def _sent(sender: Sender, to: AlertDestinationSection, alert: Any) -> str:
    try:
        return await sender.send(to, alert)
    except Exception:  # noqa: BLE001 - whatever a resolver or redaction does: the others are sent, and this one counts as tried
        return "failed"


def _ask(engine: Engine, read: Callable[[Connection], Any]) -> Any:
    with engine.connect() as connection:
        return read(connection)
