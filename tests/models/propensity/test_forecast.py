"""Which model forecasts, on what days, and that its probabilities are good on days that nothing has seen."""

import numpy as np
import pytest

from models.calibration import auc, calibration_error
from models.propensity import forecast as forecasting
from models.propensity import learners
from models.propensity.forecast import HORIZONS, LEAST_USERS, Forecast, Past, forecasts
from models.propensity.learners import COUNTS, LINE, TABLE, TREES, Line, Table, counts
from models.propensity.visits import FREQUENCY, NAMES, RECENCY, Visits
from models.trees import NoTrees
from tests.models.propensity.shop import TODAY, rhythm, visits


def forecast(shop: Visits, horizon: int) -> Forecast:
    return forecasting.forecast(Past(shop), horizon)


def until(day: int, rows: list[tuple[int, int]], users: int = 400) -> Visits:
    return visits([row for row in rows if row[1] <= day], users, today=day)


def test_a_rhythm_is_found_and_its_probabilities_hold_on_the_days_after() -> None:
    rows = rhythm()
    found = forecast(until(TODAY - 28, rows), 28)
    assert found.model in (LINE, TREES)
    assert "judged on" in found.note
    happened = visits(rows, 400).bought(found.users, TODAY - 28, 28, TODAY)
    assert auc(found.chance, happened) > 0.85
    assert calibration_error(found.chance, happened) < 0.08
    measured = {(row["model_name"], row["metric"]): row for row in found.judged}
    saved = measured[found.model, "log_loss_saved_28d"]
    assert 0 < saved["low"] < saved["value"] < saved["high"]
    assert saved["value"] == pytest.approx(
        measured[TABLE, "log_loss_28d"]["value"] - measured[found.model, "log_loss_28d"]["value"]
    )
    assert {"brier_28d", "auc_28d", "calibration_error_28d"} <= {metric for _, metric in measured}


def test_a_longer_horizon_never_says_less() -> None:
    short, long = forecasts(until(TODAY, rhythm()))
    assert (short.horizon, long.horizon) == HORIZONS
    assert np.array_equal(short.users, long.users)
    assert (short.chance <= long.chance).all()
    assert short.chance.mean() < long.chance.mean()


def test_where_only_chance_rules_everybody_is_told_the_same() -> None:
    draw = np.random.default_rng(5)
    rows = [(user, TODAY - int(ago)) for user in range(400) for ago in np.flatnonzero(draw.random(330) < 0.03)]
    found = forecast(visits(rows, 400), 28)
    assert found.model != TREES
    assert found.chance.std() < 0.06
    assert found.chance.mean() == pytest.approx(1 - 0.97**28, abs=0.06)


def test_a_young_shop_is_told_by_rates_and_says_so() -> None:
    rows = [(user, TODAY - ago) for user in range(200) for ago in range(0, 40, 1 + user % 20)]
    found = forecast(visits(rows, 200), 28)
    assert found.model == COUNTS
    assert found.note.startswith(f"no 28 days with {LEAST_USERS} active users")
    assert found.judged == []
    assert found.chance[0] > found.chance[19] > 0


def test_few_users_and_none_at_all() -> None:
    few = forecast(visits([row for row in rhythm() if row[0] < 20], 20), 7)
    assert few.model == COUNTS
    assert ((few.chance > 0) & (few.chance < 1)).all()
    nobody = forecast(visits([(0, TODAY - 300)], 1), 7)
    assert (len(nobody.users), len(nobody.chance)) == (0, 0)


def test_forecasting_again_gives_the_same() -> None:
    first, second = (forecast(until(TODAY, rhythm()), 28) for _ in range(2))
    assert np.array_equal(first.chance, second.chance)
    assert first.judged == second.judged


def test_nothing_after_today_is_looked_at() -> None:
    """The same answer from a shop that ends today and from one that goes on, with today set back."""
    rows, day = rhythm(), TODAY - 30
    ends = until(day, rows)
    goes_on = visits(rows, 400, today=day)
    for name in (TABLE, LINE, TREES):
        made, other = (forecasting.make(Past(shop), name, day, 7) for shop in (ends, goes_on))
        assert made is not None and other is not None
        columns = ends.at(day)[1]
        assert np.array_equal(made.chance(columns), other.chance(columns))


def test_without_lightgbm_the_line_and_the_table_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise NoTrees("libgomp")

    monkeypatch.setitem(learners.LEARNERS, TREES, gone)
    found = forecast(until(TODAY, rhythm()), 28)
    assert found.model in (TABLE, LINE)
    assert {row["model_name"] for row in found.judged} == {TABLE, LINE}


def test_the_table_by_hand() -> None:
    columns = np.zeros((30, len(NAMES)), dtype=np.float32)
    columns[:10, RECENCY], columns[10:, RECENCY] = 2, 60
    columns[:, FREQUENCY] = 1
    bought = np.array([True] * 9 + [False] + [True] * 3 + [False] * 17)
    table = Table.fit(columns, bought)
    chance = 1 / (1 + np.exp(-table.log_odds(columns)))
    assert chance[0] == pytest.approx((9 + 20 * 0.4) / 30)
    assert chance[-1] == pytest.approx((3 + 20 * 0.4) / 40)


def test_a_line_reads_missing_values_and_falling_numbers() -> None:
    draw = np.random.default_rng(1)
    columns = draw.normal(size=(300, len(NAMES))).astype(np.float32)
    columns[::3] = np.nan
    line = Line.fit(columns, draw.random(300) < 0.5)
    assert np.isfinite(line.log_odds(columns)).all()


def test_rates_by_hand() -> None:
    days = np.array([1.0, 3.0])  # mean 2, variance 1: no more than Poisson, so nearly one rate for all
    found = counts(days, days=10, horizon=10)
    assert found == pytest.approx(1 - ((500 + 10) / (500 + 20)) ** (100 + days))
    assert counts(np.array([]), 10, 10).shape == (0,)
