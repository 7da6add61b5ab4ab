"""The pattern detector: everything is found, in bounded windows, the same by both engines."""

from __future__ import annotations

import itertools
import threading
from random import Random

import pytest

from redactors import build_redactor
from redactors.detectors.engines import Engine
from redactors.detectors.pattern import PatternSet, compile_patterns
from redactors.detectors.subject import Subject
from redactors.rules.catalog import all_rules
from tests.engines import ENGINES
from tests.redactors.samples import LOOSE, NAMED, RULES, TOKEN, rule


def found(patterns: PatternSet, text: str, begin: int = 0) -> list[tuple[int, int, str]]:
    return sorted((span.start, span.end, span.label.rule) for span in patterns.find(Subject(text), begin))


@pytest.fixture(params=ENGINES)
def small(request: pytest.FixtureRequest) -> PatternSet:
    return compile_patterns(RULES, engine=request.param)


def test_several_secrets_of_one_rule_are_all_found(small: PatternSet) -> None:
    text = " and ".join(f"acme_{number:012d}" for number in range(50))
    assert len(found(small, text)) == 50


def test_secrets_far_apart_are_found(small: PatternSet) -> None:
    text = ("acme_abcdefghijkl" + " " * 30_000) * 4
    assert [start for start, _, _ in found(small, text)] == [0, 30_017, 60_034, 90_051]


def test_only_the_group_is_the_secret(small: PatternSet) -> None:
    text = "my Password: hunter2x ok"
    assert found(small, text) == [(13, 21, "named-secret")]


def test_offsets_are_code_points(small: PatternSet) -> None:
    text = "日本語 😀 \ud83d acme_abcdefghijkl ü"
    ((start, end, _),) = found(small, text)
    assert text[start:end] == "acme_abcdefghijkl"


def test_a_refused_candidate_does_not_hide_the_next_one() -> None:
    picky = rule("picky", r"k=([a-z=]{4,12})", group=1, validate=lambda value: value.startswith("real"))
    for engine in ENGINES:
        assert found(compile_patterns([picky], engine=engine), "k=k=realones") == [(4, 12, "picky")]


def test_a_match_that_begins_in_the_context_of_an_earlier_one_is_found() -> None:
    before = compile_patterns([rule("before", r"\b([a-z0-9]{6,}) is the pw", group=1, longest=64)])
    text = "hunter2 is the pwtr0ub4dor is the pw"
    assert [text[span.start : span.end] for span in before.find(Subject(text))] == ["hunter2", "pwtr0ub4dor"]


def test_entropy_refuses_what_is_too_plain() -> None:
    plain = rule("plain", r"t_[a-z]{8}", min_entropy=2.5)
    patterns = compile_patterns([plain])
    assert found(patterns, "t_aaaaaaaa") == []
    assert found(patterns, "t_abcdefgh") == [(0, 10, "plain")]


def test_a_match_longer_than_its_bound_is_followed_to_its_end(small: PatternSet) -> None:
    spans = sorted(small.find(Subject("x acme_" + "a1" * 2000 + " y")))
    assert spans[0].start == 2
    assert spans[-1].end == 2 + 5 + 4000
    assert all(one.end == other.start for one, other in itertools.pairwise(spans))
    assert [span.continues for span in spans] == [False] + [True] * (len(spans) - 1)


def test_nothing_before_the_beginning_is_reported(small: PatternSet) -> None:
    text = "acme_abcdefghijkl acme_abcdefghijkl"
    assert [start for start, _, _ in found(small, text, 5)] == [18]


def test_a_word_border_before_the_beginning_counts(small: PatternSet) -> None:
    assert found(small, "xacme_abcdefghijkl", 1) == []


def test_a_rule_without_any_literal_is_found_by_both_engines() -> None:
    for engine in ENGINES:
        assert found(compile_patterns([LOOSE], engine=engine), "no. 4111-1111 1111-1111.") == [(4, 23, "loose-id")]


def test_a_pattern_that_the_scan_refuses_is_confirmed_all_the_same() -> None:
    wide = rule("wide", r"(?:[a-z]{1,9}[0-9]{1,9}){95}Z", longest=5000)
    patterns = compile_patterns([wide, TOKEN])
    assert found(patterns, "a1" * 95 + "Z") == [(0, 191, "wide")]


def test_an_empty_rule_set_finds_nothing(small: PatternSet) -> None:
    patterns = compile_patterns([])
    assert found(patterns, "acme_abcdefghijkl") == []
    assert patterns.open_from("acme_") == 5


def test_the_cache_gives_the_same_set_back() -> None:
    first = compile_patterns(RULES)
    cache = first.dump()
    again = compile_patterns(RULES, cache=cache)
    assert again.dump() == cache
    text = "acme_abcdefghijkl password=hunter2x"
    assert found(again, text) == found(first, text)


@pytest.mark.parametrize(
    "spoil", [lambda cache: b"", lambda cache: cache[:-20], lambda cache: b"{}\n" + cache, lambda cache: cache[:-1] + b"\0"]
)
def test_a_spoiled_cache_is_ignored(spoil: object) -> None:
    cache = compile_patterns(RULES).dump()
    patterns = compile_patterns(RULES, cache=spoil(cache))  # type: ignore[operator]
    assert found(patterns, "acme_abcdefghijkl") == [(0, 17, "acme-token")]


def test_the_cache_of_other_rules_is_ignored() -> None:
    cache = compile_patterns([TOKEN]).dump()
    assert found(compile_patterns([NAMED], cache=cache), "password=hunter2x") == [(9, 17, "named-secret")]


def test_threads_share_one_set() -> None:
    patterns = compile_patterns(RULES)
    text = "acme_abcdefghijkl " * 40
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(len(hits) for _ in range(100) if len(hits := found(patterns, text)) != 40)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_engines_agree_on_what_every_rule_must_catch(both_patterns: dict[str, PatternSet]) -> None:
    rng = Random(20)
    for each in all_rules():
        for must in each.must:
            text, _ = must.text(rng)
            first, *others = (found(patterns, text) for patterns in both_patterns.values())
            assert all(other == first for other in others)


@pytest.mark.parametrize("text", ["1.2." * 25_000, "a" * 100_000, "password=" * 11_000, '"' * 100_000, "acme_" * 20_000, "=\n" * 50_000])
def test_hostile_texts_end(small: PatternSet, text: str) -> None:
    assert isinstance(found(small, text), list)


NEVER = rule("never", r"k=([a-z=]{4,})", group=1, longest=400, validate=lambda value: False)


@pytest.mark.parametrize("engine", ENGINES)
def test_refused_candidates_inside_one_another_are_looked_at_a_bounded_number_of_times(engine: Engine) -> None:
    patterns = compile_patterns([NEVER], engine=engine)
    assert found(patterns, "k=" * 20) == []
    spans = patterns.find(Subject("k=" * 20_000))
    assert sum(span.end - span.start for span in spans) > 30_000, "what nobody can afford to look at is taken as it is"


def test_refused_candidates_that_are_apart_stay_refused_in_a_text_of_any_length() -> None:
    assert found(compile_patterns([NEVER]), f"k={'a' * 300} " * 500) == []


def test_a_number_of_brief_candidates_inside_one_another_stays_refused() -> None:
    brief = rule("brief", r"[0-9]{4} [0-9]{4} [0-9]{4}", longest=32, validate=lambda value: False)
    assert found(compile_patterns([brief]), "\n".join(["1234 " * 20] * 500)) == []


def test_a_value_is_checked_once_in_all_readings_of_a_text() -> None:
    asked: list[str] = []
    seen = rule("seen", r"t_[a-z]{8}", validate=lambda value: asked.append(value) is None)
    redactor = build_redactor(pattern_set=compile_patterns([seen]))
    assert redactor.text("t_abcdefgh and t_abcdefgh, then\\nt_abcdefgh and n\u200bo").value.count("[REDACTED:seen]") == 3
    assert asked == ["t_abcdefgh"]
