"""The route table of the gateway: every method and path with who may call it. Read top to bottom, it is the attack surface."""

from __future__ import annotations

from pipeline.gateway import (
    admin_budgets,
    admin_children,
    admin_config,
    admin_contents,
    admin_export,
    admin_keys,
    admin_outbox,
    admin_proof,
    admin_reads,
    admin_references,
    admin_secrets,
    admin_sessions,
    admin_spend,
    admin_verify,
    approval,
    describe,
    health,
    litellm_keys,
    litellm_models,
    litellm_money,
    litellm_spend,
    litellm_teams,
    oauth,
    redact,
    redact_stream,
    telemetry,
)
from pipeline.gateway.routes import ADMIN, CALLERS, EVERYONE, KEEPERS, LOOKERS, READERS, Route, RouteTable
from pipeline.routing.model import Surface

# The data plane proves its key itself, in its own dialect, as its first step; `routes.CALLERS` may call it.
_SURFACES: tuple[tuple[str, Surface], ...] = (
    ("/chat/completions", "openai.chat"),
    ("/completions", "openai.completions"),
    ("/embeddings", "openai.embeddings"),
    ("/messages", "anthropic.messages"),
    ("/messages/count_tokens", "anthropic.count_tokens"),
)


_OF_CALLS = frozenset(
    {"/models", "/v1/models", "/v1/models/{id}", "/model/info", "/v1/model/info", "/health", "/v1/redact", "/v1/redact/stream"}
)


def collector_table() -> RouteTable:
    """The routes of the receiver alone: telemetry, health, metrics and administration, but nothing that calls are made of."""
    return RouteTable([route for route in route_table().routes if route.surface is None and route.path not in _OF_CALLS])


def route_table() -> RouteTable:
    """Every route there is."""
    routes = [Route("POST", prefix + path, None, None, surface) for path, surface in _SURFACES for prefix in ("/v1", "")]
    for path in health.LIVE_PATHS:
        routes.append(Route("GET", path, None, health.live))
    for path in health.READY_PATHS:
        routes.append(Route("GET", path, None, health.ready))
    routes += [
        Route("GET", "/metrics", None, health.metrics),
        Route("GET", "/openapi.json", None, describe.openapi),
        Route("GET", "/v1/models", EVERYONE, admin_config.models),
        Route("GET", "/models", EVERYONE, admin_config.models),
        Route("GET", "/v1/models/{id}", EVERYONE, admin_config.model),
        Route("POST", "/v1/redact", EVERYONE, redact.redact, repeatable=True),
        Route("POST", "/v1/redact/stream", EVERYONE, redact_stream.redact_stream, raw=True, repeatable=True),
        *(
            Route("POST", path, None, telemetry.receive_telemetry, raw=True, repeatable=True, media=telemetry.READS)
            for path in telemetry.SIGNALS
        ),
        Route("POST", "/v1/keys", KEEPERS, admin_keys.create_key, shown_once=True),
        Route("GET", "/v1/keys", LOOKERS, admin_keys.list_keys),
        Route("GET", "/v1/keys/{id}", LOOKERS, admin_keys.show_key),
        Route("PATCH", "/v1/keys/{id}", KEEPERS, admin_keys.update_key),
        Route("PUT", "/v1/keys/{id}", KEEPERS, admin_keys.update_key),
        Route("POST", "/v1/keys/{id}/block", KEEPERS, admin_keys.block_key),
        Route("POST", "/v1/keys/{id}/unblock", KEEPERS, admin_keys.unblock_key),
        Route("POST", "/v1/keys/{id}/revoke", KEEPERS, admin_keys.revoke_key),
        Route("POST", "/v1/keys/{id}/rotate", KEEPERS, admin_keys.rotate_key, shown_once=True),
        Route("POST", "/v1/keys/{id}/children", CALLERS, admin_children.create_child, shown_once=True),
        Route("GET", "/v1/keys/{id}/children", EVERYONE, admin_children.list_children),
        Route("POST", "/v1/keys/{id}/children/{child}/revoke", CALLERS, admin_children.revoke_child),
        Route("GET", "/v1/approvals", LOOKERS, approval.list_approvals),
        Route("POST", "/v1/approvals/{id}/approve", KEEPERS, approval.approve),
        Route("POST", "/v1/approvals/{id}/deny", KEEPERS, approval.deny),
        Route("POST", "/v1/oauth/token", None, oauth.exchange, raw=True, repeatable=True, form=True),
        Route("POST", "/v1/workspaces", ADMIN, admin_keys.create_workspace),
        Route("GET", "/v1/workspaces", LOOKERS, admin_keys.list_workspaces),
        Route("POST", "/v1/budgets", ADMIN, admin_budgets.create),
        Route("GET", "/v1/budgets", READERS, admin_budgets.find),
        Route("GET", "/v1/budgets/{id}", READERS, admin_budgets.show),
        Route("PUT", "/v1/budgets/{id}", ADMIN, admin_budgets.change),
        Route("DELETE", "/v1/budgets/{id}", ADMIN, admin_budgets.remove),
        Route("GET", "/v1/alerts", READERS, admin_budgets.alerts),
        Route("POST", "/v1/users", ADMIN, admin_keys.create_user),
        Route("GET", "/v1/users", READERS, admin_keys.list_users),
        Route("DELETE", "/v1/users/{name}", ADMIN, admin_keys.delete_user),
        Route("POST", "/v1/secrets/{name}", ADMIN, admin_secrets.put),
        Route("GET", "/v1/secrets", READERS, admin_secrets.names),
        Route("GET", "/v1/secret-references/status", READERS, admin_secrets.status),
        Route("POST", "/v1/secret-references", ADMIN, admin_references.create),
        Route("GET", "/v1/secret-references", READERS, admin_references.find),
        Route("GET", "/v1/secret-references/usage", READERS, admin_references.used),
        Route("GET", "/v1/secret-references/{slug}/usage", READERS, admin_references.usage_of),
        Route("GET", "/v1/secret-references/{slug}/versions", READERS, admin_references.versions_of),
        Route("GET", "/v1/secret-references/{slug}", READERS, admin_references.show),
        Route("PUT", "/v1/secret-references/{slug}", ADMIN, admin_references.change),
        Route("DELETE", "/v1/secret-references/{slug}", ADMIN, admin_references.remove),
        Route("POST", "/v1/secret-references/{slug}/verify", ADMIN, admin_verify.verify),
        Route("POST", "/v1/secret-references/{slug}/refresh", ADMIN, admin_references.refresh),
        Route("POST", "/v1/secret-references/{slug}/disable", ADMIN, admin_references.disable),
        Route("POST", "/v1/secret-references/{slug}/enable", ADMIN, admin_references.enable),
        Route("GET", "/v1/audit/events", LOOKERS, admin_reads.events),
        Route("GET", "/v1/audit/events/{id}/proof", LOOKERS, admin_proof.proof),
        Route("GET", "/v1/audit/export", LOOKERS, admin_export.export),
        Route("POST", "/v1/audit/hash", READERS, admin_proof.hash_value, repeatable=True),
        Route("GET", "/v1/audit/checkpoints", READERS, admin_proof.checkpoints),
        Route("GET", "/v1/spend", LOOKERS, admin_reads.spend),
        Route("GET", "/v1/spend/report", LOOKERS, admin_reads.spend),
        Route("POST", "/v1/spend/adjust", ADMIN, admin_spend.adjust),
        Route("POST", "/v1/spend/reprice", ADMIN, admin_spend.reprice),
        Route("POST", "/key/generate", KEEPERS, litellm_keys.generate, shown_once=True),
        Route("GET", "/key/info", EVERYONE, litellm_keys.info),
        Route("GET", "/key/list", LOOKERS, litellm_keys.list_keys),
        Route("POST", "/key/update", KEEPERS, litellm_keys.update),
        Route("POST", "/key/delete", KEEPERS, litellm_keys.delete),
        Route("POST", "/key/block", KEEPERS, litellm_keys.block),
        Route("POST", "/key/unblock", KEEPERS, litellm_keys.unblock),
        Route("POST", "/key/regenerate", KEEPERS, litellm_keys.regenerate, shown_once=True),
        Route("POST", "/key/{key}/regenerate", KEEPERS, litellm_keys.regenerate, shown_once=True),
        Route("POST", "/team/new", ADMIN, litellm_teams.new_team),
        Route("GET", "/team/info", LOOKERS, litellm_teams.team_info),
        Route("GET", "/team/list", LOOKERS, litellm_teams.list_teams),
        Route("POST", "/team/update", ADMIN, litellm_teams.update_team),
        Route("POST", "/team/delete", ADMIN, litellm_teams.delete_team),
        Route("POST", "/user/new", ADMIN, litellm_teams.new_user, shown_once=True),
        Route("GET", "/user/info", READERS, litellm_teams.user_info),
        Route("POST", "/budget/new", ADMIN, litellm_money.new),
        Route("POST", "/budget/info", READERS, litellm_money.info),
        Route("GET", "/budget/list", READERS, litellm_money.list_budgets),
        Route("POST", "/budget/update", ADMIN, litellm_money.update),
        Route("POST", "/budget/delete", ADMIN, litellm_money.delete),
        Route("GET", "/model/info", EVERYONE, litellm_models.model_info),
        Route("GET", "/v1/model/info", EVERYONE, litellm_models.model_info),
        Route("GET", "/health", READERS, litellm_models.health),
        Route("GET", "/spend/logs", READERS, litellm_spend.logs),
        Route("GET", "/spend/keys", READERS, litellm_spend.keys),
        Route("GET", "/spend/tags", READERS, litellm_spend.tags),
        Route("GET", "/global/spend", READERS, litellm_spend.total),
        Route("GET", "/global/spend/keys", READERS, litellm_spend.global_keys),
        Route("GET", "/global/spend/tags", READERS, litellm_spend.tags),
        Route("GET", "/global/spend/report", READERS, litellm_spend.report),
        Route("GET", "/v1/redactions", LOOKERS, admin_reads.redactions),
        Route("GET", "/v1/outbox", READERS, admin_outbox.status),
        Route("GET", "/v1/outbox/dead-letters", READERS, admin_outbox.letters),
        Route("GET", "/v1/outbox/dead-letters/{id}", READERS, admin_outbox.letter),
        Route("POST", "/v1/outbox/replay", ADMIN, admin_outbox.replay),
        Route("POST", "/v1/outbox/drop", ADMIN, admin_outbox.drop),
        Route("GET", "/v1/contents", READERS, admin_contents.contents),
        Route("GET", "/v1/contents/{id}", READERS, admin_contents.content),
        Route("POST", "/v1/contents/delete", ADMIN, admin_contents.delete),
        Route("POST", "/v1/config/reload", ADMIN, admin_config.reload),
        Route("POST", "/v1/dashboard/sessions", None, admin_sessions.log_in),
        Route("GET", "/v1/dashboard/sessions/current", None, admin_sessions.current),
        Route("DELETE", "/v1/dashboard/sessions/current", EVERYONE, admin_sessions.log_out),
        Route("POST", "/v1/dashboard/views", LOOKERS, admin_sessions.looked),
    ]
    return RouteTable(routes)
