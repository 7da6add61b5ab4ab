"""`approvals`: calls that wait for somebody's approval, through the running gateway."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption
from pipeline.cli.key_child import gateway_of

app = typer.Typer(help="Calls that need an approval: list, approve, deny.", no_args_is_help=True, rich_markup_mode=None)

Approval = Annotated[str, typer.Argument(metavar="ID", help="Id of the approval.")]


@app.command("list")
def list_approvals(
    context: typer.Context,
    state: Annotated[str, typer.Option("--state", help="pending, approved, denied, used or expired; all without.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the newest approvals.

    Example: lockgate approvals list --state pending
    """
    from pipeline.cli.output import money, print_json, print_table
    from pipeline.keys.views import usd

    found = gateway_of(context).list_approvals(state)["data"]
    if as_json:
        print_json("lockgate.approvals.list/1", {"approvals": found})
        return
    columns = (("ID", "id"), ("STATE", "state"), ("RULE", "rule"), ("KEY", "key"), ("MODEL", "model"), ("TOOLS", "tools"),
               ("AT WORST", "worst"), ("EXPIRES", "expires_at"))  # fmt: skip
    rows = ({**each, **_told(each["call"]), "worst": money(usd(each["call"]["worst_micros"]))} for each in found)
    print_table(columns, rows, empty="Nothing was ever asked for.")


@app.command("approve")
def approve(context: typer.Context, approval: Approval, as_json: JsonOption = False) -> None:
    """Let a call pass, once.

    Example: lockgate approvals approve 01K9ZZZZZZZZZZZZZZZZZZZZZZ
    """
    _decide(context, approval, "approve", as_json)


@app.command("deny")
def deny(context: typer.Context, approval: Approval, as_json: JsonOption = False) -> None:
    """Refuse a call that waits.

    Example: lockgate approvals deny 01K9ZZZZZZZZZZZZZZZZZZZZZZ
    """
    _decide(context, approval, "deny", as_json)


def _decide(context: typer.Context, approval: str, verb: str, as_json: bool) -> None:
    from pipeline.cli.output import note, print_json

    done = gateway_of(context).decide_approval(approval, verb)
    if as_json:
        print_json(f"lockgate.approvals.{verb}/1", {"approval": done})
    else:
        note(f"The call of key {done['key']} (rule {done['rule']}) is {done['state']}.")


def _told(call: dict[str, Any]) -> dict[str, Any]:
    return {"model": call["model"], "tools": ", ".join(call["tools"])}
