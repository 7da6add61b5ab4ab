"""How references stand, for `check` and `secrets status`: asked of the running gateway, or found out here from the document."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config.document import Document
    from pipeline.config.environment import Process


def read_statuses(process: Process, *, here: bool) -> list[dict[str, Any]]:
    """Every reference, read from its vault now. `here`: from this shell and this document, even while a gateway runs with its own."""
    from pipeline.cli.administration import running_gateway
    from pipeline.cli.engine import finder_of
    from pipeline.config.loader import load_document

    client = None if here else running_gateway(process)
    if client is not None:
        data: list[dict[str, Any]] = client.references()["data"]
        return data
    return statuses_of(process, load_document(process.document_path, find_secrets=finder_of(process)))


def statuses_of(process: Process, document: Document) -> list[dict[str, Any]]:
    """Every reference of a document, and those made by REST, resolved from this shell."""
    import asyncio

    from pipeline.bootstrap.compile import compile_references
    from pipeline.cli.made import made_references

    made = made_references(process)
    references = compile_references(document, made.references)
    found = asyncio.run(_probe(process, references.all(), references.declared, made.disabled))
    return [{**status, "targets": list(references.targets_of(status["slug"]))} for status in found]


def code_of(statuses: Sequence[Mapping[str, Any]], *, strict: bool) -> int:
    """0 when all resolve that must, 1 missing or denied, 2 wrongly configured, 3 a vault cannot be reached."""
    from pipeline.vaults import check

    told = ((status["reason"], check.counts(status["reason"], required=status["required"], strict=strict)) for status in statuses)
    return check.code_of(check.decisive(told))


def print_statuses(statuses: Sequence[Mapping[str, Any]]) -> None:
    """A table of what resolves, and below it what does not and how to fix it. Never a value."""
    from pipeline.cli.output import note, print_table

    columns = (
        ("REFERENCE", "slug"),
        ("VAULT", "manager_type"),
        ("REQUIRED", "required"),
        ("STATE", "state"),
        ("VERSION", "version"),
        ("AGE", "age"),
        ("LATENCY", "latency"),
        ("FINGERPRINT", "fingerprint"),
        ("TARGETS", "targets"),
    )
    print_table(columns, [_row(status) for status in statuses], empty="The document has no references: no target needs a secret.")
    for status in statuses:
        if not status["resolvable"]:
            note(f"{status['slug']}: {status['message']} {status['hint']}".rstrip())


def _row(status: Mapping[str, Any]) -> dict[str, Any]:
    age_s = status.get("age_s")
    return {
        **status,
        "state": "ok" if status["resolvable"] else status["reason"],
        "age": "" if age_s is None else _ago(float(age_s)),
        "latency": f"{status['latency_us'] / 1000:.1f} ms" if status.get("latency_us") else "",
    }


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


async def _probe(process: Process, refs: Sequence[Any], declared: Mapping[str, Any], disabled: Collection[str]) -> list[dict[str, Any]]:
    from pipeline.cli.resolving import open_resolver
    from pipeline.clock import SystemClock
    from pipeline.vaults.check import check

    async with open_resolver(process, declared) as resolver:
        for slug in disabled:
            resolver.disable(slug)
        statuses = await check(refs, resolver, SystemClock())
    return [{**asdict(status), "resolvable": status.resolvable} for status in statuses]
