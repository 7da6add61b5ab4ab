"""The adapter to Presidio: confirms in bounded windows, loads nothing before it must, opens no connection, fails closed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from redactors.detectors import presidio
from redactors.detectors.presidio import NerDetector, confirm
from redactors.model import RedactionError
from tests import planted


@pytest.mark.parametrize("kind", ["email", "phone", "card", "iban"])
def test_true_values_are_confirmed(kind: str) -> None:
    for seed in range(10):
        value = planted.secret(kind, Random(seed))
        assert confirm(kind, value, f"it is {value}.")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("email", "icon@2x.nosuchtld"), ("phone", "+999 123456789"), ("card", "4111 1111 1111 1112"), ("iban", "DE00370400440532013000")],
)
def test_values_that_only_look_true_are_refused(kind: str, value: str) -> None:
    assert not confirm(kind, value, value)


@pytest.mark.parametrize("domain", ["corp.internal", "mail.local", "ops.lan", "host.test"])
def test_mail_inside_a_company_is_mail(domain: str) -> None:
    assert confirm("email", f"bob@{domain}", "")


def test_a_kind_without_a_recognizer_is_confirmed() -> None:
    assert confirm("passport", "X1234567", "")


def test_a_recognizer_that_breaks_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_value: str, _context: str) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(presidio, "_checks", lambda: {"email": broken})
    assert confirm("email", "bob@nosuchtld", "")


def test_confirming_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    presidio._checks.cache_clear()
    presidio.warm()
    assert confirm("email", "bob@gmail.com", "")
    assert not confirm("email", "bob@host.nosuchtld", "")


def test_many_threads_confirm_at_once() -> None:
    values = [planted.secret("email", Random(seed)) for seed in range(40)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        assert all(pool.map(lambda value: confirm("email", value, value), values))


def test_importing_the_adapter_and_the_catalog_loads_no_presidio() -> None:
    code = (
        "import sys, redactors.detectors.presidio, redactors.rules.catalog as c; c.all_rules();"
        "bad = {'presidio_analyzer', 'spacy', 'phonenumbers', 'tldextract', 'hyperscan', 're2'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small spaCy model on disk whose entities come from a list, loaded by the same code as a trained one."""
    import spacy

    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}, {"label": "GPE", "pattern": "London"}])  # type: ignore[attr-defined]
    folder = tmp_path_factory.mktemp("model") / "names"
    pipeline.to_disk(folder)
    return str(folder)


@pytest.fixture
def detector(model: str) -> Iterator[NerDetector]:
    found = NerDetector(model, deadline_s=60)
    yield found
    found.close()


def test_names_and_places_are_found_with_their_offsets(detector: NerDetector) -> None:
    text = "Dear Ada Lovelace, see you in London."
    assert [(text[f.start : f.end], f.kind, f.detector) for f in detector.find(text)] == [
        ("Ada Lovelace", "person", "pii"),
        ("London", "location", "pii"),
    ]


def test_a_name_across_two_pieces_is_found_once(model: str) -> None:
    detector = NerDetector(model, deadline_s=60, piece=100, overlap=30)
    text = "x " * 46 + "Ada Lovelace lives here. " + "y " * 80
    found = list(detector.find(text))
    detector.close()
    assert [text[f.start : f.end] for f in found] == ["Ada Lovelace"]


def test_an_empty_text_has_no_names(detector: NerDetector) -> None:
    assert list(detector.find("  \n")) == []


def test_a_missing_model_is_refused_and_nothing_is_downloaded() -> None:
    detector = NerDetector("no_such_model_of_names", deadline_s=30)
    with pytest.raises(RedactionError, match="not installed"):
        detector.find("Ada Lovelace")
    detector.close()


def test_an_unknown_entity_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown entities"):
        NerDetector("x", entities=("UNICORN",))


def test_a_deadline_that_passes_fails_closed(detector: NerDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(detector, "_recognize", lambda _: release.wait(20) and [])
    monkeypatch.setattr(detector, "_deadline_s", 0.05)
    with pytest.raises(RedactionError, match="in time"):
        detector.find("Ada Lovelace")
    with pytest.raises(RedactionError, match="busy"):
        detector.find("Ada Lovelace")
    release.set()
    time.sleep(0.05)


def test_a_model_that_breaks_fails_closed_without_quoting_the_text(detector: NerDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> list[object]:
        raise ValueError(f"cannot read {text}")

    monkeypatch.setattr(detector, "_recognize", broken)
    with pytest.raises(RedactionError) as caught:
        detector.find("Ada Lovelace")
    assert "Ada" not in str(caught.value)


def test_a_closed_detector_fails_closed(model: str) -> None:
    detector = NerDetector(model)
    detector.close()
    with pytest.raises(RedactionError, match="closed"):
        detector.find("Ada Lovelace")
