"""The builder of rules for national numbers: a shape with check digits, alone where it is strong, beside a word for it otherwise."""

from __future__ import annotations

from random import Random

from redactors.rules.model import Must, Rule, Validator
from redactors.rules.personal import personal
from redactors.rules.samples import Draw, in_plain, within

_LETTERS = "é|è|ê|ä|å|ã|ó|í|ú|ç|ü|ö|ø|号|號|码|碼|番|は|번|호"
_GAP = rf"(?:(?:[\t -/:-~]|{_LETTERS}){{0,24}}?[^A-Za-z0-9]|：|是|は)"
"""What may stand between the word and the number: no digits, no line end. Letters beyond ASCII as sequences, not in a class."""


def searched(make: Draw, check: Validator) -> Draw:
    """Draw until the check digits fit; formulas modulo 11 or 97 take that many tries on average."""

    def secret(rng: Random) -> str:
        while not check(value := make(rng)):
            pass
        return value

    return secret


def national(
    id: str,  # noqa: A002 - the field's name in Rule
    kind: str,
    about: str,
    shape: str,
    check: Validator,
    make: Draw,
    *,
    source: str,
    names: str = "",
    wrong: str,
    against: Validator | None = None,
) -> Rule:
    """A rule for a national number. `names` is an expression of words for it; without it the shape stands for itself.

    `make` draws candidates, of which those that pass `check` become samples; `wrong` is a text whose check digits do not fit.
    """
    secret = searched(make, check)
    end = "" if shape.endswith(")") else r"\b"
    if not names:
        return personal(
            id,
            kind,
            about,
            rf"\b{shape}{end}",
            source,
            validate=check,
            against=against,
            longest=64,
            must=(Must(in_plain(secret)),),
            must_not=((wrong, "the check does not fit"),),
        )
    word = names.split("|", 1)[0].replace(r"\b", "")
    return personal(
        id,
        kind,
        about,
        rf"(?:{names}){_GAP}({shape}){end}",
        source,
        validate=check,
        group=1,
        longest=128,
        case_insensitive=True,
        must=(Must(within(f"{word}: {{s}}", f"my {word} is {{s}}.", f"{word} {{s}}, thanks")(secret)),),
        must_not=((wrong, "the check does not fit"),),
    )
