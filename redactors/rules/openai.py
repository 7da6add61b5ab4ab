"""OpenAI's keys of all generations, and the many vendors that issue `sk-` keys of the same shape."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.checks import both, drawn, hexadecimal, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import ALNUM, HEX, URLSAFE, WORD, fixed, in_plain, mixed
from redactors.rules.shapes import DATED, LEAD, prefixed

_KEYS = "https://platform.openai.com/docs/api-reference/authentication"

_OWNED = ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "sk-ant-", "sk-or-", "sk-lf-", "sk-helicone-", "sk-lw-", "sk-kimi-")
"""Prefixes that have a rule of their own."""


def _legacy(rng: Random) -> str:
    return f"sk-{mixed(rng, ALNUM, 20)}T3BlbkFJ{mixed(rng, ALNUM, 20)}"


def _plain(rng: Random) -> str:
    return f"sk-{mixed(rng, ALNUM, 48)}"


def _short(rng: Random) -> str:
    return f"sk-{mixed(rng, ALNUM, rng.choice((22, 32, 40)))}"


def _unowned(value: str) -> bool:
    body = value[3:]
    if value.startswith(_OWNED) or "T3BlbkFJ" in value:
        return False
    if len(body) == 48 and body.isalnum():
        return False
    return not (len(body) == 32 and all(c in "0123456789abcdef" for c in body))


RULES: tuple[Rule, ...] = (
    prefixed(
        "openai-project-key", "openai_key", "OpenAI project key", "sk-proj-", URLSAFE, (48, 156), least=16, source=_KEYS,
        must_not=(MustNot(fixed("export OPENAI_API_KEY=sk-proj-..."), "an ellipsis stands for the key"),),
    ),
    prefixed("openai-service-account-key", "openai_key", "OpenAI service account key", "sk-svcacct-", URLSAFE, (48, 156), least=16, source=_KEYS),
    prefixed("openai-admin-key", "openai_key", "OpenAI admin key", "sk-admin-", URLSAFE, (48, 156), least=16, source=_KEYS),
    prefixed("openai-user-key", "openai_key", "OpenAI user key made without a project", "sk-None-", URLSAFE, (48, 156), least=16, source=_KEYS),
    Rule(
        id="openai-legacy-key",
        kind="openai_key",
        about="OpenAI user key of 2022 to 2024, marked T3BlbkFJ (base64 of OpenAI) in its middle",
        pattern=LEAD + r"(sk-[A-Za-z0-9_-]{16,80}T3BlbkFJ[A-Za-z0-9_-]{12,})",
        group=1,
        source=_KEYS,
        dated=DATED,
        keywords=("t3blbkfj",),
        longest=320,
        validate=token,
        must=(Must(in_plain(_legacy)),),
        must_not=(MustNot(fixed("every old key had T3BlbkFJ in the middle"), "the mark alone is not a key"),),
    ),
    Rule(
        id="openai-style-48-key",
        kind="api_key",
        about="Key of sk- and 48 letters and digits: early OpenAI, Moonshot, Stability, Qwen resellers",
        pattern=LEAD + r"(sk-[A-Za-z0-9]{48})\b",
        group=1,
        source="https://platform.moonshot.ai/docs/introduction",
        dated=DATED,
        keywords=("sk-",),
        longest=128,
        validate=drawn,
        must=(Must(in_plain(_plain)),),
        must_not=(MustNot(fixed("sk-" + "x" * 48), "a body of one filler character is a sample"),),
    ),
    Rule(
        id="deepseek-key",
        kind="deepseek_key",
        about="DeepSeek and DashScope keys: sk- and 32 hexadecimal digits",
        pattern=LEAD + r"(sk-[a-f0-9]{32})\b",
        group=1,
        source="https://api-docs.deepseek.com/",
        dated=DATED,
        keywords=("sk-",),
        longest=96,
        validate=hexadecimal,
        must=(Must(in_plain(lambda rng: f"sk-{mixed(rng, HEX, 32)}")),),
        must_not=(MustNot(fixed("the task-0123456789abcdef0123456789abcdef is done"), "sk- inside a word, and counted digits"),),
    ),
    Rule(
        id="openai-style-key",
        kind="api_key",
        about="Any other key of sk- and random text: LiteLLM, Braintrust, proxies and resellers",
        pattern=LEAD + r"(sk-[A-Za-z0-9_-]{16,})",
        group=1,
        source="https://docs.litellm.ai/docs/proxy/virtual_keys",
        dated=DATED,
        keywords=("sk-",),
        longest=256,
        validate=both(drawn, _unowned),
        must=(Must(in_plain(_short)),),
        must_not=(
            MustNot(fixed('<div class="sk-toggleable__content sk-estimator-id-12">'), "class names of scikit-learn's HTML"),
            MustNot(fixed("the task-runner-2024-11-03-final is stuck"), "sk- inside a word"),
            MustNot(fixed("use sk-1234567890abcdef1234567890abcdef"), "counted digits are a sample"),
        ),
    ),
    prefixed("openai-session-key", "openai_key", "OpenAI session key of the web console", "sess-", ALNUM, 40, source=_KEYS, validate=drawn),
    prefixed("openai-ephemeral-key", "openai_key", "OpenAI realtime client secret", "ek_", WORD, (32, 48), least=28, source=_KEYS, validate=drawn),
)  # fmt: skip
