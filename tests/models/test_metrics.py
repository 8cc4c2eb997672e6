"""Expected values are worked out by hand, as fractions."""

import math

import numpy as np
import pytest

from models import metrics

# Three users, lists of four; relevant items: 2, 5 and 1. Hits: ranks 1 and 3; rank 2; none.
HITS = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
RELEVANT = np.array([2, 5, 1])
LOG3, LOG5 = math.log2(3), math.log2(5)


def test_recall_divides_by_all_relevant_items() -> None:
    assert metrics.recall(HITS, RELEVANT).tolist() == [2 / 2, 1 / 5, 0]


def test_ndcg_divides_by_the_ideal_list_of_four() -> None:
    first = (1 + 1 / 2) / (1 + 1 / LOG3)  # hits at ranks 1 and 3; ideal: ranks 1 and 2
    second = (1 / LOG3) / (1 + 1 / LOG3 + 1 / 2 + 1 / LOG5)  # five relevant items, but only four places
    assert metrics.ndcg(HITS, RELEVANT) == pytest.approx([first, second, 0])


def test_hit_rate_is_one_for_any_hit() -> None:
    assert metrics.hit_rate(HITS, RELEVANT).tolist() == [1, 1, 0]


def test_coverage_counts_distinct_items_and_no_padding() -> None:
    assert metrics.coverage(np.array([[0, 1, -1], [1, 3, -1]]), catalogue=6) == 3 / 6


def test_popularity_lift_compares_a_list_with_its_readers_own_taste() -> None:
    popularity = np.array([8, 4, 2])
    lift = metrics.popularity_lift(np.array([[0, 1], [2, -1], [0, 0]]), popularity, own=np.array([3, 4, np.nan]))
    assert lift[:2].tolist() == [6 / 3, 2 / 4]
    assert np.isnan(lift[2])


def test_the_bootstrap_interval_is_that_of_the_mean() -> None:
    sample = np.random.default_rng(3).normal(10, 2, 400)
    low, high = metrics.bootstrap_interval(sample, seed=1)
    standard_error = sample.std() / math.sqrt(400)
    assert low == pytest.approx(sample.mean() - 1.96 * standard_error, abs=0.05)
    assert high == pytest.approx(sample.mean() + 1.96 * standard_error, abs=0.05)
    assert (low, high) == metrics.bootstrap_interval(sample, seed=1)


def test_a_small_steady_gain_shows_in_the_paired_interval_only() -> None:
    ability = np.random.default_rng(4).uniform(0, 1, 200)
    low, high = metrics.paired_interval(ability + 0.01, ability, seed=1)
    assert (low, high) == pytest.approx((0.01, 0.01))
    assert metrics.bootstrap_interval(ability + 0.01, 1)[0] < metrics.bootstrap_interval(ability, 1)[1]


def test_pairing_needs_the_same_users() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.paired_interval(np.zeros(3), np.zeros(4), seed=1)
