"""The data folder is made once, belongs to its owner only, and is put right when it was open."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from pipeline.config.home import Home, prepare_home, write_private
from pipeline.config.running import Running, forget_run, live_run, read_run, write_run
from pipeline.errors import ConfigError
from pipeline.processes import is_alive


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_everything_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home = prepare_home(tmp_path / "home")
    finally:
        os.umask(before)
    assert {mode_of(path) for path in (home.path, home.journal, home.cache)} == {0o700}
    assert {mode_of(path) for path in (home.pepper_file, home.store_key_file, home.admin_key_file)} == {0o600}
    assert home.notes == ()
    assert home.admin_key().startswith("lgk_")
    assert len(home.peppers().peppers) == 1
    assert len(home.store_keys().keys) == 1


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = prepare_home(tmp_path / "home")
    before = (first.admin_key(), first.pepper_file.read_text(), first.store_key_file.read_text())
    second = prepare_home(tmp_path / "home")
    assert (second.admin_key(), second.pepper_file.read_text(), second.store_key_file.read_text()) == before
    assert sorted(path.name for path in second.path.iterdir()) == ["admin.key", "cache", "journal", "pepper.json", "store.key"]


def test_starts_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(prepare_home(tmp_path / "home").admin_key())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_what_was_open_to_others_is_closed_and_told(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    home.pepper_file.chmod(0o644)
    home.path.chmod(0o755)
    with pytest.raises(ConfigError, match="open to other users"):
        home.peppers()
    again = prepare_home(tmp_path / "home")
    assert mode_of(home.pepper_file) == 0o600
    assert mode_of(home.path) == 0o700
    assert len(again.notes) == 2
    assert all("open to others" in note for note in again.notes)


@pytest.mark.parametrize("name", ["pepper.json", "store.key", "admin.key"])
def test_a_damaged_file_is_refused_and_not_quoted(tmp_path: Path, name: str) -> None:
    home = prepare_home(tmp_path / "home")
    write_private(home.path / name, "damaged-content-91")
    readers = {"pepper.json": home.peppers, "store.key": home.store_keys, "admin.key": home.admin_key}
    with pytest.raises(ConfigError) as caught:
        readers[name]()
    assert "damaged-content-91" not in caught.value.message + caught.value.hint


def test_a_missing_home_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing") as caught:
        Home(tmp_path / "nowhere").admin_key()
    assert "lockgate up" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        prepare_home(tmp_path / "file" / "home")
    assert "LOCKGATE_HOME" in caught.value.hint


def test_no_secret_of_the_home_is_in_a_repr(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home", lambda size: b"\x41" * size)
    assert "AAAA" not in repr(home) + repr(home.peppers()) + repr(home.store_keys())


def test_the_running_gateway_is_found_and_forgotten(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    assert live_run(home) is None
    write_run(home, Running("http://127.0.0.1:4000", os.getpid(), "http://127.0.0.1:8501"))
    assert mode_of(home.run_file) == 0o600
    assert live_run(home) == Running("http://127.0.0.1:4000", os.getpid(), "http://127.0.0.1:8501")
    forget_run(home, os.getpid() + 1)
    assert live_run(home) is not None
    forget_run(home, os.getpid())
    assert read_run(home) is None


def test_a_gateway_that_died_does_not_run(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    write_run(home, Running("http://127.0.0.1:4000", child))
    assert not is_alive(child)
    assert live_run(home) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "x"}', '{"url": "x", "pid": "y"}'])
def test_a_damaged_run_file_means_that_none_runs(tmp_path: Path, text: str) -> None:
    home = prepare_home(tmp_path / "home")
    home.run_file.write_text(text)
    assert live_run(home) is None
