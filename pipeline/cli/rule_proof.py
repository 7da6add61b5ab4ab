"""Runs the samples that stand beside each rule through the whole engine, as `rules test` reports it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from redactors.engine import Redactor
from redactors.rules.model import Rule


def prove(rules: Iterable[Rule], seed: int, redactor: Redactor) -> list[dict[str, Any]]:
    """One result per sample: a must-catch is good when the secret is gone from the text, a must-not when this rule did not act.

    A must-catch may be taken by another rule that covers the same stretch: what counts is that it does not get through.
    """
    results: list[dict[str, Any]] = []
    for rule in rules:
        rng = Random(f"{seed}:{rule.id}")  # noqa: S311 - samples must be the same in every run
        for number, must in enumerate(rule.must):
            text, secret = must.text(rng)
            gone = secret not in redactor.text(text).value
            results.append(_result(rule, "must-catch", number, gone, "gets through"))
        for number, must_not in enumerate(rule.must_not):
            remarks = redactor.text(must_not.text(rng)).remarks
            quiet = all(remark.rule != rule.id for remark in remarks)
            results.append(_result(rule, "must-not", number, quiet, f"is taken for a secret, although: {must_not.reason}"))
    return results


def _result(rule: Rule, what: str, number: int, ok: bool, why: str) -> dict[str, Any]:
    return {"rule": rule.id, "what": what, "sample": number, "ok": ok, "why": "" if ok else why}
