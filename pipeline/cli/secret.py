"""`secrets` (also `secret`): the local encrypted store, and how every reference stands. A value goes in and never comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import secret_use, secret_write
from pipeline.cli.context import ConfigOption, JsonOption, process_of

if TYPE_CHECKING:
    from pipeline.config.environment import Process

app = typer.Typer(
    help="Secrets and references: add, list, create, update, rotate, show, delete, status, verify, where-used, …",
    no_args_is_help=True,
    rich_markup_mode=None,
)

VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Also what resolves.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Optional references count, too.")]


@app.command("add")
def add(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(help="What it is called: secret_key_ref: {store: NAME}.")],
    store: Annotated[bool, typer.Option("--store", help="Into the local encrypted store (the default).")] = True,
    to_keychain: Annotated[bool, typer.Option("--to-keychain", help="Into the operating system's keychain instead.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the value from standard input.")] = False,
    env_var: Annotated[str, typer.Option("--env-var", metavar="NAME", help="Take the value of this environment variable.")] = "",
    keychain: Annotated[str, typer.Option("--keychain", metavar="NAME", help="Take the value from this keychain entry.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Store a secret. The value is asked for, or comes from --stdin, --env-var or --keychain; it is never an argument.

    Example: lockgate secrets add OPENAI_KEY --store --stdin < key.txt
    """
    from pipeline.cli.administration import administration
    from pipeline.cli.asking import read_value
    from pipeline.cli.output import note, print_json

    _ = store
    process = process_of(context)
    value = read_value("Value", stdin=stdin, env_var=env_var, keychain=keychain)
    if to_keychain:
        _into_keychain(name, value)
        note(f"{name} is in the keychain. Use it: secret_key_ref: {{keychain: {name}}}")
        return
    with administration(process) as admin:
        stored = admin.store_secret(name, value)
    if as_json:
        print_json("lockgate.secrets.add/1", {"secret": stored})
    else:
        note(f"{name} is stored (version {stored['version']}). Use it: secret_key_ref: {{store: {name}}}")


@app.command("list")
def list_secrets(context: typer.Context, as_json: JsonOption = False) -> None:
    """List what is in the local store, by name.

    Example: lockgate secrets list
    """
    from pipeline.cli.output import print_json, print_table
    from pipeline.cli.reading import ask_store
    from pipeline.keys.storing import stored_names

    secrets = ask_store(process_of(context), stored_names)["data"]
    if as_json:
        print_json("lockgate.secrets.list/1", {"secrets": secrets})
        return
    columns = (("NAME", "name"), ("VERSION", "version"), ("STORED", "created_at"), ("BY", "created_by"))
    print_table(columns, secrets, empty="The local store is empty. Add a secret: lockgate secrets add NAME --store")


@app.command("status")
def status(
    context: typer.Context,
    config: ConfigOption = None,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how every reference stands.

    Reads each from its vault: 0 all resolve, 1 missing or denied, 2 wrong configuration, 3 a vault unreachable.

    Example: lockgate secrets status --config lockgate.yaml
    """
    from pipeline.cli.output import print_json
    from pipeline.cli.statuses import code_of, print_statuses, read_statuses

    _ = verbose
    statuses = read_statuses(process_of(context, config=config), here=config is not None)
    code = code_of(statuses, strict=strict)
    if as_json:
        print_json("lockgate.secrets.status/1", {"ok": code == 0, "references": statuses})
    else:
        print_statuses(statuses)
    raise typer.Exit(code)


@app.command("verify")
def verify(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Slug of the reference (`openai-prod`, `env:NAME`).")],
    call: Annotated[
        bool, typer.Option("--call", help="Also ask the provider of each target, by a free call, whether it accepts it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have the running gateway read one reference now and say how it stands. Never its value.

    Example: lockgate secrets verify openai-prod --call
    """
    _ask_gateway(context, slug, "verify", as_json, call=call)


@app.command("refresh")
def refresh(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Slug of the reference.")],
    as_json: JsonOption = False,
) -> None:
    """Have the running gateway forget what it holds of a reference and read it again.

    Example: lockgate secrets refresh openai-prod
    """
    _ask_gateway(context, slug, "refresh", as_json)


secret_write.register(app)
secret_use.register(app)


def _ask_gateway(context: typer.Context, slug: str, action: str, as_json: bool, *, call: bool = False) -> None:
    from pipeline.cli.administration import running_gateway
    from pipeline.cli.canaries import code_of_calls, print_calls
    from pipeline.cli.output import print_json
    from pipeline.cli.statuses import code_of, print_statuses, read_statuses
    from pipeline.errors import BadRequest

    process = process_of(context)
    client = running_gateway(process)
    if client is not None:
        if action == "refresh":
            client.reference(slug, "refresh")
        found = client.reference(slug, "verify", {"call": True} if call else {})
    else:
        matching = [each for each in read_statuses(process, here=True) if each["slug"] == slug]
        if not matching:
            raise BadRequest("The document has no reference with that slug.", hint="lockgate secrets status shows them.")
        found = _called(process, matching[0]) if call else matching[0]
    code = code_of([{"required": True, **found}], strict=True) or code_of_calls([{**found, "required": True}], strict=False)
    if as_json:
        print_json(f"lockgate.secrets.{action}/1", {"ok": code == 0, "reference": found})
    else:
        print_statuses([found])
        if call:
            print_calls([found])
    raise typer.Exit(code)


def _called(process: Process, status: dict[str, Any]) -> dict[str, Any]:
    from pipeline.cli.canaries import with_calls
    from pipeline.cli.engine import finder_of
    from pipeline.config.loader import load_document

    (found,) = with_calls(process, load_document(process.document_path, find_secrets=finder_of(process)), [status])
    return found


def _into_keychain(name: str, value: str) -> None:
    from pipeline.vaults.keychain import put_in_keychain

    put_in_keychain("lockgate", name, value)
