"""The adapter to Presidio: confirms in bounded windows, loads nothing before it must, opens no connection, fails closed."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from redactors.detectors import presidio
from redactors.detectors.presidio import confirm
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
    def broken(*_: str) -> bool:
        raise RuntimeError("broken")

    assert not confirm("phone", "+0 123", "")
    assert not confirm("email", "bob@nosuchtld", "")
    monkeypatch.setattr(presidio, "_checks", lambda: {"phone": broken})
    monkeypatch.setattr(presidio, "_suffixes", lambda: broken)
    assert confirm("phone", "+0 123", "")
    assert confirm("email", "bob@nosuchtld", "")


def test_confirming_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    presidio._checks.cache_clear()
    presidio._suffixes.cache_clear()
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


def test_mail_is_confirmed_without_loading_presidio() -> None:
    code = "import sys; from redactors.detectors.presidio import confirm; assert confirm('email', 'bob@gmail.com', ''); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "tldextract" in loaded
    assert "presidio_analyzer" not in loaded
