"""What stops `serve` has the exit code that `check` gives the same document."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.walks.rig import environment_for, refused_start

DEMO: dict[str, Any] = {"targets": [{"id": "demo", "provider": "demo", "model": "demo"}], "models": {"demo": {"targets": ["demo"]}}}


def needing(reference: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "targets": [{"id": "a", "provider": "openai", "model": "m", "secret_key_ref": reference}],
        "models": {"m": {"targets": ["a"]}},
        **more,
    }


NOBODY = {"vault_addr": "http://127.0.0.1:9", "vault_token": "env:TOKEN_OF_VAULT"}
AWAY = needing(
    {"ref": "r"},
    vaults={"v": {"manager_type": "hashicorp_vault", "auth_config": NOBODY}},
    references={"r": {"vault": "v", "secret_path": "llm/x"}},
)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (needing({"env": "NOT_SET_ANYWHERE"}), 1),
        (needing({"file": "/no/such/file"}), 1),
        (needing({"store": "NOT_THERE"}), 1),
        ({**DEMO, "models": {"demo": {"targets": ["dmo"]}}}, 2),
        ({**DEMO, "models": {"demo": {"targets": ["demo"], "policy": "nothing"}}}, 2),
        (AWAY, 3),
    ],
    ids=["variable", "file", "store", "target", "policy", "vault"],
)
def test_serve_and_check_end_alike(tmp_path: Path, document: dict[str, Any], code: int) -> None:
    served, printed = refused_start(tmp_path, document, TOKEN_OF_VAULT="x")
    assert served == code, printed
    assert "Traceback" not in printed
    environment = environment_for(tmp_path / "home", tmp_path / "lockgate.yaml", TOKEN_OF_VAULT="x")
    command = [sys.executable, "-m", "pipeline.cli.main", "check"]
    checked = subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False, timeout=90)
    assert checked.returncode == code, checked.stderr
