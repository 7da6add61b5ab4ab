"""The read model answers what plain SQL over the tables says, for each viewer only what is theirs, and cannot write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.pool import NullPool

from pipeline.errors import BadRequest, ConfigError
from pipeline.store import tables
from pipeline.store.read_keys import period_start
from pipeline.store.reads import EVERYTHING, Filter, ReadError, Reads, Tenant, filter_params, open_reads, parse_filter
from tests.dashboard.seed import DAY_US, NOW_US, fill

DAY_START = 1_795_219_200_000_000  # 2026-11-21T00:00:00Z


@dataclass(frozen=True)
class Store:
    url: str
    reads: Reads
    ids: dict[str, Any]
    other: dict[str, Any]

    def sql(self, query: str, **values: Any) -> list[Any]:
        engine = _plain(self.url)
        with engine.connect() as connection:
            return list(connection.execute(text(query), values))


def _plain(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").fresh_database()
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'lockgate.db'}"
    engine = _plain(url)
    tables.metadata.create_all(engine)
    ids = fill(engine, calls=1_500)
    other = fill(engine, calls=200, seed=8, org="other")
    reads = open_reads(url)
    yield Store(url, reads, ids, other)
    reads.close()


def test_the_total_is_the_sum_of_the_rows(store: Store) -> None:
    (row,) = store.sql("SELECT count(*), sum(cost_micros), sum(tokens_output) FROM charges WHERE org_id = 'default'")
    total = store.reads.spend_total()
    assert (total["charges"], total["cost_micros"], total["tokens_output"]) == tuple(int(value) for value in row)
    assert total["cost_micros"] > 0


def test_a_period_includes_its_start_and_excludes_its_end(store: Store) -> None:
    ((at,),) = store.sql("SELECT at_us FROM charges WHERE org_id = 'default' ORDER BY at_us LIMIT 1 OFFSET 700")
    assert store.reads.spend_total(Filter(from_us=at, to_us=at + 1))["charges"] == 1
    assert store.reads.spend_total(Filter(from_us=at + 1, to_us=at + 2))["charges"] == 0
    before, after = store.reads.spend_total(Filter(to_us=at)), store.reads.spend_total(Filter(from_us=at))
    assert before["cost_micros"] + after["cost_micros"] == store.reads.spend_total()["cost_micros"]


@pytest.mark.parametrize("group", ["key", "model", "day", "workspace", "target", "provider", "reference", "state"])
def test_every_grouping_adds_up_to_the_total(store: Store, group: Any) -> None:
    rows = store.reads.spend(EVERYTHING, group)
    total = store.reads.spend_total()
    assert len(rows) > 1
    for name in ("charges", "cost_micros", "tokens_input", "tokens_output", "not_observed"):
        assert sum(row[name] for row in rows) == total[name]


def test_spend_by_key_names_the_key_and_its_workspace(store: Store) -> None:
    rows = {row["alias"]: row for row in store.reads.spend(EVERYTHING, "key")}
    found = store.sql("SELECT sum(cost_micros) FROM charges WHERE key_id = :key", key=store.ids["keys"]["checkout"])
    assert rows["checkout"]["cost_micros"] == int(found[0][0])
    assert (rows["checkout"]["workspace"], rows["checkout"]["hint"]) == ("production", "lgk_…chec")


@pytest.mark.parametrize("zone", ["", "Europe/Paris", "Asia/Kolkata", "America/St_Johns"])
def test_days_are_those_of_the_zone(store: Store, zone: str) -> None:
    expected: Counter[str] = Counter()
    for at, cost in store.sql("SELECT at_us, cost_micros FROM charges WHERE org_id = 'default'"):
        expected[datetime.fromtimestamp(at // 1_000_000, ZoneInfo(zone or "UTC")).strftime("%Y-%m-%d")] += cost
    rows = store.reads.spend(EVERYTHING, "day", zone)
    assert {row["day"]: row["cost_micros"] for row in rows} == dict(expected)
    assert [row["day"] for row in rows] == sorted(expected)


def test_the_timeline_adds_up_and_is_in_order(store: Store) -> None:
    quarters = store.reads.spend_timeline()
    assert sum(cost for _, cost, _ in quarters) == store.reads.spend_total()["cost_micros"]
    assert [at for at, _, _ in quarters] == sorted({at for at, _, _ in quarters})


def test_percentiles_are_nearest_ranks(store: Store) -> None:
    durations = sorted(row[0] for row in store.sql("SELECT duration_us FROM charges WHERE org_id = 'default'"))
    found = store.reads.latency()
    assert found.sample == len(durations)
    assert found.p50_us == durations[-(-len(durations) * 50 // 100) - 1]
    assert found.p95_us == durations[-(-len(durations) * 95 // 100) - 1]


def test_the_count_the_pages_and_the_export_hold_the_same_events(store: Store) -> None:
    asked = Filter(from_us=NOW_US - 20 * DAY_US, kind="gateway:call:finish", outcome="failed")
    exported = [row["id"] for row in store.reads.iterate_events(asked)]
    paged, cursor = [], ""
    while True:
        page = store.reads.events_page(asked, limit=7, cursor=cursor)
        paged += [row["id"] for row in page.rows]
        if not page.older:
            break
        cursor = page.older
    assert store.reads.count_events(asked) == len(exported) == len(set(exported)) > 14
    assert paged == exported


def test_the_export_goes_on_beyond_one_batch(store: Store) -> None:
    (number,) = store.sql("SELECT count(*) FROM events WHERE org_id = 'default'")[0]
    assert sum(1 for _ in store.reads.iterate_events()) == number > 2_000


def test_going_back_gives_the_page_before(store: Store) -> None:
    first = store.reads.events_page(limit=10)
    second = store.reads.events_page(limit=10, cursor=first.older)
    third = store.reads.events_page(limit=10, cursor=second.older)
    assert store.reads.events_page(limit=10, cursor=third.newer, newer=True).rows == second.rows
    back = store.reads.events_page(limit=10, cursor=second.newer, newer=True)
    assert (back.rows, back.newer) == (first.rows, "")
    assert first.newer == ""


def test_a_broken_cursor_is_refused(store: Store) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        store.reads.events_page(cursor="1; DROP TABLE events")


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (Filter(kind="policy:*"), "kind LIKE 'policy:%'"),
        (Filter(kind="gateway:call:refuse"), "kind = 'gateway:call:refuse'"),
        (Filter(model="gpt-5-mini", outcome="aborted"), "model = 'gpt-5-mini' AND outcome = 'aborted'"),
        (Filter(error="budget_exceeded"), "error = 'budget_exceeded'"),
        (Filter(kind="%"), "1 = 0"),
        (Filter(kind="_olicy:*"), "1 = 0"),
        (Filter(actor="' OR 1=1 --"), "1 = 0"),
    ],
)
def test_event_filters_mean_what_they_say(store: Store, asked: Filter, where: str) -> None:
    ((number,),) = store.sql(f"SELECT count(*) FROM events WHERE org_id = 'default' AND {where}")
    assert store.reads.count_events(asked) == number


def test_calls_are_counted_by_how_they_ended(store: Store) -> None:
    found = store.reads.calls()
    counts = dict(store.sql("SELECT kind || ' ' || outcome, count(*) FROM events WHERE org_id = 'default' GROUP BY 1"))
    assert (found.ok, found.failed, found.aborted) == tuple(counts[f"gateway:call:finish {end}"] for end in ("ok", "failed", "aborted"))
    assert (found.blocked, found.refused) == (counts["policy:prompt:block refused"], counts["gateway:call:refuse refused"])
    assert found.finished == found.ok + found.failed + found.aborted
    assert found.redacting == counts["gateway:redaction:finish ok"] > 0
    assert found.looked_at == found.finished + found.blocked + found.refused + found.redacting >= store.reads.redacted_requests()
    assert found.error_rate == found.failed / found.finished


@pytest.mark.parametrize("group", ["rule", "detector", "direction", "action", "day"])
def test_every_grouping_of_redactions_adds_up(store: Store, group: Any) -> None:
    ids = tuple(store.ids["workspaces"].values())
    ((number,),) = store.sql(f"SELECT sum(count) FROM redactions WHERE workspace_id IN {ids}")
    assert store.reads.redactions_total() == number > 0
    assert sum(row["count"] for row in store.reads.redactions(EVERYTHING, group)) == number


def test_one_organization_sees_nothing_of_another(store: Store) -> None:
    other = store.reads.seen_by(Tenant("other"))
    mine, theirs = store.reads.spend_total()["charges"], other.spend_total()["charges"]
    assert mine + theirs == store.sql("SELECT count(*) FROM charges")[0][0]
    assert store.reads.redactions_total() + other.redactions_total() == store.sql("SELECT sum(count) FROM redactions")[0][0]
    foreign = next(iter(other.events_page(limit=1).rows))
    assert store.reads.event(foreign["id"]) is None
    assert store.reads.events_of_request(foreign["request_id"]) == []
    assert store.reads.charges_of(store.other["requests"][0]) == []
    assert other.references(NOW_US) == []
    assert not {row["id"] for row in store.reads.keys(NOW_US)} & {row["id"] for row in other.keys(NOW_US)}
    assert store.reads.count_events(Filter(workspace=store.other["workspaces"]["research"])) == 0
    assert len(store.reads.budgets(NOW_US)) == len(other.budgets(NOW_US)) == 3


def test_a_viewer_of_one_workspace_sees_only_that(store: Store) -> None:
    one = store.reads.seen_by(Tenant("default", "research"))
    research = store.ids["workspaces"]["research"]
    ((cost,),) = store.sql("SELECT sum(cost_micros) FROM charges WHERE workspace_id = :id", id=research)
    assert one.spend_total()["cost_micros"] == int(cost)
    assert one.spend_total(Filter(workspace="production"))["charges"] == 0
    assert {row["workspace"] for row in one.spend(EVERYTHING, "key")} == {"research"}
    assert {row["workspace"] for row in one.keys(NOW_US)} == {"research"}
    assert {row["workspace"] for row in one.iterate_events()} == {"research"}
    assert [row["name"] for row in one.budgets(NOW_US)] == ["research"]
    assert one.choices().workspaces == one.workspaces() == ("research",)
    foreign = next(row for row in store.reads.iterate_events() if row["workspace"] == "production")
    assert one.event(foreign["id"]) is None
    assert one.charges_of(foreign["request_id"]) == one.redactions_of(foreign["request_id"]) == []
    assert one.accounts() == one.dead_letters() == one.chain_heads() == []
    assert "openai-research" in {row["slug"] for row in one.references(NOW_US)}
    support = store.reads.seen_by(Tenant("default", "support"))
    assert "openai-research" not in {row["slug"] for row in support.references(NOW_US)}


def test_a_workspace_that_does_not_exist_shows_nothing(store: Store) -> None:
    nobody = store.reads.seen_by(Tenant("default", "no-such"))
    assert nobody.spend_total()["charges"] == nobody.count_events() == nobody.redactions_total() == 0
    assert nobody.keys(NOW_US) == []


def test_a_workspace_can_be_asked_for_by_slug_or_id(store: Store) -> None:
    by_slug = store.reads.spend_total(Filter(workspace="support"))
    assert by_slug == store.reads.spend_total(Filter(workspace=store.ids["workspaces"]["support"]))
    assert 0 < by_slug["charges"] < store.reads.spend_total()["charges"]


def test_keys_tell_state_budget_and_last_use(store: Store) -> None:
    rows = {row["alias"]: row for row in store.reads.keys(NOW_US)}
    assert {alias: row["state"] for alias, row in rows.items() if row["state"] != "active"} == {
        "notebook": "expired",
        "triage": "blocked",
        "intern-trial": "revoked",
    }
    assert rows["checkout"]["budget_spent_micros"] == int(rows["checkout"]["budget_limit_micros"] * 0.31)
    assert rows["notebook"]["budget_limit_micros"] is None
    ((newest,),) = store.sql("SELECT max(at_us) FROM events WHERE key_id = :key", key=store.ids["keys"]["search"])
    assert rows["search"]["used_us"] == newest
    assert "digest" not in rows["search"]


def test_keys_tell_what_narrows_them_and_every_budget(store: Store) -> None:
    rows = {row["alias"]: row for row in store.reads.keys(NOW_US)}
    checkout = rows["checkout"]
    assert checkout["caveats"] == {"routes": ["chat", "models"], "tools": [], "max_calls": 5_000}
    assert checkout["calls_used"] == 1_204
    assert {(each["budget_period"], each["budget_model"]) for each in checkout["budgets"]} == {
        ("month", ""),
        ("24h", ""),
        ("", "gpt-5-mini"),
    }
    assert checkout["budget_period"] == "month", "the fullest of those for all models"
    (alone,) = store.reads.keys(NOW_US, Filter(key=checkout["id"]))
    assert alone["budgets"] == checkout["budgets"]
    child = rows["intern-trial"]
    assert rows[child["parent"]]["workspace"] == child["workspace"]
    assert (checkout["parent"], rows["notebook"]["budgets"]) == ("", [])


def test_what_was_spent_in_a_period_that_is_over_no_longer_counts(store: Store) -> None:
    next_month = NOW_US + 15 * DAY_US
    rows = {row["alias"]: row for row in store.reads.keys(next_month)}
    assert rows["checkout"]["budget_spent_micros"] == 0
    assert all(row["budget_spent_micros"] == 0 for row in store.reads.budgets(next_month))


@pytest.mark.parametrize(("period", "start"), [("day", (2026, 11, 21)), ("week", (2026, 11, 16)), ("month", (2026, 11, 1))])
def test_periods_follow_the_calendar_in_utc(period: str, start: tuple[int, int, int]) -> None:
    assert period_start(NOW_US, period) == int(datetime(*start, tzinfo=UTC).timestamp()) * 1_000_000
    assert period_start(NOW_US, "") == 0


def test_references_tell_health_age_and_what_to_do(store: Store) -> None:
    rows = {row["slug"]: row for row in store.reads.references(NOW_US)}
    health = {slug: row["health"] for slug, row in rows.items()}
    assert health == {
        "openai-prod": "healthy",
        "anthropic-prod": "healthy",
        "gemini-prod": "stale",
        "azure-eu": "failing",
        "openai-research": "healthy",
        "mistral-new": "unchecked",
    }
    assert rows["anthropic-prod"]["remarks"] == ["rotate soon"]
    assert rows["gemini-prod"]["remarks"] == ["rotate now", "unused"]
    assert "shared" in rows["openai-prod"]["remarks"]
    assert rows["anthropic-prod"]["age_us"] == 47 * DAY_US
    assert rows["azure-eu"]["error"] == "secret_forbidden"


def test_a_reference_written_in_place_belongs_to_the_installation(store: Store) -> None:
    engine = _plain(store.url)
    with engine.begin() as connection:
        connection.execute(insert(tables.secret_status), [{"slug": "env:SOME_NAME", "manager_type": "env", "outcome": "ok"}])
    try:
        assert "env:SOME_NAME" in {row["slug"] for row in store.reads.references(NOW_US)}
        assert "env:SOME_NAME" not in {row["slug"] for row in store.reads.seen_by(Tenant("default", "support")).references(NOW_US)}
        assert store.reads.seen_by(Tenant("other")).references(NOW_US) == []
    finally:
        with engine.begin() as connection:
            connection.execute(tables.secret_status.delete().where(tables.secret_status.c.slug == "env:SOME_NAME"))


def test_the_loss_equation_holds_and_says_when_it_does_not(store: Store) -> None:
    rows = {(row["destination"], row["signal"]): row for row in store.reads.accounts()}
    archive = rows["archive", "traces"]
    assert (archive["queued"], archive["dead_letter"], archive["missing"]) == (40, 15, 0)
    engine = _plain(store.url)
    change = "UPDATE outbox_accounts SET accepted = accepted {} 7 WHERE destination = 'sre' AND signal = 'metrics'"
    with engine.begin() as connection:
        connection.execute(text(change.format("+")))
    assert [row["missing"] for row in store.reads.accounts()] == [0, 7, 0]
    with engine.begin() as connection:
        connection.execute(text(change.format("-")))


def test_a_removed_event_shows_as_a_gap_in_its_chain(store: Store) -> None:
    before = {row["chain"]: row for row in store.reads.chain_heads()}
    assert [row["gaps"] for row in before.values()] == [0, 0]
    engine = _plain(store.url)
    where = {"chain": store.ids["chain"], "seq": 100}
    with engine.begin() as connection:
        kept = dict(connection.execute(text("SELECT * FROM events WHERE chain = :chain AND seq = :seq"), where).one()._mapping)
        connection.execute(text("DELETE FROM events WHERE chain = :chain AND seq = :seq"), where)
    after = {row["chain"]: row for row in store.reads.chain_heads()}
    with engine.begin() as connection:
        connection.execute(insert(tables.events), [kept])
    assert after[store.ids["chain"]]["gaps"] == 1
    assert after[store.ids["chain"]]["events"] == before[store.ids["chain"]]["events"] - 1


def test_dead_letters_are_summed_by_reason(store: Store) -> None:
    (row,) = store.reads.dead_letters()
    assert (row["destination"], row["reason"], row["items"], row["rows"]) == ("archive", "http_400", 15, 1)


def test_the_choices_are_what_occurs(store: Store) -> None:
    found = store.reads.choices()
    assert set(found.models) == {"gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-flash"}
    assert "policy:prompt:block" in found.kinds
    assert found.keys[store.ids["keys"]["checkout"]] == "checkout · lgk_…chec"


def test_a_request_brings_its_events_charges_and_redactions(store: Store) -> None:
    ((request,),) = store.sql(
        "SELECT r.request_id FROM redactions r JOIN charges c ON c.request_id = r.request_id WHERE c.org_id = 'default' LIMIT 1"
    )
    assert [row["kind"] for row in store.reads.events_of_request(request)] == ["gateway:call:start", "gateway:call:finish"]
    assert len(store.reads.charges_of(request)) == 1
    assert store.reads.redactions_of(request)


def test_the_read_model_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only|attempt to write"), store.reads._engine.connect() as connection:
        connection.execute(text("DELETE FROM charges"))
    assert store.reads.spend_total()["charges"] > 0


def test_a_store_that_is_away_is_one_kind_of_error_without_its_address(tmp_path: Any) -> None:
    reads = open_reads(f"sqlite:///{tmp_path}/nowhere/lockgate.db")
    with pytest.raises(ReadError) as caught:
        reads.spend_total()
    assert str(tmp_path) not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/db", "not a url"])
def test_a_url_of_no_use_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError):
        open_reads(url)


def test_a_filter_survives_its_address() -> None:
    asked = Filter(from_us=DAY_START, to_us=DAY_START + 1, workspace="production", kind="policy:*", request_id="01M", actor="a&b=c")
    assert parse_filter(filter_params(asked)) == asked
    assert parse_filter({}) == EVERYTHING
    assert parse_filter({"from": "2026-11-21"}).from_us == DAY_START


@pytest.mark.parametrize("params", [{"from": "yesterday"}, {"from": "2026-11-22", "to": "2026-11-21"}, {"model": "m" * 300}])
def test_a_filter_that_cannot_be_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        parse_filter(params)
