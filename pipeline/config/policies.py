"""Policies: what is found, and what is done about it, by direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.config.section import Section
from redactors.model import Direction

Detector = Literal["secrets", "known", "pii", "terms", "patterns", "keynames"]
ActionName = Literal["allow", "pseudonymize", "hash", "mask", "replace", "remove", "block"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("prompt", "answer", "telemetry")

Term = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class PolicyRule(Section):
    """One line of a policy: exactly one of `detect`, `blocked_terms`, `detect_patterns`, and an action."""

    detect: tuple[Detector, ...] = ()
    """Families of detectors: `secrets` (by form), `known` (live values of the vaults; masked where no rule names it), `pii`, `keynames`."""
    kinds: tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...] = ()
    """Only these kinds of the detectors' findings (`email`, `openai_key`, …); all when absent."""
    blocked_terms: tuple[Term, ...] = ()
    """Words and phrases, whatever their case."""
    fuzzy_matching: bool = False
    """Whether terms are also found with typing mistakes."""
    max_distance: Annotated[int, Field(ge=0, le=8)] | None = None
    """How many mistakes, with `fuzzy_matching`."""
    detect_patterns: tuple[Pattern, ...] = ()
    """Regular expressions in RE2's syntax, so that they run in linear time."""
    restore: bool = False
    """In `answer`, with `detect`: the pseudonyms that the prompt's rules gave to such findings are the caller's own values again in its
    answer. Not for `known`."""
    action: ActionName
    """`allow` (still counted), `pseudonymize`, `hash`, `mask`, `replace`, `remove`, `block`."""

    @model_validator(mode="after")
    def _one_subject(self) -> PolicyRule:
        subjects = [name for name in ("detect", "blocked_terms", "detect_patterns") if getattr(self, name)]
        if len(subjects) != 1:
            raise ValueError("a rule says exactly one of detect, blocked_terms, detect_patterns, and at least one entry of it")
        if self.kinds and subjects != ["detect"]:
            raise ValueError("kinds goes with detect")
        if subjects != ["blocked_terms"] and (self.fuzzy_matching or self.max_distance is not None):
            raise ValueError("fuzzy_matching and max_distance go with blocked_terms")
        if self.max_distance is not None and not self.fuzzy_matching:
            raise ValueError("max_distance needs fuzzy_matching: true")
        if self.action == "allow" and "known" in self.detect:
            raise ValueError("a live secret is never allowed to pass; rules that do not name known mask it")
        if self.restore and subjects != ["detect"]:
            raise ValueError("restore goes with detect")
        if self.restore and "known" in self.detect:
            raise ValueError("a live secret is never restored; give known a rule of its own")
        return self

    def plain(self) -> dict[str, Any]:
        """The rule as the redaction engine reads it: only what was said."""
        return self.model_dump(mode="json", exclude_defaults=True)


Rules = Annotated[tuple[PolicyRule, ...], Field(min_length=1)]


class PolicySection(Section):
    """What is done in each direction. Every direction is spelled out, because an empty policy would let everything pass."""

    prompt: Rules
    """What goes to the provider."""
    answer: Rules
    """What comes back to the caller."""
    telemetry: Rules
    """What is recorded: traces, logs, audit."""
    pseudonym_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days for which a value keeps its pseudonym. It has another one in every workspace and direction."""

    @model_validator(mode="after")
    def _restored_in_answers(self) -> PolicySection:
        if any(rule.restore for rule in (*self.prompt, *self.telemetry)):
            raise ValueError("restore stands in the rules of answer")
        return self

    def plain(self) -> Mapping[str, list[dict[str, Any]]]:
        """The policy as the redaction engine reads it (`build_redactor(policy=…)`)."""
        return {direction: [rule.plain() for rule in getattr(self, direction)] for direction in DIRECTIONS}


def default_policy() -> PolicySection:
    """The policy when the document names none: mask every secret and every personal datum, hash them in telemetry."""
    found: tuple[Detector, ...] = ("secrets", "known", "keynames", "pii")
    mask = (PolicyRule(detect=found, action="mask"),)
    return PolicySection(
        prompt=mask, answer=(PolicyRule(detect=("secrets", "known"), action="mask"),), telemetry=(PolicyRule(detect=found, action="hash"),)
    )
