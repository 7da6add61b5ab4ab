"""The contract of the command line: data on stdout, the rest on stderr, exit codes, no traceback, nothing heavy for `--help`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exits import exit_code_of, tell_trouble
from pipeline.cli.output import money, print_table
from pipeline.errors import (
    BadRequest,
    ConfigError,
    KeyOutOfScope,
    KeyRejected,
    LedgerError,
    PipelineError,
    RateLimited,
    SecretError,
    SecretForbidden,
    SecretNotFound,
    VaultUnavailable,
)

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = set(
    "up demo serve check redact version doctor keys users secrets audit events spend outbox rules policies config db".split()  # noqa: SIM905 - read as typed
)
SPYING = """
import json, sys
sys.argv = ["lockgate", *sys.argv[1:]]
from pipeline.cli.main import run
try:
    run()
except SystemExit as end:
    code = end.code
else:
    code = 0
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def spied(*arguments: str) -> tuple[str, dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", SPYING, *arguments], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("arguments", [("--help",), ("version",)])
def test_help_and_version_load_nothing_that_takes_time(arguments: tuple[str, ...]) -> None:
    out, seen = spied(*arguments)
    assert seen["code"] in (0, None)
    heavy = {"pydantic", "rich", "sqlalchemy", "yaml", "hyperscan", "litellm", "aiohttp", "uvicorn", "asyncio", "cryptography", "click"}
    assert heavy.isdisjoint(seen["modules"])
    assert len(seen["modules"]) < 260
    assert out


def test_help_names_every_command() -> None:
    out, _ = spied("--help")
    named = {line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()}
    assert named >= COMMANDS


def test_the_script_is_installed_and_tells_its_version() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lockgate"), "version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0.1.0\n"


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["keys", "nosuch"], ["keys", "create", "--nosuch"], ["keys", "show"], ["audit", "list", "--limit", "0"]]
)
def test_a_wrong_command_is_a_usage_error(run: Any, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Error" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "list"],
        ["audit", "list"],
        ["audit", "verify"],
        ["events", "tail"],
        ["spend", "report"],
        ["outbox", "status"],
        ["db", "status"],
        ["users", "list"],
        ["secrets", "list"],
    ],
)
def test_without_a_store_a_command_says_what_makes_one(run: Any, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "no database here yet" in ran.err
    assert "how to fix: " in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (BadRequest("x"), 2),
        (KeyRejected("x"), 4),
        (KeyOutOfScope("x"), 4),
        (LedgerError("x"), 3),
        (VaultUnavailable("x"), 3),
        (SecretNotFound("x"), 1),
        (SecretForbidden("x"), 1),
        (SecretError("x"), 1),
        (RateLimited("x"), 3),
        (PipelineError("x"), 3),
    ],
)
def test_every_error_has_its_exit_code(error: PipelineError, code: int) -> None:
    assert exit_code_of(error) == code


def test_an_unexpected_error_shows_its_type_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    tell_trouble(ValueError("postgresql://u:hunter2@db"), debug=False)
    shown = capsys.readouterr()
    assert "ValueError" in shown.err
    assert "hunter2" not in shown.err + shown.out


def test_a_table_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((("A", "a"), ("B", "b")), [{"a": "\x1b[2Jx", "b": "名前"}, {"a": None, "b": True}], empty="")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.splitlines()[0].split() == ["A", "B"]


@pytest.mark.parametrize(("usd", "shown"), [(None, ""), ("25.000000", "$25.00"), ("0.000123", "$0.000123"), ("1.500000", "$1.50")])
def test_money_is_shown_without_losing_anything(usd: str | None, shown: str) -> None:
    assert money(usd) == shown


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:hunter2hunter2@h/d", "postgresql://u:hunter2hunter2@127.0.0.1:9/d"])
@pytest.mark.parametrize("arguments", [["keys", "list"], ["db", "status"], ["audit", "verify"], ["keys", "create", "--json"], ["doctor"]])
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    run: Any, monkeypatch: pytest.MonkeyPatch, url: str, arguments: list[str]
) -> None:
    monkeypatch.setenv("LOCKGATE_DATABASE_URL", url)
    ran = run(*arguments)
    assert ran.code in (1, 2, 3)
    assert "hunter2" not in ran.out + ran.err
    assert "Traceback" not in ran.err
    assert "should not" not in ran.err
