"""What was written down is proven end to end: checkpoints of a running gateway, copies, a bundle, a proof, with the auditor's key alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from pipeline.ledger.signing import make_private_key, signer_of
from tests import planted
from tests.servers.provider import running_provider
from tests.walks.rig import Gateway, openai_target, running_gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

END_USER = "ana.lopez@example.org"


@dataclass(frozen=True)
class House:
    gateway: Gateway
    folder: Path
    key: str
    provider_key: str

    @property
    def copies(self) -> Path:
        return self.folder / "copies.jsonl"

    def chat(self) -> str:
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "user": END_USER}
        answer = self.gateway.call("POST", "/v1/chat/completions", body, key=self.key)
        assert answer.status == 200, answer.body
        return answer.headers["x-request-id"]

    def verify(self, *arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-I", str(self.folder / "verify.py"), *arguments, "--public-key", str(self.folder / "audit.pub.pem")]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60, cwd=self.folder)
        return done.returncode, (done.stdout + done.stderr).decode()

    def bundle(self) -> Path:
        """Export, and lay the verifier of the bundle beside it."""
        path = self.folder / "evidence.zip"
        path.unlink(missing_ok=True)
        self.gateway.cli("audit", "export", "--format", "bundle", "--output", str(path))
        with zipfile.ZipFile(path) as archive:
            (self.folder / "verify.py").write_bytes(archive.read("verify.py"))
        return path


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("proof")
    signer = signer_of(private := make_private_key())
    (folder / "audit.pub.pem").write_text(signer.public_pem)
    provider_key = planted.secret("openai_project", Random(11))
    with running_provider() as provider:
        checkpoints = {"signing_key": {"env": "AUDIT_KEY"}, "every_s": 1, "copies": [{"file": str(folder / "copies.jsonl")}]}
        document = {
            "targets": [openai_target("m", "echo", provider.url, secret_key_ref={"env": "PROVIDER_KEY"})],
            "models": {"m": {"targets": ["m"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "audit": {"checkpoints": checkpoints},
        }
        environment = {"AUDIT_KEY": private, "PROVIDER_KEY": provider_key}
        with running_gateway(folder, document, **environment) as gateway:
            yield House(gateway, folder, gateway.create_key(alias="app")["key"], provider_key)


def covered(house: House, event_id: str) -> dict[str, object]:
    """The proof of an event, once a checkpoint covers it."""
    for _ in range(100):
        answer = house.gateway.call("GET", f"/v1/audit/events/{event_id}/proof", key=house.gateway.admin_key)
        if answer.status != 409:
            assert answer.status == 200, answer.body
            found: dict[str, object] = answer.json
            return found
        time.sleep(0.1)
    raise AssertionError("no checkpoint came")


def test_a_call_is_proven_by_its_checkpoint_and_the_key_alone(house: House) -> None:
    request_id = house.chat()
    event = house.gateway.events(request_id=request_id)[0]
    proof = covered(house, event["id"])
    house.bundle()
    (house.folder / "proof.json").write_text(json.dumps(proof))
    code, said = house.verify("proof", "proof.json")
    assert (code, said.splitlines()[-1]) == (0, "VERIFIED")
    (house.folder / "proof.json").write_text(json.dumps({**proof, "event": str(proof["event"]).replace('"ok"', '"no"')}))
    assert house.verify("proof", "proof.json")[0] == 1
    assert house.gateway.events(kind="audit:event:prove")


def test_a_bundle_of_a_running_gateway_verifies_against_its_copies(house: House) -> None:
    for _ in range(3):
        house.chat()
    covered(house, house.gateway.events(kind="gateway:call:finish")[0]["id"])
    path = house.bundle()
    code, said = house.verify("bundle", str(path), "--checkpoints", str(house.copies))
    assert (code, said.splitlines()[-1]) == (0, "VERIFIED"), said
    done = house.gateway.cli("audit", "verify", "--public-key", str(house.folder / "audit.pub.pem"))
    assert b"all as they were written" in done.stdout
    with zipfile.ZipFile(path) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert planted.leaks(content, {"provider key": house.provider_key}) == []
    assert END_USER.encode() not in content


def test_a_value_that_was_seen_is_found_and_never_written(house: House) -> None:
    house.chat()
    as_secret = json.loads(house.gateway.cli("audit", "hash", "--stdin", "--json", given=house.provider_key.encode()).stdout)
    assert as_secret["seen"]
    assert as_secret["charges"]["count"] >= 1
    as_user = json.loads(house.gateway.cli("audit", "hash", "--stdin", "--json", given=END_USER.encode()).stdout)
    assert as_user["end_user_calls"]["count"] >= 1
    never = json.loads(house.gateway.cli("audit", "hash", "--stdin", "--json", given=b"never seen before").stdout)
    assert not never["seen"]
    assert len(house.gateway.events(kind="audit:value:search")) == 3
    for name, data in house.gateway.written().items():
        assert planted.leaks(data, {"provider key": house.provider_key}) == [], name
        assert END_USER.encode() not in data, name


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "ocsf", "ecs", "cef", "cloudevents"])
def test_every_format_comes_over_http_and_is_written_down(house: House, form: str) -> None:
    house.chat()
    answer = house.gateway.call("GET", f"/v1/audit/export?format={form}&kind=gateway:call:*", key=house.gateway.admin_key)
    assert answer.status == 200
    assert len(answer.body) > 200
    last = house.gateway.events(kind="audit:export:create")[0]
    assert last["detail"]["format"] == form


def test_a_bundle_cannot_be_filtered_and_is_not_for_callers(house: House) -> None:
    asked = "/v1/audit/export?format=bundle&kind=policy:*"
    assert house.gateway.call("GET", asked, key=house.gateway.admin_key).status == 400
    assert house.gateway.call("GET", "/v1/audit/export?format=bundle", key=house.key).status == 403
    assert house.gateway.call("GET", "/v1/audit/export?format=pdf", key=house.gateway.admin_key).status == 400


def test_what_is_left_is_covered_when_the_gateway_stops_and_a_cut_end_is_told_by_the_copies(house: House) -> None:
    house.chat()
    assert house.gateway.stop() == 0
    path = house.bundle()
    import sqlite3

    with sqlite3.connect(house.gateway.home / "lockgate.db") as database:
        chain, last = database.execute("SELECT chain, max(last_seq) FROM audit_checkpoints GROUP BY chain ORDER BY 2 DESC").fetchone()
        assert database.execute("SELECT max(seq) FROM events WHERE chain = ?", (chain,)).fetchone() == (last,)
        cut = database.execute(
            "SELECT first_seq FROM audit_checkpoints WHERE chain = ? AND last_seq = ? AND last_seq >= first_seq", (chain, last)
        )
        seq = cut.fetchone()[0]
        database.execute("DELETE FROM events WHERE chain = ? AND seq >= ?", (chain, seq))
        database.execute("DELETE FROM audit_checkpoints WHERE chain = ? AND last_seq >= ?", (chain, seq))
    path = house.bundle()
    code, said = house.verify("bundle", str(path), "--checkpoints", str(house.copies))
    assert code == 1
    assert f"event {seq}: cut off or left out" in said
