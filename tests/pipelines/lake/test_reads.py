"""What scoring asks of the committed rows: who and what is known as of a night."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from staged import D1, D2, base, event, stage

from pipelines import lake
from pipelines.contracts import ENTITIES
from pipelines.fence import take
from pipelines.settings import Settings

D3 = D2 + timedelta(1)


def commit(settings: Settings, folder: Path, name: str, day: date, rows: list[dict[str, Any]]) -> None:
    """The rows of one delivery day; the first of a key in a day is its original."""
    target = folder / f"{name}-{day}" / name / f"landing_date={day}"
    target.mkdir(parents=True)
    key, seen = ENTITIES[name].key[0], set()
    for line, row in enumerate(rows, 1):
        row |= {"file": "a.jsonl", "line": line, "is_duplicate": row[key] in seen}
        seen.add(row[key])
    schema = ENTITIES[name].lake_schema()
    table = pa.Table.from_pylist(rows, schema=schema.remove(schema.get_field_index("landing_date")))
    pq.write_table(table, target / "part-0.parquet")
    lake.commit(settings, name, target.parent, [day], {}, take(settings, "p", str(day)))


def test_the_newest_row_of_each_product_and_its_first_day(settings: Settings, tmp_path: Path) -> None:
    commit(settings, tmp_path, "products", D1, [{"item_id": "a", "title": "A"}, {"item_id": "b", "title": "B"}])
    twice = [{"item_id": "b", "title": "B2", "attributes": [("k", "v")]}, {"item_id": "b", "title": "once more"}]
    commit(settings, tmp_path, "products", D2, twice)
    commit(settings, tmp_path, "products", D3, [{"item_id": "c", "title": "C"}])

    def shown(day: date) -> list[tuple[str, str, date]]:
        return [(r["item_id"], r["title"], r[lake.FIRST_DELIVERED]) for r in lake.products(settings, day).to_pylist()]

    assert shown(D1) == [("a", "A", D1), ("b", "B", D1)]
    assert shown(D2) == [("a", "A", D1), ("b", "B2", D1)]
    assert shown(D3) == [("a", "A", D1), ("b", "B2", D1), ("c", "C", D3)]
    assert lake.products(settings, D2)["attributes"].to_pylist() == [None, [("k", "v")]]
    assert lake.products(settings, D2).schema.field("item_id").type == pa.string()


def test_before_the_first_delivery_nothing_is_known(settings: Settings) -> None:
    assert lake.products(settings, D1).num_rows == 0
    assert lake.users(settings, D1).num_rows == 0
    assert lake.known_users(settings, D1, lake.users(settings, D1)) == []


def test_a_user_is_known_from_the_first_event_or_feed_that_was_delivered(settings: Settings, tmp_path: Path) -> None:
    def of(user: str | None, day: date, landed: date | None = None) -> dict[str, Any]:
        return event(f"{user}", day, landed) | {"user_id": user}

    rows = [of("ü", D1), of("b", D1), of(None, D1), of("late", D1, D2)]
    staged = stage(tmp_path / "s" / "events", D1, rows)
    staged = stage(staged, D2, [of("B", D2), of("early", D2, D1)])  # delivered with D1's file, happened on D2
    lake.commit(settings, "events", staged, [D1, D2], base(settings), take(settings, "p", "a"))
    commit(settings, tmp_path, "users", D2, [{"user_id": "quiet", "attributes": None}])

    assert lake.known_users(settings, D1, lake.users(settings, D1)) == ["b", "ü"]
    assert lake.known_users(settings, D2, lake.users(settings, D2)) == ["B", "b", "early", "late", "quiet", "ü"]


DELIVERIES = st.lists(st.lists(st.sampled_from("abcd"), max_size=5), min_size=1, max_size=5)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DELIVERIES)
def test_what_is_newest_is_what_a_reader_of_all_deliveries_in_order_would_keep(
    tmp_path_factory: Any, deliveries: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("home")
    settings = Settings(home=folder)
    kept: dict[str, tuple[str, str, date]] = {}
    for number, items in enumerate(deliveries):
        day = D1 + timedelta(number)
        rows: list[dict[str, Any]] = [{"item_id": item, "title": f"{number}.{n}"} for n, item in enumerate(items)]
        if rows:
            commit(settings, folder, "products", day, rows)
        for item in dict.fromkeys(items):
            kept[item] = (item, f"{number}.{items.index(item)}", kept[item][2] if item in kept else day)
        found = lake.products(settings, day).to_pylist()
        assert [(r["item_id"], r["title"], r[lake.FIRST_DELIVERED]) for r in found] == [kept[i] for i in sorted(kept)]
