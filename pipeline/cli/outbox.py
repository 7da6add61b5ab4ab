"""`outbox`: telemetry on its way to its destinations, the proof that none is lost, and what to do about what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="Telemetry on its way: status, list, show, replay, drop.", no_args_is_help=True, rich_markup_mode=None)

DestinationOption = Annotated[str, typer.Option("--destination", "-d", help="Only of this destination.")]
SignalOption = Annotated[str, typer.Option("--signal", help="traces, logs or metrics.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="The code it was refused with: http_400.")]
SinceOption = Annotated[str, typer.Option("--since", help="Buried since: 5m, 24h, 7d, a date, RFC 3339.")]
UntilOption = Annotated[str, typer.Option("--until", help="Buried before.")]
IdsArgument = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Ids from `outbox list`.", min=1)]
AllOption = Annotated[bool, typer.Option("--all", help="All dead letters.")]


@app.command("status")
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the loss equation: accepted = delivered + queued + dead letters + rejected by policy. 5 when it does not hold.

    Example: lockgate outbox status
    """
    from pipeline.cli.exits import BROKEN
    from pipeline.cli.output import note, print_json, print_table
    from pipeline.cli.reading import open_store

    with open_store(process_of(context)) as reads:
        accounts, dead, rejected = reads.accounts(), reads.dead_letters(), reads.rejections()
    holds = all(not row["missing"] for row in accounts)
    if as_json:
        print_json("lockgate.outbox.status/1", {"ok": holds, "accounts": accounts, "dead_letters": dead, "rejections": rejected})
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
            ("BYTES", "bytes"),
        )
        shown = [{**row, "bytes": row["queued_bytes"] + row["dead_letter_bytes"]} for row in accounts]
        print_table(columns, shown, empty="Nothing was sent yet. Destinations stand under telemetry.destinations.")
        for row in rejected:
            note(f"rejected: {row['items']} of {row['destination']}/{row['signal']}, reason {row['reason']}")
        for row in dead:
            note(f"dead letters: {row['items']} of {row['destination']}/{row['signal']}, reason {row['reason']}")
    raise typer.Exit(0 if holds else BROKEN)


@app.command("list")
def list_letters(
    context: typer.Context,
    *,
    destination: DestinationOption = "",
    signal: SignalOption = "",
    reason: ReasonOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[int, typer.Option("--cursor", min=0, help="Go on behind this id.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, oldest first: what a destination refused for good.

    Example: lockgate outbox list --destination sre --reason http_400
    """
    from pipeline.cli.output import note, print_json, print_table
    from pipeline.cli.reading import open_store
    from pipeline.clock import rfc3339
    from pipeline.keys.letters import read_letters

    asked = read_letters(_filter(destination, signal, reason, since, until))
    with open_store(process_of(context)) as reads:
        rows, total = reads.letters(asked, limit=limit, after=cursor), reads.letters_total(asked)
    letters = [{**row, "buried_at": rfc3339(row["buried_us"]), "created_at": rfc3339(row["created_us"])} for row in rows]
    more = rows[-1]["id"] if len(rows) == limit else None
    if as_json:
        print_json("lockgate.outbox.list/1", {"letters": letters, "total": total, "next_cursor": more})
        return
    names = ("id", "destination", "signal", "reason", "items", "bytes", "attempts", "buried_at")
    print_table([(name.upper().removesuffix("_AT"), name) for name in names], letters, empty="No dead letters match.")
    if more:
        note(f"{total['rows']} match in all; go on with --cursor {more}.")


@app.command("show")
def show(context: typer.Context, ident: Annotated[int, typer.Argument(metavar="ID", min=1)], as_json: JsonOption = False) -> None:
    """Show one dead letter with what is in it, redacted as it was kept, unless it holds what is a live secret now.

    Without a running gateway every reference of the document must resolve here, or nobody could tell.

    Example: lockgate outbox show 4711
    """
    import json

    from pipeline.cli.administration import administration
    from pipeline.cli.output import print_fields, print_json

    with administration(process_of(context)) as admin:
        letter = admin.show_letter(ident)
    if as_json:
        print_json("lockgate.outbox.show/1", {"letter": letter})
        return
    names = ("id", "destination", "signal", "reason", "items", "bytes", "attempts", "created_at", "buried_at")
    print_fields(letter, [(name.replace("_", " "), name) for name in names])
    print(json.dumps(letter["content"], indent=2, ensure_ascii=True))


@app.command("replay")
def replay(
    context: typer.Context,
    ids: IdsArgument = None,
    *,
    destination: DestinationOption = "",
    signal: SignalOption = "",
    reason: ReasonOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters again, oldest first, before what waits behind them.

    Example: lockgate outbox replay --destination sre --reason http_400
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import counted, note, print_json

    order = _order(ids, _filter(destination, signal, reason, since, until), everything=everything)
    with administration(process_of(context)) as admin:
        moved = admin.replay_letters(order)
    if as_json:
        print_json("lockgate.outbox.replay/1", {"rows": moved["rows"], "items": moved["items"]})
        return
    note(f"{counted(moved['rows'], 'dead letter')} with {counted(moved['items'], 'item')} will be sent again.")


@app.command("drop")
def drop(
    context: typer.Context,
    ids: IdsArgument = None,
    *,
    destination: DestinationOption = "",
    signal: SignalOption = "",
    reason: ReasonOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    everything: AllOption = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Not dead letters, but what still waits for --destination.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give dead letters up for good. They count as rejected by policy. Asks first, unless --yes is given.

    Example: lockgate outbox drop --reason http_400 --yes
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import counted, note, print_json

    order = _order(ids, _filter(destination, signal, reason, since, until), everything=everything)
    _sure("what waits" if waiting else "dead letters", yes)
    with administration(process_of(context)) as admin:
        moved = admin.drop_letters({**order, "waiting": waiting})
    if as_json:
        print_json("lockgate.outbox.drop/1", {"of": moved["of"], "rows": moved["rows"], "items": moved["items"]})
        return
    note(f"{counted(moved['rows'], 'batch').replace('batchs', 'batches')} with {counted(moved['items'], 'item')} dropped.")


def _sure(what: str, yes: bool) -> None:
    """Ask on a terminal; without one BadRequest, because nothing is given up unasked."""
    import sys

    from pipeline.errors import BadRequest

    if yes:
        return
    if not sys.stdin.isatty():
        raise BadRequest("Dropping is for good, and there is no terminal to ask on.", hint="Say --yes.")
    typer.confirm(f"Drop {what} for good?", abort=True, err=True)


def _order(ids: Sequence[int] | None, chosen: dict[str, Any], *, everything: bool) -> dict[str, Any]:
    order = {**chosen, "ids": list(ids)} if ids else dict(chosen)
    return {**order, "all": True} if everything else order


def _filter(destination: str, signal: str, reason: str, since: str, until: str) -> dict[str, Any]:
    from datetime import UTC, datetime

    from pipeline.cli.reading import moment

    now = datetime.now(UTC)
    given = {"destination": destination, "signal": signal, "reason": reason}
    given |= {"from": moment(since, now, "since"), "to": moment(until, now, "until")}
    return {name: value for name, value in given.items() if value}
