"""`spend`: what was spent, by key, model, day or workspace; what it would cost by other prices, and what the provider says."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import spend_books
from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="What was spent: report, reprice, reconcile.", no_args_is_help=True, rich_markup_mode=None)
app.command("reprice")(spend_books.reprice)
app.command("reconcile")(spend_books.reconcile)

_GROUPS = "key, model, day, workspace, target, provider, reference, state or tag (of the key's metadata)."


@app.callback()
def _group() -> None:
    """What was spent."""


@app.command("report")
def report(
    context: typer.Context,
    *,
    group_by: Annotated[str, typer.Option("--group-by", help=_GROUPS)] = "key",
    since: Annotated[str, typer.Option("--since", "--from", help="From when on: 24h, 7d, a date, RFC 3339.")] = "",
    until: Annotated[str, typer.Option("--until", "--to", help="Until when.")] = "",
    workspace: Annotated[str, typer.Option("--workspace", help="Only one workspace (slug).")] = "",
    key: Annotated[str, typer.Option("--key", help="Only one key (id).")] = "",
    model: Annotated[str, typer.Option("--model", help="Only one model.")] = "",
    zone: Annotated[str, typer.Option("--time-zone", help="Whose days are meant (IANA name; UTC without).")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Sum the charges, dearest group first. Amounts are exact to the micro-dollar.

    Example: lockgate spend report --group-by model --since 7d
    """
    from datetime import UTC, datetime

    from pipeline.cli.output import money, note, print_json, print_table
    from pipeline.cli.reading import moment, open_store
    from pipeline.errors import BadRequest
    from pipeline.keys.views import usd
    from pipeline.store.export import csv_lines
    from pipeline.store.read_model import SPEND_GROUPS, parse_filter

    if group_by not in SPEND_GROUPS:
        raise BadRequest(f"--group-by is one of: {', '.join(SPEND_GROUPS)}.")
    now = datetime.now(UTC)
    given = {"from": moment(since, now, "since"), "to": moment(until, now, "until"), "workspace": workspace, "key": key, "model": model}
    asked = parse_filter({name: value for name, value in given.items() if value})
    with open_store(process_of(context)) as reads:
        rows = reads.spend(asked, group_by, zone)
        total = reads.spend_total(asked)
    if as_json:
        print_json("lockgate.spend.report/1", {"group_by": group_by, "groups": rows, "total": total})
        return
    if csv:
        for line in csv_lines(rows):
            print(line, end="")
        return
    shown = [{**row, "cost": money(usd(row["cost_micros"]))} for row in rows]
    labels = [
        name for name in (rows[0] if rows else {}) if not name.startswith(("tokens_", "cost_")) and name not in ("charges", "not_observed")
    ]
    columns = [(name.replace("_", " ").upper(), name) for name in labels]
    figures = (("COST", "cost"), ("CHARGES", "charges"), ("TOKENS IN", "tokens_input"), ("TOKENS OUT", "tokens_output"))
    print_table([*columns, *figures], shown, empty="Nothing was spent in that time.")
    if rows:
        note(f"Total: {money(usd(total['cost_micros']))} in {total['charges']} charges.")
