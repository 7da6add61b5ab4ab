"""Texts without anything sensitive that scanners like to alter: digests, ids, placeholders, code, documentation, prose."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from random import Random
from uuid import UUID

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _hex(rng: Random, size: int) -> str:
    return rng.randbytes(size).hex()


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _ulid(rng: Random) -> str:
    return "01" + "".join(rng.choice(_CROCKFORD) for _ in range(24))


def _sri(rng: Random) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(rng.randbytes(8)).digest()).decode()


_GENERATED: Mapping[str, Callable[[Random], str]] = {
    "uuid": lambda r: f"request {_uuid(r)} of user {_uuid(r)} failed, correlation id: {_uuid(r)}",
    "uuid json": lambda r: json.dumps({"id": _uuid(r), "parent_id": _uuid(r), "primary_key": _uuid(r), "trace": _hex(r, 16), "span_id": _hex(r, 8)}),
    "git log": lambda r: f"commit {_hex(r, 20)}\nAuthor: the team\n\n    Rotate the secret scanner's token list (see {_hex(r, 4)[:7]})",
    "git diff": lambda r: f"diff --git a/auth/token.py b/auth/token.py\nindex {_hex(r, 4)[:7]}..{_hex(r, 4)[:7]} 100644\n@@ -12,7 +12,7 @@ def token():",
    "docker digest": lambda r: f"FROM python:3.11-slim@sha256:{_hex(r, 32)}\nimage: ghcr.io/acme/api:v2.14.3@sha256:{_hex(r, 32)}",
    "sri": lambda r: f'<script src="/app.js" integrity="{_sri(r)}" crossorigin="anonymous"></script>',
    "lock file": lambda r: json.dumps({"node_modules/left-pad": {"version": "1.3.0", "resolved": "https://registry.invalid/left-pad-1.3.0.tgz", "integrity": _sri(r)}}),
    "hash requirements": lambda r: f"requests==2.32.3 \\\n    --hash=sha256:{_hex(r, 32)} \\\n    --hash=sha256:{_hex(r, 32)}",
    "base64 image": lambda r: f'<img alt="logo" src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA{base64.b64encode(r.randbytes(240)).decode()}">',
    "ulid": lambda r: f"event {_ulid(r)} follows {_ulid(r)}",
    "etag": lambda r: f'HTTP/1.1 200 OK\nETag: "{_hex(r, 16)}"\nx-request-id: {_uuid(r)}\nCF-RAY: {_hex(r, 8)}-FRA\nContent-MD5: {base64.b64encode(r.randbytes(16)).decode()}',
    "s3 path": lambda r: f"s3://acme-artifacts/builds/{_hex(r, 20)}/bundle-{r.randint(1, 999)}.tar.gz",
    "document id": lambda r: f"https://docs.invalid/document/d/1{base64.urlsafe_b64encode(r.randbytes(32)).decode().rstrip('=')}/edit",
    "traceparent": lambda r: f"traceparent: 00-{_hex(r, 16)}-{_hex(r, 8)}-01",
    "checksum list": lambda r: "\n".join(f"{_hex(r, 32)}  dist/lockgate-{i}.whl" for i in range(3)),
    "public key": lambda r: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{base64.b64encode(r.randbytes(32)).decode().rstrip('=')} deploy",
    "certificate": lambda r: f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(r.randbytes(300)).decode()}\n-----END CERTIFICATE-----",
    "fingerprint": lambda r: "SHA256 Fingerprint=" + ":".join(f"{b:02X}" for b in r.randbytes(32)),
    "kubernetes pod": lambda r: f"pod/api-{_hex(r, 5)[:9]}-{''.join(r.choice('bcdfghjklmnpqrstvwxz2456789') for _ in range(5))} 1/1 Running 0 3d4h",
    "timestamps": lambda r: f"ts={1_700_000_000 + r.randint(0, 10**8)} ts_ms={1_700_000_000_000 + r.randint(0, 10**10)} ts_ns={1_700_000_000 * 10**9 + r.randint(0, 10**15)}",
    "measurements": lambda r: " ".join(f"{r.random() * 1000:.6f}" for _ in range(12)),
    "css": lambda r: f".a{{color:#{_hex(r, 3)};background:url(/img/{_hex(r, 8)}.svg)}}",
    "model usage": lambda r: json.dumps({"model": "gpt-4o-2024-08-06", "usage": {"prompt_tokens": r.randint(1, 4000), "completion_tokens": 120, "total_tokens": 4120}, "max_tokens": 4096, "system_fingerprint": f"fp_{_hex(r, 5)}", "id": f"chatcmpl-{_ulid(r)}"}),
}  # fmt: skip

_FIXED: Mapping[str, str] = {
    "placeholder openai": "export OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "placeholder dots": "OPENAI_API_KEY=sk-... ANTHROPIC_API_KEY=sk-ant-... GITHUB_TOKEN=ghp_...",
    "placeholder brackets": 'client = OpenAI(api_key="<YOUR_API_KEY>")\nheaders = {"Authorization": "Bearer <token>"}',
    "placeholder your": "api_key: your-api-key-here\npassword: your_password\ntoken = 'YOUR_TOKEN'\nsecret: REPLACE_ME",
    "placeholder aws": "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "placeholder masked": "password: ******** and token=**** and key: ••••••••",
    "template env": "DATABASE_URL=postgresql://${DB_USER}:${DB_PASSWORD}@${DB_HOST}:5432/app\nTOKEN=$CI_JOB_TOKEN\nKEY={{ vault_key }}",
    "template actions": "env:\n  TOKEN: ${{ secrets.GITHUB_TOKEN }}\n  PASSWORD: ${{ secrets.DB_PASSWORD }}",
    "references": 'secret_key_ref: {env: OPENAI_API_KEY}\napi_key: env:OPENAI_API_KEY\nkey: "file:/run/secrets/key"\npassword: store:db-password',
    "our own masks": "key [REDACTED:openai_key], password: [REDACTED:password], mail [REDACTED:email], postgres://app:[REDACTED:url_password]@db/app",
    "code getters": "password = os.environ['DB_PASSWORD']\ntoken = request.headers.get('Authorization')\napi_key = config.api_key\nsecret = get_secret('db')",
    "code types": "def login(user: str, password: str, token: str | None = None) -> Session:\n    api_key: Optional[SecretStr] = None",
    "code typescript": "interface Props { password: string; token?: string; apiKey: string | undefined; secret: Buffer }",
    "code compare": "if (password === confirmPassword && token !== null) { return hashPassword(password) }",
    "code calls": "const token = jwt.sign(payload, privateKey);\nconst password = await bcrypt.hash(req.body.password, 10);\nlet key = crypto.randomBytes(32).toString('hex');",
    "code go": 'password := r.FormValue("password")\ntoken, err := generateToken(userID)\nsecretKey := []byte(os.Getenv("SECRET_KEY"))',
    "code java": 'String password = userDetails.getPassword();\nprivate static final String TOKEN_HEADER = "X-Auth-Token";\nthis.secretKey = secretKey;',
    "code enum": "TokenType.BEARER = 'bearer'; KEY_PREFIX = 'user:session:'; CACHE_KEY = 'home-page-v2'; primary_key = 'customer_id'",
    "code sql": "SELECT password_hash, token_expires_at FROM users WHERE api_key_id = $1 AND secret_version = 3;",
    "form": '<input type="password" name="password" placeholder="Enter your password" autocomplete="current-password">',
    "i18n": '{"password": "Password", "forgotPassword": "Forgot your password?", "token": "Token", "confirmPassword": "Confirm password"}',
    "i18n german": '{"password": "Passwort", "passwordHint": "Mindestens 12 Zeichen", "login": "Anmelden"}',
    "schema": '{"type": "object", "properties": {"password": {"type": "string", "minLength": 12}, "token": {"type": "string", "format": "uuid"}}, "required": ["password", "token"]}',
    "policy prose": "The password must be at least 12 characters long. Passwords are hashed with argon2id. The token is valid for 3600 seconds and the key is rotated every 90 days.",
    "help prose": "If you forgot your password, click the link. Your API key is shown once. The secret is stored encrypted, and the access token is refreshed automatically.",
    "question": "How do I reset the root password of MySQL 8.0.36? The token endpoint returns 401 and the key is not found.",
    "tokens of language": "The model has a context of 128000 tokens; token: the smallest unit. Special tokens: <|endoftext|>, [CLS], [SEP]. max_tokens=1024, tokenizer=cl100k_base",
    "keys of music": "The song is in the key of C# minor; the key is F sharp. Key: value pairs. Press any key: Enter. The key to success is patience.",
    "keyboard": "Ctrl+Shift+P opens the palette; key: ctrl+k ctrl+s; keybinding = 'cmd+shift+4'",
    "versions": "python 3.11.7, node v20.11.1, chrome 120.0.6099.109, kernel 5.15.0-91-generic, build 2.0.1.4, release 2024.11.03-rc.1",
    "private addresses": "listen 127.0.0.1:4000, 10.12.0.7, 192.168.1.17, 172.16.4.4, 169.254.169.254, 0.0.0.0, ::1, fe80::1, 2001:db8::7, 192.0.2.33, 8.8.8.8",
    "namespaces": "std::vector<int> a::b::c; use serde::de::Deserialize; Foo::Bar::baz(); 12:34:56 and 10:20:30:40",
    "times": "meeting from 12:30:00 to 13:45:30 on 2024-11-03; 03/11/2024; duration 00:12:44.512",
    "isbn": "ISBN 978-3-16-148410-0, ISSN 2049-3630, DOI 10.1000/182, RFC 7519, CVE-2024-3094",
    "phone-like": "build 415-2024 of 2024-11-03 took 555 ms; range 100-200-300; chapter 3.4.1.2; error 0x80070005",
    "math": "3.14159265358979323846 and 2.718281828459045 and 1.618033988749894848; 1,234,567,890,123",
    "git remote": "origin  git@github.com:acme/app.git (fetch)\nssh://git@bitbucket.invalid/acme/app.git",
    "at signs": "@angular/core@17.1.0 @types/node@20.1.1 icon@2x.png user.name@2x.svg @Override @media (max-width: 600px)",
    "minified": '!function(e,t){"object"==typeof exports&&"undefined"!=typeof module?t(exports):e.key=t({})}(this,function(e){var n=e.token,r=n.secret;return e.password=r})',
    "emoji prose": "Das Passwort ist abgelaufen 😅 — bitte neu setzen. Le mot de passe est obligatoire. 密码是必填项。パスワードは8文字以上です。",
    "css classes": '<div class="sk-toggleable__content sk-container-id-1"><label class="sk-label">',
    "task ids": "task-runner-2024-11-03 disk-usage-monitor-worker risk-assessment-framework-v2",
    "long identifiers": "AbstractSingletonProxyFactoryBeanImplementationTest and useFetchAuthenticatedUserPermissionsQuery and XMLHttpRequestEventTarget",
    "urls": "https://example.com/a/very/long/path/with-many-segments?page=2&sort=created_at&order=desc#section-4 and https://en.wikipedia.org/wiki/Key_(cryptography)",
    "command docs": "lockgate keys create --name ci --budget 5 --token-file /run/token --password-stdin; ssh -i ~/.ssh/id_ed25519 host; tar -pxzf a.tgz; mkdir -p /srv/app",
    "docker": "docker run -p 8080:80 -e PASSWORD_FILE=/run/secrets/pw nginx:1.27; docker login -u bob --password-stdin",
    "yaml": "auth:\n  type: password\n  token_url: https://auth.invalid/token\n  secretName: db-credentials\n  passwordSecretRef: {name: db, key: password}",
    "terraform": 'resource "aws_secretsmanager_secret" "db" {\n  name = "prod/db/password"\n  kms_key_id = aws_kms_key.main.arn\n}\nvariable "db_password" { type = string }',
    "arn": "arn:aws:iam::123456789012:role/deploy arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "openapi": "components:\n  securitySchemes:\n    bearerAuth:\n      type: http\n      scheme: bearer\n      bearerFormat: JWT\n    apiKey:\n      in: header\n      name: X-API-Key",
    "markdown table": "| field | type | meaning |\n|---|---|---|\n| password | string | the user's password |\n| token | string | optional |\n| api_key | string | required |",
    "stack trace": 'File "/usr/lib/python3.11/site-packages/jwt/api_jwt.py", line 210, in decode\n    raise InvalidTokenError("Signature has expired")',
    "log auth": 'level=warn msg="login failed" user=alice reason="password incorrect" token=expired auth=basic secret=missing attempt=3',
    "chat": "can you explain the difference between a session token and an api key? basic auth vs bearer tokens. my password manager is great",
    "recipe": "Add 200 g flour, 3 eggs, 100 ml milk; bake 25-30 min at 180 C. Secret ingredient: nutmeg. Key: patience.",
}


def names() -> tuple[str, ...]:
    """The kinds of negatives."""
    return (*_GENERATED, *_FIXED)


def text(name: str, rng: Random) -> str:
    """One negative of a kind."""
    return _FIXED[name] if name in _FIXED else _GENERATED[name](rng)
