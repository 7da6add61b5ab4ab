"""Every published shape of a provider's export is read as the same entries; what is none is refused, without being shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.ledger.invoices import Entry, plain_model, read_export

NOON, MIDNIGHT, NEXT = 1_795_262_400, 1_795_219_200, 1_795_305_600  # 2026-11-21
DAY = "2026-11-21"


def page(*results: dict[str, Any], **bucket: Any) -> bytes:
    return json.dumps({"object": "page", "data": [{**bucket, "results": list(results)}], "has_more": False, "next_page": None}).encode()


OPENAI_BUCKET = {"object": "bucket", "start_time": MIDNIGHT, "end_time": NEXT}
ANTHROPIC_BUCKET = {"starting_at": f"{DAY}T00:00:00Z", "ending_at": "2026-11-22T00:00:00Z"}

CASES = {
    "OpenAI costs, a page": (
        page({"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"}, "line_item": "gpt-4o-2024-08-06, input",
              "project_id": None}, **OPENAI_BUCKET),
        Entry(DAY, "gpt-4o", cost_picos=60_000_000_000),
    ),
    "OpenAI costs, CSV with an empty day": (
        b"start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id\n"
        b"1795132800,1795219200,2026-11-20T00:00:00+00:00,2026-11-21T00:00:00+00:00,,,,,\n"
        b'1795219200,1795305600,2026-11-21T00:00:00+00:00,2026-11-22T00:00:00+00:00,0.8958740000000000,usd,"gpt-5-mini, output",,org-x\n',
        Entry(DAY, "gpt-5-mini", cost_picos=895_874_000_000),
    ),
    "OpenAI usage, a page: cached and audio tokens are inside": (
        page({"object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 500, "input_cached_tokens": 800,
              "input_audio_tokens": 10, "output_audio_tokens": 0, "num_model_requests": 5, "project_id": "p", "api_key_id": "key_x",
              "model": "gpt-5-mini-2025-08-07", "batch": False}, **OPENAI_BUCKET),
        Entry(DAY, "gpt-5-mini", "key_x", tokens=1500),
    ),
    "Anthropic usage, a page: the caches are beside": (
        page({"uncached_input_tokens": 1500, "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
              "cache_read_input_tokens": 200, "output_tokens": 500, "server_tool_use": {}, "api_key_id": "apikey_x",
              "workspace_id": None, "model": "claude-sonnet-4-5-20250929", "service_tier": "standard", "context_window": "0-200k"},
             **ANTHROPIC_BUCKET),
        Entry(DAY, "claude-sonnet-4-5", "apikey_x", tokens=3700),
    ),
    "Anthropic costs, a page: cents": (
        page({"currency": "USD", "amount": "123.78912", "workspace_id": None, "description": "Claude Sonnet 4.5 Usage - Input Tokens",
              "cost_type": "tokens", "model": "claude-sonnet-4-5-20250929", "token_type": "uncached_input_tokens"}, **ANTHROPIC_BUCKET),
        Entry(DAY, "claude-sonnet-4-5", cost_picos=1_237_891_200_000),
    ),
    "Anthropic usage, CSV": (
        "\ufeffusage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
        "web_search_count\n2026-11-21,claude-opus-4-1-20250805,prod,Default,standard,≤ 200k,100,20,3,4000,50,0\n".encode(),
        Entry(DAY, "claude-opus-4-1", "prod", tokens=4173),
    ),
    "AWS, legacy columns, with tax and another product": (
        b"lineItem/LineItemType,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UsageType,lineItem/UsageAmount,"
        b"lineItem/UnblendedCost,lineItem/CurrencyCode,product/model\n"
        b"Usage,2026-11-21T13:00:00Z,AmazonBedrock,USE1-Claude4Sonnet-input-tokens,1.5,0.0045,USD,\n"
        b"Tax,2026-11-21T13:00:00Z,AmazonBedrock,USE1-Claude4Sonnet-input-tokens,1,0.5,USD,\n"
        b"Usage,2026-11-21T13:00:00Z,AmazonS3,Requests,1,0.5,USD,\n",
        Entry(DAY, "claude4sonnet", cost_picos=4_500_000_000),
    ),
    "AWS, 2.0 columns": (
        b"line_item_line_item_type,line_item_usage_start_date,line_item_product_code,line_item_usage_type,line_item_unblended_cost,"
        b"line_item_currency_code,product_model\n"
        b"DiscountedUsage,2026-11-21 13:00:00,AmazonBedrock,USE1-x,0.0045,USD,Nova Pro\n",
        Entry(DAY, "nova pro", cost_picos=4_500_000_000),
    ),
    "one request a row": (
        b"request_id,timestamp,model,prompt_tokens,completion_tokens,cost_usd\nreq_1,2026-11-21 10:30:45,gpt-5-mini,150,75,0.0012\n",
        Entry(DAY, "gpt-5-mini", request_id="req_1", cost_picos=1_200_000_000, tokens=225),
    ),
    "JSON lines, times in seconds": (
        json.dumps({"id": "gen-1", "created": NOON, "model": "m", "cost": 1e-06}).encode() + b"\n",
        Entry(DAY, "m", request_id="gen-1", cost_picos=1_000_000),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_export_is_read(name: str) -> None:
    raw, entry = CASES[name]
    assert read_export(raw) == [entry]


BROKEN = {
    "nothing": b"",
    "no columns that are known": b"a,b\n1,2\n",
    "broken JSON": b'{"data": [',
    "one page of several": json.dumps({"data": [], "has_more": True}).encode(),
    "bytes that are no text": b"\xff\xfe\x00",
    "a line without a time": b"model,cost\nm,1\n",
    "other money": b"date,amount_value,amount_currency\n2026-11-21,1,eur\n",
    "an amount that is none": b"date,cost\n2026-11-21,hunter-two\n",
    "an endless amount": b"date,cost\n2026-11-21,Infinity\n",
    "tokens that are none": b"date,input_tokens\n2026-11-21,many\n",
    "tokens below zero": b"date,input_tokens\n2026-11-21,-4\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_export_is_refused_without_being_repeated(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_export(BROKEN[name])
    assert "hunter" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("gpt-4o-mini-2024-07-18, cached input", "gpt-4o-mini"),
        ("GPT-5", "gpt-5"),
        ("o3-2025", "o3-2025"),
        ("", ""),
    ],
)
def test_models_are_compared_without_their_dates(name: str, plain: str) -> None:
    assert plain_model(name) == plain
