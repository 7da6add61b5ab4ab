"""What a rule is: data, with its proof beside it.

A rule is found by a linear-time scanner (`pattern`, in the common subset of RE2 and hyperscan syntax: no look-around,
no back-references), then confirmed in a bounded window by its optional validator. Samples are produced by functions
from a seeded random source, so that no real-looking key stands in the repository.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from redactors.model import DetectorName

Validator = Callable[[str], bool]
"""Says whether a matched value is what it looks like: checksum, entropy, placeholder logic. Must not keep the value."""

Sample = Callable[[Random], str]
"""Makes one text from a random source."""


@dataclass(frozen=True, slots=True)
class Must:
    """A text that the rule must catch: `text(rng)` returns (whole text, the secret inside it)."""

    text: Callable[[Random], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MustNot:
    """A text in which the rule must find nothing, and the reason why someone might think otherwise."""

    text: Sample
    reason: str


@dataclass(frozen=True, slots=True)
class Witness:
    """What every value has that a validator accepts: a character that is not `plain`, or `length` characters; 0 for no length.

    `plain` is the inside of a class without blanks and controls, which are plain anyway. The scan looks for the witness behind the
    context, so that most of what a validator would refuse is never looked at.
    """

    plain: str
    length: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One recognisable thing.

    `pattern` is the expression of the scanner and of the confirm step; when `group` is not 0 only that group of it is
    the secret and the rest is context that stays. `keywords` are lower-case literals one of which must stand near a
    match (a cheap prefilter for the fallback engine; empty: always confirm). `longest` bounds the window in characters that a match may
    span. `witness` is what the value has in every match that `validate` accepts; None where nothing is sure. `against` is asked about
    the 48 bytes before the secret: whether they say that it is something else. `min_entropy` is in bits per character (Shannon).
    `dated` is when the format was last checked against `source`.
    """

    id: str
    kind: str
    about: str
    pattern: str
    source: str
    dated: str
    detector: DetectorName = "secrets"
    group: int = 0
    keywords: tuple[str, ...] = ()
    longest: int = 512
    min_entropy: float = 0.0
    validate: Validator | None = None
    against: Validator | None = None
    witness: Witness | None = None
    must: tuple[Must, ...] = ()
    must_not: tuple[MustNot, ...] = ()
    case_insensitive: bool = False
