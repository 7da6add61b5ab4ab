"""`outbox`: telemetry on its way to its destinations, and the proof that none is lost."""

from __future__ import annotations

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="Telemetry on its way: status.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Telemetry on its way."""


@app.command("status")
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the loss equation: accepted = delivered + queued + dead letters + rejected by policy. 5 when it does not hold.

    Example: lockgate outbox status
    """
    from pipeline.cli.exits import BROKEN
    from pipeline.cli.output import note, print_json, print_table
    from pipeline.cli.reading import open_store

    with open_store(process_of(context)) as reads:
        accounts, dead = reads.accounts(), reads.dead_letters()
    holds = all(not row["missing"] for row in accounts)
    if as_json:
        print_json("lockgate.outbox.status/1", {"ok": holds, "accounts": accounts, "dead_letters": dead})
    else:
        columns = (
            ("DESTINATION", "destination"),
            ("SIGNAL", "signal"),
            ("ACCEPTED", "accepted"),
            ("DELIVERED", "delivered"),
            ("QUEUED", "queued"),
            ("DEAD", "dead_letter"),
            ("REJECTED", "rejected_by_policy"),
            ("MISSING", "missing"),
        )
        print_table(columns, accounts, empty="Nothing was sent yet. Destinations stand under telemetry.destinations.")
        for row in dead:
            note(f"dead letters: {row['items']} of {row['destination']}/{row['signal']}, reason {row['reason']}")
    raise typer.Exit(0 if holds else BROKEN)
