"""Canary calls: every provider's own free request, over HTTP, with a good key, a bad one, and what is neither."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.routing import canary_call
from pipeline.routing.canary import NOTES, WAYS, Called, Way, canary_of, judge
from pipeline.routing.canary_call import call_canaries
from pipeline.routing.canary_keys import Keyed, keys_for
from pipeline.routing.model import Target
from pipeline.routing.providers import read_catalog
from pipeline.routing.sigv4 import signed_headers
from pipeline.vaults.model import SecretRef
from tests.pipeline.routing.asking import AWS, secret, target
from tests.pipeline.vaults.rig import ASKER, Rig
from tests.servers.provider import Provider, running_provider

KEY = "key-of-the-loopback"
BASES = {"openai": "/v1", "gemini": "/v1beta", "mistral": "/v1", "openrouter": "/api/v1", "xai": "/v1", "deepseek": "/v1"}
EXPECTED = {
    "openai": ("/v1/models", "authorization"),
    "anthropic": ("/v1/models", "x-api-key"),
    "gemini": ("/v1beta/models", "x-goog-api-key"),
    "azure": ("/openai/models", "api-key"),
    "bedrock": ("/foundation-models", "authorization"),
    "mistral": ("/v1/models", "authorization"),
    "openrouter": ("/api/v1/key", "authorization"),
    "xai": ("/v1/api-key", "authorization"),
    "deepseek": ("/user/balance", "authorization"),
    "huggingface": ("/api/whoami-v2", "authorization"),
    "replicate": ("/account", "authorization"),
    "hosted_vllm": ("/models", "authorization"),
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        running.accept_keys = {KEY, "AKIALOOPBACK"}
        yield running


def of(provider: Provider, name: str, **more: Any) -> Target:
    return target(name, base=provider.url + BASES.get(name, ""), **more)


async def asked(targets: Sequence[Target], value: str = KEY) -> list[Called]:
    bases = read_catalog().bases
    keyed = [Keyed(each, secret(value)) for each in targets]
    return await call_canaries(keyed, lambda each: each.base_url or bases.get(each.provider), SystemClock())


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_key_works_where_its_provider_accepts_it_and_is_denied_where_not(provider: Provider, name: str) -> None:
    path, header = EXPECTED[name]
    (good,) = await asked([of(provider, name)])
    (bad,) = await asked([of(provider, name)], "another-key")
    assert (good.verdict, good.status, bad.verdict) == ("works", 200, "denied")
    assert {look.path for look in provider.looks} == {path}
    assert [KEY in look.headers.get(header, "") for look in provider.looks] == [True, False, False]
    assert [look.key for look in provider.looks] == [KEY, "", "another-key"]
    assert not provider.calls


async def test_a_pair_of_aws_keys_is_signed_and_never_sent(provider: Provider) -> None:
    (good,) = await asked([of(provider, "bedrock")], AWS)
    (bad,) = await asked([of(provider, "bedrock")], AWS.replace("AKIALOOPBACK", "AKIAANOTHER"))
    assert (good.verdict, bad.verdict) == ("works", "denied")
    assert "loopback-secret" not in json.dumps([look.headers for look in provider.looks])


@pytest.mark.parametrize("token", ["", "a-session-token"])
def test_a_signature_names_its_key_and_region_and_is_no_credential(token: str, caplog: pytest.LogCaptureFixture) -> None:
    keys = {"aws_access_key_id": "AKIALOOPBACK", "aws_secret_access_key": "loopback-secret"} | (
        {"aws_session_token": token} if token else {}
    )
    with caplog.at_level(logging.DEBUG):
        headers = signed_headers("https://bedrock.eu-west-1.amazonaws.com/foundation-models", keys, region="eu-west-1", service="bedrock")
    assert re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIALOOPBACK/\d{8}/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date"
        + (";x-amz-security-token" if token else "")
        + r", Signature=[0-9a-f]{64}",
        headers["authorization"],
    )
    assert headers.get("x-amz-security-token", "") == token
    assert "loopback-secret" not in str(headers)
    assert not token or token not in caplog.text


async def test_a_list_that_anybody_may_read_proves_nothing(provider: Provider) -> None:
    provider.open_lists = True
    found = await asked([of(provider, "hosted_vllm", ident="a"), of(provider, "openai", ident="b")])
    assert {called.target: called.verdict for called in found} == {"a": "unsupported", "b": "unsupported"}


async def test_targets_of_one_address_are_asked_about_once_and_each_has_its_verdict(provider: Provider) -> None:
    found = await asked([of(provider, "openai", ident=name, model=name) for name in ("a", "b", "c")])
    assert [(called.target, called.verdict) for called in found] == [("a", "works"), ("b", "works"), ("c", "works")]
    assert len(provider.looks) == 2


@pytest.mark.parametrize(
    ("way", "status", "is_json", "error_type", "verdict"),
    [
        (WAYS["openai"], 200, True, "", "works"),
        (WAYS["openai"], 200, False, "", "unsupported"),
        (WAYS["openai"], 401, False, "", "denied"),
        (WAYS["openai"], 403, False, "", "limited"),
        (WAYS["deepseek"], 402, False, "", "limited"),
        (WAYS["gemini"], 400, False, "", "denied"),
        (WAYS["gemini"], 403, False, "", "denied"),
        (WAYS["bedrock"], 403, False, "AccessDeniedException:http://internal", "limited"),
        (WAYS["bedrock"], 403, False, "UnrecognizedClientException", "denied"),
        (Way(), 403, False, "", "denied"),
        (Way(), 400, False, "", "unsupported"),
        (Way(), 404, False, "", "unsupported"),
        *((Way(), status, False, "", "unreachable") for status in (301, 307, 408, 429, 500, 503)),
    ],
)
def test_an_answer_has_its_verdict(way: Way, status: int, is_json: bool, error_type: str, verdict: str) -> None:
    assert judge(way, status, is_json=is_json, error_type=error_type) == verdict
    assert NOTES[judge(way, status, is_json=is_json, error_type=error_type)]


@pytest.mark.parametrize("status", [429, 500, 302])
async def test_what_teaches_nothing_about_a_key_is_unreachable(provider: Provider, status: int) -> None:
    provider.refuse_with = status
    (found,) = await asked([of(provider, "openai")], "another-key")
    assert (found.verdict, found.status) == ("unreachable", status)


async def test_nobody_there_is_unreachable() -> None:
    (found,) = await asked([target("openai", base="http://127.0.0.1:9/v1")])
    assert (found.verdict, found.status) == ("unreachable", 0)


async def test_a_provider_that_says_nothing_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        writer.close()

    monkeypatch.setattr(canary_call, "DEADLINE_S", 0.2)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        (found,) = await asked([target("openai", base=f"http://127.0.0.1:{port}/v1")])
    finally:
        server.close()
    assert (found.verdict, found.status) == ("unreachable", 0)


@pytest.mark.parametrize("name", ["demo", "vertex_ai", "sagemaker", "watsonx", "perplexity", "nvidia_nim", "nobody_knows_it"])
async def test_where_there_is_no_such_call_nothing_is_sent(name: str) -> None:
    (found,) = await asked([Target("t", name, "m", reference="r")])
    assert (found.verdict, found.status) == ("unsupported", 0)


async def test_a_value_that_no_header_can_hold_is_denied_without_a_call(provider: Provider) -> None:
    (found,) = await asked([of(provider, "openai")], "two words")
    assert (found.verdict, provider.looks) == ("denied", [])


def test_a_target_without_an_address_is_asked_at_its_providers_usual_one() -> None:
    bases = read_catalog().bases
    found = {}
    for name in WAYS:
        made = target(name)
        canary = canary_of(made, bases.get(name), secret(KEY))
        found[name] = canary.url if canary else None
        assert canary is None or not canary.control
        assert KEY not in repr(canary)
    assert found["openai"] == "https://api.openai.com/v1/models"
    assert found["deepseek"] == "https://api.deepseek.com/user/balance"
    assert found["bedrock"] == "https://bedrock.us-east-1.amazonaws.com/foundation-models"
    assert [name for name, url in found.items() if url is None] == ["azure"]  # Azure has no address but a customer's own


@dataclass
class Declared:
    by_target: dict[str, SecretRef]
    parts: dict[str, dict[str, SecretRef]]


async def test_each_target_is_tried_with_its_own_credential_and_a_place_is_read_once(provider: Provider) -> None:
    rig = Rig()
    pair = {name: rig.ref("pair", secret_key=name) for name in ("aws_access_key_id", "aws_secret_access_key")}
    address = rig.ref("address", announced=False)
    one, other, lost = rig.ref("one"), rig.ref("other"), rig.ref("lost")
    rig.vault().values |= {"pair": AWS, "address": provider.url, "one": KEY, "other": "another-key"}
    references = Declared(
        {"a": one, "b": one, "c": other, "d": lost, "e": pair["aws_secret_access_key"], "f": one},
        {"e": pair, "f": {"key": one, "base_url": address}, "g": {"key": lost, "base_url": address}},
    )
    targets = [of(provider, "openai", ident=ident) for ident in "abcd"]
    targets += [of(provider, "bedrock", ident="e"), target("azure", ident="f"), target("azure", ident="g")]
    keyed = await keys_for(targets, references, rig.resolver, ASKER, known=[(one, secret(KEY))])
    found = await call_canaries(keyed, lambda each: each.base_url, SystemClock())
    assert {called.target: called.verdict for called in found} == {
        "a": "works", "b": "works", "c": "denied", "d": "unsupported", "e": "works", "f": "works", "g": "unsupported",
    }  # fmt: skip
    assert rig.vault().calls == 5  # the two fields, the address, `other` and `lost`; `one` was known
    assert [look.path for look in provider.looks if look.key == KEY] == ["/v1/models", "/openai/models"]
    await rig.resolver.close()
