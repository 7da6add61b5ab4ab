"""`redact`: clean a text, a file or a stream of JSON lines on a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

if TYPE_CHECKING:
    from redactors.engine import Redactor


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("redact")(redact)


def redact(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="[FILE|-]", help="A file, or - for standard input.")] = "-",
    *,
    jsonl: Annotated[bool, typer.Option("--jsonl", help='Lines {"id", "text" | "json"} in; the same with findings out, in order.')] = False,
    known: Annotated[Path | None, typer.Option("--known", help="Values that must not get through: a JSON string a line.")] = None,
    terms: Annotated[Path | None, typer.Option("--terms", help='Blocked terms: a JSON string or {"term", "max_distance"} a line.')] = None,
    patterns: Annotated[Path | None, typer.Option("--patterns", help='Patterns of your own: {"name", "pattern", "group"?} a line.')] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="One policy of the document, as YAML.")] = None,
    direction: Annotated[
        str, typer.Option("--direction", help="Which direction of the policy: prompt, answer or telemetry.")
    ] = "telemetry",
    report: Annotated[bool, typer.Option("--report", help="Say on stderr how often each rule acted.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Clean a text, a file or a pipe.

    Writes it without its secrets and personal data, as it flows. The exit code is 0 whatever was found, and 2 when something could not be
    redacted: a stream ends there; in place of a JSON line stands an error, and the lines behind it are still cleaned. The id of a JSON line
    comes back as it is.

    Example: kubectl logs app | lockgate redact
    """
    from pipeline.cli.exits import USAGE
    from pipeline.cli.output import note
    from pipeline.cli.redacting import build, redact_lines, redact_stream, redact_whole, tell_report

    redactor: Redactor = build(process_of(context), known=known, terms=terms, patterns=patterns, policy=policy, direction=direction)
    counts: dict[tuple[str, str, str], int] = {}
    wrong: list[tuple[int, str]] = []
    with _opened(source) as stream:
        if jsonl:
            wrong = redact_lines(redactor, stream, sys.stdout.buffer, counts)
        elif as_json:
            _print(redact_whole(redactor, stream, counts))
        else:
            redact_stream(redactor, stream, sys.stdout.buffer, counts)
    if report:
        tell_report(counts)
    for number, reason in wrong:
        note(f"lockgate: line {number}: {reason}.")
    if wrong:
        raise typer.Exit(USAGE)


def _opened(source: str) -> Any:
    from contextlib import nullcontext

    from pipeline.errors import BadRequest

    if source == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise BadRequest(
            f"{source} cannot be read ({type(error).__name__}).", hint="Name a file that you may read, or - for standard input."
        ) from None


def _print(tree: dict[str, Any]) -> None:
    from pipeline.cli.output import print_json

    print_json("lockgate.redact/1", tree)
