"""Columns of propensity by hand, and that a day knows nothing of what came or was delivered later."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.propensity.visits import LOOKBACK, NAMES, Visits
from tests.models.propensity.shop import TODAY, visits


def columns(found: Visits, day: int, user: int) -> dict[str, float]:
    active, read = found.at(day)
    return dict(zip(NAMES, read[active.tolist().index(user)].tolist(), strict=True))


def test_a_users_columns_by_hand() -> None:
    found = visits([(0, TODAY - 40), (0, TODAY - 20), (0, TODAY - 10), (0, TODAY - 3), (1, TODAY)], users=3)
    assert columns(found, TODAY, 0) == pytest.approx(
        {
            "recency": 3, "days_7": 1, "days_28": 3, "days_56": 4, "days_91": 4, "days_180": 4, "tenure": 40,
            "interval": 37 / 3, "interval_spread": np.std([20, 10, 7]), "recency_in_intervals": 3 / (37 / 3),
            "spend_28": np.log1p(30), "spend_180": np.log1p(40), "basket": 2, "lines_28": 6, "looks_7": 0,
            "looks_28": 0, "since_anything": 3, "change": 2,
        }
    )  # fmt: skip
    once = columns(found, TODAY, 1)
    assert (once["recency"], once["tenure"]) == (0, 0)
    assert np.isnan([once["interval"], once["interval_spread"], once["recency_in_intervals"]]).all()


def test_looks_count_and_do_not_make_a_user_active() -> None:
    user, day = np.array([0, 0, 1]), np.array([TODAY - 9, TODAY - 2, TODAY])
    found = Visits(
        pa.array(["a", "b"]), TODAY, user, day, day, np.array([1.0, 0, 0]), np.zeros(3), np.array([0.0, 3, 5])
    )
    assert found.at(TODAY)[0].tolist() == [0]
    own = columns(found, TODAY, 0)
    assert (own["looks_7"], own["since_anything"], own["recency"]) == (3, 2, 9)


def test_active_is_a_purchase_within_the_lookback() -> None:
    found = visits([(0, TODAY - LOOKBACK), (1, TODAY - LOOKBACK + 1)], users=2)
    assert found.at(TODAY)[0].tolist() == [1]
    assert found.at(TODAY - 1)[0].tolist() == [0, 1]


def test_who_bought_within_the_horizon() -> None:
    found = visits([(0, TODAY - 7), (1, TODAY - 6), (2, TODAY), (3, TODAY - 20)], users=4)
    everybody = np.arange(4)
    assert found.bought(everybody, TODAY - 7, 7, TODAY).tolist() == [False, True, True, False]
    assert found.bought(everybody, TODAY - 7, 6, TODAY).tolist() == [False, True, False, False]


def test_a_row_that_was_delivered_later_is_not_known_yet() -> None:
    found = visits([(0, TODAY - 30), (0, TODAY - 10)], users=1, late=2)
    assert columns(found, TODAY - 9, 0)["recency"] == 21
    assert columns(found, TODAY - 8, 0)["recency"] == 2
    assert not found.bought(np.array([0]), TODAY - 11, 3, TODAY - 9).any()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=25), st.integers(1, 59))
def test_what_happens_later_changes_nothing(rows: list[tuple[int, int]], back: int) -> None:
    day = TODAY - back
    every = [(user, TODAY - ago) for user, ago in rows]
    before = [(user, d) for user, d in every if d <= day]
    if before:
        known, hindsight = visits(before, users=4).at(day), visits(every, users=4).at(day)
        assert np.array_equal(known[0], hindsight[0])
        assert np.array_equal(known[1], hindsight[1], equal_nan=True)
