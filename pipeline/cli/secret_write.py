"""`secrets create|update|rotate|show|delete`: references in the running gateway, over its REST.

What opens a vault is asked for, or comes from standard input, a variable, the keychain or a file; it is never an argument.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pipeline.cli.context import JsonOption, process_of

if TYPE_CHECKING:
    from pipeline.cli.admin_client import AdminClient

SlugArgument = Annotated[str, typer.Argument(help="Slug or id of the reference.")]
VaultOption = Annotated[str, typer.Option("--vault", metavar="NAME", help="A connection of the document (`vaults`).")]
AuthOption = Annotated[
    list[str] | None,
    typer.Option("--auth", metavar="FIELD=VALUE", help="A field of auth_config: no secret, or a reference (`vault_token=env:NAME`)."),
]
CredentialOption = Annotated[
    list[str] | None,
    typer.Option("--credential", metavar="FIELD", help="A secret field of auth_config; its value is asked for, or see --stdin."),
]
StdinOption = Annotated[bool, typer.Option("--stdin", help="Read the value of the one --credential from standard input.")]
EnvOption = Annotated[str, typer.Option("--env-var", metavar="NAME", help="Take it from this environment variable.")]
KeychainOption = Annotated[str, typer.Option("--keychain", metavar="NAME", help="Take it from this keychain entry.")]
FileOption = Annotated[Path | None, typer.Option("--from", metavar="FILE", help="The request as JSON; `-` is standard input.")]
PathOption = Annotated[str, typer.Option("--path", help="The place in the vault: secret_path.")]
KeyOption = Annotated[str, typer.Option("--key", help="The field of a secret that is a JSON object: secret_key.")]
WorkspaceOption = Annotated[list[str] | None, typer.Option("--workspace", help="A workspace that may use it; repeat for more.")]
EnvironmentOption = Annotated[str, typer.Option("--environment", help="The environment that it belongs to.")]
TtlOption = Annotated[float | None, typer.Option("--ttl", metavar="SECONDS", help="For how long a value is used: cache_ttl_s.")]
VersionOption = Annotated[str, typer.Option("--version", metavar="VERSION", help="A pinned version.")]

_LOCAL: Final = ("local", "store")


def register(app: typer.Typer) -> None:
    """Add the commands to `secrets`."""
    for command in (create, update, rotate, show, delete):
        app.command(command.__name__)(command)


def create(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(help="What it is called; its slug is made of it.")] = "",
    slug: Annotated[str, typer.Option("--slug", help="Another slug than the one of its name.")] = "",
    vault: VaultOption = "",
    manager_type: Annotated[str, typer.Option("--manager-type", help="The kind of vault, when no --vault is named.")] = "",
    auth: AuthOption = None,
    credential: CredentialOption = None,
    stdin: StdinOption = False,
    env_var: EnvOption = "",
    keychain: KeychainOption = "",
    path: PathOption = "",
    key: KeyOption = "",
    workspace: WorkspaceOption = None,
    environment: EnvironmentOption = "",
    ttl: TtlOption = None,
    version: VersionOption = "",
    source: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a secret reference in the running gateway. Its vault is not asked yet: `secrets verify` does.

    Example: lockgate secrets create "OpenAI prod" --vault prod-vault --path llm/openai --key api_key --workspace production
    """
    from pipeline.cli.output import note, print_json

    client = _gateway(context)
    said = {"name": name, "slug": slug, "vault": vault, "manager_type": manager_type}
    body = _body(
        source, said | _fields(path, key, workspace, environment, ttl, version), auth, _asked(credential, stdin, env_var, keychain)
    )
    if "vault" not in body and "manager_type" in body:
        body.setdefault("auth_config", {})
    made = client.create_reference(body)
    if as_json:
        print_json("lockgate.secrets.create/1", {"reference": made})
    else:
        note(f"{made['slug']} is made. Use it: secret_key_ref: {{ref: {made['slug']}}}; try it: lockgate secrets verify {made['slug']}")


def update(
    context: typer.Context,
    slug: SlugArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="Another name.")] = "",
    vault: VaultOption = "",
    auth: AuthOption = None,
    credential: CredentialOption = None,
    stdin: StdinOption = False,
    env_var: EnvOption = "",
    keychain: KeychainOption = "",
    path: PathOption = "",
    key: KeyOption = "",
    workspace: WorkspaceOption = None,
    environment: EnvironmentOption = "",
    ttl: TtlOption = None,
    version: VersionOption = "",
    source: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change fields of a secret reference; what is not named stays. Every gateway takes it over within a second.

    Example: lockgate secrets update openai-prod --path llm/openai-2 --ttl 60
    """
    from pipeline.cli.output import note, print_json

    client = _gateway(context)
    said = {"name": name, "vault": vault} | _fields(path, key, workspace, environment, ttl, version)
    changed = client.update_reference(slug, _body(source, said, auth, _asked(credential, stdin, env_var, keychain)))
    if as_json:
        print_json("lockgate.secrets.update/1", {"reference": changed})
    else:
        note(f"{changed['slug']} is changed.")


def rotate(
    context: typer.Context,
    slug: SlugArgument,
    *,
    credential: Annotated[str, typer.Option("--credential", metavar="FIELD", help="What opens its vault instead of the secret.")] = "",
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the new value from standard input.")] = False,
    env_var: EnvOption = "",
    keychain: KeychainOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put a new value in the place of a reference's: the secret in the local store, or with --credential what opens its vault.

    Then every gateway forgets the former one, and the reference is read again: 0 when it resolves.

    Example: lockgate secrets rotate openai-local --stdin < key.txt
    """
    from pipeline.cli.asking import read_value
    from pipeline.cli.output import print_json
    from pipeline.cli.statuses import code_of, print_statuses

    client = _gateway(context)
    present = client.show_reference(slug)
    _rotatable(present, credential)
    value = read_value(credential or "New value", stdin=stdin, env_var=env_var, keychain=keychain)
    if credential:
        client.update_reference(slug, {"auth_config": {credential: value}})
    else:
        client.store_secret(present["secret_path"], value)
    client.reference(present["slug"], "refresh")
    found = client.reference(present["slug"], "verify")
    code = code_of([{"required": True, **found}], strict=True)
    if as_json:
        print_json("lockgate.secrets.rotate/1", {"ok": code == 0, "reference": found})
    else:
        print_statuses([found])
    raise typer.Exit(code)


def show(context: typer.Context, slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Show a secret reference as it is kept; what is secret in it only as a mask.

    Example: lockgate secrets show openai-prod
    """
    from pipeline.cli.output import print_fields, print_json

    found = _gateway(context).show_reference(slug)
    if as_json:
        print_json("lockgate.secrets.show/1", {"reference": found})
        return
    names = ("slug", "name", "id", "status", "origin", "manager_type", "vault", "secret_path", "secret_key", "version", "environment",
             "allow_all_workspaces", "allowed_workspaces", "cache_ttl_s", "auth_config", "last_updated_at")  # fmt: skip
    print_fields(found, [(each.replace("_", " "), each) for each in names])


def delete(
    context: typer.Context,
    slug: SlugArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a secret reference away; refused while something uses it. Asks first, unless --yes is given.

    Example: lockgate secrets delete openai-old --yes
    """
    import sys

    from pipeline.cli.output import note, print_json
    from pipeline.errors import BadRequest

    client = _gateway(context)
    if not yes:
        if not sys.stdin.isatty():
            raise BadRequest("Deleting is for good, and there is no terminal to ask on.", hint="Say --yes.")
        typer.confirm(f"Delete the reference {slug} for good?", abort=True, err=True)
    gone = client.delete_reference(slug)
    if as_json:
        print_json("lockgate.secrets.delete/1", {"reference": gone})
    else:
        note(f"{gone['slug']} is deleted.")


def _gateway(context: typer.Context) -> AdminClient:
    from pipeline.cli.administration import running_gateway
    from pipeline.errors import BadRequest

    client = running_gateway(process_of(context))
    if client is None:
        raise BadRequest(
            "References are made and changed in a running gateway, and none runs in this data folder.",
            hint="Start it (`lockgate serve`), or declare the reference in the document.",
        )
    return client


def _fields(
    path: str, key: str, workspace: list[str] | None, environment: str, ttl: float | None, version: str
) -> dict[str, Any]:  # what create and update share
    return {
        "secret_path": path,
        "secret_key": key,
        "allowed_workspaces": workspace or None,
        "environment": environment,
        "cache_ttl_s": ttl,
        "version": version,
    }


def _asked(fields: list[str] | None, stdin: bool, env_var: str, keychain: str) -> dict[str, str]:
    """The values of secret fields, each asked for; one may come from elsewhere."""
    from pipeline.cli.asking import read_value
    from pipeline.errors import BadRequest

    elsewhere = stdin or bool(env_var) or bool(keychain)
    if elsewhere and len(fields or ()) != 1:
        raise BadRequest("--stdin, --env-var and --keychain give the value of one --credential.", hint="Name one, or use --from FILE.")
    return {field: read_value(field, stdin=stdin, env_var=env_var, keychain=keychain) for field in fields or ()}


def _body(source: Path | None, said: dict[str, Any], auth: list[str] | None, credentials: dict[str, str]) -> dict[str, Any]:
    """The request: what a file says, options before it."""
    body = _read(source)
    body |= {name: value for name, value in said.items() if value not in ("", None)}
    settings = dict(_setting(each) for each in auth or ())
    if settings or credentials:
        present = body.get("auth_config")
        body["auth_config"] = {**(present if isinstance(present, dict) else {}), **settings, **credentials}
    return body


def _read(source: Path | None) -> dict[str, Any]:
    import json
    import sys

    from pipeline.errors import BadRequest

    if source is None:
        return {}
    try:
        tree = json.loads(sys.stdin.read() if str(source) == "-" else source.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        failed = type(error).__name__
        tree = None
    else:
        failed = "not an object"
    if not isinstance(tree, dict):
        raise BadRequest(f"--from: the request cannot be read ({failed}).", hint="Write a JSON object, as the REST takes it.")
    return tree


def _setting(text: str) -> tuple[str, str | bool]:
    """One FIELD=VALUE. BadRequest for the value of a secret field: it would stand in the process list and in the shell's history."""
    from pipeline.errors import BadRequest
    from pipeline.vaults.auth import CREDENTIALS
    from pipeline.vaults.reference import is_reference

    field, equals, value = text.partition("=")
    if not equals or not field:
        raise BadRequest("--auth is FIELD=VALUE.", hint="For example --auth vault_addr=https://vault.example.com:8200")
    if field in CREDENTIALS and not is_reference(value):
        raise BadRequest(f"{field} is a secret, which is never an argument.", hint=f"Say --credential {field}, or {field}=env:NAME.")
    return field, {"true": True, "false": False}.get(value, value)


def _rotatable(present: dict[str, Any], credential: str) -> None:
    """What can be replaced from here. BadRequest says where the rest is."""
    from pipeline.errors import BadRequest
    from pipeline.vaults.auth import SENSITIVE

    if credential and credential not in SENSITIVE:
        raise BadRequest(f"{credential[:64]} is no secret field of auth_config.", hint="Change others with `lockgate secrets update`.")
    if not credential and present["manager_type"] not in _LOCAL:
        raise BadRequest(
            "The secret of this reference stands in a vault that Lockgate only reads.",
            hint=f"Rotate it there, then: lockgate secrets refresh {present['slug']}. What opens the vault: --credential FIELD.",
        )
