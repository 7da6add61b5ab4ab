"""The loss equation of a running gateway, in every place that shows it: the API, /metrics, the command line, and the dashboard's reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pipeline.store.reads import open_reads
from tests.faults.books import url_of
from tests.walks.rig import Gateway

PARTS = ("delivered", "queued", "dead_letter", "rejected_by_policy")
Account = dict[str, int]
Accounts = dict[tuple[str, str], Account]


def accounts(gateway: Gateway) -> Accounts:
    """The equation per destination and signal by the API; it holds whenever one looks."""
    return _checked({(row["destination"], row["signal"]): row for row in gateway.admin("GET", "/v1/outbox")["data"]})


def account(gateway: Gateway, destination: str, signal: str = "traces") -> Account:
    """One of them; zeros when nothing was accepted yet."""
    return accounts(gateway).get((destination, signal), dict.fromkeys(("accepted", *PARTS), 0))


def metric_accounts(gateway: Gateway) -> Accounts:
    """The same from /metrics."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for sample in samples(gateway, "lockgate_outbox_items"):
        found.setdefault((sample.labels["destination"], sample.labels["signal"]), {})[sample.labels["state"]] = int(sample.value)
    return _checked(found)


def cli_accounts(gateway: Gateway) -> Accounts:
    """The same from `lockgate outbox status`, which must find it sound."""
    told = json.loads(gateway.cli("outbox", "status", "--json").stdout)
    assert told["ok"] is True
    return _checked({(row["destination"], row["signal"]): row for row in told["accounts"]})


def dashboard_accounts(gateway: Gateway) -> Accounts:
    """The same from the one method that the dashboard's page shows."""
    reads = open_reads(url_of(gateway))
    try:
        return _checked({(row["destination"], row["signal"]): row for row in reads.accounts()})
    finally:
        reads.close()


def samples(gateway: Gateway, name: str) -> list[Any]:
    """The samples of one name in /metrics."""
    text = gateway.call("GET", "/metrics").body.decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name]


def rejections(gateway: Gateway, destination: str) -> dict[str, int]:
    """What was rejected by policy, by reason."""
    return {row["reason"]: row["items"] for row in gateway.admin("GET", "/v1/outbox")["rejections"] if row["destination"] == destination}


def agree_everywhere(gateway: Gateway) -> Accounts:
    """All places say the same, at a moment at which nothing moves: looked at again when something did."""
    for _ in range(10):
        found = accounts(gateway)
        told = metric_accounts(gateway), cli_accounts(gateway), dashboard_accounts(gateway)
        if accounts(gateway) == found:
            break
    assert told == (found, found, found)
    return found


def wait_until(true: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait for something that will be."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def _checked(found: dict[tuple[str, str], dict[str, Any]]) -> Accounts:
    out: Accounts = {}
    for place, row in found.items():
        assert row["accepted"] == sum(row[part] for part in PARTS), (place, row)
        out[place] = {name: int(row[name]) for name in ("accepted", *PARTS)}
    return out
