"""A deterministic company for the read model and the dashboard: keys, calls, charges, redactions, references, accounts.

Nothing here is a secret: key digests are counters, hints end in made-up letters. `fill` writes with plain inserts, in bulk.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, create_engine, insert
from sqlalchemy.pool import NullPool

from pipeline.ids import ulid
from pipeline.store import tables

NOW_US = 1_795_251_600_000_000  # 2026-11-21T09:00:00Z
MINUTE_US = 60_000_000
DAY_US = 86_400_000_000

WORKSPACES = ("production", "research", "support")
MODELS = (("gpt-5-mini", "openai", 0.25, 2.0), ("claude-sonnet-4-5", "anthropic", 3.0, 15.0), ("gemini-2.5-flash", "gemini", 0.3, 2.5))
ALIASES = ("checkout", "search", "nightly-batch", "notebook", "eval-runner", "helpdesk", "triage", "intern-trial")
RULES = (
    ("openai-project-key", "openai_key", "secrets", "prompt", "mask"),
    ("aws-access-key-id", "aws_access_key", "secrets", "prompt", "block"),
    ("known-secret", "live_secret", "known", "answer", "mask"),
    ("email", "email", "pii", "prompt", "pseudonymize"),
    ("phone", "phone", "pii", "prompt", "mask"),
    ("iban", "iban", "pii", "answer", "mask"),
    ("github-token", "github_token", "secrets", "telemetry", "hash"),
    ("blocked-term", "term", "terms", "prompt", "block"),
)


@dataclass(slots=True)
class Rows:
    """Collected rows by table name, written in one go."""

    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seq: int = 0

    def add(self, table: str, **values: Any) -> None:
        self.found.setdefault(table, []).append(values)


def open_store(path: Path) -> Engine:
    """A fresh SQLite store in WAL with every table."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    tables.metadata.create_all(engine)
    return engine


def fill(
    engine: Engine, *, calls: int = 3_000, days: int = 40, seed: int = 7, now_us: int = NOW_US, org: str = "default"
) -> dict[str, Any]:
    """Write the company and return its ids: `workspaces` and `keys` by name, `chain`, `requests` (newest last)."""
    rng = Random(seed)
    rows = Rows()
    start = now_us - days * DAY_US
    chain = ulid(start, rng.getrandbits(80))
    workspaces = {slug: ulid(start, rng.getrandbits(80)) for slug in WORKSPACES}
    rows.add("organizations", id=org, name="Example Company" if org == "default" else org, created_us=start)
    for slug, key in workspaces.items():
        rows.add("workspaces", id=key, org_id=org, slug=slug, name=slug.title(), policy="default", created_us=start)
        rows.add(
            "budgets", id=ulid(start, rng.getrandbits(80)), scope_kind="workspace", scope_id=key, limit_micros=500_000_000, period="month",
            period_start_us=_month(now_us), spent_micros=rng.randrange(480_000_000), reserved_micros=120_000, created_us=start,
            soft_micros=400_000_000,
        )  # fmt: skip
    keys = _keys(rows, rng, workspaces, org, start, now_us)
    requests = _calls(rows, rng, keys, org, chain, calls, start, now_us)
    if org == "default":
        _references(rows, now_us)
        _operations(rows, rng, chain, now_us)
    with engine.begin() as connection:
        for name, found in rows.found.items():
            connection.execute(insert(tables.metadata.tables[name]), found)
    return {"workspaces": workspaces, "keys": {alias: key for alias, (key, _) in keys.items()}, "chain": chain, "requests": requests}


def _month(now_us: int) -> int:
    from pipeline.store.read_keys import period_start

    return period_start(now_us, "month")


_NARROWED = {"caveats_json": json.dumps({"routes": ["chat", "models"], "tools": [], "max_calls": 5_000}), "calls_used": 1_204}
_MORE_BUDGETS: tuple[dict[str, Any], ...] = (
    {"id": "X", "scope_kind": "key", "scope_id": "", "limit_micros": 90_000_000, "period": "24h", "period_start_us": 0, "spent_micros": 0,
     "reserved_micros": 20_000, "soft_micros": 0},
    {"id": "Y", "scope_kind": "model", "scope_id": "/gpt-5-mini", "limit_micros": 2_000_000, "period": "", "period_start_us": 0,
     "spent_micros": 1_900_000, "reserved_micros": 0, "soft_micros": 1_500_000},
)  # fmt: skip
"""Beside the budget of each month; `scope_id` is what stands behind the key's."""


def _keys(rows: Rows, rng: Random, workspaces: dict[str, str], org: str, start: int, now_us: int) -> dict[str, tuple[str, str]]:
    keys: dict[str, tuple[str, str]] = {}
    states = {"triage": "blocked", "intern-trial": "revoked"}
    for number, alias in enumerate(ALIASES):
        workspace = workspaces[WORKSPACES[number % len(WORKSPACES)]]
        key = ulid(start + number, rng.getrandbits(80))
        keys[alias] = (key, workspace)
        expires = {"notebook": now_us - DAY_US, "checkout": now_us + 12 * DAY_US, "search": now_us + 200 * DAY_US}.get(alias, 0)
        rows.add(
            "virtual_keys", id=key, org_id=org, workspace_id=workspace, digest=hashlib.sha256(f"{org}{number}".encode()).hexdigest(),
            pepper_id="p1", hint=f"lgk_…{alias[:4]}", alias=alias, role="key", status=states.get(alias, "active"),
            models=json.dumps(["gpt-5-mini"] if number % 3 == 0 else []), expires_us=expires, rpm_limit=(0, 60, 600)[number % 3],
            tpm_limit=(0, 0, 200_000)[number % 3], max_parallel_requests=(0, 4, 0)[number % 3],
            created_us=start, created_by="admin", revoked_us=now_us - 3 * DAY_US if alias == "intern-trial" else 0,
            **(_NARROWED if alias == "checkout" else {"caveats_json": "{}", "calls_used": 0}),
            parent_id=keys[ALIASES[number - len(WORKSPACES)]][0] if alias == "intern-trial" else "",
        )  # fmt: skip
        if alias == "checkout":
            for more in _MORE_BUDGETS:
                rows.add("budgets", **{**more, "id": f"{key[:-1]}{more['id']}", "scope_id": key + more["scope_id"], "created_us": start})
        if number % 4 != 3:
            limit = (20_000_000, 5_000_000, 50_000_000)[number % 3]
            spent = int(limit * (0.31, 0.97, 0.64, 0.08)[number % 4])
            rows.add(
                "budgets", id=ulid(start, rng.getrandbits(80)), scope_kind="key", scope_id=key, limit_micros=limit, period="month",
                period_start_us=_month(now_us), spent_micros=spent, reserved_micros=40_000, created_us=start,
                soft_micros=0,
            )  # fmt: skip
    return keys


def _calls(
    rows: Rows, rng: Random, keys: dict[str, tuple[str, str]], org: str, chain: str, calls: int, start: int, now_us: int
) -> list[str]:
    span = now_us - start - MINUTE_US
    requests = []
    for at in sorted(start + int(span * rng.random() ** 0.7) for _ in range(calls)):
        alias = rng.choices(ALIASES, weights=(9, 7, 6, 2, 4, 5, 1, 1))[0]
        key, workspace = keys[alias]
        request = ulid(at, rng.getrandbits(80))
        requests.append(request)
        _call(rows, rng, at, request, org, workspace, key, chain)
    return requests


def _event(rows: Rows, rng: Random, at: int, kind: str, outcome: str, chain: str, detail: dict[str, Any], **more: Any) -> None:
    rows.seq += 1
    digest = hashlib.sha256(f"{chain}{rows.seq}".encode()).hexdigest()
    before = hashlib.sha256(f"{chain}{rows.seq - 1}".encode()).hexdigest()
    values = {"actor": "", "request_id": "", "org_id": "default", "workspace_id": "", "key_id": "", "model": "", "target_id": "", "status": 0, "error": "", "trace_id": ""}  # fmt: skip  # noqa: E501
    rows.add(
        "events", id=ulid(at, rng.getrandbits(80)), chain=chain, seq=rows.seq, at_us=at, kind=kind, outcome=outcome,
        detail=json.dumps(detail, sort_keys=True), prev_hash=before, hash=digest, **{**values, **more},
    )  # fmt: skip


def _call(rows: Rows, rng: Random, at: int, request: str, org: str, workspace: str, key: str, chain: str) -> None:
    model, provider, price_in, price_out = rng.choices(MODELS, weights=(6, 3, 2))[0]
    trace = f"{rng.getrandbits(128):032x}"
    common = {
        "org_id": org,
        "workspace_id": workspace,
        "key_id": key,
        "model": model,
        "trace_id": trace,
        "request_id": request,
        "actor": key,
    }
    if rng.random() < 0.02:
        _redactions(rows, rng, at, request, workspace, key, [rule for rule in RULES if rule[4] != "block"])
        _event(rows, rng, at, "gateway:redaction:finish", "ok", chain, {"direction": "prompt"}, **{**common, "model": "", "trace_id": ""})
        return
    ending = rng.choices(("ok", "failed", "aborted", "blocked", "refused"), weights=(90, 4, 2, 2, 2))[0]
    if ending == "blocked":
        _redactions(rows, rng, at, request, workspace, key, [rule for rule in RULES if rule[4] == "block"])
        _event(
            rows,
            rng,
            at,
            "policy:prompt:block",
            "refused",
            chain,
            {"rules": ["aws-access-key-id"]},
            status=400,
            error="content_blocked",
            **common,
        )
        return
    if ending == "refused":
        _event(
            rows,
            rng,
            at,
            "gateway:call:refuse",
            "refused",
            chain,
            {"code": "budget_exceeded"},
            status=429,
            error="budget_exceeded",
            **common,
        )
        return
    tokens_in, tokens_out, cached = rng.randrange(80, 6_000), rng.randrange(20, 1_500), rng.choice((0, 0, 512))
    cost = int(tokens_in * price_in + cached * price_in / 10 + tokens_out * price_out)
    duration = int(rng.lognormvariate(13.6, 0.6))
    detail = {"surface": "chat", "stream": rng.random() < 0.6, "tokens_in": tokens_in, "tokens_out": tokens_out, "cost_micros": cost}
    _event(rows, rng, at, "gateway:call:start", "ok", chain, {"surface": "chat", "reserved_micros": cost * 3}, **common)
    done = at + duration
    if ending == "failed":
        _event(
            rows,
            rng,
            done,
            "gateway:call:finish",
            "failed",
            chain,
            detail,
            status=502,
            error="upstream_5xx",
            target_id=f"{provider}-main",
            **common,
        )
        return
    state = "observed" if ending == "ok" else "aborted_estimated"
    _event(
        rows,
        rng,
        done,
        "gateway:call:finish",
        ending,
        chain,
        detail,
        status=200 if ending == "ok" else 499,
        target_id=f"{provider}-main",
        **common,
    )
    rows.add(
        "charges", id=ulid(done, rng.getrandbits(80)), request_id=request, attempt=1, at_us=done, org_id=org, workspace_id=workspace,
        key_id=key, model=model, target_id=f"{provider}-main", provider=provider, provider_model=model, state=state, cost_micros=cost,
        price_digest="d" * 64, tokens_input=tokens_in, tokens_cache_read=cached, tokens_output=tokens_out, streamed=bool(detail["stream"]),
        secret_reference=f"{provider}-prod", secret_version={"openai": "3", "anthropic": "7", "gemini": "2"}[provider],
        secret_fingerprint=hashlib.sha256(provider.encode()).hexdigest()[:16], duration_us=duration,
        first_token_us=duration // 3,
    )  # fmt: skip
    if rng.random() < 0.25:
        _redactions(rows, rng, at, request, workspace, key, [rule for rule in RULES if rule[4] != "block"])


def _redactions(rows: Rows, rng: Random, at: int, request: str, workspace: str, key: str, rules: list[tuple[str, ...]]) -> None:
    for rule, kind, detector, direction, action in rng.sample(rules, k=min(len(rules), rng.randint(1, 2))):
        rows.add(
            "redactions", request_id=request, at_us=at, workspace_id=workspace, key_id=key, direction=direction, detector=detector,
            rule=rule, kind=kind, action=action, count=rng.randint(1, 4),
        )  # fmt: skip


def _references(rows: Rows, now_us: int) -> None:
    known = (
        ("openai-prod", "hashicorp_vault", "ok", "", "3", hashlib.sha256(b"openai").hexdigest()[:16], 12, ["openai-main"]),
        ("anthropic-prod", "aws_sm", "ok", "", "7", hashlib.sha256(b"anthropic").hexdigest()[:16], 47, ["anthropic-main"]),
        ("gemini-prod", "aws_sm", "stale", "vault_unavailable", "2", hashlib.sha256(b"gemini").hexdigest()[:16], 118, ["gemini-main"]),
        ("azure-eu", "hashicorp_vault", "denied", "secret_forbidden", "", "", 0, ["azure-eu"]),
        ("openai-research", "local", "ok", "", "1", hashlib.sha256(b"openai").hexdigest()[:16], 3, ["openai-research"]),
    )
    for slug, manager, outcome, error, version, fingerprint, age, targets in known:
        rows.add(
            "secret_references", id=hashlib.md5(slug.encode()).hexdigest(), org_id="default", slug=slug, name=slug,
            manager_type=manager, secret_path=f"llm/{slug}", allow_all_workspaces=slug != "openai-research",
            allowed_workspaces=json.dumps(["research"] if slug == "openai-research" else []), origin="document",
            created_us=now_us - 90 * DAY_US,
        )  # fmt: skip
        rows.add(
            "secret_status", slug=slug, manager_type=manager, outcome=outcome, error=error, version=version, fingerprint=fingerprint,
            resolved_us=now_us - 4 * MINUTE_US if version else 0, first_seen_us=now_us - age * DAY_US if age else 0,
            used_us=now_us - MINUTE_US if outcome == "ok" and slug != "openai-research" else 0, latency_us=18_400,
            checked_us=now_us - MINUTE_US,
            required=slug != "openai-research", targets=json.dumps(targets),
        )  # fmt: skip
    rows.add(
        "secret_references", id="9" * 36, org_id="default", slug="mistral-new", name="", manager_type="azure_kv", secret_path="llm/mistral",
        allow_all_workspaces=True, allowed_workspaces="[]", origin="api", created_us=now_us - DAY_US,
    )  # fmt: skip


def _operations(rows: Rows, rng: Random, chain: str, now_us: int) -> None:
    rows.add("epochs", id=chain, pid=4242, host="gateway-1", started_us=now_us - 40 * DAY_US, heartbeat_us=now_us, version="0.1.0")
    rows.add(
        "checkpoints",
        id=ulid(now_us, rng.getrandbits(80)),
        chain=chain,
        seq=max(1, rows.seq - 40),
        hash="c" * 64,
        at_us=now_us - 10 * MINUTE_US,
    )
    for destination, signal, delivered, rejected in (
        ("sre", "traces", 8_120, 3),
        ("sre", "metrics", 2_400, 0),
        ("archive", "traces", 7_988, 0),
    ):
        queued = 2 if destination == "archive" else 0
        for number in range(queued):
            rows.add(
                "outbox", destination=destination, signal=signal, payload=b"\x0a", bytes=1, items=20, attempts=1, reason="connect_failed",
                created_us=now_us - (number + 1) * MINUTE_US,
            )  # fmt: skip
        dead = 15 if destination == "archive" else 0
        if dead:
            rows.add(
                "dead_letters", id=1, destination=destination, signal=signal, payload=b"\x0a", bytes=1, items=dead, attempts=3,
                reason="http_400", created_us=now_us - DAY_US, buried_us=now_us - DAY_US,
            )  # fmt: skip
        if rejected:
            rows.add("outbox_rejections", destination=destination, signal=signal, reason="partial_success", items=rejected)
        accepted = delivered + rejected + queued * 20 + dead
        rows.add(
            "outbox_accounts", destination=destination, signal=signal, accepted=accepted, delivered=delivered, rejected_by_policy=rejected
        )
