"""Commands run in this process against a data folder of their own; the compiled rules are shared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.config.home import FOLDER_MODE
from tests import compiled


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its standard output as JSON."""
        tree: dict[str, Any] = json.loads(self.out)
        return tree


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def compiled_rules() -> bytes:
    return compiled.compiled_rules()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_rules: bytes) -> Path:
    for name in list(os.environ):
        if name.startswith("LOCKGATE_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    (folder / "cache").mkdir(mode=FOLDER_MODE, parents=True)
    folder.chmod(FOLDER_MODE)
    (folder / "cache").chmod(FOLDER_MODE)
    (folder / "cache" / "rules.db").write_bytes(compiled_rules)
    monkeypatch.setenv("LOCKGATE_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    _ = home

    def command(*arguments: str) -> Ran:
        capfd.readouterr()
        code = main(arguments)
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return command
