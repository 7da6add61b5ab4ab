"""Google: API keys of Cloud, Maps and Gemini, OAuth, Firebase, storage."""

from __future__ import annotations

from redactors.rules.checks import drawn
from redactors.rules.model import MustNot, Rule
from redactors.rules.samples import ALNUM, UPPER_ALNUM, URLSAFE, fixed
from redactors.rules.shapes import prefixed

_OAUTH = "https://developers.google.com/identity/protocols/oauth2"

RULES: tuple[Rule, ...] = (
    prefixed(
        "google-api-key",
        "google_api_key",
        "Google API key: Gemini, Maps, Firebase, YouTube",
        "AIza",
        URLSAFE,
        35,
        least=30,
        lead=False,
        source="https://cloud.google.com/docs/authentication/api-keys",
    ),
    prefixed(
        "google-auth-key",
        "google_api_key",
        "Google API key bound to a service account",
        "AQ.Ab8",
        URLSAFE,
        47,
        least=28,
        source="https://ai.google.dev/gemini-api/docs/api-key",
    ),
    prefixed(
        "google-oauth-access-token",
        "google_oauth_token",
        "Google OAuth access token",
        "ya29.",
        URLSAFE,
        (100, 200),
        least=20,
        accepts=r"A-Za-z0-9_.\-",
        source=_OAUTH,
        longest=2_048,
    ),
    prefixed(
        "google-oauth-refresh-token",
        "google_oauth_token",
        "Google OAuth refresh token",
        ("1//0", "1/0"),
        URLSAFE,
        (40, 100),
        least=36,
        source=_OAUTH,
        validate=drawn,
    ),
    prefixed(
        "google-oauth-code", "google_oauth_token", "Google OAuth authorization code", "4/0A", URLSAFE, (60, 80), least=40, source=_OAUTH
    ),
    prefixed(
        "google-oauth-client-secret", "google_oauth_secret", "Google OAuth client secret", "GOCSPX-", URLSAFE, 28, least=20, source=_OAUTH
    ),
    prefixed(
        "google-hmac-key-id",
        "google_hmac_key",
        "Google Cloud Storage HMAC access id",
        "GOOG1E",
        UPPER_ALNUM,
        55,
        least=18,
        source="https://cloud.google.com/storage/docs/authentication/hmackeys",
    ),
    prefixed(
        "firebase-messaging-key",
        "firebase_key",
        "Firebase Cloud Messaging server key",
        "AAAA",
        URLSAFE,
        7,
        least=7,
        tail=r":[A-Za-z0-9_-]{130,}",
        tail_sample=lambda rng: ":" + "".join(rng.choice(URLSAFE) for _ in range(139)) + "z",
        source="https://firebase.google.com/docs/cloud-messaging",
        longest=512,
    ),
    prefixed(
        "google-recaptcha-secret",
        "recaptcha_secret",
        "reCAPTCHA key",
        ("6Lc", "6Ld", "6Le"),
        URLSAFE,
        37,
        least=36,
        source="https://developers.google.com/recaptcha/docs/verify",
        validate=drawn,
    ),
    prefixed(
        "google-cookie-session",
        "google_session",
        "Session cookie of a Google account",
        ("g.a000", "SAPISIDHASH "),
        ALNUM,
        (60, 150),
        least=40,
        accepts="A-Za-z0-9_-",
        source="https://policies.google.com/technologies/cookies",
        longest=512,
        must_not=(MustNot(fixed("g.a0001 is short"), "too short"),),
    ),
    prefixed(
        "google-apps-script-id",
        "google_api_key",
        "Apps Script deployment id, which authorizes calls",
        "AKfycb",
        URLSAFE,
        (51, 70),
        least=40,
        source="https://developers.google.com/apps-script/concepts/deployments",
    ),
)
