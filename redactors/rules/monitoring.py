"""Monitoring, logs, traces, errors, incidents and product analytics; observability of models."""

from __future__ import annotations

from redactors.rules.checks import drawn, hexadecimal
from redactors.rules.model import Rule
from redactors.rules.samples import ALNUM, BASE64, HEX, LOWER_ALNUM, UPPER_ALNUM, URLSAFE, fixed, mixed, uuid
from redactors.rules.shapes import beside, prefixed

_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"

RULES: tuple[Rule, ...] = (
    beside("datadog-key", "datadog_key", "Datadog API key", ("datadog", "dd_api", "dd-api"), HEX, 32, source="https://docs.datadoghq.com/account_management/api-app-keys/", validate=hexadecimal),
    beside("datadog-application-key", "datadog_key", "Datadog application key", ("datadog", "dd_app", "dd-app"), HEX, 40, source="https://docs.datadoghq.com/account_management/api-app-keys/", validate=hexadecimal, words="key|token|secret|app"),
    prefixed("datadog-client-token", "datadog_key", "Datadog client token", "pub", HEX, 32, least=32, tail=r"\b", source="https://docs.datadoghq.com/account_management/api-app-keys/#client-tokens", validate=hexadecimal),
    prefixed("datadog-prefixed-key", "datadog_key", "Datadog application key with prefix", "ddapp_", ALNUM, 34, least=28, source="https://docs.datadoghq.com/account_management/api-app-keys/"),
    prefixed("newrelic-user-key", "newrelic_key", "New Relic user, ingest, query and REST keys", ("NRAK-", "NRII-", "NRIQ-", "NRRA-", "NRAA-", "NRSP-"), UPPER_ALNUM, 27, least=24, accepts="A-Za-z0-9_-", source="https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"),
    prefixed("newrelic-browser-key", "newrelic_key", "New Relic browser key", "NRJS-", HEX, 19, least=19, source="https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"),
    prefixed("newrelic-license-key", "newrelic_key", "New Relic license key", "", HEX, 36, least=36, tail=r"(?:NRAL|FFFFNRAL)\b", tail_sample=fixed("NRAL"), source="https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/", lead=False, validate=hexadecimal),
    prefixed("sentry-token", "sentry_token", "Sentry user token", "sntryu_", HEX, 64, least=40, source="https://docs.sentry.io/api/auth/"),
    prefixed("sentry-organization-token", "sentry_token", "Sentry organization token", "sntrys_", BASE64, (140, 220), least=60, accepts="A-Za-z0-9+/=_-", source="https://docs.sentry.io/api/auth/", longest=768),
    prefixed("sentry-dsn", "sentry_dsn", "Public key of a Sentry address, which accepts events", "https://", HEX, 32, least=32, tail=r"(?::[a-f0-9]{32})?@[a-z0-9.-]{1,80}/[0-9]{1,20}", tail_sample=lambda rng: f"@o{rng.randint(1, 99999)}.ingest.sentry.invalid/{rng.randint(1, 10**7)}", source="https://docs.sentry.io/concepts/key-terms/dsn-explainer/", validate=hexadecimal),
    prefixed("grafana-cloud-token", "grafana_token", "Grafana Cloud access policy token", "glc_", BASE64, (60, 200), least=32, accepts="A-Za-z0-9+/=", source="https://grafana.com/docs/grafana-cloud/account-management/authentication-and-permissions/", longest=512),
    prefixed("grafana-service-token", "grafana_token", "Grafana service account token", "glsa_", ALNUM, 32, least=28, tail="_[A-Fa-f0-9]{8}", tail_sample=lambda rng: "_" + mixed(rng, HEX, 8), source="https://grafana.com/docs/grafana/latest/administration/service-accounts/"),
    prefixed("grafana-legacy-key", "grafana_token", "Grafana API key of before service accounts", "eyJrIjoi", ALNUM, 72, least=48, accepts="A-Za-z0-9+/=", source="https://grafana.com/docs/grafana/latest/administration/service-accounts/migrate-api-keys/", validate=drawn),
    prefixed("honeycomb-key", "honeycomb_key", "Honeycomb ingest and management keys", ("hcaik_", "hcamk_", "hcalk_", "hcxik_", "hcxmk_", "hcaic_"), LOWER_ALNUM, 58, least=28, source="https://docs.honeycomb.io/configure/environments/manage-api-keys/"),
    prefixed("dynatrace-token", "dynatrace_token", "Dynatrace access, platform and client tokens", ("dt0c01.", "dt0s01.", "dt0s02.", "dt0s08.", "dt0s16."), UPPER_ALNUM, 24, least=8, tail=r"\.[A-Z0-9]{40,}", tail_sample=lambda rng: "." + mixed(rng, UPPER_ALNUM, 64), source="https://docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients/access-tokens"),
    beside("splunk-token", "splunk_token", "Splunk event collector token", ("splunk", "hec"), HEX, 36, body=_UUID, sample=uuid, source="https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector", validate=hexadecimal),
    beside("pagerduty-key", "pagerduty_key", "PagerDuty API key", ("pagerduty", "pager_duty", "pd_"), URLSAFE, 20, body="[A-Za-z0-9+_-]{18,20}|u\\+[A-Za-z0-9_-]{18}", source="https://support.pagerduty.com/main/docs/api-access-keys"),
    beside("opsgenie-key", "opsgenie_key", "Opsgenie API key, a UUID", ("opsgenie",), HEX, 36, body=_UUID, sample=uuid, source="https://docs.opsgenie.com/docs/api-key-management", validate=hexadecimal),
    beside("rollbar-token", "rollbar_token", "Rollbar project token", ("rollbar",), HEX, 32, source="https://docs.rollbar.com/docs/access-tokens", validate=hexadecimal),
    beside("bugsnag-key", "bugsnag_key", "Bugsnag API key", ("bugsnag",), HEX, 32, source="https://docs.bugsnag.com/api/", validate=hexadecimal),
    beside("logzio-token", "logzio_token", "Logz.io shipping token", ("logz",), ALNUM, 32, source="https://docs.logz.io/docs/user-guide/admin/authentication-tokens/"),
    beside("sumologic-key", "sumologic_key", "Sumo Logic access key", ("sumo",), ALNUM, 64, source="https://help.sumologic.com/docs/manage/security/access-keys/"),
    beside("loggly-token", "loggly_token", "Loggly customer token, a UUID", ("loggly",), HEX, 36, body=_UUID, sample=uuid, source="https://documentation.solarwinds.com/en/success_center/loggly/content/admin/customer-token-authentication-token.htm", validate=hexadecimal),
    prefixed("axiom-token", "axiom_token", "Axiom API and personal tokens", ("xaat-", "xapt-"), HEX, 8, least=8, tail="-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}", tail_sample=lambda rng: uuid(rng)[8:], source="https://axiom.co/docs/reference/tokens"),
    prefixed("posthog-key", "posthog_key", "PostHog personal and project secret keys", ("phx_", "phs_", "pha_", "phr_"), ALNUM, 43, least=32, source="https://posthog.com/docs/api"),
    prefixed("checkly-key", "checkly_key", "Checkly user API key", "cu_", HEX, 32, least=32, tail=r"\b", source="https://www.checklyhq.com/docs/platform/api-keys/", validate=hexadecimal),
    beside("amplitude-secret", "amplitude_key", "Amplitude secret key", ("amplitude",), HEX, 32, source="https://amplitude.com/docs/apis/authentication", validate=hexadecimal),
    beside("mixpanel-secret", "mixpanel_key", "Mixpanel secret and token", ("mixpanel",), HEX, 32, source="https://developer.mixpanel.com/reference/authentication", validate=hexadecimal),
    beside("segment-key", "segment_key", "Segment write key", ("segment",), ALNUM, 32, source="https://segment.com/docs/connections/find-writekey/"),
    prefixed("langsmith-key", "langsmith_key", "LangSmith personal and service keys", ("lsv2_pt_", "lsv2_sk_"), HEX, 32, least=32, tail="_[a-f0-9]{10}", tail_sample=lambda rng: "_" + mixed(rng, HEX, 10), source="https://docs.smith.langchain.com/administration/how_to_guides/organization_management/create_account_api_key"),
    prefixed("langsmith-legacy-key", "langsmith_key", "LangSmith key of the first generation", "ls__", HEX, 32, least=30, source="https://docs.smith.langchain.com/"),
    prefixed("langfuse-key", "langfuse_key", "Langfuse secret key", "sk-lf-", HEX, 36, least=16, accepts="A-Za-z0-9-", source="https://langfuse.com/faq/all/where-are-langfuse-api-keys"),
    prefixed("langwatch-key", "langwatch_key", "LangWatch API key", "sk-lw-", ALNUM, 48, least=20, source="https://docs.langwatch.ai/introduction"),
    beside("portkey-key", "portkey_key", "Portkey API key", ("portkey",), BASE64, 28, body="[A-Za-z0-9+/]{27,28}=?", sample=lambda rng: mixed(rng, ALNUM, 28), source="https://portkey.ai/docs/product/product-feature-comparison"),
    prefixed("logfire-token", "logfire_token", "Pydantic Logfire write token", ("pylf_v1_us_", "pylf_v1_eu_", "pylf_v2_us_", "pylf_v2_eu_"), ALNUM, 43, least=32, source="https://logfire.pydantic.dev/docs/how-to-guides/create-write-tokens/"),
    prefixed("wandb-key", "wandb_key", "Weights & Biases key with version", "wandb_v1_", URLSAFE, 77, least=40, source="https://docs.wandb.ai/support/find_api_key"),
    beside("wandb-legacy-key", "wandb_key", "Weights & Biases API key", ("wandb", "weights & biases"), HEX, 40, source="https://docs.wandb.ai/support/find_api_key", validate=hexadecimal),
    beside("comet-key", "comet_key", "Comet and Opik API key", ("comet", "opik"), ALNUM, 25, source="https://www.comet.com/docs/v2/guides/getting-started/quickstart/"),
    beside("arize-key", "arize_key", "Arize API key", ("arize",), URLSAFE, 40, body="ak-[0-9a-f-]{36}-[A-Za-z0-9_-]{20,40}", sample=lambda rng: f"ak-{uuid(rng)}-{mixed(rng, ALNUM, 32)}", source="https://arize.com/docs/ax/security-and-settings/api-keys"),
    beside("signoz-key", "signoz_key", "SigNoz ingestion key, a UUID", ("signoz",), HEX, 36, body=_UUID, sample=uuid, source="https://signoz.io/docs/ingestion/signoz-cloud/keys/", validate=hexadecimal),
)
