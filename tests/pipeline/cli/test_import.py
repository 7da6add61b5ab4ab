"""`import`: the document, the table and the exit codes; credentials go into the store or nowhere."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests import planted

CLEAN = {"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/gpt-5", "api_key": "os.environ/SOME_KEY"}}]}


@pytest.fixture
def value() -> str:
    return planted.secret(planted.kinds()[0], Random(19))


@pytest.fixture
def source(home: Path, value: str) -> Path:
    path = home.parent / "config.yaml"
    path.write_text(yaml.safe_dump({"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/gpt-5", "api_key": value}}]}))
    return path


def test_a_clean_import_prints_a_document_that_check_takes(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.parent / "config.yaml").write_text(yaml.safe_dump(CLEAN))
    ran = run("import", "litellm", "config.yaml")
    assert ran.code == 0, ran.err
    (home.parent / "lockgate.yaml").write_text(ran.out)
    monkeypatch.setenv("SOME_KEY", "a-key-for-this-test")
    assert run("check", "--config", "lockgate.yaml").code == 0


@pytest.mark.parametrize(
    ("more", "flags", "code"),
    [({}, [], 0), ({"callback_settings": {}}, [], 0), ({"callback_settings": {}}, ["--strict"], 1),
     ({"general_settings": {"custom_auth": "x.y"}}, [], 2)],
)  # fmt: skip
def test_the_exit_code_says_how_clean_it_was(run: Any, home: Path, more: dict[str, Any], flags: list[str], code: int) -> None:
    (home.parent / "config.yaml").write_text(yaml.safe_dump(CLEAN | more))
    assert run("import", "litellm", "config.yaml", "--check", *flags).code == code


def test_a_literal_is_refused_and_nothing_is_written(run: Any, source: Path, value: str) -> None:
    ran = run("import", "litellm", str(source), "--output", "new.yaml")
    assert ran.code == 2
    assert not (source.parent / "new.yaml").exists()
    assert "--to-store" in ran.out
    assert not planted.leaks((ran.out + ran.err).encode(), {"key": value})


def test_a_literal_is_moved_into_the_store_when_asked(run: Any, source: Path, value: str) -> None:
    ran = run("import", "litellm", str(source), "--output", "new.yaml", "--to-store")
    assert ran.code == 0, ran.err
    text = (source.parent / "new.yaml").read_text()
    assert not planted.leaks((ran.out + ran.err + text).encode(), {"key": value})
    assert [row["name"] for row in run("secrets", "list", "--json").json["secrets"]] == ["M_OPENAI_API_KEY"]
    assert run("secrets", "status", "--config", "new.yaml").code == 0
    assert run("import", "litellm", str(source), "--output", "new.yaml", "--to-store").code == 2, "a file that is there is not written over"


def test_a_name_that_the_store_has_is_not_given_another_value_unasked(run: Any, source: Path, value: str) -> None:
    assert run("import", "litellm", str(source), "--output", "new.yaml", "--to-store").code == 0
    again = run("import", "litellm", str(source), "--output", "other.yaml", "--to-store")
    assert (again.code != 0, "M_OPENAI_API_KEY" in again.err) == (True, True)
    assert not (source.parent / "other.yaml").exists()
    assert [row["version"] for row in run("secrets", "list", "--json").json["secrets"]] == [1]
    assert run("import", "litellm", str(source), "--output", "other.yaml", "--to-store", "--force").code == 0
    assert [row["version"] for row in run("secrets", "list", "--json").json["secrets"]] == [2]
    assert not planted.leaks((again.out + again.err).encode(), {"key": value})


def test_only_looking_stores_nothing(run: Any, source: Path) -> None:
    assert run("import", "litellm", str(source), "--check", "--to-store", "--output", "new.yaml").code == 0
    assert not (source.parent / "new.yaml").exists()
    assert run("import", "litellm", str(source), "--allow-inline", "--json").json["settings"][0]["outcome"] == "mapped"


def test_a_file_that_cannot_be_read_is_told_with_its_place(run: Any, home: Path) -> None:
    (home.parent / "config.yaml").write_text("model_list: [\n")
    ran = run("import", "litellm", "config.yaml")
    assert ran.code == 2
    assert "config.yaml:2:1" in ran.err
    assert run("import", "portkey", "absent.json").code == 2
