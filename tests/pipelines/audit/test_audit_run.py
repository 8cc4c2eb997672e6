"""Audits that must pass, and audits that must fail because something was planted."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import contracts, ops
from pipelines.audit import verdicts
from pipelines.audit.run import Findings, audit
from pipelines.errors import AuditFailed, NightmarketError, Superseded, UsageError
from pipelines.fence import take
from pipelines.settings import Settings, night
from pipelines.steps import STEPS

DAY = date(2020, 1, 2)
EVENT: dict[str, Any] = {
    "event_id": "e1", "event_type": "view", "user_id": "u", "session_id": "s", "item_id": "i",
    "landing_date": DAY, "file": "f", "line": 1, "is_duplicate": False,
}  # fmt: skip


def staged(settings: Settings, events: list[dict[str, Any]], quarantined: int = 0) -> Path:
    """The folder of an attempt as preprocess leaves it."""
    folder = settings.staging / str(DAY) / "preprocess-1"
    schema = pa.schema([f for f in contracts.EVENTS.lake_schema() if f.name != "event_date"])
    moment = pa.scalar(0, pa.timestamp("us", tz="UTC")).as_py().replace(year=2020, month=1, day=2)
    rows = [{"occurred_at": moment, **event} for event in events]
    if rows:
        target = folder / "events" / f"event_date={DAY}"
        target.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), target / "a.parquet")
    file = {
        "landing_date": str(DAY), "file": "f", "rows_in": len(rows) + quarantined, "rows_published": len(rows),
        "rows_deduplicated": 0, "rows_quarantined": quarantined, "bytes": 1, "note": "",
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    entities = {"events": {"dates": [str(DAY)], "rows": len(rows), "files": [file] if rows or quarantined else []}}
    (folder / "manifest.json").write_text(json.dumps({"attempt": folder.name, "entities": entities}))
    (folder.parent / "current.json").write_text(json.dumps({"attempt": folder.name}))
    return folder


def recorded(settings: Settings, table: contracts.Table) -> list[dict[str, Any]]:
    entries = [json.loads(path.read_text()) for path in ops.waiting(settings)]
    return [row for entry in entries if entry["table"] == table.name for row in entry["rows"]]


def audited(settings: Settings, stage: str, accept: str | None = None) -> dict[str, Any]:
    return audit(settings, stage, night(DAY), take(settings, f"audit-{stage}", str(DAY)), accept)


def test_sound_events_pass_with_a_row_per_expectation_and_readable_docs(settings: Settings) -> None:
    folder = staged(settings, [EVENT])
    verdict = audited(settings, "events")
    assert verdict["success"]
    assert json.loads((folder / "audit-events.json").read_text()) == verdict
    rows = recorded(settings, contracts.OPS_AUDIT_RESULTS)
    assert len(rows) == verdict["results"] > 10
    assert {(r["night"], r["suite"], r["success"]) for r in rows} == {("2020-01-02", "events", True)}
    assert (settings.reports / "audit" / "2020-01-02" / "events" / "index.html").exists()


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ({"event_id": None}, "events.event_id is given"),
        ({"event_type": "teleport"}, "events.event_type is one of the contract's"),
        ({"session_id": None}, "events.session_id is given where a user is known"),
        ({"quantity": -1}, "events.quantity is positive"),
        ({"landing_date": date(2020, 1, 9)}, "events.event_date is at most late_days before"),
    ],
)
def test_one_planted_fault_fails_the_night_by_name(settings: Settings, planted: dict[str, Any], name: str) -> None:
    folder = staged(settings, [EVENT, {**EVENT, "line": 2, **planted}])
    with pytest.raises(AuditFailed, match=f"audit events of 2020-01-02: .{name}.*1 of 2 rows"):
        audited(settings, "events")
    assert not json.loads((folder / "audit-events.json").read_text())["success"]
    assert [
        r["expectation"].startswith(name) for r in recorded(settings, contracts.OPS_AUDIT_RESULTS) if not r["success"]
    ]


def test_lost_rows_fail_the_night(settings: Settings) -> None:
    folder = staged(settings, [EVENT, {**EVENT, "line": 2}])
    pq.write_table(pq.read_table(folder / "events" / f"event_date={DAY}", partitioning=None).slice(1),
                   folder / "events" / f"event_date={DAY}" / "a.parquet")  # fmt: skip
    with pytest.raises(AuditFailed, match="as many as preprocess counted"):
        audited(settings, "events")


def test_too_many_quarantined_rows_stop_the_night_until_somebody_accepts_them(settings: Settings) -> None:
    staged(settings, [EVENT], quarantined=101)
    with pytest.raises(AuditFailed, match=r"no more rows are quarantined than allowed.*found 101"):
        audited(settings, "landing")
    verdict = audited(settings, "landing", "test shop")
    assert verdict["success"]
    assert verdict["warnings"] == ["events: no more rows are quarantined than allowed"]
    (override,) = recorded(settings, contracts.OPS_OVERRIDES)
    assert (override["reason"], override["rows_quarantined"], override["rows_in"]) == ("test shop", 101, 102)


def test_a_hundred_quarantined_rows_pass(settings: Settings) -> None:
    staged(settings, [EVENT], quarantined=100)
    assert audited(settings, "landing")["success"]


def test_an_empty_night_passes_without_an_engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    staged(settings, [])
    monkeypatch.setattr("pipelines.session.spark_session", lambda *_: pytest.fail("started an engine for nothing"))
    assert audited(settings, "landing")["results"] == 0
    assert audited(settings, "events")["results"] == 0


def score(**changes: Any) -> dict[str, Any]:
    row = {
        "scored_for": DAY, "user_id": "u", "rank": 1, "item_id": "i", "score": 0.5, "reason_type": "popular",
        "reason": "Popular this week", "model_name": "popular", "model_version": "1",
    }  # fmt: skip
    return {**row, **changes}


@pytest.mark.parametrize(
    ("rows", "failed"),
    [
        ([score(), score(rank=2, item_id="j")], None),
        ([score(), score(rank=3, item_id="j")], "rank counts from 1 without a gap"),
        ([score(), score(rank=2)], "holds an item once per user_id"),
        ([score(reason=None)], "reason is given"),
        ([score(score=float("nan"))], "score is finite"),
        ([score(item_id="unheard of")], "item_id is a known item"),
    ],
)
def test_scores_of_a_night(settings: Settings, rows: list[dict[str, Any]], failed: str | None) -> None:
    from pipelines.warehouse import insert, open_warehouse

    with open_warehouse(settings) as connection:
        for item in "ij":
            connection.execute("insert into raw.products (item_id, landing_date) values (?, ?)", [item, DAY])
        names = list(rows[0])
        table = pa.table({name: [row[name] for row in rows] for name in names})
        insert(connection, contracts.SCORES_RECOMMENDATIONS, table)
    if failed is None:
        assert audited(settings, "scores")["success"]
    else:
        with pytest.raises(AuditFailed, match=failed):
            audited(settings, "scores")
    assert (settings.run / "audits" / "2020-01-02-scores.json").exists()


def test_a_superseded_audit_leaves_no_result_no_override_and_no_verdict(settings: Settings) -> None:
    folder = staged(settings, [EVENT], quarantined=101)
    orphan = take(settings, "audit-landing", str(DAY))
    with pytest.raises(AuditFailed):
        audited(settings, "landing")
    said, waiting = (folder / "audit-landing.json").read_text(), ops.waiting(settings)
    with pytest.raises(Superseded, match="attempt 2 .* took over"):
        audit(settings, "landing", night(DAY), orphan, "an orphan's excuse")
    assert (folder / "audit-landing.json").read_text() == said
    assert ops.waiting(settings) == waiting


@pytest.mark.parametrize(("stage", "maker"), [("features", "features"), ("scores", "score")])
def test_rows_made_again_during_their_audit_get_no_verdict(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stage: str, maker: str
) -> None:
    """The audit is the newest of its kind, but what it has seen is no longer what is there."""

    def made_again(name: str) -> None:
        if name == "audit.checked":
            take(settings, maker, STEPS[maker].scope or str(DAY))

    monkeypatch.setattr("pipelines.audit.run.fault_point", made_again)
    monkeypatch.setattr(f"pipelines.audit.run._{stage}", lambda *_: Findings([]))
    with pytest.raises(NightmarketError, match=f"2020-01-02: {stage} was made again while it was audited"):
        audited(settings, stage)
    assert not verdicts.path_of(settings, stage, night(DAY)).exists()
    assert ops.waiting(settings) == []


def test_an_unknown_stage_is_the_callers_error(settings: Settings) -> None:
    with pytest.raises(UsageError, match="no audit stage 'lake'"):
        audited(settings, "lake")


def foretold(**changes: Any) -> dict[str, dict[str, Any]]:
    """One sound row of each forecast for user u, two of propensity; `table__column` changes one."""
    week = {
        "scored_for": DAY, "user_id": "u", "horizon_days": 7, "buy_probability": 0.25, "lapse_probability": 0.75,
        "model_name": "trees", "model_version": "1",
    }  # fmt: skip
    basket = {
        "scored_for": DAY, "user_id": "u", "rank": 1, "item_id": "i", "probability": 0.5, "is_repeat": True,
        "expected_basket_size": 2.5, "model_name": "trees", "model_version": "1",
    }  # fmt: skip
    month = {**week, "horizon_days": 28, "buy_probability": 0.5, "lapse_probability": 0.5}
    found = {"week": week, "month": month, "basket": basket}
    for name, value in changes.items():
        row, _, column = name.partition("__")
        found[row][column] = value
    return found


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, None),
        ({"week__buy_probability": 1.5}, "propensity.buy_probability is between 0 and 1"),
        ({"month__buy_probability": 0.2}, "buy_probability does not fall with the horizon"),
        ({"month__horizon_days": 7}, "has one row per user and horizon"),
        ({"basket__probability": -0.5}, "next_basket.probability is between 0 and 1"),
        ({"basket__item_id": "unheard of"}, "next_basket.item_id is a known item"),
        ({"basket__rank": 2}, "next_basket.rank counts from 1 without a gap"),
        ({"basket__expected_basket_size": None}, "expected_basket_size is given"),
    ],
)
def test_forecasts_of_a_night(settings: Settings, changes: dict[str, Any], failed: str | None) -> None:
    forecasts_of_a_night(settings, foretold(**changes), active=["u"])
    if failed is None:
        assert audited(settings, "scores")["success"]
    else:
        with pytest.raises(AuditFailed, match=failed):
            audited(settings, "scores")


def test_an_active_user_without_a_forecast_stops_the_night(settings: Settings) -> None:
    forecasts_of_a_night(settings, foretold(), active=["u", "forgotten"])
    with pytest.raises(AuditFailed, match="scores.propensity has every active user and no other"):
        audited(settings, "scores")


def forecasts_of_a_night(settings: Settings, rows: dict[str, dict[str, Any]], active: list[str]) -> None:
    from pipelines.warehouse import insert, open_warehouse

    with open_warehouse(settings) as connection:
        connection.execute("insert into raw.products (item_id, landing_date) values ('i', ?)", [DAY])
        for user in active:
            connection.execute(
                "insert into raw.events (event_type, user_id, item_id, event_date, landing_date)"
                " values ('purchase', ?, 'i', ?, ?)",
                [user, DAY, DAY],
            )
        insert(connection, contracts.SCORES_PROPENSITY, pa.Table.from_pylist([rows["week"], rows["month"]]))
        insert(connection, contracts.SCORES_NEXT_BASKET, pa.Table.from_pylist([rows["basket"]]))
