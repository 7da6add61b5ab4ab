"""LiteLLM's reads of spend, with its paths and field names, for tools that know those: amounts are dollars as numbers, days are UTC.

Field names are those of LiteLLM 1.106's `SpendLogsPayload` and of its `/spend/*` and `/global/spend*` answers. What we do not have is null
or empty; a key stands by its id (`api_key`, `token`), a workspace as the team.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import orjson

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest
from pipeline.gateway.admin_reads import apart, reads_for
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.store.read_model import Filter, Row, parse_filter

MOST_LOGS: Final = 1_000
_INPUTS: Final = (
    "tokens_input", "tokens_cache_read", "tokens_cache_write_5m", "tokens_cache_write_1h", "tokens_input_audio", "tokens_input_image",
)  # fmt: skip
_OUTPUTS: Final = ("tokens_output", "tokens_reasoning", "tokens_output_audio", "tokens_output_image")


async def logs(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /spend/logs?request_id=&api_key=&start_date=&end_date=&summarize=`: the newest charges one by one, or sums by day.

    As in LiteLLM both dates without `summarize=false` give sums. At most MOST_LOGS rows.
    """
    params = request.query()
    asked, reads = _filter(params), reads_for(house, who)
    if asked.from_us and asked.to_us and params.get("summarize", "true").lower() != "false":
        return Reply(json=_by_day(await apart(house, lambda: reads.spend_cells(asked))))
    rows = await apart(house, lambda: reads.newest_charges(asked, limit=MOST_LOGS))
    return Reply(json=[_log(row) for row in rows])


async def keys(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /spend/keys?limit=`: keys with what they spent over all, dearest first."""
    _ = request
    reads = reads_for(house, who)
    spent, known = await asyncio.gather(
        apart(house, lambda: reads.spend(group_by="key")), apart(house, lambda: reads.keys(house.clock.now_us()))
    )
    names = {row["key"]: row for row in spent}
    rows = [
        {
            "token": row["id"], "key_name": row["hint"], "key_alias": row["alias"] or None, "team_id": row["workspace"],
            "spend": _usd(names.get(row["id"], {}).get("cost_micros", 0)),
            "max_budget": None if row["budget_limit_micros"] is None else _usd(row["budget_limit_micros"]),
        }
        for row in known
    ]  # fmt: skip
    return Reply(json=sorted(rows, key=lambda row: (-row["spend"], row["token"])))


async def global_keys(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /global/spend/keys?start_date=&end_date=`: `api_key`, `key_name`, `key_alias`, `total_spend`, dearest first."""
    asked, reads = _filter(request.query()), reads_for(house, who)
    rows = await apart(house, lambda: reads.spend(asked, "key"))
    return Reply(
        json=[
            {"api_key": row["key"], "key_name": row["hint"], "key_alias": row["alias"] or None, "total_spend": _usd(row["cost_micros"])}
            for row in rows
        ]
    )


async def tags(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /spend/tags?start_date=&end_date=`: spend by tag; a tag is `name:value` of a key's metadata."""
    asked, reads = _filter(request.query()), reads_for(house, who)
    rows = await apart(house, lambda: reads.spend(asked, "tag"))
    return Reply(
        json=[
            {"individual_request_tag": row["tag"], "log_count": row["charges"], "total_spend": _usd(row["cost_micros"])} for row in rows
        ]
    )  # fmt: skip


async def total(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /global/spend`: what was spent in all."""
    _ = request
    reads = reads_for(house, who)
    spent = await apart(house, reads.spend_total)
    return Reply(json={"spend": _usd(spent["cost_micros"]), "max_budget": None})


async def report(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /global/spend/report?start_date=&end_date=&group_by=team|api_key`: days with their teams, or keys with their models."""
    params = request.query()
    asked, reads = _filter(params), reads_for(house, who)
    group = params.get("group_by", "team")
    if group not in ("team", "api_key"):
        raise BadRequest("There is no such grouping.", hint="Use team or api_key.", param="group_by")
    if not (asked.from_us and asked.to_us):
        raise BadRequest("Say from which day to which.", hint="Send start_date and end_date.", param="start_date")
    cells = await apart(house, lambda: reads.spend_cells(asked))
    return Reply(json=_teams(cells) if group == "team" else _keys(cells))


def _filter(params: Mapping[str, str]) -> Filter:
    """LiteLLM's parameters: both dates are inclusive."""
    given = {"key": params.get("api_key", ""), "request_id": params.get("request_id", ""), "from": params.get("start_date", "")}
    end = params.get("end_date", "")
    if end:
        try:
            given["to"] = (date.fromisoformat(end[:10]) + timedelta(days=1)).isoformat()
        except (ValueError, OverflowError):
            raise BadRequest("end_date is not a day.", hint="Write 2026-11-21.", param="end_date") from None
    return parse_filter(given)


def _usd(micros: int) -> float:
    return micros / 1_000_000


def _tokens(row: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return sum(row[name] for name in names)


def _log(row: Row) -> dict[str, Any]:
    prompt, completion = _tokens(row, _INPUTS), _tokens(row, _OUTPUTS)
    began, first = row["at_us"] - row["duration_us"], row["first_token_us"]
    return {
        "request_id": row["request_id"], "call_type": "acompletion", "api_key": row["key_id"], "spend": _usd(row["cost_micros"]),
        "total_tokens": prompt + completion, "prompt_tokens": prompt, "completion_tokens": completion, "startTime": rfc3339(began),
        "endTime": rfc3339(row["at_us"]), "completionStartTime": rfc3339(began + first) if first else None, "model": row["provider_model"],
        "model_id": row["target_id"], "model_group": row["model"], "api_base": "", "user": "", "cache_hit": str(row["state"] == "cached"),
        "metadata": orjson.dumps({"attempt": row["attempt"], "state": row["state"], "upstream_id": row["upstream_id"]}).decode(),
        "cache_key": "", "request_tags": "[]", "team_id": row["workspace"], "organization_id": row["org_id"], "end_user": None,
        "requester_ip_address": None, "custom_llm_provider": row["provider"], "messages": None, "response": None, "session_id": None,
        "request_duration_ms": row["duration_us"] // 1_000, "status": "success" if row["state"] != "unknown" else "failure",
    }  # fmt: skip


def _by_day(cells: list[Row]) -> list[dict[str, Any]]:
    days: dict[str, dict[str, Any]] = {}
    for cell in cells:
        day = days.setdefault(cell["day"], {"startTime": cell["day"], "spend": 0, "users": {}, "models": {}, "api_keys": {}})
        day["spend"] += cell["cost_micros"]
        for name, key in (("models", cell["model"]), ("api_keys", cell["key"])):
            day[name][key] = day[name].get(key, 0) + cell["cost_micros"]
    for day in days.values():
        day["spend"] = _usd(day["spend"])
        for name in ("models", "api_keys"):
            day[name] = {key: _usd(micros) for key, micros in day[name].items()}
    return list(days.values())


def _teams(cells: list[Row]) -> list[dict[str, Any]]:
    days: dict[str, dict[str, list[Row]]] = {}
    for cell in cells:
        days.setdefault(cell["day"], {}).setdefault(cell["workspace"], []).append(cell)
    return [
        {
            "group_by_day": day,
            "teams": [
                {
                    "team_name": team,
                    "total_spend": _usd(sum(cell["cost_micros"] for cell in some)),
                    "metadata": [
                        {"model": cell["model"], "spend": _usd(cell["cost_micros"]), "total_tokens": _all(cell), "api_key": cell["key"]}
                        for cell in some
                    ],
                }
                for team, some in teams.items()
            ],
        }
        for day, teams in days.items()
    ]


def _keys(cells: list[Row]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for cell in cells:
        sums = found.setdefault(cell["key"], {}).setdefault(cell["model"], {"cost": 0, "in": 0, "out": 0})
        sums["cost"] += cell["cost_micros"]
        sums["in"] += _all(cell) - cell["tokens_output"] - cell["tokens_reasoning"]
        sums["out"] += cell["tokens_output"] + cell["tokens_reasoning"]
    return [
        {
            "api_key": key,
            **_summed(list(models.values())),
            "model_details": [{"model": model, **_summed([sums])} for model, sums in models.items()],
        }
        for key, models in found.items()
    ]


def _summed(several: list[dict[str, int]]) -> dict[str, Any]:
    return {
        "total_cost": _usd(sum(sums["cost"] for sums in several)),
        "total_input_tokens": sum(sums["in"] for sums in several),
        "total_output_tokens": sum(sums["out"] for sums in several),
    }


def _all(cell: Row) -> int:
    """The tokens of a cell, which are summed into fewer buckets than those of a charge."""
    return sum(value for name, value in cell.items() if name.startswith("tokens_"))
