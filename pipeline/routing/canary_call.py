"""Makes canary calls: a session of their own, a deadline for each, nothing followed and nothing kept of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from pipeline.clock import Clock
from pipeline.routing.canary import NOTES, Called, Errand, Verdict, errands_of, judge
from pipeline.routing.canary_keys import Keyed
from pipeline.routing.model import Target

if TYPE_CHECKING:
    from aiohttp import ClientSession

DEADLINE_S: Final = 5.0
"""Seconds for one request, from the look-up of the name to the first bytes of the answer's body."""

AT_ONCE: Final = 4
_HEAD: Final = 64
"""Bytes of an answer that are read: enough to see that it is JSON."""


async def call_canaries(keyed: Iterable[Keyed], base_of: Callable[[Target], str | None], clock: Clock) -> list[Called]:
    """Ask the provider of every target with its key, once for each address. Raises nothing; a verdict for each target, asked or not."""
    import aiohttp

    errands, told = await asyncio.to_thread(errands_of, keyed, base_of)  # a signature loads botocore
    if not errands:
        return told
    places = asyncio.Semaphore(AT_ONCE)
    connector = aiohttp.TCPConnector(limit=AT_ONCE, force_close=True)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        max_line_size=16_384,
        max_field_size=16_384,
    ) as session:

        async def one(errand: Errand) -> list[Called]:
            async with places:
                return await _run(session, errand, clock)

        found = await asyncio.gather(*map(one, errands))
    return [*(called for several in found for called in several), *told]


async def _run(session: ClientSession, errand: Errand, clock: Clock) -> list[Called]:
    canary, started = errand.canary, clock.monotonic()
    status, is_json, error_type = await _get(session, canary.url, {**canary.bare, **canary.credentials})
    verdict: Verdict = judge(canary.way, status, is_json=is_json, error_type=error_type) if status else "unreachable"
    latency_us = int((clock.monotonic() - started) * 1_000_000)
    if verdict == "works" and canary.control:
        without, _, _ = await _get(session, canary.url, canary.bare)
        # Only a refusal without the key makes the answer with it a proof.
        verdict = "works" if without in canary.way.bad | {401, 403} else "unsupported" if 200 <= without < 300 else "unreachable"
    return [Called(target.id, target.provider, verdict, status, latency_us, NOTES[verdict]) for target in errand.targets]


async def _get(session: ClientSession, url: str, headers: Mapping[str, str]) -> tuple[int, bool, str]:
    """The status (0 when none came in time), whether the body begins as JSON does, and AWS's error type."""
    import aiohttp
    from yarl import URL

    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    try:
        async with session.get(URL(url, encoded=True), headers=headers, allow_redirects=False, timeout=timeout) as response:
            head = await response.content.read(_HEAD) if response.status < 300 else b""
            return response.status, head.lstrip()[:1] in (b"{", b"["), response.headers.get("x-amzn-errortype", "")
    except (aiohttp.ClientError, OSError, ValueError):
        # ValueError: an address or header that aiohttp refuses; TimeoutError is an OSError
        return 0, False, ""
