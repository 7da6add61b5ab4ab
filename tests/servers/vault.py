"""A Vault-shaped server on loopback: KV version 1 and 2, leasing engines, tokens, AppRole (also wrapped), Kubernetes, JWT, certificates,
namespaces, policies, and switches for what goes wrong.

It answers what HashiCorp Vault's API documentation describes (statuses, `errors`, `warnings`, metadata), as far as reading and
preparing secrets needs it, so that hvac cannot tell it from a real one. State is set by hvac or by the methods below.
"""

from __future__ import annotations

import json
import re
import secrets
import ssl
import threading
from collections import Counter
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.vault_auth import Credentials, log_in, made_secret_id
from tests.servers.vault_state import Engine, IdentityRole, Mount, Namespace, RefusedError, Role, Token, Version, written_now

DEFAULT_POLICY = ("sys/leases/renew", "sys/leases/lookup")
"""What Vault's own policy `default` lets every token do, besides looking after itself (revoking a lease is not among it)."""


class VaultServer:
    """Use as a context manager; `url` and `root` (a token that may do everything) are there from the start."""

    def __init__(self, tls: tuple[str, str] | None = None, client_ca: str | None = None) -> None:
        """`tls`: certificate and key to serve with; `client_ca`: whose certificates clients may show."""
        self.held = Credentials()
        self.root = self.held.issue("", ("root",))
        self.namespaces: dict[str, Namespace] = {"": Namespace({"secret": Mount("2"), "kv1": Mount("1")})}
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
            if client_ca is not None:
                context.load_verify_locations(client_ca)
                context.verify_mode = ssl.CERT_OPTIONAL
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
            versions.append(Version(dict(data), written_now()))
            return len(versions)

    def delete(self, path: str, version: int) -> None:
        mount, inside = self.mount_of(self.namespaces[""], path)
        mount.secrets[inside][version - 1].deleted = written_now()

    def destroy(self, path: str, version: int) -> None:
        mount, inside = self.mount_of(self.namespaces[""], path)
        mount.secrets[inside][version - 1].destroyed = True

    @property
    def tokens(self) -> dict[str, Token]:
        return self.held.tokens

    def token(self, *policies: str, ttl: int = 0, renewable: bool = False, max_ttl: int = 0, namespace: str = "") -> str:
        """Make a token; `ttl` in seconds, 0 for ever."""
        return self.held.issue(namespace, policies, ttl, renewable=renewable, max_ttl=max_ttl)

    def allow(self, policy: str, *paths: str, namespace: str = "") -> None:
        """Let a policy reach API paths (`secret/data/team/*`)."""
        self.namespaces[namespace].policies[policy] = list(paths)

    def approle(
        self, name: str, *policies: str, token_ttl: int = 3600, token_max_ttl: int = 0, uses: int = 0, namespace: str = ""
    ) -> tuple[str, str]:
        """Make an AppRole; its role id and a secret id good for `uses` logins (0: any number)."""
        role = Role(policies, secrets.token_hex(8), token_ttl, token_max_ttl=token_max_ttl)
        self.namespaces[namespace].roles[name] = role
        return role.role_id, made_secret_id(role, uses)

    def wrapped(self, name: str, uses: int = 1, mount: str = "approle") -> str:
        """A wrapping token around a new secret id of an AppRole."""
        body = {"data": {"secret_id": made_secret_id(self.namespaces[""].roles[name], uses)}}
        return str(self.held.wrap(f"auth/{mount}/role/{name}/secret-id", body)["wrap_info"]["token"])

    def identity(self, mount: str, name: str, who: str, *policies: str, public_pem: str = "", token_ttl: int = 3600) -> None:
        """Make a role of `jwt`, `kubernetes` or `cert` that lets a subject (or a common name) in."""
        namespace = self.namespaces[""]
        namespace.identities[mount, name] = IdentityRole(policies, who, token_ttl)
        namespace.keys[mount] = public_pem

    def engine(self, name: str, ttl: int = 600, max_ttl: int = 3600, *, renewable: bool = True) -> Engine:
        """Mount an engine that makes a credential for each read of `NAME/creds/ROLE`."""
        made = self.namespaces[""].engines[name] = Engine(ttl, max_ttl, renewable)
        return made

    def count(self, part: str) -> int:
        """How many requests had this text in `METHOD path`."""
        return sum(number for what, number in self.requests.items() if part in what)

    def mount_of(self, namespace: Namespace, path: str) -> tuple[Mount, str]:
        for name in sorted(namespace.mounts, key=len, reverse=True):
            if path == name or path.startswith(name + "/"):
                return namespace.mounts[name], path.removeprefix(name).strip("/")
        raise RefusedError(404)

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: dict[str, Any], common_name: str = ""
    ) -> tuple[int, Any]:
        """One request, after the switches: status and body. `common_name` is that of the certificate that was shown."""
        name = headers.get("X-Vault-Namespace", "").strip("/")
        namespace = self.namespaces.get(name)
        if namespace is None:
            raise RefusedError(403, ("permission denied",))
        if path == "sys/health":
            return (429 if self.standby else 200), {"initialized": True, "sealed": False, "standby": self.standby, "version": "1.20.0"}
        posted, value = method in ("POST", "PUT"), headers.get("X-Vault-Token", "")
        login = re.fullmatch(r"auth/([^/]+)/login", path)
        if posted and login:
            return 200, {"auth": log_in(self.held, login[1], name, namespace, body, common_name)}
        if posted and path == "sys/wrapping/lookup":
            return 200, self.held.look_up_wrap(body["token"])
        if posted and path == "sys/wrapping/unwrap":
            return 200, self.held.unwrap(value)
        token = self.held.token(value, name)
        if path == "auth/token/lookup-self":
            return 200, {"data": self.held.look_up(token)}
        if path == "auth/token/renew-self":
            return 200, {"auth": self.held.renew(value)}
        if path == "auth/token/revoke-self":
            self.held.revoke(value)
            return 204, None
        if path.startswith("sys/internal/ui/mounts/"):
            return 200, {"data": self._told_mount(namespace, path.removeprefix("sys/internal/ui/mounts/"), token)}
        self._authorize(namespace, token, path)
        if path.startswith(("sys/", "auth/")):
            status, answered = self._administer(method, path, name, namespace, body)
            return (200, self.held.wrap(path, answered)) if headers.get("X-Vault-Wrap-TTL") else (status, answered)
        engine = namespace.engines.get(path.partition("/")[0])
        if engine is not None and method == "GET":
            return 200, self.held.lease(path, engine, value)
        return self._secret(method, path, namespace, query, body)

    def _authorize(self, namespace: Namespace, token: Token, path: str) -> None:
        if "root" in token.policies:
            return
        allowed = [*DEFAULT_POLICY, *(pattern for policy in token.policies for pattern in namespace.policies.get(policy, ()))]
        if not any(fnmatchcase(path, pattern) for pattern in allowed):
            raise RefusedError(403, ("1 error occurred:\n\t* permission denied\n\n",))

    def _told_mount(self, namespace: Namespace, path: str, token: Token) -> dict[str, Any]:
        if self.hides_mounts:
            raise RefusedError(403, ("preflight capability check returned 403, please ensure client's policies grant access to path",))
        engine = path.partition("/")[0]
        if engine in namespace.engines:
            return {"path": engine + "/", "type": "openai", "options": None}
        mount, _ = self.mount_of(namespace, path)
        name = next(name for name, known in namespace.mounts.items() if known is mount)
        reachable = [pattern for policy in token.policies for pattern in namespace.policies.get(policy, ())]
        if "root" not in token.policies and not any(pattern.startswith(name + "/") for pattern in reachable):
            raise RefusedError(403, ("preflight capability check returned 403",))
        return {"path": name + "/", "type": "kv", "options": {"version": mount.version} if mount.version == "2" else None}

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
                secret_id = made_secret_id(namespace.roles[role], int(body.get("num_uses", 0) or 0))
                return 200, {"data": {"secret_id": secret_id, "secret_id_accessor": secrets.token_hex(8)}}
            case ["auth", "token", "create"]:
                ttl = int(str(body.get("ttl", "0")).rstrip("s"))
                value = self.held.issue(name, tuple(body["policies"]), ttl, renewable=True)
                return 200, {"auth": {"client_token": value, "lease_duration": ttl, "renewable": True}}
            case ["auth", "token", "revoke"]:
                self.held.revoke(body["token"])
                return 204, None
            case ["auth", "approle", "role", role] if method == "DELETE":
                del namespace.roles[role]
                return 204, None
            case ["auth", mount, "role" | "certs", role] if method == "DELETE":
                del namespace.identities[mount, role]
                return 204, None
            case ["auth", "cert", "certs", role] if method == "POST":
                namespace.identities["cert", role] = IdentityRole(tuple(body["token_policies"]), "gateway")
                return 204, None
            case ["auth", mount, "config"] if method == "POST":
                namespace.keys[mount] = body["jwt_validation_pubkeys"][0]
                return 204, None
            case ["auth", mount, "role", role] if method == "POST" and "bound_subject" in body:
                listed = body["token_policies"]
                namespace.identities[mount, role] = IdentityRole(tuple(listed), body["bound_subject"])
                return 204, None
            case ["sys", "leases", "renew"]:
                return 200, self.held.renew_lease(body["lease_id"], int(body.get("increment") or 0))
            case ["sys", "leases", "lookup"]:
                return 200, self.held.look_up_lease(body["lease_id"])
            case ["sys", "leases", "revoke"]:
                self.held.leases.pop(body["lease_id"], None)
                return 204, None
        raise RefusedError(404)

    def _secret(self, method: str, path: str, namespace: Namespace, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        mount, inside = self.mount_of(namespace, path)
        name = next(name for name, known in namespace.mounts.items() if known is mount)
        if mount.version == "1":
            if method in ("POST", "PUT"):
                mount.secrets[inside] = [Version(body, written_now())]
                return 204, None
            if inside not in mount.secrets:
                raise RefusedError(404)
            return 200, {"data": mount.secrets[inside][-1].data, "lease_duration": 2764800, "lease_id": ""}
        verb, _, inside = inside.partition("/")
        versions = mount.secrets.get(inside, [])
        if verb == "data" and method in ("POST", "PUT"):
            number = self.put(f"{name}/{inside}", body["data"], next(key for key, known in self.namespaces.items() if known is namespace))
            return 200, {"data": {"version": number, "created_time": written_now(), "deletion_time": "", "destroyed": False}}
        if verb in ("delete", "destroy") and method in ("POST", "PUT"):
            for number in body["versions"]:
                versions[number - 1].deleted = written_now() if verb == "delete" else versions[number - 1].deleted
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
    wbufsize = -1  # head and body in one segment: two would each wait for the other side (Nagle, delayed ACK), 40 ms a request
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
                status, body = vault.answer(self.command, path, query, self.headers, json.loads(raw or b"{}"), self._common_name())
        except RefusedError as refused:
            status, body = refused.status, refused.body
        return self._send(status, b"" if body is None else json.dumps({"request_id": "r", "warnings": None, **body}).encode())

    def _common_name(self) -> str:
        shown: Any = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        subject = dict(pair for part in (shown or {}).get("subject", ()) for pair in part)
        return str(subject.get("commonName", ""))

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
