"""A rotated secret costs no call, whatever names it; who may not use a reference does not; what is required must be there."""

from __future__ import annotations

import http.client
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.aws import REGION, MotoServer
from tests.servers.provider import Provider, running_provider
from tests.servers.vault import VaultServer
from tests.walks.asking import SURFACES, Line, Stream, Surface, ask, assert_refused
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, refused_start, running_gateway

KINDS = ("vault", "approle", "aws", "file", "store")
ROTATIONS = 3
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}


def fresh_key() -> str:
    """A provider key that no rule knows by its form."""
    return "key-" + secrets.token_hex(20)


@dataclass
class House:
    gateway: Gateway
    provider: Provider
    vault: VaultServer
    write: dict[str, Callable[[str], None]]
    value: dict[str, str] = field(default_factory=dict)
    every: list[str] = field(default_factory=list)

    def rotate(self, kind: str) -> str:
        """Write a new value where a kind of reference points."""
        self.value[kind] = value = fresh_key()
        self.every.append(value)
        if self.provider.accept_keys:  # a provider takes a key that it has made, before anybody writes it anywhere
            self.provider.accept_keys = {*self.provider.accept_keys, value}
        self.write[kind](value)
        return value


def references(vault: VaultServer, aws: MotoServer, role_id: str) -> dict[str, Any]:
    address = {"vault_addr": vault.url}
    return {
        "vaults": {
            "by-token": {
                "manager_type": "hashicorp_vault",
                "auth_config": {"vault_auth_type": "token", **address, "vault_token": {"secret_key_ref": {"env": "TEST_VAULT_TOKEN"}}},
            },
            "by-approle": {
                "manager_type": "hashicorp_vault",
                "auth_config": {
                    "vault_auth_type": "approle",
                    **address,
                    "vault_role_id": role_id,
                    "vault_secret_id": {"secret_key_ref": {"env": "TEST_SECRET_ID"}},
                },
            },
            "aws": {
                "manager_type": "aws_sm",
                "auth_config": {
                    "aws_auth_type": "accessKey",
                    "aws_region": REGION,
                    "aws_access_key_id": {"secret_key_ref": {"env": "TEST_AWS_ID"}},
                    "aws_secret_access_key": {"secret_key_ref": {"env": "TEST_AWS_SECRET"}},
                    "aws_endpoint_url": aws.url,
                },
            },
        },
        "references": {
            "vault": {"vault": "by-token", "secret_path": "secret/llm/vault", "secret_key": "api_key"},
            "approle": {"vault": "by-approle", "secret_path": "secret/llm/approle", "secret_key": "api_key"},
            "aws": {"vault": "aws", "secret_path": "llm/aws", "secret_key": "api_key"},
            "short": {"vault": "by-token", "secret_path": "secret/llm/short", "secret_key": "api_key", "cache_ttl_s": 1},
            "scoped": {
                "vault": "by-token",
                "secret_path": "secret/llm/vault",
                "secret_key": "api_key",
                "allowed_workspaces": ["production"],
            },
        },
    }


REFERENCE = {
    "vault": {"ref": "vault"},
    "approle": {"ref": "approle"},
    "aws": {"ref": "aws"},
    "short": {"ref": "short"},
    "scoped": {"ref": "scoped"},
    "file": {"file": "provider.key"},
    "store": {"store": "PROVIDER_KEY"},
}


def document(provider: Provider, named: dict[str, Any]) -> dict[str, Any]:
    targets, models = [], {}
    for kind, ref in REFERENCE.items():
        # The local store is empty until somebody puts a secret into it.
        more = {"secret_key_ref": ref, "required": kind != "store"}
        script = f"{kind}--say:6+pace:0.002"
        targets += [
            openai_target(f"openai-{kind}", script, provider.url, **more),
            anthropic_target(f"anthropic-{kind}", script, provider.url, **more),
            openai_target(f"litellm-{kind}", script, provider.url, lane="litellm", **more),
        ]
        models |= {f"{lane}-{kind}": {"targets": [f"{lane}-{kind}"]} for lane in ("openai", "anthropic", "litellm")}
    return {
        **named,
        "targets": targets,
        "models": models,
        "prices": PRICES,
        "policies": {"default": MASK_ALL},
        "workspaces": {"default": {}, "production": {}},
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("rotation")
    with ExitStack() as stack:
        provider = stack.enter_context(running_provider())
        vault = stack.enter_context(VaultServer())
        aws = stack.enter_context(MotoServer())
        vault.allow("llm", "secret/data/llm/*", "sys/internal/ui/mounts/*")
        role_id, secret_id = vault.approle("llm", "llm")
        client, known = aws.client("secretsmanager"), set[str]()

        def to_aws(value: str) -> None:
            text = f'{{"api_key": "{value}"}}'
            if known:
                client.put_secret_value(SecretId="llm/aws", SecretString=text)
            else:
                known.add(client.create_secret(Name="llm/aws", SecretString=text)["ARN"])

        def to_file(value: str) -> None:
            path = folder / "provider.key"
            beside = path.with_suffix(".new")
            beside.touch(mode=0o600)
            beside.write_text(value + "\n")
            beside.replace(path)

        write: dict[str, Callable[[str], None]] = {
            "vault": lambda value: void(vault.put("secret/llm/vault", {"api_key": value})),
            "approle": lambda value: void(vault.put("secret/llm/approle", {"api_key": value})),
            "short": lambda value: void(vault.put("secret/llm/short", {"api_key": value})),
            "aws": to_aws,
            "file": to_file,
        }
        first = {kind: fresh_key() for kind in write}
        for kind, value in first.items():
            write[kind](value)
        environment = {
            "TEST_VAULT_TOKEN": vault.token("llm"),
            "TEST_SECRET_ID": secret_id,
            "TEST_AWS_ID": "testing",
            "TEST_AWS_SECRET": "testing",
        }
        plain = document(provider, references(vault, aws, role_id))
        with running_gateway(folder, plain, LOCKGATE_LOG_LEVEL="DEBUG", **environment) as gateway:
            write["store"] = lambda value: void(gateway.admin("POST", "/v1/secrets/PROVIDER_KEY", {"value": value}))
            built = House(gateway, provider, vault, write, first, list(first.values()))
            built.rotate("store")
            yield built


def void(_value: object) -> None:
    """The value is not needed."""


class Load:
    """Callers on every lane, whole and streamed, that note every call that did not succeed."""

    def __init__(self, house: House, kind: str) -> None:
        self.failures: list[str] = []
        self.calls = 0
        self._house, self._kind = house, kind
        self._key = house.gateway.create_key()["key"]
        self._stop = threading.Event()
        lanes: tuple[tuple[Surface, str], ...] = (("openai", "openai"), ("anthropic", "anthropic"), ("openai", "litellm"))
        self._threads = [
            threading.Thread(target=self._run, args=(surface, f"{lane}-{kind}", streamed), daemon=True)
            for surface, lane in lanes
            for streamed in (False, True)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait(self, more: int) -> None:
        """Let so many further calls end."""
        target, deadline = self.calls + more, time.monotonic() + 30
        while self.calls < target and not self.failures:
            assert time.monotonic() < deadline, "the load stands still"
            time.sleep(0.005)

    def _run(self, surface: Surface, model: str, streamed: bool) -> None:
        line = Line(self._house.gateway.url)
        while not self._stop.is_set():
            try:
                if streamed:
                    stream = Stream(self._house.gateway.url, surface, model, self._key).begin()
                    raw = stream.rest()
                    good = stream.status == 200 and stream.complete
                else:
                    answer = line.ask(surface, model, self._key)
                    raw, good = answer.body, answer.status == 200
            except (OSError, http.client.HTTPException) as error:
                raw, good = repr(error).encode(), False
            if not good:
                self.failures.append(f"{model} streamed={streamed}: {raw[-300:]!r}")
                return
            self.calls += 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotation_under_load_fails_no_call(house: House, kind: str) -> None:
    house.provider.accept_keys = {house.value[kind]}
    before = len(house.provider.calls)
    reads = house.vault.count(f"llm/{kind}")
    with Load(house, kind) as load:
        load.wait(30)
        for _ in range(ROTATIONS):
            new = house.rotate(kind)
            house.provider.accept_keys = {new}  # the former key is refused from this moment on
            load.wait(40)
    assert load.failures == []
    calls = house.provider.calls[before:]
    assert [call.key for call in calls if call.status == 200][-1] == house.value[kind]
    assert {call.status for call in calls} <= {200, 401}
    refused = sum(call.status == 401 for call in calls)
    if kind != "store":  # writing to the local store tells the gateway, a vault does not
        assert refused >= ROTATIONS, "the old key was really refused"
    # One forced read for each rotation, however many callers met it (and one more when it raced with the writing).
    assert house.vault.count(f"llm/{kind}") - reads <= 2 * ROTATIONS + 2


def test_a_short_lived_value_is_replaced_before_anybody_is_refused(house: House) -> None:
    """Both keys are good for a while: the new one is used as soon as the old one's time to live is over, without a refusal."""
    old = house.value["short"]
    new = house.rotate("short")
    house.provider.accept_keys = {old, new}
    with Load(house, "short") as load:
        deadline = time.monotonic() + 15
        while house.provider.calls[-1].key != new:
            assert time.monotonic() < deadline, "the old value is still in use"
            load.wait(5)
    assert load.failures == []
    assert all(call.status != 401 for call in house.provider.calls[-20:])


def test_a_rotation_is_in_the_audit_by_version_and_fingerprint_and_no_value_is_anywhere(house: House) -> None:
    kind = "vault"
    house.provider.accept_keys = {house.rotate(kind)}
    key = house.gateway.create_key()["key"]
    answer = ask(house.gateway.url, "openai", f"openai-{kind}", key)
    assert answer.status == 200
    (finish,) = house.gateway.events(request_id=answer.headers["x-request-id"], kind="gateway:call:finish")
    refused, answered = finish["detail"]["attempts"]
    assert (refused["outcome"], answered["outcome"]) == ("auth", "ok")
    assert refused["fingerprint"] != answered["fingerprint"]
    assert int(answered["version"]) == int(refused["version"]) + 1
    deadline = time.monotonic() + 10
    while not house.gateway.events(request_id=answer.headers["x-request-id"], kind="vault:secret:read"):
        assert time.monotonic() < deadline, "the read of the vault is not in the audit"
        time.sleep(0.1)
    for name, data in house.gateway.written().items():
        assert not [number for number, value in enumerate(house.every) if value.encode() in data], f"{name} holds a value"


@pytest.mark.parametrize("surface", SURFACES)
def test_a_workspace_uses_only_the_references_that_it_may(house: House, surface: Surface) -> None:
    house.provider.accept_keys = None
    outside = house.gateway.create_key()["key"]
    inside = house.gateway.create_key(workspace="production")["key"]
    model = f"{surface}-scoped"
    assert ask(house.gateway.url, surface, model, inside).status == 200
    before = len(house.provider.calls)
    refused = ask(house.gateway.url, surface, model, outside)
    request_id = assert_refused(refused, surface, 403, "permission_error", "reference_not_allowed")
    assert len(house.provider.calls) == before, "no other key was tried"
    deadline = time.monotonic() + 10
    while "vault:secret:deny" not in {row["kind"] for row in house.gateway.events(request_id=request_id)}:
        assert time.monotonic() < deadline, "the refusal is not in the audit"
        time.sleep(0.1)


# Start-up.


def start_document(url: str, *targets: tuple[str, dict[str, Any], bool]) -> dict[str, Any]:
    return {
        "targets": [openai_target(name, "echo", url, secret_key_ref=ref, required=required) for name, ref, required in targets],
        "models": {"echo": {"targets": [name for name, _, _ in targets]}},
        "prices": PRICES,
        "policies": {"default": MASK_ALL},
    }


def test_a_missing_required_secret_refuses_the_start_by_name(tmp_path: Path) -> None:
    present = fresh_key()
    plain = start_document(
        "http://127.0.0.1:9",
        ("one", {"env": "PRESENT_KEY"}, True),
        ("two", {"env": "ABSENT_KEY"}, True),
        ("three", {"file": "absent.key"}, True),
        ("four", {"store": "ABSENT_STORED"}, True),
        ("five", {"env": "ABSENT_OPTIONAL"}, False),
    )
    code, printed = refused_start(tmp_path, plain, PRESENT_KEY=present)
    assert code != 0
    last = next(line for line in printed.splitlines() if "Required references do not resolve" in line)
    for name in ("ABSENT_KEY", "absent.key", "ABSENT_STORED"):
        assert name in last
    for name in ("PRESENT_KEY", "ABSENT_OPTIONAL"):
        assert name not in last
    assert present not in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("value", ["", "   ", "two\nlines-of-a-secret"], ids=["empty", "blank", "lines"])
def test_a_required_secret_that_cannot_be_a_key_refuses_the_start_and_is_not_shown(tmp_path: Path, value: str) -> None:
    plain = start_document("http://127.0.0.1:9", ("one", {"env": "STRANGE_KEY"}, True))
    code, printed = refused_start(tmp_path, plain, STRANGE_KEY=value)
    assert code != 0
    assert "STRANGE_KEY" in printed
    assert "of-a-secret" not in printed


def test_a_dead_vault_refuses_the_start_by_name(tmp_path: Path) -> None:
    with VaultServer() as vault:
        token = vault.token("llm")
        connection = {"vault_auth_type": "token", "vault_addr": vault.url, "vault_token": {"secret_key_ref": {"env": "TEST_VAULT_TOKEN"}}}
    plain = start_document("http://127.0.0.1:9", ("one", {"ref": "from-vault"}, True)) | {
        "vaults": {"v": {"manager_type": "hashicorp_vault", "auth_config": connection}},
        "references": {"from-vault": {"vault": "v", "secret_path": "secret/llm/one", "secret_key": "api_key"}},
    }
    code, printed = refused_start(tmp_path, plain, TEST_VAULT_TOKEN=token)
    assert code != 0
    assert "Required references do not resolve: from-vault." in printed
    assert token not in printed


def test_an_optional_secret_that_is_missing_is_skipped_until_it_is_there(tmp_path: Path) -> None:
    """Staged rotation: the target of the key that is not there yet is passed over, and used as soon as it is."""
    with running_provider() as provider:
        old, new = fresh_key(), fresh_key()
        plain = start_document(provider.url, ("new", {"store": "NEW_KEY"}, False), ("old", {"env": "OLD_KEY"}, True))
        with running_gateway(tmp_path, plain, OLD_KEY=old) as gateway:
            key = gateway.create_key()["key"]
            answer = ask(gateway.url, "openai", "echo", key)
            assert (answer.status, answer.headers["x-lockgate-deployment"]) == (200, "old")
            assert provider.keys == [old]
            gateway.admin("POST", "/v1/secrets/NEW_KEY", {"value": new})
            answer = ask(gateway.url, "openai", "echo", key)
            assert (answer.status, answer.headers["x-lockgate-deployment"]) == (200, "new")
            assert provider.keys == [old, new]
            assert b"NEW_KEY" in gateway.log.read_bytes(), "the missing one was named in the log"
