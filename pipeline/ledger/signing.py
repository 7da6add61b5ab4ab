"""Ed25519 keys of checkpoints and bundles: made, read, used. The private key comes by secret reference and is never printed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CHECKPOINT: Final = b"lockgate:audit-checkpoint:v1\n"
MANIFEST: Final = b"lockgate:audit-manifest:v1\n"
"""What a signature is for stands before what is signed, so that one kind cannot be passed off as the other."""


class KeyUnusable(Exception):
    """The text is not an Ed25519 key. The message never quotes it."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs. `public_pem` and `key_id` may be shown."""

    key_id: str
    public_pem: str
    _sign: Callable[[bytes], bytes] = field(repr=False)

    def sign(self, domain: bytes, message: bytes) -> str:
        """The signature, base64."""
        return base64.b64encode(self._sign(domain + message)).decode()


def make_private_key() -> str:
    """A new private key: the base64 of its DER (PKCS #8) on one line, because a secret that a reference names has one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def signer_of(text: str) -> Signer:
    """Read a private key (PKCS #8): the base64 of its DER on one line, or PEM. Raises KeyUnusable."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = _private(text)
    public = private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Signer(key_id_of(public.public_bytes(Encoding.Raw, PublicFormat.Raw)), pem, private.sign)


def key_id_of(raw: bytes) -> str:
    """The id of a public key, from its 32 bytes."""
    return sha256(raw).hexdigest()[:16]


def public_key(pem: str) -> tuple[str, Callable[[bytes, bytes, str], bool]]:
    """Read a public key (SPKI, PEM): its id, and what checks `(domain, message, signature in base64)`. Raises KeyUnusable."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable("this is not an Ed25519 public key in PEM")

    def check(domain: bytes, message: bytes, signature: str) -> bool:
        try:
            key.verify(base64.b64decode(signature, validate=True), domain + message)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    return key_id_of(key.public_bytes(Encoding.Raw, PublicFormat.Raw)), check


def _private(text: str) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    key: Any = None
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.strip().encode(), None)
        else:
            key = load_der_private_key(base64.b64decode(text.strip(), validate=True), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable("this is not an Ed25519 private key (PKCS #8, base64 of DER on one line)")
    return key
