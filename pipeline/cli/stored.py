"""`contents`: what calls said, where it is stored instead of sent: what there is, one call's content, and its removal."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="Stored content of calls: list, show, delete.", no_args_is_help=True, rich_markup_mode=None)

KeyOption = Annotated[str, typer.Option("--key", help="Only of the key with this id.")]


@app.command("list")
def list_contents(
    context: typer.Context,
    *,
    key: KeyOption = "",
    before: Annotated[str, typer.Option("--before", help="Older than: 5m, 24h, 7d, a date, RFC 3339.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str, typer.Option("--cursor", help="Go on behind this id.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List what is stored, newest first, without what was said.

    Example: lockgate contents list --limit 10
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note, print_json, print_table

    asked = {"key_id": key, "before": _moment(before), "limit": str(limit), "cursor": cursor}
    with administration(process_of(context)) as admin:
        page = admin.list_contents({name: value for name, value in asked.items() if value})
    if as_json:
        print_json("lockgate.contents.list/1", {"contents": page["data"], "total": page["total"], "next_cursor": page["next_cursor"]})
        return
    names = ("id", "model", "key_id", "parts", "bytes", "created_at", "expires_at")
    print_table([(name.upper().removesuffix("_AT").removesuffix("_ID"), name) for name in names], page["data"], empty="Nothing is stored.")
    if page["next_cursor"]:
        note(f"{page['total']['rows']} match in all; go on with --cursor {page['next_cursor']}.")


@app.command("show")
def show(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="As it stands on a span, or the request id.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a call said, redacted as it was stored. That somebody looked is written down.

    Example: lockgate contents show lockgate:content:01KAM3N5X8Q2V7T9B4C6D8E0FG:input
    """
    import json

    from pipeline.cli.administration import administration
    from pipeline.cli.output import print_fields, print_json

    with administration(process_of(context)) as admin:
        content = admin.show_content(reference)
    if as_json:
        print_json("lockgate.contents.show/1", {"content": content})
        return
    names = ("id", "model", "key_id", "bytes", "created_at", "expires_at")
    print_fields(content, [(name.replace("_", " "), name) for name in names])
    print(json.dumps(content["content"], indent=2, ensure_ascii=True))


@app.command("delete")
def delete(
    context: typer.Context,
    references: Annotated[list[str] | None, typer.Argument(metavar="[REFERENCE]...")] = None,
    *,
    key: KeyOption = "",
    before: Annotated[str, typer.Option("--before", help="Older than: 24h, 7d, a date, RFC 3339.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All of it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove stored content for good, before its time. Asks first, unless --yes is given.

    Example: lockgate contents delete --before 7d --yes
    """
    import sys

    from pipeline.cli.administration import administration
    from pipeline.cli.output import counted, note, print_json
    from pipeline.errors import BadRequest

    chosen = {"ids": list(references or ()), "key_id": key, "before": _moment(before), "all": everything}
    if not yes:
        if not sys.stdin.isatty():
            raise BadRequest("Removing is for good, and there is no terminal to ask on.", hint="Say --yes.")
        typer.confirm("Remove stored content for good?", abort=True, err=True)
    with administration(process_of(context)) as admin:
        removed = admin.delete_contents({name: value for name, value in chosen.items() if value})
    if as_json:
        print_json("lockgate.contents.delete/1", {"rows": removed["rows"]})
        return
    note(f"{counted(removed['rows'], 'content')} removed.")


def _moment(text: str) -> str:
    from datetime import UTC, datetime

    from pipeline.cli.reading import moment

    return moment(text, datetime.now(UTC), "before")
