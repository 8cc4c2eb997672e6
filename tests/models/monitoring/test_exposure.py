"""Five users, six items, worked out by hand as fractions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import entr, rel_entr

from models.metrics import coverage
from models.monitoring import exposure

# 20 interactions: items 0 and 1 hold 14, item 2 reaches 16 = 80 %, items 3 to 5 are the long tail.
POPULARITY = np.array([8, 6, 2, 2, 2, 0])
LISTS = np.array([[0, 1, 2], [0, 3, -1], [1, 0, 5], [0, -1, -1], [-1, -1, -1]])
HEAD = exposure.head(POPULARITY)


def test_the_head_holds_eighty_per_cent_of_the_interactions() -> None:
    assert HEAD.tolist() == [True, True, True, False, False, False]
    assert exposure.head(np.array([5, 5])).tolist() == [True, True]  # 5 of 10 are not enough
    assert exposure.head(np.array([1, 4])).tolist() == [False, True]  # 4 of 5 are just enough
    assert exposure.head(np.zeros(3)).tolist() == [False, False, False]


def test_average_popularity() -> None:
    found = exposure.average_popularity(LISTS, POPULARITY)
    assert found[:4].tolist() == pytest.approx([16 / 3, 10 / 2, 14 / 3, 8])
    assert math.isnan(found[4])
    assert np.nanmean(found) == pytest.approx((16 / 3 + 5 + 14 / 3 + 8) / 4)  # ARP = 23/4


def test_the_long_tail_as_a_share_and_as_a_count() -> None:
    found = exposure.tail_share(LISTS, HEAD)
    assert found[:4].tolist() == pytest.approx([0, 1 / 2, 1 / 3, 0])
    assert math.isnan(found[4])
    assert exposure.tail_count(LISTS, HEAD).tolist() == [0, 1, 1, 0, 0]  # ACLT = 2/5


def test_exposure_gini_entropy_and_coverage() -> None:
    shown = exposure.exposure(LISTS, 6)
    assert shown.tolist() == [4, 2, 1, 1, 0, 1]
    # Sorted 0 1 1 1 2 4, weights -5 -3 -1 1 3 5: (-3 - 1 + 1 + 6 + 20) / (6 · 9)
    assert exposure.gini(shown) == pytest.approx(23 / 54)
    bits = 4 / 9 * math.log2(9 / 4) + 2 / 9 * math.log2(9 / 2) + 3 * 1 / 9 * math.log2(9)
    assert exposure.entropy(shown) == pytest.approx(bits)
    assert coverage(LISTS, 6) == 5 / 6


def test_gini_at_its_ends_counts_items_that_are_never_shown() -> None:
    assert exposure.gini(np.array([3, 3, 3, 3])) == 0
    assert exposure.gini(np.array([0, 0, 0, 9])) == 3 / 4
    assert math.isnan(exposure.gini(np.zeros(3, dtype=int)))
    assert exposure.entropy(np.array([3, 3, 3, 3])) == 2
    assert exposure.entropy(np.array([0, 9])) == 0


@settings(deadline=None)
@given(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 50)))
def test_gini_is_half_the_mean_difference_over_the_mean(shown: np.ndarray) -> None:
    if shown.sum():
        pairs = np.abs(shown[:, None] - shown[None, :]).mean()
        assert exposure.gini(shown) == pytest.approx(pairs / (2 * shown.mean()), abs=1e-12)


@settings(deadline=None)
@given(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 50)))
def test_the_head_is_the_shortest_that_reaches_its_share(popularity: np.ndarray) -> None:
    found = exposure.head(popularity)
    held, least = popularity[found].sum(), popularity[found].min() if found.any() else 0
    assert held * 10 >= 8 * popularity.sum()
    assert not found.any() or (held - least) * 10 < 8 * popularity.sum()
    assert not found.any() or least >= popularity[~found].max(initial=0)


def test_the_lift_of_a_group_is_that_of_means_not_a_mean_of_lifts() -> None:
    own = np.array([4, 5, 7, np.nan, 3])  # the fourth has no profile, the fifth no list
    lists, profiles = (16 / 3 + 5 + 14 / 3) / 3, (4 + 5 + 7) / 3
    assert exposure.group_lift(LISTS, POPULARITY, own) == pytest.approx(lists / profiles - 1)  # 15/16 - 1
    assert math.isnan(exposure.group_lift(LISTS, POPULARITY, np.full(5, np.nan)))


def test_shares_of_categories() -> None:
    category = np.array([0, 0, 1, 1, 2, 2])
    found = exposure.category_shares(LISTS, category, 3)
    assert found.tolist() == [
        pytest.approx([2 / 3, 1 / 3, 0]), [1 / 2, 1 / 2, 0], pytest.approx([2 / 3, 0, 1 / 3]), [1, 0, 0], [0, 0, 0],
    ]  # fmt: skip


def test_calibration_by_hand() -> None:
    own = np.array([[1 / 2, 1 / 2], [1 / 4, 3 / 4], [1, 0], [0, 0]])
    listed = np.array([[1, 0], [1 / 4, 3 / 4], [0, 0], [1, 0]])
    found = exposure.calibration(own, listed)
    # q~ = (.99 + .005, .005)
    assert found[0] == pytest.approx(1 / 2 * math.log(0.5 / 0.995) + 1 / 2 * math.log(0.5 / 0.005))
    assert found[1] == pytest.approx(0)
    assert np.isnan(found[2:]).all()


@settings(deadline=None)
@given(hnp.arrays(np.int64, (2, 4, 6), elements=st.integers(0, 9)))
def test_entropy_and_calibration_are_those_of_scipy(counts: np.ndarray) -> None:
    counts[:, :, 0] += 1  # no row is empty
    own, listed = counts / counts.sum(axis=2, keepdims=True)
    mixed = 0.99 * listed + 0.01 * own
    assert exposure.calibration(own, listed) == pytest.approx(rel_entr(own, mixed).sum(axis=1), abs=1e-12)
    assert exposure.entropy(counts[0, 0]) == pytest.approx(entr(own[0]).sum() / math.log(2), abs=1e-12)
