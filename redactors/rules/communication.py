"""Chat and meetings: Slack, Discord, Telegram, Zoom and their kin; webhooks."""

from __future__ import annotations

from random import Random

from redactors.rules.checks import both, drawn, has_digit, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import ALNUM, DIGITS, URLSAFE, draw, fixed, in_plain, mixed, uuid
from redactors.rules.shapes import DATED, LEAD, beside, prefixed

_SLACK = "https://docs.slack.dev/authentication/tokens"


def _slack(name: str, about: str, prefixes: tuple[str, ...]) -> Rule:
    def secret(rng: Random) -> str:
        return f"{rng.choice(prefixes)}{draw(rng, DIGITS, 12)}-{draw(rng, DIGITS, 13)}-{mixed(rng, ALNUM, 24)}"

    return Rule(
        id=name,
        kind="slack_token",
        about=about,
        pattern=f"((?:{'|'.join(prefixes)})[A-Za-z0-9-]{{16,}})",
        group=1,
        source=_SLACK,
        dated=DATED,
        keywords=prefixes,
        longest=320,
        validate=token,
        must=(Must(in_plain(secret)),),
        must_not=(
            MustNot(fixed(f"{prefixes[0]}your-token-here goes there"), "a placeholder"),
            MustNot(fixed(f"tokens start with {prefixes[0]} and digits"), "the prefix alone"),
        ),
    )


def _discord(rng: Random) -> str:
    return f"M{mixed(rng, ALNUM, 25)}.G{mixed(rng, ALNUM, 5)}.{mixed(rng, URLSAFE, 38)}"


RULES: tuple[Rule, ...] = (
    _slack("slack-bot-token", "Slack bot token", ("xoxb-",)),
    _slack("slack-user-token", "Slack user token", ("xoxp-",)),
    _slack("slack-workspace-token", "Slack workspace and configuration tokens", ("xoxa-", "xoxr-", "xoxs-", "xoxo-", "xoxc-", "xoxd-")),
    _slack("slack-app-token", "Slack app-level token", ("xapp-",)),
    prefixed(
        "slack-rotating-token",
        "slack_token",
        "Slack rotating access and refresh tokens",
        ("xoxe.xoxb-", "xoxe.xoxp-", "xoxe-"),
        ALNUM,
        (140, 160),
        least=30,
        accepts="A-Za-z0-9-",
        lead=False,
        source=_SLACK,
        longest=512,
    ),
    prefixed(
        "slack-webhook",
        "webhook_url",
        "Slack incoming webhook and workflow trigger",
        ("hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"),
        ALNUM,
        44,
        least=24,
        accepts="A-Za-z0-9+/",
        lead=False,
        source="https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
    ),
    Rule(
        id="discord-bot-token",
        kind="discord_token",
        about="Discord bot or user token: id, time and signature",
        pattern=LEAD + r"([MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{26,})",
        group=1,
        source="https://discord.com/developers/docs/reference#authentication",
        dated=DATED,
        keywords=(),
        longest=192,
        validate=both(drawn, has_digit),
        must=(Must(in_plain(_discord)),),
        must_not=(MustNot(fixed("MyVeryLongClassNameFactoryX.create.withManyDifferentParametersAndNames"), "a dotted name in code"),),
    ),
    prefixed(
        "discord-webhook",
        "webhook_url",
        "Discord webhook",
        ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
        DIGITS,
        18,
        least=16,
        tail="/[A-Za-z0-9_-]{40,}",
        tail_sample=lambda rng: "/" + mixed(rng, URLSAFE, 68),
        lead=False,
        source="https://discord.com/developers/docs/resources/webhook",
    ),
    prefixed(
        "discord-mfa-token",
        "discord_token",
        "Discord user token with two factors",
        "mfa.",
        URLSAFE,
        84,
        least=60,
        source="https://discord.com/developers/docs/reference#authentication",
    ),
    Rule(
        id="telegram-bot-token",
        kind="telegram_token",
        about="Telegram bot token",
        pattern=r"(?:\b|bot|_|\\[nrt])([0-9]{8,10}:AA[A-Za-z0-9_-]{32,34})\b",
        group=1,
        source="https://core.telegram.org/bots/api#authorizing-your-bot",
        dated=DATED,
        keywords=(":aa",),
        longest=96,
        validate=token,
        must=(Must(in_plain(lambda rng: f"{rng.randint(10**8, 10**10 - 1)}:AA{mixed(rng, URLSAFE, 33)}")),),
        must_not=(MustNot(fixed("the id 1234567890:AA is followed by 33 characters"), "the prefix alone"),),
    ),
    beside(
        "zoom-secret",
        "zoom_secret",
        "Zoom client secret",
        ("zoom",),
        ALNUM,
        32,
        source="https://developers.zoom.us/docs/internal-apps/s2s-oauth/",
    ),
    beside(
        "webex-token",
        "webex_token",
        "Webex bot token",
        ("webex",),
        URLSAFE,
        64,
        body="[A-Za-z0-9]{64}_[A-Za-z0-9]{4}_[0-9a-f-]{36}",
        sample=lambda rng: f"{mixed(rng, ALNUM, 64)}_PF84_{uuid(rng)}",
        source="https://developer.webex.com/docs/bots",
    ),
    beside(
        "intercom-token",
        "intercom_token",
        "Intercom access token",
        ("intercom",),
        URLSAFE,
        60,
        body="dG9r[A-Za-z0-9+/=_-]{40,}",
        sample=lambda rng: "dG9r" + mixed(rng, ALNUM, 56),
        source="https://developers.intercom.com/docs/build-an-integration/learn-more/authentication",
    ),
    prefixed(
        "webhook-signing-secret",
        "webhook_secret",
        "Signing secret of webhooks: Stripe, Svix, Clerk, Resend",
        "whsec_",
        ALNUM,
        32,
        least=20,
        accepts="A-Za-z0-9+/",
        tail="={0,2}",
        source="https://www.standardwebhooks.com/",
    ),
)
