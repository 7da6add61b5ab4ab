"""What may be changed of a key once it is made (`PATCH /v1/keys/{id}`): a closed list, so that nobody promotes a key by sending more.

Role, workspace, organization, status and id are not in it. A field that is missing keeps its value, null takes its limit away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.keys.caveat_requests import read_caveats
from pipeline.keys.caveats import Caveats
from pipeline.keys.model import VirtualKey
from pipeline.keys.requests import read_new_key

_SAME_NAME: Final = ("alias", "models", "policy", "metadata", "rpm_limit", "tpm_limit", "max_parallel_requests")
CHANGE_FIELDS: Final = frozenset({*_SAME_NAME, "expires_at", "duration", "caveats"})


def changed_key(key: VirtualKey, body: Mapping[str, Any], now_us: int) -> VirtualKey:
    """The key as the request wants it. BadRequest names the wrong field, and counts those that nobody may change."""
    refused = [name for name in body if name not in CHANGE_FIELDS]
    if refused or not body:
        what = f"{len(refused)} field(s) of the request cannot be changed." if refused else "The request changes nothing."
        raise BadRequest(what, hint=f"What can be changed: {', '.join(sorted(CHANGE_FIELDS))}.")
    asked = read_new_key(body, now_us)  # the same rules as for a new key
    values: dict[str, Any] = {name: getattr(asked, name) for name in _SAME_NAME if name in body}
    if "expires_at" in body or "duration" in body:
        values["expires_us"] = asked.expires_us
    if "caveats" in body:
        values["caveats"] = Caveats() if body["caveats"] is None else read_caveats(body["caveats"], key.caveats)
    return replace(key, **values)


def refuse_wider(made: Caveats, than: Caveats) -> None:
    """Hold the law of attenuation: nobody makes a key that may do what their own may not. KeyOutOfScope (403) names the caveat."""
    wider = made.wider_than(than)
    if wider:
        raise KeyOutOfScope(
            "This key would be allowed more than the one that makes it.",
            hint=f"Narrow it: {', '.join(wider)}.",
            code="caveat_too_wide",
            param=wider[0],
        )
