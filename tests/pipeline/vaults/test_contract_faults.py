"""Each way in which a vault fails, on every adapter to which it can happen: the reason that is documented, and no value anywhere.

The rows are those of `secrets.md` 4.1. What happens to a value that is cached meanwhile is told by `test_resolver` and
`test_resolver_over_servers`: transient reasons are bridged for a bounded time, all others are final.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from pipeline.errors import SecretError, SecretForbidden, SecretNotFound, VaultUnavailable
from pipeline.vaults.announcements import Announcements
from pipeline.vaults.failures import Failure
from pipeline.vaults.fetching import Reader
from pipeline.vaults.model import Secret
from tests.pipeline.vaults.cloud_stages import CLOUD_STAGES, cloud_faults_of, cloud_staged
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.said import error_of, everything_said
from tests.pipeline.vaults.stages import FAULTS, STAGES, Stage, faults_of, staged

ROWS = (
    *((name, fault) for name in STAGES for fault in faults_of(name)),
    *((name, fault) for name in CLOUD_STAGES for fault in cloud_faults_of(name)),
)
CLASSES: dict[str, type[SecretError]] = {
    "denied": SecretForbidden,
    "unauthenticated": SecretForbidden,
    "version_gone": SecretNotFound,
    "throttled": VaultUnavailable,
    "unavailable": VaultUnavailable,
}


def values_of(stage: Stage, value: str) -> list[str]:
    """What must not be said: the value, and the credentials by which it is read."""
    shown = [each.reveal() for each in stage.auth_config.values() if isinstance(each, Secret)]
    return [value, *(each for each in shown if each != "testing")]


@pytest.mark.parametrize(("name", "fault"), ROWS, ids=[f"{name}-{fault}" for name, fault in ROWS])
def test_a_fault_is_told_by_its_reason_and_nothing_else(
    name: str, fault: str, tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    moto = request.getfixturevalue("moto") if name.startswith("aws") else None
    with cloud_staged(name, tmp_path) if name in CLOUD_STAGES else staged(name, tmp_path, moto) as stage:
        place, value = f"OPENAI_{os.urandom(4).hex()}", fresh_value()
        stage.put(place, value)
        hidden_values = values_of(stage, value)
        with caplog.at_level(logging.DEBUG):
            vault, ref = stage.fail(fault, place)
            error = error_of(vault, ref)
        hidden_values += values_of(stage, value)
    assert isinstance(error, SecretError)
    assert error.reason == FAULTS[fault]
    assert type(error) is CLASSES[FAULTS[fault]]
    assert "'staged'" in error.message
    assert error.hint
    assert (error.__cause__, error.__context__) == (None, None)
    assert ("Retry-After" in error.headers) is isinstance(error, VaultUnavailable)
    said = everything_said(error) + caplog.text + repr(vault) + repr(ref)
    assert not [hidden for hidden in hidden_values if hidden in said]


def test_every_fault_happens_to_some_adapter_of_every_kind_that_has_a_network() -> None:
    for kind in ("vault", "awssm"):
        assert {fault for name, fault in ROWS if name.startswith(kind)} == set(FAULTS)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("stored", ["{value}", '{{"other": "{value}"}}', '{{"api_key": ["{value}"]}}', '{{"api_key": "{value}"'])
def test_a_field_that_is_not_there_is_a_bad_value_that_is_not_quoted(
    name: str, stored: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    moto = request.getfixturevalue("moto") if name.startswith("aws") else None
    with staged(name, tmp_path, moto) as stage:
        place, value = f"OPENAI_{os.urandom(4).hex()}", fresh_value()
        stage.put(place, stored.format(value=value))
        reader = Reader(Clock(), Announcements(lambda value, label: None, lambda label: None, 60.0), b"k" * 32)
        answer = reader.read(stage.open(), stage.ref(place, secret_key="api_key"))
    assert isinstance(answer, Failure)
    assert answer.reason == "bad_value"
    assert value not in repr(answer)
