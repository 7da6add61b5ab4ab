"""`GET /v1/audit/export`: the audit in formats that others read, and the evidence bundle. Written down before the first byte is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from pipeline.errors import BadRequest
from pipeline.gateway.admin_proof import of_installation
from pipeline.gateway.admin_reads import apart, reads_for
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.keys.signing_key import signer_by
from pipeline.ledger.bundle import Period, bundle_pieces
from pipeline.store.formats.catalog import FORMATS
from pipeline.store.read_model import Filter, parse_filter
from pipeline.version import VERSION

BUNDLE: Final = "bundle"
_PIECE: Final = 128 * 1024


async def export(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/audit/export?format=bundle|csv|json|parquet|ocsf|ecs|cef|cloudevents`, with the filters of `/v1/audit/events`."""
    params = request.query()
    form = params.pop("format", "csv")
    if form not in FORMATS and form != BUNDLE:
        raise BadRequest("There is no such format.", hint=f"Use one of {', '.join((BUNDLE, *FORMATS))}.", param="format")
    asked = parse_filter(params)
    detail = {"what": "events", "format": form, "filter": params}
    if form == BUNDLE:
        return await _bundle(house, request, who, asked, detail)
    await house.ledger.append(admin_event(house, request, who, "audit:export:create", "ok", detail))
    found = FORMATS[form]
    pieces = found.pieces(reads_for(house, who).iterate_events(asked))
    return _sent(house, pieces, found.media_type, f"events.{found.extension}")


async def _bundle(house: House, request: AdminRequest, who: Who | None, asked: Filter, detail: dict[str, Any]) -> Reply:
    of_installation(who)
    period = bundle_period(asked, house.clock.now_us())
    signer = await signer_by(house.desk.references().signing_key, house.desk.resolver)
    noted = {**detail, "signed_by": signer.key_id if signer is not None else ""}
    await house.ledger.append(admin_event(house, request, who, "audit:export:create", "ok", noted))
    pieces = bundle_pieces(house.desk.reader, period, made_us=house.clock.now_us(), signer=signer, version=VERSION)
    return _sent(house, pieces, "application/zip", "evidence.zip")


def bundle_period(asked: Filter, now_us: int) -> Period:
    """The period of a bundle. BadRequest for any other filter: what is left out of a chain cannot be proven."""
    if asked != Filter().between(asked.from_us, asked.to_us):
        raise BadRequest("A bundle holds whole chains: it is chosen by `from` and `to` alone.", hint="Use another format for filters.")
    return Period(asked.from_us, asked.to_us or now_us + 1)


def _sent(house: House, pieces: Iterator[bytes], media_type: str, name: str) -> Reply:
    return Reply(
        content=_streamed(house, pieces), content_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


async def _streamed(house: House, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pull on a worker thread, a block at a time: constant memory, and the event loop is never blocked."""

    def block() -> tuple[bytes, bool]:
        parts, size = [], 0
        for piece in pieces:
            parts.append(piece)
            size += len(piece)
            if size >= _PIECE:
                return b"".join(parts), True
        return b"".join(parts), False

    more = True
    while more:
        data, more = await apart(house, block)
        if data:
            yield data
