"""Authorization headers, cookies and the credentials that protocols carry."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

import base64
from random import Random

from redactors.rules.checks import basic, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.passwords import secret_like, witness_of
from redactors.rules.samples import ALNUM, URLSAFE, b64, fixed, mixed, within
from redactors.rules.shapes import DATED


def _basic(rng: Random) -> str:
    return base64.b64encode(f"{mixed(rng, ALNUM, 8)}:{mixed(rng, ALNUM, 14)}".encode()).decode()


RULES: tuple[Rule, ...] = (
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
        must=(
            Must(
                within("curl -H 'Authorization: Bearer {s}' https://api.invalid/v1", "send Bearer {s}.", "bearer {s}，谢谢")(
                    lambda rng: mixed(rng, ALNUM, 40)
                )
            ),
        ),
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
        witness=witness_of(secret_like),
        case_insensitive=True,
        must=(
            Must(
                within("Authorization: Token {s}", "authorization: ApiKey {s}", '"Authorization": "GenieKey {s}"')(
                    lambda rng: mixed(rng, ALNUM, 36)
                )
            ),
        ),
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
        pattern=r"\b(?:x-[a-z-]{0,24}(?:key|token|secret|signature|auth)|(?:api|private|access|job|deploy|auth|subscription|ocp-apim-subscription|session|csrf|xsrf|dd-api|dd-application|circle|travis|rollbar-access)-(?:key|token))[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?([A-Za-z0-9._~+/=|:!$-]{8,})",
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
        must=(
            Must(
                within("Cookie: theme=dark; sessionid={s}; lang=de", "Set-Cookie: JSESSIONID={s}; Path=/; HttpOnly")(
                    lambda rng: mixed(rng, ALNUM, 32)
                )
            ),
        ),
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
)
