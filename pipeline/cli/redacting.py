"""What `redact` does with bytes: whole texts, streams, and JSON lines. Bytes that are no UTF-8 come out as they went in."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.config.environment import Process
from pipeline.errors import BadRequest
from redactors.engine import Redactor
from redactors.model import Clean, Direction, Remark
from redactors.policy import PolicyError

CHUNK = 64 * 1024
Counts = dict[tuple[str, str, str], int]


def build(
    process: Process, *, known: Path | None, terms: Path | None, patterns: Path | None, policy: Path | None, direction: str
) -> Redactor:
    """The redactor of the options. BadRequest names the file and line that is wrong, never what stands there."""
    from pipeline.cli.engine import redactor_of

    if direction not in ("prompt", "answer", "telemetry"):
        raise BadRequest("--direction is prompt, answer or telemetry.")
    chosen: Direction = direction  # type: ignore[assignment]
    values = [_text(tree, known, number) for number, tree in _lines(known)]
    try:
        return redactor_of(
            process,
            known=values,
            terms=[tree for _, tree in _lines(terms)],
            patterns=[tree for _, tree in _lines(patterns)],
            policy=_policy(policy),
            direction=chosen,
        )
    except PolicyError as error:
        raise BadRequest(f"The redactor cannot be built: {error}") from None


def redact_stream(redactor: Redactor, source: BinaryIO, sink: BinaryIO, counts: Counts) -> None:
    """Clean a stream as it flows: what cannot become part of a secret any more leaves at once."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    cleaner = redactor.stream()
    read = getattr(source, "read1", source.read)
    while piece := read(CHUNK):
        _write(sink, cleaner.feed(decoder.decode(piece)))
    _write(sink, cleaner.feed(decoder.decode(b"", final=True)))
    rest = cleaner.close()
    _write(sink, rest.value)
    _count(counts, rest)


def redact_whole(redactor: Redactor, source: BinaryIO, counts: Counts) -> dict[str, Any]:
    """Clean a whole text: `{"text", "findings"}`."""
    clean = redactor.text(source.read().decode("utf-8", "surrogateescape"))
    _count(counts, clean)
    return {"text": clean.value, "findings": findings(clean.remarks, paths=False)}


def redact_lines(redactor: Redactor, source: BinaryIO, sink: BinaryIO, counts: Counts) -> None:
    """Clean JSON lines one by one, in order: `{"id", "text" | "json"}` in, the same with `findings` out."""
    for number, line in enumerate(source, start=1):
        if line.strip():
            _write_json(sink, _one(redactor, line, number, counts))


def findings(remarks: tuple[Remark, ...], *, paths: bool) -> list[dict[str, Any]]:
    """What was found: offsets are code points of the input, `path` a JSON pointer. Never the text."""
    found = []
    for remark in remarks:
        one: dict[str, Any] = {
            "start": remark.start,
            "end": remark.end,
            "rule": remark.rule,
            "kind": remark.kind,
            "action": remark.action.label,
        }
        found.append({**one, "path": remark.path} if paths else one)
    return found


def tell_report(counts: Counts) -> None:
    """How often each rule acted, on stderr."""
    for (rule, kind, action), times in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        print(f"{times:>8}  {action:<12} {rule} ({kind})", file=sys.stderr)
    if not counts:
        print("nothing was found", file=sys.stderr)


def _one(redactor: Redactor, line: bytes, number: int, counts: Counts) -> dict[str, Any]:
    try:
        tree = json.loads(line)
    except ValueError:
        tree = None
    if not isinstance(tree, dict) or ("text" in tree) == ("json" in tree):
        raise BadRequest(f'Line {number} is not an object with "id" and either "text" or "json".')
    head = {"id": tree["id"]} if "id" in tree else {}
    if "text" in tree:
        if not isinstance(tree["text"], str):
            raise BadRequest(f'Line {number}: "text" is not a text.')
        text = redactor.text(tree["text"])
        _count(counts, text)
        return {**head, "text": text.value, "findings": findings(text.remarks, paths=False)}
    clean = redactor.tree(tree["json"])
    _count(counts, clean)
    return {**head, "json": clean.value, "findings": findings(clean.remarks, paths=True)}


def _lines(path: Path | None) -> Iterator[tuple[int, Any]]:
    if path is None:
        return
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read ({type(error).__name__}).") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                tree = json.loads(line)
            except ValueError:
                raise BadRequest(f"{path}:{number}: this line is not JSON.") from None
            yield number, tree


def _text(tree: Any, path: Path | None, number: int) -> str:
    if not isinstance(tree, str):
        raise BadRequest(f"{path}:{number}: this line is not a JSON string.")
    return tree


def _policy(path: Path | None) -> Any:
    if path is None:
        return None
    from pipeline.config.loader import load_policy

    return load_policy(path).plain()


def _count(counts: Counts, clean: Clean[Any]) -> None:
    for key, times in clean.counts.items():
        counts[key] = counts.get(key, 0) + times


def _write(sink: BinaryIO, text: str) -> None:
    if text:
        sink.write(text.encode("utf-8", "surrogateescape"))
        sink.flush()


def _write_json(sink: BinaryIO, tree: dict[str, Any]) -> None:
    # Lone surrogates are legal in JSON as escapes; ASCII output keeps them so.
    sink.write(json.dumps(tree).encode() + b"\n")
    sink.flush()
