"""`policies`: which redaction policies the document has, who names them, and which one applies to a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.context import ConfigOption, JsonOption, process_of

if TYPE_CHECKING:
    from pipeline.config.document import Document
    from pipeline.config.environment import Process
    from pipeline.config.policies import PolicyRule

app = typer.Typer(help="Redaction policies: list, explain.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_policies(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the document's policies and who names them: workspaces, models, keys.

    Example: lockgate policies list
    """
    from pipeline.cli.output import print_json, print_table
    from pipeline.config.policies import DIRECTIONS

    process = process_of(context, config=config)
    document = _document(process)
    keys = stored_keys(process)
    rows: list[dict[str, Any]] = [
        {
            "policy": name,
            "workspaces": [slug for slug, workspace in document.workspaces.items() if workspace.policy == name],
            "models": [model for model, section in document.models.items() if section.policy == name],
            "keys": [key["alias"] or key["id"] for key in keys if key["policy"] == name and key["status"] != "revoked"],
            "rules": {direction: len(getattr(policy, direction)) for direction in DIRECTIONS},
        }
        for name, policy in document.policies.items()
    ]
    if as_json:
        print_json("lockgate.policies.list/1", {"policies": rows})
        return
    shown = [{**row, **row["rules"]} for row in rows]
    columns = (("POLICY", "policy"), ("WORKSPACES", "workspaces"), ("MODELS", "models"), ("KEYS", "keys"))
    numbers = tuple((f"{direction.upper()} RULES", direction) for direction in DIRECTIONS)
    print_table((*columns, *numbers), shown, empty="The document has no policies.")


@app.command("explain")
def explain(
    context: typer.Context,
    *,
    key: Annotated[str, typer.Option("--key", help="Id or alias of a key.")] = "",
    workspace: Annotated[str, typer.Option("--workspace", help="Instead of a key: a workspace, for a key that names no policy.")] = "",
    model: Annotated[str, typer.Option("--model", help="The model that is asked for: the route of the call.")] = "",
    direction: Annotated[str, typer.Option("--direction", help="Only prompt, answer or telemetry.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which policy applies to a call, who names it, and what it does in each direction. 1 when it does not exist.

    The key's own policy comes before its model's, that before its workspace's, that before `default`.

    Example: lockgate policies explain --key checkout --model gpt-5-mini --direction prompt
    """
    from pipeline.cli.exits import FAILED
    from pipeline.cli.output import note, print_fields, print_json, print_table
    from pipeline.config.policies import DIRECTIONS
    from pipeline.errors import BadRequest
    from pipeline.keys.policy import named_policy

    if bool(key) == bool(workspace):
        raise BadRequest("Name either a key or a workspace.", hint="--key ALIAS, or --workspace SLUG.")
    if direction and direction not in DIRECTIONS:
        raise BadRequest(f"There is no such direction; there are {', '.join(DIRECTIONS)}.")
    process = process_of(context, config=config)
    document = _document(process)
    if model and model not in document.models:
        raise BadRequest("The document has no such model.", hint=f"It has {', '.join(document.models) or 'none'}.")
    names = _names(process, document, key, workspace, model)
    named = named_policy(key=names["key"], route=names["route"], workspace=names["workspace"])
    policy = document.policies.get(named.name)
    directions: dict[str, list[dict[str, Any]]] = {}
    if policy is not None:
        directions = {each: _rules(getattr(policy, each)) for each in DIRECTIONS if direction in ("", each)}
    found = {"policy": named.name, "source": named.source, "exists": policy is not None, "named": names, "directions": directions}
    if as_json:
        print_json("lockgate.policies.explain/1", found)
        raise typer.Exit(0 if policy is not None else FAILED)
    labels = (("policy", "policy"), ("named by", "source"), *((f"{place} names", f"by {place}") for place in names))
    said = {f"by {place}": name or "nothing" for place, name in names.items()}
    print_fields({"policy": named.name, "source": named.source, **said}, labels)
    rows = [{"direction": each, **rule} for each, rules in directions.items() for rule in rules]
    if rows:
        print_table((("DIRECTION", "direction"), ("FINDS", "finds"), ("ACTION", "action"), ("RESTORED", "restored")), rows, empty="")
    if policy is None:
        note("The document has no policy of that name: such a call is refused.")
        raise typer.Exit(FAILED)


def stored_keys(process: Process) -> list[dict[str, Any]]:
    """The keys of the store; none where there is no store yet."""
    import time

    from pipeline.cli.reading import ask_store
    from pipeline.config.environment import database_url
    from pipeline.keys.service import list_keys
    from pipeline.store.engine import sqlite_path

    path = sqlite_path(database_url(process))
    if path is not None and not path.exists():
        return []
    keys: list[dict[str, Any]] = ask_store(process, lambda connection: list_keys(connection, time.time_ns() // 1_000))["data"]
    return keys


def orphaned(document: Document, keys: list[dict[str, Any]]) -> list[str]:
    """A warning for each key that names a policy which the document does not have: it calls nothing."""
    return [
        f"the key {key['alias'] or key['id']} names the policy {key['policy']!r}, which the document does not have: its calls are refused"
        for key in keys
        if key["policy"] and key["policy"] not in document.policies and key["status"] == "active"
    ]


def _document(process: Process) -> Document:
    from pipeline.cli.engine import finder_of
    from pipeline.config.loader import load_document

    return load_document(process.document_path, find_secrets=finder_of(process))


def _names(process: Process, document: Document, key: str, workspace: str, model: str) -> dict[str, str]:
    """What the key, the route and the workspace of a call name; empty where one names nothing."""
    from pipeline.cli.key import found_key

    own = ""
    if key:
        stored = found_key(stored_keys(process), key)
        own, workspace = stored["policy"] or "", stored["workspace"]
    route = document.models[model].policy if model else None
    return {"key": own, "route": route or "", "workspace": _of_workspace(process, document, workspace)}


def _of_workspace(process: Process, document: Document, slug: str) -> str:
    """What a workspace names: as the document says, or as the store does of one that was made by the admin API."""
    import time

    from pipeline.cli.reading import ask_store
    from pipeline.errors import BadRequest
    from pipeline.keys.service import list_workspaces

    if slug in document.workspaces:
        return document.workspaces[slug].policy
    found: Mapping[str, Any] = ask_store(process, lambda connection: list_workspaces(connection, time.time_ns() // 1_000))
    for row in found["data"]:
        if row["slug"] == slug:
            return str(row["policy"])
    raise BadRequest("There is no such workspace.", hint=f"The document has {', '.join(document.workspaces)}.")


def _rules(rules: tuple[PolicyRule, ...]) -> list[dict[str, Any]]:
    """What a direction finds and does, rule by rule; terms and patterns are counted, because they may be confidential."""
    rows = [{"finds": _finds(rule), "action": rule.action, "restored": "yes" if rule.restore else ""} for rule in rules]
    if not any("known" in rule.detect and not rule.kinds for rule in rules):
        rows.append({"finds": "known (named by no rule)", "action": "mask", "restored": ""})
    return rows


def _finds(rule: PolicyRule) -> str:
    from pipeline.cli.output import counted

    if rule.detect:
        return ", ".join(rule.detect) + (f": {', '.join(rule.kinds)}" if rule.kinds else "")
    if rule.blocked_terms:
        mistakes = counted(1 if rule.max_distance is None else rule.max_distance, "mistake")
        return counted(len(rule.blocked_terms), "blocked term") + (f", up to {mistakes}" if rule.fuzzy_matching else "")
    return counted(len(rule.detect_patterns), "pattern")
