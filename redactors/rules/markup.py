"""Secrets in structures: XML, property lists, calls in code, netrc, pgpass, lists of users, one-time codes, recovery phrases."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.model import Must, MustNot, Rule, Validator
from redactors.rules.passwords import (
    argument,
    login_password,
    marked_password,
    password,
    secret_like,
    token_like,
    witness_of,
)
from redactors.rules.samples import ALNUM, HEX, Text, draw, either, fixed, mixed, password_sample, weak_password, within
from redactors.rules.shapes import DATED
from redactors.rules.vocabulary import PASSWORD, SECRET, SUFFIX


def _rule(
    name: str,
    kind: str,
    about: str,
    pattern: str,
    validate: Validator,
    must: Text,
    must_not: tuple[tuple[str, str], ...],
    *,
    source: str,
    keywords: tuple[str, ...] = (),
    longest: int = 1_024,
    case_insensitive: bool = True,
) -> Rule:
    return Rule(
        id=name,
        kind=kind,
        about=about,
        pattern=pattern,
        group=1,
        source=source,
        dated=DATED,
        keywords=keywords,
        longest=longest,
        validate=validate,
        witness=witness_of(validate),
        must=(Must(must),),
        must_not=tuple(MustNot(fixed(text), reason) for text, reason in must_not),
        case_insensitive=case_insensitive,
    )


def recovery_phrase(value: str) -> bool:
    """Twelve or more short lower-case words, hardly any of which repeats."""
    words = value.split()
    return len(words) in {12, 15, 18, 21, 24} and len(set(words)) > len(words) * 2 // 3 and all(3 <= len(word) <= 8 for word in words)


def raw_key(value: str) -> bool:
    """Sixty-four hexadecimal digits that look drawn."""
    return len(set(value.lower())) > 8


def _phrase(rng: Random) -> str:
    return " ".join(draw(rng, "abcdefghijklmnoprstuw", rng.randint(4, 7)) for _ in range(12))


_XML = "https://www.w3.org/TR/xml/"
_CODE = "https://cwe.mitre.org/data/definitions/798.html"

RULES: tuple[Rule, ...] = (
    _rule(
        "xml-password",
        "password",
        "XML element named after a password",
        r"<[a-z0-9_:.-]*" + PASSWORD + SUFFIX + r"(?:[ \t][^<>]*)?>(?:\s*<!\[CDATA\[)?\s*([^<>\s][^<>\r\n]{2,}?)\s*(?:\]\]>\s*)?</",
        password,
        within("<password>{s}</password>", '<db:Password enc="no">{s}</db:Password>')(either("swordfish", "open sesame 7", "Tr0ub4dor")),
        (
            ("<password>${db.password}</password>", "a template"),
            ("<passwordHint>your first pet</passwordHint>", "a name that only begins with the word"),
        ),
        source=_XML,
        keywords=("<",),
    ),
    _rule(
        "xml-secret",
        "secret",
        "XML element named after a key or token",
        r"<[a-z0-9_:.-]*" + SECRET + SUFFIX + r"(?:[ \t][^<>]*)?>(?:\s*<!\[CDATA\[)?\s*([^<>\s]{8,})\s*(?:\]\]>\s*)?</",
        secret_like,
        within("<apiKey>{s}</apiKey>", "<client_secret><![CDATA[{s}]]></client_secret>")(lambda rng: mixed(rng, ALNUM, 32)),
        (("<token>identifier-of-the-grammar</token>", "a token of language"),),
        source=_XML,
        keywords=("<",),
        longest=4_096,
    ),
    _rule(
        "xml-attribute-pair",
        "secret",
        "Name and value in two attributes of an XML element",
        r"(?:name|key|id)[ \t]*=[ \t]*[\"'][a-z0-9_:.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|[a-z]key|_key|credential|connectionstring)[\"'][ \t]+value[ \t]*=[ \t]*[\"']([^\"'\r\n]{4,})[\"']",
        password,
        within('<add key="Db.Password" value="{s}" />', "<property name='api-key' value='{s}'/>")(password_sample),
        (('<add key="Db.Password" value="#{DbPassword}" />', "a template"),),
        source=_XML,
        keywords=("value",),
    ),
    _rule(
        "plist-secret",
        "secret",
        "Key and string of a property list",
        r"<key>[a-z0-9_.-]*(?:password|secret|token|apikey|api_key|accesskey)</key>\s*<string>([^<>\r\n]{4,})</string>",
        marked_password,
        within("<key>SyncPassword</key>\n  <string>{s}</string>")(password_sample),
        (("<key>Password</key><string>$(PASSWORD)</string>", "a template"),),
        source="https://developer.apple.com/library/archive/documentation/General/Conceptual/DevPedia-CocoaCore/PropertyList.html",
        keywords=("<key>",),
    ),
    _rule(
        "call-password",
        "password",
        "Password given to a call: setPassword, password(), login, auth, credentials",
        r"(?:(?:set|with|add|user|db|admin)?_?(?:password|passwd|passphrase)\(|(?:login|authenticate|basic_?auth|httpbasicauth|credentials?|auth|connect|set_auth|set_credentials|passwordcredentials|networkcredential|usernamepasswordcredentials)"
        r"\([ \t]*(?:[a-z]+[ \t]*=[ \t]*)?[\"'][^\"'\r\n]+[\"'][ \t]*,[ \t]*(?:[a-z]+[ \t]*=[ \t]*)?|getconnection\([^,\r\n]{1,160},[ \t]*[\"'][^\"'\r\n]+[\"'][ \t]*,)[ \t]*[bru]?[\"']([^\"'\r\n]{4,})[\"']",
        argument,
        within(
            'client.setPassword("{s}");',
            'DriverManager.getConnection(url, "app", "{s}")',
            "smtp.login('bob@x.invalid', '{s}')",
            'auth=HTTPBasicAuth("bob", "{s}")',
        )(weak_password),
        (('getPassword("db.password.key")', "the name of a setting"), ("login('user', 'password')", "the manual's sample")),
        source=_CODE,
        keywords=("pass", "login", "auth", "cred", "connect"),
    ),
    _rule(
        "pair-password",
        "password",
        "Name and value of a password as two quoted arguments or items",
        r"[\"'][a-z0-9_.-]*(?:password|passwd|passphrase|pwd)[\"'][ \t]*\]?[ \t]*(?:,|=)[ \t]*[\"']([^\"'\r\n]{4,})[\"']",
        argument,
        within('os.getenv("DB_PASSWORD", "{s}")', "define('DB_PASSWORD', '{s}');", 'cfg["password"] = "{s}"')(weak_password),
        (('["password", "username"]', "a list of names"), ('os.getenv("DB_PASSWORD", "")', "an empty default")),
        source=_CODE,
        keywords=("pass", "pwd"),
    ),
    _rule(
        "pair-secret",
        "secret",
        "Name and value of a key or token as two quoted arguments or items",
        r"[\"'][a-z0-9_.-]*(?:secret|token|key|credential|authorization|auth)[\"'][ \t]*\]?[ \t]*(?:,|=)[ \t]*[\"']([^\"'\s]{8,})[\"']",
        token_like,
        within('os.environ["WIDGET_KEY"] = "{s}"', 'headers.set("X-Widget-Auth", "{s}")', "define('AUTH_KEY', '{s}');")(
            lambda rng: mixed(rng, ALNUM, 32)
        ),
        (('["primary_key", "foreign_key_v2"]', "names of columns"),),
        source=_CODE,
        keywords=("secret", "token", "key", "cred", "auth"),
        longest=4_096,
    ),
    _rule(
        "netrc-password",
        "password",
        "Password of a netrc file",
        r"\b(?:machine[ \t\r\n]+\S+|default)[ \t\r\n]+(?:login|user)[ \t\r\n]+\S+[ \t\r\n]+(?:password|passwd)[ \t\r\n]+([^\s\"\\]{3,})",
        password,
        within("machine api.invalid login bob password {s}", "machine x.invalid\n  login bob\n  password {s}\n")(
            either("swordfish", "letmein99", "Tr0ub4dor")
        ),
        (("machine learning login page password reset", "prose"),),
        source="https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html",
        keywords=("login", "user"),
    ),
    _rule(
        "pgpass-line",
        "password",
        "Line of a pgpass file",
        r"(?:^|[\r\n])[a-z0-9_.*-]+:(?:[0-9]{2,5}|\*):[a-z0-9_*-]+:[a-z0-9_*-]+:([^\s:\"'\\{}]{4,})",
        password,
        within("db.internal:5432:app:bob:{s}\n", "x\n*:5432:*:postgres:{s}")(weak_password),
        (("a:1:b:c:d", "too short"),),
        source="https://www.postgresql.org/docs/current/libpq-pgpass.html",
    ),
    _rule(
        "user-and-password",
        "password",
        "User and password side by side after a word for credentials",
        r"(?:^|[^a-z0-9-])(?:credentials?|creds|log ?ins?|zugangsdaten|anmeldedaten|identifiants|credenciales|credenziali|credenciais|inloggegevens|账号密码|учетные данные|admin|root|account)\b[^\r\n:]{0,24}?[ \t]*(?::|=|are|is|->)[ \t]*[\"'`]?[a-z0-9._@-]+[ \t]?[:/|][ \t]?([^\s\"'`]{6,}[^\s\"'`.,;:)\]])",
        login_password,
        within("credentials: bob:{s}", "login is bob / {s}", "creds -> svc_app:{s}")(weak_password),
        (
            ("login: see https://wiki.invalid/page/2", "an address"),
            ("X-Amz-Credential=AK/2024/us-east-1/s3/aws4_request", "a scope"),
            ("account: team/platform-engineering", "a name"),
        ),
        source=_CODE,
        keywords=("cred", "log", "daten", "ident", "inlog", "账", "данные", "admin", "root", "account"),
        longest=256,
    ),
    _rule(
        "one-time-code",
        "one_time_code",
        "One-time code, PIN or verification code told in a sentence",
        r"(?:\b(?:otp|pin(?: code| number)?|(?:verification|security|confirmation|one[- ]time|login|access|auth(?:entication)?|2fa|mfa|sms) (?:code|pin|password)|passcode|tan)\b|bestätigungscode|code de vérification|código de verificación|codice di verifica|验证码|код подтверждения)"
        r"[ \t]*(?:is|ist|est|es|è|:|=|：|是|#)?[ \t]*[:]?[ \t]*[\"'`*]{0,2}([0-9]{4,8}|[0-9]{3}[ -][0-9]{3})\b",
        lambda value: True,
        within("your verification code is {s}", "OTP: {s}", "PIN {s}", "验证码：{s}")(lambda rng: str(rng.randint(100000, 999999))),
        (("the pin is on GPIO 17 and the OTP expires", "no code"),),
        source="https://www.rfc-editor.org/rfc/rfc6238",
        keywords=("otp", "pin", "code", "pass", "tan", "código", "codice", "验证", "код"),
        longest=160,
    ),
    _rule(
        "recovery-phrase",
        "recovery_phrase",
        "Words that restore a wallet, after a word for them",
        r"(?:seed|recovery|mnemonic|secret|backup|wallet)(?:[ \t_-]+(?:recovery|seed|phrase|words|mnemonic))*[\"']?[ \t]*(?:is|are|:|=)[ \t]*[\"'`]?\s?("
        + "|".join(rf"(?:[a-z]{{3,8}}[ \t]+){{{count - 1}}}[a-z]{{3,8}}" for count in (24, 21, 18, 15, 12))
        + r")\b",
        recovery_phrase,
        within("my seed phrase is {s}", "mnemonic: {s}", "recovery words: {s}", "recovery words: {s} found them")(_phrase),
        (("the recovery phrase is a list of words that you write down and then keep in a very safe place", "a sentence about it"),),
        source="https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki",
        keywords=("seed", "recovery", "mnemonic", "secret", "backup", "wallet"),
        longest=320,
    ),
    _rule(
        "wallet-private-key",
        "private_key",
        "Private key of a wallet in hexadecimal",
        r"(?:private|priv|wallet|signer|deployer|account|secret|eth|pk)[ _-]?(?:key|pk)?[a-z_ \t]{0,12}[\"']?[ \t]*(?:is|:|=|,)[ \t]*[\"'`]?((?:0x)?[a-f0-9]{64})\b",
        raw_key,
        within("PRIVATE_KEY=0x{s}", "deployer key: {s}", 'signer_pk = "{s}"')(lambda rng: mixed(rng, HEX, 64)),
        (("account: 0000000000000000000000000000000000000000000000000000000000000000", "null"),),
        source="https://ethereum.org/en/developers/docs/accounts/",
        keywords=("priv", "wallet", "signer", "deployer", "account", "secret", "eth", "pk"),
        longest=192,
    ),
)
