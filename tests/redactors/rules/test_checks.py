"""The small pure functions behind the rules, on values whose answer is known from their sources."""

from __future__ import annotations

import base64
import re
from random import Random

import pytest

from redactors.rules import checks, digits, entropy, passwords, placeholders, values
from redactors.rules.catalog import rules_by_id
from tests import planted


@pytest.mark.parametrize(("text", "bits"), [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("0123456789abcdef", 4.0)])
def test_entropy_is_shannons(text: str, bits: float) -> None:
    assert entropy.shannon(text) == pytest.approx(bits)


def test_shape_counts_tell_words_from_random_text() -> None:
    assert entropy.classes("aB3-") == 4
    assert entropy.switches("a1b22c") == 4
    assert entropy.turns("aBc1") == 3
    assert entropy.longest_run("abbbc") == 3
    assert entropy.ascending("abcdef") == 1.0
    assert entropy.ascending("a") == 0.0


@pytest.mark.parametrize(
    "value",
    [
        "sk-xxxxxxxxxxxxxxxxxxxx",
        "<YOUR_KEY>",
        "sk-...",
        "${TOKEN}",
        "{{ token }}",
        "********",
        "your-api-key",
        "AKIAIOSFODNN7EXAMPLE",
        "000000000000",
        "changeme",
        "[REDACTED:openai_key]",
    ],
)
def test_samples_templates_and_masks_are_placeholders(value: str) -> None:
    assert placeholders.is_placeholder(value)


@pytest.mark.parametrize("seed", range(40))
def test_drawn_keys_are_no_placeholders(seed: int) -> None:
    rng = Random(seed)
    for kind in ("openai", "anthropic", "github", "virtual_key", "stripe", "google"):
        value = planted.secret(kind, rng)
        assert not placeholders.is_placeholder(value)
        assert not placeholders.is_counted(value)


@pytest.mark.parametrize("seed", range(20))
def test_a_github_token_carries_its_checksum(seed: int) -> None:
    value = planted.secret("github", Random(seed))
    assert checks.crc32_base62(value)
    assert not checks.crc32_base62(value[:-1] + ("a" if value[-1] != "a" else "b"))


def test_basic_credentials_need_a_colon_and_printable_text() -> None:
    assert checks.basic(base64.b64encode(b"bob:hunter2").decode())
    assert not checks.basic("authentication")
    assert not checks.basic(base64.b64encode(b"bob").decode())


def test_a_jwt_needs_a_header_in_json() -> None:
    assert checks.jwt(planted.secret("jwt", Random(1)))
    assert not checks.jwt("eyJub3Q.a.b")


def test_composed_checks_look_at_the_part_they_are_told() -> None:
    assert checks.body(3, str.isdigit)("abc123")
    assert checks.after(":", str.isdigit)("abc:123")
    assert not checks.after(":", str.isdigit)("abc123")
    assert checks.both(str.isalnum, str.islower)("abc")
    assert checks.decoded("not base64!") is None


@pytest.mark.parametrize("value", ["hunter2", "swordfish", "Tr0ub4dor&3", "open sesame 7", "12345678", "pässwört"])
def test_passwords_of_fields_may_be_anything(value: str) -> None:
    assert passwords.password(value)


@pytest.mark.parametrize(
    "value",
    [
        "string",
        "None",
        "os.environ.get",
        "getpass()",
        "${X}",
        "Enter your password",
        "/run/secrets/pw",
        "https://x.invalid/y",
        "env:DB",
        "grant_type=",
        "********",
        "",
    ],
)
def test_types_expressions_and_sentences_are_no_passwords(value: str) -> None:
    assert not passwords.password(value)


@pytest.mark.parametrize(
    "value", ["incorrect", "case-sensitive", "required,", "12", "2024-11-03", "v1.2.3", "OAuth2-based", "base64-encoded", "nginx:1.27"]
)
def test_words_numbers_and_methods_are_no_spoken_passwords(value: str) -> None:
    assert not passwords.spoken(value)


@pytest.mark.parametrize("seed", range(60))
def test_drawn_values_look_like_secrets(seed: int) -> None:
    rng = Random(seed)
    for kind in ("aws_secret_access_key", "azure_openai", "vault_secret_id"):
        assert passwords.secret_like(planted.secret(kind, rng))


@pytest.mark.parametrize(
    "value",
    [
        "customer_id",
        "csrf-token-name",
        "gpt-4o-2024-08-06",
        "projects/acme/secrets/db",
        "request.headers",
        "AES-256-GCM",
        "useFetchUserPermissions",
        "3600",
        "v2-home-page",
    ],
)
def test_names_and_paths_do_not_look_like_secrets(value: str) -> None:
    assert not passwords.secret_like(value)


@pytest.mark.parametrize("value", ["self.token", "config['x']", "$TOKEN", "a->b", "Foo::bar", "getToken()", "process.env.KEY"])
def test_code_is_seen_as_an_expression(value: str) -> None:
    assert values.is_expression(value)


@pytest.mark.parametrize("seed", range(30))
def test_check_digits_fit_and_catch_a_changed_digit(seed: int) -> None:
    rng = Random(seed)
    card, iban = planted.secret("card", rng), planted.secret("iban", rng)
    assert digits.luhn(card)
    assert not digits.luhn(card[:-1] + str((int(card[-1]) + 1) % 10))
    assert digits.mod97(iban)
    assert not digits.mod97(iban[:-1] + str((int(iban[-1]) + 1) % 10))


def test_known_check_digits_of_the_standards() -> None:
    assert digits.verhoeff("2363")
    assert not digits.verhoeff("2364")
    assert digits.mod11_10("69435151530")
    assert digits.luhn("79927398713")
    assert not digits.is_date(2023, 2, 29)


_PRESIDIO = {
    "uk-nhs-number": "NhsRecognizer",
    "uk-nino": "UkNinoRecognizer",
    "de-tax-id": "DeTaxIdRecognizer",
    "de-pension-number": "DeSocialSecurityRecognizer",
    "es-dni": "EsNifRecognizer",
    "es-nie": "EsNieRecognizer",
    "it-codice-fiscale": "ItFiscalCodeRecognizer",
    "it-vat": "ItVatCodeRecognizer",
    "pl-pesel": "PlPeselRecognizer",
    "fi-hetu": "FiPersonalIdentityCodeRecognizer",
    "se-personnummer": "SePersonnummerRecognizer",
    "in-aadhaar": "InAadhaarRecognizer",
    "in-gstin": "InGstinRecognizer",
    "au-tfn": "AuTfnRecognizer",
    "au-abn": "AuAbnRecognizer",
    "au-medicare": "AuMedicareRecognizer",
    "ca-sin": "CaSinRecognizer",
    "kr-rrn": "KrRrnRecognizer",
    "th-national-id": "ThTninRecognizer",
    "tr-tc-kimlik": "TrNationalIdRecognizer",
    "za-id": "ZaIdNumberRecognizer",
    "us-npi": "UsNpiRecognizer",
    "us-routing-number": "AbaRoutingRecognizer",
    "us-dea": "MedicalLicenseRecognizer",
}


@pytest.mark.parametrize("rule", _PRESIDIO)
def test_our_check_digits_agree_with_presidios(rule: str) -> None:
    import presidio_analyzer.predefined_recognizers as recognizers

    recognizer = getattr(recognizers, _PRESIDIO[rule])()
    for seed in range(12):
        _, value = rules_by_id()[rule].must[0].text(Random(seed))
        assert recognizer.validate_result(value) is not False


def test_formulas_of_the_catalog_use_no_nested_repeats_in_python_expressions() -> None:
    """Validators may use Python's expressions on short values only where no repeat stands inside an optional repeat."""
    for name in dir(values):
        found = getattr(values, name)
        if isinstance(found, re.Pattern):
            assert not re.search(r"[+*}]\)[+*]", found.pattern.replace(r"(?:\.[0-9A-Za-z]+)+", "").replace(r"(?:\.[0-9]+)*", "")), name
