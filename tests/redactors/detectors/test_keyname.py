"""Key names that make a value secret, and their many innocent relatives."""

from __future__ import annotations

import pytest

from redactors.detectors.keyname import is_value, names_secret


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "api_key",
        "apiKey",
        "Authorization",
        "clientSecret",
        "token",
        "secret",
        "access_token",
        "X-Api-Key",
        "AWS_SECRET_ACCESS_KEY",
        "db_password",
        "DB_PASS",
        "refresh_token",
        "privateKey",
        "connection_string",
        "set-cookie",
        "proxy-authorization",
        "credentials",
        "密码",
    ],
)
def test_a_secret_name_is_known(key: str) -> None:
    assert names_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "max_tokens",
        "token_type",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "key",
        "keys",
        "id",
        "public_key",
        "secret_key_ref",
        "passwordPolicy",
        "password_hint",
        "token_count",
        "tokenizer",
        "session_id",
        "finish_reason",
        "stop",
        "has_password",
        "author",
        "passenger",
        "cached_tokens",
        "content",
        "role",
        "secret_name",
    ],
)
def test_an_innocent_name_is_left_alone(key: str) -> None:
    assert not names_secret(key)


@pytest.mark.parametrize("value", ["", "no", "null", "true", "Bearer", "<YOUR_KEY>", "${API_KEY}", "xxxxxxxx", "[REDACTED:secret_value]"])
def test_states_and_samples_are_no_values(value: str) -> None:
    assert not is_value(value)
