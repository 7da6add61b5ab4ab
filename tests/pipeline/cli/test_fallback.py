"""Where hyperscan cannot be imported the other engine does the work, whatever cache lies about, and that is said once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from redactors.detectors.engines import SLOWER
from tests import planted
from tests.engines import python_path

SECRET = planted.secret("openai_project", Random(5))


def without_hyperscan(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": python_path(fallback=True), "LOCKGATE_HOME": str(home)}
    return subprocess.run(
        [sys.executable, *arguments], input=given, capture_output=True, text=True, env=environment, cwd=home, check=False, timeout=100
    )


@pytest.mark.parametrize("cached", [True, False])
def test_redact_finds_the_same_and_warns_once(home: Path, compiled_rules: bytes, cached: bool) -> None:
    cache = home / "cache" / "rules.db"
    if not cached:
        cache.unlink()
    done = without_hyperscan(home, "-m", "pipeline.cli.main", "redact", given=f"my key is {SECRET}, mail a.b@example.org\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "my key is [REDACTED:openai_key], mail [REDACTED:email]\n"
    assert done.stderr == f"warning: {SLOWER}.\n"
    assert (cache.read_bytes() if cache.exists() else None) == (compiled_rules if cached else None)


def test_doctor_says_so(home: Path) -> None:
    done = without_hyperscan(home, "-m", "pipeline.cli.main", "doctor")
    assert "hyperscan has no build for this machine" in done.stdout + done.stderr


def test_the_gateways_rules_are_compiled_beside_a_cache_of_the_other_engine(home: Path) -> None:
    code = "from pathlib import Path; from pipeline.bootstrap.rules_cache import open_rules as o; print(o(Path('cache/rules.db')).engine)"
    done = without_hyperscan(home, "-c", code)
    assert done.stdout == "fallback\n", done.stderr
    assert done.stderr == ""


def test_other_programs_are_warned_once() -> None:
    code = "from redactors import build_redactor as b\nfor _ in range(3): b(['swordfish-Q9'], ['nightfall'], ['EMP-[0-9]+'], rules=())"
    done = without_hyperscan(Path(__file__).parent, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(SLOWER) == 1
    assert "RuntimeWarning" in done.stderr
