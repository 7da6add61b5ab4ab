"""What holds for every input, as functions of bytes that raise AssertionError. No message quotes the input."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pipeline.bootstrap.rules_cache import installed_cache
from pipeline.cli.redacting import redact_lines
from redactors import KnownSecrets, Redactor, build_redactor
from redactors.detectors.engines import Engine
from redactors.detectors.subject import Span
from redactors.model import RedactionError, Remark
from redactors.operators import replacements
from redactors.rules.catalog import all_rules
from redactors.walk import _LONG_INTEGER, embedded, texts
from tests.engines import ENGINES
from tests.fuzz.reading import LIVE, PATTERNS, TERMS, Reader

STREAMED = 2_000
"""Characters of a text that is streamed: it may come in as many pieces."""


@cache
def live() -> KnownSecrets:
    """The live secrets of every fuzzed redactor."""
    return KnownSecrets(LIVE, ENGINES[0])


@cache
def redactor(engine: Engine = ENGINES[0]) -> Redactor:
    """All rules, three live secrets, terms and patterns; everything is masked."""
    stored = installed_cache().read_bytes() if installed_cache().exists() else None
    return build_redactor(live(), TERMS, PATTERNS, cache=stored, rules=all_rules(), engine=engine)


def text(data: bytes) -> None:
    """A text comes back with its findings in order and inside it, without a live secret, and stays as it is a second time."""
    raw = Reader(data).text()
    clean = redactor().text(raw)
    _in_order(clean.remarks, len(raw))
    assert _rebuilt(raw, clean.remarks, clean.value), "something else was changed, or something found is not there"
    _nothing_live(clean.value)
    _stays(clean.value)


def stream(data: bytes) -> None:
    """A stream gives what the whole text gives, wherever it is cut."""
    reader = Reader(data)
    sizes, raw = reader.sizes(), reader.text()[:STREAMED]
    whole = redactor().text(raw)
    pieces = redactor().stream()
    out, at, turn = [], 0, 0
    while at < len(raw):
        out.append(pieces.feed(raw[at : at + sizes[min(turn, len(sizes) - 1)]]))
        at, turn = at + sizes[min(turn, len(sizes) - 1)], turn + 1
    rest = pieces.close()
    assert "".join(out) + rest.value == whole.value, f"cut by {sizes} the text is redacted otherwise"
    assert _order(rest.remarks) == _order(whole.remarks), f"cut by {sizes} something else is said"
    assert rest.verdict == whole.verdict


def tree(data: bytes) -> None:
    """A tree comes back as a tree of the same shape, as JSON inside strings too, and stays as it is a second time."""
    raw = Reader(data).tree()
    try:
        clean = redactor().tree(raw)
    except RedactionError:
        return  # too deep inside strings
    json.dumps(clean.value)
    assert _shape(clean.value) == _shape(raw), "the shape changed"
    for one in texts(clean.value)[0]:
        _nothing_live(one)
        _stays(one)


def engines(data: bytes) -> None:
    """Both engines find the same."""
    raw = Reader(data).text()
    first, *others = ((clean.value, clean.remarks) for clean in (redactor(engine).text(raw) for engine in ENGINES))
    assert all(other == first for other in others), "the engines differ"


def lines(data: bytes) -> None:
    """JSON lines of any bytes give one line of JSON for each that is not empty, with its id, and no live secret."""
    reader = Reader(data)
    given: list[bytes] = []
    while reader.left and len(given) < 8:
        how = reader.byte()
        if how % 4 == 0:
            given.append(reader.take(reader.byte()).replace(b"\n", b" "))
        else:
            name = "json" if how % 4 == 1 else "text"
            value = reader.tree(3) if how % 4 == 1 else Reader(reader.take(reader.byte())).text()
            given.append(json.dumps({"id": len(given), name: value}).encode())
    sink = io.BytesIO()
    redact_lines(redactor(), io.BytesIO(b"\n".join(given)), sink, {})
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    wanted = [line for line in given if line.strip()]
    assert len(answers) == len(wanted), "a line is missing or too many"
    for line, answer in zip(wanted, answers, strict=True):
        assert ("error" in answer) != ("findings" in answer)
        if line.startswith(b'{"id": '):
            assert answer.get("id") == json.loads(line)["id"], "an id is missing or another line's"
        for one in texts(answer.get("text", answer.get("json")))[0]:
            _nothing_live(one)  # read, not as spelled: an escape beside a text may complete what is no secret


TARGETS: dict[str, Callable[[bytes], None]] = {"text": text, "stream": stream, "tree": tree, "engines": engines, "lines": lines}


def _in_order(remarks: Sequence[Remark], size: int) -> None:
    at = 0
    for remark in remarks:
        assert at <= remark.start < remark.end <= size, f"a finding of {remark.rule} is out of order or outside"
        at = remark.end


def _rebuilt(raw: str, remarks: Sequence[Remark], value: str) -> bool:
    """Whether the value is the text with each finding replaced by its mask, joined to the words beside it, and nothing else."""
    at = place = 0
    for remark in remarks:
        kept, mask = raw[at : remark.start], f"[REDACTED:{remark.kind}]"
        for glue in ("", "x"):
            if value.startswith(kept + glue + mask, place):
                place += len(kept + glue + mask)
                break
            if value.startswith("x" + kept + glue + mask, place):
                place += len("x" + kept + glue + mask)
                break
        else:
            if not value.startswith(kept, place):
                return False
            place += len(kept)  # the continuation of the one before: it has no mask of its own
        at = remark.end
    return value[place:] in (raw[at:], "x" + raw[at:])


def _nothing_live(value: str) -> None:
    assert not live().contains(value.encode("utf-8", "replace")), "a live secret stands in what came out"


def _stays(once: str) -> None:
    """A second redaction changes nothing but what touches a replacement: glued to what stood there it was no match, and now may be one.

    A match may also begin in a replacement, whose kind reads like the name of a secret (`[REDACTED:password_hash]: …`), and go on
    behind its bound.
    """
    masks = replacements(once, redactor()._kinds)
    glued: list[Span] = []
    for span in sorted(redactor()._detection.find(once), key=lambda span: span[:4]):
        touches = any(low <= span.outer_end and span.outer_start <= high for low, high in masks)
        if touches or (span.continues and any(one.end == span.start and one.label == span.label for one in glued)):
            glued.append(span)
    again = redactor().text(once).remarks
    found = {one.rule for one in again if not any(span.start <= one.start and one.end <= span.end for span in glued)}
    assert not found, f"a second redaction found {sorted(found)}"


def _order(remarks: Sequence[Remark]) -> list[Remark]:
    return sorted(remarks, key=lambda remark: (remark.start, remark.end, remark.rule))


def _shape(tree: Any) -> Any:
    """The tree without its texts: which places hold what."""
    if isinstance(tree, str):
        inner = embedded(tree)
        return "text" if inner is None else ["embedded", _shape(inner)]
    if isinstance(tree, dict):
        return {"object": len(tree), "values": [_shape(value) for value in tree.values()]}
    if isinstance(tree, list):
        return [_shape(value) for value in tree]
    return "text" if isinstance(tree, int) and abs(tree) >= _LONG_INTEGER else repr(tree)
