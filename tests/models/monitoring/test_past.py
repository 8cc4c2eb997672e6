"""A number of a night beside those of the nights before."""

import numpy as np
import pytest

from models.monitoring.past import LEAST_NIGHTS, reach, unlike

LEVEL = 0.01


def test_the_distance_is_counted_in_deviations_from_the_median() -> None:
    past = np.array([9.0, 10, 11] * 5)  # median 10, MAD 1
    limit = reach(15, LEVEL)
    found = unlike(10 + limit + 0.1, past, LEVEL, floor=0)
    assert found is not None and found.alarm
    assert (found.usual, found.threshold, found.nights) == (10, limit, 15)
    found = unlike(10 - limit + 0.1, past, LEVEL, floor=0)
    assert found is not None and not found.alarm


def test_a_number_that_never_moves_is_judged_by_the_floor() -> None:
    past = np.full(20, 5.0)
    near, far = (unlike(value, past, LEVEL, floor=1) for value in (5.9, 6.1))
    assert near is not None and far is not None
    assert (near.alarm, far.alarm) == (False, True)


def test_with_few_nights_nothing_is_said() -> None:
    assert unlike(1, np.ones(LEAST_NIGHTS - 1), LEVEL, 0) is None
    assert unlike(1, np.append(np.ones(LEAST_NIGHTS - 1), np.nan), LEVEL, 0) is None
    assert unlike(float("nan"), np.ones(LEAST_NIGHTS), LEVEL, 0) is None


@pytest.mark.parametrize("nights", [14, 28])
def test_normal_nights_alarm_as_often_as_stated(nights: int) -> None:
    drawn = np.random.default_rng(11).normal(100, 7, (3_000, nights + 1))
    found = [unlike(float(row[0]), row[1:], LEVEL, floor=0) for row in drawn]
    share = sum(one is not None and one.alarm for one in found) / 3_000
    assert 0.004 < share < 0.017  # 0.01, three standard errors to either side
