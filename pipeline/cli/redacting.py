"""What `redact` does with bytes: whole texts, streams, and JSON lines. Bytes that are no UTF-8 come out as they went in.

Streams and JSON lines need memory for what is held back and for one line, however long they go on. Nothing that could not be redacted
is written: a stream ends there, and in JSON lines an error takes the place of the line.
"""

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
from redactors.findings import findings
from redactors.model import Clean, Direction, Json, RedactionError, Remark
from redactors.policy import PolicyError

CHUNK = 64 * 1024
MAX_LINE = 64 * 1024 * 1024
"""Bytes of one JSON line. A longer one is passed over without being kept."""

_TOLD = 100

Counts = dict[tuple[str, str, str], int]


class LineError(Exception):
    """A JSON line that cannot be redacted; says why, and never quotes the line. `head` is its id, when it has one."""

    def __init__(self, reason: str, head: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.head = head or {}


def build(
    process: Process, *, known: Path | None, terms: Path | None, patterns: Path | None, policy: Path | None, direction: str
) -> Redactor:
    """The redactor of the options. BadRequest names the file and line that is wrong, never what stands there."""
    from pipeline.cli.engine import redactor_of
    from redactors.policy import custom_pattern

    if direction not in ("prompt", "answer", "telemetry"):
        raise BadRequest("--direction is prompt, answer or telemetry.")
    chosen: Direction = direction  # type: ignore[assignment]
    values = [_text(tree, known, number) for number, tree in _lines(known)]
    rules = []
    for count, (number, tree) in enumerate(_lines(patterns), start=1):
        try:
            rules.append(custom_pattern(tree, str(count)))
        except PolicyError as error:
            raise BadRequest(f"{patterns}:{number}: {error}.", hint="Correct that line.") from None
    try:
        return redactor_of(
            process,
            known=values,
            terms=[tree for _, tree in _lines(terms)],
            patterns=rules,
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
    try:
        while piece := read(CHUNK):
            _write(sink, cleaner.feed(decoder.decode(piece)))
            _count(counts, cleaner.take_remarks())
        _write(sink, cleaner.feed(decoder.decode(b"", final=True)))
        rest = cleaner.close()
    except RedactionError as error:
        raise _refused(error) from None
    _write(sink, rest.value)
    _count(counts, rest.remarks)


def redact_whole(redactor: Redactor, source: BinaryIO, counts: Counts) -> dict[str, Any]:
    """Clean a whole text: `{"text", "findings"}`."""
    try:
        clean = redactor.text(source.read().decode("utf-8", "surrogateescape"))
    except RedactionError as error:
        raise _refused(error) from None
    _count(counts, clean.remarks)
    return {"text": clean.value, "findings": findings(clean.remarks, paths=False)}


def redact_lines(redactor: Redactor, source: BinaryIO, sink: BinaryIO, counts: Counts) -> list[tuple[int, str]]:
    """Clean JSON lines one by one, in order: `{"id", "text" | "json"}` in, the same with `findings` out.

    Each line gives one line; empty ones give none. In place of one that cannot be redacted stands `{"id", "error"}`; gives the numbers of
    the first hundred of those and why, and the last one's number with how many there were.
    """
    wrong: list[tuple[int, str]] = []
    errors = 0
    number = 0
    while line := source.readline(MAX_LINE + 1):
        number += 1
        if not line.strip() and len(line) <= MAX_LINE:
            continue
        try:
            if len(line) > MAX_LINE:
                _pass_over(source, line)
                raise LineError(f"it is longer than {MAX_LINE} bytes")
            done = _one(redactor, line, counts)
        except LineError as error:
            errors += 1
            done = {**error.head, "error": str(error)}
            if errors <= _TOLD:
                wrong.append((number, str(error)))
            else:
                wrong[_TOLD:] = [(number, f"{errors} lines in all cannot be redacted")]
        _write_json(sink, done)
    return wrong


def tell_report(counts: Counts) -> None:
    """How often each rule acted, on stderr."""
    for (rule, kind, action), times in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        print(f"{times:>8}  {action:<12} {rule} ({kind})", file=sys.stderr)
    if not counts:
        print("nothing was found", file=sys.stderr)


def _one(redactor: Redactor, line: bytes, counts: Counts) -> dict[str, Any]:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        raise LineError("it is not JSON") from None
    if not isinstance(tree, dict) or ("text" in tree) == ("json" in tree):
        raise LineError('it is not an object with "id" and either "text" or "json"')
    head = {"id": tree["id"]} if "id" in tree else {}
    if "text" in tree and not isinstance(tree["text"], str):
        raise LineError('its "text" is not a text', head)
    clean: Clean[str] | Clean[Json]
    try:
        name, clean = ("text", redactor.text(tree["text"])) if "text" in tree else ("json", redactor.tree(tree["json"]))
    except RedactionError as error:
        raise LineError(str(error), head) from None
    _count(counts, clean.remarks)
    return {**head, name: clean.value, "findings": findings(clean.remarks, paths=name == "json")}


def _pass_over(source: BinaryIO, line: bytes) -> None:
    """Read to the end of a line that is too long, and keep nothing of it."""
    while line and not line.endswith(b"\n"):
        line = source.readline(CHUNK)


def _refused(error: RedactionError) -> BadRequest:
    return BadRequest(f"The text cannot be redacted, so nothing more of it is written: {error}.", hint="Send it in smaller parts.")


def _lines(path: Path | None) -> Iterator[tuple[int, Any]]:
    if path is None:
        return
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read ({type(error).__name__}).") from None
    # Not `splitlines`: a JSON string may hold what Unicode calls a line separator.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                tree = json.loads(line)
            except (ValueError, RecursionError):
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


def _count(counts: Counts, remarks: tuple[Remark, ...]) -> None:
    for remark in remarks:
        key = (remark.rule, remark.kind, remark.action.label)
        counts[key] = counts.get(key, 0) + 1


def _write(sink: BinaryIO, text: str) -> None:
    if text:
        sink.write(text.encode("utf-8", "surrogateescape"))
        sink.flush()


def _write_json(sink: BinaryIO, tree: dict[str, Any]) -> None:
    # Lone surrogates are legal in JSON as escapes; ASCII output keeps them so.
    sink.write(json.dumps(tree).encode() + b"\n")
    sink.flush()
