"""The builder of rules for personal data, and the way to the adapter that confirms candidates."""

from __future__ import annotations

from redactors.rules.model import Must, MustNot, Rule, Validator
from redactors.rules.samples import Draw, fixed, in_plain
from redactors.rules.shapes import DATED, LEAD


def confirmed(kind: str, value: str) -> bool:
    """Whether Presidio's recognizer agrees; imported on the first candidate only."""
    from redactors.detectors.presidio import confirm

    return confirm(kind, value, value)


def plain(secret: Draw) -> tuple[Must, ...]:
    """The proof of a form that needs no context."""
    return (Must(in_plain(secret)),)


def personal(
    id: str,  # noqa: A002 - the field's name in Rule
    kind: str,
    about: str,
    pattern: str,
    source: str,
    *,
    must: tuple[Must, ...],
    must_not: tuple[tuple[str, str], ...],
    validate: Validator | None = None,
    against: Validator | None = None,
    group: int = 0,
    keywords: tuple[str, ...] = (),
    longest: int = 96,
    case_insensitive: bool = False,
) -> Rule:
    """A rule of the family `pii`; a pattern that begins at a word also begins behind an underscore or an escaped line end."""
    if pattern.startswith(r"\b") and not group:
        pattern, group = f"{LEAD}({pattern[2:]})", 1
    return Rule(
        id=id,
        kind=kind,
        about=about,
        pattern=pattern,
        source=source,
        dated=DATED,
        detector="pii",
        group=group,
        keywords=keywords,
        longest=longest,
        validate=validate,
        against=against,
        must=must,
        must_not=tuple(MustNot(fixed(text), reason) for text, reason in must_not),
        case_insensitive=case_insensitive,
    )
