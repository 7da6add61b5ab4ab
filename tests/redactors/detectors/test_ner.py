"""Named entities by a model in a process of its own: found, remembered, bounded, restarted, and closed when anything fails."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redactors import build_redactor
from redactors.detectors import ner_worker
from redactors.detectors.ner import NerDetector, is_prose
from redactors.detectors.ner_process import ModelProcess
from redactors.detectors.ner_spec import NerModel, NerSpec, label_of
from redactors.detectors.presidio import OVERLAP, PIECE, is_here, open_models
from redactors.detectors.recognizer import RecognitionError, Recognizer
from redactors.model import Finding, RedactionError
from redactors.policy import PolicyError
from redactors.rules.model import Rule
from tests.compiled import compiled_patterns
from tests.redactors.detectors.ner_models import DIE, HANG, save_names, save_package

NO_RULES: tuple[Rule, ...] = (Rule("none", "nothing", "", "never-in-a-text-[0-9]{9}", "", ""),)
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_names(tmp_path_factory.mktemp("model") / "names")


def spec_of(*names: str | Path, entities: tuple[str, ...] = ("PERSON", "LOCATION", "NRP")) -> NerSpec:
    return NerSpec("spacy", tuple(NerModel("en", str(name)) for name in names), entities)


@pytest.fixture(scope="module")
def detector(folder: Path) -> Iterator[NerDetector]:
    found = NerDetector(spec_of(folder), deadline_s=PATIENCE_S)
    found.open()
    yield found
    found.close()


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model package on the import path, which hangs on one word and ends its process on another."""
    site = tmp_path_factory.mktemp("site")
    name = save_package(site)
    sys.path.insert(0, str(site))
    yield name
    sys.path.remove(str(site))


def eventually(attempt: Callable[[], object]) -> None:
    """Try until it succeeds; the process that replaces a lost one takes seconds to load."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            attempt()
        except RecognitionError:
            assert time.monotonic() < until, "the process was not replaced"
            time.sleep(0.02)
        else:
            return


def said(text: str, findings: object) -> list[tuple[str, str]]:
    assert isinstance(findings, list | tuple)
    return [(text[one.start : one.end], one.kind) for one in findings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear Ada Lovelace, see you in London.", [("Ada Lovelace", "person"), ("London", "location")]),
        ("Ada Lovelace's desk", [("Ada Lovelace", "person")]),
        ("héé 🙂 Ada Lovelace", [("Ada Lovelace", "person")]),
        ("lone \ud83d half, Ada Lovelace", [("Ada Lovelace", "person")]),
        ("Jean-Luc Picard of Baden-Baden", [("Jean-Luc Picard", "person"), ("Baden-Baden", "location")]),
        ("the user_name = x of Acme Corp", []),
        ("London", []),
        ("  \n", []),
        ("", []),
    ],
)
def test_names_and_places_are_found_with_their_offsets(detector: NerDetector, text: str, expected: list[tuple[str, str]]) -> None:
    assert said(text, detector.find(text)) == expected


def test_texts_are_asked_about_together_and_answered_in_their_order(detector: NerDetector) -> None:
    texts = ["role", "to Ada Lovelace", "nobody is here", "to Ada Lovelace", "in London now"]
    assert [said(text, found) for text, found in zip(texts, detector.find_all(texts), strict=True)] == [
        [],
        [("Ada Lovelace", "person")],
        [],
        [("Ada Lovelace", "person")],
        [("London", "location")],
    ]


def test_a_name_at_the_border_of_two_pieces_is_found_once(detector: NerDetector) -> None:
    for shift in (4, 8, OVERLAP - 4):
        text = "x " * ((PIECE - shift) // 2) + "Ada Lovelace lives here. " + "y " * 80
        assert said(text, detector.find(text)) == [("Ada Lovelace", "person")]


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("user", False),
        ("gpt-5-mini", False),
        (" padded ", False),
        ("two words", True),
        ("我叫王小明", True),
        ("Müller", True),
        ("a\nb", True),
    ],
)
def test_single_ascii_words_are_not_read(text: str, prose: bool) -> None:
    assert is_prose(text) is prose


def test_every_model_reads_every_text(folder: Path, tmp_path: Path) -> None:
    other = save_names(tmp_path / "de", "de", ("Lieschen Müller",))
    find = open_models(spec_of(folder, other))
    assert [entity for _, _, entity in find(["Ada Lovelace and Lieschen Müller"])[0]] == ["PERSON", "PERSON"]


def test_only_wanted_entities_are_reported(folder: Path) -> None:
    find = open_models(spec_of(folder, entities=("ORGANIZATION", "DATE_TIME")))
    assert [entity for _, _, entity in find(["Ada Lovelace joined Acme Corp on May 1"])[0]] == ["ORGANIZATION", "DATE_TIME"]


def test_a_model_label_of_ones_own_is_mapped(tmp_path: Path) -> None:
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "CHEF", "pattern": "Ada Lovelace"}])  # type: ignore[attr-defined]
    pipeline.to_disk(tmp_path / "chefs")
    spec = NerSpec("spacy", (NerModel("en", str(tmp_path / "chefs")),), ("PERSON",), {"CHEF": "PERSON"})
    assert open_models(spec)(["chef Ada Lovelace"]) == [[(5, 17, "PERSON")]]
    assert open_models(NerSpec("spacy", spec.models, ("PERSON",)))(["chef Ada Lovelace"]) == [[]]


def test_a_spec_survives_its_way_to_the_process() -> None:
    spec = NerSpec("gliner", (NerModel("de", "/models/x"), NerModel("en", "y")), ("PERSON", "BADGE"), {"badge number": "BADGE"}, 0.5)
    assert NerSpec.of(spec.plain()) == spec
    assert label_of("BADGE").rule == "ner-badge"
    assert label_of("NRP").kind == "nationality_religion_politics"


def test_a_missing_model_is_refused_and_nothing_is_downloaded() -> None:
    assert not is_here("no_such_model_of_names")
    detector = NerDetector(spec_of("no_such_model_of_names"))
    with pytest.raises(RecognitionError, match="RedactionError"):
        detector.open()
    with pytest.raises(RedactionError):
        detector.find("Ada Lovelace")


def test_a_detector_that_was_not_opened_fails_closed_and_loads_beside(folder: Path) -> None:
    detector = NerDetector(spec_of(folder), deadline_s=PATIENCE_S)
    with pytest.raises(RecognitionError, match="being loaded"):
        detector.find("to Ada Lovelace")
    assert said("to Ada Lovelace", detector.find("to Ada Lovelace")) == [("Ada Lovelace", "person")]
    detector.close()
    with pytest.raises(RecognitionError):
        detector.find("to Grace Hopper")


def test_a_model_that_hangs_meets_the_deadline_and_is_replaced(moody: str) -> None:
    detector = NerDetector(spec_of(moody), deadline_s=1.0)
    detector.open()
    (hung,) = detector._crew._alive
    with pytest.raises(RecognitionError, match="in time"):
        detector.find(f"{HANG} Ada Lovelace")
    assert not is_running(hung.pid)
    eventually(lambda: detector.find("and Grace Hopper"))
    detector.close()


def test_whoever_finds_every_process_busy_fails_at_the_deadline(folder: Path) -> None:
    detector = NerDetector(spec_of(folder), deadline_s=0.05)
    detector.open()
    with detector._crew.member(time.monotonic() + PATIENCE_S), pytest.raises(RecognitionError, match="busy"):
        detector.find("and Grace Hopper")
    detector.close()


def test_a_process_that_dies_fails_its_text_and_is_replaced(moody: str) -> None:
    detector = NerDetector(spec_of(moody), deadline_s=PATIENCE_S)
    detector.open()
    with pytest.raises(RecognitionError, match="ended"):
        detector.find(f"{DIE} Ada Lovelace")
    assert said("to Ada Lovelace", detector.find("to Ada Lovelace")) == [("Ada Lovelace", "person")]
    detector.close()


def test_a_model_that_raises_fails_its_text_without_quoting_it_and_goes_on(moody: str) -> None:
    detector = NerDetector(spec_of(moody), deadline_s=PATIENCE_S)
    detector.open()
    (before,) = detector._crew._alive
    with pytest.raises(RecognitionError) as caught:
        detector.find("FAILNOW Ada Lovelace")
    assert "ValueError" in str(caught.value)
    assert "Ada" not in str(caught.value)
    detector.find("to Grace Hopper")
    assert detector._crew._alive == {before}
    detector.close()


def test_skipping_passes_what_could_not_be_read_says_so_and_remembers_nothing(moody: str) -> None:
    skipped: list[int] = []
    detector = NerDetector(spec_of(moody), deadline_s=PATIENCE_S, max_chars=1_000, on_failure="skip", skipped=lambda: skipped.append(1))
    detector.open()
    redactor = build_redactor(rules=NO_RULES, recognizers=[detector])
    long = "Ada Lovelace " * 200
    assert redactor.tree([long]).value == [long]
    assert redactor.text("FAILNOW, said Ada Lovelace").value == "FAILNOW, said Ada Lovelace"
    assert len(skipped) == 2
    assert redactor.tree(["short Ada Lovelace", long[:900]]).value != ["short Ada Lovelace", long[:900]]
    detector.close()


def test_more_text_than_is_read_fails_closed(detector: NerDetector, folder: Path) -> None:
    small = NerDetector(spec_of(folder), max_chars=100)
    with pytest.raises(RedactionError, match="100 characters") as caught:
        small.find("Ada Lovelace " * 10)
    assert not isinstance(caught.value, RecognitionError)


def test_what_was_read_is_not_read_again(folder: Path) -> None:
    detector = NerDetector(spec_of(folder), deadline_s=PATIENCE_S)
    detector.open()
    texts = ["to Ada Lovelace", "in London now"]
    found = detector.find_all(texts)
    detector.close()
    assert detector.find_all(texts) == found
    with pytest.raises(RecognitionError):
        detector.find_all([*texts, "to Grace Hopper"])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_processes_end_with_the_last_that_holds_the_detector(folder: Path) -> None:
    detector = NerDetector(spec_of(folder), workers=2)
    detector.open()
    pids = [process.pid for process in detector._crew._alive]
    assert len(pids) == 2
    assert all(map(is_running, pids))
    del detector
    gc.collect()
    assert not any(map(is_running, pids))


def test_a_process_ends_when_its_gateway_goes_away(folder: Path) -> None:
    process = ModelProcess(spec_of(folder), time.monotonic)
    process.wait_until_ready(time.monotonic() + PATIENCE_S)
    process._channel.close()
    assert process._process.wait(PATIENCE_S) == 0


def test_the_process_gets_no_environment_and_opens_no_connection(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("LOCKGATE_TEST_PLANT", "planted")
    process = ModelProcess(spec_of(folder), time.monotonic)
    process.wait_until_ready(time.monotonic() + PATIENCE_S)
    assert b"planted" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    process.kill()
    code = (
        "import socket, sys\n"
        "from redactors.detectors.ner_worker import _refuse_connections\n"
        "sys.addaudithook(_refuse_connections)\n"
        "for attempt in (lambda: socket.create_connection(('127.0.0.1', 9)), lambda: socket.getaddrinfo('localhost', 9)):\n"
        "    try: attempt()\n"
        "    except ConnectionRefusedError as error: assert 'opens no connection' in str(error), error\n"
        "    else: sys.exit('it connected')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr


def test_frames_survive_lone_surrogates_and_broken_connections() -> None:
    ours, theirs = socket.socketpair()
    ner_worker.send(ours, ["\ud83d half", "whole"])
    assert ner_worker.receive(theirs) == ["\ud83d half", "whole"]
    with pytest.raises(TimeoutError):
        ner_worker.receive(theirs, lambda: 0.01)
    ours.sendall(ner_worker.LENGTH.pack(100) + b"cut")
    ours.close()
    with pytest.raises(ConnectionResetError):
        ner_worker.receive(theirs)
    assert ner_worker.receive(theirs) is None
    theirs.close()


def test_the_engine_asks_once_for_a_whole_tree_and_masks_keeping_the_rest(detector: NerDetector) -> None:
    asked: list[int] = []

    class Counted:
        labels = detector.labels

        def find_all(self, texts: list[str]) -> list[list[Finding]]:
            asked.append(len(texts))
            return [list(found) for found in detector.find_all(texts)]

    assert isinstance(Counted(), Recognizer)
    redactor = build_redactor(recognizers=[Counted()], pattern_set=compiled_patterns())
    tree = {"role": "user", "content": [{"type": "text", "text": "I am Ada Lovelace, ada@example.com"}, "in London now"]}
    clean = redactor.tree(tree)
    assert clean.value == {
        "role": "user",
        "content": [{"type": "text", "text": "I am [REDACTED:person], [REDACTED:email]"}, "in [REDACTED:location] now"],
    }
    assert len(asked) == 1
    assert {remark.path for remark in clean.remarks} == {"/content/0/text", "/content/1"}
    assert redactor.tree(clean.value).value == clean.value


def test_a_policy_that_does_nothing_about_names_does_not_pay_for_them(detector: NerDetector) -> None:
    asked = build_redactor(
        policy={"prompt": [{"detect": ["pii"], "action": "mask"}]}, direction="prompt", rules=NO_RULES, recognizers=[detector]
    )
    assert asked.recognizes
    policy = {"prompt": [{"detect": ["secrets"], "action": "mask"}, {"detect": ["pii"], "kinds": ["nothing"], "action": "mask"}]}
    spared = build_redactor(policy=policy, direction="prompt", rules=NO_RULES, recognizers=[detector])
    assert not spared.recognizes
    assert spared.text("I am Ada Lovelace").value == "I am Ada Lovelace"


def test_kinds_of_the_model_may_be_named_in_a_policy_only_with_the_model(detector: NerDetector) -> None:
    policy = {"prompt": [{"detect": ["pii"], "kinds": ["location"], "action": "replace"}]}
    redactor = build_redactor(policy=policy, direction="prompt", rules=NO_RULES, recognizers=[detector])
    assert redactor.text("Ada Lovelace in London").value.startswith("Ada Lovelace in ")
    assert "London" not in redactor.text("Ada Lovelace in London").value
    with pytest.raises(PolicyError, match="location"):
        build_redactor(policy=policy, direction="prompt", rules=NO_RULES)


def test_streams_are_not_read(detector: NerDetector) -> None:
    stream = build_redactor(rules=NO_RULES, recognizers=[detector]).stream()
    assert stream.feed("I am Ada Lovelace") + stream.close().value == "I am Ada Lovelace"
