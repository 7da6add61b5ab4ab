"""The benchmark that goes through the walk's inner steps still fits them: it says where time goes, and no type check reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(120)
def test_the_steps_of_a_call_can_be_measured(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gateway_steps", "--calls", "8", "--batch", "4"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    tables = done.stdout.decode()
    assert "9, 10 close the span, settle" in tables
    assert "8, 9, 10 the stream, to its end" in tables
