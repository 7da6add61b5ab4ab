"""Amazon Web Services: access keys, secret keys, session tokens, Bedrock keys."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.checks import drawn, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import BASE32, BASE64, HEX, LOWER_ALNUM, b64, fixed, mixed, within
from redactors.rules.shapes import DATED, prefixed

_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"


def _id(rng: Random) -> str:
    return "AKIA" + mixed(rng, BASE32, 16)


def _pair(rng: Random) -> tuple[str, str]:
    secret = mixed(rng, BASE64, 39) + "a"
    return f"{_id(rng)}{rng.choice((' / ', ',', ':', ' and then ', '|'))}{secret}", secret


RULES: tuple[Rule, ...] = (
    prefixed(
        "aws-access-key-id",
        "aws_access_key_id",
        "AWS access key id: long-term, temporary, bearer and context keys",
        ("AKIA", "ASIA", "ABIA", "ACCA", "A3TX"),
        BASE32,
        16,
        least=16,
        accepts="A-Z0-9",
        source=_IAM,
        must_not=(MustNot(fixed("AKIAIOSFODNN7EXAMPLE is the key of the manual"), "the manual's sample"),),
    ),
    Rule(
        id="aws-secret-after-id",
        kind="aws_secret_access_key",
        about="AWS secret access key that stands within 60 characters behind its access key id",
        pattern=r"(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9+/](?:[^\n]{0,56}?[^A-Za-z0-9+/])?([A-Za-z0-9+/]{40})\b",
        group=1,
        source=_IAM,
        dated=DATED,
        keywords=("akia", "asia"),
        longest=256,
        validate=drawn,
        must=(Must(_pair),),
        must_not=(MustNot(fixed("AKIAIOSFODNN7EXAMPLE,wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), "the manual's sample"),),
    ),
    Rule(
        id="aws-secret-access-key",
        kind="aws_secret_access_key",
        about="AWS secret access key beside a word for it",
        pattern=r"(?:aws[a-z0-9_. -]{0,16}(?:secret|key|sk|pwd)|secret[_. -]?access[_. -]?key|aws_?secret)[\t -~]{0,30}?[^A-Za-z0-9+/]([A-Za-z0-9+/]{40})\b",
        group=1,
        source=_IAM,
        dated=DATED,
        keywords=("aws", "secret"),
        longest=256,
        validate=drawn,
        case_insensitive=True,
        must=(
            Must(
                within("aws sk (prod) -> {s}", "SecretAccessKey><![CDATA[{s}]]>", "the aws secret `{s}`")(
                    lambda rng: mixed(rng, BASE64, 39) + "a"
                )
            ),
        ),
        must_not=(MustNot(fixed("aws_secret_access_key = YOUR_SECRET_ACCESS_KEY_GOES_RIGHT_IN_HERE"), "a placeholder"),),
    ),
    Rule(
        id="aws-session-token",
        kind="aws_session_token",
        about="AWS session token of the security token service",
        pattern=r"\b((?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|FwoDYXdz|FQoDYXdz|AQoDYXdz)[A-Za-z0-9+/%=]{40,})",
        group=1,
        source="https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html",
        dated=DATED,
        keywords=("iqojb3jpz2lu", "fwogzxivyxdz", "fqogzxivyxdz", "fwodyxdz", "fqodyxdz", "aqodyxdz"),
        longest=2_048,
        validate=token,
        must=(Must(within("use {s}", "token={s}&x=1", "`{s}`")(lambda rng: "IQoJb3JpZ2luX2Vj" + b64(rng, 210))),),
        must_not=(MustNot(fixed("session tokens begin with IQoJb3JpZ2luX2Vj"), "the prefix alone"),),
    ),
    prefixed(
        "aws-bedrock-key",
        "aws_bedrock_key",
        "Amazon Bedrock API key, long-term",
        "ABSK",
        BASE64,
        (128, 160),
        least=100,
        tail="={0,2}",
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html",
        longest=512,
    ),
    prefixed(
        "aws-bedrock-short-key",
        "aws_bedrock_key",
        "Amazon Bedrock API key, short-term",
        "bedrock-api-key-",
        BASE64,
        (200, 400),
        least=40,
        tail="={0,2}",
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html",
        longest=2_048,
    ),
    prefixed(
        "aws-mws-token",
        "aws_mws_token",
        "Amazon Marketplace token",
        "amzn.mws.",
        HEX,
        32,
        accepts="0-9a-f-",
        source="https://docs.developer.amazonservices.com/",
    ),
    prefixed(
        "aws-oauth-secret",
        "amazon_secret",
        "Login with Amazon client secret",
        "amzn1.oa2-cs.v1.",
        HEX,
        64,
        source="https://developer.amazon.com/docs/login-with-amazon/",
    ),
    prefixed(
        "aws-appsync-key",
        "aws_appsync_key",
        "AWS AppSync API key",
        "da2-",
        LOWER_ALNUM,
        26,
        least=26,
        source="https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html",
    ),
)
