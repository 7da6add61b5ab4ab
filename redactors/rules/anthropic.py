"""Anthropic's keys: API, admin, OAuth of Claude, and browser sessions."""

from __future__ import annotations

from random import Random

from redactors.rules.checks import Check, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import URLSAFE, fixed, in_plain, mixed
from redactors.rules.shapes import DATED, LEAD

_SOURCE = "https://docs.anthropic.com/en/api/getting-started"
_OWNED = ("sk-ant-api", "sk-ant-admin", "sk-ant-oat", "sk-ant-ort", "sk-ant-sid")


def _rule(name: str, about: str, stem: str, sample: str, check: Check = token) -> Rule:
    def secret(rng: Random) -> str:
        return f"{sample}{mixed(rng, URLSAFE, 93)}AA"

    return Rule(
        id=name,
        kind="anthropic_key",
        about=about,
        pattern=f"{LEAD}({stem}[A-Za-z0-9_-]{{16,}})",
        group=1,
        source=_SOURCE,
        dated=DATED,
        keywords=("sk-ant-",),
        longest=320,
        validate=check,
        must=(Must(in_plain(secret)),),
        must_not=(
            MustNot(fixed(f"set ANTHROPIC_API_KEY={sample}..."), "an ellipsis stands for the key"),
            MustNot(fixed(f"{sample}{'x' * 40}"), "a body of one filler character is a sample"),
        ),
    )


def _unowned(value: str) -> bool:
    return token(value) and not value.startswith(_OWNED)


RULES: tuple[Rule, ...] = (
    _rule("anthropic-api-key", "Anthropic API key", r"sk-ant-api[0-9]{0,3}-", "sk-ant-api03-"),
    _rule("anthropic-admin-key", "Anthropic admin key", r"sk-ant-admin[0-9]{0,3}-", "sk-ant-admin01-"),
    _rule("anthropic-oauth-access-token", "OAuth access token of Claude", r"sk-ant-oat[0-9]{0,3}-", "sk-ant-oat01-"),
    _rule("anthropic-oauth-refresh-token", "OAuth refresh token of Claude", r"sk-ant-ort[0-9]{0,3}-", "sk-ant-ort01-"),
    _rule("anthropic-session-key", "Browser session key of claude.ai", r"sk-ant-sid[0-9]{0,3}-", "sk-ant-sid01-"),
    _rule("anthropic-other-key", "Any other key of Anthropic's prefix", r"sk-ant-", "sk-ant-", _unowned),
)
