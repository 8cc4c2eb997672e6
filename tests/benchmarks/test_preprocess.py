"""The specification by hand in DuckDB and the real job agree, on a scaled shop and on rows made to be refused."""

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import _scaled
from benchmarks.peers import preprocess_duckdb
from benchmarks.preprocess import BEFORE, COUNTS, DAY, question_of, table_hash
from pipelines import fence, lake
from pipelines.contracts import EVENTS, UNREADABLE, UNREADABLE_REASON
from pipelines.preprocess.job import preprocess
from pipelines.settings import Settings, night

OPENING, ROWS = 200, 2_000
GOOD = {"occurred_at": f"{DAY}T10:00:00Z", "event_type": "view", "item_id": "i", "user_id": "u"}
ODD: tuple[dict[str, str | None], ...] = (
    {"event_id": "  blanks\t"}, {"event_id": "   "}, {"event_id": "é😀"}, {"event_id": "x" * 257}, {"event_id": None},
    {"query": "x" * 10_001}, {"query": "'; drop table x; --"}, {"query": 'a "quoted" \\ text'}, {"event_type": None},
    {"occurred_at": None}, {"occurred_at": "now"}, {"occurred_at": f"{DAY} 10:00:00.5+05:30"},
    {"occurred_at": f"{DAY}T24:00:00Z"}, {"occurred_at": "2011-02-30T00:00:00Z"}, {"occurred_at": f"{DAY}T10:00:00"},
    {"occurred_at": f"{DAY + timedelta(1)}T00:30:00Z"}, {"occurred_at": f"{DAY + timedelta(2)}T00:00:00Z"},
    {"occurred_at": f"{DAY - timedelta(3)}T00:00:00Z"}, {"occurred_at": f"{DAY - timedelta(4)}T23:59:59Z"},
    *({"quantity": text} for text in ("3", "3.0", "2.5", "1e3", "15e-1", "-1", "0", "many", "+4", "1000001", "9" * 19)),
    *({"unit_price": text} for text in ("1.10", ".5", "5.", "1e1", "-1", "1000000000.01", "1e99", "2.0000005", "x")),
    {"position": "1.5"}, {"position": "2"}, {"event_type": "teleport"},
    {"event_type": "search"}, {"event_type": "search", "query": "mug"},
    *({"event_type": kind, "query": text, "event_id": name} for kind in ("search", "teleport") for name in ("id", None)
      for text in ("write to ann@example.com", "4012 8888 8888 1881, +49 (30) 1234567", "12 O'Hara Street", "size 42")),
    {"event_type": "purchase"}, {"event_type": "purchase", "quantity": "1", "item_id": None},
    {"event_type": "purchase", "quantity": "1", "item_id": None, "charge_code": "POST", "unit_price": "-5"},
    {"charge_code": "POST"}, {"item_id": None}, {"user_id": None}, {"session_id": "given"},
)  # fmt: skip
ODD_LINES = (
    '{"event_id": "cut, call 212-555-0123 or ann@example.com',
    "{", "[1]", '"x"', "null", "{}", '{"event_id": "cut', '{"event_id": "n1", "item_id": {"nested": 1}}',
    '{"event_id": "n2", "user_id": 1.5}', '{"event_id": "a\\u0000b"}',
    json.dumps({**GOOD, "event_id": "n3", "user_id": 17850, "quantity": 3, "unit_price": 2.5, "unknown": [1]}),
)  # fmt: skip


def visits() -> list[dict[str, Any]]:
    """Of two users, with pauses just below and just above half an hour, and some rows twice."""
    minutes = (0, 30, 60, 91, 92, 93, 93, 200, 1_400)
    rows = [
        {**GOOD, "event_id": f"v{n}", "user_id": user, "occurred_at": f"{DAY}T{m // 60:02d}:{m % 60:02d}:00Z"}
        for user in ("u", "v")
        for n, m in enumerate(minutes)
    ]
    return [*rows, *rows[2:4]]


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A small landed shop of 350 events, some of them of nobody."""
    columns = {name: pa.string() for name in EVENTS.names} | {UNREADABLE: pa.string(), UNREADABLE_REASON: pa.string()}
    rows = [
        {**GOOD, "event_id": f"o{n:04d}", "event_type": ("purchase", "view")[n % 2], "quantity": str(n % 9 + 1),
         "user_id": f"u{n * n % 23}" if n % 4 else None, "session_id": f"s{n % 40}", "item_id": f"i{n % 50}",
         "unit_price": f"{n % 17}.250000", "occurred_at": f"2011-01-05T{n * 7 % 24:02d}:{n * 11 % 60:02d}:00Z"}
        for n in range(350)
    ]  # fmt: skip
    folder = tmp_path / "origin" / EVENTS.name / "date=2011-01-05"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(columns)), folder / "a.parquet")
    return tmp_path / "origin"


def deliver(origin: Path, settings: Settings, form: str) -> None:
    """The scaled shop's two days, the first of them committed, and a file of odd rows on the second."""
    shop = settings.landing / "shop"
    with _scaled.opened(origin, settings.home / "spill") as bench:
        _scaled.write_day(bench, shop, _scaled.Day(BEFORE, 0, OPENING), form)
        _scaled.write_day(bench, shop, _scaled.Day(DAY, OPENING, OPENING + ROWS), form)
    rows = [*visits(), *({**GOOD, "event_id": f"odd{n}", **odd} for n, odd in enumerate(ODD))]
    folder = shop / EVENTS.name / f"date={DAY}"
    if form == "parquet":
        held = pa.schema([(name, pa.string()) for name in EVENTS.names])
        pq.write_table(pa.Table.from_pylist(rows, schema=held), folder / "z.parquet")
    else:
        lines = [*(json.dumps(row, ensure_ascii=False) for row in rows), *ODD_LINES]
        (folder / "z.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    staged, manifest = stage(settings, BEFORE)
    attempt = fence.take(settings, "publish-lake", str(BEFORE))
    entry = manifest["entities"][EVENTS.name]
    dates = [date.fromisoformat(day) for day in entry["dates"]]
    lake.commit(settings, EVENTS.name, staged / EVENTS.name, dates, manifest["base"][EVENTS.name], attempt)


def stage(settings: Settings, day: date) -> tuple[Path, dict[str, Any]]:
    attempt = fence.take(settings, "preprocess", str(day))
    manifest = preprocess(settings, night(day), attempt)
    return settings.staging / str(day) / attempt.id, manifest


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_the_job_and_the_hand_written_specification_give_the_same_tables_and_counts(
    origin: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scaled, "ROWS_PER_FILE", 700)
    monkeypatch.setattr(_scaled, "REPEAT_BACK", 103)
    settings = Settings(home=tmp_path / "home")
    deliver(origin, settings, form)
    staged, manifest = stage(settings, DAY)
    by_hand = tmp_path / "by-hand"
    answer = preprocess_duckdb.preprocess(question_of(settings.home, by_hand))

    assert reasons(staged) == reasons(by_hand)
    for table in ("events", "quarantine"):
        assert table_hash(staged / table) == table_hash(by_hand / table), table
    files = {f["file"]: f for f in manifest["entities"][EVENTS.name]["files"]}
    assert len(files) == 4
    for name, file in files.items():
        counted = {"rows_in": file["rows_in"], **{n: file[f"rows_{n}"] for n in COUNTS[1:]}}
        assert answer["files"][name] == counted
    # What the comparison is about did happen: every kind of dirt, a redelivery, and sessions that were made.
    found = reasons(staged)
    assert {"late", "event_id is missing", "event_type is unknown", "quantity is not positive"} <= found.keys()
    assert ("malformed json" in found) == (form == "jsonl")
    with duckdb.connect() as bench:
        made, redelivered = bench.execute(
            "select count(distinct session_id) filter (session_id like 's-%'),"
            f" count(*) filter (is_duplicate and event_date = '{BEFORE}' and landing_date = '{DAY}')"
            f" from read_parquet('{staged}/events/*/*.parquet', hive_partitioning = true)"
        ).fetchall()[0]
        marked = bench.execute(
            f"select sum(query like '%[phone]%') from read_parquet('{staged}/events/*/*.parquet') union all"
            f" select sum(raw like '%[email]%') from read_parquet('{staged}/quarantine/*/*.parquet')"
        ).fetchall()
    assert made > 50
    assert redelivered > 0
    assert all(count for (count,) in marked)


def reasons(folder: Path) -> Counter[str]:
    with duckdb.connect() as bench:
        rows = bench.execute(f"select reason from read_parquet('{folder}/quarantine/*/*.parquet')").fetchall()
    return Counter(reason for (reason,) in rows)
