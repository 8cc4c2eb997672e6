"""Measures by hand, and the threshold against trying all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nlp.decision import MEASURES, accuracy, balanced_accuracy, f1, intervals, threshold

POSITIVE = np.array([True, True, True, False, False])
SAID = np.array([True, True, False, True, False])


def test_each_measure_by_hand() -> None:
    assert accuracy(POSITIVE, SAID) == pytest.approx(3 / 5)
    assert f1(POSITIVE, SAID) == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert balanced_accuracy(POSITIVE, SAID) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert np.isnan(balanced_accuracy(POSITIVE[:3], SAID[:3]))
    assert f1(~POSITIVE[:3], ~POSITIVE[:3]) == 0


def test_intervals_hold_the_value_and_shrink_with_rows() -> None:
    draw = np.random.default_rng(1)
    positive = draw.random(2000) < 0.8
    said = np.where(draw.random(2000) < 0.9, positive, ~positive)
    found, fewer = intervals(positive, said), intervals(positive[:100], said[:100])
    for name, measure in MEASURES.items():
        low, high = found[name]
        assert low < measure(positive, said) < high
        assert high - low < fewer[name][1] - fewer[name][0]


def test_a_gain_is_paired() -> None:
    draw = np.random.default_rng(2)
    positive = draw.random(1000) < 0.7
    worse = np.where(draw.random(1000) < 0.85, positive, ~positive)
    better = np.where(draw.random(1000) < 0.3, positive, worse)  # right wherever the other is, and more often
    assert all(low > 0 for low, _ in intervals(positive, better, worse).values())
    assert all(ends == (0, 0) for ends in intervals(positive, worse, worse).values())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(r[1] for r in rows) < len(rows)
))  # fmt: skip
def test_the_threshold_is_the_best_of_those_near_the_best_f1(rows: list[tuple[int, bool]]) -> None:
    chance, positive = np.array([r[0] / 10 for r in rows]), np.array([r[1] for r in rows])
    cuts = [*np.unique(chance) - 0.05]
    scores = {cut: f1(positive, chance >= cut) for cut in cuts}
    best = max(cuts, key=lambda cut: (scores[cut], -cut))
    draws = np.random.default_rng(1).integers(0, len(rows), (400, len(rows)))
    spread = np.std([f1(positive[d], (chance >= best)[d]) for d in draws])
    chosen = threshold(chance, positive)
    assert f1(positive, chance >= chosen) >= scores[best] - 2 * spread - 0.02
    assert balanced_accuracy(positive, chance >= chosen) >= balanced_accuracy(positive, chance >= best) - 1e-12


def test_rows_without_weight_do_not_count() -> None:
    draw = np.random.default_rng(5)
    chance, positive = draw.random(200), draw.random(200) < 0.6
    kept = draw.random(200) < 0.5
    found = threshold(chance, positive, kept.astype(float))
    alone = threshold(chance[kept], positive[kept])
    assert np.array_equal(chance[kept] >= found, chance[kept] >= alone)
    assert threshold(chance, positive, positive.astype(float)) <= chance[positive].min()


def test_rare_negatives_are_not_given_up_for_a_flat_f1() -> None:
    draw = np.random.default_rng(4)
    positive = np.arange(4000) >= 480
    chance = 1 / (1 + np.exp(-(draw.normal(size=4000) + np.where(positive, 3.2, 0.0))))
    grid = np.quantile(chance, np.linspace(0.01, 0.5, 200))
    best = max(grid, key=lambda cut: f1(positive, chance >= cut))
    chosen = threshold(chance, positive)
    assert balanced_accuracy(positive, chance >= chosen) > balanced_accuracy(positive, chance >= best) + 0.005
    assert f1(positive, chance >= chosen) > f1(positive, chance >= best) - 0.004
