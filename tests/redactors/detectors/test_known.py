"""Live secrets: found in every form, from the moment they are announced, and nowhere else."""

from __future__ import annotations

import base64
import copy
import html
import json
import pickle
import threading
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from redactors import KnownSecrets
from redactors.detectors import known as known_module
from redactors.detectors.encoded_forms import forms
from tests import planted

VALUE = "".join(Random(7).choices("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=24)) + "/+=\"&ü'\\~"


def wrapped(value: str) -> list[bytes]:
    raw = value.encode()
    twice = json.dumps(json.dumps(value)[1:-1])[1:-1]
    found = [
        raw,
        json.dumps(value)[1:-1].encode(),
        json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        twice.encode(),
        json.dumps(twice)[1:-1].encode(),
        quote(value, safe="").encode(),
        quote(value, safe="").lower().encode() if value.islower() else b"",
        quote_plus(value).encode(),
        html.escape(value).encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    ]
    for prefix in (b"", b"x", b"xy"):
        for suffix in (b"", b"z", b"zz"):
            found += [base64.b64encode(prefix + raw + suffix), base64.urlsafe_b64encode(prefix + raw + suffix)]
    return [form for form in found if form]


@pytest.mark.parametrize("number", range(len(wrapped(VALUE))))
def test_every_form_is_seen_in_bytes_and_found_in_text(number: int) -> None:
    known = KnownSecrets([VALUE])
    form = wrapped(VALUE)[number]
    assert known.contains(b"before " + form + b" after")
    assert known.find(f"before {form.decode()} after")


@pytest.mark.parametrize("kind", planted.kinds())
def test_the_forms_of_planted_secrets_are_all_seen(kind: str) -> None:
    value = planted.secret(kind, Random(3))
    known = KnownSecrets([value])
    missed = [name for name, form in planted.forms(value).items() if len(form) >= 8 and not known.contains(b"<" + form + b">")]
    assert missed == []


def test_an_announced_value_is_active_when_announce_returns() -> None:
    known = KnownSecrets()
    assert known.announce(VALUE, "openai#1") is True
    assert known.contains(VALUE.encode())
    assert [finding.rule for finding in known.find(VALUE)] == ["known:openai#1"]


def test_a_retired_value_is_forgotten() -> None:
    known = KnownSecrets()
    known.announce(VALUE, "a")
    known.announce(VALUE[::-1], "b")
    known.retire("a")
    assert not known.contains(VALUE.encode())
    assert known.contains(VALUE[::-1].encode())
    known.retire(VALUE[::-1])
    assert len(known) == 0


def test_announcing_a_label_again_replaces_its_value() -> None:
    known = KnownSecrets()
    known.announce(VALUE, "a")
    known.announce("an-other-Value-9", "a")
    assert not known.contains(VALUE.encode())
    assert known.contains(b"an-other-Value-9")


@pytest.mark.parametrize("value", ["short1!", "password", "aaaaaaaaaaaa", "internal", "12345678", "Tuesdays", "        ", ""])
def test_short_and_everyday_values_do_not_damage_text(value: str) -> None:
    known = KnownSecrets()
    assert known.announce(value, "weak") is False
    assert known.find(f"on {value} we say {value}") == []


def test_many_values_stay_few_segments() -> None:
    known = KnownSecrets()
    rng = Random(1)
    values = [planted.secret("virtual_key", rng) for _ in range(60)]
    for number, value in enumerate(values):
        known.announce(value, str(number))
    assert all(known.contains(value.encode()) for value in values)
    assert len(known._segments) < 8


def test_every_change_is_a_new_generation() -> None:
    known = KnownSecrets()
    before = known.generation
    known.announce(VALUE, "a")
    between = known.generation
    known.retire("a")
    assert before < between < known.generation


def test_the_values_are_never_printed_nor_copied() -> None:
    known = KnownSecrets([VALUE])
    assert VALUE not in repr(known)
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            copying(known)


def test_the_scan_for_the_values_is_never_serialized() -> None:
    known = KnownSecrets([VALUE])
    for segment in known._segments:
        for scan in (segment._scan, segment._head_scan):
            with pytest.raises((TypeError, AttributeError), match=r"not serialized|no attribute 'dump'"):
                scan.dump()  # type: ignore[union-attr]
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(scan)


def test_a_scan_while_a_value_is_replaced_sees_the_old_or_the_new_one() -> None:
    first, second = VALUE, VALUE[::-1]
    known = KnownSecrets()
    known.announce(first, "rotated")
    text = f"{first} {second}"
    stop = threading.Event()
    looks: list[int] = []

    def scan() -> None:
        while not stop.is_set():
            looks.append(len(known.find(text)))

    threads = [threading.Thread(target=scan) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(40):
        known.announce(first if number % 2 else second, "rotated")
    stop.set()
    for thread in threads:
        thread.join()
    assert looks
    assert 0 not in looks


def test_compiling_a_new_set_keeps_no_scan_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownSecrets([VALUE])
    compiling, go_on = threading.Event(), threading.Event()
    compile_scan = known_module.scan_literals

    def slowly(*arguments: Any) -> Any:
        compiling.set()
        assert go_on.wait(60)
        return compile_scan(*arguments)

    monkeypatch.setattr(known_module, "scan_literals", slowly)
    announcing = threading.Thread(target=known.announce, args=("an-other-Value-9", "other"))
    announcing.start()
    assert compiling.wait(60)
    assert known.contains(VALUE.encode())
    assert not known.contains(b"an-other-Value-9")
    go_on.set()
    announcing.join()
    assert known.contains(b"an-other-Value-9")


def test_the_beginning_of_a_form_is_open() -> None:
    known = KnownSecrets([VALUE])
    for form in forms(VALUE):
        text = form.decode()
        for end in (1, 5, 9, len(text) - 1):
            assert known.open_from(f"see {text[:end]}") <= 4
    assert known.open_from("nothing is open. ") == 17


def test_announcing_while_scanning_is_safe() -> None:
    known = KnownSecrets([VALUE])
    stop = threading.Event()
    failures: list[str] = []

    def scan() -> None:
        while not stop.is_set():
            if not known.contains(VALUE.encode()):
                failures.append("missed")

    threads = [threading.Thread(target=scan) for _ in range(2)]
    for thread in threads:
        thread.start()
    rng = Random(2)
    for number in range(30):
        known.announce(planted.secret("openai", rng), str(number))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_fallback_sees_the_same() -> None:
    known = KnownSecrets([VALUE], engine="fallback")
    assert all(known.contains(b"<" + form + b">") for form in forms(VALUE))
    assert known.open_from("see " + VALUE[:9]) == 4
