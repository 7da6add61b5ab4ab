"""A gateway that is sent the whole matrix in every encoding, and what is at each of its exits afterwards.

What it is sent are the very bytes that a program without any masking exported: the cells that are in them (`Walked.planted`) are the
proof that every surface carries its canary. Destinations: one that takes over HTTP, one over gRPC, one that is away (its rows stay in the
outbox), one that refuses (its rows become dead letters).
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import grpc

from collectors.otlp.receive_grpc import METHODS
from pipeline.store.dead_letters import Letters
from pipeline.store.reads import REDACTION_GROUPS, SPEND_GROUPS, open_reads
from tests.canary.cells import Cell, cells, live_values, sent_by
from tests.canary.surfaces import MARKER
from tests.collectors.otlp_requests import REQUESTS, as_json
from tests.engines import python_path
from tests.faults.books import url_of
from tests.faults.outbox import accounts, wait_until
from tests.servers.otlp import Answer as Told
from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Answer, Gateway, Sink, openai_target, running_gateway, running_sink

Mutant = Literal["talkative", "open"]
MUTANT: Final = Path(__file__).resolve().parent / "mutant"
"""The folder of what makes a gateway have a defect: `mutant/sitecustomize.py` says which there are."""

PROTOBUF, JSON = "application/x-protobuf", "application/json"
SIGNALS = ("traces", "logs", "metrics")
SENT = ("HTTP protobuf", "HTTP JSON", "gRPC")
CALLER = (
    "prompt",
    "baggage header",
    "tracestate header",
    "traceparent header",
    "user agent",
    "request id header",
    "path",
    "query",
    "model",
)
"""Surfaces of a call to a model and of a request that nobody serves, which the gateway's own telemetry tells of."""

EXITS = (
    "OTLP over HTTP",
    "OTLP over gRPC",
    "rows of the outbox",
    "dead letters",
    "answers to senders",
    "error bodies",
    "log, stdout and stderr",
    "every file of the data folder",
    "audit events",
    "/metrics",
    "command line",
    "dashboard data",
)


@dataclass
class Walked:
    """The cells, those that were sent in clear, and the bytes at each exit by name."""

    drawn: tuple[Cell, ...]
    clear: bytes
    exits: dict[str, bytes] = field(default_factory=dict, repr=False)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    accounts: dict[Any, Any] = field(default_factory=dict)
    rejections: list[dict[str, Any]] = field(default_factory=list)


ALLOW_ALL = {
    part: [{"detect": ["secrets", "keynames", "pii"], "action": "allow"}, {"detect": ["known"], "action": "mask"}]
    for part in ("prompt", "answer", "telemetry")
}
"""Everything but live secrets passes: what an exit shows then is the proof that it was looked at."""


def document(http: Sink, refusing: Sink, provider: str, live: int, policy: Mapping[str, Any]) -> dict[str, Any]:
    """Four destinations for all signals, and a target for each live secret."""
    every = {"signals": list(SIGNALS), "compression": "none"}
    return {
        "policies": {"default": policy},
        "targets": [openai_target(f"t{n}", "echo", provider, secret_key_ref={"env": f"CANARY_{n}"}) for n in range(live)],
        "models": {"m": {"targets": ["t0"]}, "others": {"targets": [f"t{n}" for n in range(1, live)]}},
        "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        "telemetry": {
            "capture_content": True,
            "metrics_interval_s": 1,
            "destinations": [
                {"id": "http", "endpoint": http.http_url, **every},
                {"id": "grpc", "endpoint": http.grpc_url, "protocol": "grpc", **every},
                {"id": "away", "endpoint": "http://127.0.0.1:9", **every},
                {"id": "refusing", "endpoint": refusing.http_url, **every},
            ],
            "receiver": {"grpc_port": 0},
        },
    }


@contextlib.contextmanager
def walked(folder: Path, seed: int, policy: Mapping[str, Any] = MASK_ALL, mutant: Mutant | None = None) -> Iterator[Walked]:
    """Plant, send in every encoding, and look at every exit of the gateway that took it; `mutant` is a defect that it has."""
    drawn = cells(seed, *CALLER)
    of_programs = [cell for cell in drawn if cell.surface not in CALLER]
    sent = list(sent_by(Path(sys.executable), "plain", of_programs, {}))
    live = live_values(drawn)
    with running_sink() as sink, running_sink() as refusing, running_provider() as provider:
        refusing.sink.always = Told(status=400)
        environment = {f"CANARY_{number}": value for number, value in enumerate(live)}
        if mutant is not None:
            environment |= {"PYTHONPATH": os.pathsep.join([str(MUTANT), python_path()]), "LOCKGATE_CANARY_MUTANT": mutant}
        with running_gateway(folder, document(sink, refusing, provider.url, len(live), policy), **environment) as gateway:
            key = gateway.create_key(alias="canary")["key"]
            found = Walked(drawn, b"\n".join(body for _, body in sent))
            answers = _send(gateway, key, sent)
            errors = _refused(gateway, key, sent) + _call(gateway, key, [cell for cell in drawn if cell.surface in CALLER])
            found.statuses = {"sent": [answer.status for answer in answers], "errors": [answer.status for answer in errors]}
            wait_until(lambda: _settled(gateway), 60)
            found.accounts = accounts(gateway)
            found.rejections = gateway.admin("GET", "/v1/outbox")["rejections"]
            found.exits = {
                "OTLP over HTTP": b"\n".join(r.body for r in sink.sink.requests if r.protocol == "http"),
                "OTLP over gRPC": b"\n".join(r.body for r in sink.sink.requests if r.protocol == "grpc"),
                "answers to senders": _bytes(answers),
                "error bodies": _bytes(errors),
                **_looked_at(gateway),
            }
            assert gateway.stop() == 0
            written = gateway.written()
            found.exits["log, stdout and stderr"] = written.pop("log")
            found.exits["every file of the data folder"] = b"\n".join(written.values())
            found.exits |= _rows(gateway.home / "lockgate.db")
        yield found


def _bytes(answers: Sequence[Answer]) -> bytes:
    return b"\n".join(answer.body + json.dumps(answer.headers).encode() for answer in answers)


def _settled(gateway: Gateway) -> bool:
    told = accounts(gateway)
    taken = all(told.get((name, signal), {}).get("delivered") for name in ("http", "grpc") for signal in SIGNALS)
    traces = all(told[name, "traces"]["queued"] == 0 for name in ("http", "grpc", "refusing") if (name, "traces") in told)
    return taken and traces and all(told.get(("refusing", signal), {}).get("dead_letter") for signal in SIGNALS)


def _send(gateway: Gateway, key: str, sent: Sequence[tuple[str, bytes]]) -> list[Answer]:
    """The matrix in all three encodings; every request must be taken."""
    answers = []
    url = gateway.log.read_text().rpartition("OTLP over gRPC at ")[2].split()[0].strip('",')
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        for signal, body in sent:
            for media, given in ((PROTOBUF, body), (JSON, as_json(REQUESTS[signal].FromString(body)))):  # type: ignore[index]
                answers.append(gateway.call("POST", f"/v1/{signal}", given, key=key, headers={"content-type": media}))
            method = next(path for path, named in METHODS.items() if named == signal)
            answer = channel.unary_unary(method)(body, metadata=(("authorization", f"Bearer {key}"),), timeout=30)
            answers.append(Answer(200, {}, answer))
    return answers


def _refused(gateway: Gateway, key: str, sent: Sequence[tuple[str, bytes]]) -> list[Answer]:
    """The same bytes in requests that are refused: broken, of another media type, with a wrong key, to a place that is none."""
    answers = []
    for signal, body in sent:
        told = as_json(REQUESTS[signal].FromString(body))  # type: ignore[index]
        path = f"/v1/{signal}"
        for given, media, more, by in (
            (body[:-3], PROTOBUF, {}, key),
            (told[:-9], JSON, {}, key),
            (told, PROTOBUF, {}, key),
            (body, JSON, {}, key),
            (body, "text/plain", {}, key),
            (gzip.compress(body)[:-9], PROTOBUF, {"content-encoding": "gzip"}, key),
            (body, PROTOBUF, {}, "lgk_" + "0" * 43),
        ):
            answers.append(gateway.call("POST", path, given, key=by, headers={"content-type": media, **more}))
    return answers


def _call(gateway: Gateway, key: str, drawn: Sequence[Cell]) -> list[Answer]:
    """Calls and stray requests that carry a canary wherever a caller can put one."""
    answers = []
    for cell in drawn:
        text = cell.text.replace(" ", "-")
        if cell.surface == "prompt":
            headers, model, path = {}, "m", "/v1/chat/completions"
        else:
            given = {
                "baggage header": {"baggage": f"note={text}"},
                "tracestate header": {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": f"vendor={text}"},
                "traceparent header": {"traceparent": f"00-{text}-{'cd' * 8}-01"},
                "user agent": {"user-agent": text},
                "request id header": {"x-request-id": text},
            }
            headers = given.get(cell.surface, {})
            model = text if cell.surface == "model" else "m"
            path = {"path": f"/v1/nowhere/{text}", "query": f"/v1/chat/completions?note={text}"}.get(cell.surface, "/v1/chat/completions")
        content = f"remember: {cell.text}" if cell.surface == "prompt" else MARKER
        body = {"model": model, "messages": [{"role": "user", "content": content}]}
        answers.append(gateway.call("POST", path, body, key=key, headers=headers))
    return answers


def _looked_at(gateway: Gateway) -> dict[str, bytes]:
    """What people are shown while the gateway runs."""
    letters = gateway.admin("GET", "/v1/outbox/dead-letters?limit=200")["data"]
    shown = [gateway.call("GET", f"/v1/outbox/dead-letters/{row['id']}", key=gateway.admin_key).body for row in letters]
    export = gateway.call("GET", "/v1/audit/events?format=csv", key=gateway.admin_key).body
    commands = (
        ["outbox", "status"],
        ["outbox", "list", "--json"],
        ["outbox", "show", str(max(letters, key=lambda row: int(row["bytes"]))["id"])],
        ["audit", "list", "--json"],
        ["audit", "export", "--format", "csv"],
        ["events", "tail"],
        ["keys", "list"],
        ["secrets", "status"],
        ["spend", "report"],
    )
    told = [gateway.cli(*words) for words in commands]
    return {
        "dead letters": b"\n".join(shown),
        "audit events": json.dumps(gateway.events()).encode() + export,
        "/metrics": gateway.call("GET", "/metrics", key=gateway.admin_key).body,
        "command line": b"\n".join(done.stdout + done.stderr for done in told),
        "dashboard data": _dashboard(gateway),
    }


def _dashboard(gateway: Gateway) -> bytes:
    """All that the dashboard's pages can ask for."""
    reads = open_reads(url_of(gateway))
    try:
        asked: list[Any] = [
            reads.overview(),
            reads.choices(),
            reads.latency(),
            reads.calls(),
            reads.keys(0),
            reads.budgets(0),
            reads.references(0),
            reads.workspaces(),
            reads.accounts(),
            reads.dead_letters(),
            reads.rejections(),
            reads.chain_heads(),
            list(reads.iterate_events()),
            *(reads.spend(group_by=group) for group in SPEND_GROUPS),
            *(reads.redactions(group_by=group) for group in REDACTION_GROUPS),
            *(reads.letter(row["id"]) for row in reads.letters(Letters(), limit=500)),
        ]
        return "\n".join(map(repr, asked)).encode()
    finally:
        reads.close()


def _rows(database: Path) -> dict[str, bytes]:
    """The payloads that wait, and those that were given up, as they are kept."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        waiting = [bytes(row[0]) for row in connection.execute("SELECT payload FROM outbox WHERE destination = 'away'")]
        buried = [bytes(row[0]) for row in connection.execute("SELECT payload FROM dead_letters WHERE destination = 'refusing'")]
    return {"rows of the outbox": b"\n".join(waiting), "dead letters, as kept": b"\n".join(buried)}
