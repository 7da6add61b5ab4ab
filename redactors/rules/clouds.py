"""Clouds, hosting, content delivery and databases as a service, other than the three large ones."""

from __future__ import annotations

from redactors.rules.checks import drawn, hexadecimal
from redactors.rules.model import Rule
from redactors.rules.samples import ALNUM, BASE64, HEX, LOWER_ALNUM, URLSAFE, WORD, mixed, uuid
from redactors.rules.shapes import beside, prefixed

_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"

RULES: tuple[Rule, ...] = (
    prefixed("digitalocean-token", "digitalocean_token", "DigitalOcean personal, OAuth and refresh tokens", ("dop_v1_", "doo_v1_", "dor_v1_"), HEX, 64, least=40, source="https://docs.digitalocean.com/reference/api/create-personal-access-token/"),
    prefixed("digitalocean-model-key", "digitalocean_token", "DigitalOcean model access key", "sk-do-", URLSAFE, 64, least=32, source="https://docs.digitalocean.com/products/gradient-ai-platform/"),
    prefixed("heroku-key", "heroku_key", "Heroku API key", "HRKU-", URLSAFE, 60, least=30, source="https://devcenter.heroku.com/articles/authentication"),
    beside("heroku-legacy-key", "heroku_key", "Heroku API key, a UUID", ("heroku",), HEX, 36, body=_UUID, sample=uuid, source="https://devcenter.heroku.com/articles/authentication", validate=hexadecimal),
    prefixed("fly-token", "fly_token", "Fly.io access token: a macaroon", ("fm2_", "fm1r_", "fm1a_"), BASE64, (200, 600), least=60, tail="={0,3}", source="https://fly.io/docs/security/tokens/", longest=2_048),
    prefixed("fly-legacy-token", "fly_token", "Fly.io access token of the first generation", "fo1_", URLSAFE, 43, least=40, source="https://fly.io/docs/security/tokens/"),
    prefixed("netlify-token", "netlify_token", "Netlify personal access token", ("nfp_", "nfc_", "nfo_", "nfu_", "nfb_"), ALNUM, 36, least=30, source="https://docs.netlify.com/api-and-cli-guides/api-guides/get-started-with-api/"),
    prefixed("vercel-token", "vercel_token", "Vercel access tokens", ("vcp_", "vci_", "vca_", "vcr_"), ALNUM, 56, least=24, source="https://vercel.com/docs/rest-api", validate=drawn),
    beside("vercel-legacy-token", "vercel_token", "Vercel access token of 24 characters", ("vercel",), ALNUM, 24, source="https://vercel.com/docs/rest-api"),
    prefixed("render-key", "render_key", "Render API key", "rnd_", ALNUM, 32, least=26, source="https://render.com/docs/api"),
    beside("railway-token", "railway_token", "Railway token, a UUID", ("railway",), HEX, 36, body=_UUID, sample=uuid, source="https://docs.railway.com/integrations/api", validate=hexadecimal),
    prefixed("supabase-token", "supabase_token", "Supabase personal access token", "sbp_", HEX, 40, least=36, accepts="a-f0-9_v", source="https://supabase.com/docs/reference/api/introduction"),
    prefixed("supabase-secret-key", "supabase_token", "Supabase secret key", "sb_secret_", URLSAFE, 31, least=20, source="https://supabase.com/docs/guides/api/api-keys"),
    prefixed("neon-key", "neon_key", "Neon API key", "napi_", LOWER_ALNUM, 64, least=40, source="https://neon.com/docs/manage/api-keys"),
    prefixed("planetscale-token", "planetscale_token", "PlanetScale service and OAuth tokens", ("pscale_tkn_", "pscale_oauth_"), URLSAFE, 43, least=30, accepts=r"A-Za-z0-9_.=-", source="https://planetscale.com/docs/concepts/service-tokens"),
    prefixed("planetscale-password", "planetscale_password", "PlanetScale database password", "pscale_pw_", URLSAFE, 43, least=30, accepts=r"A-Za-z0-9_.=-", source="https://planetscale.com/docs/concepts/connection-strings"),
    beside("cloudflare-token", "cloudflare_token", "Cloudflare API token of 40 characters", ("cloudflare", "cf_api", "cf-api"), URLSAFE, 40, source="https://developers.cloudflare.com/fundamentals/api/get-started/create-token/"),
    beside("cloudflare-global-key", "cloudflare_key", "Cloudflare global API key", ("cloudflare", "x-auth-key"), HEX, 37, source="https://developers.cloudflare.com/fundamentals/api/get-started/keys/", validate=hexadecimal, words="key|auth|global"),
    prefixed("cloudflare-origin-key", "cloudflare_key", "Cloudflare origin CA key", "v1.0-", HEX, 24, least=24, tail="-[a-f0-9]{100,}", tail_sample=lambda rng: "-" + mixed(rng, HEX, 146), source="https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/", longest=512),
    prefixed("cloudflare-scanned-token", "cloudflare_token", "Cloudflare tokens with a prefix", ("cfut_", "cfat_", "cfk_"), ALNUM, 48, least=36, source="https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/"),
    beside("fastly-token", "fastly_token", "Fastly API token", ("fastly",), URLSAFE, 32, source="https://www.fastly.com/documentation/reference/api/auth-tokens/"),
    beside("akamai-secret", "akamai_secret", "Akamai EdgeGrid client secret", ("akamai", "client_secret", "client_token"), BASE64, 44, body="[A-Za-z0-9+/]{43}=", sample=lambda rng: mixed(rng, BASE64, 43) + "=", words="secret|key|grid|token", source="https://techdocs.akamai.com/developer/docs/set-up-authentication-credentials"),
    prefixed("akamai-token", "akamai_secret", "Akamai EdgeGrid access and client tokens", ("akab-", "akaa-"), LOWER_ALNUM, 16, least=16, tail="-[a-z0-9]{16}", tail_sample=lambda rng: "-" + mixed(rng, LOWER_ALNUM, 16), source="https://techdocs.akamai.com/developer/docs/set-up-authentication-credentials"),
    prefixed("alibaba-access-key-id", "alibaba_key", "Alibaba Cloud access key id", ("LTAI", "STS.NT"), ALNUM, 20, least=16, source="https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair"),
    beside("alibaba-secret", "alibaba_key", "Alibaba Cloud access key secret", ("alibaba", "aliyun", "ltai", "accesskeysecret"), ALNUM, 30, source="https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair"),
    prefixed("tencent-secret-id", "tencent_key", "Tencent Cloud secret id", "AKID", ALNUM, 32, least=28, source="https://www.tencentcloud.com/document/product/598/34228", validate=drawn),
    beside("tencent-secret-key", "tencent_key", "Tencent Cloud secret key", ("tencent", "qcloud"), ALNUM, 32, source="https://www.tencentcloud.com/document/product/598/34228"),
    prefixed("yandex-key", "yandex_key", "Yandex Cloud API key and static key", ("AQVN", "YCAJ", "YCM", "YCN", "YCO", "YCP"), URLSAFE, 36, least=32, source="https://yandex.cloud/en/docs/iam/concepts/authorization/api-key", validate=drawn),
    prefixed("yandex-token", "yandex_token", "Yandex OAuth and IAM tokens", ("y0_", "t1.9eu", "t1.9ev", "t1.9ew"), URLSAFE, (50, 140), least=40, accepts=r"A-Za-z0-9_.=-", source="https://yandex.cloud/en/docs/iam/concepts/authorization/iam-token"),
    beside("scaleway-secret", "scaleway_key", "Scaleway secret key, a UUID", ("scaleway", "scw_secret", "scw-secret"), HEX, 36, body=_UUID, sample=uuid, source="https://www.scaleway.com/en/docs/iam/how-to/create-api-keys/", validate=hexadecimal),
    beside("linode-token", "linode_token", "Linode personal access token", ("linode",), HEX, 64, source="https://techdocs.akamai.com/linode-api/reference/get-started", validate=hexadecimal),
    beside("vultr-key", "vultr_key", "Vultr API key", ("vultr",), LOWER_ALNUM, 36, body="[A-Z0-9]{36}", source="https://www.vultr.com/api/"),
    beside("hetzner-token", "hetzner_token", "Hetzner Cloud API token", ("hetzner", "hcloud"), ALNUM, 64, source="https://docs.hetzner.cloud/"),
    beside("ovh-secret", "ovh_secret", "OVH application secret", ("ovh",), ALNUM, 32, source="https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api"),
    beside("ibm-cloud-key", "ibm_key", "IBM Cloud and watsonx API key", ("ibm", "watson", "bluemix"), URLSAFE, 44, source="https://cloud.ibm.com/docs/account?topic=account-userapikey"),
    beside("oracle-auth-token", "oracle_token", "Oracle Cloud auth token", ("oracle", "ocir"), WORD, 20, body="[A-Za-z0-9()\\[\\]<>;:#+.&_-]{20}", source="https://docs.oracle.com/en-us/iaas/Content/Registry/Tasks/registrygettingauthtoken.htm"),
    prefixed("databricks-token", "databricks_token", "Databricks personal access token", ("dapi", "dkea", "dose", "dsapi"), HEX, 32, least=32, tail="(?:-[0-9])?", source="https://docs.databricks.com/aws/en/dev-tools/auth/pat", validate=hexadecimal),
    beside("snowflake-token", "snowflake_token", "Snowflake programmatic access token", ("snowflake",), ALNUM, 40, source="https://docs.snowflake.com/en/user-guide/programmatic-access-tokens"),
    beside("algolia-key", "algolia_key", "Algolia API key", ("algolia",), HEX, 32, source="https://www.algolia.com/doc/guides/security/api-keys/", validate=hexadecimal),
    beside("elastic-key", "elastic_key", "Elastic API key", ("elastic",), BASE64, 60, body="[A-Za-z0-9+/]{56,60}={0,2}", source="https://www.elastic.co/docs/deploy-manage/api-keys"),
    beside("upstash-token", "upstash_token", "Upstash REST token", ("upstash",), ALNUM, (36, 64), body="A[A-Z][A-Za-z0-9]{34,64}", sample=lambda rng: "AX" + mixed(rng, ALNUM, 50), source="https://upstash.com/docs/redis/features/restapi"),
    beside("mongodb-atlas-key", "mongodb_key", "MongoDB Atlas private key, a UUID", ("atlas", "mongodb"), HEX, 36, body=_UUID, sample=uuid, source="https://www.mongodb.com/docs/atlas/configure-api-access/", validate=hexadecimal),
    prefixed("mongodb-service-secret", "mongodb_key", "MongoDB Atlas service account secret", "mdb_sa_sk_", URLSAFE, 40, least=28, source="https://www.mongodb.com/docs/atlas/api/service-accounts-overview/"),
    prefixed("aiven-token", "aiven_password", "Aiven service password", "AVNS_", URLSAFE, 19, least=14, source="https://aiven.io/docs/platform/howto/reset-service-password"),
    prefixed("tailscale-key", "tailscale_key", "Tailscale auth, API, OAuth and webhook keys", ("tskey-auth-", "tskey-api-", "tskey-client-", "tskey-webhook-", "tskey-scim-", "tskey-"), ALNUM, 32, least=16, accepts="A-Za-z0-9-", source="https://tailscale.com/kb/1277/key-prefixes"),
    prefixed("ngrok-key", "ngrok_token", "ngrok API key", ("ak_2", "cr_2"), ALNUM, 26, least=24, source="https://ngrok.com/docs/api/", validate=drawn),
    beside("ngrok-token", "ngrok_token", "ngrok authtoken", ("ngrok",), ALNUM, 49, body="[0-9][A-Za-z0-9]{22,30}_[A-Za-z0-9]{18,26}", sample=lambda rng: f"2{mixed(rng, ALNUM, 26)}_{mixed(rng, ALNUM, 21)}", source="https://ngrok.com/docs/agent/"),
    prefixed("deno-token", "deno_token", "Deno Deploy token", ("ddp_", "ddo_", "ddw_"), ALNUM, 36, least=30, source="https://docs.deno.com/deploy/", validate=drawn),
    prefixed("convex-key", "convex_key", "Convex deploy key", ("prod:", "dev:", "preview:"), LOWER_ALNUM, 16, least=6, accepts="a-z0-9-", tail=r"\|(?:eyJ[A-Za-z0-9+/=]{20,}|[A-Za-z0-9+/=]{60,})", tail_sample=lambda rng: "|" + mixed(rng, BASE64, 100), source="https://docs.convex.dev/cli/deploy-key-types", longest=512),
    prefixed("modal-token", "modal_token", "Modal token id and secret", ("ak-", "as-"), ALNUM, 22, least=22, tail=r"\b", source="https://modal.com/docs/reference/modal.config", validate=drawn),
    prefixed("1password-service-token", "onepassword_token", "1Password service account token", "ops_ey", BASE64, (300, 700), least=60, accepts="A-Za-z0-9+/=_-", source="https://developer.1password.com/docs/service-accounts/", longest=2_048),
)
