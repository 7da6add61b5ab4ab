"""The file adapter: allowed folders, links, modes, swaps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import SecretError, SecretForbidden
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    return made


def opened(*roots: Path, base: Path | None = None, **auth: object) -> Vault:
    return open_vault("file", auth, VaultContext(Clock(), file_roots=roots, file_base=base))


def ref(path: Path | str) -> SecretRef:
    return SecretRef(slug="file:key", manager_type="file", secret_path=str(path))


def written(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("content", "value"), [("k", "k"), ("k\n", "k"), ("k\r\n", "k"), ("k\n\n", "k\n"), (" k ", " k ")])
def test_one_trailing_line_end_is_taken_away_and_nothing_else(root: Path, content: str, value: str) -> None:
    assert opened(root).fetch(ref(written(root / "key", content))).value == value


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o444])
def test_a_file_that_everybody_may_read_is_refused_unless_that_is_said_to_be_wanted(root: Path, mode: int) -> None:
    path = written(root / "key", "value", mode)
    with pytest.raises(SecretForbidden) as failed:
        opened(root).fetch(ref(path))
    assert "chmod 600" in failed.value.hint
    assert opened(root, unsafe_allow_world_readable=True).fetch(ref(path)).value == "value"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_file_for_owner_or_group_is_read(root: Path, mode: int) -> None:
    assert opened(root).fetch(ref(written(root / "key", "value", mode))).value == "value"


def test_no_way_leads_out_of_the_allowed_folders(root: Path, tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", fresh_value())
    (root / "link").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    for path in (
        outside,
        root / ".." / "outside",
        root / "link",
        root / "folder" / "outside",
        Path("/etc/hostname"),
        root.parent / "secrets-of-others",
    ):
        with pytest.raises(SecretError) as failed:
            opened(root).fetch(ref(path))
        assert failed.value.reason in ("denied", "not_found")


def test_a_link_within_the_allowed_folders_is_followed(root: Path) -> None:
    written(root / "real", "value")
    (root / "link").symlink_to("real")
    assert opened(root).fetch(ref(root / "link")).value == "value"


def test_a_folder_that_is_a_link_itself_may_be_allowed(root: Path, tmp_path: Path) -> None:
    written(root / "key", "value")
    (tmp_path / "run").symlink_to(root)
    assert opened(tmp_path / "run").fetch(ref(tmp_path / "run" / "key")).value == "value"


def test_without_allowed_folders_nothing_is_read(root: Path) -> None:
    with pytest.raises(SecretForbidden):
        opened().fetch(ref(written(root / "key", "value")))


def test_a_relative_path_stands_in_the_base_folder_and_is_refused_without_one(root: Path) -> None:
    written(root / "key", "value")
    assert opened(root, base=root).fetch(ref("key")).value == "value"
    with pytest.raises(SecretError) as failed:
        opened(root).fetch(ref("key"))
    assert failed.value.reason == "misconfigured"


def test_what_is_not_a_file_is_refused_without_waiting(root: Path) -> None:
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to("loop")
    for name in ("folder", "pipe", "loop"):
        with pytest.raises(SecretError):
            opened(root).fetch(ref(root / name))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70_000], ids=["not-utf-8", "too-long"])
def test_what_is_no_short_text_is_a_bad_value(root: Path, content: bytes) -> None:
    with pytest.raises(SecretError) as failed:
        opened(root).fetch(ref(written(root / "key", content)))
    assert failed.value.code == "bad_value"


def test_the_version_changes_with_the_file(root: Path) -> None:
    path = written(root / "key", "one")
    os.utime(path, ns=(1, 1_700_000_000_000_000_000))
    before = opened(root).fetch(ref(path))
    os.utime(path, ns=(1, 1_700_000_000_000_000_001))
    assert before.version != opened(root).fetch(ref(path)).version
    assert before.created_us == 1_700_000_000_000_000
