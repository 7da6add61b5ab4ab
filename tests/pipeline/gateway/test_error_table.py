"""Every error in the shape of the SDK that will read it."""

from __future__ import annotations

import pytest

from pipeline.errors import (
    BadRequest,
    BudgetExceeded,
    ConfigError,
    KeyExpired,
    KeyOutOfScope,
    KeyRejected,
    LedgerError,
    NoTarget,
    PipelineError,
    PolicyBlocked,
    RateLimited,
    VaultUnavailable,
)
from pipeline.gateway.error_table import render, upstream_error
from pipeline.routing.model import UpstreamError

CASES = [
    (BadRequest("no"), 400, "invalid_request_error", "invalid_request", 400, "invalid_request_error"),
    (KeyRejected("no"), 401, "invalid_request_error", "invalid_api_key", 401, "authentication_error"),
    (KeyExpired("no"), 401, "invalid_request_error", "key_expired", 401, "authentication_error"),
    (KeyOutOfScope("no"), 403, "permission_error", "model_not_allowed", 403, "permission_error"),
    (NoTarget("no"), 404, "invalid_request_error", "model_not_found", 404, "not_found_error"),
    (BudgetExceeded("no"), 429, "insufficient_quota", "budget_exceeded", 402, "billing_error"),
    (RateLimited("no"), 429, "rate_limit_error", "rate_limit_exceeded", 429, "rate_limit_error"),
    (PolicyBlocked(("r1",)), 400, "invalid_request_error", "content_blocked", 400, "invalid_request_error"),
    (VaultUnavailable("no"), 503, "server_error", "secret_unavailable", 503, "api_error"),
    (LedgerError("no"), 503, "server_error", "audit_unavailable", 503, "api_error"),
    (ConfigError("no"), 500, "server_error", "config_invalid", 500, "api_error"),
    (PipelineError("no"), 500, "server_error", "internal_error", 500, "api_error"),
    (BadRequest("no", status=413, code="request_too_large"), 413, "invalid_request_error", "request_too_large", 413, "request_too_large"),
]


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "anthropic_status", "anthropic_kind"),
    CASES,
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_has_both_dialects(
    error: PipelineError, status: int, kind: str, code: str, anthropic_status: int, anthropic_kind: str
) -> None:
    openai = render(error, "openai", "01ID")
    assert (openai.status, openai.body["error"]["type"], openai.body["error"]["code"]) == (status, kind, code)
    assert set(openai.body["error"]) == {"message", "type", "param", "code"}
    anthropic = render(error, "anthropic", "01ID")
    assert (anthropic.status, anthropic.body["error"]["type"]) == (anthropic_status, anthropic_kind)
    assert anthropic.body["request_id"] == "01ID"


def test_a_hint_stands_behind_the_message() -> None:
    assert render(BadRequest("It is wrong.", hint="Do it right."), "openai", "x").body["error"]["message"] == "It is wrong. Do it right."


def test_refusals_carry_the_headers_that_steer_retries() -> None:
    assert render(BudgetExceeded("no"), "openai", "x").headers["x-should-retry"] == "false"
    assert render(KeyRejected("no"), "openai", "x").headers["www-authenticate"] == "Bearer"
    assert render(LedgerError("no"), "openai", "x").headers["retry-after"] == "1"
    limited = upstream_error(UpstreamError("rate_limit", status=429, retry_after_s=1.2), "")
    assert (limited.headers["retry-after"], limited.headers["retry-after-ms"]) == ("2", "1200")


@pytest.mark.parametrize(
    "failure",
    [
        "connect",
        "timeout",
        "rate_limit",
        "auth",
        "5xx",
        "bad_request",
        "context_window",
        "content_policy",
        "not_found",
        "broken_stream",
        "too_large",
    ],
)
def test_a_provider_failure_never_looks_like_the_callers_own_key_was_wrong(failure: str) -> None:
    error = upstream_error(UpstreamError(failure, status=401), "because")  # type: ignore[arg-type]
    assert error.status not in (401, 403)
    assert "because" in error.message
