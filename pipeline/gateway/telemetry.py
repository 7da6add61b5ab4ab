"""`POST /v1/traces`, `/v1/logs`, `/v1/metrics`: OTLP over HTTP, protobuf or JSON, for any program that has a virtual key.

A program needs nothing but `OTEL_EXPORTER_OTLP_ENDPOINT` and a header. Errors come as `google.rpc.Status` in the request's own encoding;
which may be sent again is said by the status, as the protocol has it (429, 502, 503, 504 and nothing else).
"""

from __future__ import annotations

from typing import Final

from collectors.model import Signal
from collectors.otlp.bodies import MEDIA, Encoding, encoding_of
from collectors.otlp.replies import accepted, failed
from pipeline.errors import BadRequest, PipelineError
from pipeline.gateway.accepting import caller_of, destinations_for, take_in
from pipeline.gateway.auth import bearer
from pipeline.gateway.error_table import failed as defect
from pipeline.gateway.error_table import render
from pipeline.gateway.http import ClientDisconnected, Receive, Send, header_list, read_raw, send_bytes
from pipeline.gateway.intake import Sent
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Who
from pipeline.keys.lineage_limits import take_exports

SIGNALS: Final[dict[str, Signal]] = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}
READS: Final = tuple(MEDIA.values())


async def receive_telemetry(house: House, request: AdminRequest, _who: Who | None, receive: Receive, send: Send) -> None:
    """Take spans, log records or data points of any program; redacted under the policy of its key, then forwarded from the outbox.

    The body is an OTLP `Export…ServiceRequest` (application/x-protobuf, or application/json). 200 means that it is durably kept.
    """
    signal = SIGNALS[request.path]
    encoding = encoding_of(request.headers.get(b"content-type"))
    said: Encoding = encoding or "json"
    try:
        caller = await caller_of(house, bearer(request.headers), request.peer)
        if encoding is None:
            raise BadRequest(
                "The content type is no encoding of OTLP.",
                hint="Send application/x-protobuf or application/json.",
                code="unsupported_media_type",
                status=415,
            )
        destinations = destinations_for(house, caller, signal)
        with house.load.place(), house.intake.place():
            take_exports(house.rates, caller)
            body = await read_raw(receive, request.headers, house.limits, most=house.intake.limits.sent_bytes)
            coding = request.headers.get(b"content-encoding")
            done = await take_in(house, caller, Sent(signal, encoding, coding, body, request.request_id, request.peer), destinations)
        content = accepted(signal, encoding, done.rejected)
    except ClientDisconnected:
        raise
    except PipelineError as error:
        await _refuse(send, said, error, request.request_id)
        raise  # it is written down where every refusal of a request is
    except Exception:
        await _refuse(send, said, defect(), request.request_id)
        raise
    await send_bytes(send, 200, content, [(b"content-type", MEDIA[encoding].encode())])


async def _refuse(send: Send, encoding: Encoding, error: PipelineError, request_id: str) -> None:
    rendered = render(error, "openai", request_id)
    after = rendered.headers.get("retry-after")
    message = error.message if not error.hint else f"{error.message} {error.hint}"
    body = failed(encoding, rendered.status, message, float(after) if after else None)
    headers = header_list({name: value for name, value in rendered.headers.items() if name in _SPOKEN})
    await send_bytes(send, rendered.status, body, [(b"content-type", MEDIA[encoding].encode()), *headers])


_SPOKEN: Final = frozenset({"retry-after", "www-authenticate"})
