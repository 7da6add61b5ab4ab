"""Google Cloud on loopback: Secret Manager's REST, the token exchange (STS) and the metadata server's token, on one address.

Shapes: Secret Manager v1 (`:access`, `payload{data, dataCrc32c}`), errors as google.rpc.Status (`error{code, message, status}`),
AIP-4111 self-signed tokens, RFC 8693 as in sts.googleapis.com/v1/token, `computeMetadata/v1`. Bearer tokens of a service account are
verified with its public key.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.loopback import Answer, Call, Loopback

PROJECT = "lockgate-test"
_ACCESS = re.compile(r"/v1/projects/([^/]+)(?:/locations/([^/]+))?/secrets/([^/]+)/versions/([^/:]+):access")


@dataclass
class Version:
    data: bytes
    state: str = "ENABLED"


class GcpServer(Loopback):
    """Use as a context manager; `service_account()` is the JSON of an account that may read."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        self.secrets: dict[str, list[Version]] = {}
        self.aliases: dict[str, int] = {}
        self.tokens: set[str] = set()
        self.subjects: set[str] = set()
        self.email = f"reader@{PROJECT}.iam.gserviceaccount.com"
        self.checksum_error = 0
        self.checksums = True
        self.expires_in = 3_600
        self._key = _generated()

    def service_account(self, **changes: Any) -> str:
        """The account's key file as Google makes it: JSON in several lines."""
        pem = self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        told = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": secrets.token_hex(20),
            "private_key": pem,
            "client_email": self.email,
            "client_id": "1" * 21,
            "token_uri": "https://127.0.0.1:9/token",
        }
        return json.dumps(told | changes, indent=2) + "\n"

    def external_account(self, subject_file: Path) -> str:
        """A credential configuration of workload identity federation, whose subject token stands in a file."""
        told = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/sts/v1/token",
            "credential_source": {"file": str(subject_file)},
        }
        return json.dumps(told)

    def put(self, name: str, value: str | bytes) -> str:
        """Add a version; its number."""
        with self.lock:
            versions = self.secrets.setdefault(name, [])
            versions.append(Version(value if isinstance(value, bytes) else value.encode()))
            return str(len(versions))

    def answer(self, call: Call) -> Answer:
        told = _ACCESS.fullmatch(call.path)
        if told is not None:
            return self._access(call, told[1], told[2], told[3], told[4])
        if call.path == "/sts/v1/token":
            return self._exchange(call.form)
        if call.path == "/":  # is this the metadata server?
            return Answer(b"", 200, {"Metadata-Flavor": "Google"})
        if call.path.startswith("/computeMetadata/v1/"):
            return self._metadata(call)
        return Answer({"error": {"code": 404, "message": "Not Found", "status": "NOT_FOUND"}}, 404)

    def _access(self, call: Call, project: str, location: str | None, name: str, asked: str) -> Answer:
        if not (call.bearer in self.tokens or self._signed(call.bearer)):
            return _refused(401, "UNAUTHENTICATED")
        versions = self.secrets.get(name, [])
        number = self.aliases.get(asked) or (len(versions) if asked == "latest" else int(asked) if asked.isdecimal() else 0)
        if project != PROJECT or not 0 < number <= len(versions):
            return _refused(404, "NOT_FOUND")
        found = versions[number - 1]
        if found.state != "ENABLED":
            return _refused(400, "FAILED_PRECONDITION")
        inside = f"/locations/{location}" if location else ""
        payload: dict[str, Any] = {"data": base64.b64encode(found.data).decode()}
        if self.checksums:
            payload["dataCrc32c"] = str(_crc32c(found.data) ^ self.checksum_error)
        return Answer({"name": f"projects/1{inside}/secrets/{name}/versions/{number}", "payload": payload})

    def _signed(self, token: str) -> bool:
        """Whether it is a token that the account signed itself (AIP-4111), still good, for everything."""
        parts = token.split(".")
        if len(parts) != 3:
            return False
        claims = json.loads(_decoded(parts[1]))
        self._key.public_key().verify(_decoded(parts[2]), f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256())
        scoped = "https://www.googleapis.com/auth/cloud-platform" in str(claims.get("scope"))
        return scoped and claims["iss"] == self.email and claims["exp"] > time.time()

    def _exchange(self, form: dict[str, str]) -> Answer:
        if form.get("subject_token") not in self.subjects:
            return Answer({"error": "invalid_grant", "error_description": "The token is refused."}, 400)
        return Answer(self._issued() | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})

    def _metadata(self, call: Call) -> Answer:
        flavor = {"Metadata-Flavor": "Google"}
        if call.headers.get("metadata-flavor") != "Google":
            return Answer(b"", 403, flavor)
        if call.path.endswith("/token"):
            return Answer(self._issued(), 200, flavor)
        account = {"email": self.email, "scopes": ["https://www.googleapis.com/auth/cloud-platform"], "aliases": ["default"]}
        return Answer(account, 200, flavor)

    def _issued(self) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(24)}"
        with self.lock:
            self.tokens.add(token)
        return {"access_token": token, "expires_in": self.expires_in, "token_type": "Bearer"}


@cache
def _generated() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _refused(status: int, canonical: str) -> Answer:
    return Answer({"error": {"code": status, "message": "As the test wants it.", "status": canonical}}, status)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _crc32c(data: bytes) -> int:
    """Bit by bit, unlike ours."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 & -(state & 1))
    return state ^ 0xFFFFFFFF
