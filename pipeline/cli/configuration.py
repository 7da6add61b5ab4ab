"""`config`: the document, shown, checked, described."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import ConfigOption, JsonOption, process_of

app = typer.Typer(help="The document: show, validate, reload, schema.", no_args_is_help=True, rich_markup_mode=None)


@app.command("show")
def show(
    context: typer.Context,
    config: ConfigOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Also where each setting of the process comes from.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the document as it is understood, defaults included. References stay references.

    Example: lockgate config show --origin
    """
    from pipeline.cli.engine import finder_of
    from pipeline.cli.output import note, print_json
    from pipeline.config.environment import settings_by_origin
    from pipeline.config.loader import load_document

    process = process_of(context, config=config)
    document = load_document(process.document_path, find_secrets=finder_of(process))
    tree = masked(document.model_dump(mode="json", exclude_none=True))
    settings = settings_by_origin(process)
    if as_json:
        print_json("lockgate.config.show/1", {"document": tree, "digest": document.digest, "process": settings})
        return
    import yaml

    print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), end="")
    note(f"digest {document.digest}")
    if origin:
        for setting in settings:
            note(f"{setting['name']}: {setting['value']}  ({setting['origin']})")


def masked(tree: dict[str, Any]) -> dict[str, Any]:
    """The document's tree with the sensitive fields of vaults masked, unless they are references."""
    from pipeline.vaults.auth import SENSITIVE
    from pipeline.vaults.reference import is_reference

    for section in (*tree.get("vaults", {}).values(), *tree.get("references", {}).values()):
        auth = section.get("auth_config", {})
        section["auth_config"] = {name: value if name not in SENSITIVE or is_reference(value) else "****" for name, value in auth.items()}
    return tree


@app.command("validate")
def validate(
    context: typer.Context,
    config: ConfigOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the document without resolving anything: 0 good, 1 warnings with --strict, 2 errors.

    Example: lockgate config validate --config lockgate.yaml
    """
    from pipeline.cli.engine import finder_of
    from pipeline.cli.exits import FAILED, USAGE
    from pipeline.cli.output import note, print_json
    from pipeline.config.loader import DocumentError, load_with_warnings

    process = process_of(context, config=config)
    path = process.document_path
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    try:
        _, warnings = load_with_warnings(path, find_secrets=finder_of(process))
    except DocumentError as error:
        errors = error.lines
    code = USAGE if errors else FAILED if warnings and strict else 0
    if as_json:
        print_json("lockgate.config.validate/1", {"ok": code == 0, "errors": errors, "warnings": warnings})
    else:
        for line in (*errors, *(f"warning: {line}" for line in warnings)):
            note(line)
        if code == 0:
            note(f"{path} is valid.")
    raise typer.Exit(code)


@app.command("reload")
def reload(context: typer.Context, as_json: JsonOption = False) -> None:
    """Have the running gateway read its document again; a bad one changes nothing. Says what waits for a restart.

    Example: lockgate config reload
    """
    from pipeline.cli.administration import running_gateway
    from pipeline.cli.output import note, print_json
    from pipeline.errors import ConfigError

    client = running_gateway(process_of(context))
    if client is None:
        raise ConfigError("No gateway runs in this data folder.", hint="The next start reads the document anyway.")
    told = client.reload()
    if as_json:
        print_json("lockgate.config.reload/1", told)
        return
    note(f"The document was reloaded; its digest is {told['digest']}.")
    for path in told["needs_restart"]:
        note(f"warning: {path} takes effect when the gateway starts again.")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the document, for editors.

    Example: lockgate config schema > lockgate.schema.json
    """
    import json

    from pipeline.config.schema import document_schema

    print(json.dumps(document_schema(), indent=2, ensure_ascii=False))
