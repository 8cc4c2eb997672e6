"""Freshness, age and speed: numbers that a night has one of."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.monitoring.drift import LEVEL
from models.registry import Promotion, promote
from pipelines.contracts import OPS_LANDING_FILES, OPS_NIGHTS, OPS_RUNS
from pipelines.monitoring import history, inputs, model
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, upsert

NIGHT = date(2024, 3, 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_a_feed_that_stays_away_for_twice_its_longest_wait_is_missed(settings: Settings) -> None:
    def files(entity: str, *ages: int) -> list[dict]:
        return [{"landing_date": NIGHT - timedelta(age), "entity": entity, "file": "f"} for age in ages]

    with open_warehouse(settings) as connection:
        rows = files("events", 0, 1, 2, 4) + files("products", 15, 22, 29, 36) + files("reviews", 50)
        upsert(connection, OPS_LANDING_FILES, rows)
        found = {row.part: row for row in inputs.freshness(connection, NIGHT)}
    assert {part: (row.value, row.threshold, row.alarm) for part, row in found.items()} == {
        "events": (0, 4, False),  # the longest wait was two days
        "products": (15, 14, True),
        "reviews": (50, None, False),  # came once: nobody knows how often it should
    }
    assert found["products"].message.endswith("Ask the shop whether products still come")


def test_an_old_champion_is_said_and_a_young_one_is_not(settings: Settings) -> None:
    assert not model.age(settings, NIGHT).alarm
    for days, alarm in ((43, True), (42, False)):
        until = str(NIGHT - timedelta(days))
        promote(settings.models, Promotion("recommender", "blend", f"v{days}", until, until, until, "it won"))
        row = model.age(settings, NIGHT)
        assert (row.value, row.threshold, row.alarm) == (days, 42, alarm)


def test_a_step_that_became_slow_alarms_and_a_fast_one_does_not(settings: Settings) -> None:
    with open_warehouse(settings) as connection:
        for back in range(21):
            seconds = {"load": 20.0 + back % 3, "score": 20.0 + back % 3, "marts": 3.0}
            if back == 0:
                seconds = {"load": 60.0, "score": 12.0, "marts": 9.0}
            rows = [
                {
                    "night": str(NIGHT - timedelta(back)),
                    "step": step,
                    "status": "done",
                    "rows": 10_000,
                    "seconds": taken,
                }
                for step, taken in seconds.items()
            ]
            upsert(connection, OPS_RUNS, rows)
        upsert(connection, OPS_RUNS, [{"night": "2024-01-01..2024-02-29", "step": "load", "status": "done", "rows": 1,
                                       "seconds": 99.0}])  # fmt: skip
        numbers = list(history.speeds(connection, NIGHT))
        rows = {row.part: row for row in history.judged(connection, NIGHT, numbers, LEVEL)}
    assert set(rows) == {"load", "score"}  # three seconds are starting, not work
    assert (rows["load"].alarm, rows["score"].alarm) == (True, False)
    assert rows["load"].value == pytest.approx(10_000 / 60, rel=1e-5)
    assert rows["load"].n == 20


@pytest.mark.parametrize(("tonight", "alarm"), [(1, False), (4, False), (12, True)])
def test_where_new_items_are_rare_a_few_are_no_alarm(settings: Settings, tonight: int, alarm: bool) -> None:
    past = np.array([0.0] * 20 + [1.0] * 8)  # their median and its deviation are 0
    number = history.Number("inputs", "new", "items", tonight, "Look", past=past, count=True)
    with open_warehouse(settings) as connection:
        (row,) = history.judged(connection, NIGHT, [number], LEVEL)
    assert row.alarm == alarm


def test_a_closed_day_has_no_totals(settings: Settings) -> None:
    with open_warehouse(settings) as connection:
        upsert(connection, OPS_NIGHTS, [{"night": NIGHT, "is_closed": True}])
        assert inputs.totals(connection, NIGHT) == {}
        assert inputs.totals(connection, NIGHT - timedelta(1)) != {}
