"""Keys of several parts: resolved for the asker, put together, read again when the provider refuses them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.bootstrap.compile import compile_references, compile_routes
from pipeline.bootstrap.opening import key_opener
from pipeline.config.document import Document
from pipeline.errors import SecretError
from pipeline.routing.canary import canary_of
from pipeline.routing.litellm_keys import credentials
from pipeline.routing.mapping import applied
from pipeline.routing.model import Target
from pipeline.vaults.model import Asker, Secret
from tests.pipeline.vaults.rig import Rig, fresh_value

SOMEBODY = Asker("default")


def mapping(field: str, slug: str, **more: Any) -> dict[str, Any]:
    return {"target_field": field, "secret_reference_id": slug, **more}


class Stage:
    """One target over the scripted vault."""

    def __init__(self, provider: str, *mappings: dict[str, Any], **scopes: list[str]) -> None:
        self.rig = Rig()
        slugs = {each["secret_reference_id"] for each in mappings}
        document = Document.model_validate(
            {
                "targets": [{"id": "t", "provider": provider, "model": "m", "secret_mappings": mappings}],
                "models": {"m": {"targets": ["t"]}},
                "references": {
                    slug: {"manager_type": "scripted", "secret_path": slug, "allowed_workspaces": scopes.get(slug, [])} for slug in slugs
                },
            }
        )
        references = compile_references(document)
        self.target: Target = compile_routes(document, references)["m"].targets[0]
        self.forgotten: list[str] = []
        self.open = key_opener(self.rig.resolver, lambda: references, self.forgotten.append)

    def says(self, slug: str, value: Any) -> None:
        self.rig.vault().values[slug] = value if isinstance(value, str) else json.dumps(value)

    async def key(self, rejected: Secret | None = None, asker: Asker = SOMEBODY) -> Secret:
        secret = await self.open(asker)(self.target, rejected)
        assert secret is not None
        return secret


@pytest.fixture
async def bedrock() -> AsyncIterator[Stage]:
    stage = Stage(
        "bedrock",
        mapping("aws_access_key_id", "aws", secret_key="id"),
        mapping("aws_secret_access_key", "aws", secret_key="secret"),
        mapping("configurations.aws_region", "aws", secret_key="region"),
    )
    stage.says("aws", {"id": "AKIA-of-test", "secret": fresh_value(), "region": "eu-central-1"})
    yield stage
    await stage.rig.resolver.close()


async def test_an_aws_pair_from_one_secret_reaches_litellm_with_its_region(bedrock: Stage) -> None:
    secret = await bedrock.key()
    arguments = credentials(applied(bedrock.target, secret), secret)
    told = json.loads(bedrock.rig.vault().values["aws"])
    assert arguments["aws_access_key_id"] == told["id"]
    assert arguments["aws_secret_access_key"] == told["secret"]
    assert arguments["aws_region_name"] == "eu-central-1"
    assert secret.reference == "aws"
    assert "eu-central-1" not in bedrock.rig.known.values(), "a region is not looked for in what passes"
    assert {told["id"], told["secret"]} <= set(bedrock.rig.known.values())
    assert told["secret"] not in f"{secret!r} {secret} {secret.parts!r}"


async def test_a_refused_pair_is_read_again_and_what_was_rotated_takes_its_place(bedrock: Stage) -> None:
    before = await bedrock.key()
    bedrock.says("aws", {"id": "AKIA-of-test", "secret": (rotated := fresh_value()), "region": "eu-central-1"})
    after = await bedrock.key(before)
    assert json.loads(after.reveal())["aws_secret_access_key"] == rotated
    assert bedrock.forgotten == [before.parts["aws_secret_access_key"].reveal()]
    assert after.fingerprint != before.fingerprint
    with pytest.raises(SecretError) as refused:
        await bedrock.key(after)
    assert refused.value.code == "upstream_auth"


async def test_an_endpoint_and_a_key_from_two_references_make_an_azure_target() -> None:
    stage = Stage("azure", mapping("key", "k"), mapping("configurations.azure_endpoint", "e"))
    stage.says("k", key := fresh_value())
    stage.says("e", "https://team.openai.azure.com")
    secret = await stage.key()
    target = applied(stage.target, secret)
    assert (target.base_url, credentials(target, secret)["api_key"]) == ("https://team.openai.azure.com", key)
    assert stage.target.base_url is None
    await stage.rig.resolver.close()


@pytest.mark.parametrize("stored", ["object", "text"])
async def test_a_service_account_is_taken_as_an_object_and_as_its_text(stored: str) -> None:
    stage = Stage("vertex_ai", mapping("vertex_service_account_json", "g", secret_key="account", value_format="json"))
    account = {"type": "service_account", "private_key": fresh_value()}
    stage.says("g", {"account": account if stored == "object" else json.dumps(account, indent=1)})
    secret = await stage.key()
    assert json.loads(credentials(stage.target, secret)["vertex_credentials"]) == account
    await stage.rig.resolver.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "http://elsewhere.example"),
        ("base_url", "https://user@elsewhere.example"),
        ("base_url", "elsewhere.example"),
        ("api_version", "two words"),
        ("api_version", "ünder"),
    ],
)
async def test_a_setting_that_is_none_is_a_bad_value_and_is_not_shown(field: str, value: str) -> None:
    stage = Stage("azure", mapping("key", "k"), mapping(field, "e"))
    stage.says("k", fresh_value())
    stage.says("e", value)
    with pytest.raises(SecretError) as error:
        await stage.key()
    assert (error.value.code, value in error.value.message + error.value.hint) == ("bad_value", False)
    await stage.rig.resolver.close()


async def test_every_part_is_asked_for_in_the_name_of_the_asker() -> None:
    stage = Stage("azure", mapping("key", "k"), mapping("base_url", "e"), e=["default"])
    stage.says("k", fresh_value())
    stage.says("e", "https://team.openai.azure.com")
    assert (await stage.key()).settings == {"base_url": "https://team.openai.azure.com"}
    with pytest.raises(SecretError) as error:
        await stage.key(asker=Asker("other"))
    assert error.value.code == "reference_not_allowed"
    await stage.rig.resolver.close()


async def test_a_part_of_a_credential_is_sent_to_nobody_to_try_it() -> None:
    stage = Stage("openai", mapping("key", "k"), mapping("base_url", "e"))
    stage.says("k", fresh_value())
    stage.says("e", "https://models.internal/v1")
    secret = await stage.key()
    assert canary_of(stage.target, "https://api.openai.com/v1", secret) is None
    await stage.rig.resolver.close()
