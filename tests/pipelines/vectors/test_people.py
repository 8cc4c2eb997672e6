"""Users and personas: a week's groups, tonight's members, and no trace of how one got there."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines import lake
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.vectors import read_vectors
from pipelines.vectors.people import week_of
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit, fill_lake, fill_products

SUNDAY = MONDAY + timedelta(6)
GROUPS = {"kitchen": 8, "garden": 8}
PEOPLE = 40


def purchases(days: int, seed: int = 3) -> list[tuple]:
    """Half of the people buy kitchen things, half garden things, a few of both."""
    draw = np.random.default_rng(seed)
    rows = []
    for person in range(2 * PEOPLE):
        kind = list(GROUPS)[person % 2]
        for day in range(days):
            if draw.random() < 0.5:
                of = kind if draw.random() < 0.95 else list(GROUPS)[1 - person % 2]
                rows.append((f"u{person:03d}", f"{of}{draw.integers(GROUPS[of])}", day))
    return rows


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    fill_products(
        settings,
        [
            {"item_id": f"{kind}{n}", "title": f"{kind} tool number {n}", "category_path": f"home > {kind}"}
            for kind, count in GROUPS.items()
            for n in range(count)
        ],
    )
    fill_lake(settings, purchases(10))
    return settings


def read(settings: Settings, night: date) -> dict:
    return read_vectors(settings, night, take(settings, "vectors", "warehouse"))


def query(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_people_who_buy_alike_are_one_persona_that_says_what_they_buy(shop: Settings) -> None:
    said = read(shop, SUNDAY + timedelta(1))
    assert said["note"].startswith("no champion of multimodal")
    found = dict(query(shop, "select persona, users from scores.personas"))
    assert {"kitchen", "garden"} <= set(found)
    of = dict(query(shop, "select user_id, persona from scores.user_personas"))
    assert len(of) > PEOPLE
    assert np.mean([persona == list(GROUPS)[int(user[1:]) % 2] for user, persona in of.items()]) > 0.9
    traits = query(shop, "select value from scores.persona_traits where persona = 'garden' and kind = 'item'")
    assert traits and all(value.startswith("garden") for (value,) in traits)
    vectors = query(shop, "select dimension, len(vector), model_version from scores.user_vectors")
    assert len(vectors) == len(of)
    assert len(set(vectors)) == 1 and vectors[0][0] == vectors[0][1]


def test_before_a_sunday_has_passed_there_is_no_persona(shop: Settings) -> None:
    assert read(shop, MONDAY + timedelta(3))["rows"] == 0
    assert query(shop, "select count(*) from scores.personas") == [(0,)]


def test_groups_stand_for_a_week_and_members_move_by_what_is_known_tonight(shop: Settings) -> None:
    before, after = week_of(shop, SUNDAY), week_of(shop, SUNDAY + timedelta(6))
    assert before is not None and after is not None
    assert (before.version, before.names) == (after.version, after.names)
    fill_lake(shop, [("newcomer", "garden1", 8), ("newcomer", "garden2", 8), ("newcomer", "garden3", 8)], SUNDAY)
    read(shop, SUNDAY + timedelta(1))
    assert query(shop, "select persona from scores.user_personas where user_id = 'newcomer'") == []
    read(shop, SUNDAY + timedelta(2))
    assert query(shop, "select persona from scores.user_personas where user_id = 'newcomer'") == [("garden",)]


def test_made_again_with_nothing_kept_it_is_equal(shop: Settings) -> None:
    tables = ("user_vectors", "user_personas", "personas", "persona_traits")
    columns = {"user_vectors": "user_id, vector, model_version"}

    def content() -> dict[str, list[tuple]]:
        everything = "* exclude (run_id, scored_at)"
        asked = {t: f"select {columns.get(t, everything)} from scores.{t} order by all" for t in tables}
        return {t: query(shop, sql) for t, sql in asked.items()}

    night = SUNDAY + timedelta(2)
    read(shop, night)
    first = content()
    read(shop, night)
    assert content() == first
    shutil.rmtree(shop.models / "people")
    read(shop, night)
    assert content() == first
    read(shop, SUNDAY + timedelta(3))
    read(shop, night)
    assert content() == first


def test_only_a_few_weeks_are_kept(shop: Settings) -> None:
    for week in range(5):
        fill_lake(shop, [("u000", "garden1", 13 + 7 * week)])
        assert week_of(shop, SUNDAY + timedelta(7 * (week + 1))) is not None
    folder = shop.models / "people"
    assert len({path.name[:10] for path in folder.glob("*.json")}) == 3
    assert sum(path.is_dir() for path in folder.iterdir()) <= 3


def test_nobody_at_all_is_no_failure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert read_vectors(settings, SUNDAY, take(settings, "vectors", "warehouse"))["rows"] == 0


def test_what_was_searched_for_counts_as_far_as_it_was_known(shop: Settings) -> None:
    day = SUNDAY - timedelta(1)
    base = {"file": "f", "is_duplicate": False, "landing_date": day, "event_date": day}
    rows = [
        {"event_type": "search", "query": "Spade"}, {"event_type": "view", "query": "Spade", "item_id": "garden1"},
        {"event_type": "search", "query": " "}, {"event_type": "impression", "query": "Spade", "item_id": "garden2"},
        {"event_type": "search", "query": "late", "landing_date": SUNDAY + timedelta(1)},
    ]  # fmt: skip
    at = datetime.combine(day, datetime.min.time(), UTC)
    same = {**base, "occurred_at": at, "user_id": "u000"}
    commit(shop, "events", [{**same, "event_id": f"q{n}", "line": n, **row} for n, row in enumerate(rows)])
    assert sorted(lake.searches(shop, SUNDAY, 30).to_pylist(), key=str) == [
        {"user_id": "u000", "query": "Spade", "item_id": "garden1"},
        {"user_id": "u000", "query": "Spade", "item_id": None},
    ]
    assert week_of(shop, SUNDAY) is not None
