"""What an alert says, as bytes: a signed webhook after the Standard Webhooks specification, and a text for a chat.

The webhook's body is `{"type", "timestamp", "data"}`; its headers are `webhook-id` (the same for every attempt), `webhook-timestamp`
(seconds) and `webhook-signature` (`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`). A secret `whsec_…` is base64, as the
specification has it; any other is taken as it is. Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any, Final

from pipeline.errors import SecretError

LEAST_SECRET_BYTES: Final = 24
_PREFIX: Final = "whsec_"
_SAID: Final = {
    "threshold": "{percent}% of the {scope} budget are spent",
    "soft_limit": "The soft limit of the {scope} budget is passed",
    "exhausted": "The {scope} budget is used up; calls are refused",
    "anomaly": "A key spends much more than it used to",
}


def envelope(view: dict[str, Any]) -> dict[str, Any]:
    """The body of a webhook from an alert as it is shown: ids and numbers, nothing else."""
    return {"type": f"budget.{view['kind']}", "timestamp": view["at"], "data": view}


def webhook_headers(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed webhook. Raises SecretError for a secret that is too short or no base64."""
    signed = f"{message_id}.{at_s}.".encode() + body
    mac = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{mac}"}


def chat_text(view: dict[str, Any]) -> str:
    """One line for people."""
    said = _SAID[view["kind"]].format(percent=view["percent"], scope=view["scope"])
    of = f"usual in an hour: ${view['usual_usd']}" if view["kind"] == "anomaly" else f"limit ${view['limit_usd']} per {view['period']}"
    blocked = " The key is blocked." if view["key_blocked"] else ""
    return f"Lockgate: {said}. Spent ${view['spent_usd']}, {of}. {view['scope']} {view['scope_id']}, alert {view['id']}.{blocked}"


def _key(secret: str) -> bytes:
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (ValueError, binascii.Error):
            raise SecretError("The secret of a webhook begins with whsec_ and is not base64.") from None
    if len(key) < LEAST_SECRET_BYTES:
        raise SecretError(f"The secret of a webhook has at least {LEAST_SECRET_BYTES} bytes.", hint="openssl rand -base64 32")
    return key
