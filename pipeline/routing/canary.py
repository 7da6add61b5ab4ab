"""Canary calls: the cheapest request that a provider answers differently with a good key and a bad one, and what its answer means.

No tokens are spent. Every address is the target's own, out of the document, or the provider's usual one; nobody who asks for a
canary call names one. A list of models that anybody may read proves nothing about a key: where it is not known to be closed, the
same request is made once more without the key (`Canary.control`).

Sources: the providers' API references; which of them list models to anybody was taken from the same pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pipeline.routing.canary_keys import Keyed
from pipeline.routing.direct import ANTHROPIC_VERSION, reveal
from pipeline.routing.litellm_keys import aws_fields
from pipeline.routing.model import Target, UpstreamError
from pipeline.routing.sigv4 import signed_headers
from pipeline.vaults.model import Secret

Verdict = Literal["works", "limited", "denied", "unreachable", "unsupported"]
"""`works`: the provider accepts the key. `limited`: it knows the key and allows it less than this (scopes, credit). `denied`: it does
not accept the key. `unreachable`: nothing was learned (network, 429, 5xx, a redirect). `unsupported`: there is no such call to make."""

AZURE_VERSION: Final = "2024-10-21"
"""The API version of Azure's list where the target names none: its newest stable one at the time of writing."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one provider is asked. `path` follows the base address, or its host when it begins with `//`.

    `closed`: without a key the provider refuses; else that is tried. `scoped`: a 403 says that the key is good and may not do this.
    `bad`: the statuses that refuse the key.
    """

    path: str = "/models"
    header: str = "authorization"
    base: str = ""
    closed: bool = True
    scoped: bool = False
    bad: frozenset[int] = frozenset({401})


WAYS: Final[Mapping[str, Way]] = {
    "openai": Way(scoped=True),
    "anthropic": Way("//v1/models", "x-api-key", scoped=True),
    "gemini": Way(header="x-goog-api-key", base="https://generativelanguage.googleapis.com/v1beta", bad=frozenset({400, 401, 403})),
    "azure": Way("/openai/models", "api-key", scoped=True),
    "bedrock": Way("/foundation-models", bad=frozenset({401, 403})),
    "mistral": Way(),
    "groq": Way(),
    "together_ai": Way(),
    "fireworks_ai": Way(),
    "cohere": Way(base="https://api.cohere.com/v1"),
    "openrouter": Way("/key"),
    "xai": Way("/api-key", bad=frozenset({400, 401})),
    "deepseek": Way("//user/balance"),
    "huggingface": Way("//api/whoami-v2", base="https://huggingface.co"),
    "replicate": Way("/account", base="https://api.replicate.com/v1"),
}
"""What is asked where. Every other provider has the list of models of OpenAI's format tried, with a control."""

_OTHER: Final = Way(closed=False)
_SAME: Final = {"bedrock_converse": "bedrock", "cohere_chat": "cohere"}
_NONE: Final = frozenset({"demo", "azure_ai", "sagemaker", "sagemaker_chat", "watsonx", "watsonx_text", "perplexity", "nvidia_nim"})
"""Providers whose key no free request tells from another one, or whose key is exchanged for a token first."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One request to be made. `credentials` are the headers that carry the key; `bare` the others."""

    url: str
    way: Way
    bare: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    control: bool = False


def canary_of(target: Target, base: str | None, key: Secret) -> Canary | None:
    """The canary call of a target with its resolved key, None where there is none: a part of a credential is sent nowhere.

    `base` is the target's address or its provider's.

    Raises UpstreamError `auth` for a value that no header can hold.
    """
    name = _SAME.get(target.provider, target.provider)
    if target.composed or target.provider in _NONE or name.startswith("vertex"):
        return None
    way = WAYS.get(name, _OTHER)
    if name == "bedrock":
        return _bedrock(target, way, key)
    address = target.base_url or (way.base or base)
    if not address:
        return None
    bare = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "lockgate"}
    if name == "anthropic":
        bare["anthropic-version"] = ANTHROPIC_VERSION
    for setting in ("organization", "project"):
        if name == "openai" and setting in target.extra:
            bare["openai-" + setting] = target.extra[setting]
    value = reveal(key)
    sent = {way.header: f"Bearer {value}" if way.header == "authorization" else value}
    url = _joined(address, way.path)
    if name == "azure":
        url += f"?api-version={target.extra.get('api_version', AZURE_VERSION)}"
    return Canary(url, way, bare, sent, control=not way.closed or target.base_url is not None)


def _joined(address: str, path: str) -> str:
    base = address.rstrip("/")
    if path.startswith("//"):
        return base.removesuffix("/v1") + path[1:]
    return base + path


def _bedrock(target: Target, way: Way, key: Secret) -> Canary | None:
    """`ListFoundationModels`, by a pair of AWS keys or a Bedrock API key; a role or a profile is AWS's own affair."""
    region = target.extra.get("aws_region_name")
    address = target.base_url or (f"https://bedrock.{region}.amazonaws.com" if region else None)
    if address is None:
        return None
    url = _joined(address, way.path)
    bare = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "lockgate"}
    value = key.reveal()
    if value.lstrip().startswith("{"):
        sent = signed_headers(url, aws_fields(value), region=region or "us-east-1", service="bedrock")
    else:
        sent = {"authorization": "Bearer " + reveal(key)}
    return Canary(url, way, bare, sent, control=target.base_url is not None)


def judge(way: Way, status: int, *, is_json: bool, error_type: str = "") -> Verdict:
    """What the answer to the request with the key means. `error_type` is AWS's `x-amzn-errortype`, decided on by its code."""
    if 200 <= status < 300:
        return "works" if is_json else "unsupported"
    if error_type.partition(":")[0] == "AccessDeniedException":
        return "limited"
    if status in way.bad:
        return "denied"
    if status == 402 or (status == 403 and way.scoped):
        return "limited"
    if status == 403:
        return "denied"
    if status in (400, 404, 405, 410, 501):
        return "unsupported"
    return "unreachable"


@dataclass(frozen=True, slots=True)
class Called:
    """What one canary call found. `status` is the provider's HTTP status (0: none came); `note` is a sentence of ours."""

    target: str
    provider: str
    verdict: Verdict
    status: int = 0
    latency_us: int = 0
    note: str = ""


NOTES: Final[Mapping[Verdict, str]] = {
    "works": "The provider accepts the key.",
    "limited": "The provider knows the key and does not allow it this call: check its scopes and its credit.",
    "denied": "The provider does not accept the key: write a new one into the vault.",
    "unreachable": "The provider gave no answer that says anything about the key.",
    "unsupported": "There is no free call at this address that tells a good key from a bad one.",
}


@dataclass(frozen=True, slots=True)
class Errand:
    """One canary call and the targets for which it speaks: those with the same address, headers and key."""

    canary: Canary
    targets: tuple[Target, ...]


UNUSABLE: Final = "The value can be no key of this provider: its form is wrong."
UNRESOLVED: Final = "The target's credential does not resolve, so that nothing was sent."


def errands_of(keyed: Iterable[Keyed], base_of: Callable[[Target], str | None]) -> tuple[list[Errand], list[Called]]:
    """The calls to make for targets with their keys, each address and key once, and what is known without a call."""
    found: dict[tuple[str, ...], Errand] = {}
    told: list[Called] = []
    for each in keyed:
        target = each.target
        if each.key is None:
            told.append(Called(target.id, target.provider, "unsupported", note=UNRESOLVED))
            continue
        try:
            canary = canary_of(target, base_of(target), each.key)
        except UpstreamError:
            told.append(Called(target.id, target.provider, "denied", note=UNUSABLE))
            continue
        if canary is None:
            told.append(Called(target.id, target.provider, "unsupported", note=NOTES["unsupported"]))
            continue
        place = (canary.url, *canary.bare.values(), *canary.credentials, *canary.credentials.values())
        before = found.get(place)
        found[place] = Errand(before.canary, (*before.targets, target)) if before else Errand(canary, (target,))
    return list(found.values()), told
