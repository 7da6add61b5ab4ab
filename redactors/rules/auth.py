"""Tokens and keys of standards: JWT, private keys, authorization headers, cookies, URLs with passwords."""

from __future__ import annotations

import base64
import json
from random import Random

from redactors.rules.checks import basic, drawn, jwt, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.passwords import query_secret, secret_like, url_password
from redactors.rules.samples import ALNUM, URLSAFE, b64, fixed, in_plain, mixed, password_sample, within
from redactors.rules.shapes import DATED

PEM_LONGEST = 16_384
"""Characters a private key block may have: an RSA key of 8192 bits takes about 6,500."""


def _part(rng: Random, value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def make_jwt(rng: Random) -> str:
    """A signed JSON web token with random claims and signature."""
    claims: dict[str, object] = {"sub": mixed(rng, ALNUM, 12), "iat": rng.randint(1_600_000_000, 1_900_000_000)}
    return ".".join((_part(rng, {"alg": "HS256", "typ": "JWT"}), _part(rng, claims), b64(rng, 32, urlsafe=True, padding=False)))


def make_pem(rng: Random, label: str = "PRIVATE KEY", lines: int = 6) -> str:
    """A private key block of random base64 in lines of 64."""
    body = "\n".join(b64(rng, 48) for _ in range(lines))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def _pem(rng: Random) -> str:
    return make_pem(rng, rng.choice(("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY")))


def _escaped_pem(rng: Random) -> str:
    return make_pem(rng).replace("\n", "\\n")


def _cut_pem(rng: Random) -> str:
    return make_pem(rng).rsplit("\n", 1)[0]


def _basic(rng: Random) -> str:
    return base64.b64encode(f"{mixed(rng, ALNUM, 8)}:{mixed(rng, ALNUM, 14)}".encode()).decode()



_SEP = r"(?:[\s\"'+,|>#*`]|\\{1,2}[nrt])"
_HEADER = r"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash|X-[A-Za-z-]{1,20}):[^\n\\]*"
_ARMOR = (
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_SEP}{{0,12}}(?:[A-Za-z0-9+/]{{16,}}={{0,3}}|{_HEADER})){{1,}}"
    rf"(?:{_SEP}{{0,12}}(?:=?[A-Za-z0-9+/]{{1,20}}={{0,3}}{_SEP}{{0,12}}){{0,2}}-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----)?"
)

RULES: tuple[Rule, ...] = (
    Rule(
        id="private-key",
        kind="private_key",
        about="Private key in PEM (PKCS 1, PKCS 8, SEC 1, OpenSSH) or PGP armor, whole or cut off, line ends escaped or not",
        pattern=_ARMOR,
        source="https://www.rfc-editor.org/rfc/rfc7468",
        dated=DATED,
        keywords=("private key",),
        longest=PEM_LONGEST,
        must=(Must(in_plain(_pem)), Must(in_plain(_escaped_pem)), Must(within("cut off: {s}")(_cut_pem))),
        must_not=(
            MustNot(fixed("a file that starts with -----BEGIN PRIVATE KEY----- is a key"), "the header alone, in prose"),
            MustNot(lambda rng: make_pem(rng, "CERTIFICATE"), "a certificate is public"),
            MustNot(lambda rng: make_pem(rng, "PUBLIC KEY"), "a public key is public"),
        ),
    ),
    Rule(
        id="putty-private-key",
        kind="private_key",
        about="Private part of a PuTTY key file",
        pattern=r"Private-Lines: [0-9]{1,3}\s{1,4}([A-Za-z0-9+/=]{16,}(?:\r?\n[A-Za-z0-9+/=]{16,})*(?:\r?\n[A-Za-z0-9+/]{1,16}={1,2})?)",
        group=1,
        source="https://tartarus.org/~simon/putty-snapshots/htmldoc/AppendixC.html",
        dated=DATED,
        keywords=("private-lines",),
        longest=8_192,
        must=(Must(within("Private-Lines: 4\n{s}\nPrivate-MAC: x")(lambda rng: "\n".join(b64(rng, 48) for _ in range(4)))),),
        must_not=(MustNot(fixed("Private-Lines: 14 says how many lines follow"), "prose about the format"),),
    ),
    Rule(
        id="jwt",
        kind="jwt",
        about="JSON web token, signed or encrypted (RFC 7519, RFC 7516)",
        pattern=r"(ey[JI][A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){1,3})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc7519",
        dated=DATED,
        keywords=("eyj", "eyi"),
        longest=8_192,
        validate=jwt,
        must=(Must(in_plain(make_jwt)),),
        must_not=(
            MustNot(fixed("eyJhbGciOi.. is how every token starts"), "the start alone"),
            MustNot(fixed("see keyJoin.mapAll.reduceBy in the code"), "a dotted name"),
        ),
    ),
    Rule(
        id="bearer-header",
        kind="bearer_token",
        about="Bearer token of an authorization header (RFC 6750)",
        pattern=r"\bbearer[ \t:=]{1,4}[\"'`]?([A-Za-z0-9._~+/=|:-]{12,})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc6750",
        dated=DATED,
        keywords=("bearer",),
        longest=4_096,
        validate=secret_like,
        case_insensitive=True,
        must=(Must(within("curl -H 'Authorization: Bearer {s}' https://api.invalid/v1", "send Bearer {s}.", "bearer {s}，谢谢")(lambda rng: mixed(rng, ALNUM, 40))),),
        must_not=(
            MustNot(fixed("Authorization: Bearer <token>"), "a placeholder"),
            MustNot(fixed("the bearer authentication-scheme-name is case-insensitive"), "words"),
            MustNot(fixed("Authorization: Bearer $OPENAI_API_KEY"), "a variable"),
        ),
    ),
    Rule(
        id="basic-header",
        kind="basic_credentials",
        about="Basic credentials: base64 of user and password (RFC 7617)",
        pattern=r"\bbasic[ \t:=]{1,4}[\"'`]?([A-Za-z0-9+/_-]{8,}={0,2})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc7617",
        dated=DATED,
        keywords=("basic",),
        longest=1_024,
        validate=basic,
        case_insensitive=True,
        must=(Must(within("Authorization: Basic {s}", '"authorization": "Basic {s}"', "send basic {s}, please")(_basic)),),
        must_not=(MustNot(fixed("basic authentication and Basic Programming"), "words that are base64 too"),),
    ),
    Rule(
        id="scheme-header",
        kind="authorization",
        about="Authorization header of other schemes: Token, ApiKey, Key, Bot, Digest response, GenieKey, Signature, Negotiate",
        pattern=r"authorization[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?(?:token|apikey|api-key|key|bot|geniekey|sso-key|klaviyo-api-key|splunk|negotiate|ntlm|api_token|aws|discogs|deepl-auth-key|pveapitoken|snippet|oauth|accesskey)[ :=]{1,3}(?:token=)?[\"']?([A-Za-z0-9._~+/=|:!@-]{8,})",
        group=1,
        source="https://www.iana.org/assignments/http-authschemes/http-authschemes.xhtml",
        dated=DATED,
        keywords=("authorization",),
        longest=4_096,
        validate=secret_like,
        case_insensitive=True,
        must=(Must(within("Authorization: Token {s}", "authorization: ApiKey {s}", '"Authorization": "GenieKey {s}"')(lambda rng: mixed(rng, ALNUM, 36))),),
        must_not=(MustNot(fixed("Authorization: Token YOUR_TOKEN_HERE"), "a placeholder"),),
    ),
    Rule(
        id="bare-authorization-header",
        kind="authorization",
        about="Authorization header whose value is the key itself",
        pattern=r"authorization[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?([A-Za-z0-9._~+/=-]{16,})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc9110#name-authorization",
        dated=DATED,
        keywords=("authorization",),
        longest=4_096,
        validate=secret_like,
        case_insensitive=True,
        must=(Must(within("Authorization: {s}", "-H 'authorization: {s}'")(lambda rng: mixed(rng, ALNUM, 36))),),
        must_not=(MustNot(fixed("authorization: required-for-all-routes"), "words"),),
    ),
    Rule(
        id="key-header",
        kind="api_key",
        about="Header that carries a key: X-API-Key, api-key, X-Auth-Token, PRIVATE-TOKEN, X-Vault-Token and their kin",
        pattern=r"\b(?:x-[a-z-]{0,24}(?:key|token|secret|signature|auth)|(?:api|private|access|job|deploy|auth|subscription|ocp-apim-subscription|session|csrf|xsrf|dd-api|dd-application|circle|travis|rollbar-access)-(?:key|token))[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?([A-Za-z0-9._~+/=|:@!$-]{8,})",
        group=1,
        source="https://www.iana.org/assignments/http-fields/http-fields.xhtml",
        dated=DATED,
        keywords=("key", "token", "secret", "signature", "auth"),
        longest=4_096,
        validate=secret_like,
        case_insensitive=True,
        must=(Must(within("-H 'X-Frob-Auth: {s}' -d @x", "X-Hub-Signature: {s}")(lambda rng: mixed(rng, ALNUM, 30))),),
        must_not=(
            MustNot(fixed("x-api-key: YOUR_API_KEY"), "a placeholder"),
            MustNot(fixed("X-Idempotency-Key: order-retry-two"), "words joined by dashes"),
        ),
    ),
    Rule(
        id="cookie-header",
        kind="cookie",
        about="Value of a session, login or anti-forgery cookie (RFC 6265)",
        pattern=r"cookie[a-z0-9_.\[\]\"']{0,12}[ \t]{0,2}[:=,(][ \t]{0,2}[\"']?(?:[^\r\n\"']*[; \t])?[A-Za-z0-9_.$-]*(?:sess|sid|auth|token|jwt|login|remember|csrf|xsrf|identity|aspnet|phpsessid|jsessionid|connect|_user|secret|ticket)[A-Za-z0-9_.$-]*=[\"']?([A-Za-z0-9._~+/=|:%!@*-]{10,})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc6265",
        dated=DATED,
        keywords=("cookie",),
        longest=4_096,
        validate=secret_like,
        case_insensitive=True,
        must=(Must(within("Cookie: theme=dark; sessionid={s}; lang=de", "Set-Cookie: JSESSIONID={s}; Path=/; HttpOnly")(lambda rng: mixed(rng, ALNUM, 32))),),
        must_not=(MustNot(fixed("Set-Cookie: session=deleted; Path=/"), "a cookie that is taken back"),),
    ),
    Rule(
        id="session-cookie",
        kind="cookie",
        about="Well-known session cookies by name, outside of a header",
        pattern=r"\b(?:phpsessid|jsessionid|connect\.sid|asp\.net_sessionid|\.aspxauth|\.aspnetcore\.[a-z.]{1,30}|laravel_session|_gitlab_session|next-auth\.session-token|__secure-next-auth\.session-token|__session|sessionid|session_id|user_session|__host-[a-z_-]{1,30}|csrftoken|xsrf-token|remember_token|sid)=[\"']?([A-Za-z0-9._~+/=|:%!*-]{16,})",
        group=1,
        source="https://owasp.org/www-community/attacks/Session_hijacking_attack",
        dated=DATED,
        keywords=("sess", "sid", "csrf", "xsrf", "remember_token", ".asp", "__host-"),
        longest=4_096,
        validate=secret_like,
        case_insensitive=True,
        must=(Must(within("stored PHPSESSID={s} in the jar", "it sent laravel_session={s};")(lambda rng: mixed(rng, ALNUM, 32))),),
        must_not=(MustNot(fixed("sid=the-name-of-the-session"), "words joined by dashes"),),
    ),
    Rule(
        id="saml-assertion",
        kind="saml_assertion",
        about="SAML response or assertion in base64 or in the redirect binding",
        pattern=r"SAML(?:Response|Request|Art|assertion)=([A-Za-z0-9+/%=_-]{64,})",
        group=1,
        source="https://docs.oasis-open.org/security/saml/v2.0/saml-bindings-2.0-os.pdf",
        dated=DATED,
        keywords=("saml",),
        longest=16_384,
        validate=token,
        must=(Must(within("POST SAMLResponse={s}")(lambda rng: b64(rng, 120))),),
        must_not=(MustNot(fixed("SAMLResponse=... is posted by the browser"), "an ellipsis"),),
    ),
    Rule(
        id="oauth-code",
        kind="oauth_code",
        about="Authorization code or PKCE verifier of OAuth in a query or form",
        pattern=r"[?&](?:code|code_verifier|device_code|assertion|id_token|client_assertion|ticket|otp)=([A-Za-z0-9._~/%+-]{16,})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc6749",
        dated=DATED,
        keywords=("code", "assertion", "id_token", "ticket", "otp"),
        longest=4_096,
        validate=secret_like,
        must=(Must(within("GET /callback?state=x&code={s}&scope=openid")(lambda rng: mixed(rng, URLSAFE, 40))),),
        must_not=(MustNot(fixed("https://shop.invalid/?code=summer-sale-autumn"), "a word of marketing"),),
    ),
    Rule(
        id="password-hash",
        kind="password_hash",
        about="Hash of a password: crypt, bcrypt, scrypt, argon2, PBKDF2, phpass, Django, MySQL, LDAP schemes",
        pattern=r"(\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|sha1|md5|argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha(?:1|256|512))?|bcrypt-sha256|P|H|8|9)\$[A-Za-z0-9./+=,$_-]{20,}|(?:pbkdf2_sha256|pbkdf2_sha1|argon2|bcrypt_sha256|scrypt)\$[A-Za-z0-9./+=,$_-]{30,}|\{(?:SSHA|SSHA256|SSHA512|SHA|SHA256|SMD5|CRYPT|PBKDF2[A-Z0-9-]{0,10})\}[A-Za-z0-9+/=$.]{16,}|SCRAM-SHA-(?:1|256|512)\$[A-Za-z0-9+/=:$]{40,})",
        group=1,
        source="https://man.archlinux.org/man/crypt.5",
        dated=DATED,
        keywords=("$", "{s", "{c", "{p", "scram-"),
        longest=1_024,
        validate=token,
        must=(
            Must(within("root:{s}:19000:0:99999:7:::")(lambda rng: f"$6${mixed(rng, ALNUM, 16)}${mixed(rng, ALNUM, 86)}")),
            Must(within("stored {s}, cost 12")(lambda rng: f"$2b$12${mixed(rng, ALNUM, 53)}")),
        ),
        must_not=(MustNot(fixed("hashes start with $2b$12$ or $argon2id$v=19$"), "the prefix alone"),),
    ),
    Rule(
        id="url-password",
        kind="url_password",
        about="Password in an address: scheme, user, password, host (RFC 3986 userinfo), database addresses included",
        pattern=r"[a-zA-Z][a-zA-Z0-9+.-]{1,24}://[^\s:/?#\"'<>\[\]]*:([^\s/\"'<>`]+)@[A-Za-z0-9_.\[\]%$({-]",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1",
        dated=DATED,
        keywords=("://",),
        longest=1_024,
        validate=url_password,
        must=(
            Must(within("postgres://app:{s}@db.internal:5432/app", "use mongodb+srv://root:{s}@cluster0.invalid/x?retryWrites=true, ok?", "(redis://:{s}@cache:6379/0)")(password_sample)),
        ),
        must_not=(
            MustNot(fixed("postgresql://user:password@localhost/db"), "the sample of every manual"),
            MustNot(fixed("postgresql://${USER}:${PASSWORD}@localhost/db"), "a template"),
            MustNot(fixed("http://localhost:8080/a@b and https://h.invalid:443/x"), "a port and an at sign in the path"),
        ),
    ),
    Rule(
        id="url-password-slash",
        kind="url_password",
        about="Password with an unescaped slash in a database address",
        pattern=r"(?:postgres(?:ql)?|mysql|mariadb|mongodb|redis|rediss|amqps?|mssql|sqlserver|oracle|clickhouse|cassandra|nats|ftp|sftp|smtps?|ldaps?|snowflake|jdbc:[a-z]{2,12})"
        r"(?:\+[a-z0-9]{1,16})?://[^\s:/?#\"'<>\[\]]+:([^\s/@\"'<>`]*/[^\s@\"'<>`]*)@[A-Za-z0-9_.\[-]",
        group=1,
        source="https://www.postgresql.org/docs/current/libpq-connect.html",
        dated=DATED,
        keywords=("://",),
        longest=1_024,
        validate=url_password,
        must=(Must(within("mysql://app:{s}@db.invalid/app")(lambda rng: mixed(rng, ALNUM, 6) + "/" + mixed(rng, ALNUM, 8))),),
        must_not=(MustNot(fixed("redis://cache:6379/0 and mail to ops@corp.invalid"), "a port, a path, and an address after a blank"),),
    ),
    Rule(
        id="url-user-token",
        kind="url_password",
        about="Token as the user of an address, with no password: https://TOKEN@host",
        pattern=r"https?://([A-Za-z0-9_.~%+=-]{16,255})@[A-Za-z0-9_.\[-]",
        group=1,
        source="https://docs.github.com/en/get-started/git-basics/about-remote-repositories",
        dated=DATED,
        keywords=("://",),
        longest=512,
        validate=secret_like,
        must=(Must(within("git clone https://{s}@git.invalid/team/app.git")(lambda rng: mixed(rng, ALNUM, 36))),),
        must_not=(MustNot(fixed("https://some-long-organization@dev.invalid/org/project"), "a user's name"),),
    ),
    Rule(
        id="url-query-secret",
        kind="url_secret",
        about="Secret in a query: signatures of presigned addresses, keys, tokens, passwords",
        pattern=r"[?&;](?:[a-z0-9_.-]{0,24}(?:api[_-]?key|apikey|token|secret|passwd|password|pwd|signature|access[_-]?key|auth|credential|session|sig|hmac)|key|sig|sign|pw|pass|p|hash|x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature|googleaccessid|awsaccesskeyid|subscription-key|hapikey|jwt)=([^\s&\"'<>#;`\\)\]}|]{6,})",
        group=1,
        source="https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html",
        dated=DATED,
        keywords=("?", "&", ";"),
        longest=4_096,
        validate=query_secret,
        case_insensitive=True,
        must=(Must(within("https://api.invalid/v1/x?lang=en&sig={s}&v=2", "GET /y?pass={s} HTTP/1.1")(lambda rng: mixed(rng, ALNUM, 32))),),
        must_not=(
            MustNot(fixed("https://shop.invalid/?token=&key=value&session=new-visitor"), "empty values and words"),
            MustNot(fixed("https://maps.invalid/?key=YOUR_API_KEY&v=3"), "a placeholder"),
        ),
    ),
)
