"""The loopback provider keeps its own word: what it is scripted to do, and its books."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.servers.provider import running_provider
from tests.servers.provider_calls import Price
from tests.servers.provider_script import read_script, tokens_of


def post(url: str, tree: dict[str, Any], key: str = "key-one") -> Any:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(tree).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize(
    ("model", "message", "flags", "values", "at", "status", "prompt"),
    [
        ("echo", "hi", {"echo"}, {}, {}, 0, "hi"),
        ("claude--slow:1+echo", "hi", {"echo"}, {"slow": "1"}, {}, 0, "hi"),
        ("gpt-5-mini", "#!tools+trunc@3\nhi", {"tools"}, {}, {"trunc": 3}, 0, "hi"),
        ("429:7", "hi", set(), {"429": "7"}, {}, 429, "hi"),
        ("503", "hi", set(), {}, {}, 503, "hi"),
        ("rst", "hi", set(), {}, {"rst": 0}, 0, "hi"),
        ("x", "#!echo+leak:a+b:c@1\nhi", {"echo"}, {"leak": "a+b:c@1"}, {}, 0, "hi"),
        ("error", "hi", set(), {}, {}, 0, "hi"),
    ],
)
def test_scripts_are_read(
    model: str, message: str, flags: set[str], values: dict[str, str], at: dict[str, int], status: int, prompt: str
) -> None:
    script, rest = read_script(model, message)
    assert (script.flags, script.values, script.at, script.status, rest) == (flags, values, at, status, prompt)


def test_the_books_are_kept_and_shown_without_keys_or_bodies() -> None:
    with running_provider() as provider:
        provider.leak = "a planted text"
        for model in ("echo", "leak", "say:5"):
            post(
                f"{provider.url}/v1/chat/completions",
                {"model": model, "messages": [{"role": "user", "content": "#!\nmy prompt"}]},
                "key-secret-1234",
            )
        shown = post(
            f"{provider.url}/_ledger", {"prices": {name: {"input": 1_000_000, "output": 1_000_000} for name in ("echo", "leak", "say:5")}}
        )
        assert (shown["calls"], shown["billed"]) == (3, 3)
        assert shown["items"][0]["key_last4"] == "1234"
        assert "key-secret" not in json.dumps(shown)
        assert "my prompt" not in json.dumps(shown)
        tokens = sum(call.tally.prompt + call.tally.completion for call in provider.calls)
        assert shown["bill_micros"] == tokens == provider.bill({call.model: Price(1_000_000, 1_000_000) for call in provider.calls})
        assert provider.calls[1].tally.completion == tokens_of("a planted text")
        assert len(provider.saw("my prompt")) == 3
        assert post(f"{provider.url}/_seen", {"text": "key-secret-1234"}) == {"count": 3}
        post(f"{provider.url}/_reset", {})
        assert provider.calls == []


def test_only_accepted_keys_are_served() -> None:
    with running_provider() as provider:
        post(f"{provider.url}/_control", {"accept_keys": ["right"]})
        body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(f"{provider.url}/v1/chat/completions", body, "wrong")
        assert post(f"{provider.url}/v1/chat/completions", body, "right")["choices"][0]["message"]["content"] == "hi"
        assert provider.keys == ["wrong", "right"]
        assert [call.billed for call in provider.calls] == [False, True]
