"""Reading the journal: what it says happened, whether it was touched, and what the database still lacks of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from pipeline.ledger.chain import FIELDS, GENESIS, Fault, Row, canonical


@dataclass(slots=True)
class Copy:
    """What the journal of one epoch holds. `hashes` is by (chain, seq), without what was voided; `gaps` are only in the database."""

    epoch_id: str
    require: str = "all"
    ended: bool = False
    hashes: dict[tuple[str, int], str] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)  # chain: highest seq that stands
    gaps: list[tuple[str, int, int]] = field(default_factory=list)
    voided: int = 0
    faults: list[Fault] = field(default_factory=list)


def journal_epochs(folder: Path) -> tuple[str, ...]:
    """The epochs that have a journal in this folder, oldest first."""
    if not folder.is_dir():
        return ()
    return tuple(sorted({path.name.partition(".")[0] for path in folder.glob("*.jsonl")}))


def is_alive(folder: Path, epoch_id: str) -> bool:
    """Whether a process on this machine still writes the journal of an epoch: it holds the lock of its last part."""
    parts = _parts(folder, epoch_id)
    if not parts:
        return False
    fd = os.open(parts[-1], os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def has_ended(folder: Path, epoch_id: str) -> bool:
    """Whether the journal of an epoch was closed with its last line; reads only the end of the last part."""
    parts = _parts(folder, epoch_id)
    if not parts:
        return False
    with parts[-1].open("rb") as file:
        file.seek(max(0, parts[-1].stat().st_size - 512))
        lines = file.read().splitlines()
    return len(lines) >= 2 and lines[-1].startswith(b'{"seal":') and lines[-2].startswith(b'{"end":')


def read_copy(folder: Path, epoch_id: str) -> Copy:
    """Read the journal of an epoch and check its links; faults name the first bad line of each part."""
    copy = Copy(epoch_id)
    for value in _values(folder, epoch_id, copy):
        if "hash" in value:
            chain, seq = value["chain"], value["seq"]
            copy.hashes[chain, seq] = value["hash"]
            copy.last[chain] = max(seq, copy.last.get(chain, 0))
        elif "void" in value:
            _void(copy, value["void"])
        elif "gap" in value:
            gap = value["gap"]
            copy.gaps.append((str(gap.get("chain", "")), gap["from"], gap["to"]))
        elif "journal" in value:
            copy.require = value.get("require", "all")
        copy.ended = "end" in value
    return copy


def missing_rows(folder: Path, epoch_id: str, tails: dict[str, int]) -> list[Row]:
    """The stored rows of events beyond what the database has of each chain (`tails`: its highest seq), in order, none voided.

    A line whose content does not have its hash is left out: verification names it.
    """
    copy = Copy(epoch_id)
    rows: dict[tuple[str, int], Row] = {}
    for value in _values(folder, epoch_id, copy):
        if "hash" in value and value["seq"] > tails.get(value["chain"], 0):
            row = _row(value)
            if row is not None:
                rows[value["chain"], value["seq"]] = row
        elif "void" in value:
            void = value["void"]
            for seq in range(void["from"], void["to"] + 1):
                rows.pop((str(void.get("chain", "")), seq), None)
    return [rows[place] for place in sorted(rows)]


@contextmanager
def claimed(folder: Path, epoch_id: str) -> Iterator[bool]:
    """Hold the journal of a dead epoch, so that one process alone gives it back; False when it lives, is claimed, or has ended."""
    parts = _parts(folder, epoch_id)
    if not parts:
        yield False
        return
    fd = os.open(parts[-1], os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield not has_ended(folder, epoch_id)
    finally:
        os.close(fd)


def mark_ended(folder: Path, epoch_id: str, at_us: int, *, gap: tuple[int, int] | None = None) -> None:
    """Close the journal of a dead epoch, so that it is not looked at again; what has no seal is cut off first.

    `gap`: the first and the last event of the epoch's chain that only the database has.
    """
    parts = _parts(folder, epoch_id)
    path = parts[-1]
    sealed = b"".join(b"".join(lines) for lines, _ in _blocks(path))
    lines = [orjson.dumps({"end": "recovered", "at_us": at_us}) + b"\n"]
    if gap is not None:
        lines.insert(0, orjson.dumps({"gap": {"chain": epoch_id, "from": gap[0], "to": gap[1]}}) + b"\n")
    if sealed:
        before = str(_parsed(sealed.splitlines()[-1]).get("link", ""))
    else:  # it died before its first block: a header, so that the part is one
        before = _previous_link(parts[:-1])
        lines.insert(0, orjson.dumps({"journal": 1, "epoch": epoch_id, "part": len(parts), "require": "all", "prev": before}) + b"\n")
    block = b"".join(lines)
    link = sha256(before.encode() + block).hexdigest()
    with path.open("r+b") as file:
        file.truncate(len(sealed))
        file.seek(len(sealed))
        file.write(block + orjson.dumps({"seal": len(lines), "link": link}) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _previous_link(parts: list[Path]) -> str:
    for path in reversed(parts):
        seals = [seal for _, seal in _blocks(path)]
        if seals:
            return str(seals[-1]["link"])
    return GENESIS


def _parts(folder: Path, epoch_id: str) -> list[Path]:
    return sorted(folder.glob(f"{epoch_id}.*.jsonl"))


def _values(folder: Path, epoch_id: str, copy: Copy) -> Iterator[dict[str, Any]]:
    """Every sealed line of an epoch, in order; what is wrong with it goes into the copy's faults."""
    link, before = GENESIS, GENESIS
    for path in _parts(folder, epoch_id):
        first = True
        for lines, seal in _blocks(path):
            values = [_parsed(line) for line in lines[:-1]]
            header = values[0] if first and values else {}
            if first and header.get("prev") == before:
                link = before  # the last block of the part before was refused after it was written
            if first and header.get("prev") != link:
                copy.faults.append(Fault(epoch_id, 0, "", f"journal {path.name}: a part before it is missing or was changed"))
                link = str(header.get("prev", GENESIS))
            before, link = link, sha256(link.encode() + b"".join(lines[:-1])).hexdigest()
            if link != seal.get("link") or len(lines) - 1 != seal.get("seal"):
                copy.faults.append(_bad_line(path, epoch_id, values))
                link = str(seal.get("link", ""))
            first = False
            yield from filter(_is_sound, values)


def _blocks(path: Path) -> Iterator[tuple[list[bytes], dict[str, Any]]]:
    """The sealed blocks of a part: (lines, the seal's among them as the last; the seal). Stops at what has no seal."""
    lines: list[bytes] = []
    with path.open("rb") as file:
        for line in file:
            lines.append(line)
            if line.startswith(b'{"seal":') and line.endswith(b"\n"):
                yield lines, _parsed(line)
                lines = []


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_sound(value: dict[str, Any]) -> bool:
    """Whether a line has what its kind needs; somebody else may have written it."""
    if "hash" in value:
        return isinstance(value.get("chain"), str) and isinstance(value.get("seq"), int) and isinstance(value["hash"], str)
    for kind in ("void", "gap"):
        span = value.get(kind)
        if kind in value and not (isinstance(span, dict) and isinstance(span.get("from"), int) and isinstance(span.get("to"), int)):
            return False
    return bool(value)


def _row(value: dict[str, Any]) -> Row | None:
    """The stored row of an event's line; None when its content does not have its hash."""
    try:
        row = (*(value[name] for name in FIELDS), value["prev_hash"], value["hash"])
        own = sha256(row[17].encode() + canonical(row)).hexdigest()
    except (KeyError, AttributeError, TypeError):
        return None
    return row if own == row[18] else None


def _bad_line(path: Path, epoch_id: str, values: list[dict[str, Any]]) -> Fault:
    told = [value for value in values if "hash" in value and _is_sound(value)]
    for value in told:
        if _row(value) is None:
            return Fault(value["chain"], value["seq"], str(value.get("id", "")), f"journal {path.name}: edited")
    place: dict[str, Any] = told[0] if told else {"chain": epoch_id, "seq": 0}
    return Fault(place["chain"], place["seq"], "", f"journal {path.name}: a line near this one is missing or was changed")


def _void(copy: Copy, span: dict[str, Any]) -> None:
    chain = str(span.get("chain", ""))
    for seq in range(span["from"], span["to"] + 1):
        if copy.hashes.pop((chain, seq), None) is not None:
            copy.voided += 1
    if copy.last.get(chain, 0) >= span["from"]:
        copy.last[chain] = span["from"] - 1
