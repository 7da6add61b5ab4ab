"""What a gateway charged against what its provider billed: by request, by command line and admin API, priced again and back."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Call, Price, bill
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

SCRIPTS = ("echo", "echo+cached", "echo+reasoning+cached", "say:20")
RATES = {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2, "cache_read_per_mtok_usd": 0.1}
PRICES = {"openai/*": {**RATES, "reasoning_per_mtok_usd": 3}, "anthropic/*": {**RATES, "cache_write_per_mtok_usd": 4}}
OPENAI = Price(input=1_000_000, output=2_000_000, cached=100_000, reasoning=3_000_000)
ANTHROPIC = Price(input=1_000_000, output=2_000_000, cached=100_000, write_5m=4_000_000, write_1h=4_000_000)  # thinking is output


@dataclass
class House:
    """A gateway whose calls are over, and the provider that has billed them."""

    gateway: Gateway
    provider: Provider
    document: dict[str, Any]
    keys: dict[str, dict[str, Any]]

    def charges(self) -> list[dict[str, Any]]:
        engine = create_engine(f"sqlite:///{self.gateway.home / 'lockgate.db'}", poolclass=NullPool)
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text("SELECT * FROM charges ORDER BY at_us, id")).mappings()]

    def billed(self) -> int:
        return sum(bill([call], {call.model: price_of(call)}) for call in self.provider.calls)

    def report(self, **params: str) -> dict[str, Any]:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        found: dict[str, Any] = self.gateway.admin("GET", f"/v1/spend/report?{query}")
        return found


def price_of(call: Call) -> Price:
    return ANTHROPIC if call.path.endswith("/messages") else OPENAI


def target_id(provider: str, script: str) -> str:
    return f"{provider}-{SCRIPTS.index(script)}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        targets = [openai_target(target_id("openai", script), script, provider.url) for script in SCRIPTS]
        targets += [anthropic_target(target_id("anthropic", script), script, provider.url) for script in SCRIPTS]
        document: dict[str, Any] = {
            "targets": targets,
            "models": {target["id"]: {"targets": [target["id"]]} for target in targets},
            "prices": PRICES,
            "policies": {"default": MASK_ALL},
        }
        with running_gateway(tmp_path_factory.mktemp("spend"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            keys = {
                "search": gateway.create_key(alias="search", metadata={"team": "search"}, budget={"limit_usd": "1"}),
                "triage": gateway.create_key(alias="triage"),
            }
            made = House(gateway, provider, document, keys)
            for number, target in enumerate(targets):
                for stream in (False, True):
                    ask(made, target, keys["search" if number % 2 else "triage"]["key"], stream=stream)
            yield made


def ask(house: House, target: dict[str, Any], key: str, *, stream: bool) -> None:
    body = {"model": target["id"], "messages": [{"role": "user", "content": "how much is it " * 30}], "max_tokens": 400, "stream": stream}
    path = "/v1/messages" if target["provider"] == "anthropic" else "/v1/chat/completions"
    answer = house.gateway.call("POST", path, body, key=key)
    assert answer.status == 200, answer.body[:300]


def export(house: House, path: Path, provider: str, *, drop: int = 0, more_cost: int = 0) -> Path:
    """The provider's books as a file: one billed request a line."""
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    kind = "/messages" if provider == "anthropic" else "/chat/completions"
    calls = [call for call in house.provider.calls if call.path.endswith(kind) and call.billed][drop:]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["request_id", "date", "model", "cost_usd"])
        for number, call in enumerate(calls):
            micros = price_of(call).micros(call.tally) + (more_cost if number == 0 else 0)
            writer.writerow([f"req_{call.ident}", today, call.model, f"{micros / 1_000_000:.6f}"])
    return path


def test_every_charge_is_the_providers_bill_to_the_micro_dollar(house: House) -> None:
    charges = house.charges()
    assert {row["state"] for row in charges} == {"observed"}
    bills = {f"req_{call.ident}": price_of(call).micros(call.tally) for call in house.provider.calls if call.billed}
    assert {row["upstream_id"]: row["cost_micros"] for row in charges} == bills
    assert len({row["price_digest"] for row in charges}) == 1
    assert len(charges[0]["price_digest"]) == 64
    assert house.report(group_by="model")["total"]["cost_micros"] == house.billed()


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_providers_books_agree_by_request(house: House, provider: str, tmp_path: Path) -> None:
    file = export(house, tmp_path / "books.csv", provider)
    done = house.gateway.cli("spend", "reconcile", str(file), "--provider", provider, "--json", "--all")
    found = json.loads(done.stdout)
    assert (found["by"], found["compared"], found["ok"], found["unexplained_percent"]) == (["request_id"], "money", True, 0)
    assert found["counts"] == {"matched": 8, "price_gap": 0, "missing_here": 0, "missing_there": 0}


@pytest.mark.parametrize(
    ("change", "status"), [({"drop": 1}, "missing_there"), ({"more_cost": 500}, "price_gap")]
)  # fmt: skip
def test_books_that_differ_are_a_failure_that_names_the_request(house: House, tmp_path: Path, change: dict[str, int], status: str) -> None:
    file = export(house, tmp_path / "books.csv", "openai", **change)
    done = house.gateway.cli("spend", "reconcile", str(file), "--provider", "openai", "--csv", check=False)
    assert done.returncode == 1
    (row,) = csv.DictReader(done.stdout.decode().splitlines())
    assert row["status"] == status
    first = next(call for call in house.provider.calls if call.path.endswith("/chat/completions"))
    assert row["request_id"] == f"req_{first.ident}"
    generous = house.gateway.cli("spend", "reconcile", str(file), "--provider", "openai", "--threshold", "100")
    assert b"100 % allowed" in generous.stderr


def test_a_day_and_a_model_are_enough_where_there_are_no_request_ids(house: House, tmp_path: Path) -> None:
    sums: dict[str, int] = {}
    for call in house.provider.calls:
        if call.path.endswith("/chat/completions"):
            sums[call.model] = sums.get(call.model, 0) + price_of(call).micros(call.tally)
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    results = [
        {"object": "organization.costs.result", "amount": {"value": micros / 1_000_000, "currency": "usd"}, "line_item": f"{model}, input"}
        for model, micros in sums.items()
    ]
    page = {"object": "page", "data": [{"object": "bucket", "start_time": int(today.timestamp()), "results": results}], "has_more": False}
    file = tmp_path / "costs.json"
    file.write_text(json.dumps(page))
    found = json.loads(house.gateway.cli("spend", "reconcile", str(file), "--provider", "openai", "--json").stdout)
    assert (found["by"], found["counts"]["matched"], found["ok"]) == (["day", "model"], 4, True)


def test_litellms_reads_answer_with_its_fields(house: House) -> None:
    gateway = house.gateway
    logs = gateway.admin("GET", "/spend/logs")
    assert len(logs) == 16
    fields = {"request_id", "api_key", "spend", "total_tokens", "prompt_tokens", "completion_tokens", "startTime", "endTime", "model",
              "model_group", "custom_llm_provider", "team_id", "metadata", "request_tags", "cache_hit", "status"}  # fmt: skip
    assert fields <= logs[0].keys()
    assert all(log["total_tokens"] == log["prompt_tokens"] + log["completion_tokens"] for log in logs)
    one = gateway.admin("GET", f"/spend/logs?request_id={logs[3]['request_id']}")
    assert one == [logs[3]]
    mine = gateway.admin("GET", f"/spend/logs?api_key={house.keys['search']['id']}")
    assert [log["request_id"] for log in mine] == [log["request_id"] for log in logs if log["api_key"] == house.keys["search"]["id"]]
    billed = house.billed()
    assert round(sum(log["spend"] for log in logs) * 1_000_000) == billed
    assert gateway.admin("GET", "/global/spend") == {"spend": billed / 1_000_000, "max_budget": None}
    keys = {row["key_alias"]: row for row in gateway.admin("GET", "/spend/keys")}
    assert keys["search"]["max_budget"] == 1
    assert round(sum(row["spend"] for row in keys.values()) * 1_000_000) == billed
    tags = {row["individual_request_tag"]: row for row in gateway.admin("GET", "/spend/tags")}
    assert set(tags) == {"team:search", "none"}
    assert tags["team:search"]["log_count"] == 8
    assert tags["team:search"]["total_spend"] == keys["search"]["spend"]
    shown = gateway.admin("GET", "/global/spend/keys")
    assert [row["total_spend"] for row in shown] == sorted((row["total_spend"] for row in shown), reverse=True)


def test_litellms_reports_add_up(house: House) -> None:
    gateway, billed = house.gateway, house.billed()
    now = datetime.datetime.now(datetime.UTC)
    period = f"start_date={(now - datetime.timedelta(days=1)):%Y-%m-%d}&end_date={now:%Y-%m-%d}"
    days = gateway.admin("GET", f"/global/spend/report?{period}")
    assert round(sum(team["total_spend"] for day in days for team in day["teams"]) * 1_000_000) == billed
    assert round(sum(one["spend"] for day in days for team in day["teams"] for one in team["metadata"]) * 1_000_000) == billed
    keys = gateway.admin("GET", f"/global/spend/report?{period}&group_by=api_key")
    assert {row["api_key"] for row in keys} == {key["id"] for key in house.keys.values()}
    tokens = sum(call.tally.prompt + call.tally.completion for call in house.provider.calls if call.path.endswith("/chat/completions"))
    assert sum(row["total_input_tokens"] + row["total_output_tokens"] for row in keys) >= tokens
    by_day = gateway.admin("GET", f"/spend/logs?{period}")
    assert round(sum(day["spend"] for day in by_day) * 1_000_000) == billed
    for refused in ("/global/spend/report", f"/global/spend/report?{period}&group_by=customer", "/spend/logs?end_date=tomorrow"):
        assert gateway.call("GET", refused, key=gateway.admin_key).status == 400


def test_a_callers_key_reads_no_spend_and_corrects_none(house: House) -> None:
    key = house.keys["search"]["key"]
    for method, path in (
        ("GET", "/spend/logs"), ("GET", "/global/spend/report"), ("GET", "/v1/spend/report"), ("POST", "/v1/spend/adjust"),
        ("POST", "/v1/spend/reprice"),
    ):  # fmt: skip
        assert house.gateway.call(method, path, {} if method == "POST" else None, key=key).status == 403, path


def test_a_period_priced_again_is_corrected_beside_its_charges_and_back(house: House, tmp_path: Path) -> None:
    """By a document with doubled prices through the command line, and back to the running one's through the admin API."""
    gateway, before, billed = house.gateway, house.charges(), house.billed()
    doubled = {name: {field: 2 * value for field, value in rates.items()} for name, rates in PRICES.items()}
    other = tmp_path / "doubled.yaml"
    other.write_text(yaml.safe_dump({**house.document, "prices": doubled}))
    dry = json.loads(gateway.cli("spend", "reprice", "--from", "1d", "--config", str(other), "--json").stdout)
    assert abs(dry["difference_micros"] - billed) <= len(before)  # each charge is rounded by itself, before and after
    assert dry["applied"] is None
    assert house.charges() == before
    applied = json.loads(gateway.cli("spend", "reprice", "--from", "1d", "--config", str(other), "--apply", "--json").stdout)["applied"]
    assert applied == {"adjusted": len(before), "difference_micros": dry["difference_micros"]}
    assert house.report(group_by="state")["total"]["cost_micros"] == billed + dry["difference_micros"]
    again = json.loads(gateway.cli("spend", "reprice", "--from", "1d", "--config", str(other), "--apply", "--json").stdout)
    assert (again["difference_micros"], again["applied"]) == (0, None)
    assert [row for row in house.charges() if row["state"] != "adjusted"] == before
    (told, *_) = gateway.events(kind="admin:spend:adjust")
    assert told["detail"]["reason"] == "reprice"
    back = gateway.admin("POST", "/v1/spend/reprice", {"from": "2020-01-01", "apply": True})
    assert (back["applied"], back["difference_micros"]) == (len(before), -dry["difference_micros"])
    assert house.report(group_by="state")["total"]["cost_micros"] == billed
    assert gateway.cli("audit", "verify").returncode == 0


@pytest.mark.parametrize(
    "body",
    [
        {}, {"charges": {}}, {"charges": {"X": -1}}, {"charges": {"X": 1.5}}, {"charges": {"X": True}}, {"charges": [1]},
        {"charges": {"X": 1}, "price_digest": "no"}, {"charges": {"X": 1}, "reason": 5}, {"charges": {"X": 1}, "other": 1},
    ],
)  # fmt: skip
def test_a_correction_that_is_none_is_refused(house: House, body: dict[str, Any]) -> None:
    answer = house.gateway.call("POST", "/v1/spend/adjust", body, key=house.gateway.admin_key)
    assert answer.status == 400, answer.body
