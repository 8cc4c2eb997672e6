"""Loading compares the lake with what the warehouse holds and moves just the difference."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import lake
from pipelines.audit import verdicts
from pipelines.contracts import ENTITIES
from pipelines.errors import NightmarketError
from pipelines.fence import take
from pipelines.load import load
from pipelines.settings import Settings, night
from pipelines.warehouse import open_warehouse

D1, D2 = date(2024, 5, 1), date(2024, 5, 2)


def commit(settings: Settings, entity: str, day: date, rows: list[dict]) -> None:
    """Replace one partition of the lake, as publish-lake does."""
    column = lake.partition_column(entity)
    attempt = take(settings, "publish-lake", str(day))
    staged = settings.staging / attempt.id / entity
    folder = staged / f"{column}={day}"
    folder.mkdir(parents=True)
    full = [{"is_duplicate": False, "landing_date": day, "file": "f", "line": n, **r} for n, r in enumerate(rows)]
    table = pa.Table.from_pylist(full, schema=ENTITIES[entity].lake_schema())
    pq.write_table(table.drop_columns([column]), folder / "part.parquet")
    base = {str(d): v for d, v in lake.digests(settings, entity).items()}
    lake.commit(settings, entity, staged, [day], base, attempt)


def load_now(settings: Settings) -> dict:
    return load(settings, night(D1), take(settings, "load", "warehouse"))


def rows(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_originals_are_loaded_and_duplicates_stay_in_the_lake(settings: Settings) -> None:
    commit(settings, "events", D1, [{"event_id": "a"}, {"event_id": "a", "is_duplicate": True}, {"event_id": "b"}])
    assert load_now(settings)["rows"] == 2
    assert rows(settings, "select event_date, event_id from raw.events order by all") == [(D1, "a"), (D1, "b")]


def test_a_second_load_has_nothing_to_do(settings: Settings) -> None:
    commit(settings, "events", D1, [{"event_id": "a"}])
    load_now(settings)
    assert load_now(settings) == {
        "rows": 0,
        "partitions": dict.fromkeys(ENTITIES, 0),
        "lake_version": lake.version(settings),
    }


def test_only_the_day_that_changed_is_loaded_and_marked_for_dbt(settings: Settings) -> None:
    commit(settings, "events", D1, [{"event_id": "a"}])
    commit(settings, "events", D2, [{"event_id": "b"}])
    load_now(settings)
    with open_warehouse(settings) as connection:
        connection.execute("delete from ops.pending_days")  # dbt has built both

    commit(settings, "events", D1, [{"event_id": "c"}])
    assert load_now(settings)["partitions"]["events"] == 1
    assert rows(settings, "select event_id from raw.events order by all") == [("b",), ("c",)]
    assert rows(settings, "select event_date from ops.pending_days") == [(D1,)]


def test_a_day_that_became_empty_loses_its_rows(settings: Settings) -> None:
    commit(settings, "events", D1, [{"event_id": "a"}])
    load_now(settings)
    attempt = take(settings, "publish-lake", "x")
    base = {str(d): v for d, v in lake.digests(settings, "events").items()}
    lake.commit(settings, "events", settings.staging / "nothing", [D1], base, attempt)
    load_now(settings)
    assert rows(settings, "select count(*) from raw.events") == [(0,)]
    assert rows(settings, "select event_date from ops.pending_days") == [(D1,)]


def test_a_map_becomes_json_with_its_keys_in_order(settings: Settings) -> None:
    commit(settings, "users", D1, [{"user_id": "u", "attributes": [("size", "L"), ("country", "France")]}])
    load_now(settings)
    assert rows(settings, "select attributes from raw.users") == [('{"country":"France","size":"L"}',)]


def test_nights_scored_without_what_is_loaded_now_lose_their_verdict(settings: Settings) -> None:
    """Nobody may publish them before they are scored again; a load that changes nothing leaves them alone."""
    before, same, later = (night(D1 + timedelta(n)) for n in (-1, 0, 1))
    with open_warehouse(settings) as connection:
        for batch in (before, same, later):
            connection.execute("insert into scores.recommendations (scored_for, user_id) values (?, 'u')", [batch.last])
            verdicts.keep(settings, "scores", batch, {"success": True, "failed": [], "attempt": "a"})
    load_now(settings)
    for batch in (before, same, later):
        verdicts.require(settings, "scores", batch)
    commit(settings, "events", D1, [{"event_id": "a"}])
    load_now(settings)
    verdicts.require(settings, "scores", before)
    for batch in (same, later):
        with pytest.raises(NightmarketError, match="has not run; score it"):
            verdicts.require(settings, "scores", batch)
