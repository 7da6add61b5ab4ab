"""Importing our packages loads nothing heavy, opens no socket and reads no `.env`."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "litellm",
    "presidio_analyzer",
    "streamlit",
    "boto3",
    "botocore",
    "hvac",
    "spacy",
    "pandas",
    "numpy",
    "openai",
    "keyring",
    "azure",
    "msal",
    "requests",
    "grpc",
    "alembic",
)

PROBE = """
import json, socket, sys
class Refused(socket.socket):
    def __init__(self, *a, **k): raise RuntimeError("a socket was opened at import")
socket.socket = Refused
import importlib
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def modules() -> list[str]:
    names = []
    for package in ("redactors", "collectors", "pipeline"):
        for info in pkgutil.walk_packages([str(ROOT / package)], prefix=f"{package}."):
            if ".migrations" not in info.name and not info.ispkg:
                names.append(info.name)
    return sorted(names)


@pytest.mark.parametrize(
    "package", ["redactors", "collectors", "pipeline", "dashboard", "pipeline.cli.main", "pipeline.gateway.app", "pipeline.bootstrap.build"]
)
def test_importing_a_package_loads_nothing_heavy_and_opens_no_socket(package: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, package], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert loaded.isdisjoint(HEAVY), sorted(loaded.intersection(HEAVY))


def test_no_module_is_named_like_a_standard_library_module() -> None:
    allowed = {"http", "logs", "calls", "gate", "app", "build", "main"}
    clashes = [name for name in modules() if name.rsplit(".", 1)[-1] in sys.stdlib_module_names and name.rsplit(".", 1)[-1] not in allowed]
    assert clashes == []
