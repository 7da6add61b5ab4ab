"""Tokens and keys of standards: private keys, JWT, hashes of passwords, addresses with passwords."""

from __future__ import annotations

import base64
import json
from random import Random

from redactors.rules.checks import jwt, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.passwords import query_secret, secret_like, url_password
from redactors.rules.samples import ALNUM, b64, fixed, in_plain, mixed, password_sample, within
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


_SEP = r"(?:[\s\"'+,|>#*`]|\\{1,2}[nrt])"


_HEADER = r"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash|X-[A-Za-z-]{1,20}):[^\n\\]*"


_ARMOR = (
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_SEP}{{0,12}}(?:[A-Za-z0-9+/]{{16,}}={{0,3}}|{_HEADER}))+"
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
            Must(
                within(
                    "postgres://app:{s}@db.internal:5432/app",
                    "use mongodb+srv://root:{s}@cluster0.invalid/x?retryWrites=true, ok?",
                    "(redis://:{s}@cache:6379/0)",
                )(password_sample)
            ),
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
        about="Password with an unescaped slash in a database address, or of a Git server's user for tokens",
        pattern=r"(?:(?:postgres(?:ql)?|mysql|mariadb|mongodb|redis|rediss|amqps?|mssql|sqlserver|oracle|clickhouse|cassandra|nats|ftp|sftp|smtps?|ldaps?|snowflake|jdbc:[a-z]{2,12})"
        r"(?:\+[a-z0-9]{1,16})?://[^\s:/?#\"'<>\[\]]+|https?://(?:oauth2|x-access-token|x-token-auth|gitlab-ci-token|token))"
        r":([^\s/@\"'<>`]*/[^\s@\"'<>`]*)@[A-Za-z0-9_.\[-]",
        group=1,
        source="https://www.postgresql.org/docs/current/libpq-connect.html",
        dated=DATED,
        keywords=("://",),
        longest=1_024,
        validate=url_password,
        must=(
            Must(
                within("mysql://app:{s}@db.invalid/app", "https://oauth2:{s}@git.invalid/app.git")(
                    lambda rng: mixed(rng, ALNUM, 6) + "/" + mixed(rng, ALNUM, 8)
                )
            ),
        ),
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
