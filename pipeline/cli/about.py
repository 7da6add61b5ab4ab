"""`version` and `doctor`."""

from __future__ import annotations

from typing import Any

import typer

from pipeline.cli.context import JsonOption, process_of


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("version")(version)
    app.command("doctor")(doctor)


def version(as_json: JsonOption = False) -> None:
    """Print the version.

    Example: lockgate version
    """
    from pipeline.version import VERSION

    if as_json:
        from pipeline.cli.output import print_json

        print_json("lockgate.version/1", {"version": VERSION})
    else:
        print(VERSION)


def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Look at what Lockgate stands on.

    Python, packages, environment, data folder, store, running gateway: 1 when something is wrong.

    Example: lockgate doctor
    """
    from pipeline.cli.diagnosis import examine
    from pipeline.cli.exits import FAILED
    from pipeline.cli.output import print_json, print_table

    findings: list[dict[str, Any]] = [finding.shown() for finding in examine(process_of(context))]
    healthy = all(finding["state"] != "wrong" for finding in findings)
    if as_json:
        print_json("lockgate.doctor/1", {"ok": healthy, "findings": findings})
    else:
        print_table(
            (("", "state"), ("SUBJECT", "subject"), ("FOUND", "found"), ("HOW TO FIX", "hint")), findings, empty="Nothing to look at."
        )
    raise typer.Exit(0 if healthy else FAILED)
