"""`rules`: what the redaction engine recognizes, and the proof that it does."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="Detection rules: list, test.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_rules(
    detector: Annotated[str, typer.Option("--detector", help="Only secrets or pii.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the rules.

    Example: lockgate rules list --detector pii
    """
    from pipeline.cli.output import note, print_json, print_table
    from redactors.rules.catalog import all_rules

    rules = [rule for rule in all_rules() if detector in ("", rule.detector)]
    rows = [
        {"id": rule.id, "kind": rule.kind, "detector": rule.detector, "about": rule.about, "source": rule.source, "dated": rule.dated}
        for rule in rules
    ]
    if as_json:
        print_json("lockgate.rules.list/1", {"rules": rows})
        return
    print_table((("RULE", "id"), ("KIND", "kind"), ("DETECTOR", "detector"), ("ABOUT", "about")), rows, empty="No rule has that detector.")
    note(f"{len(rows)} rules.")


@app.command("test")
def run_samples(
    context: typer.Context,
    rule_id: Annotated[str, typer.Option("--rule", help="Only one rule (id).")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Of the generated samples.")] = 20261121,
    as_json: JsonOption = False,
) -> None:
    """Run every rule's must-catch and must-not samples through the engine. 1 when one fails; samples are never printed.

    Example: lockgate rules test
    """
    from pipeline.cli.engine import redactor_of
    from pipeline.cli.exits import FAILED
    from pipeline.cli.output import note, print_json
    from pipeline.cli.rule_proof import prove
    from pipeline.errors import BadRequest
    from redactors.rules.catalog import all_rules

    rules = [rule for rule in all_rules() if rule_id in ("", rule.id)]
    if not rules:
        raise BadRequest("There is no rule with that id.", hint="lockgate rules list shows them.")
    results = prove(rules, seed, redactor_of(process_of(context)))
    failures: list[dict[str, Any]] = [each for each in results if not each["ok"]]
    if as_json:
        print_json("lockgate.rules.test/1", {"ok": not failures, "samples": len(results), "failures": failures})
    else:
        for failure in failures:
            note(f"{failure['rule']}: {failure['what']} sample {failure['sample']} {failure['why']}")
        note(f"{len(rules)} rules, {len(results)} samples, {len(failures)} failures.")
    raise typer.Exit(FAILED if failures else 0)
