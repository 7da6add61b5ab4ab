"""Commands that change state, without a gateway: straight into the store, audited all the same."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import stat
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.cli.event import verdict_of
from pipeline.cli.output import counted
from pipeline.config.home import prepare_home
from pipeline.store.lock import SoleWriter
from tests import planted


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def made(run: Any, *more: str) -> tuple[str, str]:
    tree = run("keys", "create", "--alias", "ci", "--json", *more).json
    return tree["token"], tree["key"]["id"]


@pytest.mark.parametrize(("number", "said"), [(0, "0 chains"), (1, "1 chain"), (2, "2 chains")])
def test_one_thing_is_not_said_in_the_plural(number: int, said: str) -> None:
    assert counted(number, "chain") == said


def all_bytes(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "rules.db")


def test_a_key_is_made_shown_changed_and_listed(run: Any, home: Path) -> None:
    ran = run(
        "keys",
        "create",
        "--alias",
        "ci",
        "--model",
        "m",
        "--budget",
        "25",
        "--period",
        "month",
        "--rpm",
        "5",
        "--metadata",
        "team=x",
        "--json",
    )
    assert ran.code == 0
    assert ran.json["schema"] == "lockgate.keys.create/1"
    token, key = ran.json["token"], ran.json["key"]
    assert "key" not in key
    assert (key["models"], key["rpm_limit"], key["metadata"], key["budget"]["limit_usd"]) == (["m"], 5, {"team": "x"}, "25.000000")
    assert run("keys", "list").out.splitlines()[1].split()[1:3] == ["ci", f"lgk_…{token[-4:]}"]
    assert run("keys", "block", "ci", "--json").json["key"]["status"] == "blocked"
    assert run("keys", "unblock", "ci").code == 0
    rotated = run("keys", "rotate", "ci", "--overlap", "1h", "--json").json
    assert rotated["key"]["id"] == key["id"]
    assert rotated["token"] != token
    assert run("keys", "revoke", key["id"]).code == 0
    shown = run("keys", "show", "ci", "--json").json["key"]
    assert (shown["id"], shown["status"]) == (key["id"], "revoked")
    kinds = [event["kind"] for event in run("audit", "list", "--kind", "admin:*", "--key", key["id"], "--json").json["events"]]
    assert sorted(kinds) == sorted(f"admin:key:{action}" for action in ("create", "block", "unblock", "rotate", "revoke"))
    verified = run("audit", "verify")
    assert (verified.code, verified.out.endswith(" journals: all as they were written.\n")) == (0, True)
    written = all_bytes(home)
    for secret in (token, rotated["token"]):
        assert planted.leaks(written, {"token": secret}) == []


def test_the_list_of_keys_shows_the_limits_that_each_has(run: Any) -> None:
    made(run, "--rpm", "60", "--tpm", "100000", "--parallel", "4")
    run("keys", "create", "--alias", "free", "--json")
    lines = {line.split()[1]: line for line in run("keys", "list").out.splitlines()}
    assert "60 rpm, 100000 tpm, 4 parallel" in lines["ci"]
    assert "rpm" not in lines["free"]


def test_a_new_key_is_not_written_to_a_pipe_as_plain_text(run: Any) -> None:
    ran = run("keys", "create", "--alias", "ci")
    assert (ran.code, ran.out) == (2, "")
    assert "--json" in ran.err
    assert run("keys", "list").code == 2  # nothing was made: not even the store


@pytest.mark.parametrize(
    "arguments",
    [
        ["--role", "root"],
        ["--duration", "soon"],
        ["--budget", "much"],
        ["--metadata", "x"],
        ["--workspace", "no where"],
    ],
)
def test_a_wrong_option_is_a_usage_error(run: Any, arguments: list[str]) -> None:
    ran = run("keys", "create", "--json", *arguments)
    assert (ran.code, ran.out) == (2, "")


def test_an_unknown_or_ambiguous_key_is_told(run: Any) -> None:
    made(run)
    assert run("keys", "revoke", "nobody").code == 2
    assert "no key with that id or alias" in run("keys", "show", "nobody").err


def test_a_user_is_added_with_a_password_from_standard_input(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "four words make one\n")
    assert run("users", "add", "ana", "--role", "auditor", "--stdin", "--json").json["user"]["name"] == "ana"
    [user] = run("users", "list", "--json").json["users"]
    assert user["role"] == "auditor"
    assert planted.leaks(all_bytes(home), {"password": "four words make one"}) == []
    assert run("users", "remove", "ana").code == 0
    assert run("users", "remove", "ana").code == 2
    typed(monkeypatch, "short\n")
    assert run("users", "add", "bob", "--stdin").code == 2


def test_without_a_terminal_nobody_is_asked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "")
    ran = run("users", "add", "ana")
    assert ran.code == 2
    assert "--stdin" in ran.err


@pytest.mark.parametrize("way", ["stdin", "env"])
def test_a_secret_is_stored_and_never_shown(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    value = planted.secret("openai_project", Random(3))
    typed(monkeypatch, value + "\n")
    monkeypatch.setenv("FROM_HERE", value)
    source = ["--stdin"] if way == "stdin" else ["--env-var", "FROM_HERE"]
    stored = run("secrets", "add", "OPENAI", "--store", *source, "--json")
    assert stored.json["secret"]["version"] == 1
    listed = run("secret", "list")
    assert "OPENAI" in listed.out
    written = all_bytes(home) + (stored.out + stored.err + listed.out + listed.err).encode()
    assert planted.leaks(written, {"value": value}) == []
    (home.parent / "lockgate.yaml").write_text("targets: [{id: a, provider: openai, model: m, secret_key_ref: store:OPENAI}]\n")
    status = run("secrets", "status", "--json")
    assert status.code == 0
    [reference] = status.json["references"]
    assert (reference["slug"], reference["resolvable"], reference["version"]) == ("store:OPENAI", True, "1")
    assert len(reference["fingerprint"]) == 16
    assert planted.leaks(status.out.encode(), {"value": value}) == []


@pytest.mark.parametrize("arguments", [["--stdin", "--env-var", "X"], ["--env-var", "NOT_SET_ANYWHERE"], ["--stdin"]])
def test_a_value_has_one_source_and_is_not_empty(run: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    typed(monkeypatch, "\n")
    assert run("secrets", "add", "X", *arguments).code == 2


def test_a_store_that_another_process_writes_is_left_alone(run: Any, home: Path) -> None:
    made(run)
    lock = SoleWriter(home / "lockgate.db")
    lock.take()
    try:
        ran = run("keys", "revoke", "ci")
    finally:
        lock.release()
    assert ran.code == 3
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_is_an_event_itself(run: Any, home: Path, form: str) -> None:
    made(run)
    target = home.parent / "export"
    assert run("audit", "export", "--since", "1h", "--format", form, "--output", str(target)).code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    text = target.read_text()
    assert "admin:key:create" in text
    if form == "json":
        assert all(json.loads(line)["at"].endswith("Z") for line in text.splitlines())
    exports = run("audit", "list", "--kind", "audit:export:create", "--json").json["events"]
    assert len(exports) == 1
    assert run("audit", "export", "--format", form).out.count("audit:export:create") == 2
    assert run("audit", "export", "--format", "pdf").code == 2


def test_an_edited_row_is_an_integrity_failure(run: Any, home: Path) -> None:
    made(run)
    with sqlite3.connect(home / "lockgate.db") as database:
        database.execute("UPDATE events SET actor = 'nobody' WHERE kind = 'admin:key:create'")
    ran = run("audit", "verify", "--json")
    assert ran.code == 5
    assert ran.json["ok"] is False
    assert ran.json["faults"]


def test_events_are_tailed_in_keeptrusts_words(run: Any) -> None:
    made(run)
    ran = run("events", "tail", "--json", "--limit", "5")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    created = next(line for line in lines if line["event_type"] == "admin:key:create")
    assert {"id", "event_type", "timestamp", "verdict", "reason_code", "model", "provider", "config_version"} <= set(created)
    assert created["verdict"] == "allow"
    assert run("events", "tail", "--verdict", "block").out.count("\n") == 1
    assert run("events", "tail", "--verdict", "maybe").code == 2
    assert run("events", "tail", "--since", "whenever").code == 2


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"kind": "policy:prompt:block", "outcome": "refused", "detail": "{}"}, "block"),
        ({"kind": "gateway:call:refuse", "outcome": "refused", "detail": "{}"}, "block"),
        ({"kind": "admin:key:block", "outcome": "ok", "detail": "{}"}, "allow"),
        ({"kind": "gateway:call:finish", "outcome": "ok", "detail": '{"prompt_redactions":{"email:mask":1}}'}, "redact"),
        ({"kind": "gateway:call:finish", "outcome": "ok", "detail": '{"answer_redactions":{},"prompt_redactions":{}}'}, "allow"),
        ({"kind": "gateway:redaction:finish", "outcome": "ok", "detail": '{"redactions":{"email:mask":1}}'}, "redact"),
        ({"kind": "gateway:redaction:finish", "outcome": "ok", "detail": '{"redactions":{}}'}, "allow"),
        ({"kind": "gateway:request:refuse", "outcome": "refused", "detail": "{}"}, "block"),
    ],
)
def test_a_verdict_is_one_of_keeptrusts_words(row: dict[str, Any], verdict: str) -> None:
    assert verdict_of(row) == verdict


def test_reports_of_an_empty_store_are_empty_and_say_so(run: Any) -> None:
    made(run)
    for arguments in (["spend", "report"], ["outbox", "status"], ["users", "list"], ["secrets", "list"]):
        ran = run(*arguments)
        assert (ran.code, ran.out) == (0, "")
        assert ran.err
    assert run("spend", "report", "--json", "--group-by", "day").json["groups"] == []
    assert run("spend", "report", "--group-by", "moon").code == 2
    assert run("outbox", "status", "--json").json["ok"] is True


def test_the_store_is_migrated_examined_and_copied(run: Any, home: Path) -> None:
    assert run("db", "migrate").code == 0
    status = run("db", "status", "--json").json
    assert status["ok"] is True
    target = home.parent / "copy.db"
    assert run("db", "backup", str(target)).code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with sqlite3.connect(target) as copy:
        assert copy.execute("SELECT count(*) FROM virtual_keys").fetchone() == (0,)
    assert run("db", "backup", str(target)).code == 2
    assert run("db", "backup", str(home / "no" / "such" / "folder.db")).code == 2


def test_the_doctor_looks_at_everything(run: Any, home: Path) -> None:
    made(run)
    ran = run("doctor", "--json")
    states = {finding["subject"]: finding["state"] for finding in ran.json["findings"]}
    assert {"python", "packages", "environment", "data folder", "disk", "document", "store", "gateway"} <= set(states)
    assert states["store"] == "ok"
    (home / "pepper.json").chmod(0o644)
    ran = run("doctor")
    assert ran.code == 1
    assert "pepper.json" in ran.out


def test_the_home_option_goes_before_the_variable(run: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    prepare_home(other)
    assert run("--home", str(other), "db", "migrate").code == 0
    assert (other / "lockgate.db").exists()
    assert os.listdir(other / "journal") == []
