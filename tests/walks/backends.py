"""What a walk with a real back end does at the gateway: a call full of canaries, a reload, a wait until all is delivered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import yaml

from tests.walks.canaries import Planted
from tests.walks.rig import Answer, Gateway

WORDS = "the harbor opens at dawn"
"""What a prompt says beside its secrets; content that is captured shows it."""


def delivered(gateway: Gateway) -> dict[str, Any]:
    """The loss account of the one destination, once nothing is queued any more."""
    deadline = time.monotonic() + 40
    while True:
        [account] = gateway.admin("GET", "/v1/outbox")["data"]
        if not account["queued"]:
            return dict(account)
        assert time.monotonic() < deadline, account
        time.sleep(0.1)


def ask(gateway: Gateway, canaries: Planted, key: str, stream: bool) -> Answer:
    """A call that says `WORDS` and every canary of a prompt."""
    content = " ".join([WORDS, *canaries.prompts().values()])
    body = {"model": "direct", "stream": stream, "messages": [{"role": "user", "content": content}]}
    answer = gateway.call("POST", "/v1/chat/completions", body, key=key)
    assert answer.status == 200
    return answer


def reload(gateway: Gateway, document: Mapping[str, Any]) -> None:
    """Have the gateway read another document."""
    gateway.config.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    gateway.admin("POST", "/v1/config/reload", {})
