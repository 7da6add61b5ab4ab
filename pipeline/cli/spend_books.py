"""`spend reprice` and `spend reconcile`: what a period would cost by other prices, and what the provider says it cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.context import ConfigOption, JsonOption, process_of

if TYPE_CHECKING:
    from pipeline.config.environment import Process
    from pipeline.routing.model import Target
    from pipeline.routing.pricing import Pricer
    from pipeline.store.reads import Filter

_FROM = typer.Option("--from", "--since", help="From when on: 7d, a date, RFC 3339.")
_TO = typer.Option("--to", "--until", help="Until when.")


def reprice(
    context: typer.Context,
    *,
    since: Annotated[str, _FROM] = "",
    until: Annotated[str, _TO] = "",
    workspace: Annotated[str, typer.Option("--workspace", help="Only one workspace (slug).")] = "",
    key: Annotated[str, typer.Option("--key", help="Only one key (id).")] = "",
    model: Annotated[str, typer.Option("--model", help="Only one model.")] = "",
    price_map: Annotated[Path | None, typer.Option("--price-map", help="Another price map (LiteLLM's format).")] = None,
    config: ConfigOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the differences as adjustments.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Price a period again, by another price map or a changed document, and show the difference.

    With --apply each difference becomes a charge of its own (state adjusted) beside the one it corrects, which stays as it is. Budgets
    are left alone. Doing it twice changes nothing.

    Example: lockgate spend reprice --from 2026-11-01 --to 2026-12-01 --price-map prices.json
    """
    from pipeline.cli.output import counted, money, note, print_json, print_table
    from pipeline.cli.reading import open_store
    from pipeline.keys.views import usd
    from pipeline.routing.repricing import Difference
    from pipeline.routing.repricing import reprice as priced_again
    from pipeline.store.export import csv_lines

    process = process_of(context, config=config)
    pricer, targets = _prices(process, price_map)
    asked = _asked(since, until, workspace=workspace, key=key, model=model)
    found = Difference(pricer.digest)
    with open_store(process) as reads:
        changes = dict(priced_again(reads.iterate_charges(asked), pricer, lambda row: _target(row, targets), found))
    applied = _apply(process, changes, found.price_digest) if apply and changes else None
    rows, total = found.rows(), found.total()
    difference = total.after_micros - total.before_micros
    if as_json:
        tree = {"price_digest": found.price_digest, "models": rows, "skipped": found.skipped, "difference_micros": difference}
        print_json("lockgate.spend.reprice/1", {**tree, "applied": applied})
        return
    if csv:
        for line in csv_lines(rows):
            print(line, end="")
        return
    shown = [{**row, **{name: money(usd(row[f"{name}_micros"])) for name in ("before", "after", "difference")}} for row in rows]
    names = ("provider", "model", "charges", "changed", "before", "after", "difference")
    print_table([(name.upper(), name) for name in names], shown, empty="There is nothing to price in that time.")
    for why, number in found.skipped.items():
        note(f"Left as they are: {counted(number, 'charge')} ({why.replace('_', ' ')}).")
    note(f"Difference: {money(usd(difference))} over {counted(total.changed, 'charge')}, prices {found.price_digest[:12]}.")
    if applied is not None:
        note(f"Written: {counted(applied['adjusted'], 'adjustment')}.")
    elif changes:
        note("Nothing was written. Add --apply to write adjustments.")


def reconcile(
    context: typer.Context,
    exports: Annotated[list[Path], typer.Argument(help="The provider's export: JSON, JSON lines or CSV, as downloaded.")],
    *,
    provider: Annotated[str, typer.Option("--provider", help="Whose export it is (openai, anthropic, bedrock, …).")],
    since: Annotated[str, _FROM] = "",
    until: Annotated[str, _TO] = "",
    models: Annotated[list[str] | None, typer.Option("--model-name", help="THEIRS=OURS, when a model has another name there.")] = None,
    keys: Annotated[
        list[str] | None, typer.Option("--key-name", help="THEIRS=OURS: their API key and our secret reference; groups by key.")
    ] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="The share that may stay unexplained, in percent.", min=0)] = 0.1,
    every: Annotated[bool, typer.Option("--all", help="Show what matches, too.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare charges with the provider's own books. Exit code 1 when more than the threshold stays unexplained.

    Read are OpenAI's organization usage and costs (API pages or CSV), Anthropic's usage and cost reports (API pages or CSV), AWS Cost and
    Usage Reports (CSV), and any CSV or JSON lines of single requests with request_id, date, and cost or tokens. Days are UTC.

    Example: lockgate spend reconcile costs.json --provider openai
    """
    from pipeline.cli.exits import FAILED
    from pipeline.cli.output import note, print_json, print_table
    from pipeline.cli.reading import open_store
    from pipeline.ledger.invoices import read_export
    from pipeline.ledger.reconciling import reconcile as compared
    from pipeline.store.export import csv_lines

    entries = [entry for path in exports for entry in read_export(_bytes(path))]
    asked = _period(since, until, min(entry.day for entry in entries), max(entry.day for entry in entries))
    entries = [entry for entry in entries if _within(entry.day, asked)]
    with open_store(process_of(context)) as reads:
        ours = (row for row in reads.iterate_charges(asked) if row["provider"] == provider or row["state"] == "unknown")
        found = compared(ours, entries, models=_pairs(models, "model-name"), keys=_pairs(keys, "key-name"))
    rows, unexplained = found.rows(all_groups=every), found.unexplained * 100
    good = unexplained <= threshold
    if as_json:
        tree = {"by": list(found.by), "compared": "money" if found.money else "tokens", "groups": rows, "counts": found.counts()}
        print_json(
            "lockgate.spend.reconcile/1", {**tree, "unexplained_percent": float(unexplained), "unsettled": found.unsettled, "ok": good}
        )
    elif csv:
        for line in csv_lines(rows):
            print(line, end="")
    else:
        names = (
            *found.by,
            "status",
            *(("ours_micros", "theirs_micros", "gap_micros") if found.money else ("ours_tokens", "theirs_tokens")),
        )
        print_table([(name.upper().replace("_", " "), name) for name in names], rows, empty="Everything matches.")
    counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in found.counts().items())
    note(f"{counts}; {float(unexplained):.3f} % unexplained, {threshold:g} % allowed.")
    if found.unsettled:
        note(f"{found.unsettled} charges of no known provider were left out: calls that nobody lived to settle.")
    if not good:
        raise typer.Exit(FAILED)


def _prices(process: Process, price_map: Path | None) -> tuple[Pricer, dict[str, Any]]:
    """The prices of a map and the document, and the document's targets by id."""
    from pipeline.bootstrap.compile import compile_prices
    from pipeline.cli.engine import finder_of
    from pipeline.config.loader import load_document
    from pipeline.routing.prices import read_price_map
    from pipeline.routing.pricing import Pricer

    document = load_document(process.document_path, find_secrets=finder_of(process))
    pricer = Pricer(read_price_map(price_map), compile_prices(document), unknown_price="allow")
    return pricer, {target.id: target for target in document.targets}


def _target(row: dict[str, Any], targets: dict[str, Any]) -> Target:
    """What a charge was asked of: a target of today's document that is still the same model may say what it is based on."""
    from pipeline.routing.model import Target

    known = targets.get(row["target_id"])
    base = known.base_model if known is not None and known.model == row["provider_model"] else None
    return Target(row["target_id"], row["provider"], row["provider_model"], extra={"base_model": base} if base else {})


def _apply(process: Process, changes: dict[str, int], digest: str) -> dict[str, int]:
    """Write the differences, a transaction at a time."""
    from pipeline.cli.administration import administration
    from pipeline.keys.spending import MOST

    done = {"adjusted": 0, "difference_micros": 0}
    with administration(process) as admin:
        for some in _chunks(list(changes.items()), MOST):
            answer = admin.adjust_charges({"charges": dict(some), "price_digest": digest, "reason": "reprice"})
            for name in done:
                done[name] += answer[name]
    return done


def _chunks(items: list[tuple[str, int]], size: int) -> Iterator[list[tuple[str, int]]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _asked(since: str, until: str, **texts: str) -> Filter:
    from datetime import UTC, datetime

    from pipeline.cli.reading import moment
    from pipeline.store.read_model import parse_filter

    now = datetime.now(UTC)
    given = {"from": moment(since, now, "from"), "to": moment(until, now, "to"), **texts}
    return parse_filter({name: value for name, value in given.items() if value})


def _period(since: str, until: str, first: str, last: str) -> Filter:
    """What was asked for, else the days of the export."""
    from datetime import date, timedelta

    return _asked(since or first, until or (date.fromisoformat(last) + timedelta(days=1)).isoformat())


def _within(day: str, asked: Filter) -> bool:
    from pipeline.clock import parse_rfc3339

    return asked.from_us // 86_400_000_000 * 86_400_000_000 <= parse_rfc3339(day) < asked.to_us


def _bytes(path: Path) -> bytes:
    from pipeline.errors import BadRequest

    try:
        return path.read_bytes()
    except OSError:
        raise BadRequest("The export cannot be read.", hint="Give the path of a file.") from None


def _pairs(texts: list[str] | None, name: str) -> dict[str, str]:
    from pipeline.errors import BadRequest

    found = {}
    for text in texts or ():
        theirs, equals, ours = text.partition("=")
        if not (theirs and equals and ours):
            raise BadRequest(f"--{name} is THEIRS=OURS.")
        found[theirs] = ours
    return found
