"""The environment adapter: the start-up snapshot and nothing else."""

from __future__ import annotations

import pytest

from pipeline.errors import SecretNotFound
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock

REF = SecretRef(slug="env:OPENAI_API_KEY", manager_type="env", secret_path="OPENAI_API_KEY")


def test_only_the_snapshot_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-process")
    with pytest.raises(SecretNotFound) as failed:
        open_vault("env", {}, VaultContext(Clock(), environment={"OTHER": "x"})).fetch(REF)
    assert "OPENAI_API_KEY" in failed.value.hint
    monkeypatch.delenv("OPENAI_API_KEY")
    assert open_vault("env", {}, VaultContext(Clock(), environment={"OPENAI_API_KEY": "of-the-start"})).fetch(REF).value == "of-the-start"
