"""The evidence bundle: a ZIP with everything that an auditor needs who has neither the database nor us.

Format `lockgate-bundle/1`: `events/CHAIN.jsonl`, each chain's events of the period in order, widened to whole checkpoints, one line each
(canonical JSON with `hash` and `prev_hash` behind it, as the journal has them); `checkpoints.jsonl`; `verify.py`, the offline verifier;
`public-key.pem` when bundles are signed (for reference: an auditor uses the one that was handed over); `summary.pdf` and `README.txt`;
`manifest.json` with the SHA-256 of each of these, the chains with their ends, and the period; `manifest.sig`, Ed25519 over
`lockgate:audit-manifest:v1`, a line feed, and the manifest's bytes, base64. It is made in constant memory.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson
from sqlalchemy import Connection, Engine, func, select

from pipeline.ledger import offline_verifier
from pipeline.ledger.bundle_summary import Facts, summary_pdf
from pipeline.ledger.chain import canonical
from pipeline.ledger.copies import line_of
from pipeline.ledger.journal import event_line
from pipeline.ledger.signing import MANIFEST, Signer
from pipeline.store import checkpoints as sql
from pipeline.store.checkpoints import Stored
from pipeline.store.outflow import Outflow
from pipeline.store.tables import charges, events

FORMAT: Final = "lockgate-bundle/1"
_README: Final = """Evidence bundle of Lockgate ({format})

Period: {since} (included) to {until} (excluded), widened to whole checkpoints.
{events} events in {chains} chains, {points} checkpoints.

Verify it offline, with Python 3.11 or newer, the public key that was handed to you by another way, and, if you have one,
a copy of the checkpoints that was kept elsewhere:

    unzip -p BUNDLE.zip verify.py > verify.py
    python verify.py bundle BUNDLE.zip --public-key audit-key.pub.pem --checkpoints copies.jsonl

VERIFIED means: signed by that key, and no event in it was edited, deleted, inserted or reordered since. Read verify.py
before you trust it: a verifier of your own from this page and the format's description says the same.
"""


@dataclass(frozen=True, slots=True)
class Period:
    """From (included) to (excluded), microseconds since the epoch."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a chain."""

    chain: str
    first_seq: int
    last_seq: int


class _Archive:
    """A ZIP that flows out while it is written, and what its manifest says of each file."""

    def __init__(self, at_us: int) -> None:
        self.flow = Outflow()
        self._zip = zipfile.ZipFile(cast(IO[bytes], self.flow), "w", zipfile.ZIP_DEFLATED)
        self._when = time.gmtime(at_us / 1e6)[:6]
        self.files: list[dict[str, Any]] = []

    def add(self, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Write a file from its pieces; gives what has become of it so far."""
        digest, size = sha256(), 0
        info = zipfile.ZipInfo(name, self._when)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
                yield self.flow.taken()
        self.files.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})
        yield self.flow.taken()

    def end(self) -> bytes:
        """Write the directory."""
        self._zip.close()
        return self.flow.taken()


def stretches(engine: Engine, period: Period) -> list[Stretch]:
    """What of each chain belongs to a period, widened to whole checkpoints."""
    found = []
    with engine.connect() as connection:
        inside = (events.c.at_us >= period.from_us) & (events.c.at_us < period.to_us)
        query = select(events.c.chain, func.min(events.c.seq), func.max(events.c.seq)).where(inside).group_by(events.c.chain)
        for chain, first, last in connection.execute(query.order_by(events.c.chain)).all():
            below, above = sql.checkpoint_over(connection, chain, first), sql.checkpoint_over(connection, chain, last)
            found.append(Stretch(chain, below.first_seq if below else first, above.last_seq if above else last))
    return found


def bundle_pieces(engine: Engine, period: Period, *, made_us: int, signer: Signer | None, version: str) -> Iterator[bytes]:
    """The bundle, piece by piece. Reads in short transactions; events are only ever added, so the pieces fit together."""
    archive = _Archive(made_us)
    parts = stretches(engine, period)
    chains: list[dict[str, Any]] = []
    for part in parts:
        entry: dict[str, Any] = {"chain": part.chain, "file": f"events/{part.chain}.jsonl", "first_seq": part.first_seq}
        yield from archive.add(entry["file"], _events(engine, part, entry))
        chains.append(entry)
    points = [point for part in parts for point in _points(engine, part)]
    yield from archive.add("checkpoints.jsonl", map(line_of, points))
    yield from archive.add("verify.py", iter([Path(offline_verifier.__file__).read_bytes()]))
    if signer is not None:
        yield from archive.add("public-key.pem", iter([signer.public_pem.encode()]))
    facts = _facts(engine, period, chains, points, made_us, signer)
    yield from archive.add("README.txt", iter([_readme(facts).encode()]))
    pdf = summary_pdf(facts)
    if pdf is not None:
        yield from archive.add("summary.pdf", iter([pdf]))
    manifest = {
        "format": FORMAT,
        "made_us": made_us,
        "made_by": f"lockgate {version}",
        "from_us": period.from_us,
        "to_us": period.to_us,
        "chains": chains,
        "checkpoints": len(points),
        "files": list(archive.files),
        "key_id": signer.key_id if signer is not None else "",
        "omitted": [] if pdf is not None else ["summary.pdf: fpdf2 is not installed"],
    }
    raw = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    yield from archive.add("manifest.json", iter([raw]))
    signature = signer.sign(MANIFEST, raw) if signer is not None else ""
    yield from archive.add("manifest.sig", iter([signature.encode() + b"\n"]))
    yield archive.end()


def _events(engine: Engine, part: Stretch, entry: dict[str, Any]) -> Iterator[bytes]:
    after, count = part.first_seq - 1, 0
    while after < part.last_seq:
        with engine.connect() as connection:
            chunk = next(sql.chain_rows(connection, part.chain, after=after, last=part.last_seq), [])
        if not chunk:
            break
        if not count:
            entry["prev_hash"] = chunk[0][17]
        count += len(chunk)
        after = chunk[-1][12]
        entry.update(last_seq=after, hash=chunk[-1][18], events=count)
        yield b"".join(event_line(row, canonical(row[:17])) for row in chunk)


def _points(engine: Engine, part: Stretch) -> list[Stored]:
    """The checkpoints of a stretch. One that was made after the stretch was chosen may reach beyond it: it belongs to a later bundle."""
    with engine.connect() as connection:
        found = sql.checkpoints_of(connection, part.chain, first_seq=part.first_seq, last_seq=part.last_seq)
        return [point for point in found if point.last_seq <= part.last_seq]


def _facts(
    engine: Engine, period: Period, chains: list[dict[str, Any]], points: list[Stored], made_us: int, signer: Signer | None
) -> Facts:
    with engine.connect() as connection:
        kinds = _kinds(connection, period)
        spent = select(func.count(), func.coalesce(func.sum(charges.c.cost_micros), 0))
        number, micros = connection.execute(spent.where(charges.c.at_us >= period.from_us, charges.c.at_us < period.to_us)).one()
    key_id = signer.key_id if signer is not None else ""
    return Facts(period.from_us, period.to_us, made_us, tuple(chains), len(points), kinds, int(number), int(micros), key_id)


def _kinds(connection: Connection, period: Period) -> tuple[tuple[str, str, int], ...]:
    query = select(events.c.kind, events.c.outcome, func.count()).where(events.c.at_us >= period.from_us, events.c.at_us < period.to_us)
    rows = connection.execute(query.group_by(events.c.kind, events.c.outcome).order_by(events.c.kind, events.c.outcome))
    return tuple((kind, outcome, int(count)) for kind, outcome, count in rows)


def _readme(facts: Facts) -> str:
    return _README.format(
        format=FORMAT, since=facts.since, until=facts.until, events=facts.events, chains=len(facts.chains), points=facts.points
    )
