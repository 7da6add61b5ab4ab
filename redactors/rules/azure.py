"""Microsoft: Azure OpenAI and AI services, storage, Entra, DevOps, service buses."""

# ruff: noqa: E501
# Expressions and samples are read whole.
from __future__ import annotations

from random import Random

from redactors.rules.checks import drawn, hexadecimal, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import ALNUM, HEX, LOWER_ALNUM, URLSAFE, b64, draw, fixed, in_plain, mixed, within
from redactors.rules.shapes import DATED, beside, prefixed

_KEYS = "https://github.com/microsoft/security-utilities"


def _marked(name: str, kind: str, about: str, before: int, mark: str, after: int, tail: str = "={0,2}") -> Rule:
    """A key of Microsoft's common annotated format: random, then a mark of the service, then a checksum."""

    def secret(rng: Random) -> str:
        return mixed(rng, ALNUM, before) + mark + mixed(rng, ALNUM, after)

    return Rule(
        id=name,
        kind=kind,
        about=about,
        pattern=rf"([A-Za-z0-9+/_-]{{{before - 4},{before + 4}}}{mark.replace('+', chr(92) + '+')}[A-Za-z0-9+/_-]{{{max(4, after - 4)},{after + 8}}}{tail})",
        group=1,
        source=_KEYS,
        dated=DATED,
        keywords=(mark.lower(),),
        longest=256,
        validate=drawn,
        must=(Must(in_plain(secret)),),
        must_not=(MustNot(fixed(f"the mark {mark} stands in the middle of such keys"), "the mark alone"),),
    )


def _client_secret(rng: Random) -> str:
    return f"{mixed(rng, ALNUM, 3)}{rng.randint(1, 9)}Q~{mixed(rng, ALNUM + '_.~-', 33)}"


RULES: tuple[Rule, ...] = (
    beside(
        "azure-openai-key",
        "azure_openai_key",
        "Azure OpenAI key of 32 hexadecimal digits",
        ("azure", "cognitiveservices", "openai.azure.com", "ocp-apim"),
        HEX,
        32,
        source="https://learn.microsoft.com/azure/ai-services/authentication",
        validate=hexadecimal,
    ),
    _marked("azure-ai-services-key", "azure_openai_key", "Azure OpenAI and AI services key of 84 characters", 52, "JQQJ99", 26, ""),
    _marked("azure-devops-token", "azure_devops_token", "Azure DevOps personal access token of 84 characters", 76, "AZDO", 4, ""),
    _marked("azure-storage-key-marked", "azure_storage_key", "Azure storage account key with its mark", 76, "+ASt", 6),
    _marked("azure-cosmos-key", "azure_cosmos_key", "Azure Cosmos DB key with its mark", 76, "ACDb", 6),
    _marked("azure-batch-key", "azure_batch_key", "Azure Batch key with its mark", 76, "+ABa", 6),
    _marked("azure-event-hub-key", "azure_event_hub_key", "Azure Event Hubs key with its mark", 33, "+AEh", 6),
    _marked("azure-service-bus-key", "azure_service_bus_key", "Azure Service Bus key with its mark", 33, "+ASb", 6),
    _marked("azure-relay-key", "azure_relay_key", "Azure Relay key with its mark", 33, "+ARm", 6),
    _marked("azure-iot-key", "azure_iot_key", "Azure IoT key with its mark", 33, "AIoT", 6),
    _marked("azure-search-key", "azure_search_key", "Azure AI Search key", 42, "AzSe", 6, ""),
    _marked("azure-function-key", "azure_function_key", "Azure Functions key", 44, "AzFu", 6),
    _marked("azure-redis-key", "azure_redis_key", "Azure Cache for Redis key", 33, "AzCa", 6),
    _marked("azure-container-registry-key", "azure_registry_key", "Azure Container Registry password", 42, "+ACR", 6, ""),
    _marked("azure-machine-learning-key", "azure_ml_key", "Azure Machine Learning key", 42, "+AMC", 6),
    Rule(
        id="azure-client-secret",
        kind="azure_client_secret",
        about="Client secret of an Entra application",
        pattern=r"(?:^|[^A-Za-z0-9_~.-]|\\[nrt])([A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{28,})",
        group=1,
        source="https://learn.microsoft.com/entra/identity-platform/quickstart-register-app",
        dated=DATED,
        keywords=("q~",),
        longest=128,
        validate=token,
        must=(Must(in_plain(_client_secret)),),
        must_not=(MustNot(fixed("secrets contain 8Q~ as their mark"), "the mark alone"),),
    ),
    Rule(
        id="azure-account-key",
        kind="azure_storage_key",
        about="Key in an Azure connection string",
        pattern=r"(?:AccountKey|SharedAccessKey|SharedSecretKey|SharedSecretValue|InstrumentationKey|PrimaryKey|SecondaryKey|AccessKey)=([A-Za-z0-9+/_-]{20,}={0,2})",
        group=1,
        source="https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string",
        dated=DATED,
        keywords=("key=", "value="),
        longest=512,
        validate=token,
        case_insensitive=True,
        must=(
            Must(
                within(
                    "Endpoint=sb://x.servicebus.invalid/;SharedAccessKeyName=Root;SharedAccessKey={s}",
                    "AccountName=a;SecondaryKey={s};EndpointSuffix=c",
                )(lambda rng: b64(rng, 64))
            ),
        ),
        must_not=(MustNot(fixed("AccountName=a;AccountKey=<account-key>"), "a placeholder"),),
    ),
    Rule(
        id="azure-sas-signature",
        kind="azure_sas",
        about="Signature of a shared access signature",
        pattern=r"(?:sv|se|sp|sr|spr|st|skn|srt|ss)=[^&\s\"']+&(?:[^\s\"'<>]*?&)??sig=([A-Za-z0-9%+/=_-]{30,})",
        group=1,
        source="https://learn.microsoft.com/rest/api/storageservices/create-service-sas",
        dated=DATED,
        keywords=("sig=",),
        longest=1_024,
        validate=token,
        must=(
            Must(
                within("https://a.blob.invalid/c?sv=2023-11-03&sp=r&sig={s}")(
                    lambda rng: b64(rng, 32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
                )
            ),
            # Two addresses with nothing between them: the first signature counts, too.
            Must(
                within(
                    "https://a.blob.invalid/c?sv=2023-11-03&sig={s}https://a.blob.invalid/d?sv=2023-11-03&sp=r&sig=" + "c2lnbmF0dXJl" * 3
                )(lambda rng: b64(rng, 32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"))
            ),
        ),
        must_not=(MustNot(fixed("?sv=2023-11-03&sig=..."), "an ellipsis"),),
    ),
    beside(
        "azure-devops-legacy-token",
        "azure_devops_token",
        "Azure DevOps personal access token of 52 characters",
        ("azure", "devops", "visualstudio.com", "vsts"),
        LOWER_ALNUM,
        52,
        source="https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate",
    ),
    prefixed(
        "microsoft-refresh-token",
        "microsoft_token",
        "Refresh token of Microsoft's identity platform",
        ("0.AX", "0.AR", "0.AS", "0.AT", "0.AU", "0.AV", "0.AW", "0.AY", "0.AQ", "1.AX", "1.AR", "1.AS", "1.AT"),
        URLSAFE,
        (300, 600),
        least=120,
        accepts=r"A-Za-z0-9_.\-",
        source="https://learn.microsoft.com/entra/identity-platform/refresh-tokens",
        longest=2_048,
    ),
    prefixed(
        "microsoft-teams-webhook",
        "webhook_url",
        "Incoming webhook of Microsoft Teams",
        "webhook.office.com/webhookb2/",
        HEX,
        36,
        least=20,
        accepts="a-f0-9-",
        tail=r"@[a-f0-9-]{20,}/IncomingWebhook/[a-f0-9]{20,}/[a-f0-9-]{20,}",
        tail_sample=lambda rng: f"@{draw(rng, HEX, 36)}/IncomingWebhook/{draw(rng, HEX, 32)}/{draw(rng, HEX, 36)}",
        lead=False,
        source="https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook",
        longest=512,
    ),
)
