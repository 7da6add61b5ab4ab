"""What an alert says, and the signature that lets its reader trust it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from pipeline.errors import SecretError
from pipeline.keys.alert_messages import chat_text, envelope, webhook_headers
from tests import planted

VIEW: dict[str, Any] = {
    "object": "alert", "id": "01M7Q5CQG0", "at": "2026-11-22T00:00:00Z", "kind": "threshold", "percent": 80, "scope": "workspace",
    "scope_id": "W1", "period": "day", "limit_usd": "5.000000", "usual_usd": None, "spent_usd": "4.000000", "key_blocked": False,
}  # fmt: skip


def test_the_signature_is_that_of_the_specification() -> None:
    published = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of spec/standard-webhooks.md and of its libraries' tests
    headers = webhook_headers(published, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", ["short", "whsec_c2hvcnQ=", "whsec_not base64 at all, whatever its length"])
def test_a_secret_that_signs_nothing_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(SecretError) as refused:
        webhook_headers(secret, "msg_1", 1, b"{}")
    assert secret not in str(refused.value) + refused.value.hint


def test_a_secret_of_any_text_signs_as_it_is() -> None:
    secret = planted.secret("password", Random(3)) * 3
    assert webhook_headers(secret, "m", 1, b"{}") == webhook_headers(secret, "m", 1, b"{}")
    assert webhook_headers(secret, "m", 1, b"{}") != webhook_headers(secret, "m", 2, b"{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "80% of the workspace budget are spent. Spent $4.000000, limit $5.000000 per day."),
        ({"kind": "soft_limit", "percent": None}, "The soft limit of the workspace budget is passed."),
        ({"kind": "exhausted", "percent": None, "key_blocked": True}, "The key is blocked."),
        ({"kind": "anomaly", "scope": "key", "usual_usd": "0.100000"}, "usual in an hour: $0.100000"),
    ],
)
def test_a_chat_gets_one_line(change: dict[str, Any], said: str) -> None:
    text = chat_text({**VIEW, **change})
    assert said in text
    assert "\n" not in text


def test_a_webhook_names_its_type_and_holds_the_alert() -> None:
    body = json.loads(json.dumps(envelope(VIEW)))
    assert (body["type"], body["timestamp"], body["data"]) == ("budget.threshold", VIEW["at"], VIEW)
