"""`GET /openapi.json`: the API described from the route table, so that description and table cannot drift apart."""

from __future__ import annotations

import re
from typing import Any

from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.gateway.routes import CALLERS, Route, RouteTable

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request that is sent twice under one key happens once, and its answer is given again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


async def openapi(house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """The description (OpenAPI 3.1)."""
    return Reply(json=describe(house.routes, house.version))


def describe(routes: RouteTable, version: str) -> dict[str, Any]:
    """Describe every route: its parameters, who may call it, and the error shape."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lockgate", "version": version, "summary": "The LLM gateway that lets nothing leak."},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {"Error": _ERROR},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    public = route.roles is None and route.surface is None and not route.media
    about = f"The {route.surface} surface." if route.surface else (route.endpoint.__doc__ or "").strip()
    operation: dict[str, Any] = {
        "summary": about,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "x-roles": sorted(CALLERS if route.surface or route.media else route.roles or ()),
        "security": [] if public else [{"key": []}, {"header": []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
            for name in re.findall(r"\{(\w+)\}", route.path)
        ]
        + ([_IDEMPOTENCY_KEY] if route.method != "GET" and not public and not route.repeatable else []),
        "responses": {
            "default": {"description": "An error.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
            "2XX": {"description": "The answer."},
        },
    }
    if route.media:
        binary: dict[str, Any] = {"content": {media: {"schema": {}} for media in route.media}}
        operation["requestBody"] = binary
        operation["responses"] = {
            name: {"description": said, **binary} for name, said in (("default", "A google.rpc.Status."), ("2XX", "Taken."))
        }
    elif route.form:
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    elif route.raw:
        text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
        operation["requestBody"] = text
        operation["responses"]["2XX"] = {"description": "The answer, as it comes.", **text}
    elif route.method in ("POST", "PUT", "PATCH"):
        operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return operation
