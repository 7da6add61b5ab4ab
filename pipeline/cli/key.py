"""`keys`: virtual keys, made, shown, stopped, replaced."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of
from pipeline.cli.key_caveats import (
    Audiences,
    Cidrs,
    Environments,
    MaxCalls,
    Parallel,
    Routes,
    Rpm,
    Tools,
    Tpm,
    caveats_of,
    shown,
    update,
)
from pipeline.cli.key_child import child, children

app = typer.Typer(
    help="Virtual keys: create, list, show, update, block, unblock, revoke, rotate, child, children.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("update")(update)
app.command("child")(child)
app.command("children")(children)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Id or alias of the key.")]


@app.command("create")
def create(
    context: typer.Context,
    *,
    alias: Annotated[str, typer.Option("--alias", help="A name for it.")] = "",
    workspace: Annotated[str, typer.Option("--workspace", help="Slug of its workspace.")] = "",
    role: Annotated[str, typer.Option("--role", help="key, auditor, manager or admin.")] = "key",
    model: Annotated[list[str] | None, typer.Option("--model", help="A model that it may use; repeat for more. Without: all.")] = None,
    duration: Annotated[str, typer.Option("--duration", help="How long it works: 24h, 30d.")] = "",
    budget: Annotated[str, typer.Option("--budget", help="What it may spend, in US dollars.")] = "",
    period: Annotated[str, typer.Option("--period", help="When the budget starts anew: day, week, month, total.")] = "total",
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    policy: Annotated[str, typer.Option("--policy", help="Its redaction policy, instead of its workspace's.")] = "",
    metadata: Annotated[list[str] | None, typer.Option("--metadata", help="name=value, kept with the key; repeat for more.")] = None,
    route: Routes = None,
    tool: Tools = None,
    cidr: Cidrs = None,
    environment: Environments = None,
    audience: Audiences = None,
    max_calls: MaxCalls = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. It is shown this once: on a terminal, or in the JSON.

    Example: lockgate keys create --alias ci --model gpt-5-mini --budget 25 --period month
    """
    from pipeline.cli.administration import administration

    must_be_seen(as_json)
    body: dict[str, Any] = {"alias": alias, "role": role, "metadata": _pairs(metadata or [])}
    optional: dict[str, Any] = {"workspace": workspace, "models": model, "duration": duration, "rpm_limit": rpm, "policy": policy}
    optional |= {"tpm_limit": tpm, "max_parallel_requests": parallel}
    body.update({name: value for name, value in optional.items() if value})
    caveats = caveats_of(routes=route, tools=tool, cidrs=cidr, environments=environment, audiences=audience, max_calls=max_calls)
    if caveats:
        body["caveats"] = caveats
    if budget:
        body["budget"] = {"limit_usd": budget, "period": period}
    with administration(process_of(context)) as admin:
        made = admin.create_key(body)
    show_new(made, as_json, "lockgate.keys.create/1")


@app.command("list")
def list_keys(
    context: typer.Context,
    workspace: Annotated[str, typer.Option("--workspace", help="Only those of one workspace.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the keys. Never their text.

    Example: lockgate keys list --json
    """
    from pipeline.cli.output import print_json, print_table

    keys = _keys(context, workspace)
    if as_json:
        print_json("lockgate.keys.list/1", {"keys": keys})
        return
    columns = (
        ("ID", "id"),
        ("ALIAS", "alias"),
        ("KEY", "hint"),
        ("WORKSPACE", "workspace"),
        ("ROLE", "role"),
        ("STATUS", "status"),
        ("SPENT", "spent"),
        ("LIMITS", "limits"),
        ("EXPIRES", "expires_at"),
    )
    shown = ({**key, "spent": _spent(key), "limits": _limits(key)} for key in keys)
    print_table(columns, shown, empty="No keys yet. Make one: lockgate keys create --alias NAME")


@app.command("show")
def show(context: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> None:
    """Show one key.

    Example: lockgate keys show ci
    """
    from pipeline.cli.output import print_fields, print_json

    found = found_key(_keys(context, ""), key)
    if as_json:
        print_json("lockgate.keys.show/1", {"key": found})
        return
    names = (
        "id",
        "alias",
        "hint",
        "workspace",
        "role",
        "status",
        "models",
        "policy",
        "rpm_limit",
        "tpm_limit",
        "max_parallel_requests",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    told = {**found, "spent": _spent(found), "caveats": shown(found)}
    print_fields(told, [*((name.replace("_", " "), name) for name in names), ("caveats", "caveats"), ("spent", "spent")])


@app.command("block")
def block(context: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> None:
    """Stop a key until it is unblocked.

    Example: lockgate keys block ci
    """
    _change(context, key, "block", as_json, "blocked")


@app.command("unblock")
def unblock(context: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> None:
    """Let a blocked key work again.

    Example: lockgate keys unblock ci
    """
    _change(context, key, "unblock", as_json, "active again")


@app.command("revoke")
def revoke(context: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> None:
    """End a key for good.

    Example: lockgate keys revoke ci
    """
    _change(context, key, "revoke", as_json, "revoked")


@app.command("rotate")
def rotate(
    context: typer.Context,
    key: KeyArgument,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the former token still works: 15m, 24h. Without: it ends now.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Give a key a new token. Id, budget and history stay; the new token is shown this once.

    Example: lockgate keys rotate ci --overlap 24h
    """
    from pipeline.cli.administration import administration
    from pipeline.keys.requests import duration_us

    must_be_seen(as_json)
    overlap_s = duration_us(overlap, "overlap") // 1_000_000 if overlap else 0
    with administration(process_of(context)) as admin:
        key_id = str(found_key(admin.list_keys()["data"], key)["id"])
        made = admin.change_key(key_id, "rotate", {"overlap_s": overlap_s})
    show_new(made, as_json, "lockgate.keys.rotate/1")


def _keys(context: typer.Context, workspace: str) -> list[dict[str, Any]]:
    """The keys, read from the store without going through the gateway."""
    import time

    from pipeline.cli.reading import ask_store
    from pipeline.keys.service import list_keys as listed

    found = ask_store(process_of(context), lambda connection: listed(connection, time.time_ns() // 1_000, workspace=workspace))
    data: list[dict[str, Any]] = found["data"]
    return data


def _change(context: typer.Context, key: str, action: str, as_json: bool, done: str) -> None:
    from pipeline.cli.administration import administration
    from pipeline.cli.output import note, print_json

    with administration(process_of(context)) as admin:
        key_id = str(found_key(admin.list_keys()["data"], key)["id"])
        changed = admin.change_key(key_id, action)
    if as_json:
        print_json(f"lockgate.keys.{action}/1", {"key": changed})
    else:
        note(f"The key {changed['alias'] or changed['id']} ({changed['hint']}) is {done}.")


def found_key(keys: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The key of an id, or of an alias; among several of one alias the one that is not revoked."""
    from pipeline.errors import BadRequest

    matching = [key for key in keys if wanted in (key["id"], key["alias"])]
    living = [key for key in matching if key["status"] != "revoked"] or matching
    if len(living) == 1:
        return living[0]
    if living:
        raise BadRequest("Several keys have that alias.", hint="Name the key by its id: lockgate keys list.")
    raise BadRequest("There is no key with that id or alias.", hint="lockgate keys list shows them.")


def must_be_seen(as_json: bool) -> None:
    """A new token is shown once. Where nobody would see it, it is not made."""
    from pipeline.errors import BadRequest

    if not as_json and not sys.stdout.isatty():
        raise BadRequest("The new key would be written to a file or a pipe as plain text.", hint="Use --json to take it over in a script.")


def show_new(made: dict[str, Any], as_json: bool, schema: str) -> None:
    """Show a new token, this once."""
    from pipeline.cli.output import note, print_json

    if as_json:
        token = made["key"]
        print_json(schema, {"key": {name: value for name, value in made.items() if name != "key"}, "token": token})
        return
    print(made["key"])
    note(f"This is the only time the key is shown. Id: {made['id']}, workspace: {made['workspace']}, role: {made['role']}.")


def _spent(key: dict[str, Any]) -> str:
    from pipeline.cli.output import money

    budget = key.get("budget")
    return f"{money(budget['spent_usd'])} of {money(budget['limit_usd'])}/{budget['period']}" if budget else ""


def _limits(key: dict[str, Any]) -> str:
    """The limits in the words of the options that set them: `60 rpm, 100000 tpm, 4 parallel`."""
    named = (("rpm_limit", "rpm"), ("tpm_limit", "tpm"), ("max_parallel_requests", "parallel"))
    return ", ".join(f"{key[name]} {unit}" for name, unit in named if key[name])


def _pairs(texts: list[str]) -> dict[str, str]:
    from pipeline.errors import BadRequest

    pairs = [text.partition("=") for text in texts]
    if any(not name or not equals for name, equals, _ in pairs):
        raise BadRequest("--metadata is written name=value.")
    return {name: value for name, _, value in pairs}
