"""What `nightmarket monitor` leaves of a quiet night, and of nights on which something was planted."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from models.monitoring import drift
from pipelines.contracts import OPS_MONITOR
from pipelines.fence import take
from pipelines.monitoring import measured, monitor
from pipelines.monitoring.rows import Row
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.pipelines.monitoring.shop import ITEMS, NIGHT, USERS, build, open_shop

WEEK = timedelta(7)


def found(rows: list[Row], name: str, part: str) -> Row:
    return next(row for row in rows if (row.name, row.part) == (name, part))


def stored(settings: Settings, day: object = NIGHT) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(f"select * from {OPS_MONITOR.name} where night = ? order by all", [day]).fetchall()


def run(settings: Settings, day: date = NIGHT) -> dict:
    return monitor(settings, day, take(settings, "monitor", str(day)))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop on whose two nights, a week apart, nothing happened; both are measured."""
    settings = open_shop(tmp_path_factory.mktemp("quiet"))
    for day in (NIGHT - WEEK, NIGHT):
        build(settings, day)
        run(settings, day)
    return settings


def test_a_quiet_night_leaves_its_numbers_and_no_alarm(quiet: Settings) -> None:
    result = run(quiet)
    assert result["alarms"] == [] and result["lines"] == []
    rows = measured(quiet, NIGHT)
    assert {row.area for row in rows} == {"inputs", "features", "scores", "lists", "model"}
    amounts = found(rows, "PSI amount", "purchase")
    assert amounts.n == 2 * USERS and amounts.value is not None and amounts.threshold is not None
    assert drift.FLOOR <= amounts.threshold < 0.2 and amounts.value < amounts.threshold
    same = found(rows, "PSI score", "recommendations")
    assert (same.value, same.alarm) == (0, False)
    assert found(rows, "unequal in training and warehouse", "users").n == USERS
    assert found(rows, "rows", "events").value == 2 * USERS
    assert found(rows, "new", "users").value == 0


def test_running_it_again_leaves_the_same_rows(quiet: Settings) -> None:
    run(quiet)
    first = stored(quiet)
    run(quiet)
    assert stored(quiet) == first and len(first) > 20


def test_lists_are_measured_over_the_whole_catalogue(quiet: Settings) -> None:
    rows = measured(quiet, NIGHT)
    # Everybody is shown i00, i03, i06, i09 and i12: five of thirty, each in a fifth of the places.
    assert found(rows, "coverage@5", "recommendations").value == pytest.approx(5 / ITEMS, abs=1e-6)
    assert found(rows, "Gini of exposure", "recommendations").value == pytest.approx(1 - 5 / ITEMS, abs=1e-6)
    assert found(rows, "entropy of exposure", "recommendations").value == pytest.approx(2.321928)  # log2 of 5


def test_a_night_behind_the_newest_keeps_what_can_no_longer_be_asked(quiet: Settings) -> None:
    before = stored(quiet, NIGHT - WEEK)
    run(quiet, NIGHT - WEEK)
    assert stored(quiet, NIGHT - WEEK) == before
    assert {row[1] for row in before} >= {"lists", "features"}
    assert "PSI category" in {row[2] for row in before}  # by the items' categories of then


def test_a_night_that_was_not_built_is_skipped(quiet: Settings) -> None:
    assert run(quiet, NIGHT + WEEK)["skipped"] == f"night {NIGHT + WEEK} was not built: there is nothing to measure"
    assert stored(quiet, NIGHT + WEEK) == []


def test_planted_faults_alarm_in_a_sentence(tmp_path: Path) -> None:
    settings = open_shop(tmp_path, times=3, unknown=0.2)
    with open_warehouse(settings) as connection:
        connection.execute(
            "update intermediate.int_user_item_day set purchased_lines = purchased_lines + 1"
            " where user_id in ('u001', 'u002') and event_date = ?",
            [NIGHT],
        )
        connection.execute("delete from intermediate.int_user_item_day where user_id = 'u003'")
        connection.execute(
            "insert into scores.propensity (scored_for, user_id, horizon_days, buy_probability)"
            " select cast(? as date), user_id, 7, 0.4 from features.user_features",
            [NIGHT - WEEK],
        )
    result = run(settings)
    rows = {(row.name, row.part): row for row in measured(settings, NIGHT) if row.alarm}
    assert set(rows) == {
        ("PSI quantity", "purchase"), ("PSI amount", "purchase"), ("null unit_price", "purchase"),
        ("PSI unit_price", "purchase"), ("unequal in training and warehouse", "users"),
        ("mean chance apart from share", "buy within 7 days"),
    }  # fmt: skip
    assert rows["unequal in training and warehouse", "users"].value == 3
    assert rows["mean chance apart from share", "buy within 7 days"].value == pytest.approx(0.6, abs=0.02)
    assert len(result["lines"]) == len(rows)
    assert all(line.startswith(f"NIGHTMARKET ALARM night {NIGHT} ") for line in result["lines"])
    assert "look at the delivery" in rows["null unit_price", "purchase"].message
