"""A Vault-shaped server on loopback: KV version 1 and 2, tokens, AppRole, namespaces, policies, and switches for what goes wrong.

It answers what HashiCorp Vault's API documentation describes (statuses, `errors`, `warnings`, metadata), as far as reading and
preparing secrets needs it, so that hvac cannot tell it from a real one. State is set by hvac or by the methods below.
"""

from __future__ import annotations

import json
import re
import secrets
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Version:
    data: dict[str, Any]
    created: str
    deleted: str = ""
    destroyed: bool = False


@dataclass
class Mount:
    version: str
    secrets: dict[str, list[Version]] = field(default_factory=dict)


@dataclass
class Token:
    namespace: str
    policies: tuple[str, ...]
    ttl: int = 0
    renewable: bool = False
    expires: float = float("inf")


@dataclass
class Role:
    policies: tuple[str, ...]
    role_id: str
    token_ttl: int
    secret_ids: dict[str, int] = field(default_factory=dict)  # uses left, 0: unlimited


@dataclass
class Namespace:
    mounts: dict[str, Mount] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    policies: dict[str, list[str]] = field(default_factory=dict)


class RefusedError(Exception):
    def __init__(self, status: int, errors: tuple[str, ...] = (), data: Any = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = {"errors": list(errors)} if data is None else {"errors": list(errors), "data": data}


class VaultServer:
    """Use as a context manager; `url` and `root` (a token that may do everything) are there from the start."""

    def __init__(self, tls: tuple[str, str] | None = None) -> None:
        self.root = "hvs." + secrets.token_hex(12)
        self.namespaces: dict[str, Namespace] = {"": Namespace({"secret": Mount("2"), "kv1": Mount("1")})}
        self.tokens: dict[str, Token] = {self.root: Token("", ("root",))}
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.sealed = self.standby = self.throttled = self.broken = self.hides_mounts = False
        self.status = 0  # any status to answer every request with
        self.latency_s = 0.0
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.vault = self
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def healthy(self) -> None:
        """Put every switch back."""
        self.sealed = self.standby = self.throttled = self.broken = self.hides_mounts = False
        self.status, self.latency_s = 0, 0.0

    def put(self, path: str, data: dict[str, Any], namespace: str = "") -> int:
        """Write a secret (`mount/path`); the number of its version."""
        with self.lock:
            mount, inside = self.mount_of(self.namespaces[namespace], path)
            versions = mount.secrets.setdefault(inside, [])
            if mount.version == "1":
                versions.clear()
            versions.append(Version(dict(data), _now()))
            return len(versions)

    def delete(self, path: str, version: int) -> None:
        mount, inside = self.mount_of(self.namespaces[""], path)
        mount.secrets[inside][version - 1].deleted = _now()

    def destroy(self, path: str, version: int) -> None:
        mount, inside = self.mount_of(self.namespaces[""], path)
        mount.secrets[inside][version - 1].destroyed = True

    def token(self, *policies: str, ttl: int = 0, renewable: bool = False, namespace: str = "") -> str:
        """Make a token; `ttl` in seconds, 0 for ever."""
        value = "hvs." + secrets.token_hex(12)
        self.tokens[value] = Token(namespace, policies, ttl, renewable, time.monotonic() + ttl if ttl else float("inf"))
        return value

    def allow(self, policy: str, *paths: str, namespace: str = "") -> None:
        """Let a policy reach API paths (`secret/data/team/*`)."""
        self.namespaces[namespace].policies[policy] = list(paths)

    def approle(self, name: str, *policies: str, token_ttl: int = 3600, uses: int = 0, namespace: str = "") -> tuple[str, str]:
        """Make an AppRole; its role id and a secret id good for `uses` logins (0: any number)."""
        role = Role(policies, secrets.token_hex(8), token_ttl)
        self.namespaces[namespace].roles[name] = role
        secret_id = secrets.token_hex(16)
        role.secret_ids[secret_id] = uses
        return role.role_id, secret_id

    def count(self, part: str) -> int:
        """How many requests had this text in `METHOD path`."""
        return sum(number for what, number in self.requests.items() if part in what)

    def mount_of(self, namespace: Namespace, path: str) -> tuple[Mount, str]:
        for name in sorted(namespace.mounts, key=len, reverse=True):
            if path == name or path.startswith(name + "/"):
                return namespace.mounts[name], path.removeprefix(name).strip("/")
        raise RefusedError(404)

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: dict[str, Any]) -> tuple[int, Any]:
        """One request, after the switches: status and body."""
        name = headers.get("X-Vault-Namespace", "").strip("/")
        namespace = self.namespaces.get(name)
        if namespace is None:
            raise RefusedError(403, ("permission denied",))
        if path == "sys/health":
            return (429 if self.standby else 200), {"initialized": True, "sealed": False, "standby": self.standby, "version": "1.20.0"}
        if method in ("POST", "PUT") and re.fullmatch(r"auth/[^/]+/login", path):
            return 200, {"auth": self._login(name, namespace, body)}
        token = self._token(headers, name)
        if path == "auth/token/lookup-self":
            left = 0 if token.expires == float("inf") else max(0, int(token.expires - time.monotonic()))
            return 200, {"data": {"ttl": left, "renewable": token.renewable, "policies": list(token.policies), "num_uses": 0}}
        if path == "auth/token/renew-self":
            return 200, {"auth": self._renew(headers["X-Vault-Token"], token)}
        if path.startswith("sys/internal/ui/mounts/"):
            return 200, {"data": self._told_mount(namespace, path.removeprefix("sys/internal/ui/mounts/"), token)}
        self._authorize(namespace, token, path)
        if path.startswith(("sys/", "auth/")):
            return self._administer(method, path, name, namespace, body)
        return self._secret(method, path, namespace, query, body)

    def _token(self, headers: Any, namespace: str) -> Token:
        token = self.tokens.get(headers.get("X-Vault-Token", ""))
        if token is None or token.expires <= time.monotonic() or not namespace.startswith(token.namespace):
            raise RefusedError(403, ("permission denied", "invalid token"))
        return token

    def _authorize(self, namespace: Namespace, token: Token, path: str) -> None:
        if "root" in token.policies:
            return
        allowed = [pattern for policy in token.policies for pattern in namespace.policies.get(policy, ())]
        if not any(fnmatchcase(path, pattern) for pattern in allowed):
            raise RefusedError(403, ("1 error occurred:\n\t* permission denied\n\n",))

    def _told_mount(self, namespace: Namespace, path: str, token: Token) -> dict[str, Any]:
        if self.hides_mounts:
            raise RefusedError(403, ("preflight capability check returned 403, please ensure client's policies grant access to path",))
        mount, _ = self.mount_of(namespace, path)
        name = next(name for name, known in namespace.mounts.items() if known is mount)
        reachable = [pattern for policy in token.policies for pattern in namespace.policies.get(policy, ())]
        if "root" not in token.policies and not any(pattern.startswith(name + "/") for pattern in reachable):
            raise RefusedError(403, ("preflight capability check returned 403",))
        return {"path": name + "/", "type": "kv", "options": {"version": mount.version} if mount.version == "2" else None}

    def _login(self, name: str, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
        for role in namespace.roles.values():
            left = role.secret_ids.get(body.get("secret_id", ""))
            if role.role_id == body.get("role_id") and left is not None:
                if left == 1:
                    del role.secret_ids[body["secret_id"]]
                elif left:
                    role.secret_ids[body["secret_id"]] = left - 1
                value = self.token(*role.policies, ttl=role.token_ttl, renewable=True, namespace=name)
                return {"client_token": value, "lease_duration": role.token_ttl, "renewable": True, "policies": list(role.policies)}
        raise RefusedError(400, ("invalid role or secret ID",))

    def _renew(self, value: str, token: Token) -> dict[str, Any]:
        if not token.renewable:
            raise RefusedError(400, ("lease is not renewable",))
        token.expires = time.monotonic() + token.ttl
        return {"client_token": value, "lease_duration": token.ttl, "renewable": True}

    def _administer(self, method: str, path: str, name: str, namespace: Namespace, body: dict[str, Any]) -> tuple[int, Any]:
        match path.split("/"):
            case ["sys", "mounts", *rest] if method == "POST":
                namespace.mounts["/".join(rest)] = Mount((body.get("options") or {}).get("version", "1"))
                return 204, None
            case ["sys", "mounts", *rest] if method == "DELETE":
                namespace.mounts.pop("/".join(rest), None)
                return 204, None
            case ["sys", "namespaces", child] if method in ("POST", "PUT"):
                self.namespaces[f"{name}/{child}".strip("/")] = Namespace({"secret": Mount("2")})
                return 200, {"data": {"path": child + "/"}}
            case ["sys", "policies", "acl", policy] | ["sys", "policy", policy] if method in ("POST", "PUT"):
                namespace.policies[policy] = re.findall(r'path\s+"([^"]+)"', body["policy"])
                return 204, None
            case ["sys", "auth", *_]:
                return 204, None
            case ["auth", "approle", "role", role] if method == "POST":
                policies = body.get("token_policies") or []
                listed = policies.split(",") if isinstance(policies, str) else policies
                namespace.roles[role] = Role(tuple(listed), secrets.token_hex(8), int(str(body.get("token_ttl", "3600")).rstrip("s")))
                return 204, None
            case ["auth", "approle", "role", role, "role-id"]:
                return 200, {"data": {"role_id": namespace.roles[role].role_id}}
            case ["auth", "approle", "role", role, "secret-id"]:
                secret_id = secrets.token_hex(16)
                namespace.roles[role].secret_ids[secret_id] = int(body.get("num_uses", 0) or 0)
                return 200, {"data": {"secret_id": secret_id, "secret_id_accessor": secrets.token_hex(8)}}
        raise RefusedError(404)

    def _secret(self, method: str, path: str, namespace: Namespace, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        mount, inside = self.mount_of(namespace, path)
        name = next(name for name, known in namespace.mounts.items() if known is mount)
        if mount.version == "1":
            if method in ("POST", "PUT"):
                mount.secrets[inside] = [Version(body, _now())]
                return 204, None
            if inside not in mount.secrets:
                raise RefusedError(404)
            return 200, {"data": mount.secrets[inside][-1].data, "lease_duration": 2764800, "lease_id": ""}
        verb, _, inside = inside.partition("/")
        versions = mount.secrets.get(inside, [])
        if verb == "data" and method in ("POST", "PUT"):
            number = self.put(f"{name}/{inside}", body["data"], next(key for key, known in self.namespaces.items() if known is namespace))
            return 200, {"data": {"version": number, "created_time": _now(), "deletion_time": "", "destroyed": False}}
        if verb in ("delete", "destroy") and method in ("POST", "PUT"):
            for number in body["versions"]:
                versions[number - 1].deleted = _now() if verb == "delete" else versions[number - 1].deleted
                versions[number - 1].destroyed = versions[number - 1].destroyed or verb == "destroy"
            return 204, None
        if verb == "metadata" and method == "DELETE":
            mount.secrets.pop(inside, None)
            return 204, None
        if verb != "data":
            raise RefusedError(404, (), None)
        number = int(query.get("version", 0) or 0) or len(versions)
        if not 0 < number <= len(versions):
            raise RefusedError(404)
        version = versions[number - 1]
        metadata = {"version": number, "created_time": version.created, "deletion_time": version.deleted, "destroyed": version.destroyed}
        if version.deleted or version.destroyed:
            raise RefusedError(404, (), {"data": None, "metadata": metadata})
        return 200, {"data": {"data": version.data, "metadata": {**metadata, "custom_metadata": None}}, "lease_id": ""}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    vault: VaultServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        vault = self.server.vault
        split = urlsplit(self.path)
        path = unquote(split.path).removeprefix("/v1/").strip("/")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with vault.lock:
            vault.requests[f"{self.command} {path}"] += 1
        if vault.latency_s:
            vault.closing.wait(vault.latency_s)
        if vault.broken:
            return self._send(200, b'{"data": {"data": {"api_')
        if vault.standby and path != "sys/health":
            return self._send(307, b"", {"Location": "http://127.0.0.1:9/v1/" + path})
        status = 503 if vault.sealed else 429 if vault.throttled else vault.status
        if status:
            return self._send(status, json.dumps({"errors": ["Vault is sealed" if vault.sealed else "as the test wants it"]}).encode())
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        try:
            with vault.lock:
                status, body = vault.answer(self.command, path, query, self.headers, json.loads(raw or b"{}"))
        except RefusedError as refused:
            status, body = refused.status, refused.body
        return self._send(status, b"" if body is None else json.dumps({"request_id": "r", "warnings": None, **body}).encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
