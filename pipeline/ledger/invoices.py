"""What a provider says that was used or billed, read from the files that it exports, as plain entries.

Shapes (published): OpenAI's organization usage and costs, as API pages or the dashboard's CSV
(platform.openai.com/docs/api-reference/usage); Anthropic's usage and cost reports, as API pages or the console's CSV
(docs.anthropic.com/en/api/usage-cost-api; its cost amounts are in cents); AWS Cost and Usage Reports as CSV, legacy and 2.0 column names
(docs.aws.amazon.com/cur); and any CSV or JSON lines with one request a row. Columns and fields are found by name, so a file with more of
them is read all the same.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from pipeline.errors import BadRequest

MOST_BYTES: Final = 512 * 1024 * 1024
_DATED: Final = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|[-@]\d{8})$")
_BEDROCK: Final = frozenset({"AmazonBedrock", "AmazonBedrockService", "Amazon Bedrock"})

_INPUT: Final = (
    "input_tokens", "uncached_input_tokens", "cache_read_input_tokens", "usage_input_tokens_no_cache", "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h", "usage_input_tokens_cache_read", "prompt_tokens",
)  # fmt: skip
_OUTPUT: Final = ("output_tokens", "usage_output_tokens", "completion_tokens")
_TIMES: Final = (
    "start_time", "start_time_iso", "starting_at", "usage_date_utc", "date", "timestamp", "created_at", "created",
    "lineItem/UsageStartDate", "line_item_usage_start_date",
)  # fmt: skip
_MODELS: Final = ("model", "model_version", "product/model", "product_model", "model_id")
_KEYS: Final = ("api_key_id", "api_key", "key")
_REQUESTS: Final = ("request_id", "id", "generation_id")
_LINE_TYPES: Final = ("lineItem/LineItemType", "line_item_line_item_type")
_COUNTED: Final = frozenset({"input", "output", "tokens", "token", "count", "cache", "read", "write"})
_COSTS: Final = ("cost_usd", "cost", "amount_value", "amount_usd", "lineItem/UnblendedCost", "line_item_unblended_cost")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a provider's own books. `cost_picos` (10^-12 $) or `tokens` is None where the file does not say; `day` is UTC."""

    day: str
    model: str
    key: str = ""
    request_id: str = ""
    cost_picos: int | None = None
    tokens: int | None = None


def read_export(raw: bytes) -> list[Entry]:
    """Read an export of any known shape. BadRequest when it is none, or a line has no time."""
    if len(raw) > MOST_BYTES:
        raise BadRequest("The export is larger than 512 MiB.", hint="Export a shorter period.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("The export is not UTF-8 text.", hint="Give the JSON or CSV as it was downloaded, unpacked.") from None
    rows = _json_rows(raw) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text)
    entries = [entry for row in rows if (entry := _entry(row)) is not None]
    if not entries:
        raise BadRequest("The export has no line of usage or cost.", hint="Known shapes are named in `lockgate spend reconcile --help`.")
    return entries


def plain_model(name: str) -> str:
    """A model's name as it is compared: without its date, and for an OpenAI line item without what was counted (`gpt-4o-…, input`)."""
    return _DATED.sub("", name.partition(",")[0].strip().lower())


def _csv_rows(text: str) -> Iterator[Mapping[str, Any]]:
    first = text.partition("\n")[0]
    return csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in first else ",")


def _json_rows(raw: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        trees = [orjson.loads(raw)]
    except orjson.JSONDecodeError:
        try:
            trees = [orjson.loads(line) for line in raw.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise BadRequest("The export is not JSON, and not JSON lines.") from None
    for tree in trees:
        yield from _opened(tree, {})


def _opened(tree: Any, outer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Pages hold buckets (`data`), buckets hold `results`; a result has its bucket's times."""
    if isinstance(tree, list):
        for item in tree:
            yield from _opened(item, outer)
    elif isinstance(tree, dict):
        if tree.get("has_more"):
            raise BadRequest("The export is one page of several: `has_more` is true.", hint="Put all pages into one file, without it.")
        inner = tree.get("data") if isinstance(tree.get("data"), list) else tree.get("results")
        if isinstance(inner, list):
            yield from _opened(inner, {name: value for name, value in tree.items() if name in _TIMES} or outer)
        else:
            yield {**outer, **tree}


def _entry(row: Mapping[str, Any]) -> Entry | None:
    """A line as an entry; None for one that says nothing about usage or cost (an empty day, tax, another product)."""
    product = row.get("lineItem/ProductCode", row.get("line_item_product_code"))
    if product is not None and not (str(product) in _BEDROCK and str(_first(row, _LINE_TYPES)).endswith("Usage")):
        return None
    cost, tokens = _cost(row), _tokens(row)
    if cost is None and tokens is None:
        return None
    model = str(_first(row, _MODELS) or row.get("line_item") or row.get("description") or "")
    if product is not None:
        tokens = None  # what an amount counts differs from line to line
        model = model or _bedrock_model(str(_first(row, ("lineItem/UsageType", "line_item_usage_type"))))
    return Entry(_day(row), plain_model(model), str(_first(row, _KEYS)), str(_first(row, _REQUESTS)), cost, tokens)


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), "")


def _cost(row: Mapping[str, Any]) -> int | None:
    amount = row.get("amount")
    if isinstance(amount, Mapping):  # OpenAI's costs
        _refuse_other_money(amount.get("currency"))
        return _picos(amount.get("value"))
    if amount not in (None, "") and "currency" in row:  # Anthropic's cost report, in cents
        _refuse_other_money(row["currency"])
        cents = _picos(amount)
        return None if cents is None else cents // 100
    _refuse_other_money(_first(row, ("amount_currency", "lineItem/CurrencyCode", "line_item_currency_code")))
    return _picos(_first(row, _COSTS))


def _refuse_other_money(currency: Any) -> None:
    if currency and str(currency).lower() != "usd":
        raise BadRequest("The export is not in US dollars.", hint="Charges are; convert it first.")


def _picos(value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        dollars = Decimal(str(value))
        if not dollars.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise BadRequest("An amount in the export is not a number.") from None
    return int((dollars * 10**12).to_integral_value())


def _tokens(row: Mapping[str, Any]) -> int | None:
    written = row.get("cache_creation")
    parts = [row[name] for name in (*_INPUT, *_OUTPUT) if row.get(name) not in (None, "")]
    if isinstance(written, Mapping):
        parts += [value for value in written.values() if value is not None]
    if not parts:
        return None
    try:
        counts = [int(str(part)) for part in parts]
    except ValueError:
        raise BadRequest("A number of tokens in the export is not a whole number.") from None
    if min(counts) < 0:
        raise BadRequest("A number of tokens in the export is negative.")
    return sum(counts)


def _day(row: Mapping[str, Any]) -> str:
    at = _first(row, _TIMES)
    try:
        if isinstance(at, int | float) or str(at).isdigit():
            return datetime.fromtimestamp(float(at), UTC).strftime("%Y-%m-%d")
        moment = datetime.fromisoformat(str(at).replace(" UTC", "+00:00"))
        return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        raise BadRequest("A line of the export has no time that can be read.", hint="Known columns: " + ", ".join(_TIMES)) from None


def _bedrock_model(usage_type: str) -> str:
    """The model's part of a usage type (`USE1-Claude4Sonnet-input-tokens`)."""
    parts = usage_type.split("-")
    return "-".join(part for part in parts[1:] if part.lower() not in _COUNTED)
