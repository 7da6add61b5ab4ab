"""A seeded store, a fake gateway over it, and the dashboard's real process in front of both."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.store.reads import Reads, open_reads
from tests.dashboard.fake_gateway import FakeGateway, running_gateway
from tests.dashboard.seed import fill, open_store


@dataclass(frozen=True)
class Company:
    """A seeded store: its URL, the read model over it, the ids by name, and when `now` is."""

    url: str
    reads: Reads
    ids: dict[str, Any]
    now_us: int


@dataclass(frozen=True)
class Served:
    """A running dashboard."""

    url: str
    gateway: FakeGateway
    company: Company
    log: Path


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    path = tmp_path_factory.mktemp("company") / "lockgate.db"
    engine = open_store(path)
    # Pages ask for the time themselves, so the company's calls end now.
    now_us = time.time_ns() // 1_000
    ids = fill(engine, calls=1_500, now_us=now_us)
    url = f"sqlite:///{path}"
    reads = open_reads(url)
    yield Company(url, reads, ids, now_us)
    reads.close()


@pytest.fixture(scope="session")
def served(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The dashboard as `lockgate up` starts it: a process of its own, told the database by a variable."""
    log = tmp_path_factory.mktemp("served") / "log"
    with running_gateway(company.reads) as gateway, log.open("wb") as out:
        gateway.add_person("ada", "analytical engine")
        command = [sys.executable, "-m", "dashboard.server", "--port", "0", "--gateway", gateway.url, "--parent", str(os.getpid())]
        environment = {**os.environ, "LOCKGATE_DATABASE_URL": company.url}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=out, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("dashboard: http://127.0.0.1:"), log.read_text()
            yield Served(line.split()[1], gateway, company, log)
        finally:
            process.terminate()
            process.wait(10)
