"""`keys child` and `keys children`: child keys, through the running gateway (without one they would be good for nothing)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of
from pipeline.cli.key_caveats import Audiences, Cidrs, Environments, MaxCalls, Models, Parallel, Routes, Rpm, Tools, Tpm, caveats_of

if TYPE_CHECKING:
    from pipeline.cli.admin_client import AdminClient

Parent = Annotated[str, typer.Argument(metavar="PARENT", help="Id or alias of the key that it is made of.")]


def child(
    context: typer.Context,
    parent: Parent,
    *,
    ttl: Annotated[str, typer.Option("--ttl", help="How long it works: 90s, 15m; 15m without.")] = "",
    budget: Annotated[str, typer.Option("--budget", help="What it may spend, in US dollars, taken out of its parent's budget.")] = "",
    alias: Annotated[str, typer.Option("--alias", help="A name for it.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="What it is for, for the audit.")] = "",
    agent_id: Annotated[str, typer.Option("--agent-id", help="Which agent uses it, for the audit.")] = "",
    session_id: Annotated[str, typer.Option("--session-id", help="In which session, for the audit.")] = "",
    model: Models = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    route: Routes = None,
    tool: Tools = None,
    cidr: Cidrs = None,
    environment: Environments = None,
    audience: Audiences = None,
    max_calls: MaxCalls = None,
    as_json: JsonOption = False,
) -> None:
    """Make a child of a key: short-lived, and never wider than its parent. It is shown this once.

    Example: lockgate keys child ci --ttl 10m --model gpt-5-mini --budget 0.50 --agent-id triage-7
    """
    from pipeline.cli.key import must_be_seen, show_new

    must_be_seen(as_json)
    given: dict[str, Any] = {"ttl": ttl, "max_budget_usd": budget, "alias": alias, "purpose": purpose, "agent_id": agent_id}
    given |= {"session_id": session_id, "models": model, "rpm_limit": rpm, "tpm_limit": tpm, "max_parallel_requests": parallel}
    given["caveats"] = caveats_of(routes=route, tools=tool, cidrs=cidr, environments=environment, audiences=audience, max_calls=max_calls)
    made = gateway_of(context).create_child(parent, {name: value for name, value in given.items() if value})
    show_new(made, as_json, "lockgate.keys.child/1")


def children(context: typer.Context, parent: Parent, as_json: JsonOption = False) -> None:
    """List the children of a key.

    Example: lockgate keys children ci
    """
    from pipeline.cli.output import print_json, print_table

    found = gateway_of(context).list_children(parent)["data"]
    if as_json:
        print_json("lockgate.keys.children/1", {"keys": found})
        return
    columns = (("ID", "id"), ("KEY", "hint"), ("STATUS", "status"), ("DEPTH", "depth"), ("AGENT", "agent_id"), ("PURPOSE", "purpose"),
               ("BUDGET", "max_budget_usd"), ("EXPIRES", "expires_at"))  # fmt: skip
    print_table(columns, found, empty="No children. Make one: lockgate keys child PARENT")


def gateway_of(context: typer.Context) -> AdminClient:
    """The gateway that runs in this data folder; BadRequest when none does."""
    from pipeline.cli.administration import running_gateway
    from pipeline.errors import BadRequest

    client = running_gateway(process_of(context))
    if client is None:
        raise BadRequest("No gateway runs in this data folder, and this is of use with one only.", hint="lockgate serve")
    return client
