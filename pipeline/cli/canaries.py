"""Canary calls for `check --verify` and `secrets verify --call`: by the running gateway, or from here where none runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.config.document import Document
    from pipeline.config.environment import Process

BAD: Final = {"denied": 1, "unreachable": 3}
"""The exit code of each verdict that ends a check."""


def with_calls(process: Process, document: Document, statuses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The statuses with `calls`: the verdict of every target's provider on what a reference holds. Without a store, one is made."""
    from pipeline.cli.administration import running_gateway

    client = running_gateway(process)
    if client is None:
        return _from_here(process, document, statuses)
    known = {each["slug"] for each in client.references()["data"]}
    return [{**status, "calls": _by_gateway(client, status) if status["slug"] in known else _unknown(status)} for status in _once(statuses)]


def _once(statuses: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each status, with targets where its slug stands first alone: a secret of several fields has a status for each of them."""
    seen: set[str] = set()
    found: list[Mapping[str, Any]] = []
    for status in statuses:
        found.append({**status, "targets": []} if status["slug"] in seen else status)
        seen.add(status["slug"])
    return found


def code_of_calls(statuses: Sequence[Mapping[str, Any]], *, strict: bool) -> int:
    """0 when no provider refuses a required key, 1 when one does, 3 when one cannot be reached. `strict`: nothing less than `works`."""
    found = {
        BAD.get(call["verdict"], 1)
        for status in statuses
        for call in status.get("calls", ())
        if call["verdict"] != "works" and (strict or (status["required"] and call["verdict"] in BAD))
    }
    return min(found, default=0)


def print_calls(statuses: Sequence[Mapping[str, Any]]) -> None:
    """A table of verdicts, and below it what is to be done."""
    from pipeline.cli.output import note, print_table

    columns = (("REFERENCE", "slug"), ("TARGET", "target"), ("PROVIDER", "provider"), ("VERDICT", "verdict"), ("HTTP", "http"))
    rows = [{**call, "slug": status["slug"], "http": call["status"] or ""} for status in statuses for call in status.get("calls", ())]
    print_table(columns, rows, empty="No target uses a reference that resolves: nothing was called.")
    for row in rows:
        if row["verdict"] != "works":
            note(f"{row['slug']}, {row['target']}: {row['note']}")


def _by_gateway(client: Any, status: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = client.reference(status["slug"], "verify", {"call": True})["calls"] if status["targets"] else []
    return calls


def _unknown(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = "The running gateway has no such reference: have it read the document again, or stop it."
    return [
        {"target": target, "provider": "", "verdict": "unsupported", "status": 0, "latency_us": 0, "note": said}
        for target in status["targets"]
    ]


def _from_here(process: Process, document: Document, statuses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    import asyncio

    from pipeline.cli.offline import OfflineAdmin

    admin = OfflineAdmin(process)
    try:
        wanted = {status["slug"]: status["targets"] for status in statuses if status["resolvable"] and status["targets"]}
        if wanted:
            admin.note(
                "admin:secret:call", {"references": sorted(wanted), "targets": sorted({one for each in wanted.values() for one in each})}
            )
        calls = asyncio.run(_call(process, document, wanted))
        for slug, found in calls.items():
            said = [{name: call[name] for name in ("target", "verdict", "status")} for call in found]
            good = not any(call["verdict"] in BAD for call in found)
            admin.note("admin:secret:verify", {"reference": slug, "targets": wanted[slug], "calls": said}, "ok" if good else "failed")
    finally:
        admin.close()
    return [{**status, "calls": calls.get(status["slug"], []) if status["targets"] else []} for status in _once(statuses)]


async def _call(process: Process, document: Document, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, Any]]]:
    from dataclasses import asdict

    from pipeline.bootstrap.compile import compile_references, compile_targets
    from pipeline.cli.made import made_references
    from pipeline.cli.resolving import open_resolver
    from pipeline.clock import SystemClock
    from pipeline.routing.canary_call import call_canaries
    from pipeline.routing.canary_keys import keys_for
    from pipeline.routing.providers import read_catalog
    from pipeline.vaults.check import PREFLIGHT

    made, clock, bases = made_references(process), SystemClock(), read_catalog().bases
    references = compile_references(document, made.references)
    targets = compile_targets(document, references)
    found: dict[str, list[dict[str, Any]]] = {}
    async with open_resolver(process, references.declared) as resolver:
        for slug in made.disabled:
            resolver.disable(slug)
        for slug, names in wanted.items():
            keyed = await keys_for([targets[name] for name in names], references, resolver, PREFLIGHT)
            calls = await call_canaries(keyed, lambda target: target.base_url or bases.get(target.provider), clock)
            found[slug] = [asdict(call) for call in calls]
    return found
