"""An identity provider for tests: keys made for the occasion, their JWKS, and tokens signed by them, good and bad."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://idp.example"
AUDIENCE = "lockgate"


def b64(raw: bytes) -> str:
    """Base64 as JWTs have it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: Any) -> str:
    """The part of a token that is signed."""
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"


@dataclass
class IdentityProvider:
    """Private keys by id, each with its algorithm."""

    now_s: int
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.keys = {
            "rsa-1": ("RS256", rsa.generate_private_key(65537, 2048)),
            "ec-1": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ed-1": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        }

    def claims(self, **more: Any) -> dict[str, Any]:
        """Claims that are good for five minutes; None takes one away."""
        made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "iat": self.now_s, "exp": self.now_s + 300, **more}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, kid: str = "rsa-1", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token signed by one of the keys."""
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**claims), key, algorithm, headers={"kid": kid, **(header or {})})

    def public(self, kid: str) -> dict[str, Any]:
        """A key as its JWKS has it."""
        algorithm, key = self.keys[kid]
        codec = jwt.get_algorithm_by_name(algorithm)
        return {**json.loads(codec.to_jwk(key.public_key())), "kid": kid, "use": "sig", "alg": algorithm}

    def jwks(self, *kids: str) -> bytes:
        """The JWKS of some keys, or of all."""
        return json.dumps({"keys": [self.public(kid) for kid in kids or self.keys]}).encode()

    def pem(self, kid: str = "rsa-1") -> bytes:
        """A public key as PEM: what attackers use as an HMAC secret."""
        found: bytes = (
            self.keys[kid][1].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return found

    def forged(self, header: dict[str, Any], secret: bytes | None, **claims: Any) -> str:
        """A token with a header of the attacker's choice, signed by HMAC-SHA256 with a secret, or not at all."""
        text = unsigned(header, self.claims(**claims))
        return f"{text}." + ("" if secret is None else b64(hmac.digest(secret, text.encode(), hashlib.sha256)))
