"""`check`: everything that would stop a start, found before one. Never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pipeline.cli.context import ConfigOption, JsonOption, process_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config.document import Document
    from pipeline.config.environment import Process
    from redactors.detectors.pattern import PatternSet


UP_TO_DATE: Final = "up to date"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    context: typer.Context,
    config: ConfigOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also what is in order.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings and optional references count, too.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Also ask each provider, by a free call, whether it accepts its key.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find what would stop a start, before one.

    Reads document, policies, secrets and store: 0 ready, 1 a secret missing, 2 wrong configuration, 3 a vault away.

    Example: lockgate check --config lockgate.yaml --verbose
    """
    from pipeline.cli.canaries import code_of_calls, print_calls, with_calls
    from pipeline.cli.engine import patterns_of
    from pipeline.cli.exits import FAILED
    from pipeline.cli.made import made_references
    from pipeline.cli.output import counted, note, print_json
    from pipeline.cli.policy import orphaned, stored_keys
    from pipeline.cli.statuses import code_of, print_statuses, statuses_of
    from pipeline.config.checks import check_address
    from pipeline.config.literals import secret_finder
    from pipeline.config.loader import load_with_warnings
    from redactors import build_redactor

    process = process_of(context, config=config)
    patterns = patterns_of(process)
    finder = secret_finder(build_redactor(pattern_set=patterns))
    document, warnings = load_with_warnings(process.document_path, find_secrets=finder, made=made_references(process).references)
    check_address(document, process.host)
    warnings = (*warnings, *check_parts(document, patterns, process.document_path))
    statuses = statuses_of(process, document)
    store = store_state(process)
    if store == UP_TO_DATE:
        warnings = (*warnings, *orphaned(document, stored_keys(process)))
    if verify:
        statuses = with_calls(process, document, statuses)
    code = code_of(statuses, strict=strict) or code_of_calls(statuses, strict=strict) or (FAILED if strict and warnings else 0)
    if as_json:
        found: dict[str, Any] = {"ok": code == 0, "warnings": warnings, "references": statuses, "store": store, "digest": document.digest}
        print_json("lockgate.check/1", found)
        raise typer.Exit(code)
    for line in warnings:
        note(f"warning: {line}")
    if verbose or code:
        print_statuses(statuses)
    if verify:
        print_calls(statuses)
    lost = [status["slug"] for status in statuses if not status["resolvable"]]
    holds = f"{counted(len(document.targets), 'target')}, {counted(len(document.models), 'model')}"
    resolved = f"{len(statuses) - len(lost)} of {counted(len(statuses), 'reference')} resolved"
    note(f"{process.document_path}: {holds}, {resolved}, store {store}.")
    note("Ready to serve." if code == 0 else "Not ready to serve.")
    raise typer.Exit(code)


def check_parts(document: Document, patterns: PatternSet, config: Path) -> tuple[str, ...]:
    """Compile what a start compiles: references, routes, policies and their patterns; load what it loads, the models for names.

    Gives warnings: what is missing and not required. ConfigError names the place.
    """
    from pipeline.bootstrap.compile import compile_limits, compile_prices, compile_references, compile_routes, folder_of
    from pipeline.bootstrap.recognition import open_recognizer
    from pipeline.config.environment import env_snapshot
    from pipeline.config.otel import read_otel, refuse_named_twice
    from pipeline.config.policies import DIRECTIONS
    from pipeline.errors import ConfigError
    from redactors import build_redactor
    from redactors.policy import PolicyError

    compile_routes(document, compile_references(document))
    compile_limits(document)
    compile_prices(document)
    warnings = [*_missing_certificates(document, folder_of(config))]
    refuse_named_twice(document, read_otel(env_snapshot()))
    recognizer = open_recognizer(document, folder_of(config), warn=warnings.append)
    for name, policy in document.policies.items():
        for direction in DIRECTIONS:
            try:
                build_redactor(
                    policy=policy.plain(), direction=direction, pattern_set=patterns, recognizers=[recognizer] if recognizer else ()
                )
            except PolicyError as error:
                # The engine's own sentence: it names the rule and the reason, and quotes no text that it examined.
                raise ConfigError(f"policies.{name}.{direction}: {error}", hint="Correct that rule of the policy.") from None
    return tuple(warnings)


def _missing_certificates(document: Document, folder: Path) -> Iterator[str]:
    """Files of destinations that cannot be read: nothing is sent there until they can, and everything waits."""
    import os

    for section in document.telemetry.destinations:
        for path in (section.tls.ca_file, section.tls.client_cert_file, section.tls.client_key_file):
            if path is not None and not os.access(folder / path, os.R_OK):
                yield f"telemetry.destinations.{section.id}.tls: {path} cannot be read."


def store_state(process: Process) -> str:
    """Where the store stands, in a word or two; ConfigError when it cannot be used."""
    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.config.environment import database_url
    from pipeline.errors import LedgerError
    from pipeline.store.engine import StoreError, sqlite_path
    from pipeline.store.migrate import status

    url = database_url(process)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return "not made yet"
    try:
        found = status(url)
    except (StoreError, SQLAlchemyError) as error:
        raise LedgerError(
            f"The store cannot be read ({type(error).__name__}).", hint="Check LOCKGATE_DATABASE_URL and the server."
        ) from None
    return UP_TO_DATE if found.up_to_date else "will be migrated at the next start"
