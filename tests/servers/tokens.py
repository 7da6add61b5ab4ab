"""Signed tokens as an identity provider makes them: JWTs (RFC 7519) with ES256 (RFC 7518), checked and made with `cryptography`."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

_HALF = 32


class Issuer:
    """Signs tokens; `public_pem` is what those who check them are told."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_pem = (
            self._key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        )

    def token(self, subject: str, audience: str = "vault", *, starts_in_s: int = 0, lasts_s: int = 600) -> str:
        """A token for a subject, good from `starts_in_s` seconds from now (or ago)."""
        start = int(time.time()) + starts_in_s
        claims = {"sub": subject, "aud": audience, "iss": "https://issuer.example", "iat": start, "nbf": start, "exp": start + lasts_s}
        signed = f"{_text({'alg': 'ES256', 'typ': 'JWT'})}.{_text(claims)}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def claims_of(token: str, public_pem: str, *, leeway_s: int = 60) -> dict[str, Any] | None:
    """The claims of a token that is signed by that key and good now; None for any other."""
    try:
        header, claims, signature = token.split(".")
        raw = _decoded(signature)
        key = serialization.load_pem_public_key(public_pem.encode())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        der = encode_dss_signature(int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
        key.verify(der, f"{header}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
        told: dict[str, Any] = json.loads(_decoded(claims))
    except (ValueError, InvalidSignature):
        return None
    now = time.time()
    return told if told["nbf"] - leeway_s <= now <= told["exp"] + leeway_s else None


def _text(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
