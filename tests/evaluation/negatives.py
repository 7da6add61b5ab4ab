"""Texts without anything sensitive, of the kinds in which scanners find something."""

# ruff: noqa: E501
# Samples are read whole.
from __future__ import annotations

import base64
import json
from collections.abc import Callable
from random import Random

from tests.evaluation.draws import ALPHABETS, draw, uuid

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NOUNS = (
    "order",
    "session",
    "cache",
    "render",
    "payment",
    "index",
    "worker",
    "customer",
    "layout",
    "schema",
    "token",
    "secret",
    "password",
    "key",
    "account",
    "report",
)
_VERBS = ("get", "set", "update", "validate", "refresh", "parse", "resolve", "rotate", "hash", "check")
_SENTENCES = (
    "The meeting moved to Thursday because half the team is travelling.",
    "Please rotate the API keys every ninety days and keep them in the vault.",
    "A password should be at least fourteen characters long; passphrases are easier to remember.",
    "The token endpoint answers 401 when the access token has expired, so the client refreshes it.",
    "Wir haben das Passwort zurückgesetzt, bitte melde dich neu an.",
    "Der Schlüssel liegt unter der Matte, sagte sie und lachte.",
    "Le mot de passe doit contenir une majuscule, un chiffre et un symbole.",
    "La clé du succès, c'est la patience.",
    "La contraseña es obligatoria y debe tener ocho caracteres.",
    "A senha expirou; clique em esqueci minha senha para criar outra.",
    "La password non può essere vuota.",
    "Het wachtwoord is verlopen, vraag een nieuwe aan.",
    "Hasło musi mieć co najmniej 12 znaków.",
    "Пароль должен содержать не менее восьми символов.",
    "密码长度至少为八个字符，请勿与他人共享。",
    "パスワードは8文字以上で入力してください。",
    "비밀번호는 8자 이상이어야 합니다.",
    "كلمة المرور مطلوبة ويجب أن تكون طويلة.",
    "He read the secret letters of the queen in the national archive.",
    "Her key argument was that basic income reduces bureaucracy.",
    "The bearer of this ticket may enter at gate seven.",
    "Tokens are the smallest units a language model reads; this prompt has 1,842 tokens.",
    "In C major the key signature has no sharps and no flats.",
    "You can authenticate with a personal access token or with an SSH key.",
    "The secret to a good sauce is to let it simmer for two hours.",
    "Press the key marked ESC to leave the full-screen mode.",
    "We store only a salted hash of each password, never the password itself.",
    "My password manager suggests a new password for each site.",
    "The username or password is incorrect. Try again or reset your password.",
    "What is the difference between a public key and a private key?",
    "Die Übergabe ist am 12.03.2024 um 14:30 Uhr im Raum 4.17.",
    "The credentials are injected by the platform at run time.",
)
_CODE = (
    "def {v}_{n}(user, password=None):\n    if password is None:\n        password = getpass('Password: ')\n    return client.login(user, password)\n",
    "const {n}Token = await auth.getToken({{ audience }});\nreq.headers.set('Authorization', `Bearer ${{{n}Token}}`);",
    'password := os.Getenv("DB_PASSWORD")\nif password == "" {{\n\treturn errors.New("DB_PASSWORD is not set")\n}}',
    "public void setPassword(String password) {{ this.password = passwordEncoder.encode(password); }}",
    "api_key = settings.{n}_api_key\nclient = Client(api_key=api_key, base_url=settings.base_url)",
    'let key = format!("{{}}:{{}}", {n}_id, version);\nlet token = Token::new(kind, span);',
    "SELECT id, password_hash, api_token_id FROM {n}s WHERE deleted_at IS NULL ORDER BY created_at;",
    "password: process.env.DB_PASSWORD,\ntoken: config.get('auth.token'),\nsecret: vault.read(`secret/data/{n}`)",
    "env:\n  - name: DB_PASSWORD\n    valueFrom:\n      secretKeyRef:\n        name: {n}-credentials\n        key: password",
    'class {n}Token(BaseModel):\n    token_type: str = "bearer"\n    access_token: SecretStr\n    expires_in: int = 3600',
    "if (token.type === TokenType.Identifier && token.value === 'key') {{ return this.{v}{n}(token); }}",
    '<input type="password" id="{n}-password" name="password" autocomplete="new-password" required>',
    'variable "{n}_password" {{\n  type      = string\n  sensitive = true\n}}',
    "auth:\n  method: oauth2\n  token_url: https://login.example.com/oauth2/token\n  scopes: [read, write]",
    "assert response.json()['error'] == 'invalid_token'\nassert 'password' not in response.text",
    'export PATH="$HOME/.local/bin:$PATH"\nexport EDITOR=vim\nexport API_TOKEN="$(pass show {n}/token)"',
    "try {{ $secret = Get-AzKeyVaultSecret -VaultName $vault -Name '{n}-key' }} catch {{ throw }}",
    "# openssl genrsa -out key.pem 4096 && chmod 600 key.pem && ssh-keygen -y -f ~/.ssh/id_ed25519",
    "kubectl get secret {n}-tls -o jsonpath='{{.data.tls\\.key}}' | base64 -d > tls.key",
    "self.assertEqual(key_{n}, 'user:{{id}}:profile'.format(id=7))",
    "auth = HTTPBasicAuth(username, password)\nsession.auth = auth\nheaders = {{'X-Auth-Token': token}}",
    "return {n}.password_digest.present? && BCrypt::Password.new(password_digest).is_password?(password)",
    "grant_type=password&username={{username}}&password={{password}}&client_id={{client_id}}",
    "protected $hidden = ['password', 'remember_token', 'api_token'];",
    'type Credentials struct {{\n\tPassword string `json:"password" db:"password_hash"`\n\tToken    string `json:"token,omitempty"`\n}}',
)
_PLACEHOLDERS = (
    "{v}=<your-{n}-key>",
    "{v}=your_api_key_here",
    "{v}=xxxxxxxxxxxxxxxxxxxxxxxx",
    'export {v}="..."',
    'api_key: "YOUR_API_KEY"',
    "password: ********",
    'token = "<REDACTED>"',
    "password=changeme",
    "curl -H 'Authorization: Bearer $TOKEN' https://api.example.com/v1/{n}s",
    "curl -u user:password https://example.com",
    "Authorization: Bearer {{{{access_token}}}}",
    "postgres://user:password@localhost:5432/mydb",
    "postgresql://${{DB_USER}}:${{DB_PASS}}@db/app",
    "sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "AKIAIOSFODNN7EXAMPLE",
    "OPENAI_API_KEY=sk-...",
    "SLACK_BOT_TOKEN=xoxb-your-token",
    "secret: ${{{{ secrets.{v} }}}}",
    "password = %(db_password)s",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "client_secret: [REDACTED]",
    "token: {{{{ .Values.{n}.token }}}}",
    "--password <password> --token <token>",
    "password: !vault |",
    "{v}=op://vault/{n}/credential",
    'key = "${{file:/run/secrets/{n}}}"',
    "passwd: *****; key: ••••••••",
)


def _words(rng: Random, count: int) -> str:
    return " ".join(rng.choice(_SENTENCES) for _ in range(count))


def _minified(rng: Random) -> str:
    names = "etrnioascul"
    parts = [
        f"function {rng.choice(names)}{rng.choice(names)}({rng.choice(names)},{rng.choice(names)}){{return {rng.choice(names)}.{rng.choice(_NOUNS)}&&{rng.choice(names)}[{rng.randint(0, 999)}]||null}}"
        for _ in range(8)
    ]
    return ";".join(parts) + f";var k={{{','.join(f'{rng.choice(names)}{rng.randint(1, 99)}:!0' for _ in range(12))}}};"


def _lock(rng: Random) -> str:
    return "".join(
        f'    "node_modules/{rng.choice(_NOUNS)}-{rng.choice(_VERBS)}": {{\n      "version": "{rng.randint(0, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",\n      "integrity": "sha512-{base64.b64encode(rng.randbytes(64)).decode()}"\n    }},\n'
        for _ in range(3)
    )


def _camel(rng: Random) -> str:
    return "".join(rng.choice((*_VERBS, *_NOUNS)).title() for _ in range(rng.randint(4, 7)))


GENERATORS: tuple[Callable[[Random], str], ...] = (
    lambda r: f"request {uuid(r)} took {r.randint(1, 900)} ms; trace {draw(r, ALPHABETS['h'], 32)} span {draw(r, ALPHABETS['h'], 16)}",
    lambda r: f"traceparent: 00-{draw(r, ALPHABETS['h'], 32)}-{draw(r, ALPHABETS['h'], 16)}-01",
    lambda r: f"commit {draw(r, ALPHABETS['h'], 40)}\nAuthor: build\n\n    {r.choice(_SENTENCES)}",
    lambda r: f"index {draw(r, ALPHABETS['h'], 7)}..{draw(r, ALPHABETS['h'], 7)} 100644\n--- a/{r.choice(_NOUNS)}.py",
    lambda r: f"docker pull app@sha256:{draw(r, ALPHABETS['h'], 64)}",
    lambda r: f"{draw(r, ALPHABETS['h'], 64)}  {r.choice(_NOUNS)}-1.2.{r.randint(0, 99)}.tar.gz",
    lambda r: f"MD5 (x.iso) = {draw(r, ALPHABETS['h'], 32)}",
    lambda r: f'<script src="/a.js" integrity="sha384-{base64.b64encode(r.randbytes(48)).decode()}" crossorigin="anonymous"></script>',
    lambda r: f"{r.choice(_NOUNS)}==1.{r.randint(0, 30)}.0 --hash=sha256:{draw(r, ALPHABETS['h'], 64)}",
    lambda r: f"h1:{base64.b64encode(r.randbytes(32)).decode()} // go.sum",
    lambda r: f"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA{base64.b64encode(r.randbytes(240)).decode()}",
    lambda r: (
        f'{{"type":"image","source":{{"type":"base64","media_type":"image/jpeg","data":"/9j/4AAQSkZJRgABAQ{base64.b64encode(r.randbytes(300)).decode()}"}}}}'
    ),
    lambda r: f"event 01{draw(r, _CROCKFORD, 24)} stored; next 01{draw(r, _CROCKFORD, 24)}",
    lambda r: (
        f"https://www.youtube.com/watch?v={draw(r, ALPHABETS['u'], 11)} and https://docs.google.com/document/d/{draw(r, ALPHABETS['u'], 44)}/edit"
    ),
    lambda r: f"https://shop.example.com/products/{r.randint(10**7, 10**9)}?ref={draw(r, ALPHABETS['a'], 8)}&utm_source=mail&page=2",
    lambda r: f"https://github.com/acme/app/commit/{draw(r, ALPHABETS['h'], 40)}#diff-{draw(r, ALPHABETS['h'], 64)}",
    lambda r: (
        f"arn:aws:iam::{r.randint(10**11, 10**12 - 1)}:role/{r.choice(_NOUNS)}-runner and s3://{r.choice(_NOUNS)}-logs/2024/11/03/{uuid(r)}.gz"
    ),
    lambda r: (
        f"i-0{draw(r, ALPHABETS['h'], 16)} vpc-0{draw(r, ALPHABETS['h'], 16)} ami-0{draw(r, ALPHABETS['h'], 16)} subnet-{draw(r, ALPHABETS['h'], 8)}"
    ),
    lambda r: f'ETag: "{draw(r, ALPHABETS["h"], 32)}"\nX-Request-Id: {uuid(r)}\nCF-RAY: {draw(r, ALPHABETS["h"], 16)}-FRA',
    lambda r: f"/static/js/main.{draw(r, ALPHABETS['h'], 8)}.chunk.js /assets/{r.choice(_NOUNS)}-{draw(r, ALPHABETS['u'], 8)}.css",
    lambda r: f"pod/{r.choice(_NOUNS)}-{draw(r, 'bcdf2456789', 9)}-{draw(r, 'bcdfghjk2456', 5)}   1/1   Running   0   {r.randint(1, 99)}d",
    lambda r: json.dumps(
        {
            "id": f"chatcmpl-{draw(r, ALPHABETS['w'], 29)}",
            "model": "gpt-4o-mini-2024-07-18",
            "usage": {"prompt_tokens": r.randint(1, 999), "total_tokens": r.randint(999, 9999)},
            "system_fingerprint": f"fp_{draw(r, ALPHABETS['h'], 10)}",
        }
    ),
    lambda r: json.dumps(
        {
            "id": f"msg_01{draw(r, ALPHABETS['w'], 22)}",
            "type": "message",
            "stop_reason": "tool_use",
            "content": [
                {"type": "tool_use", "id": f"toolu_01{draw(r, ALPHABETS['w'], 22)}", "name": "read_file", "input": {"path": "src/app.py"}}
            ],
        }
    ),
    lambda r: json.dumps({"tool_call_id": f"call_{draw(r, ALPHABETS['w'], 24)}", "role": "tool", "content": r.choice(_SENTENCES)}),
    lambda r: json.dumps(
        {"max_tokens": 4096, "stop": ["</s>", "<|im_end|>"], "tokenizer": "cl100k_base", "token_count": r.randint(1, 10**5)}
    ),
    lambda r: f"cus_{draw(r, ALPHABETS['w'], 14)} has 3 invoices; price price_1{draw(r, ALPHABETS['w'], 23)}",
    lambda r: f"version {r.randint(1, 20)}.{r.randint(0, 40)}.{r.randint(0, 9)}-rc.{r.randint(1, 9)}+build.{draw(r, ALPHABETS['h'], 7)}",
    lambda r: f"Chrome/{r.randint(90, 130)}.0.{r.randint(1000, 9999)}.{r.randint(10, 199)} Safari/537.36",
    lambda r: (
        f"127.0.0.1:{r.randint(1024, 65535)} 10.{r.randint(0, 255)}.{r.randint(0, 255)}.7 192.168.1.{r.randint(1, 254)} ::1 fe80::1 169.254.169.254 0.0.0.0/0 203.0.113.9"
    ),
    lambda r: (
        f"{r.randint(2020, 2026)}-11-{r.randint(10, 28)}T10:{r.randint(10, 59)}:{r.randint(10, 59)}.{r.randint(100, 999)}Z INFO {r.choice(_NOUNS)}.{r.choice(_VERBS)} status=200 dur={r.random():.3f}s id={draw(r, ALPHABETS['h'], 12)}"
    ),
    lambda r: (
        f"  File \"/usr/lib/python3.11/site-packages/{r.choice(_NOUNS)}/core.py\", line {r.randint(1, 999)}, in {r.choice(_VERBS)}_{r.choice(_NOUNS)}\n    raise ValueError(key)\nKeyError: '{r.choice(_NOUNS)}_id'"
    ),
    lambda r: f"at com.example.{_camel(r)}.{r.choice(_VERBS)}({_camel(r)}.java:{r.randint(10, 900)})",
    lambda r: f"import {{ use{_camel(r)}Query }} from './{_camel(r)}'; const x = {_camel(r)}Factory2.create{_camel(r)}();",
    _minified,
    _lock,
    lambda r: (
        f".{r.choice(_NOUNS)}-{draw(r, ALPHABETS['h'], 6)} {{ color: #{draw(r, ALPHABETS['h'], 6)}; margin: 0 {r.randint(1, 40)}px }} .sc-{draw(r, ALPHABETS['m'], 6)}{{display:flex}}"
    ),
    lambda r: (
        f'<path d="M{r.randint(0, 99)}.{r.randint(0, 9)} {r.randint(0, 99)}c{" ".join(f"{r.random() * 20:.2f}" for _ in range(14))}z" fill="#{draw(r, ALPHABETS["h"], 6)}"/>'
    ),
    lambda r: f"[{', '.join(f'{r.uniform(-1, 1):.8f}' for _ in range(10))}]",
    lambda r: f"0000{draw(r, ALPHABETS['h'], 4)}: {' '.join(draw(r, ALPHABETS['h'], 4) for _ in range(8))}  ................",
    lambda r: (
        f"MAC table cleared; ff:ff:ff:ff:ff:ff broadcast; fingerprint SHA256:{base64.b64encode(r.randbytes(32)).decode().rstrip('=')}"
    ),
    lambda r: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{draw(r, ALPHABETS['b'], 43)} build-host",
    lambda r: (
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(r.randbytes(48)).decode()}\n{base64.b64encode(r.randbytes(48)).decode()}\n-----END CERTIFICATE-----"
    ),
    lambda r: f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(r.randbytes(48)).decode()}\n-----END PUBLIC KEY-----",
    lambda r: r.choice(_CODE).format(v=r.choice(_VERBS), n=r.choice(_NOUNS)),
    lambda r: r.choice(_CODE).format(v=r.choice(_VERBS), n=r.choice(_NOUNS)),
    lambda r: r.choice(_CODE).format(v=r.choice(_VERBS), n=r.choice(_NOUNS)),
    lambda r: r.choice(_PLACEHOLDERS).format(v=f"{r.choice(_NOUNS).upper()}_API_KEY", n=r.choice(_NOUNS)),
    lambda r: r.choice(_PLACEHOLDERS).format(v=f"{r.choice(_NOUNS).upper()}_TOKEN", n=r.choice(_NOUNS)),
    lambda r: r.choice(_PLACEHOLDERS).format(v=f"{r.choice(_NOUNS).upper()}_SECRET", n=r.choice(_NOUNS)),
    lambda r: _words(r, 1),
    lambda r: _words(r, 2),
    lambda r: _words(r, 3),
    lambda r: (
        f"# {r.choice(_SENTENCES)}\n\n1. {r.choice(_SENTENCES)}\n2. {r.choice(_SENTENCES)}\n\n```sh\npip install {r.choice(_NOUNS)}-{r.choice(_NOUNS)}=={r.randint(0, 9)}.{r.randint(0, 30)}.{r.randint(0, 9)}\n```"
    ),
    lambda r: (
        f"| key | type | default |\n|---|---|---|\n| {r.choice(_NOUNS)}_ttl | int | {r.randint(1, 9999)} |\n| password_policy | string | strong |\n| token_type | enum | bearer |"
    ),
    lambda r: (
        f"partition_key={r.choice(_NOUNS)}_id sort_key=created_at primary_key: {r.choice(_NOUNS)}_uuid foreign_key={r.choice(_NOUNS)}s.id cache_key={r.choice(_NOUNS)}:{r.choice(_VERBS)}:v{r.randint(1, 9)}"
    ),
    lambda r: f"public_key_id: {uuid(r)}\nkey_id: {draw(r, ALPHABETS['h'], 8)}\nclient_id: {r.choice(_NOUNS)}-web\ntenant: {uuid(r)}",
    lambda r: f"token_type=bearer&expires_in={r.randint(60, 9999)}&scope=read+write&state=ok",
    lambda r: f"Retry {r.randint(1, 9)}: authentication failed (wrong password), user={r.choice(_NOUNS)}, reason=token_expired",
    lambda r: f"Passwort vergessen? Klicke auf {r.choice(_NOUNS).title()}. Der Token läuft in {r.randint(5, 60)} Minuten ab.",
    lambda r: (
        f"sk-learn, sk-toggle and sk-container-id-{r.randint(1, 9)} are classes; task-{r.choice(_VERBS)}-{r.choice(_NOUNS)}-2024 finished"
    ),
    lambda r: f"q=SGVsbG8gd29ybGQ%3D is base64 of a greeting, {base64.b64encode(r.choice(_SENTENCES).encode()).decode()}",
    lambda r: f"urn:uuid:{uuid(r)} doi:10.1000/{r.randint(100, 999)} oid 1.3.6.1.4.1.{r.randint(100, 9999)}",
    lambda r: f"eth0 {r.randint(1, 9)}: flags=4163<UP,BROADCAST> mtu 1500; rx {r.randint(10**6, 10**9)} tx {r.randint(10**6, 10**9)}",
    lambda r: (
        f"{r.choice(_NOUNS)}@2x.png {r.choice(_NOUNS)}@{r.randint(1, 9)}.{r.randint(0, 9)}.0 @{r.choice(_NOUNS)}/core @media (min-width: 600px)"
    ),
    lambda r: f"select * from t where h = decode('{draw(r, ALPHABETS['h'], 40)}', 'hex') and k between 1000 and {r.randint(2000, 9999)}",
    lambda r: (
        f"nonce={draw(r, ALPHABETS['h'], 24)} bucket={r.choice(_NOUNS)}-{draw(r, ALPHABETS['a'], 6)} zone=eu-west-{r.randint(1, 3)}{r.choice('abc')}"
    ),
    lambda r: f"Subject: Re: {r.choice(_SENTENCES)[:40]}\nMessage-ID: <{draw(r, ALPHABETS['w'], 20)}.{r.randint(1, 999)}@localhost>",
)
"""One kind of text each."""


def negative(rng: Random, index: int) -> str:
    """The text of the kind with this number, counted around."""
    return GENERATORS[index % len(GENERATORS)](rng)


def filler(rng: Random) -> str:
    """A paragraph for long texts."""
    return rng.choice((_words(rng, 2), GENERATORS[rng.randrange(len(GENERATORS))](rng)))
