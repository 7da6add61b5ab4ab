"""The table of the evaluation: each row a suite, a figure for each contender, and the bounds of Lockgate's promise."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from redactors import Redactor, build_redactor
from redactors.detectors.pattern import PatternSet
from tests.evaluation import disguises, suites
from tests.evaluation.cases import Answer, Case, leaked, span_counts, words
from tests.evaluation.contenders import Contender, answered, ours


@dataclass(slots=True)
class Row:
    """One figure: a share (0 to 1) or a count. `must` and `aim` are upper bounds, or lower ones when more is better.

    `failures` counts what went wrong for Lockgate by label; labels never hold a value.
    """

    name: str
    must: float
    aim: float
    figures: dict[str, float]
    more_is_better: bool = False
    is_count: bool = False
    failures: Counter[str] = field(default_factory=Counter)

    def holds(self, bound: float, name: str = "Lockgate") -> bool:
        """Whether a contender's figure keeps a bound."""
        figure = self.figures[name]
        return figure >= bound if self.more_is_better else figure <= bound


Judge = Callable[[Case, Answer], bool]


def _leaks(one: Case, answer: Answer) -> bool:
    return answer.crashed or leaked(one, answer.output)


def _altered(one: Case, answer: Answer) -> bool:
    return answer.crashed or answer.output != one.text


def _share(name: str, bounds: tuple[float, float], cases: Sequence[Case], answers: dict[str, list[Answer]], judge: Judge) -> Row:
    row = Row(name, *bounds, figures={})
    for contender, given in answers.items():
        wrong = [one for one, answer in zip(cases, given, strict=True) if judge(one, answer)]
        row.figures[contender] = len(wrong) / max(1, len(cases))
        if contender == "Lockgate":
            row.failures = Counter(one.label for one in wrong)
    return row


def _passed(name: str, bounds: tuple[float, float], cases: Sequence[Case], answers: dict[str, list[Answer]]) -> Row:
    row = _share(name, bounds, cases, answers, _leaks)
    row.figures = {contender: 1 - figure for contender, figure in row.figures.items()}
    row.more_is_better = True
    return row


def _f1(cases: Sequence[Case], answers: dict[str, list[Answer]]) -> Row:
    row = Row("span F1", 0.98, 0.99, {}, more_is_better=True)
    for contender, given in answers.items():
        hits = vain = missed = 0
        for one, answer in zip(cases, given, strict=True):
            hit, over, miss = span_counts(one, answer.found)
            hits, vain, missed = hits + hit, vain + over, missed + miss
            if contender == "Lockgate" and (over or miss):
                row.failures[f"{'vain ' if over else ''}{'missed ' if miss else ''}{one.label}"] += 1
        row.figures[contender] = 2 * hits / max(1, 2 * hits + vain + missed)
    return row


def _words_lost(cases: Sequence[Case], answers: dict[str, list[Answer]]) -> Row:
    row = Row("words lost beside the secret", 0.01, 0.003, {})
    for contender, given in answers.items():
        total = lost = 0
        for one, answer in zip(cases, given, strict=True):
            count, gone = words(one, answer.output)
            total, lost = total + count, lost + gone
            if contender == "Lockgate" and gone:
                row.failures[one.label] += gone
        row.figures[contender] = lost / max(1, total)
    return row


def _broken(one: Case, answer: Answer) -> bool:
    try:
        json.loads(answer.output)
    except ValueError:
        return True
    return answer.crashed


def _chunkings(rng: Random, size: int) -> Iterator[list[int]]:
    """Where a text is cut: every even size up to nine, larger ones, random places, and each single place of a short text."""
    for step in (1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 61):
        yield list(range(step, size, step))
    for _ in range(4):
        yield sorted(rng.sample(range(1, size), min(size - 1, rng.randint(1, 20)))) if size > 1 else []
    if size <= 120:
        yield from ([place] for place in range(1, size))


def _streamed(engine: Redactor, text: str, cuts: Sequence[int]) -> str:
    stream = engine.stream()
    places = [0, *cuts, len(text)]
    parts = [stream.feed(text[low:high]) for low, high in itertools.pairwise(places)]
    return "".join(parts) + stream.close().value


def _streams(rng: Random, engine: Redactor, cases: Sequence[Case]) -> Row:
    row = Row("leaks only because streamed", 0, 0, {"Lockgate": 0}, is_count=True)
    for one in cases:
        whole = engine.text(one.text).value
        for cuts in _chunkings(rng, len(one.text)):
            if _streamed(engine, one.text, cuts) != whole:
                row.figures["Lockgate"] += 1
                row.failures[one.label] += 1
                break
    return row


def _trees(engine: Redactor, cases: Sequence[Case]) -> list[Answer]:
    answers = []
    for one in cases:
        try:
            clean = engine.tree(json.loads(one.text)).value
        except Exception:
            answers.append(Answer("", (), crashed=True))
            continue
        answers.append(Answer(json.dumps(clean) + json.dumps(clean, ensure_ascii=False), ()))
    return answers


def table(seed: int, size: float, peers: dict[str, Contender], patterns: PatternSet | None = None) -> Iterator[Row]:
    """Every row, each as soon as it is measured. `size` scales the number of cases; the same seed and size give the same cases."""
    rng = Random(seed)
    engine = build_redactor(pattern_set=patterns)
    contenders: dict[str, Contender] = {"Lockgate": ours(engine), **peers}

    def count(base: int) -> int:
        return max(8, round(base * size))

    def asked(cases: Sequence[Case]) -> dict[str, list[Answer]]:
        return {name: ask(cases) for name, ask in contenders.items()}

    few, others = suites.secrets(rng, count(4_000))
    negatives = suites.no_secrets(rng, count(2_000))
    of_fixed, of_others, of_negatives = asked(few), asked(others), asked(negatives)
    both = {name: of_fixed[name] + of_others[name] for name in contenders}
    yield _share("secrets that leak", (0.03, 0.01), [*few, *others], both, _leaks)
    yield _share("… of them with a fixed format", (0.01, 0.003), few, of_fixed, _leaks)
    yield _share("negatives altered", (0.01, 0.003), negatives, of_negatives, _altered)
    everything = {name: both[name] + of_negatives[name] for name in contenders}
    yield _f1([*few, *others, *negatives], everything)
    long = suites.long_texts(rng, count(400))
    yield _share("secrets in long mixed texts that leak", (0.08, 0.03), long, asked(long), _leaks)
    usual, hard = suites.disguised(rng, count(1_000), disguises.USUAL), suites.disguised(rng, count(1_000), disguises.HARD)
    yield _passed("disguises passed, usual", (0.95, 0.98), usual, asked(usual))
    yield _passed("disguises passed, hard", (0.35, 0.60), hard, asked(hard))

    values = suites.live_values(rng, count(48))
    live = suites.live(rng, values)
    guarded = ours(build_redactor(known=(*values, *suites.EVERYDAY), pattern_set=patterns, rules=None if patterns else ()))
    yield _passed("known (live) secrets, all forms", (0.99, 1.0), live, {"Lockgate": guarded(live)})
    everyday = suites.everyday(rng, count(300))
    yield _share("… damage from short and everyday values", (0.0, 0.0), everyday, {"Lockgate": _only_known(everyday, values)}, _altered)
    terms, no_terms = suites.terms(rng, count(600)), suites.no_terms(rng, count(600))
    blocking = ours(build_redactor(terms=suites.TERMS, rules=()))
    yield _passed("fuzzy blocked terms", (0.98, 0.995), terms, {"Lockgate": blocking(terms)})
    yield _share("… texts without one altered", (0.01, 0.0), no_terms, {"Lockgate": blocking(no_terms)}, _altered)

    core = suites.core(rng, count(1_200))
    yield _share("PII core that leaks", (0.005, 0.0), core, asked(core), _leaks)
    people, lookalikes = suites.patterns(rng, count(1_600)), suites.lookalikes(rng, count(1_000))
    yield _share("PII patterns that leak", (0.05, 0.02), people, asked(people), _leaks)
    yield _share("… numbers that are nobody's altered", (0.10, 0.03), lookalikes, asked(lookalikes), _altered)
    hidden = suites.disguised_people(rng, count(600))
    yield _passed("disguised PII passed", (0.85, 0.95), hidden, asked(hidden))

    documents = suites.json_documents(rng, count(400))
    of_documents = asked(documents)
    yield _share("JSON broken", (0.0, 0.0), documents, of_documents, _broken)
    yield _words_lost([*few, *others], both)
    yield _share("secrets in JSON trees that leak", (0.03, 0.01), documents, {"Lockgate": _trees(engine, documents)}, _leaks)
    streams = rng.sample([*few, *others, *negatives, *usual, *hard, *core, *people], count(160))
    yield _streams(rng, engine, streams)
    strange = suites.odd(rng, count(112))
    yield _share("odd input: crash or leak", (0.0, 0.0), strange, asked(strange), _leaks)


def _only_known(cases: Sequence[Case], values: Sequence[str]) -> list[Answer]:
    engine = build_redactor(known=(*values, *suites.EVERYDAY), rules=())
    return [answered(engine, one.text) for one in cases]
