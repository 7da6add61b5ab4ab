"""How fast the OTLP receiver is on one core: decode, JSON-aware redaction, encode, beside the same done the naive way in the same run.

Run as `python -m tests.benchmarks.receiver_speed`. Spans per second of CPU, best of several rounds; each round has requests that were not
seen before. Two kinds of requests of 512 spans, as SDKs batch them:

- plain: 20 attributes as HTTP and database instrumentations set them; of their texts two are another one in every span
- LLM: the same with a prompt and an answer of 1.5 kB each, JSON as the GenAI conventions have it, all of them different

The naive pipeline decodes, walks every string, reads JSON where a string is JSON, replaces by six regular expressions, and encodes. It
finds a hundredth of what the redactor finds; that is what the ratio is about.

The bars were set on a reference machine. What this one takes for a pass over memory, measured between the rounds, says how much slower
it is; each bar stands as it is and divided by that.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from random import Random
from typing import Any

from collectors.otlp.cleanse import Cleanser
from collectors.otlp.gathering import Seen
from pipeline.config.policies import default_policy
from redactors import KnownSecrets, build_redactor, compile_patterns
from redactors.rules.catalog import all_rules
from tests import planted
from tests.benchmarks.redactor_speed import best
from tests.benchmarks.texts import prose

SPANS = 512
BARS = {"plain": 55_000, "LLM": 15_000}
"""Spans a second that the reference machine is to reach (reference/telemetry.md, section 8)."""

FLOOR_US = 42.0
"""What a pass over 100 KB takes there (reference/redaction.md)."""

_NAIVE = [
    re.compile(pattern)
    for pattern in (
        r"[\w.+-]+@[\w-]+\.[\w.]+",
        r"sk-[A-Za-z0-9_-]{20,}",
        r"\b(?:\d[ -]?){13,16}\b",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
        r"\beyJ[\w-]+\.[\w-]+\.[\w-]+",
    )
]


def request(rng: Random, *, llm: bool) -> bytes:
    """One serialized request of SPANS spans."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    built = ExportTraceServiceRequest()
    group = built.resource_spans.add()
    for key, text in (
        ("service.name", "checkout"),
        ("service.version", "1.4.2"),
        ("host.name", "web-7"),
        ("telemetry.sdk.name", "opentelemetry"),
    ):
        group.resource.attributes.add(key=key).value.string_value = text
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = "opentelemetry.instrumentation.asgi", "0.66b2"
    for _ in range(SPANS):
        _span(scope.spans.add(), rng, llm=llm)
    data: bytes = built.SerializeToString()
    return data


def _span(span: Any, rng: Random, *, llm: bool) -> None:
    span.trace_id, span.span_id, span.parent_span_id = rng.randbytes(16), rng.randbytes(8), rng.randbytes(8)
    span.name, span.kind = rng.choice(("GET /orders/{id}", "POST /orders", "SELECT shop", "publish")), rng.randint(1, 5)
    span.start_time_unix_nano = 1_790_000_000_000_000_000 + rng.randrange(10**12)
    span.end_time_unix_nano = span.start_time_unix_nano + rng.randrange(10**9)
    order = rng.randrange(10**6)
    texts = {
        "http.request.method": rng.choice(("GET", "POST", "PUT")),
        "http.route": "/orders/{id}",
        "url.scheme": "https",
        "url.path": f"/orders/{order}",  # another one in every span, as the query
        "user_agent.original": "python-httpx/0.28.1",
        "server.address": "shop.internal",
        "client.address": f"10.0.{rng.randrange(4)}.{rng.randrange(16)}",
        "network.protocol.version": "1.1",
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.query.text": f"SELECT id, total FROM orders WHERE id = {order} LIMIT 1",
        "thread.name": f"worker-{rng.randrange(8)}",
        "code.function.name": "checkout.views.show",
        "deployment.environment.name": "production",
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    numbers = {
        "http.response.status_code": 200,
        "server.port": 443,
        "thread.id": rng.randrange(10**6),
        "code.line.number": 118,
        "rows": rng.randrange(50),
    }
    for key, number in numbers.items():
        span.attributes.add(key=key).value.int_value = number
    span.attributes.add(key="app.share").value.double_value = rng.random()
    span.status.code = 1
    if llm:
        for key, role in (("gen_ai.input.messages", "user"), ("gen_ai.output.messages", "assistant")):
            message = [{"role": role, "parts": [{"type": "text", "content": prose(rng, 1_420)}], "finish_reason": "stop"}]
            span.attributes.add(key=key).value.string_value = json.dumps(message)
        for key in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"):
            span.attributes.add(key=key).value.int_value = rng.randrange(4_000)


def naive(body: bytes) -> bytes:
    """Decode, look at every string, encode: what a processor in a pipeline of a few lines does."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    decoded = ExportTraceServiceRequest.FromString(body)
    for group in decoded.resource_spans:
        _naive_pairs(group.resource.attributes)
        for scope in group.scope_spans:
            _naive_pairs(scope.scope.attributes)
            for span in scope.spans:
                span.name = _naive_text(span.name)
                _naive_pairs(span.attributes)
    data: bytes = decoded.SerializeToString()
    return data


def _naive_pairs(pairs: Any) -> None:
    for pair in pairs:
        if pair.value.WhichOneof("value") == "string_value":
            text = pair.value.string_value
            clean = _naive_json(text) if text[:1] in ("{", "[") else _naive_text(text)
            if clean != text:
                pair.value.string_value = clean


def _naive_json(text: str) -> str:
    try:
        return json.dumps(_naive_tree(json.loads(text)))
    except ValueError:
        return _naive_text(text)


def _naive_tree(node: Any) -> Any:
    if isinstance(node, str):
        return _naive_text(node)
    if isinstance(node, dict):
        return {key: _naive_tree(value) for key, value in node.items()}
    return [_naive_tree(value) for value in node] if isinstance(node, list) else node


def _naive_text(text: str) -> str:
    for pattern in _NAIVE:
        text = pattern.sub("[REDACTED]", text)
    return text


def spans_a_second(work: Callable[[bytes], object], bodies: list[bytes]) -> float:
    """Spans per second of CPU: the best round, each with a request of its own, behind two that are learned from."""
    times = []
    for body in bodies:
        start = time.process_time()
        work(body)
        times.append(time.process_time() - start)
    return SPANS / min(times[2:])


def slowness(rng: Random) -> float:
    """How many times as long as on the reference machine a pass over 100 KB of memory takes, the best of many."""
    text = prose(rng, 100_000)
    return best(lambda: text.encode().find(b"\xff\xfe\xfd\xfc")) / FLOOR_US


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1, help="draw other texts")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rng = Random(options.seed)
    known = KnownSecrets(planted.secret("virtual_key", rng) for _ in range(100))
    redactor = build_redactor(known, policy=default_policy().plain(), direction="telemetry", pattern_set=compile_patterns(all_rules()))
    print(f"seed {options.seed}; {len(all_rules())} rules, 100 live secrets, the default policy; requests of {SPANS} spans; one core")
    for kind in ("plain", "LLM"):
        bodies = [request(rng, llm=kind == "LLM") for _ in range(options.rounds + 2)]
        seen = Seen(0)
        cleanser = Cleanser(redactor, resource=(("lockgate.workspace", "default"),))
        before = slowness(rng)
        ours = spans_a_second(lambda body: cleanser.cleanse("traces", body, seen), bodies)  # noqa: B023 - called before the next turn
        theirs = spans_a_second(naive, bodies)
        slower = min(before, slowness(rng))
        bar = BARS[kind] / slower
        size = sum(map(len, bodies)) / len(bodies) / 1e6
        rates = f"Lockgate {ours:8.0f} spans/s ({ours * size / SPANS:5.1f} MB/s)   naive {theirs:8.0f} spans/s   ratio {ours / theirs:5.2f}"
        print(f"{kind:6} {size:5.2f} MB a request   {rates}   bar {BARS[kind]}: {ours / BARS[kind]:.2f} of it")
        print(f"{'':6} memory floor {slower:.2f} times the reference machine's: bar {bar:.0f} here, {ours / bar:.2f} of it")


if __name__ == "__main__":
    main()
