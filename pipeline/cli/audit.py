"""`audit`: what was written down, and whether it still says what it said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(help="The audit: list, verify, export, keygen, checkpoints, prove, hash.", no_args_is_help=True, rich_markup_mode=None)

SinceOption = Annotated[str, typer.Option("--since", "--from", help="From when on: 5m, 1h, 24h, 7d, a date, RFC 3339.")]
UntilOption = Annotated[str, typer.Option("--until", "--to", help="Until when.")]
KindOption = Annotated[str, typer.Option("--kind", help="Kind of event, or a beginning with *: policy:*.")]
KeyOption = Annotated[str, typer.Option("--key", help="Id of a virtual key.")]
WorkspaceOption = Annotated[str, typer.Option("--workspace", help="Slug of a workspace.")]
FORMS = ("bundle", "csv", "json", "parquet", "ocsf", "ecs", "cef", "cloudevents")
RequestOption = Annotated[str, typer.Option("--request-id", help="The x-request-id of an answer.")]


@app.command("list")
def list_events(
    context: typer.Context,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    kind: KindOption = "",
    key: KeyOption = "",
    workspace: WorkspaceOption = "",
    request_id: RequestOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str, typer.Option("--cursor", help="Go on after a list that was cut off (the cursor is in its JSON).")] = "",
    as_json: JsonOption = False,
) -> None:
    """List events, newest first.

    Example: lockgate audit list --since 24h --kind 'policy:*'
    """
    from pipeline.cli.output import note, print_json, print_table
    from pipeline.cli.reading import open_store
    from pipeline.clock import rfc3339
    from pipeline.store.read_model import parse_filter

    asked = parse_filter(_filters(since=since, until=until, kind=kind, key=key, workspace=workspace, request_id=request_id))
    with open_store(process_of(context)) as reads:
        page = reads.events_page(asked, limit=limit, cursor=cursor)
    rows = [{"at": rfc3339(row["at_us"]), **row} for row in page.rows]
    if as_json:
        print_json("lockgate.audit.list/1", {"events": rows, "next_cursor": page.older or None})
        return
    columns = (
        ("TIME", "at"),
        ("KIND", "kind"),
        ("OUTCOME", "outcome"),
        ("ACTOR", "actor"),
        ("MODEL", "model"),
        ("STATUS", "status"),
        ("ERROR", "error"),
        ("REQUEST", "request_id"),
    )
    shown = [{**row, "actor": row["actor_alias"] or row["actor"], "status": row["status"] or ""} for row in rows]
    print_table(columns, shown, empty="No events match.")
    if page.older:
        note("There are more: --limit, --since and --until choose, and `lockgate audit export` gives them all.")


@app.command("verify")
def verify(
    context: typer.Context,
    *,
    public_key: Annotated[list[Path] | None, typer.Option("--public-key", help="A key that checkpoints may be signed by (PEM).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every chain, checkpoint, journal and charge. 0 when all is as it was written, 5 with the first bad row otherwise.

    Example: lockgate audit verify --public-key audit-key.pub.pem
    """
    from dataclasses import asdict

    from pipeline.cli.audit_keys import trusted_keys
    from pipeline.cli.output import counted, note, print_json
    from pipeline.cli.reading import existing_url
    from pipeline.ledger.verify import verify_store
    from pipeline.store.read_engine import open_read_engine

    process = process_of(context)
    engine = open_read_engine(existing_url(process))
    journal = process.layout.journal
    try:
        report = verify_store(engine, journal if journal.is_dir() else None, trusted_keys(public_key or []))
    finally:
        engine.dispose()
    from pipeline.cli.exits import BROKEN

    if as_json:
        print_json("lockgate.audit.verify/1", {"ok": report.ok, **asdict(report)})
    else:
        seen = ((report.chains, "chain"), (report.checkpoints, "checkpoint"), (report.journals, "journal"))
        ending = "all as they were written." if report.ok else f"{counted(len(report.faults), 'fault')}."
        print(f"{counted(report.events, 'event')} in {', '.join(counted(number, name) for number, name in seen)}: {ending}")
        for fault in report.faults:
            note(f"chain {fault.chain}, event {fault.seq}{f' ({fault.event_id})' if fault.event_id else ''}: {fault.why}")
        for remark in report.remarks:
            note(f"remark: {remark}")
    raise typer.Exit(0 if report.ok else BROKEN)


@app.command("export")
def export(
    context: typer.Context,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    kind: KindOption = "",
    key: KeyOption = "",
    workspace: WorkspaceOption = "",
    request_id: RequestOption = "",
    form: Annotated[str, typer.Option("--format", help="bundle, csv, json, parquet, ocsf, ecs, cef, cloudevents.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file (owner-only) instead of standard output.")] = None,
) -> None:
    """Export events, or the evidence bundle of a period with its own verifier. The export is an event itself.

    Example: lockgate audit export --from 2026-11-01 --to 2026-12-01 --format bundle --output november.zip
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note
    from pipeline.errors import BadRequest

    if form not in FORMS:
        raise BadRequest(f"--format is one of {', '.join(FORMS)}.")
    if output is None and form in ("bundle", "parquet") and sys.stdout.isatty():
        raise BadRequest("This format is no text.", hint="Name a file with --output.")
    filters = _filters(since=since, until=until, kind=kind, key=key, workspace=workspace, request_id=request_id)
    with administration(process_of(context)) as admin:
        pieces = admin.export(filters, form)
        if output is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        import os

        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
    note(f"Written to {output}.")


def _filters(**given: str) -> Mapping[str, str]:
    from datetime import UTC, datetime

    from pipeline.cli.reading import moment

    now = datetime.now(UTC)
    filters: dict[str, Any] = {name: value for name, value in given.items() if value}
    for option, name in (("since", "from"), ("until", "to")):
        if filters.get(option):
            filters[name] = moment(filters.pop(option), now, option)
    return filters
