"""Preprocess as a whole: landing files in, staged Parquet and a manifest out."""

import gzip
import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hostile import LINES, event

from pipelines import fence, lake, landing, staging
from pipelines.contracts import EVENTS, QUARANTINE_SCHEMA
from pipelines.errors import NightmarketError, Superseded
from pipelines.preprocess import writing
from pipelines.preprocess.job import preprocess
from pipelines.settings import Batch, Settings, night

DAY = date(2020, 1, 2)


def land(settings: Settings, entity: str, day: date, name: str, lines: list[str]) -> None:
    path = settings.landing / "shop" / entity / f"date={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


def stage(settings: Settings, batch: Batch) -> tuple[Path, dict]:
    attempt = fence.take(settings, "preprocess", batch.key)
    manifest = preprocess(settings, batch, attempt)
    return settings.staging / batch.key / attempt.id, manifest


def test_a_night_with_hostile_rows_loses_none_and_writes_the_lakes_types(settings: Settings) -> None:
    hostile = [line for line in LINES if line.strip() and "\n" not in line]
    good = [event(event_id=f"e{n}") for n in range(5)]
    land(settings, "events", DAY, "a.jsonl.gz", hostile)
    land(
        settings, "events", DAY, "b.jsonl", [*good, good[0], event(event_id="old", occurred_at="2019-12-31T08:00:00Z")]
    )
    land(settings, "products", DAY, "p.csv", ["item_id,title,price", "i,Mug,2.50", "i,Mug again,2.50", ",none,1"])
    folder, manifest = stage(settings, night(DAY))

    for entity in manifest["entities"].values():
        for file in entity["files"]:
            assert file["rows_in"] == sum(file[f"rows_{k}"] for k in ("published", "deduplicated", "quarantined"))
    counted = {f["file"]: f for f in manifest["entities"]["events"]["files"]}
    assert counted["date=2020-01-02/a.jsonl.gz"]["rows_in"] == len(hostile)
    assert counted["date=2020-01-02/b.jsonl"] | {"bytes": 0} == {
        "landing_date": "2020-01-02",
        "file": "date=2020-01-02/b.jsonl",
        "rows_in": 7,
        "rows_published": 6,
        "rows_deduplicated": 1,
        "rows_quarantined": 0,
        "bytes": 0,
        "note": "",
    }
    assert manifest["entities"]["products"]["rows"] == 1
    assert {"landing_date": "2020-01-02", "entity": "products", "reason": "item_id is missing", "rows": 1} in manifest[
        "quarantine"
    ]
    assert json.loads((folder.parent / "current.json").read_text()) == {"attempt": folder.name}
    assert not (folder / "scratch").exists()
    (late,) = (folder / "events" / "event_date=2019-12-31").glob("*.parquet")
    table = pq.read_table(late, partitioning=None)
    lake_schema = EVENTS.lake_schema()
    assert {f.name: f.type for f in table.schema} == {f.name: f.type for f in lake_schema if f.name != "event_date"}
    (refused,) = (folder / "quarantine" / "landing_date=2020-01-02").glob("*.parquet")
    assert {f.name for f in pq.read_schema(refused)} == set(QUARANTINE_SCHEMA.names) - {"landing_date"}


def test_a_new_attempt_keeps_the_mark_of_a_half_committed_batch_and_knows_which_ones_it_finishes(
    settings: Settings,
) -> None:
    land(settings, "events", DAY, "a.jsonl", [event()])
    for batch in (night(DAY), night(DAY + timedelta(1))):
        staging.mark_partial(settings, batch)
    _, manifest = stage(settings, night(DAY))
    assert manifest["finishes"] == [str(DAY)]
    assert staging.partial(settings) == [night(DAY), night(DAY + timedelta(1))]


def test_rows_of_a_user_lie_together_in_time_order(settings: Settings) -> None:
    rows = [
        event(event_id=f"e{n}", user_id=f"u{n % 3}", occurred_at=f"2020-01-02T{23 - n:02d}:00:00Z") for n in range(9)
    ]
    land(settings, "events", DAY, "a.jsonl", rows)
    folder, _ = stage(settings, night(DAY))
    (file,) = (folder / "events" / "event_date=2020-01-02").glob("*.parquet")
    got = [(r["user_id"], r["occurred_at"]) for r in pq.read_table(file, partitioning=None).to_pylist()]
    assert got == sorted(got)


def test_a_late_row_joins_what_the_lake_holds_of_its_day(settings: Settings) -> None:
    next_day = date(2020, 1, 3)
    land(settings, "events", DAY, "a.jsonl", [event(event_id="first"), event(event_id="again")])
    land(settings, "events", next_day, "b.jsonl", [event(event_id="again"), event(event_id="late")])
    folder, manifest = stage(settings, night(DAY))
    attempt = fence.take(settings, "publish-lake", str(DAY))
    lake.commit(settings, "events", folder / "events", [DAY], manifest["base"].get("events", {}), attempt)
    folder, manifest = stage(settings, night(next_day))
    rows = pq.read_table(next((folder / "events" / "event_date=2020-01-02").glob("*.parquet")), partitioning=None)
    found = {(r["event_id"], str(r["landing_date"])): r["is_duplicate"] for r in rows.to_pylist()}
    assert found == {
        ("first", "2020-01-02"): False,
        ("again", "2020-01-02"): False,
        ("again", "2020-01-03"): True,
        ("late", "2020-01-03"): False,
    }
    assert manifest["base"]["events"].keys() == {"2020-01-02"}


def test_a_closed_day_is_an_empty_batch_without_an_engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    land(settings, "events", DAY, "a.jsonl", [event()])
    closed = date(2020, 1, 4)
    monkeypatch.setattr(landing, "check_freshness", lambda *_: [])
    monkeypatch.setattr("pipelines.session.spark_session", lambda *_: pytest.fail("started an engine for nothing"))
    _, manifest = stage(settings, night(closed))
    assert {e["rows"] for e in manifest["entities"].values()} == {0}
    assert manifest["quarantine_dates"] == ["2020-01-04"]


def test_an_open_day_without_events_is_named(settings: Settings) -> None:
    land(settings, "events", DAY, "a.jsonl", [event()])
    with pytest.raises(NightmarketError, match="no events file .*2020-01-05"):
        stage(settings, night(date(2020, 1, 5)))


def test_a_superseded_attempt_moves_no_pointer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    land(settings, "events", DAY, "a.jsonl", [event()])
    old = fence.take(settings, "preprocess", str(DAY))
    fence.take(settings, "preprocess", str(DAY))
    with pytest.raises(Superseded):
        preprocess(settings, night(DAY), old)
    assert not (settings.staging / str(DAY) / "current.json").exists()


def test_a_large_date_is_written_in_slices_of_users_with_the_same_rows(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        event(event_id=f"e{n % 50}", user_id=f"u{n % 7}" if n % 4 else None, occurred_at=f"2020-01-02T10:{n:02d}:00Z")
        for n in range(60)
    ]
    land(settings, "events", DAY, "a.jsonl", [*rows, event(event_id="old", occurred_at="2020-01-01T08:00:00Z")])
    found = []
    for rows_per_file in (1_000, 25):
        monkeypatch.setattr("pipelines.preprocess.writing.ROWS_PER_FILE", rows_per_file)
        folder, manifest = stage(settings, night(DAY))
        files = sorted((folder / "events" / "event_date=2020-01-02").glob("*.parquet"))
        tables = [pq.read_table(file, partitioning=None).to_pylist() for file in files]
        for table in tables:
            users = [(row["user_id"] or "", row["occurred_at"]) for row in table]
            assert users == sorted(users)
        found.append(sorted(json.dumps(row, default=str) for table in tables for row in table))
        assert manifest["entities"]["events"]["files"][0]["rows_deduplicated"] == 10
        owners = [{row["user_id"] for row in table if row["user_id"]} for table in tables]
        assert sum(map(len, owners)) == len(set.union(*owners)) == 7
    assert len(files) == 3
    assert found[0] == found[1]


@pytest.mark.parametrize("user", ["robot", None])
def test_one_user_who_is_the_whole_day_fills_no_file_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, user: str | None
) -> None:
    monkeypatch.setattr("pipelines.preprocess.writing.ROWS_PER_FILE", 200)
    times = [f"2020-01-02T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z" for n in range(0, 20_000, 10)]
    rows = [event(event_id=f"e{n}", user_id=user, session_id=None, occurred_at=t) for n, t in enumerate(times)]
    others = [event(event_id=f"o{n}", user_id=f"u{n}", occurred_at=times[n]) for n in range(100)]
    land(settings, "events", DAY, "a.jsonl", [*rows, *others])
    folder, manifest = stage(settings, night(DAY))
    tables = [pq.read_table(file, partitioning=None) for file in (folder / "events" / f"event_date={DAY}").iterdir()]
    assert manifest["entities"]["events"]["rows"] == sum(table.num_rows for table in tables) == 2_100
    assert len(tables) == 11
    assert max(table.num_rows for table in tables) < 300  # spread by chance, 191 on average
    found = [row for table in tables for row in table.select(["user_id", "session_id"]).to_pylist()]
    sessions = {row["session_id"] for row in found if row["user_id"] == user}
    assert len(sessions) == 1 and (user is None) == (sessions == {None})  # one visit, although in eleven files


def test_a_date_of_several_files_leaves_its_neighbours_whole() -> None:
    days = [DAY + timedelta(n) for n in range(6)]
    sizes = Counter(dict(zip(days, (10, 20, 3 * writing.ROWS_PER_FILE, 30, 40, 50), strict=True)))
    alone = [(days[0], days[1]), (days[2], days[2]), (days[3], days[5])]
    assert list(writing._groups(sizes, 10 * writing.ROWS_PER_FILE)) == alone
    assert list(writing._groups(sizes, 75)) == [*alone[:2], (days[3], days[4]), (days[5], days[5])]
