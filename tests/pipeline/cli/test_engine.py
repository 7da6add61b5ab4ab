"""Commands find the compiled rules where they are: in the data folder, or beside the installation."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from tests import planted
from tests.pipeline.cli.conftest import Run


def test_the_rules_that_came_with_the_installation_are_used_and_not_copied(
    home: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_rules: bytes
) -> None:
    (home / "cache" / "rules.db").unlink()
    installed = tmp_path / "prefix" / "share" / "lockgate" / "rules.db"
    installed.parent.mkdir(parents=True)
    installed.write_bytes(compiled_rules)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    secret = planted.secret("github", Random(3))
    given = tmp_path / "given"
    given.write_text(f"a token {secret}")
    with given.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        ran = run("redact")
    assert ran.code == 0
    assert ran.out.startswith("a token [")
    assert planted.leaks(ran.out.encode(), {"it": secret}) == []
    assert not (home / "cache" / "rules.db").exists()
