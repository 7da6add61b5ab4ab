from __future__ import annotations

from typing import Any

import pytest

from pipeline.routing.model import FailureClass
from pipeline.routing.upstream import MAX_ERROR_BODY, failure_in_stream, failure_of, parse_body, refusal, retry_after


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (401, None, "auth"),
        (403, None, "auth"),
        (402, None, "rate_limit"),
        (404, None, "not_found"),
        (408, None, "timeout"),
        (413, None, "too_large"),
        (429, None, "rate_limit"),
        (500, None, "5xx"),
        (503, "text", "5xx"),
        (504, None, "timeout"),
        (529, None, "5xx"),
        (307, None, "5xx"),
        (400, None, "bad_request"),
        (422, {"detail": []}, "bad_request"),
        (400, {"error": {"code": "context_length_exceeded"}}, "context_window"),
        (400, {"error": {"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens"}}, "context_window"),
        (400, {"message": "Input is too long for requested model."}, "context_window"),
        (400, {"error": {"code": 400, "message": "The input exceeds the maximum number of tokens allowed"}}, "context_window"),
        (400, {"error": {"code": "content_filter"}}, "content_policy"),
        (400, {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "content_policy"),
        (400, {"error": "just text"}, "bad_request"),
    ],
)
def test_a_refusal_has_its_class(status: int, body: Any, failure: FailureClass) -> None:
    assert failure_of(status, body) == failure


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": {"type": "overloaded_error"}}, "5xx"),
        ({"error": {"type": "rate_limit_error"}}, "rate_limit"),
        ({"error": {"code": 429, "message": "slow down"}}, "rate_limit"),
        ({"error": {"code": 400, "message": "maximum context length is 5"}}, "context_window"),
        ({"error": {"code": "insufficient_quota"}}, "rate_limit"),
        ({"error": "text"}, "5xx"),
        ({"error": {"type": "invented"}}, "5xx"),
    ],
)
def test_an_error_in_a_stream_has_its_class(body: Any, failure: FailureClass) -> None:
    assert failure_in_stream(body) == failure


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "999999999"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_an_error_body_is_cut_and_parsed() -> None:
    assert parse_body(b'{"a": 1}') == {"a": 1}
    assert parse_body(b"plain") == "plain"
    assert parse_body(b"") is None
    assert len(parse_body(b"x" * (2 * MAX_ERROR_BODY))) == MAX_ERROR_BODY


def test_the_message_of_an_upstream_error_has_no_provider_text() -> None:
    error = refusal(400, b'{"error": {"message": "said by the provider"}}', {}, "req_1")
    assert "said by" not in str(error)
    assert error.body == {"error": {"message": "said by the provider"}}
