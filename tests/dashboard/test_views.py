"""Each page shows the figure that the read model gives, says what to do when there is nothing, and hides what is not the viewer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.format import count, money
from dashboard.query import read_query
from dashboard.server import SCRIPT
from pipeline.store.reads import EVERYTHING, Tenant
from tests.dashboard.conftest import Company
from tests.dashboard.seed import NOW_US, open_store

VIEWS = ("overview", "spend", "audit", "keys", "references", "redactions", "telemetry")


def _draw(view: str, url: str, now_us: int, workspace: str) -> None:
    import importlib

    import streamlit as st

    from dashboard.page import Page
    from dashboard.query import read_query as understand
    from dashboard.session import Viewer
    from pipeline.store.reads import Tenant as Seen
    from pipeline.store.reads import open_reads

    reads = open_reads(url, Seen("default", workspace))
    query = understand(st.query_params.to_dict(), now_us)
    importlib.import_module(f"dashboard.views.{view}").render(Page(reads, Viewer("ada", "auditor", workspace), query, now_us))


def draw(view: str, url: str, now_us: int, workspace: str = "", **params: str) -> AppTest:
    test = AppTest.from_function(_draw, default_timeout=30, kwargs={"view": view, "url": url, "now_us": now_us, "workspace": workspace})
    for name, value in params.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, test.exception
    return test


def figures(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}


def texts(test: AppTest) -> str:
    return "\n".join(str(element.value) for kind in ("markdown", "caption", "title", "subheader", "warning") for element in test.get(kind))


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("nothing") / "lockgate.db"
    open_store(path)
    return f"sqlite:///{path}"


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_draws_over_a_store_with_data(company: Company, view: str) -> None:
    assert draw(view, company.url, company.now_us).title[0].value


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_draws_over_an_empty_store_and_says_what_to_do(nothing: str, view: str) -> None:
    said = texts(draw(view, nothing, NOW_US))
    assert any(hint in said for hint in ("lockgate ", "longer period", "configuration", "`telemetry: destinations:`")), said


@pytest.mark.parametrize("view", VIEWS)
def test_a_viewer_of_one_workspace_reads_no_name_of_another(company: Company, view: str) -> None:
    test = draw(view, company.url, company.now_us, workspace="research", range="all")
    shown = texts(test) + "".join(table.value.to_csv() for table in test.dataframe)
    assert "production" not in shown
    assert "checkout" not in shown
    assert "support" not in shown.replace("unsupported", "")


def test_the_overview_shows_the_sums_of_its_period(company: Company) -> None:
    shown = figures(draw("overview", company.url, company.now_us, range="30d"))
    asked = read_query({"range": "30d"}, company.now_us).filter
    seen = company.reads.overview(asked)
    assert shown["Spend, last 30 days"] == money(seen.cost_micros)
    assert shown["Calls"] == count(seen.calls.finished)
    assert shown["Redactions"] == count(seen.redactions)
    assert shown["Blocked"] == count(seen.calls.blocked)


def test_the_overview_writes_the_loss_equation_out(company: Company) -> None:
    said = texts(draw("overview", company.url, company.now_us))
    assert "8,043 accepted = 7,988 delivered + 40 queued + 15 dead letters + 0 rejected by policy" in said


@pytest.mark.parametrize("group", ["key", "model", "day", "workspace", "provider", "reference", "state"])
def test_the_spend_table_adds_up_to_the_figure_above_it(company: Company, group: str) -> None:
    test = draw("spend", company.url, company.now_us, range="all", group=group, tz="Asia/Kolkata")
    rows = test.dataframe[0].value
    total = company.reads.spend_total()["cost_micros"]
    assert figures(test)["Spend"] == money(total)
    assert sum(round(dollars * 1_000_000) for dollars in rows["cost_micros"]) == total


def test_choosing_a_model_changes_the_address_and_the_figure(company: Company) -> None:
    test = draw("spend", company.url, company.now_us, range="all")
    test.selectbox(key="q-model").set_value("gpt-5-mini").run()
    assert test.query_params["model"] == "gpt-5-mini"
    rows = company.reads.spend(EVERYTHING, "model")
    assert figures(test)["Spend"] == money(next(row["cost_micros"] for row in rows if row["model"] == "gpt-5-mini"))
    test.selectbox(key="q-model").set_value("").run()
    assert "model" not in test.query_params


def test_the_keys_page_shows_the_limits_of_each_key_that_has_some(company: Company) -> None:
    shown = draw("keys", company.url, company.now_us).dataframe[0].value
    assert {"", "60 rpm · 4 parallel", "600 rpm · 200k tpm"} == set(shown["limits"])


def test_the_keys_page_shows_caveats_parents_and_every_budget(company: Company) -> None:
    rows = draw("keys", company.url, company.now_us).dataframe[0].value.set_index("alias")
    assert "routes: chat, models" in rows.loc["checkout", "caveats"]
    assert "tools: none" in rows.loc["checkout", "caveats"]
    assert "max calls: 1,204 of 5,000" in rows.loc["checkout", "caveats"]
    assert "$0.020000 of $90.000000 per 24h" in rows.loc["checkout", "all_budgets"]
    assert "$1.900000 of $2.000000 for gpt-5-mini, soft $1.500000" in rows.loc["checkout", "all_budgets"]
    assert rows.loc["intern-trial", "parent"] in rows.index


def test_the_audit_page_counts_what_its_export_holds(company: Company) -> None:
    test = draw("audit", company.url, company.now_us, range="30d", kind="policy:*")
    asked = read_query({"range": "30d", "kind": "policy:*"}, company.now_us).filter
    number = company.reads.count_events(asked)
    assert f"**{count(number)}** events" in texts(test)
    assert set(test.dataframe[0].value["kind"]) == {"policy:prompt:block"}


def test_turning_the_pages_shows_older_events(company: Company) -> None:
    test = draw("audit", company.url, company.now_us, range="30d")
    first = list(test.dataframe[0].value["at_us"])
    next(button for button in test.button if button.label == "Older").click().run()
    second = list(test.dataframe[0].value["at_us"])
    assert max(second) <= min(first)
    assert "cursor" in test.query_params


def test_a_deep_link_opens_one_event_with_all_that_belongs_to_it(company: Company) -> None:
    event = next(row for row in company.reads.iterate_events() if row["kind"] == "gateway:call:finish" and row["outcome"] == "ok")
    test = draw("audit", company.url, company.now_us, event=event["id"], range="all")
    said = texts(test) + "".join(table.value.to_csv() for table in test.table)
    assert event["request_id"] in said
    assert money(company.reads.charges_of(event["request_id"])[0]["cost_micros"]) in said
    assert event["hash"] in said


def test_a_deep_link_to_someone_elses_event_opens_nothing(company: Company) -> None:
    event = next(row for row in company.reads.iterate_events() if row["workspace"] == "production")
    test = draw("audit", company.url, company.now_us, workspace="research", event=event["id"], range="all")
    assert "belongs to another workspace" in texts(test)
    assert event["hash"] not in texts(test) + "".join(table.value.to_csv() for table in test.table)


def test_a_broken_address_is_answered_with_words(company: Company) -> None:
    test = draw("audit", company.url, company.now_us, cursor="nonsense", tz="Mars/Olympus", range="never")
    assert len(test.warning) == 3


def test_keys_show_their_state_and_never_a_digest(company: Company) -> None:
    test = draw("keys", company.url, company.now_us)
    rows = test.dataframe[0].value
    assert set(rows["mark"]) == {"● active", "○ expired", "■ blocked", "✕ revoked"}
    assert "digest" not in rows.columns
    assert figures(test)["Active keys"] == "5"
    test.selectbox(key="q-state").set_value("revoked").run()
    assert list(test.dataframe[0].value["alias"]) == ["intern-trial"]


def test_references_show_health_and_what_to_do(company: Company) -> None:
    test = draw("references", company.url, company.now_us)
    rows = test.dataframe[0].value.set_index("slug")
    assert rows.loc["azure-eu", "mark"] == "✕ failing"
    assert rows.loc["gemini-prod", "remarks"] == "rotate now, unused"
    assert rows.loc["openai-prod", "shared_with"] == "openai-research"
    assert {name: figures(test)[name] for name in ("Rotate now", "Unused", "Shared values")} == {
        "Rotate now": "1",
        "Unused": "1",
        "Shared values": "2",
    }


def test_redactions_by_rule_add_up(company: Company) -> None:
    test = draw("redactions", company.url, company.now_us, range="all")
    assert figures(test)["Redactions"] == count(company.reads.redactions_total())
    assert sum(test.dataframe[0].value["count"]) == company.reads.redactions_total()


def test_telemetry_says_when_items_are_missing(tmp_path: Path) -> None:
    from sqlalchemy import insert

    from pipeline.store import tables

    engine = open_store(tmp_path / "lockgate.db")
    row: dict[str, Any] = {"destination": "sre", "signal": "traces", "accepted": 10, "delivered": 7, "rejected_by_policy": 1}
    with engine.begin() as connection:
        connection.execute(insert(tables.outbox_accounts), [row])
    test = draw("telemetry", f"sqlite:///{tmp_path}/lockgate.db", NOW_US)
    assert figures(test)["Missing"] == "2"
    assert test.dataframe[0].value["mark"][0] == "✕ items missing"


def test_telemetry_shows_what_was_rejected_and_why(company: Company) -> None:
    test = draw("telemetry", company.url, company.now_us)
    rejected = test.dataframe[1].value
    assert list(rejected["meaning"]) == ["refused by the destination in a request that it took"]
    assert sum(rejected["items"]) == sum(row["rejected_by_policy"] for row in company.reads.accounts())


def test_the_script_shows_nothing_to_nobody(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    # The test runner of Streamlit has no cookies; a browser without the gate in front would bring one like this.
    monkeypatch.setattr("dashboard.data.session_token", lambda: "lgs_guess")
    app = AppTest.from_file(SCRIPT, default_timeout=30)
    app.secrets["lockgate"] = {"database_url": company.url, "gateway_url": "http://127.0.0.1:1", "gateway_ca": ""}
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] == ["Your session has ended. [Sign in](/login) to go on."]
    assert (list(app.metric), list(app.dataframe), list(app.title)) == ([], [], [])


def test_the_tenant_of_a_viewer_is_their_workspace(company: Company) -> None:
    from dashboard.data import seen_by
    from dashboard.session import Viewer

    assert seen_by(company.reads, Viewer("bob", "manager", "support")).tenant == Tenant("default", "support")
