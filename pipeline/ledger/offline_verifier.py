#!/usr/bin/env python3
"""Verifies Lockgate's audit evidence, offline: one file, Python 3.11 or newer, the standard library, and the auditor's public key.

    python verify.py bundle november.zip --public-key audit-key.pub.pem --checkpoints our-own-copy.jsonl
    python verify.py chain events.jsonl [--checkpoints checkpoints.jsonl] [--from 100 --to 200] --public-key audit-key.pub.pem
    python verify.py proof proof.json --public-key audit-key.pub.pem
    python verify.py consistency old.json new.json checkpoints.jsonl --public-key audit-key.pub.pem

Exit code 0: VERIFIED. 1: BROKEN, the first bad event of each chain is named. 2: wrong usage or an unreadable file. 3: NOT VERIFIED: the
hashes agree, but there is no signature, no public key, or nothing here that can check Ed25519 (the package `cryptography` or the
command `openssl`). A public key that came with the evidence proves nothing: use the one that you were given by another way.

An event's line is its canonical JSON with `hash` and `prev_hash` behind it; hash = SHA-256(prev_hash || canonical JSON). A checkpoint
signs the Merkle root (RFC 6962) over the hashes of a segment, and names the checkpoint before it. That the END of a chain was cut
off can only be seen against a newer checkpoint that was kept elsewhere (--checkpoints): without one, an end is proven up to the last
checkpoint that is there.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import zipfile
from binascii import unhexlify
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
EMPTY = sha256(b"").digest()
CHECKPOINT, MANIFEST = b"lockgate:audit-checkpoint:v1\n", b"lockgate:audit-manifest:v1\n"
SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before an Ed25519 key's 32 bytes
POINT = {"at_us", "chain", "config_digest", "count", "first_at_us", "first_seq", "head", "id", "key_id", "last_at_us", "last_seq",
         "number", "prev", "root", "v"}  # fmt: skip


class Unreadable(Exception):
    """The evidence is not in its format."""


@dataclass
class Report:
    """What was checked, what is wrong, and what could not be proven."""

    events: int = 0
    checkpoints: int = 0
    proofs: int = 0
    faults: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def code(self) -> int:
        """The exit code."""
        return 1 if self.faults else 3 if self.unproven else 0


# Signatures.


@dataclass
class Key:
    """A trusted public key."""

    pem: str
    raw: bytes

    @property
    def id(self) -> str:
        """Its id."""
        return sha256(self.raw).hexdigest()[:16]

    def check(self, message: bytes, signature: str) -> bool | None:
        """Whether the signature is the key's; None when nothing here can tell."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError:
            return self._openssl(message, raw)
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(raw, message)
        except InvalidSignature:
            return False
        return True

    def _openssl(self, message: bytes, signature: bytes) -> bool | None:
        with tempfile.TemporaryDirectory() as folder:
            names = {name: Path(folder, name) for name in ("key", "message", "signature")}
            names["key"].write_text(self.pem)
            names["message"].write_bytes(message)
            names["signature"].write_bytes(signature)
            command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(names["key"]), "-rawin", "-in", str(names["message"]),
                       "-sigfile", str(names["signature"])]  # fmt: skip
            try:
                done = subprocess.run(command, capture_output=True, check=False, timeout=30)
            except (OSError, subprocess.TimeoutExpired):
                return None
        if done.returncode == 0 and b"Verified Successfully" in done.stdout:
            return True
        return False if b"Verification Failure" in done.stdout + done.stderr else None


def read_key(path: str) -> Key:
    """A public key file (PEM)."""
    pem = Path(path).read_text()
    lines = [line.strip() for line in pem.splitlines()]
    try:
        inside = lines[lines.index("-----BEGIN PUBLIC KEY-----") + 1 : lines.index("-----END PUBLIC KEY-----")]
        der = base64.b64decode("".join(inside), validate=True)
    except ValueError:
        raise Unreadable(f"{path} is not a public key in PEM") from None
    if not der.startswith(SPKI) or len(der) != len(SPKI) + 32:
        raise Unreadable(f"{path} is not an Ed25519 public key")
    return Key(pem, der[len(SPKI) :])


def check_signature(domain: bytes, message: bytes, signature: str, key_id: str, keys: dict[str, Key], what: str, report: Report) -> None:
    """Check one signature; what cannot be checked is unproven, what is wrong a fault."""
    if not signature and not key_id:
        report.unproven.append(f"{what} is not signed")
    elif not signature:
        report.faults.append(f"{what}: its signature is gone")
    elif not keys:
        report.unproven.append("no public key was given (--public-key)")
    elif key_id not in keys:
        report.faults.append(f"{what} is signed by key {key_id}, which is not one of those that were given")
    else:
        found = keys[key_id].check(domain + message, signature)
        if found is None:
            report.unproven.append("neither the package cryptography nor an openssl that knows Ed25519 is here")
        elif not found:
            report.faults.append(f"{what}: its signature is not the key's")


# Merkle trees (RFC 6962, RFC 9162).


def root_of(level: list[bytes]) -> bytes:
    """The root over leaves."""
    if not level:
        return EMPTY
    while len(level) > 1:
        above = [sha256(b"\1" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        level = above + level[-1:] if len(level) & 1 else above
    return level[0]


def climb(node: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root to which a leaf leads."""
    if not 0 <= index < size:
        return None
    last = size - 1
    while last:
        if index & 1 or index < last:
            if not path:
                return None
            neighbor, path = path[0], path[1:]
            node = sha256(b"\1" + (neighbor + node if index & 1 else node + neighbor)).digest()
        index, last = index >> 1, last >> 1
    return None if path else node


# Chains.


@dataclass
class Walk:
    """One chain, read once from its beginning to its end."""

    chain: str = ""
    first: int = 0
    last: int = 0
    head: str = ""
    hashes: dict[int, str] = field(default_factory=dict)  # of the events at which checkpoints end
    roots: dict[int, bytes] = field(default_factory=dict)  # of the segments that begin at these events
    fault: str = ""


def walk(lines: Iterable[bytes], segments: dict[int, int], *, first: int | None = None, prev: str | None = None) -> Walk:
    """Check lines of one chain in order; `segments` (first: last seq) get their Merkle roots. `first` and `prev`: where it must begin."""
    found, source = Walk(), iter(lines)
    leaves: list[bytes] | None = None
    seq, head, ends, tail = first or 0, b"" if prev is None else prev.encode(), -1, 400
    for line in source:
        own, before = line[-146:-82], line[-67:-3]
        if not found.chain:
            row = _parsed(line)
            found.chain, found.first = str(row.get("chain", "")), int(row.get("seq", 0)) if first is None else first
            seq = found.first
            if prev is None:
                head = GENESIS.encode() if seq == 1 else before
        digest = sha256(before + line[:-155] + b"}").digest()
        here = b',"seq":%d,' % seq
        if line[-tail : len(here) - tail] != here:  # where it stood in the line before, mostly
            tail = len(line) - line.find(here, max(0, len(line) - 900))
        framed = line[-155:-146] == b',"hash":"' and line[-82:-67] == b'","prev_hash":"' and line[-3:] == b'"}\n'  # what no hash covers
        if digest != _unhex(own) or before != head or tail > len(line) or not framed:
            found.fault = _why(line, source, seq, head)
            break
        if seq in segments:
            leaves, start, ends = [], seq, segments[seq]
        if leaves is not None:
            leaves.append(sha256(b"\0" + digest).digest())
            if seq == ends:
                found.roots[start], found.hashes[seq], leaves = root_of(leaves), own.decode(), None
        head, seq = own, seq + 1
    found.last, found.head = seq - 1, head.decode()
    return found


def _unhex(text: bytes) -> bytes:
    try:
        return unhexlify(text)
    except ValueError:
        return b""


def _why(line: bytes, rest: Iterator[bytes], seq: int, head: bytes) -> str:
    row = _parsed(line)
    got, ident = row.get("seq"), row.get("id", "")
    name = f"event {seq}"
    if not isinstance(got, int):
        return f"{name}: the line is not an event in canonical form"
    if got > seq:
        later = any(_parsed(other).get("seq") == seq for other in rest)
        return f"{name}: reordered: event {got} stands before it" if later else f"{name}: deleted: the next that is there is {got}"
    if got < seq:
        return f"event {got} ({ident}): inserted or repeated: its place is taken"
    whole = sha256(str(row.get("prev_hash", "")).encode() + line[:-155] + b"}").hexdigest() == row.get("hash")
    if whole and str(row.get("prev_hash", "")).encode() != head:
        return f"{name} ({ident}): inserted or rewritten: it does not follow from the event before it"
    return f"{name} ({ident}): edited: its content does not have its hash"


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


# Checkpoints.


@dataclass
class Point:
    """A checkpoint, parsed."""

    body: bytes
    tree: dict[str, Any]
    signature: str

    @property
    def digest(self) -> str:
        """What the next one names."""
        return sha256(self.body).hexdigest()

    @property
    def name(self) -> str:
        """How it is called in messages."""
        return f"checkpoint {self.tree['number']} of chain {self.tree['chain']}"


def read_point(line: bytes | str | dict[str, Any]) -> Point:
    """A checkpoint from its line."""
    try:
        value = line if isinstance(line, dict) else json.loads(line)
        tree, signature = value["checkpoint"], value["signature"]
        if set(tree) != POINT or tree["v"] != 1 or not isinstance(signature, str):
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise Unreadable("a line is not a checkpoint of version 1") from None
    return Point(json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(), tree, signature)


def read_points(lines: Iterable[bytes]) -> dict[str, list[Point]]:
    """Checkpoints by chain, each once, in order."""
    found: dict[str, dict[tuple[int, str], Point]] = {}
    for line in lines:
        if line.strip():
            point = read_point(line)
            found.setdefault(point.tree["chain"], {})[point.tree["number"], point.digest] = point
    return {chain: [points[place] for place in sorted(points)] for chain, points in found.items()}


def check_points(points: list[Point], keys: dict[str, Key], report: Report) -> None:
    """Links and signatures of one chain's checkpoints."""
    before: Point | None = None
    for point in points:
        report.checkpoints += 1
        tree = point.tree
        check_signature(CHECKPOINT, point.body, point.signature, tree["key_id"], keys, point.name, report)
        if before is not None and (
            tree["number"] != before.tree["number"] + 1 or tree["prev"] != before.digest or tree["first_seq"] != before.tree["last_seq"] + 1
        ):
            report.faults.append(f"{point.name} does not follow the one before it: event {before.tree['last_seq'] + 1} on was made anew")
        if tree["number"] == 1 and (tree["prev"] != GENESIS or tree["first_seq"] != 1):
            report.faults.append(f"{point.name} is not a first one")
        before = point


def check_chain(lines: Iterable[bytes], points: list[Point], keys: dict[str, Key], report: Report, **start: Any) -> Walk:
    """A chain's lines against its own links and its checkpoints."""
    segments = {point.tree["first_seq"]: point.tree["last_seq"] for point in points if point.tree["count"]}
    found = walk(lines, segments, **start)
    report.events += max(0, found.last - found.first + 1) if found.chain else 0
    if found.fault:
        report.faults.append(f"chain {found.chain}: {found.fault}")
    check_points(points, keys, report)
    covered, begins = 0, 0
    for point in points:
        tree, first = point.tree, point.tree["first_seq"]
        if tree["chain"] != found.chain or first < found.first or not tree["count"]:
            continue
        begins, covered = begins or first, max(covered, tree["last_seq"])
        if found.fault:
            continue
        if tree["last_seq"] > found.last:
            report.faults.append(f"chain {found.chain}: event {found.last + 1}: cut off: {point.name} covers up to {tree['last_seq']}")
        elif found.roots.get(first, EMPTY).hex() != tree["root"] or found.hashes.get(tree["last_seq"]) != tree["head"]:
            report.faults.append(f"chain {found.chain}: event {first}: {point.name} has another root: rewritten from here on or before")
    if found.fault:
        return found
    if not covered:
        report.unproven.append(f"chain {found.chain}: no checkpoint covers it, so whoever could write it could have rewritten all of it")
    elif begins > found.first:
        report.unproven.append(f"chain {found.chain}: events {found.first} to {begins - 1} lie in no whole checkpoint that is here")
    if 0 < covered < found.last:
        rest = f"events {covered + 1} to {found.last}"
        report.notes.append(f"chain {found.chain}: {rest} are covered by no checkpoint yet; their end is not proven")
    return found


# What is verified.


def verify_bundle(path: Path, keys: dict[str, Key], kept: dict[str, list[Point]], report: Report) -> None:
    """A bundle: its files against the manifest, the manifest's signature, every chain, and checkpoints that were kept elsewhere."""
    archive = zipfile.ZipFile(path) if path.is_file() else None

    def lines(name: str) -> Iterator[bytes]:
        with archive.open(name) if archive else (path / name).open("rb") as file:
            yield from file

    def content(name: str) -> bytes:
        return b"".join(lines(name))

    raw = content("manifest.json")
    manifest = json.loads(raw)
    if manifest.get("format") != "lockgate-bundle/1":
        raise Unreadable("manifest.json is not one of lockgate-bundle/1")
    signature = content("manifest.sig").decode().strip()
    check_signature(MANIFEST, raw, signature, manifest["key_id"], keys, "the manifest", report)
    for entry in manifest["files"]:
        digest = sha256()
        try:
            for line in lines(entry["name"]):
                digest.update(line)
        except (KeyError, OSError):
            report.faults.append(f"{entry['name']} is missing")
            continue
        if digest.hexdigest() != entry["sha256"]:
            report.faults.append(f"{entry['name']} is not the file that the manifest speaks of")
    for name in _not_named(archive.namelist() if archive else [], manifest):
        report.faults.append(f"{name} is in the bundle, and its manifest does not speak of it, or it stands there twice")
    points = read_points(lines("checkpoints.jsonl"))
    for chain in manifest["chains"]:
        start = {"first": chain["first_seq"], "prev": chain["prev_hash"]}
        found = check_chain(lines(chain["file"]), points.get(chain["chain"], []), keys, report, **start)
        if not found.fault and (found.last, found.head) != (chain["last_seq"], chain["hash"]):
            report.faults.append(f"chain {chain['chain']}: event {found.last + 1}: the bundle ends before its manifest does")
    _against_kept(manifest, points, kept, keys, report)


def _not_named(names: list[str], manifest: dict[str, Any]) -> list[str]:
    """The files of an archive that nobody signed; a folder may have others beside the bundle's."""
    known = [entry["name"] for entry in manifest["files"]] + ["manifest.json", "manifest.sig"]
    return sorted({repr(name) for name in names if name not in known or names.count(name) > 1})


def _against_kept(
    manifest: dict[str, Any], points: dict[str, list[Point]], kept: dict[str, list[Point]], keys: dict[str, Key], report: Report
) -> None:
    known = {(chain, point.tree["number"]): point.digest for chain, found in points.items() for point in found}
    for chain, found in kept.items():
        check_points(found, keys, report)
        for point in found:
            tree = point.tree
            here = known.get((chain, tree["number"]))
            inside = tree["count"] and tree["first_at_us"] < manifest["to_us"] and tree["last_at_us"] >= manifest["from_us"]
            if here is not None and here != point.digest:
                report.faults.append(f"chain {chain}: event {tree['first_seq']}: {point.name} is another than the one that was kept")
            elif here is None and inside and tree["at_us"] <= manifest["made_us"]:
                report.faults.append(
                    f"chain {chain}: event {tree['first_seq']}: cut off or left out: {point.name}, kept elsewhere, covers it"
                )
    if not kept:
        report.notes.append(
            "no checkpoints kept elsewhere were given (--checkpoints): whole chains or ends that are left out cannot be seen"
        )


def verify_proof(proof: dict[str, Any], keys: dict[str, Key], report: Report) -> None:
    """The proof of one event."""
    if proof.get("format") != "lockgate-proof/1":
        raise Unreadable("this is not a proof of lockgate-proof/1")
    point, body = read_point(proof), proof["event"].encode()
    row, name = json.loads(body), f"event {json.loads(body).get('seq')}"
    own = sha256(proof["prev_hash"].encode() + body).hexdigest()
    if own != proof["hash"]:
        report.faults.append(f"{name}: edited: its content does not have its hash")
    top = climb(sha256(b"\0" + bytes.fromhex(own)).digest(), proof["index"], proof["size"], [bytes.fromhex(one) for one in proof["path"]])
    fits = point.tree["chain"] == row["chain"] and point.tree["count"] == proof["size"]
    if top is None or top.hex() != point.tree["root"] or not fits or row["seq"] - point.tree["first_seq"] != proof["index"]:
        report.faults.append(f"{name}: it is not in {point.name}")
    check_signature(CHECKPOINT, point.body, point.signature, point.tree["key_id"], keys, point.name, report)
    report.proofs += 1


def verify_consistency(old: Point, new: Point, between: list[Point], keys: dict[str, Key], report: Report) -> None:
    """That a newer checkpoint goes on from an older one: every checkpoint between names the one before it."""
    first, last = old.tree["number"], new.tree["number"]
    way = [old, *(point for point in between if first < point.tree["number"] < last), new]
    if old.tree["chain"] != new.tree["chain"] or first >= last:
        raise Unreadable("the two checkpoints are not an older and a newer one of one chain")
    if len(way) != last - first + 1:
        report.faults.append(f"checkpoints between {first} and {last} are missing, or stand there twice with different content")
    check_points(way, keys, report)


def main(arguments: list[str]) -> int:
    """Run one command and give its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, files in (("bundle", ["path"]), ("chain", ["path"]), ("proof", ["path"]), ("consistency", ["old", "new", "between"])):
        command = commands.add_parser(name)
        for file in files:
            command.add_argument(file, type=Path)
        command.add_argument("--public-key", action="append", default=[])
        command.add_argument("--checkpoints", type=Path)
        command.add_argument("--from", dest="first", type=int, default=0)
        command.add_argument("--to", dest="last", type=int, default=0)
    asked, report = parser.parse_args(arguments), Report()
    try:
        keys = {key.id: key for key in map(read_key, asked.public_key)}
        kept = read_points(asked.checkpoints.read_bytes().splitlines()) if asked.checkpoints else {}
        if asked.command == "bundle":
            verify_bundle(asked.path, keys, kept, report)
        elif asked.command == "chain":
            with asked.path.open("rb") as file:
                rows = _range(file, asked.first, asked.last) if asked.first or asked.last else file
                chain = _parsed(next(iter(asked.path.open("rb")), b"")).get("chain", "")
                found = check_chain(rows, _within(kept.get(chain, []), asked.first, asked.last), keys, report, first=asked.first or None)
                if found.first > 1 and not asked.first:
                    report.unproven.append(f"chain {chain}: events 1 to {found.first - 1} are not here (--from: where it is to begin)")
        elif asked.command == "proof":
            verify_proof(json.loads(asked.path.read_bytes()), keys, report)
        else:
            between = read_points(asked.between.read_bytes().splitlines())
            old, new = read_point(asked.old.read_bytes()), read_point(asked.new.read_bytes())
            verify_consistency(old, new, between.get(old.tree["chain"], []), keys, report)
    except (Unreadable, OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        print(f"UNREADABLE: {error}", file=sys.stderr)
        return 2
    return tell(report)


def _range(lines: Iterable[bytes], first: int, last: int) -> Iterator[bytes]:
    for line in lines:
        seq = _parsed(line).get("seq", 0)
        if seq >= first and (not last or seq <= last):
            yield line


def _within(points: list[Point], first: int, last: int) -> list[Point]:
    return [point for point in points if point.tree["first_seq"] >= first and (not last or point.tree["last_seq"] <= last)]


def tell(report: Report) -> int:
    """Print what was found, and give the exit code."""
    print(f"{report.events} events, {report.checkpoints} checkpoints, {report.proofs} proofs")
    for title, lines in (("broken", report.faults), ("not proven", report.unproven), ("note", report.notes)):
        for line in dict.fromkeys(lines):
            print(f"{title}: {line}")
    print({0: "VERIFIED", 1: "BROKEN", 3: "NOT VERIFIED"}[report.code()])
    return report.code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
