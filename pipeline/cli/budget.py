"""`budgets`: what the organization, workspaces, keys and a key's models may spend, and what was noticed about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="Budgets: create, list, update, delete; alerts.", no_args_is_help=True, rich_markup_mode=None)

PeriodOption = Annotated[str, typer.Option("--period", help="When it starts anew: day, week, month, quarter, total.")]
RollingOption = Annotated[str, typer.Option("--rolling", help="A window that moves on, in place of a period: 24h, 7d, 30d.")]
ZoneOption = Annotated[str, typer.Option("--timezone", help="Of a calendar period: Europe/Berlin.")]
SoftOption = Annotated[str, typer.Option("--soft-limit", help="From here on calls are served with a warning, in US dollars.")]
AlertOption = Annotated[list[int] | None, typer.Option("--alert-at", help="Percent of the limit; repeat for more.", min=1, max=100)]


@app.command("create")
def create(
    context: typer.Context,
    limit: Annotated[str, typer.Argument(metavar="USD", help="The limit in US dollars.")],
    *,
    org: Annotated[bool, typer.Option("--org", help="For everybody together.")] = False,
    workspace: Annotated[str, typer.Option("--workspace", help="For a workspace (slug).")] = "",
    key: Annotated[str, typer.Option("--key", help="For a key (id or alias).")] = "",
    model: Annotated[str, typer.Option("--model", help="For the key's use of this model alone.")] = "",
    period: PeriodOption = "",
    rolling: RollingOption = "",
    timezone: ZoneOption = "",
    soft_limit: SoftOption = "",
    alert_at: AlertOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a budget; a scope may have one of each period.

    Example: lockgate budgets create 5 --key ci --rolling 24h
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note, print_json
    from pipeline.errors import BadRequest

    if org + bool(workspace) + bool(key) != 1 or (model and not key):
        raise BadRequest("Say whose budget it is.", hint="One of --org, --workspace SLUG, --key KEY, --key KEY --model MODEL.")
    scope = "org" if org else "workspace" if workspace else "model" if model else "key"
    named = {"workspace": workspace, "key": key, "model": model}
    body: dict[str, Any] = {"scope": scope, "limit_usd": limit, **_terms(period, rolling, timezone, soft_limit, alert_at)}
    with administration(process_of(context)) as admin:
        made = admin.create_budget({**body, **{name: value for name, value in named.items() if value}})
    if as_json:
        print_json("lockgate.budgets.create/1", {"budget": made})
    else:
        note(f"The budget {made['id']} holds from now on.")


@app.command("list")
def list_budgets(
    context: typer.Context,
    workspace: Annotated[str, typer.Option("--workspace", help="Only those of one workspace.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the budgets as they stand now.

    Example: lockgate budgets list
    """
    import time

    from pipeline.cli.output import money, print_json, print_table
    from pipeline.cli.reading import ask_store
    from pipeline.keys.budgets import show_budgets

    asked = {"workspace": workspace}
    found = ask_store(process_of(context), lambda connection: show_budgets(connection, time.time_ns() // 1_000, asked))["data"]
    if as_json:
        print_json("lockgate.budgets.list/1", {"budgets": found})
        return
    columns = (
        ("ID", "id"), ("SCOPE", "scope"), ("WORKSPACE", "workspace"), ("KEY", "key"), ("MODEL", "model"), ("SPENT", "spent"),
        ("RESERVED", "reserved"), ("LIMIT", "limit"), ("PER", "per"), ("ANEW", "resets_at"),
    )  # fmt: skip
    shown = (
        {
            **each,
            "spent": money(each["spent_usd"]),
            "reserved": money(each["reserved_usd"]),
            "limit": money(each["limit_usd"]),
            "per": each["rolling"] or each["period"],
        }
        for each in found
    )
    print_table(columns, shown, empty="No budgets yet. Make one: lockgate budgets create 25 --workspace default --period month")


@app.command("update")
def update(
    context: typer.Context,
    budget: Annotated[str, typer.Argument(metavar="BUDGET", help="Id of the budget.")],
    *,
    limit: Annotated[str, typer.Option("--limit", help="The limit in US dollars.")] = "",
    period: PeriodOption = "",
    rolling: RollingOption = "",
    timezone: ZoneOption = "",
    soft_limit: SoftOption = "",
    alert_at: AlertOption = None,
    increase: Annotated[str, typer.Option("--increase", help="US dollars on top of the limit, with --for.")] = "",
    duration: Annotated[str, typer.Option("--for", help="How long the increase lasts: 2h, 3d.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Change a budget, or raise it for a while. What was spent stays.

    Example: lockgate budgets update 01KAP2T5D3Y0F1V9Q8R7S6T5V4 --increase 10 --for 24h
    """
    import time

    from pipeline.cli.administration import administration
    from pipeline.cli.output import note, print_json
    from pipeline.clock import rfc3339
    from pipeline.errors import BadRequest
    from pipeline.keys.requests import duration_us

    body = {**({"limit_usd": limit} if limit else {}), **_terms(period, rolling, timezone, soft_limit, alert_at)}
    if bool(increase) != bool(duration):
        raise BadRequest("--increase and --for go together.")
    if increase:
        until_us = time.time_ns() // 1_000 + duration_us(duration, "for")
        body |= {"temp_budget_increase": increase, "temp_budget_expiry": rfc3339(until_us)}
    with administration(process_of(context)) as admin:
        changed = admin.update_budget(budget, body)
    if as_json:
        print_json("lockgate.budgets.update/1", {"budget": changed})
    else:
        note(f"The budget {changed['id']} is changed.")


@app.command("delete")
def delete(context: typer.Context, budget: Annotated[str, typer.Argument(metavar="BUDGET", help="Id of the budget.")]) -> None:
    """Take a budget away. Calls in flight end without it.

    Example: lockgate budgets delete 01KAP2T5D3Y0F1V9Q8R7S6T5V4
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note

    with administration(process_of(context)) as admin:
        admin.delete_budget(budget)
    note(f"The budget {budget} is gone.")


@app.command("alerts")
def alerts(context: typer.Context, as_json: JsonOption = False) -> None:
    """List what was noticed about money, newest first.

    Example: lockgate budgets alerts
    """
    from pipeline.cli.output import money, print_json, print_table
    from pipeline.cli.reading import ask_store
    from pipeline.keys.budgets import show_alerts

    found = ask_store(process_of(context), show_alerts)["data"]
    if as_json:
        print_json("lockgate.budgets.alerts/1", {"alerts": found})
        return
    columns = (
        ("AT", "at"),
        ("KIND", "kind"),
        ("%", "percent"),
        ("SCOPE", "scope"),
        ("OF", "scope_id"),
        ("SPENT", "spent"),
        ("LIMIT", "limit"),
    )
    shown = ({**each, "spent": money(each["spent_usd"]), "limit": money(each["limit_usd"] or each["usual_usd"])} for each in found)
    print_table(columns, shown, empty="Nothing was noticed.")


def _terms(period: str, rolling: str, timezone: str, soft_limit: str, alert_at: list[int] | None) -> dict[str, Any]:
    given = {"period": period, "rolling": rolling, "timezone": timezone, "soft_limit_usd": soft_limit, "alert_at": alert_at}
    return {name: value for name, value in given.items() if value}
