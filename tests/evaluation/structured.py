"""Secrets that are documents or have a structure: private keys, JSON web tokens, service accounts, signed addresses, files of tools."""

# ruff: noqa: E501
# Forms are read whole.
from __future__ import annotations

import base64
import json
from random import Random

from tests.evaluation.draws import ALPHABETS, Secret, draw, uuid

_PEM = (
    "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY", "DSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK",
)  # fmt: skip


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def pem(rng: Random) -> Secret:
    """A private key in its armor, of four to thirty lines."""
    lines = [base64.b64encode(rng.randbytes(48)).decode() for _ in range(rng.randint(3, 30))]
    lines.append(base64.b64encode(rng.randbytes(rng.randint(12, 47))).decode())
    label = rng.choice(_PEM)
    head = "Version: GnuPG v2\n\n" if label.startswith("PGP") and rng.random() < 0.5 else ""
    return Secret(f"-----BEGIN {label}-----\n{head}" + "\n".join(lines) + f"\n-----END {label}-----", tuple(lines))


def jwt(rng: Random) -> Secret:
    """A signed token (RFC 7519); what must vanish is the signature and the claims."""
    head = _segment(json.dumps({"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}).encode())
    claims = _segment(
        json.dumps({"sub": draw(rng, ALPHABETS["w"], 12), "iat": 1_700_000_000 + rng.randint(0, 10**7), "jti": uuid(rng)}).encode()
    )
    mac = _segment(rng.randbytes(rng.choice((32, 64, 256))))
    return Secret(f"{head}.{claims}.{mac}", (claims, mac))


def basic(rng: Random) -> Secret:
    """`user:password` in base64 (RFC 7617)."""
    body = base64.b64encode(f"svc-{draw(rng, ALPHABETS['l'], 5)}:{draw(rng, ALPHABETS['w'], rng.randint(8, 24))}".encode()).decode()
    return Secret(body, (body,))


STRUCTURED_FRAMES = {
    "pem": (
        "{s}",
        "here is the key:\n\n{s}\n\nplease delete it afterwards",
        "cat > id_rsa <<EOF\n{s}\nEOF",
        "data: |\n{s}\n",
        "```\n{s}\n```",
    ),
    "jwt": (
        "Authorization: Bearer {s}",
        "token={s}",
        '{"id_token": "{s}", "expires_in": 3600}',
        "why is {s} rejected?",
        "Cookie: jwt={s}; a=b",
        "https://example.net/cb#id_token={s}&state=1",
        'curl -H "Authorization: JWT {s}" localhost',
    ),
    "basic": (
        "Authorization: Basic {s}",
        "curl -H 'authorization: basic {s}' https://example.net",
        '{"headers": {"Authorization": "Basic {s}"}}',
        '{"auths": {"registry.example.net": {"auth": "{s}"}}}',
    ),
}


def escaped_pem(rng: Random) -> tuple[str, str, tuple[str, ...]]:
    """A service account document whose key has escaped line ends: (text, key as spelled, pieces)."""
    key = pem(rng)
    document = {
        "type": "service_account",
        "project_id": f"shop-{rng.randint(100, 999)}",
        "private_key_id": draw(rng, ALPHABETS["h"], 40),
        "private_key": key.value + "\n",
        "token_uri": "https://oauth2.example.net/token",
    }
    return json.dumps(document), json.dumps(key.value)[1:-1], key.pieces


def documents(rng: Random) -> tuple[str, str, tuple[str, ...]]:
    """One of the files and addresses in which tools keep secrets: (text, secret as spelled, pieces)."""
    kind = rng.randrange(13)
    word = draw(rng, ALPHABETS["w"], rng.randint(12, 24))
    b64 = base64.b64encode(rng.randbytes(rng.choice((24, 32, 48)))).decode()
    key64 = base64.b64encode(rng.randbytes(64)).decode()
    hexa = draw(rng, ALPHABETS["h"], 32)
    if kind == 0:
        return escaped_pem(rng)
    forms = (
        ("", word),
        (f"https://shop.blob.example.net/c/x.zip?sv=2022-11-02&se=2024-12-01T00%3A00Z&sr=b&sp=r&sig={b64[:43]}%3D", b64[:43]),
        (f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={key64};EndpointSuffix=core.windows.net", key64),
        (f"Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey={b64}", b64),
        (f"https://s3.amazonaws.com/b/k?X-Amz-Expires=300&X-Amz-Signature={hexa * 2}", hexa * 2),
        (f"https://{hexa}@o12345.ingest.sentry.io/4501", hexa),
        (f"users:\n- name: admin\n  user:\n    client-certificate-data: LS0tLS1CRUdJTg==\n    client-key-data: {key64}\n", key64),
        (f"db.example.net:5432:shop:app:{word}", word),
        (f"[remote]\ntype = s3\naccess_key_id = AKX\nsecret_access_key = {b64}\n", b64),
        (f'{{"username": "_json_key", "password": "{word}", "registry": "eu.gcr.io"}}', word),
        (f"wallet private key: 0x{hexa * 2}", hexa * 2),
        (f"otpauth://totp/Shop:bob?secret={draw(rng, ALPHABETS['T'], 32)}&issuer=Shop", ""),
        (f"PHPSESSID={hexa}; path=/", hexa),
    )
    text, value = forms[kind]
    if not value:
        value = text.split("secret=")[1].split("&")[0]
    return text, value, (value,)
