"""`secrets where-used|disable|enable`: where a secret was used, and the switch that ends its use."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

SlugArgument = Annotated[str, typer.Argument(help="Slug of the reference (`openai-prod`, `env:NAME`).")]


def register(app: typer.Typer) -> None:
    """Add the commands to `secrets`."""
    app.command("where-used")(where_used)
    app.command("disable")(disable)
    app.command("enable")(enable)


def where_used(
    context: typer.Context,
    *,
    slug: Annotated[str, typer.Argument(help="Slug of a reference.")] = "",
    version: Annotated[str, typer.Option("--version", metavar="VERSION", help="The vault's version of the secret.")] = "",
    fingerprint: Annotated[str, typer.Option("--fingerprint", metavar="HEX", help="The fingerprint that `secrets status` shows.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="24h, 7d, or RFC 3339.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="24h, 7d, or RFC 3339.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say which keys, workspaces and models used a secret, when, and for how much. Finds the same value behind other references.

    Example: lockgate secrets where-used openai-prod --since 7d
    """
    from datetime import UTC, datetime

    from pipeline.cli.output import counted, note, print_json, print_table
    from pipeline.cli.reading import ask_store, moment
    from pipeline.keys.usage_views import read_usage_query, show_usage

    now = datetime.now(UTC)
    query = {"reference": slug, "version": version, "fingerprint": fingerprint,
             "since": moment(since, now, "since"), "until": moment(until, now, "until")}  # fmt: skip
    asked = read_usage_query({name: value for name, value in query.items() if value})
    found = ask_store(process_of(context), lambda connection: show_usage(connection, asked))
    if as_json:
        print_json("lockgate.secrets.where-used/1", {"usage": found})
        return
    columns = (
        ("WORKSPACE", "workspace"),
        ("KEY", "key"),
        ("MODEL", "model"),
        ("TARGET", "target"),
        ("REFERENCE", "reference"),
        ("VERSION", "version"),
        ("FINGERPRINT", "fingerprint"),
        ("CALLS", "calls"),
        ("USD", "cost_usd"),
        ("FIRST", "first_used_at"),
        ("LAST", "last_used_at"),
    )
    rows: list[dict[str, Any]] = [{**row, "key": row["key_alias"] or row["key_id"]} for row in found["data"]]
    print_table(columns, rows, empty="No call was made with it.")
    note(f"{counted(found['calls'], 'call')}, {found['cost_usd']} USD.")
    if found["shared_with"]:
        note(f"The same value stands behind: {', '.join(found['shared_with'])}.")


def disable(context: typer.Context, slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Set the kill switch of a reference: within a second no gateway gives its secret to anybody.

    Example: lockgate secrets disable openai-prod
    """
    _switch(context, slug, "disable", as_json)


def enable(context: typer.Context, slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Take the kill switch of a reference back.

    Example: lockgate secrets enable openai-prod
    """
    _switch(context, slug, "enable", as_json)


def _switch(context: typer.Context, slug: str, action: str, as_json: bool) -> None:
    from pipeline.cli.administration import running_gateway
    from pipeline.cli.offline import OfflineAdmin
    from pipeline.cli.output import note, print_json

    process = process_of(context)
    client = running_gateway(process)
    if client is not None:
        switched = client.reference(slug, action)
    else:
        _refuse_unknown(process, slug)
        admin = OfflineAdmin(process)
        try:
            switched = admin.switch_reference(slug, action)
        finally:
            admin.close()
    if as_json:
        print_json(f"lockgate.secrets.{action}/1", {"reference": switched})
    else:
        note(f"{slug} is {'disabled' if action == 'disable' else 'enabled'}.")


def _refuse_unknown(process: Any, slug: str) -> None:
    """A switch for a slug that nothing has would end nobody's use, and say that it did."""
    from pipeline.bootstrap.compile import compile_references
    from pipeline.cli.engine import finder_of
    from pipeline.cli.made import made_references
    from pipeline.config.loader import load_document
    from pipeline.errors import BadRequest

    document = load_document(process.document_path, find_secrets=finder_of(process))
    known = compile_references(document, made_references(process).references)
    if slug not in {ref.slug for ref in known.all()}:
        raise BadRequest("There is no reference with that slug.", hint="lockgate secrets status shows them.")
