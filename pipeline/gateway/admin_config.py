"""The document over HTTP: load it again, and what the API is."""

from __future__ import annotations

from typing import Any

from pipeline.errors import ConfigError, PipelineError
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.keys.scope import allowed_models


async def reload(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/config/reload`: read the document again. A bad one changes nothing; both outcomes are recorded.

    `needs_restart` names the settings that differ from those the gateway started with and that only a restart brings into force.
    """
    try:
        loaded = await house.desk.reload()
    except PipelineError as error:  # a bad document, or a required secret of it that is not there
        status = 400 if isinstance(error, ConfigError) else error.status
        await house.ledger.append(
            admin_event(house, request, who, "config:document:reload", "failed", {"code": error.code}, status=status, error=error.code)
        )
        if not isinstance(error, ConfigError):
            raise
        raise ConfigError(
            error.message, hint=error.hint or "The former document stays in force.", status=400, type="invalid_request_error"
        ) from None
    told = {"digest": loaded.digest, "needs_restart": list(loaded.needs_restart)}
    await house.ledger.append(admin_event(house, request, who, "config:document:reload", "ok", told))
    return Reply(json={"reloaded": True, **told})


async def models(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/models`: the models this key may use, in Anthropic's shape when `anthropic-version` is sent, in OpenAI's otherwise."""
    assert who is not None
    names = allowed_models(who.models, house.swapped.router.models())
    if b"anthropic-version" in request.headers.values:
        data = [{"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"} for name in names]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return Reply(json={"data": data, "has_more": False, **ends})
    return Reply(json={"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "lockgate"} for name in names]})


async def model(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/models/{id}`: one model in the same shapes."""
    from pipeline.errors import NoTarget

    listed = await models(house, request, who, {})
    for entry in listed.json["data"]:
        if entry["id"] == request.params["id"]:
            return Reply(json=entry)
    raise NoTarget("No such model is served here.", hint="GET /v1/models lists the names.", param="model")
