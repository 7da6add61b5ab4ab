"""Closed vocabularies: the words that telemetry may carry without a detector looking at them.

Sources: the GenAI semantic conventions (v1.41 and main), and this house's own error codes and failure classes.
"""

from __future__ import annotations

from typing import Final

OPERATIONS: Final = frozenset(
    {
        "chat",
        "generate_content",
        "text_completion",
        "embeddings",
        "retrieval",
        "create_agent",
        "invoke_agent",
        "execute_tool",
        "invoke_workflow",
        "plan",
        "fetch_response",
        "search_memory",
        "create_memory",
        "update_memory",
        "upsert_memory",
        "delete_memory",
        "create_memory_store",
        "delete_memory_store",
        "apply_guardrail",
    }
)

PROVIDERS: Final = frozenset(
    {
        "openai",
        "anthropic",
        "aws.bedrock",
        "azure.ai.inference",
        "azure.ai.openai",
        "gcp.gemini",
        "gcp.gen_ai",
        "gcp.vertex_ai",
        "cohere",
        "deepseek",
        "groq",
        "ibm.watsonx.ai",
        "mistral_ai",
        "perplexity",
        "x_ai",
        "xai",
        "moonshot_ai",
        "demo",
    }
)

FINISH_REASONS: Final = frozenset(
    {
        "stop",
        "length",
        "content_filter",
        "tool_call",
        "tool_calls",
        "function_call",
        "error",
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "safety",
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
    }
)

ERROR_TYPES: Final = frozenset(
    {
        "_OTHER",
        "aborted",
        "all_targets_failed",
        "audit_unavailable",
        "recognition_unavailable",
        "auth",
        "bad_request",
        "broken_stream",
        "budget_exceeded",
        "client_disconnected",
        "config_invalid",
        "connect",
        "content_blocked",
        "content_policy",
        "context_window",
        "internal_error",
        "invalid_api_key",
        "invalid_request",
        "key_blocked",
        "key_expired",
        "key_revoked",
        "model_not_allowed",
        "model_not_found",
        "not_found",
        "rate_limit",
        "rate_limit_exceeded",
        "secret_unavailable",
        "timeout",
        "too_large",
        "upstream_answer_too_large",
        "upstream_auth",
        "upstream_bad_request",
        "upstream_error",
        "upstream_not_found",
        "upstream_protocol_error",
        "upstream_rate_limit",
        "upstream_timeout",
        *(str(status) for status in range(400, 600)),
        "5xx",
    }
)

SPAN_NAMES: Final = frozenset(
    {
        "redaction_failed",
        "lockgate.call",
        "lockgate.attempt",
        "lockgate.secret.read",
        "lockgate.budget.reserve",
        "lockgate.route",
        "lockgate.ledger.close",
        "apply_guardrail lockgate",
        "gen_ai.guardrail.result",
    }
)
"""Names that Lockgate's own spans and events may carry as they stand; `{operation} {model}` is checked word by word."""
