"""Secret managers, key managers and identity providers."""

from __future__ import annotations

from redactors.later import compiled_later
from redactors.rules.checks import both, dense, drawn, has_digit, hexadecimal, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import ALNUM, BASE32, HEX, LOWER_ALNUM, UPPER_ALNUM, URLSAFE, fixed, mixed, uuid, within
from redactors.rules.shapes import DATED, beside, prefixed

_VAULT = "https://developer.hashicorp.com/vault/docs/concepts/tokens"
_DOPPLER = "https://docs.doppler.com/reference/auth-token-formats"
_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"


def _doppler(name: str, about: str, prefix: str) -> Rule:
    return prefixed(name, "doppler_token", about, prefix, ALNUM, 43, least=32, accepts=r"A-Za-z0-9_.\-", source=_DOPPLER)


_BASE64_BEFORE = compiled_later(r"[A-Za-z0-9+/]{12}[+/]\Z")


def _in_base64(before: str) -> bool:
    """Whether a run of base64 goes on from here: two zeros are everywhere in one."""
    return _BASE64_BEFORE.search(before) is not None


RULES: tuple[Rule, ...] = (
    prefixed(
        "vault-service-token",
        "vault_token",
        "HashiCorp Vault and OpenBao service token",
        "hvs.",
        URLSAFE,
        (24, 110),
        least=20,
        source=_VAULT,
    ),
    prefixed(
        "vault-batch-token",
        "vault_token",
        "HashiCorp Vault batch token",
        "hvb.",
        URLSAFE,
        (138, 300),
        least=40,
        source=_VAULT,
        longest=1_024,
    ),
    prefixed("vault-recovery-token", "vault_token", "HashiCorp Vault recovery token", "hvr.", URLSAFE, (24, 110), least=20, source=_VAULT),
    prefixed(
        "vault-legacy-token",
        "vault_token",
        "HashiCorp Vault token before 1.10",
        ("s.", "b."),
        ALNUM,
        24,
        least=24,
        tail=r"(?:\.[A-Za-z0-9]{5})?\b",
        source=_VAULT,
        validate=both(drawn, has_digit),
        must_not=(MustNot(fixed("self.s.abcdefghijklmnopqrstuvwx and window.s.someVeryLongFunctionName"), "a member in code"),),
    ),
    beside(
        "vault-approle-secret",
        "vault_secret_id",
        "Secret id of Vault's AppRole, a UUID",
        ("secret_id", "secret-id", "secretid", "approle"),
        HEX,
        36,
        body=_UUID,
        sample=uuid,
        words="secret|id|key|value",
        source="https://developer.hashicorp.com/vault/docs/auth/approle",
        validate=hexadecimal,
    ),
    beside(
        "vault-unseal-key",
        "vault_unseal_key",
        "Unseal key of Vault",
        ("unseal key", "unseal_key", "recovery key"),
        ALNUM,
        44,
        body=r"[A-Za-z0-9+/]{43,44}={0,2}",
        sample=lambda rng: mixed(rng, ALNUM, 44),
        words="key|[0-9]",
        source="https://developer.hashicorp.com/vault/docs/concepts/seal",
    ),
    _doppler("doppler-personal-token", "Doppler personal token", "dp.pt."),
    _doppler("doppler-service-token", "Doppler service token", "dp.st."),
    _doppler("doppler-cli-token", "Doppler CLI token", "dp.ct."),
    _doppler("doppler-service-account-token", "Doppler service account token", "dp.sa."),
    _doppler("doppler-scim-token", "Doppler SCIM token", "dp.scim."),
    _doppler("doppler-audit-token", "Doppler audit token", "dp.audit."),
    prefixed(
        "infisical-token",
        "infisical_token",
        "Infisical service token",
        "st.",
        HEX,
        24,
        least=24,
        tail=r"\.[a-f0-9]{32}\.[a-f0-9]{32}",
        tail_sample=lambda rng: f".{mixed(rng, HEX, 32)}.{mixed(rng, HEX, 32)}",
        source="https://infisical.com/docs/documentation/platform/token",
    ),
    prefixed(
        "onepassword-secret-key",
        "onepassword_key",
        "1Password secret key",
        "A3-",
        UPPER_ALNUM,
        6,
        least=6,
        tail="-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        tail_sample=lambda rng: f"-{mixed(rng, UPPER_ALNUM, 6)}-" + "-".join(mixed(rng, UPPER_ALNUM, 5) for _ in range(4)),
        source="https://support.1password.com/secret-key/",
    ),
    prefixed(
        "age-secret-key",
        "age_key",
        "Secret key of age",
        "AGE-SECRET-KEY-1",
        "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        58,
        accepts="A-Z0-9",
        source="https://age-encryption.org/v1",
    ),
    prefixed(
        "age-plugin-key",
        "age_key",
        "Secret key of an age plug-in",
        "AGE-PLUGIN-",
        UPPER_ALNUM,
        6,
        least=2,
        accepts="A-Z0-9",
        tail="-1[A-Z0-9]{20,}",
        tail_sample=lambda rng: "-1" + mixed(rng, UPPER_ALNUM, 40),
        source="https://age-encryption.org/v1",
    ),
    prefixed(
        "okta-token",
        "okta_token",
        "Okta API token",
        "00",
        URLSAFE,
        40,
        least=40,
        tail=r"\b",
        source="https://developer.okta.com/docs/guides/create-an-api-token/",
        validate=dense,
        against=_in_base64,
    ),
    beside(
        "auth0-secret",
        "auth0_secret",
        "Auth0 client secret",
        ("auth0",),
        URLSAFE,
        64,
        source="https://auth0.com/docs/get-started/applications/application-settings",
    ),
    prefixed(
        "clerk-machine-key",
        "clerk_key",
        "Clerk machine and API keys",
        ("ak_live_", "ak_test_", "mt_live_", "oat_live_"),
        ALNUM,
        40,
        least=28,
        source="https://clerk.com/docs/guides/development/machine-auth/overview",
    ),
    prefixed(
        "stytch-secret",
        "stytch_secret",
        "Stytch secret",
        ("secret-live-", "secret-test-"),
        URLSAFE,
        36,
        least=30,
        accepts="A-Za-z0-9_=-",
        source="https://stytch.com/docs/api/api-keys",
    ),
    prefixed(
        "descope-key",
        "descope_key",
        "Descope management key and access key",
        ("K2", "K3"),
        ALNUM,
        80,
        least=70,
        source="https://docs.descope.com/management/company-settings",
        validate=drawn,
    ),
    prefixed(
        "duo-integration-key",
        "duo_secret",
        "Duo integration key",
        "DI",
        UPPER_ALNUM,
        18,
        least=18,
        tail=r"\b",
        source="https://duo.com/docs/adminapi",
        validate=has_digit,
    ),
    beside("duo-secret-key", "duo_secret", "Duo secret key", ("duo",), ALNUM, 40, source="https://duo.com/docs/adminapi"),
    beside(
        "totp-seed",
        "otp_seed",
        "Seed of one-time passwords in base 32",
        ("otp", "totp", "2fa", "mfa", "authenticator"),
        BASE32,
        (16, 64),
        words="secret|seed|key|setup|code",
        body="[A-Z2-7]{16,64}",
        validate=has_digit,
        source="https://github.com/google/google-authenticator/wiki/Key-Uri-Format",
    ),
    Rule(
        id="otpauth-uri",
        kind="otp_seed",
        about="Seed in the address of a one-time password",
        pattern=r"otpauth://[th]otp/[^\s\"'<>]*[?&;]secret=([A-Za-z2-7]{16,}=*)",
        group=1,
        source="https://github.com/google/google-authenticator/wiki/Key-Uri-Format",
        dated=DATED,
        keywords=("otpauth://",),
        longest=512,
        validate=token,
        must=(
            Must(
                within("otpauth://totp/x:bob?secret={s}&issuer=x", "scan otpauth://hotp/bob?issuer=x&secret={s} now")(
                    lambda rng: mixed(rng, BASE32, 32)
                )
            ),
        ),
        must_not=(MustNot(fixed("otpauth://totp/x:bob?secret=aaaaaaaaaaaaaaaaaaaaaaaa"), "a filler"),),
    ),
    prefixed(
        "bitwarden-token",
        "bitwarden_token",
        "Bitwarden Secrets Manager access token",
        "0.",
        HEX,
        8,
        least=8,
        tail=r"-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}\.[A-Za-z0-9]{30}:[A-Za-z0-9+/]{22}==",
        tail_sample=lambda rng: f"{uuid(rng)[8:]}.{mixed(rng, ALNUM, 30)}:{mixed(rng, ALNUM, 22)}==",
        source="https://bitwarden.com/help/access-tokens/",
    ),
    beside(
        "jumpcloud-key",
        "jumpcloud_key",
        "JumpCloud API key",
        ("jumpcloud",),
        LOWER_ALNUM,
        40,
        source="https://docs.jumpcloud.com/api/2.0/index.html",
    ),
    beside(
        "onelogin-secret",
        "onelogin_secret",
        "OneLogin client secret",
        ("onelogin",),
        HEX,
        64,
        source="https://developers.onelogin.com/api-docs/2/getting-started/working-with-api-credentials",
        validate=hexadecimal,
    ),
)
