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
from tests.servers.aws import ACCOUNT, REGION, AwsFaults, MotoServer
from tests.servers.certificates import Authority
from tests.servers.tokens import Issuer
from tests.servers.vault import VaultServer


def hidden(value: str) -> Secret:
    """A resolved inner reference."""
    return Secret(value, reference="env:TEST", fingerprint=secrets.token_hex(8))


@dataclass
class Stage:
    """An adapter over something real. `versions`: the backend counts them, and never to `absent_version`."""

    manager_type: str
    context: VaultContext
    auth_config: dict[str, Any] = field(default_factory=dict)
    versions: bool = False
    absent_version: str = "77"

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

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        """Have one fault of `FAULTS` happen to a secret that was stored; the adapter (opened since) and what to read."""
        raise NotImplementedError(fault)


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

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        assert fault == "denied"
        (self.context.file_roots[0] / name).resolve().chmod(0o644)
        return self.open(), self.ref(name)


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


class RefusingKeyring(MemoryKeyring):
    """A keychain that is locked, or whose owner says no."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error


class KeychainStage(Stage):
    def put(self, name: str, value: str) -> None:
        keyring.set_password("lockgate", name, value)

    def take_down(self) -> None:
        keyring.set_keyring(NoKeyring())

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        errors = {"denied": keyring.errors.KeyringError, "sealed": keyring.errors.KeyringLocked}
        keyring.set_keyring(RefusingKeyring(errors[fault]))
        return self.open(), self.ref(name)


class VaultStage(Stage):
    """Written with hvac, so that a real Vault will do as well as ours. `role` is the policy, and the name of the role of logins."""

    mount = ""
    kv_version = "2"
    role = ""
    auth_mount = ""
    client: Any = None
    server: VaultServer | None = None
    issuer: Issuer | None = None
    token_file: Path | None = None

    def path(self, name: str) -> str:
        return f"{self.mount}/{name}"

    def put(self, name: str, value: str) -> None:
        if self.kv_version == "2":
            self.client.secrets.kv.v2.create_or_update_secret(name, secret={"value": value}, mount_point=self.mount)
        else:
            self.client.secrets.kv.v1.create_or_update_secret(name, secret={"value": value}, mount_point=self.mount, method="POST")

    def open(self) -> Vault:
        if self.auth_config.get("vault_secret_id_wrapped"):  # each wrap is good for one adapter
            answer = self.client.adapter.post(f"/v1/auth/approle/role/{self.role}/secret-id", headers={"X-Vault-Wrap-TTL": "60"}, json={})
            self.auth_config["vault_secret_id"] = hidden(answer["wrap_info"]["token"])
        return super().open()

    def take_down(self) -> None:
        assert self.server is not None
        self.server.sealed = True

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        ref = self.ref(name)
        match fault:
            case "denied":
                self.client.sys.create_or_update_policy(self.role, 'path "nothing/*" { capabilities = ["read"] }')
            case "deleted-version":
                self.client.secrets.kv.v2.delete_secret_versions(name, versions=[1], mount_point=self.mount)
            case "expired-token":
                self._end_credential()
            case "clock-skew":
                assert self.issuer is not None
                assert self.token_file is not None
                self.token_file.write_text(self.issuer.token(SUBJECT, starts_in_s=3_600))
            case "wrong-tls":
                self.auth_config["vault_ca_cert"] = str(Authority(self.context.file_roots[0] / "other-ca").file)
            case "slow":
                assert self.server is not None
                self.context = replace(self.context, read_timeout_s=0.3)
                vault = self.open()
                self.server.latency_s = 30.0
                return vault, ref
            case _:
                vault = self.open()
                vault.fetch(ref)  # the fault befalls a vault that was well, and a token that is good
                assert self.server is not None
                setattr(self.server, {"throttled": "throttled", "sealed": "sealed", "broken-json": "broken"}[fault], True)
                return vault, ref
        return self.open(), ref

    def _end_credential(self) -> None:
        """What it is that opens this vault: no more."""
        if "vault_token" in self.auth_config:
            self.client.auth.token.revoke(self.auth_config["vault_token"].reveal())
            return
        if self.auth_config.get("vault_secret_id_wrapped"):
            self.auth_config["vault_secret_id_wrapped"] = False  # an old secret id, of a role that is no more
        roles = "certs" if self.auth_mount == "cert" else "role"
        self.client.adapter.delete(f"/v1/auth/{self.auth_mount}/{roles}/{self.role}")


class AwsStage(Stage):
    """Both services, by any credential. What AWS answers when it does not answer comes from a server of error codes."""

    client: Any = None
    moto: MotoServer | None = None
    faults: AwsFaults | None = None

    def path(self, name: str) -> str:
        return f"/lockgate/{name}"

    def put(self, name: str, value: str) -> None:
        if self.manager_type == "aws_ssm":
            self.client.put_parameter(Name=self.path(name), Value=value, Type="SecureString", Overwrite=True)
            return
        try:
            self.client.create_secret(Name=self.path(name), SecretString=value)
        except self.client.exceptions.ResourceExistsException:
            self.client.put_secret_value(SecretId=self.path(name), SecretString=value)

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        ref = self.ref(name)
        if fault == "deleted-version":
            self.client.delete_secret(SecretId=self.path(name), RecoveryWindowInDays=7)
            return self.open(), ref
        assert self.faults is not None
        codes = {
            "denied": "AccessDeniedException",
            "throttled": "ThrottlingException",
            "sealed": "InternalServerError",
            "expired-token": "ExpiredTokenException",
            "clock-skew": "InvalidSignatureException",
        }
        self.faults.code = codes.get(fault, "")
        if fault == "slow":
            self.faults.delay_s = 30.0
            self.context = replace(self.context, read_timeout_s=0.3)
        self.faults.body = b'{"SecretString": "cu' if fault == "broken-json" else None
        # STS stays where it was: what fails is the reading, with credentials that are good
        self.auth_config.setdefault("aws_sts_endpoint_url", self.auth_config["aws_endpoint_url"])
        if self.auth_config["aws_auth_type"] == "accessKey":
            del self.auth_config["aws_sts_endpoint_url"]
        self.auth_config["aws_endpoint_url"] = self.faults.tls_url if fault == "wrong-tls" else self.faults.url
        return self.open(), ref


SUBJECT = "system:serviceaccount:llm:gateway"
STAGES = (
    "env", "file", "local", "keychain",
    "vault-kv2-token", "vault-kv1-token", "vault-kv2-approle", "vault-kv2-wrapped",
    "vault-kv2-kubernetes", "vault-kv2-jwt", "vault-kv2-cert",
    "awssm-access-key", "awssm-assumed-role", "awssm-web-identity", "awsssm-access-key", "awsssm-assumed-role",
)  # fmt: skip

FAULTS = {
    "denied": "denied",
    "throttled": "throttled",
    "sealed": "unavailable",
    "slow": "unavailable",
    "wrong-tls": "unavailable",
    "broken-json": "unavailable",
    "deleted-version": "version_gone",
    "expired-token": "unauthenticated",
    "clock-skew": "unauthenticated",
}
"""What happens to vaults, and the reason by which it is told (`secrets.md` 4.1)."""


def faults_of(name: str) -> tuple[str, ...]:
    """The faults that can happen to a stage: what it has no version, token, network or clock for cannot."""
    match name.split("-"):
        case ["file"]:
            return ("denied",)
        case ["keychain"]:
            return ("denied", "sealed")
        case ["env"] | ["local"]:
            return ()
        case ["vault", kv, auth]:
            without = {"deleted-version"} if kv == "kv1" else set[str]()
            return tuple(fault for fault in FAULTS if fault not in without and (fault != "clock-skew" or auth in ("jwt", "kubernetes")))
        case ["awsssm", *_]:
            return tuple(fault for fault in FAULTS if fault != "deleted-version")  # a deleted parameter leaves nothing behind
        case _:
            return tuple(FAULTS)


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
                authority = Authority(tmp_path / "ca")
                served = authority.sign("server", server=True)
                files = (str(served.cert), str(served.key))
                server = stack.enter_context(VaultServer(tls=files, client_ca=str(authority.file)))
                stage = _vault_stage(server.url, server.root, kv.removeprefix("kv"), auth, clock, tmp_path, authority)
                stage.server = server
                yield stage
            case [service, *ways]:
                assert moto is not None
                yield _aws_stage(service, "-".join(ways), clock, tmp_path, moto, stack.enter_context(AwsFaults(tmp_path)))
            case _:
                raise ValueError(name)


def _aws_stage(service: str, way: str, clock: Clock, tmp_path: Path, moto: MotoServer, faults: AwsFaults) -> AwsStage:
    config: dict[str, Any] = {"aws_region": REGION, "aws_endpoint_url": moto.url}
    if way != "web-identity":
        config |= {"aws_access_key_id": hidden("testing"), "aws_secret_access_key": hidden("testing")}
    if way != "access-key":
        config["aws_role_arn"] = f"arn:aws:iam::{ACCOUNT}:role/reader"
    if way == "web-identity":
        (tmp_path / "identity").write_text("a-token-that-moto-believes")
        config["aws_web_identity_token_file"] = str(tmp_path / "identity")
    config["aws_auth_type"] = {"access-key": "accessKey", "assumed-role": "assumedRole", "web-identity": "webIdentity"}[way]
    manager_type, name = {"awssm": ("aws_sm", "secretsmanager"), "awsssm": ("aws_ssm", "ssm")}[service]
    context = VaultContext(clock, file_roots=(tmp_path,), connect_timeout_s=10.0, read_timeout_s=10.0)
    stage = AwsStage(manager_type, context, config, versions=True)
    stage.client, stage.moto, stage.faults = moto.client(name), moto, faults
    return stage


@contextmanager
def real_vault_staged(address: str, token: str, kv: str, auth: str, tmp_path: Path) -> Iterator[Stage]:
    """The same stage on a real Vault or OpenBao, in a mount of its own that is taken away again."""
    stage = _vault_stage(address, token, kv, auth, Clock(), tmp_path, None)
    try:
        yield stage
    finally:
        stage.client.sys.disable_secrets_engine(stage.mount)


def _vault_stage(address: str, token: str, kv: str, auth: str, clock: Clock, tmp_path: Path, authority: Authority | None) -> VaultStage:
    import hvac

    trusted = {} if authority is None else {"vault_ca_cert": str(authority.file)}
    client = hvac.Client(url=address, token=token, timeout=10, verify=trusted.get("vault_ca_cert", True))
    stage = VaultStage(
        "hashicorp_vault",
        VaultContext(clock, file_roots=(tmp_path,), connect_timeout_s=10.0, read_timeout_s=10.0),
        {"vault_addr": address, "vault_auth_type": "approle" if auth == "wrapped" else auth, **trusted},
        versions=kv == "2",
    )
    stage.mount, stage.kv_version, stage.client = f"lockgate-{secrets.token_hex(4)}", kv, client
    stage.role = f"role-{secrets.token_hex(4)}"
    client.sys.enable_secrets_engine("kv", path=stage.mount, options={"version": kv})
    place = f"{stage.mount}/data/*" if kv == "2" else f"{stage.mount}/*"
    client.sys.create_or_update_policy(stage.role, f'path "{place}" {{ capabilities = ["read"] }}')
    if auth == "token":
        stage.auth_config["vault_token"] = hidden(client.auth.token.create(policies=[stage.role], ttl="600s")["auth"]["client_token"])
        return stage
    stage.auth_mount = "approle" if auth == "wrapped" else auth
    if f"{stage.auth_mount}/" not in _auth_methods(client):
        client.sys.enable_auth_method(stage.auth_mount)
    match auth:
        case "approle" | "wrapped":
            client.auth.approle.create_or_update_approle(stage.role, token_policies=[stage.role], token_ttl="600")
            stage.auth_config["vault_role_id"] = client.auth.approle.read_role_id(stage.role)["data"]["role_id"]
            stage.auth_config["vault_secret_id"] = hidden(client.auth.approle.generate_secret_id(stage.role)["data"]["secret_id"])
            if auth == "wrapped":
                stage.auth_config["vault_secret_id_wrapped"] = True
        case "jwt" | "kubernetes":
            _by_identity(stage, tmp_path)
        case "cert":
            assert authority is not None
            pair = authority.sign("gateway")
            stage.auth_config |= {"vault_client_cert": str(pair.cert), "vault_client_key": str(pair.key)}
            client.auth.cert.create_ca_certificate_role(stage.role, authority.file.read_text(), token_policies=[stage.role])
    return stage


def _by_identity(stage: VaultStage, tmp_path: Path) -> None:
    """A role for the subject of signed tokens. Kubernetes' own method asks its cluster, which only our server does without."""
    stage.issuer, stage.token_file = Issuer(), tmp_path / "token"
    stage.token_file.write_text(stage.issuer.token(SUBJECT))
    stage.auth_config |= {"vault_role": stage.role, "vault_jwt_file": str(stage.token_file)}
    if stage.auth_mount == "jwt":
        stage.auth_config["vault_auth_mount"] = stage.auth_mount
    body = {"role_type": "jwt", "user_claim": "sub", "bound_subject": SUBJECT, "bound_audiences": ["vault"], "token_policies": [stage.role]}
    stage.client.adapter.post(f"/v1/auth/{stage.auth_mount}/config", json={"jwt_validation_pubkeys": [stage.issuer.public_pem]})
    stage.client.adapter.post(f"/v1/auth/{stage.auth_mount}/role/{stage.role}", json=body)


def _auth_methods(client: Any) -> dict[str, Any]:
    answer = client.sys.list_auth_methods()
    return answer if isinstance(answer, dict) else {}
