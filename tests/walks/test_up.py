"""`lockgate up`, as a person meets it: what it prints works, it can be started twice and stopped, and it keeps to itself."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from redactors.detectors.engines import SLOWER
from tests import planted
from tests.walks.canaries import assert_clean
from tests.walks.house import (
    SocketWatch,
    Up,
    can_trace,
    children_of,
    command_of,
    connected_to,
    ending,
    environment_in,
    environment_of,
    fetch,
    free_port,
    is_free,
    is_local,
    is_running,
    running_up,
    sockets_of,
    start,
    wait_for,
    wait_until_up,
)
from tests.walks.rig import ROOT

SECRET = planted.secret("openai_project", Random(20261123))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Where every connection is written down, when that can be done here."""
    return tmp_path_factory.mktemp("trace") / "connects" if can_trace() else None


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, trace: Path | None) -> Iterator[Up]:
    """One start for all tests that only look or add, with a provider key in its environment."""
    with running_up(tmp_path_factory.mktemp("up"), trace=trace, OPENAI_API_KEY=SECRET) as running:
        yield running


def dashboard_of(up: Up) -> int:
    [pid] = children_of(up.pid)
    return pid


def test_the_first_address_printed_is_the_base_url(up: Up) -> None:
    assert up.addresses[0] == f"http://127.0.0.1:{up.environment['LOCKGATE_PORT']}/v1"
    listed = up.call("/v1/models")
    assert listed.status == 200
    assert "demo" in [model["id"] for model in listed.json["data"]]


def complaints(up: Up) -> list[str]:
    """What it said beside its announcement, but that the slower engine does the work where hyperscan cannot be imported."""
    return [line for line in up.err.read_text().splitlines() if SLOWER not in line]


def test_it_prints_a_key_a_command_a_link_and_how_to_stop(up: Up) -> None:
    assert re.fullmatch(r"lgk_[0-9A-Za-z]{43}", up.key)
    assert up.key in up.curl
    assert up.link.startswith(f"http://127.0.0.1:{up.environment['LOCKGATE_DASHBOARD_PORT']}/login?token=lgl_")
    assert "Stop with Ctrl-C" in up.printed
    assert str(up.home) in up.printed
    assert complaints(up) == []


def test_the_printed_curl_answers(up: Up) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(["bash", "-c", up.curl + " -sS -w '\\n%{http_code}'"], capture_output=True, check=True, timeout=30)
    body, _, status = done.stdout.decode().rpartition("\n")
    answer = json.loads(body)
    assert status == "200"
    assert answer["choices"][0]["message"]["content"] == "my password is [REDACTED:password]"
    found = json.loads(up.cli("audit", "list", "--request-id", answer["id"].removeprefix("chatcmpl-"), "--json").stdout)
    assert {event["kind"] for event in found["events"]} == {"gateway:call:start", "gateway:call:finish"}


def test_the_redaction_that_the_readme_shows_is_what_comes_back(up: Up) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    ((sent, shown),) = re.findall(r"/v1/redact .*?-d '(\{.*?\})'\n```\n\n```json\n(.*?)\n```", readme, re.S)
    told = up.call("/v1/redact", json.loads(sent))
    assert (told.status, told.json) == (200, json.loads(shown))


def test_a_second_start_says_where_the_first_one_runs(up: Up) -> None:
    second = up.cli("up")
    text = second.stdout.decode()
    assert f"{up.url}/v1" in text
    assert up.dashboard in text
    assert str(up.pid) in text
    assert "lgk_" not in text
    assert up.chat("still there").status == 200


def test_the_key_of_the_environment_adds_models_by_reference(up: Up) -> None:
    assert "OPENAI_API_KEY: models gpt-5-mini" in up.printed
    listed = up.call("/v1/models").json["data"]
    assert {"demo", "gpt-5-mini", "gpt-5"} <= {model["id"] for model in listed}
    status = json.loads(up.cli("secrets", "status", "--verbose", "--json").stdout)
    assert {"env:OPENAI_API_KEY"} == {reference["slug"] for reference in status["references"]}


def test_the_key_of_the_environment_stands_nowhere(up: Up) -> None:
    dashboard = dashboard_of(up)
    places = {
        **up.written(),
        "stdout": up.out.read_bytes(),
        "the dashboard's environment": environment_in(dashboard),
        "the dashboard's arguments": command_of(dashboard),
        "the gateway's arguments": command_of(up.pid),
    }
    for name, data in places.items():
        assert_clean(name, data, {"provider key": SECRET})


def test_printed_keys_are_not_stored(up: Up) -> None:
    values = {"printed key": up.key, "login link": up.link.rpartition("=")[2], "admin key": up.admin_key}
    for name, data in up.written().items():
        assert_clean(name, data, values)


def test_everything_it_keeps_is_for_its_owner_only(up: Up) -> None:
    loose = [path for path in (up.home, *up.home.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert loose == []
    assert sorted(path.name for path in up.home.parent.iterdir() if path.suffix not in (".out", ".err")) == ["home", "person", "tmp"]
    assert list((up.home.parent / "person").iterdir()) == []


def test_the_link_lets_one_person_in_once(up: Up) -> None:
    entered = fetch(up.link)
    assert entered.status == 303
    assert "httponly" in entered.headers["set-cookie"].lower()
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert fetch(f"{up.dashboard}/", headers={"cookie": cookie, "accept": "text/html"}).status == 200
    assert fetch(up.link).status == 401
    assert fetch(f"{up.dashboard}/", headers={"accept": "text/html"}).status == 303


def test_gateway_and_dashboard_listen_on_loopback_and_each_on_its_own_port(up: Up) -> None:
    ports = {"LOCKGATE_PORT": up.pid, "LOCKGATE_DASHBOARD_PORT": dashboard_of(up)}
    for variable, pid in ports.items():
        listening = [own for own, _, listens in sockets_of(pid) if listens]
        assert listening == [("127.0.0.1", int(up.environment[variable]))], variable


def test_neither_process_opens_a_connection_off_loopback(up: Up, trace: Path | None) -> None:
    key = json.loads(up.cli("keys", "create", "--alias", "watched", "--json").stdout)["token"]
    with SocketWatch([up.pid, dashboard_of(up)]) as watch:
        for number in range(10):
            assert up.chat(f"leak {number}", key=key).status == 200
            assert up.chat(f"echo {number}", key=key, stream=True).status == 200
        # The dashboard asks the gateway who that is: a connection of its own, so the trace is not empty.
        assert fetch(f"{up.dashboard}/", headers={"cookie": "lockgate_session=nobody", "accept": "text/html"}).status == 303
        wait_for(lambda: watch.looks >= 5, "looks at the sockets")
    assert watch.foreign == set()
    if trace is not None:
        addresses = connected_to(trace)
        assert addresses
        assert [address for address in addresses if not is_local(address)] == []


# The command line, against the running gateway.


def as_json(up: Up, *arguments: str, given: bytes | None = None) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(up.cli(*arguments, "--json", given=given).stdout)
    assert re.fullmatch(r"lockgate\.[a-z.]+/\d+", tree["schema"])
    return tree


def test_a_key_is_made_used_and_revoked(up: Up) -> None:
    made = as_json(up, "keys", "create", "--alias", "ci", "--model", "demo", "--budget", "2", "--period", "month")
    assert up.chat("hello", key=made["token"]).status == 200
    assert up.call("/v1/chat/completions", {"model": "gpt-5", "messages": []}, key=made["token"]).status in (403, 404)
    listed = {key["alias"]: key for key in as_json(up, "keys", "list")["keys"]}
    assert listed["ci"]["status"] == listed["quickstart"]["status"] == "active"
    assert made["token"] not in up.cli("keys", "list").stdout.decode()
    assert as_json(up, "keys", "revoke", "ci")["key"]["status"] == "revoked"
    refused = up.chat("hello", key=made["token"])
    assert (refused.status, refused.json["error"]["code"]) == (401, "key_revoked")


def test_a_person_is_added_from_a_pipe_and_signs_in(up: Up) -> None:
    password = planted.secret("password", Random(7))
    added = as_json(up, "users", "add", "ana", "--role", "auditor", "--stdin", given=password.encode() + b"\n")
    assert (added["user"]["name"], added["user"]["role"]) == ("ana", "auditor")
    form = urlencode({"name": "ana", "password": password}).encode()
    entered = fetch(f"{up.dashboard}/login", form, {"content-type": "application/x-www-form-urlencoded"})
    assert (entered.status, entered.headers["location"]) == (303, "/")
    signed = up.call("/v1/dashboard/sessions", {"name": "ana", "password": password})
    assert signed.status in (200, 201)
    assert signed.json["role"] == "auditor"
    for name, data in up.written().items():
        assert_clean(name, data, {"password": password})


def test_the_audit_can_be_listed_proved_and_exported(up: Up) -> None:
    request_id = up.chat("hello").headers["x-request-id"]
    listed = as_json(up, "audit", "list", "--request-id", request_id)["events"]
    assert {event["kind"] for event in listed} == {"gateway:call:start", "gateway:call:finish"}
    assert up.cli("audit", "verify").returncode == 0
    rows = list(csv.DictReader(io.StringIO(up.cli("audit", "export", "--request-id", request_id).stdout.decode())))
    assert sorted(row["kind"] for row in rows) == ["gateway:call:finish", "gateway:call:start"]
    lines = up.cli("audit", "export", "--request-id", request_id, "--format", "json").stdout.splitlines()
    assert {json.loads(line)["id"] for line in lines} == {event["id"] for event in listed}


def test_the_live_view_shows_what_was_decided(up: Up) -> None:
    secret = planted.secret("github", Random(11))
    request_id = up.chat(f"keep {secret}").headers["x-request-id"]
    lines = [json.loads(line) for line in up.cli("events", "tail", "--json", "-n", "1000").stdout.splitlines()]
    assert {line["schema"] for line in lines} == {"lockgate.events.tail/1"}
    assert "redact" in {line["verdict"] for line in lines if request_id in json.dumps(line)}


def test_the_spend_report_is_the_sum_of_the_charges(up: Up) -> None:
    cost = round(float(up.chat("what does it cost?").headers["x-lockgate-cost"]) * 1_000_000)
    report = as_json(up, "spend", "report", "--group-by", "model")
    assert report["total"]["cost_micros"] == sum(group["cost_micros"] for group in report["groups"]) >= cost > 0
    rows = list(csv.DictReader(io.StringIO(up.cli("spend", "report", "--group-by", "model", "--csv").stdout.decode())))
    assert sum(int(row["cost_micros"]) for row in rows) == report["total"]["cost_micros"]


def test_text_from_a_pipe_comes_out_redacted(up: Up) -> None:
    secrets = {kind: planted.secret(kind, Random(13)) for kind in ("github", "anthropic", "aws_access_key_id")}
    text = " and ".join(f"the {kind} is {value}" for kind, value in secrets.items())
    done = up.cli("redact", given=text.encode())
    assert_clean("redacted text", done.stdout, secrets)
    assert done.stdout.startswith(b"the github is [")


def test_the_store_and_the_document_are_in_order(up: Up) -> None:
    assert as_json(up, "db", "status")["ok"] is True
    assert up.cli("check", "--config", str(ROOT / "examples" / "quickstart.yaml")).returncode == 0
    assert as_json(up, "outbox", "status")["ok"] is True


# Stopping, crashing, starting again.


def test_it_stops_crashes_and_starts_again(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    ports = [int(environment[name]) for name in ("LOCKGATE_PORT", "LOCKGATE_DASHBOARD_PORT")]
    # What a crash before a reboot leaves: the process id belongs to somebody else by now, and nothing answers there.
    home = Path(environment["LOCKGATE_HOME"])
    home.mkdir(mode=0o700)
    (home / "run.json").touch(mode=0o600)
    (home / "run.json").write_text(json.dumps({"url": f"http://127.0.0.1:{free_port()}", "pid": os.getpid(), "dashboard_url": ""}))

    with ending(start(environment)) as first:
        wait_until_up(first)
        key = first.key
        assert first.chat("hello").status == 200
        gateway, dashboard = first.pid, dashboard_of(first)
        # Somebody's own key, which takes the name over from the one that was printed.
        assert b"sqlite" not in environment_in(dashboard) + command_of(dashboard), "the store's address is handed over unseen"
        printed = as_json(first, "keys", "show", "quickstart")["key"]["id"]
        as_json(first, "keys", "revoke", printed)
        own = as_json(first, "keys", "create", "--alias", "quickstart")["token"]
        os.kill(dashboard, signal.SIGKILL)
        wait_for(lambda: children_of(first.pid) not in ([], [dashboard]), "a new dashboard in place of the killed one")
        assert b"The dashboard ended (-9)" in first.err.read_bytes()
        wait_for(lambda: not is_free(ports[1]), "the new dashboard's port")
        dashboard = dashboard_of(first)
        assert first.stop() == 0
    assert not is_running(gateway)
    assert not is_running(dashboard)
    assert all(is_free(port) for port in ports)
    assert not (home / "run.json").exists()
    assert len(complaints(first)) == 1, "it ended by itself once"

    with ending(start(environment)) as second:
        wait_until_up(second)
        assert second.key != key
        refused = second.chat("hello", key=key)
        assert (refused.status, refused.json["error"]["code"]) == (401, "key_revoked")
        assert second.chat("hello").status == 200
        assert second.chat("hello", key=own).status == 200, "only the key that was printed is revoked"
        dashboard = dashboard_of(second)
        assert second.stop(signal.SIGKILL) == -signal.SIGKILL
        wait_for(lambda: not is_running(dashboard), "the end of the dashboard of a killed gateway")
    assert (home / "run.json").exists()


def _take_terminal() -> None:
    """In the child: what stands on standard input becomes its terminal for everything."""
    os.login_tty(os.dup(0))


def test_it_runs_on_a_terminal_until_ctrl_c(tmp_path: Path) -> None:
    keyboard, screen = os.openpty()
    up = start(environment_of(tmp_path), stdin=screen, start_new_session=True, preexec_fn=_take_terminal)
    try:
        with ending(up):
            shown = b""
            while b"Stop with Ctrl-C" not in shown:
                shown += os.read(keyboard, 65536)
            assert b"base URL    http://127.0.0.1:" in shown
            os.write(keyboard, b"\x03")
            assert up.process.wait(30) == 0
    finally:
        os.close(keyboard)
        os.close(screen)
    assert not (up.home / "run.json").exists()


def test_a_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    with ending(start(environment, command="demo")) as demo:
        wait_until_up(demo)
        [folder] = Path(environment["TMPDIR"]).glob("lockgate-demo-*")
        assert str(folder) in demo.printed
        assert demo.chat("hello").status == 200
        assert demo.stop() == 0
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    assert not Path(environment["LOCKGATE_HOME"]).exists()


def test_a_demo_that_is_stopped_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    with ending(start(environment, command="demo")) as demo:
        wait_for(lambda: list(Path(environment["TMPDIR"]).glob("lockgate-demo-*/pepper.json")), "the demo's folder", timeout_s=30)
        demo.stop()
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    assert all(is_free(int(environment[name])) for name in ("LOCKGATE_PORT", "LOCKGATE_DASHBOARD_PORT"))
