"""The index by hand, and what it says of samples with and without drift."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from models.monitoring import drift
from models.monitoring.drift import Units

GENERATOR = np.random.default_rng(7)


def test_psi_by_hand() -> None:
    # (3.5/11, 7.5/11) against (7.5/11, 3.5/11): twice 4/11 · ln(7.5/3.5)
    assert drift.psi(np.array([3, 7]), np.array([7, 3])) == pytest.approx(2 * 4 / 11 * math.log(7.5 / 3.5))
    assert drift.psi(np.array([5, 5]), np.array([5, 5])) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12))
def test_psi_is_never_negative_and_takes_either_side_first(rows: list[tuple[int, int]]) -> None:
    now, then = np.array(rows).T
    assert drift.psi(now, then) >= 0
    assert drift.psi(now, then) == pytest.approx(float(drift.psi(then, now)))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([90, 200, 600]))
def test_the_order_of_rows_says_nothing(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    now, then = generator.normal(size=n).round(1), generator.normal(size=2 * n).round(1)
    assert drift.numbers(now, then) == drift.numbers(generator.permutation(now), generator.permutation(then))
    named, before = now.astype(str).tolist(), then.astype(str).tolist()
    assert drift.categories(named, before) == drift.categories(named[::-1], before)


def test_thresholds_are_those_of_chi_square_where_every_bin_is_full() -> None:
    sample = GENERATOR.normal(size=(2, 2_000))
    found = drift._by_chance(np.full(10, 400), Units(2_000, 2_000), 0.001)
    assert found == pytest.approx(27.877 * (1 / 2_000 + 1 / 2_000), rel=1e-4)  # chi-square .999, 9 degrees
    tested = drift.numbers(*sample)
    assert tested is not None and tested.bins == 10
    assert tested.threshold == drift.FLOOR  # 0.0279 is less than anybody would get up for


def test_the_threshold_is_drawn_where_a_bin_is_thin() -> None:
    margin = np.array([300, 92, 4, 4])
    found = drift._by_chance(margin, Units(200, 200), 0.001)
    now = np.random.default_rng(1).multivariate_hypergeometric(margin, 200, size=50_000)
    beyond = float((drift.psi(now, margin - now) > found).mean())
    assert 0.0004 < beyond < 0.0017  # 0.001, by draws of its own
    assert found < 16.27 * 2 / 200  # chi-square with 3 degrees says too much, the thin bins being what they are


@pytest.mark.parametrize("n", [200, 1_000])
def test_no_drift_hardly_ever_alarms(n: int) -> None:
    alarms = [drift.numbers(*GENERATOR.lognormal(size=(2, n))) for _ in range(300)]
    assert sum(found is not None and found.alarm for found in alarms) <= 1  # 0.03 expected


def test_half_a_deviation_alarms_at_a_thousand_rows_and_eight_tenths_at_two_hundred() -> None:
    for n, shift in ((1_000, 0.5), (200, 0.8)):
        found = [drift.numbers(GENERATOR.normal(shift, 1, n), GENERATOR.normal(size=n)) for _ in range(100)]
        assert sum(one is not None and one.alarm for one in found) >= 95


def test_a_change_that_is_sure_but_small_is_none() -> None:
    now, then = GENERATOR.normal(0.1, 1, 100_000), GENERATOR.normal(size=100_000)
    found = drift.numbers(now, then)
    assert found is not None and not found.alarm
    assert found.value > 27.9 * 2 / 100_000  # far beyond chance


def test_missing_values_are_a_bin() -> None:
    then = GENERATOR.normal(size=1_000)
    now = then.copy()
    now[:200] = np.nan
    found = drift.numbers(now, then)
    assert found is not None and found.alarm and found.bins == 11
    assert drift.numbers(np.full(100, np.nan), np.full(100, np.nan)) == drift.Tested(0, drift.FLOOR, 100, 100, 1, False)


def test_repeated_values_make_fewer_bins() -> None:
    zeros = np.zeros(1_000)
    found = drift.numbers(np.append(zeros, [1.0] * 100), np.append(zeros, [1.0] * 100))
    assert found is not None and found.bins <= 2 and found.value == 0


def test_neighbours_are_joined_until_they_hold_their_part() -> None:
    now, then = np.array([60, 5, 5, 5, 20, 3, 2]), np.array([40, 5, 5, 5, 20, 3, 2])
    # 176 rows in 5 bins: 35 each. The fifth cell fills what the second to fourth began; the sixth is too thin alone.
    joined = drift.joined(now, then, 5)
    assert [part.tolist() for part in joined] == [[60, 38, 2], [40, 38, 2]]


def test_too_few_rows_say_nothing() -> None:
    few = np.zeros(drift.LEAST - 1)
    assert drift.numbers(few, np.zeros(1_000)) is None
    assert drift.categories(["a"] * 79, ["a"] * 1_000) is None
    assert drift.share((1, 79), (1, 1_000)) is None
    assert drift.unknown(["a"] * 1_000, ["a"] * 79) is None
    assert drift.numbers(np.zeros(1_000), np.zeros(1_000), units=Units(79, 1_000)) is None


def test_rare_categories_share_bins() -> None:
    now = ["a"] * 150 + ["b"] * 150 + [f"rare {n}" for n in range(100)]
    found = drift.categories(now, now)
    assert found is not None and found.bins == 4  # 40 and 60 of the rare ones: 20 are too few to stand alone


def test_a_change_among_categories_of_which_none_is_frequent_alarms() -> None:
    draw = np.random.default_rng(3)
    before, tonight = (draw.choice(100, 1_000, p=share / share.sum()) for share in (np.ones(100), np.arange(1, 101)))
    found = drift.categories(tonight.tolist(), before.tolist())
    assert found is not None and found.bins > 10 and found.alarm


def test_a_whole_deviation_among_ten_categories_alarms_at_two_hundred_rows() -> None:
    edges = norm.ppf(np.cumsum([0.35, 0.2, 0.12, 0.1, 0.08, 0.05, 0.04, 0.03, 0.02]))
    both = np.random.default_rng(5).normal(size=(100, 2, 200)) + np.array([1, 0])[:, None]
    found = [drift.categories(*np.searchsorted(edges, pair).tolist()) for pair in both]
    assert sum(one is not None and one.alarm for one in found) >= 95


def test_rows_that_go_together_count_as_one() -> None:
    """Thresholds of a hundred rows that are each ten times there are those of a hundred."""
    now, then = GENERATOR.normal(size=100), GENERATOR.normal(size=100)
    alone = drift.numbers(now, then)
    repeated = drift.numbers(np.repeat(now, 10), np.repeat(then, 10), units=Units(100, 100))
    assert alone is not None and repeated is not None
    assert repeated.threshold == pytest.approx(alone.threshold)
    assert repeated.n == 1_000


def test_unknown_categories_are_expected_as_far_as_rare_ones_are_common() -> None:
    # Of two rows of a category each lies in tonight's half with chance 1/2, then 199/399: 25 of 100 are new.
    pairs = [f"p{n}" for n in range(100)]
    common = ["common"] * 100
    found = drift.unknown([*pairs, *common], [*pairs, *common])
    assert found is not None and found.value == 0 and not found.alarm
    assert found.threshold > 100 * (1 / 2 * 199 / 399) * 2 / 200  # two rows a pair, of 200
    brand_new = drift.unknown(["a"] * 970 + ["new"] * 30, ["a"] * 1_000)
    assert brand_new is not None and brand_new.alarm and brand_new.value == 30 / 1_000


def test_unknown_categories_of_a_long_tail_hardly_ever_alarm() -> None:
    weights = 1 / np.arange(1, 5_001)
    rows = GENERATOR.choice(5_000, size=(30, 2, 400), p=weights / weights.sum())
    found = [drift.unknown(now.tolist(), then.tolist(), 0.001) for now, then in rows]
    assert sum(one is not None and one.alarm for one in found) == 0
    assert min(one.value for one in found if one) > 0.2  # although a fifth of the rows are new every time


def test_shares() -> None:
    found = drift.share((30, 1_000), (0, 1_000))
    assert found is not None and found.alarm and found.value == 30 / 1_000
    found = drift.share((10, 1_000), (0, 1_000))  # beyond chance, but less than 2 points
    assert found is not None and not found.alarm and found.threshold == drift.SHARE_FLOOR
    found = drift.share((20, 200), (10, 200))  # 5 points: chance alone goes further
    assert found is not None and not found.alarm and 0.08 < found.threshold < 0.14


def test_a_night_of_many_columns_shares_one_per_cent() -> None:
    assert drift.level_of(1) == drift.level_of(200) == drift.LEVEL == 0.01 / 200
    assert drift.level_of(400) == 0.01 / 400
