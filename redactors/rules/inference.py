"""Keys of the hosts of models other than OpenAI, Anthropic and the large clouds."""

from __future__ import annotations

from redactors.rules.checks import drawn, hexadecimal
from redactors.rules.model import MustNot, Rule
from redactors.rules.samples import ALNUM, HEX, DIGITS, LOWER_ALNUM, UPPER_ALNUM, URLSAFE, WORD, fixed, mixed, uuid
from redactors.rules.shapes import beside, prefixed

RULES: tuple[Rule, ...] = (
    prefixed("groq-key", "groq_key", "Groq API key", "gsk_", ALNUM, 52, least=24, source="https://console.groq.com/docs/quickstart"),
    prefixed("xai-key", "xai_key", "xAI API key", "xai-", ALNUM, 80, least=32, source="https://docs.x.ai/docs/overview", validate=drawn),
    prefixed("openrouter-key", "openrouter_key", "OpenRouter API key", "sk-or-", HEX, 64, least=24, accepts="A-Za-z0-9_-", source="https://openrouter.ai/docs/api-reference/authentication"),
    prefixed("together-key", "together_key", "Together API key", "tgp_v1_", URLSAFE, 43, least=24, source="https://docs.together.ai/docs/quickstart"),
    beside("together-legacy-key", "together_key", "Together API key of the first generation", ("together",), HEX, 64, source="https://docs.together.ai/docs/quickstart", validate=hexadecimal),
    prefixed("fireworks-key", "fireworks_key", "Fireworks API key", ("fw_", "fw-"), ALNUM, 24, least=20, source="https://docs.fireworks.ai/getting-started/quickstart", validate=drawn),
    prefixed("huggingface-user-token", "huggingface_token", "Hugging Face user access token", "hf_", ALNUM, 34, least=28, source="https://huggingface.co/docs/hub/security-tokens"),
    prefixed("huggingface-organization-token", "huggingface_token", "Hugging Face organization token", "api_org_", ALNUM, 34, least=28, source="https://huggingface.co/docs/hub/security-tokens"),
    prefixed("huggingface-oauth-token", "huggingface_token", "Hugging Face OAuth token", ("hf_oauth_", "hf_jwt_"), URLSAFE, (40, 80), least=20, accepts=r"A-Za-z0-9_.\-", source="https://huggingface.co/docs/hub/oauth"),
    prefixed("replicate-key", "replicate_key", "Replicate API token", "r8_", ALNUM, 37, least=30, source="https://replicate.com/docs/topics/security/api-tokens"),
    prefixed("nvidia-key", "nvidia_key", "NVIDIA NIM and NGC API key", "nvapi-", URLSAFE, 64, least=24, source="https://docs.api.nvidia.com/nim/docs/run-anywhere"),
    prefixed("perplexity-key", "perplexity_key", "Perplexity API key", "pplx-", ALNUM, 48, least=24, source="https://docs.perplexity.ai/guides/getting-started"),
    prefixed("elevenlabs-key", "elevenlabs_key", "ElevenLabs API key", "sk_", HEX, 48, least=40, source="https://elevenlabs.io/docs/api-reference/authentication", validate=hexadecimal),
    beside("mistral-key", "mistral_key", "Mistral API key", ("mistral",), ALNUM, 32, source="https://docs.mistral.ai/getting-started/quickstart"),
    beside("cohere-key", "cohere_key", "Cohere API key", ("cohere",), ALNUM, 40, source="https://docs.cohere.com/docs/rate-limits"),
    beside("ai21-key", "ai21_key", "AI21 API key", ("ai21",), ALNUM, 32, source="https://docs.ai21.com/docs/quickstart"),
    prefixed("cerebras-key", "cerebras_key", "Cerebras API key", "csk-", LOWER_ALNUM, 48, least=24, source="https://inference-docs.cerebras.ai/quickstart"),
    prefixed("anyscale-key", "anyscale_key", "Anyscale API key", "esecret_", LOWER_ALNUM, 26, least=20, source="https://docs.anyscale.com/reference/quickstart-cli"),
    prefixed("voyage-key", "voyage_key", "Voyage AI API key", "pa-", URLSAFE, 43, least=40, source="https://docs.voyageai.com/docs/api-key-and-installation", validate=drawn),
    prefixed("jina-key", "jina_key", "Jina AI API key", "jina_", URLSAFE, 60, least=32, source="https://jina.ai/api-dashboard/"),
    prefixed("tavily-key", "tavily_key", "Tavily API key", ("tvly-dev-", "tvly-prod-", "tvly-"), ALNUM, 32, least=20, source="https://docs.tavily.com/documentation/quickstart"),
    prefixed("pinecone-key", "pinecone_key", "Pinecone API key", "pcsk_", WORD, 69, least=32, source="https://docs.pinecone.io/guides/projects/manage-api-keys"),
    beside("assemblyai-key", "assemblyai_key", "AssemblyAI API key", ("assemblyai",), HEX, 32, source="https://www.assemblyai.com/docs", validate=hexadecimal),
    beside("deepgram-key", "deepgram_key", "Deepgram API key", ("deepgram",), HEX, 40, source="https://developers.deepgram.com/docs/create-additional-api-keys", validate=hexadecimal),
    beside("deepinfra-key", "deepinfra_key", "DeepInfra API key", ("deepinfra",), ALNUM, 32, source="https://deepinfra.com/docs/getting-started"),
    prefixed("runpod-key", "runpod_key", "RunPod API key", "rpa_", UPPER_ALNUM, (44, 48), least=32, accepts="A-Za-z0-9", source="https://docs.runpod.io/get-started/api-keys"),
    prefixed("cursor-key", "cursor_key", "Cursor API key", ("crsr_", "key_"), HEX, 64, least=60, source="https://docs.cursor.com/account/teams/admin-api", validate=hexadecimal),
    prefixed("firecrawl-key", "firecrawl_key", "Firecrawl API key", "fc-", HEX, 32, least=30, source="https://docs.firecrawl.dev/introduction", validate=hexadecimal),
    prefixed("llamacloud-key", "llamacloud_key", "LlamaCloud API key", "llx-", ALNUM, 48, least=28, source="https://docs.cloud.llamaindex.ai/api_key", validate=drawn),
    prefixed("e2b-key", "e2b_key", "E2B API key", ("e2b_", "sk_e2b_"), HEX, 40, least=36, source="https://e2b.dev/docs/api-key", validate=hexadecimal),
    prefixed("vercel-ai-gateway-key", "vercel_key", "Vercel AI Gateway key", "vck_", ALNUM, 56, least=24, source="https://vercel.com/docs/ai-gateway/authentication"),
    prefixed("upstage-key", "upstage_key", "Upstage API key", "up_", ALNUM, 29, least=26, source="https://console.upstage.ai/docs/getting-started", validate=drawn),
    prefixed("featherless-key", "featherless_key", "Featherless API key", "rc_", HEX, 64, least=60, source="https://featherless.ai/docs/overview", validate=hexadecimal),
    prefixed("kimi-key", "moonshot_key", "Kimi Code API key", "sk-kimi-", ALNUM, 64, least=24, source="https://platform.moonshot.ai/docs/introduction"),
    prefixed("helicone-key", "helicone_key", "Helicone API key", ("sk-helicone-", "pk-helicone-"), LOWER_ALNUM, (24, 31), least=16, accepts="a-z0-9-", source="https://docs.helicone.ai/helicone-headers/helicone-auth"),
    beside("sambanova-key", "sambanova_key", "SambaNova API key", ("sambanova",), HEX, 36, body="[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", sample=uuid, source="https://docs.sambanova.ai/cloud/docs/get-started/overview", validate=hexadecimal),
    prefixed("zhipu-key-prefixed", "zhipu_key", "Zhipu coding plan key", "zai-", ALNUM, 48, least=32, source="https://docs.z.ai/guides/overview/quick-start", validate=drawn),
    prefixed("friendli-token", "friendli_token", "Friendli personal access token", "flp_", ALNUM, 46, least=28, source="https://friendli.ai/docs/guides/personal_access_tokens", validate=drawn),
    prefixed("baidu-qianfan-key", "baidu_key", "Baidu Qianfan API key", "bce-v3/ALTAK-", ALNUM, 21, least=16, tail="/[a-f0-9]{40}", tail_sample=lambda rng: "/" + mixed(rng, HEX, 40), source="https://cloud.baidu.com/doc/qianfan-api/s/ym9chdsy5"),
    prefixed("meta-llama-api-key", "llama_key", "Meta Llama API key", "LLM|", DIGITS, 16, least=10, tail=r"\|[A-Za-z0-9_-]{20,}", tail_sample=lambda rng: "|" + mixed(rng, ALNUM, 27), source="https://llama.developer.meta.com/docs/overview", lead=False,
             must_not=(MustNot(fixed("the columns are LLM|vendor|price"), "a table header"),)),
)
