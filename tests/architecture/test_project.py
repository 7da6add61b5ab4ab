"""The project as a whole: lock files without addresses, no banned versions, no stray start-up hooks, make targets that exist."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "requirements.lock", *sorted((ROOT / "tests/locks").glob("*.lock"))]
PUBLISHED_WITH_MALWARE = {("litellm", "1.82.7"), ("litellm", "1.82.8"), ("litellm", "1.107.0"), ("guardrails-ai", "0.10.1")}
# Files that packages of the lock ship on purpose and that run at interpreter start.
KNOWN_PTH = {"distutils-precedence.pth", "_editable_impl_lockgate"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_file_pins_versions_with_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    pins = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^ \\;]+)", text, re.M)
    assert pins
    assert "://" not in re.sub(r"#.*", "", text)
    assert not PUBLISHED_WITH_MALWARE.intersection((name.lower(), version) for name, version in pins)
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_litellm_stays_on_its_exact_pin() -> None:
    assert '"litellm==1.106.2"' in (ROOT / "pyproject.toml").read_text()
    assert re.search(r"^litellm==1\.106\.2 ", (ROOT / "requirements.lock").read_text(), re.M)


def test_no_installed_package_runs_code_at_interpreter_start() -> None:
    site = Path(sysconfig.get_paths()["purelib"])
    strays = [
        path.name
        for path in site.glob("*.pth")
        if not path.name.startswith(tuple(KNOWN_PTH)) and re.search(r"^import\b", path.read_text(), re.M)
    ]
    assert strays == []


def test_the_makefile_has_the_targets_that_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"up", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_ci_runs_the_same_command_as_everybody() -> None:
    assert re.search(r"^make test$", (ROOT / ".ci/run").read_text(), re.M)


def test_no_lock_file_that_holds_addresses_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert {"uv.lock", "poetry.lock", "Pipfile.lock"}.isdisjoint(path.rsplit("/", 1)[-1] for path in tracked)


def test_the_pre_commit_hooks_are_local_and_valid() -> None:
    done = subprocess.run([sys.executable, "-m", "pre_commit", "validate-config"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.findall(r"repo: (\S+)", (ROOT / ".pre-commit-config.yaml").read_text()) == ["local"]
