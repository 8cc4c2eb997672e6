"""Probabilities and their measures, by hand-computed numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import (
    auc,
    brier,
    calibration_error,
    fit_logistic,
    log_loss,
    log_odds,
    resampled,
    sigmoid,
)

CHANCE = np.array([0.1, 0.4, 0.4, 0.8])
HAPPENED = np.array([False, True, False, True])


def test_each_measure_by_hand() -> None:
    assert brier(CHANCE, HAPPENED) == pytest.approx([0.01, 0.36, 0.16, 0.04])
    assert log_loss(CHANCE, HAPPENED) == pytest.approx(-np.log([0.9, 0.4, 0.6, 0.8]))
    assert auc(CHANCE, HAPPENED) == pytest.approx((2 + 1.5) / 4)  # of 4 pairs one is tied
    # two groups of two: |.25 − 1/2| and |.6 − 1/2|
    assert calibration_error(CHANCE, HAPPENED, bins=2) == pytest.approx((0.25 + 0.1) / 2)


def test_what_never_or_always_happens_has_no_order() -> None:
    assert np.isnan(auc(CHANCE, np.zeros(4, dtype=bool)))
    assert np.isnan(calibration_error(CHANCE[:0], HAPPENED[:0]))


def test_a_share_is_learned_as_the_intercept() -> None:
    happened = np.arange(100) < 20
    weights = fit_logistic(np.zeros((100, 1)), happened)
    assert sigmoid(weights[1:]) == pytest.approx([0.2])
    assert log_odds(np.array([0.2])) == pytest.approx(weights[1:])


def test_an_overconfident_model_is_taken_back() -> None:
    draw = np.random.default_rng(1)
    truth = draw.normal(size=20_000)
    happened = draw.random(20_000) < sigmoid(truth)
    weights = fit_logistic((3 * truth)[:, None], happened)
    assert weights == pytest.approx([1 / 3, 0], abs=0.03)
    assert calibration_error(sigmoid(3 * truth * weights[0] + weights[1]), happened) < 0.01
    assert calibration_error(sigmoid(3 * truth), happened) > 0.1


def test_a_column_that_separates_stays_finite() -> None:
    happened = np.arange(20) < 10
    assert np.isfinite(fit_logistic(np.where(happened, 1.0, -1.0)[:, None], happened)).all()


def test_an_interval_holds_the_value_and_repeats() -> None:
    draw = np.random.default_rng(2)
    chance = draw.random(500)
    happened = draw.random(500) < chance
    low, high = resampled(auc, chance, happened, seed=1)
    assert low < auc(chance, happened) < high
    assert resampled(auc, chance, happened, seed=1) == (low, high)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=30))
def test_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    chance, happened = np.array([r[0] / 10 for r in rows]), np.array([r[1] for r in rows])
    pairs = [(a > b) + (a == b) / 2 for a in chance[happened] for b in chance[~happened]]
    found = auc(chance, happened)
    assert np.isnan(found) if not pairs else found == pytest.approx(sum(pairs) / len(pairs))
