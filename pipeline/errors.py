"""Every way a request or a command can fail, as one drawn tree.

PipelineError
├── ConfigError
├── BadRequest
├── KeyRejected ── KeyExpired, KeyOutOfScope
├── BudgetExceeded, RateLimited
├── PolicyBlocked                 names rules, never text
├── IdempotencyError
├── SecretError ── SecretNotFound, SecretForbidden, VaultUnavailable
├── RouteError ── NoTarget, AllTargetsFailed
└── LedgerError                   fails the request

Messages are written by us from fixed text, ids and numbers: no error carries caller text, provider text or a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PLAIN: Final = re.compile(r"[a-z]{1,24}(?:_[a-z]{1,24}){0,5}")


def plain_name(name: str) -> str | None:
    """The name of an unknown field as the `param` of an error: words of small letters, else None, because a name could be anything."""
    return name if _PLAIN.fullmatch(name) else None


class PipelineError(Exception):
    """The root. `code` is stable and machine-readable, `status` the HTTP status, `hint` says how to fix it.

    `type` is OpenAI's error type, `param` a JSON pointer or parameter name, `headers` what must accompany the answer
    (`Retry-After`, `x-should-retry`), `extra` what stands beside the message in the error object.
    """

    code = "internal_error"
    status = 500
    type = "server_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        status: int | None = None,
        type: str | None = None,  # noqa: A002 - the field's name in OpenAI's error object
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if type is not None:
            self.type = type
        self.param = param
        self.headers: dict[str, str] = dict(headers or {})
        self.extra: dict[str, str] = dict(extra or {})


class ConfigError(PipelineError):
    """The document or the environment is wrong. The message says file, line, what and how to fix it."""

    code, status, type = "config_invalid", 500, "server_error"


class BadRequest(PipelineError):
    """The caller's request cannot be understood."""

    code, status, type = "invalid_request", 400, "invalid_request_error"


class KeyRejected(PipelineError):
    """No key, or one that we do not know. Says nothing about why, so that guessing teaches nothing."""

    code, status, type = "invalid_api_key", 401, "invalid_request_error"


class KeyExpired(KeyRejected):
    """The key was proven and is past its expiry, blocked or revoked (`key_expired`, `key_blocked`, `key_revoked`)."""

    code = "key_expired"


class KeyOutOfScope(KeyRejected):
    """The key was proven but may not use this model, route or reference."""

    code, status, type = "model_not_allowed", 403, "permission_error"


class BudgetExceeded(PipelineError):
    """The reservation does not fit into the budget of a scope."""

    code, status, type = "budget_exceeded", 429, "insufficient_quota"

    def __init__(self, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint=hint, headers={"x-should-retry": "false", **(headers or {})})


class RateLimited(PipelineError):
    """Too many requests, tokens or parallel calls."""

    code, status, type = "rate_limit_exceeded", 429, "rate_limit_error"


class PolicyBlocked(PipelineError):
    """A policy forbids the content. Names rules, never text."""

    code, status, type = "content_blocked", 400, "invalid_request_error"

    def __init__(self, rules: tuple[str, ...], *, param: str | None = None) -> None:
        super().__init__(
            "The request was blocked by the redaction policy: " + ", ".join(rules) + ".",
            hint="Remove the sensitive value and send the request again.",
            param=param,
            headers={"x-should-retry": "false"},
        )
        self.rules = rules


class IdempotencyError(PipelineError):
    """The `Idempotency-Key` was used before, and there is no answer (yet) to give for it."""

    code, status, type = "idempotency_in_progress", 409, "idempotency_error"


class SecretError(PipelineError):
    """A provider key could not be resolved. Names the reference, never a value.

    `reason` is the fine class for audit, `check` and metrics (`pipeline.vaults.failures.Reason`), finer than what a caller is told.
    """

    code, status, type = "secret_unavailable", 503, "server_error"
    reason: str = "bad_value"


class SecretNotFound(SecretError):
    """The vault says that it does not exist (or that version or field of it)."""

    reason = "not_found"


class SecretForbidden(SecretError):
    """The vault denies it, or the reference is not allowed to this workspace."""

    reason = "denied"


class VaultUnavailable(SecretError):
    """The vault cannot be reached, is sealed, throttles, or took too long."""

    reason = "unavailable"


class RouteError(PipelineError):
    """The call cannot be routed."""

    code, status, type = "upstream_error", 502, "upstream_error"


class NoTarget(RouteError):
    """No such model is served here."""

    code, status, type = "model_not_found", 404, "invalid_request_error"


class AllTargetsFailed(RouteError):
    """Every planned target failed; status and code follow the last failure's class."""


class LedgerError(PipelineError):
    """It could not be written down, so it does not happen."""

    code, status, type = "audit_unavailable", 503, "server_error"
