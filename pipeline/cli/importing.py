"""`import`: the configuration of another gateway as a document of ours. Nothing is resolved, and no value is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from pipeline.cli.context import JsonOption, process_of

if TYPE_CHECKING:
    from pipeline.config.environment import Process
    from pipeline.config.importers.draft import Draft, Literals
    from pipeline.config.literals import FindSecrets

Read: TypeAlias = "Callable[[Draft, Path, FindSecrets], None]"

app = typer.Typer(
    help="Take over another gateway's configuration: litellm, portkey, keeptrusts, dotenv.", no_args_is_help=True, rich_markup_mode=None
)

CheckOption = Annotated[bool, typer.Option("--check", help="Only say what would become of every setting.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Write the document here (default: standard output).")]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file, or a name in the local store, that is there.")]
StoreOption = Annotated[bool, typer.Option("--to-store", help="Move credentials that stand in the source into the local store.")]
InlineOption = Annotated[
    bool, typer.Option("--allow-inline", help="Write references for credentials that stand in the source, and leave the values to you.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="What is ignored counts: exit code 1.")]


def _add(name: str, about: str, source_help: str, example: str, read: Read) -> None:
    """Add the command of one source; they differ in nothing but how the source is read."""

    def command(
        context: typer.Context,
        *,
        source: Path = typer.Argument(help=source_help),  # noqa: B008 - an annotation could not see `source_help`
        check: CheckOption = False,
        output: OutputOption = None,
        force: ForceOption = False,
        to_store: StoreOption = False,
        allow_inline: InlineOption = False,
        strict: StrictOption = False,
        as_json: JsonOption = False,
    ) -> None:
        from pipeline.errors import BadRequest

        if to_store and allow_inline:
            raise BadRequest("--to-store and --allow-inline exclude one another.", hint="Move the values, or add them by hand.")
        if output is not None and output.exists() and not (force or check):
            raise BadRequest(f"{output} is there already.", hint="Name another file, or write over it with --force.")
        literals: Literals = "move" if to_store else "leave" if allow_inline else "refuse"
        _carry_out(process_of(context), source, read, literals, _Wish(check, output, strict, as_json, force))

    codes = "Exit code 0; 1 with --strict when something is ignored; 2 when something is refused, and then nothing is written."
    app.command(name, help=f"{about}\n\n{codes}\n\nExample: lockgate import {example}")(command)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to come out: only what would become of it, a file, which code, which form; and whether it may take the place of another."""

    check: bool
    output: Path | None
    strict: bool
    as_json: bool
    force: bool


def _litellm(draft: Draft, source: Path, _: FindSecrets) -> None:
    from pipeline.config.importers.litellm import import_litellm
    from pipeline.config.loader import load_tree

    import_litellm(draft, source, load_tree)


def _portkey(draft: Draft, source: Path, _: FindSecrets) -> None:
    from pipeline.config.importers.portkey import import_portkey
    from pipeline.config.loader import load_tree

    import_portkey(draft, load_tree(source))


def _keeptrusts(draft: Draft, source: Path, _: FindSecrets) -> None:
    from pipeline.config.importers.keeptrusts import import_keeptrusts
    from pipeline.config.loader import load_tree

    import_keeptrusts(draft, load_tree(source))


def _dotenv(draft: Draft, source: Path, find_secrets: FindSecrets) -> None:
    from pipeline.config.importers.dotenv import import_dotenv

    import_dotenv(draft, source, find_secrets)


def _carry_out(process: Process, source: Path, read: Read, literals: Literals, wish: _Wish) -> None:
    from pipeline.cli.administration import administration
    from pipeline.cli.engine import finder_of
    from pipeline.cli.exits import FAILED, OK, USAGE
    from pipeline.config.importers.draft import Draft
    from pipeline.config.importers.render import render
    from pipeline.errors import BadRequest

    draft = Draft(literals)
    finder = finder_of(process)
    read(draft, source, finder)
    text = render(draft, source.name, finder)
    outcomes = {line.outcome for line in draft.lines}
    refused = "refused" in outcomes
    # Nothing is written or stored while something is refused: half a configuration would look like a whole one.
    if not refused and not wish.check:
        if draft.values:
            with administration(process) as admin:
                taken = sorted(draft.values.keys() & {each["name"] for each in admin.list_secrets()["data"]})
                if taken and not wish.force:  # a new version would be given to every target that uses the name already
                    raise BadRequest(
                        f"The local store has {', '.join(taken)} already.",
                        hint="Remove or use what is there, or write a new version with --force.",
                    )
                for name, value in draft.values.items():
                    admin.store_secret(name, value)
        if wish.output is not None:
            wish.output.write_text(text, encoding="utf-8")
    _tell(draft, text, wish, refused=refused)
    raise typer.Exit(USAGE if refused else FAILED if wish.strict and "ignored" in outcomes else OK)


def _tell(draft: Draft, text: str, wish: _Wish, *, refused: bool) -> None:
    from dataclasses import asdict

    from pipeline.cli.output import note, print_json, print_table

    rows = [asdict(line) for line in draft.lines]
    if wish.as_json:
        print_json("lockgate.import/1", {"ok": not refused, "settings": rows, "document": None if refused else text})
    elif refused or wish.check or wish.output is not None:
        print_table((("OUTCOME", "outcome"), ("SETTING", "place"), ("WHAT", "told")), rows, empty="Nothing was found to import.")
    else:
        print(text, end="")
        for row in rows:
            note(f"{row['outcome']:8} {row['place']}: {row['told']}")
    if refused:
        note(
            "Nothing was written: settings were refused. Mend or remove them in the source; for credentials see --to-store, --allow-inline."
        )
    elif wish.output is not None and not wish.check:
        note(f"{wish.output} is written. Check it: lockgate check --config {wish.output} --verbose")


_add(
    "litellm",
    "Turn LiteLLM's config.yaml into a document. os.environ/NAME becomes a reference and is never resolved.",
    "LiteLLM's config.yaml.",
    "litellm config.yaml --check",
    _litellm,
)
_add(
    "portkey",
    "Turn Portkey's secret references into vaults and references of a document.",
    "JSON of Portkey's secret references: one, a list, or an answer of its API.",
    "portkey references.json --output lockgate.yaml",
    _portkey,
)
_add(
    "keeptrusts",
    "Turn a Keeptrusts gateway document into a document of ours.",
    "Keeptrusts' gateway document.",
    "keeptrusts policy-config.yaml --check",
    _keeptrusts,
)
_add(
    "dotenv",
    "Turn the provider keys of .env files into references and targets.",
    "A .env file, or a folder whose .env files are read.",
    "dotenv . --to-store --output lockgate.yaml",
    _dotenv,
)
