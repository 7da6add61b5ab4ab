"""OTLP over HTTP: one POST of protobuf, judged by its status.

Only 2xx is success, and even then a partial success may refuse items. Redirects are not followed: telemetry goes where
the configuration says. Source: opentelemetry.io/docs/specs/otlp, section OTLP/HTTP.
"""

from __future__ import annotations

import asyncio
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from collectors.model import Signal
from collectors.otlp.answers import rejected_items
from collectors.otlp.certificates import certificates_of, client_context
from collectors.otlp.destination import Destination, Sent, batch_id, revealed

if TYPE_CHECKING:
    import aiohttp

_MAX_ANSWER: Final = 65_536
_COMPRESS_INLINE: Final = 32_768  # larger payloads are compressed in a thread; zlib lets go of the interpreter lock
_MAX_AFTER_S: Final = 3_600.0


class HttpSender:
    """Sends to one destination. The connection pool is opened with the first batch, in the running loop."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()  # several signals share a sender

    async def send(self, signal: Signal, payload: bytes) -> Sent:
        """Send one serialized request; raises nothing but cancellation."""
        import aiohttp

        destination = self._destination
        try:
            headers = await revealed(destination.headers)
        except Exception:  # noqa: BLE001 - a resolver may fail in any way of its own; without its header nothing is sent
            return Sent("retry", "header_reference")
        try:
            session = await self._open()
        except (OSError, ValueError):
            return Sent("retry", "tls_files")  # a certificate or key that is not there or is none; its texts may quote a path
        except Exception:  # noqa: BLE001 - the key's resolver may fail in any way of its own
            return Sent("retry", "tls_reference")
        headers["x-lockgate-batch-id"] = batch_id(payload)
        headers["Content-Type"] = "application/x-protobuf"
        body = payload
        if destination.compression == "gzip":
            headers["Content-Encoding"] = "gzip"
            body = gzipped(payload) if len(payload) < _COMPRESS_INLINE else await asyncio.to_thread(gzipped, payload)
        try:
            async with session.post(
                destination.url(signal),
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=destination.timeout_s),
            ) as answer:
                return judged(signal, answer.status, answer.headers, await _read(answer.content))
        except TimeoutError:
            return Sent("retry", "timeout")
        except (aiohttp.ClientError, OSError, RuntimeError):  # RuntimeError: another signal's failure closed the session
            if destination.endpoint.startswith("https:"):
                await self.close()  # the next connection is made with what the certificates' files say then
            return Sent("retry", "connect")

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        async with self._opening:
            if self._session is None:
                connector = aiohttp.TCPConnector(limit=4, ssl=await _tls(self._destination))
                # No cookies, no proxies or .netrc from the environment: a destination gets what its configuration says.
                self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
            return self._session


def gzipped(payload: bytes) -> bytes:
    """Compress with gzip, level 1: telemetry compresses well, and the rest of the levels costs more than it saves."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    return squeeze.compress(payload) + squeeze.flush()


def judged(signal: Signal, status: int, headers: Any, body: bytes) -> Sent:
    """What an HTTP answer means for the batch."""
    if 200 <= status < 300:
        media_type = str(headers.get("Content-Type", ""))
        return Sent("delivered", rejected=rejected_items(signal, body, is_json="json" in media_type))
    reason = f"http_{status}"
    if status == 413:
        return Sent("split", reason)
    if status in (408, 429) or status >= 500 or status < 400:
        # A redirect is a wrong address or a door that is shut for now; the data waits until somebody looks.
        return Sent("retry", reason, after_s=retry_after(str(headers.get("Retry-After", "")), datetime.now(UTC)))
    return Sent("bury", reason)


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds from a `Retry-After` header (RFC 9110: seconds or an HTTP date), at most an hour; None when it says nothing."""
    value = value.strip()
    if value.isdigit():
        return min(float(value), _MAX_AFTER_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), _MAX_AFTER_S)


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The answer, as far as it is looked at."""
    pieces = bytearray()
    while len(pieces) < _MAX_ANSWER:
        piece = await content.read(_MAX_ANSWER - len(pieces))
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


async def _tls(destination: Destination) -> Any:
    if not destination.endpoint.startswith("https:"):
        return True
    certificates = await certificates_of(destination)
    return await asyncio.to_thread(client_context, certificates)
