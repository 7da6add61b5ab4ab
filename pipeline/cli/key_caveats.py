"""`keys update`, and the options that limit a key, which `keys create` and `keys child` share with it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

Models = Annotated[list[str] | None, typer.Option("--model", help="A model that it may use; repeat for more.")]
Rpm = Annotated[int | None, typer.Option("--rpm", help="Requests per minute.", min=1)]
Tpm = Annotated[int | None, typer.Option("--tpm", help="Tokens per minute, in and out.", min=1)]
Parallel = Annotated[int | None, typer.Option("--parallel", help="Calls that run at the same time.", min=1)]
Routes = Annotated[
    list[str] | None, typer.Option("--route", help="A route that it may use: chat, messages, embeddings, redact, …; repeat for more.")
]
Tools = Annotated[list[str] | None, typer.Option("--tool", help="A tool that it may offer to models; repeat for more.")]
Cidrs = Annotated[list[str] | None, typer.Option("--cidr", help="A network it may be used from, like 10.0.0.0/8; repeat for more.")]
Environments = Annotated[
    list[str] | None, typer.Option("--environment", help="An environment (server.environment) it works in; repeat for more.")
]
Audiences = Annotated[list[str] | None, typer.Option("--audience", help="A name (server.audience) it is meant for; repeat for more.")]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", help="How many calls it may make, ever.", min=1)]
CAVEATS = ("audiences", "cidrs", "environments", "max_calls", "routes", "tools")
_UNLIMITED = {"models": "models", "duration": "expires_at", "rpm": "rpm_limit", "tpm": "tpm_limit", "parallel": "max_parallel_requests"}


def caveats_of(**given: Any) -> dict[str, Any]:
    """The caveats that options set, as the admin API takes them."""
    return {name: value for name, value in given.items() if value}


def update(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id or alias of the key.")],
    *,
    alias: Annotated[str | None, typer.Option("--alias", help="Another name for it.")] = None,
    model: Models = None,
    duration: Annotated[str, typer.Option("--duration", help="How long it works from now: 24h, 30d.")] = "",
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    route: Routes = None,
    tool: Tools = None,
    cidr: Cidrs = None,
    environment: Environments = None,
    audience: Audiences = None,
    max_calls: MaxCalls = None,
    lift: Annotated[
        list[str] | None, typer.Option("--lift", help=f"A limit to take away: {', '.join((*_UNLIMITED, *CAVEATS))}; repeat for more.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a key: what is not named stays.

    Example: lockgate keys update ci --cidr 10.0.0.0/8 --route chat --lift max_calls
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.key import found_key
    from pipeline.cli.output import note, print_json

    named: dict[str, Any] = {"alias": alias, "models": model, "duration": duration, "rpm_limit": rpm, "tpm_limit": tpm}
    body = {name: value for name, value in (named | {"max_parallel_requests": parallel}).items() if value}
    caveats = caveats_of(routes=route, tools=tool, cidrs=cidr, environments=environment, audiences=audience, max_calls=max_calls)
    for name in lift or []:
        _lift(name, body, caveats)
    if caveats:
        body["caveats"] = caveats
    with administration(process_of(context)) as admin:
        key_id = str(found_key(admin.list_keys()["data"], key)["id"])
        changed = admin.update_key(key_id, body)
    if as_json:
        print_json("lockgate.keys.update/1", {"key": changed})
    else:
        note(f"The key {changed['alias'] or changed['id']} ({changed['hint']}) is changed.")


def _lift(name: str, body: dict[str, Any], caveats: dict[str, Any]) -> None:
    from pipeline.errors import BadRequest

    if name in CAVEATS:
        caveats[name] = None
    elif name in _UNLIMITED:
        body[_UNLIMITED[name]] = None
    else:
        raise BadRequest("--lift names no limit of a key.", hint=f"Known: {', '.join((*_UNLIMITED, *CAVEATS))}.")


def shown(key: dict[str, Any]) -> str:
    """The caveats of a key in the words of the options: `route chat, cidr 10.0.0.0/8, max-calls 100 (3 used)`."""
    words = []
    for name, value in sorted((key.get("caveats") or {}).items()):
        if isinstance(value, list):
            words += [f"{name[:-1]} {each}" for each in value] or [f"no {name}"]
        else:
            words.append(f"max-calls {value} ({key.get('calls_used') or 0} used)")
    return ", ".join(words)
