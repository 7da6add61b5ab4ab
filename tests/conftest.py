"""What is skipped is said, and in CI nothing is skipped that a package provides; which engine the run is on.

`LOCKGATE_TEST_REQUIRE=postgres,browser,…` names markers whose tests must run: a skip of one of them is a failure.
`LOCKGATE_TEST_ENGINE=fallback` keeps hyperscan away (`tests.engines`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests import engines

LONGEST = (
    "tests/architecture/test_readme",
    "tests/faults/",
    "tests/canary/",
    "tests/walks/",
    "tests/dashboard/",
    "tests/redactors/",
    "tests/evaluation/",
)
"""Where the files stand that take longest; they are begun first, so that no worker is left with one of them at the end."""

REQUIRED = frozenset(filter(None, os.environ.get("LOCKGATE_TEST_REQUIRE", "").split(",")))


engines.force()


def pytest_configure(config: pytest.Config) -> None:
    if engines.FORCED:
        config.addinivalue_line("filterwarnings", "ignore:hyperscan cannot be imported:RuntimeWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((rank for rank, place in enumerate(LONGEST) if item.nodeid.startswith(place)), len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    needed = REQUIRED.intersection(mark.name for mark in item.iter_markers())
    if report.skipped and needed and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{', '.join(sorted(needed))} must not be skipped here: {reason}"
    return report


@pytest.fixture(autouse=True, scope="session")
def _no_provider_keys_from_outside() -> Iterator[None]:
    """Tests see no provider key, vault or telemetry setting of the person who runs them (the vault suite reads its own earlier)."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.startswith(("OTEL_", "OPENAI_", "ANTHROPIC_", "AWS_", "LOCKGATE_HOME", "LOCKGATE_CONFIG")):
            patch.delenv(name)
    yield
    patch.undo()
