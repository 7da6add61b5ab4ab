"""Every kind of event, whatever stands in it, is valid in every format that others read."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.formats import cef, cloudevents, ecs, ocsf
from pipeline.store.formats.catalog import FORMATS
from pipeline.store.outflow import Outflow

SCHEMAS = Path(__file__).parents[2] / "schemas"
SOURCE = Path(__file__).parents[3] / "pipeline"
KINDS = sorted(
    {
        kind
        for path in SOURCE.rglob("*.py")
        for kind in re.findall(r'"((?:admin|audit|auth|config|dashboard|gateway|ledger|policy|vault):[a-z_]+:[a-z_]+)"', path.read_text())
    }
)
OUTCOMES = ["ok", "refused", "failed", "unknown", "aborted", "cached"]


def row(**fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": "01K9ZQ4S8V0000000000000000", "chain": "01K9ZQ00000000000000000000", "seq": 7, "at_us": 1_795_000_000_000_123,
        "kind": "gateway:call:finish", "actor": "K1", "outcome": "ok", "request_id": "R1", "org_id": "default", "workspace_id": "W1",
        "key_id": "K1", "model": "gpt-5-mini", "target_id": "openai", "status": 200, "error": "", "trace_id": "ab" * 16,
        "detail": '{"peer":"192.0.2.7","n":1}', "prev_hash": "0" * 64, "hash": "f" * 64, "workspace": "production", "key_alias": "ci",
        "actor_alias": "ci",
    }  # fmt: skip
    return {**values, **fields}


def empty(kind: str) -> dict[str, Any]:
    names = ("request_id", "workspace_id", "key_id", "model", "target_id", "error", "trace_id", "workspace", "key_alias", "actor_alias")
    return row(kind=kind, detail="{}", status=0, actor="", **dict.fromkeys(names, ""))


def validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize(
    ("of_event", "schema"), [(ocsf.of_event, "ocsf.json"), (ecs.of_event, "ecs.json"), (cloudevents.of_event, "cloudevents.json")]
)
def test_every_kind_and_outcome_is_valid(of_event: Callable[[Any], dict[str, Any]], schema: str) -> None:
    check = validator(schema)
    assert len(KINDS) > 40
    for kind in KINDS:
        check.validate(of_event(empty(kind)))
        for outcome in OUTCOMES:
            found = of_event(row(kind=kind, outcome=outcome, error="x" if outcome == "failed" else ""))
            check.validate(found)
            assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("schema", "spoil"),
    [
        ("ocsf.json", {"activity_id": 7}),
        ("ocsf.json", {"api": {}}),
        ("ocsf.json", {"severity": "high"}),
        ("ecs.json", {"events": {}}),
        ("ecs.json", {"event": {"kind": "happening"}}),
        ("cloudevents.json", {"specversion": "0.3"}),
        ("cloudevents.json", {"Trace-Id": "x"}),
    ],
)
def test_the_schemas_refuse_what_is_wrong(schema: str, spoil: dict[str, Any]) -> None:
    of_event = {"ocsf.json": ocsf.of_event, "ecs.json": ecs.of_event, "cloudevents.json": cloudevents.of_event}[schema]
    with pytest.raises(jsonschema.ValidationError):
        validator(schema).validate({**of_event(row()), **spoil})


@pytest.mark.parametrize(
    ("kind", "class_uid", "activity"),
    [
        ("gateway:call:finish", 6003, 99),
        ("audit:event:read", 6003, 2),
        ("config:document:reload", 6003, 3),
        ("auth:session:open", 3002, 1),
        ("auth:session:close", 3002, 2),
        ("auth:key:reject", 3002, 1),
        ("admin:key:create", 3001, 1),
        ("admin:key:revoke", 3001, 5),
        ("admin:user:delete", 3001, 6),
        ("policy:prompt:block", 2004, 1),
    ],
)
def test_a_kind_has_its_class(kind: str, class_uid: int, activity: int) -> None:
    found = ocsf.of_event(row(kind=kind))
    assert (found["class_uid"], found["activity_id"], found["type_uid"]) == (class_uid, activity, class_uid * 100 + activity)
    assert found["time"] == 1_795_000_000_000
    assert found["unmapped"]["hash"] == "f" * 64


def parsed(line: str) -> tuple[list[str], dict[str, str]]:
    """Read a line of CEF as ArcSight's standard has it."""
    assert "\n" not in line
    assert "\r" not in line
    fields = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    assert len(fields) == 8
    keys = [*re.finditer(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", fields[7])]
    extension = {}
    for key, after in zip(keys, [*keys[1:], None], strict=True):
        value = fields[7][key.end() : after.start() if after else None]
        extension[key[1]] = re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), value)
    return fields[:7], extension


def test_a_line_of_cef_reads_back() -> None:
    header, extension = parsed(cef.of_event(row()))
    assert header == ["CEF:0", "Lockgate", "Lockgate", header[3], "gateway:call:finish", "gateway:call:finish", "2"]
    assert (extension["rt"], extension["src"], extension["outcome"], extension["cn1"]) == ("1795000000000", "192.0.2.7", "ok", "200")
    assert (extension["cs4"], extension["cs4Label"]) == ("gpt-5-mini", "model")
    assert json.loads(extension["msg"]) == {"n": 1, "peer": "192.0.2.7"}


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_in_an_event_breaks_out_of_cef(actor: str, said: str) -> None:
    line = cef.of_event(row(actor_alias=actor, kind="a|b:c=d\\:e", detail=json.dumps({"said": said})))
    assert len([*line.splitlines()][:1]) == 1
    fields = re.split(r"(?<!\\)\|", line.replace("\\\\", "\0\0"), maxsplit=7)
    assert len(fields) == 8
    assert re.search(r"(?:^| )outcome=ok ", fields[7])
    assert "\n" not in line
    assert "\r" not in line


def test_a_file_of_parquet_holds_every_event_with_its_types() -> None:
    import pyarrow.parquet as pq

    rows = [row(seq=number, detail=json.dumps({"n": number})) for number in range(12_000)]
    pieces = [piece for piece in FORMATS["parquet"].pieces(iter(rows)) if piece]
    assert len(pieces) >= 3
    table = pq.read_table(io.BytesIO(b"".join(pieces)))
    assert table.num_rows == 12_000
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert table["seq"].to_pylist() == [*range(12_000)]
    assert json.loads(table["detail"][7].as_py()) == {"n": 7}
    assert pq.read_table(io.BytesIO(b"".join(FORMATS["parquet"].pieces(iter([]))))).num_rows == 0


def test_no_cell_of_csv_is_a_formula() -> None:
    text = b"".join(FORMATS["csv"].pieces(iter([row(model="=cmd|' /C calc'!A0", actor="@SUM(A1)", error="-1+1")]))).decode()
    [cells] = [*csv.DictReader(io.StringIO(text))]
    assert (cells["model"], cells["actor"], cells["error"]) == ("'=cmd|' /C calc'!A0", "'@SUM(A1)", "'-1+1")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_made_piece_by_piece(name: str) -> None:
    seen = []

    def rows() -> Any:
        for number in range(20_000):
            seen.append(number)
            yield row(seq=number)

    pieces = FORMATS[name].pieces(rows())
    next(piece for piece in pieces if piece)
    assert len(seen) < 10_001


def test_what_flows_out_is_given_once() -> None:
    flow = Outflow()
    flow.write(b"ab")
    flow.write(memoryview(b"c"))  # type: ignore[arg-type]
    assert (flow.taken(), flow.taken(), flow.tell()) == (b"abc", b"", 3)
