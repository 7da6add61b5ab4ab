"""One stage per adapter for the contract suite: a place to put secrets, references to them, and a switch that takes the vault away."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.errors
from sqlalchemy import create_engine

from pipeline.store.tables import metadata
from pipeline.vaults.local_keys import make_keys
from pipeline.vaults.local_sql import SqlRows, delete_secret, put_secret
from pipeline.vaults.model import Secret, SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock
from tests.servers.aws import REGION, MotoServer
from tests.servers.vault import VaultServer


def hidden(value: str) -> Secret:
    """A resolved inner reference."""
    return Secret(value, reference="env:TEST", fingerprint=secrets.token_hex(8))


@dataclass
class Stage:
    """An adapter over something real. `versions`: the backend counts them."""

    manager_type: str
    context: VaultContext
    auth_config: dict[str, Any] = field(default_factory=dict)
    versions: bool = False

    def open(self) -> Vault:
        return open_vault(self.manager_type, self.auth_config, self.context)

    def ref(self, name: str, **changes: Any) -> SecretRef:
        made = SecretRef(slug="staged", manager_type=self.manager_type, secret_path=self.path(name), auth_config=self.auth_config)
        return replace(made, **changes)

    def path(self, name: str) -> str:
        return name

    def put(self, name: str, value: str) -> None:
        raise NotImplementedError

    def take_down(self) -> None:
        raise NotImplementedError


class EnvStage(Stage):
    def put(self, name: str, value: str) -> None:
        self.context.environment[name] = value  # type: ignore[index]


class FileStage(Stage):
    def path(self, name: str) -> str:
        return str(self.context.file_roots[0] / name)

    def put(self, name: str, value: str) -> None:
        """As Kubernetes does: a new folder, and a symbolic link that is swapped in one step."""
        root = self.context.file_roots[0]
        data = root / f"..{secrets.token_hex(4)}"
        data.mkdir()
        (data / name).write_text(value + "\n")
        (data / name).chmod(0o600)
        link = root / f"..new-{secrets.token_hex(4)}"
        link.symlink_to(data.name)
        link.rename(root / f"..data-{name}")
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"..data-{name}/{name}")


class LocalStage(Stage):
    engine: Any = None

    def put(self, name: str, value: str) -> None:
        assert self.context.local_keys is not None
        with self.engine.begin() as connection:
            put_secret(connection, self.context.local_keys, name, value, now_us=5, created_by="test", random_bytes=os.urandom)

    def take_down(self) -> None:
        with self.engine.begin() as connection:
            metadata.drop_all(connection)

    def remove(self, name: str) -> None:
        with self.engine.begin() as connection:
            delete_secret(connection, name)


class MemoryKeyring(keyring.backend.KeyringBackend):
    """keyring's own extension point: a keychain that lives as long as the test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


class NoKeyring(MemoryKeyring):
    """A machine without a keychain."""

    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.NoKeyringError


class KeychainStage(Stage):
    def put(self, name: str, value: str) -> None:
        keyring.set_password("lockgate", name, value)

    def take_down(self) -> None:
        keyring.set_keyring(NoKeyring())


class VaultStage(Stage):
    """Written with hvac, so that a real Vault will do as well as ours."""

    mount = ""
    kv_version = "2"
    client: Any = None
    server: VaultServer | None = None

    def path(self, name: str) -> str:
        return f"{self.mount}/{name}"

    def put(self, name: str, value: str) -> None:
        if self.kv_version == "2":
            self.client.secrets.kv.v2.create_or_update_secret(name, secret={"value": value}, mount_point=self.mount)
        else:
            self.client.secrets.kv.v1.create_or_update_secret(name, secret={"value": value}, mount_point=self.mount, method="POST")

    def take_down(self) -> None:
        assert self.server is not None
        self.server.sealed = True


class AwsStage(Stage):
    client: Any = None

    def path(self, name: str) -> str:
        return f"lockgate/{name}"

    def put(self, name: str, value: str) -> None:
        try:
            self.client.create_secret(Name=self.path(name), SecretString=value)
        except self.client.exceptions.ResourceExistsException:
            self.client.put_secret_value(SecretId=self.path(name), SecretString=value)


STAGES = ("env", "file", "local", "keychain", "vault-kv2-token", "vault-kv1-token", "vault-kv2-approle", "aws-access-key")


@contextmanager
def staged(name: str, tmp_path: Path, moto: MotoServer | None) -> Iterator[Stage]:
    """Set the stage of that name."""
    clock = Clock()
    with ExitStack() as stack:
        match name.split("-"):
            case ["env"]:
                yield EnvStage("env", VaultContext(clock, environment={}))
            case ["file"]:
                yield FileStage("file", VaultContext(clock, file_roots=(tmp_path,)))
            case ["local"]:
                engine = create_engine(f"sqlite:///{tmp_path / 'store.db'}")
                metadata.create_all(engine)
                stack.callback(engine.dispose)
                keys = make_keys(os.urandom)
                local = LocalStage("local", VaultContext(clock, local_rows=SqlRows(engine), local_keys=keys), versions=True)
                local.engine = engine
                yield local
            case ["keychain"]:
                before = keyring.get_keyring()
                stack.callback(keyring.set_keyring, before)
                keyring.set_keyring(MemoryKeyring())
                yield KeychainStage("keychain", VaultContext(clock))
            case ["vault", kv, auth]:
                server = stack.enter_context(VaultServer())
                stage = _vault_stage(server.url, server.root, kv.removeprefix("kv"), auth, clock)
                stage.server = server
                yield stage
            case ["aws", *_]:
                assert moto is not None
                keys_of = {"aws_access_key_id": hidden("testing"), "aws_secret_access_key": hidden("testing")}
                config = {"aws_auth_type": "accessKey", "aws_region": REGION, "aws_endpoint_url": moto.url, **keys_of}
                aws = AwsStage("aws_sm", VaultContext(clock), config, versions=True)
                aws.client = moto.client("secretsmanager")
                yield aws
            case _:
                raise ValueError(name)


@contextmanager
def real_vault_staged(address: str, token: str, kv: str, auth: str) -> Iterator[Stage]:
    """The same stage on a real Vault or OpenBao, in a mount of its own that is taken away again."""
    stage = _vault_stage(address, token, kv, auth, Clock())
    try:
        yield stage
    finally:
        stage.client.sys.disable_secrets_engine(stage.mount)


def _vault_stage(address: str, token: str, kv: str, auth: str, clock: Clock) -> VaultStage:
    import hvac

    client = hvac.Client(url=address, token=token, timeout=10)
    mount = f"lockgate-{secrets.token_hex(4)}"
    client.sys.enable_secrets_engine("kv", path=mount, options={"version": kv})
    config: dict[str, Any] = {"vault_addr": address, "vault_auth_type": auth}
    if auth == "token":
        config["vault_token"] = hidden(token)
    else:
        name = f"role-{secrets.token_hex(4)}"
        rule = f'path "{mount}/data/*" {{ capabilities = ["read"] }}' if kv == "2" else f'path "{mount}/*" {{ capabilities = ["read"] }}'
        client.sys.create_or_update_policy(name, rule)
        if "approle/" not in _auth_methods(client):
            client.sys.enable_auth_method("approle")
        client.auth.approle.create_or_update_approle(name, token_policies=[name], token_ttl="600")
        config["vault_role_id"] = client.auth.approle.read_role_id(name)["data"]["role_id"]
        config["vault_secret_id"] = hidden(client.auth.approle.generate_secret_id(name)["data"]["secret_id"])
    stage = VaultStage("hashicorp_vault", VaultContext(clock), config, versions=kv == "2")
    stage.mount, stage.kv_version, stage.client = mount, kv, client
    return stage


def _auth_methods(client: Any) -> dict[str, Any]:
    answer = client.sys.list_auth_methods()
    return answer if isinstance(answer, dict) else {}
