"""The process is read from the environment in one place, and provider keys leave the environment after start-up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.config.environment import (
    database_url,
    default_home,
    drop_provider_keys,
    env_snapshot,
    read_process,
    settings_by_origin,
    unknown_variables,
)
from pipeline.errors import ConfigError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("LOCKGATE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOCKGATE_HOME", str(tmp_path / "home"))


def test_defaults_stay_on_loopback_and_in_the_data_folder(tmp_path: Path) -> None:
    process = read_process()
    assert process.host == "127.0.0.1"
    assert process.port is None
    assert database_url(process) == f"sqlite:///{tmp_path}/home/lockgate.db"
    assert process.document_path == Path("lockgate.yaml")


def test_options_go_before_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_PORT", "5000")
    monkeypatch.setenv("LOCKGATE_LOG_LEVEL", "DEBUG")
    process = read_process(port=6000, host=None)
    assert (process.port, process.log_level, process.host) == (6000, "DEBUG", "127.0.0.1")


def test_a_file_variant_gives_the_value_without_its_line_break(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounted = tmp_path / "url"
    mounted.write_text("postgresql://db/lockgate\n")
    monkeypatch.setenv("LOCKGATE_DATABASE_URL_FILE", str(mounted))
    assert database_url(read_process()) == "postgresql://db/lockgate"


def test_a_missing_file_variant_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCKGATE_DATABASE_URL_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="LOCKGATE_DATABASE_URL_FILE"):
        read_process()


@pytest.mark.parametrize("form", ["env:DB", "file:{path}"])
def test_the_database_url_may_be_a_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str) -> None:
    path = tmp_path / "db"
    path.write_text("sqlite:////srv/x.db\n")
    monkeypatch.setenv("DB", "sqlite:////srv/x.db")
    monkeypatch.setenv("LOCKGATE_DATABASE_URL", form.format(path=path))
    assert database_url(read_process()) == "sqlite:////srv/x.db"


def test_a_reference_to_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_DATABASE_URL", "env:NOT_SET_ANYWHERE")
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
        database_url(read_process())


def test_a_wrong_variable_is_named_and_its_value_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_PORT", "not-a-port-77")
    with pytest.raises(ConfigError) as caught:
        read_process()
    assert "LOCKGATE_PORT" in caught.value.message
    assert "not-a-port-77" not in caught.value.message


def test_the_database_url_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_DATABASE_URL", "postgresql://u:hunter2hunter2@db/x")
    process = read_process()
    assert "hunter2" not in repr(process) + str(process) + str(settings_by_origin(process))


def test_provider_keys_leave_the_environment_and_stay_in_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "value-one")
    monkeypatch.setenv("MY_OWN_NAME", "value-two")
    monkeypatch.setenv("HARMLESS", "stays")
    snapshot = env_snapshot()
    assert drop_provider_keys(["MY_OWN_NAME", "ABSENT"]) == ("OPENAI_API_KEY", "MY_OWN_NAME")
    assert "OPENAI_API_KEY" not in os.environ
    assert "MY_OWN_NAME" not in os.environ
    assert os.environ["HARMLESS"] == "stays"
    assert snapshot["OPENAI_API_KEY"] == "value-one"


def test_misspelled_variables_are_found() -> None:
    assert unknown_variables({"LOCKGATE_PROT": "1", "LOCKGATE_PORT": "1", "LOCKGATE_HOME_FILE": "x", "LOCKGATE_TEST_KILLS": "1"}) == (
        "LOCKGATE_PROT",
    )


def test_a_checkout_keeps_its_data_beside_the_code() -> None:
    home = default_home()
    assert home.name == ".lockgate"
    assert (home.parent / "pyproject.toml").is_file()


def test_each_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_LOG_LEVEL", "ERROR")
    origins = {setting["name"]: setting["origin"] for setting in settings_by_origin(read_process(port=1))}
    assert (origins["log_level"], origins["port"], origins["host"]) == ("LOCKGATE_LOG_LEVEL", "option", "default")


def test_no_env_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOCKGATE_PORT=1234\n")
    monkeypatch.chdir(tmp_path)
    assert read_process().port is None
