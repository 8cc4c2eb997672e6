"""Rows are predicted by what other users' rows taught; which way to learn is chosen out of fold."""

import numpy as np
import pytest

from models.feedback.reward import FOLDS, cross_fit


def clicks(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(n, 2))
    chance = 1 / (1 + np.exp(2 - 2 * columns[:, 0]))
    return columns, (draw.random(n) < chance).astype(float), draw.integers(0, n // 3, n)


def test_a_user_stays_in_one_fold_and_is_not_learned_from() -> None:
    columns, reward, user = clicks(600, 1)
    fitted = cross_fit(columns, reward, user)
    assert len(fitted.models) == FOLDS and set(fitted.fold) == set(range(FOLDS))
    assert all(len(set(fitted.fold[user == one])) == 1 for one in np.unique(user))
    changed = reward.copy()
    own = fitted.fold == fitted.fold[0]
    changed[0] = 1 - changed[0]
    other = cross_fit(columns, changed, user)
    assert fitted.name == other.name == "logistic"
    assert np.array_equal(fitted.shown(columns)[own], other.shown(columns)[own])
    assert not np.array_equal(fitted.shown(columns)[~own], other.shown(columns)[~own])


def test_of_nothing_to_learn_the_mean_is_taken() -> None:
    columns, reward, user = clicks(600, 2)
    fitted = cross_fit(columns, np.random.default_rng(0).permutation(reward), user)
    assert fitted.name == "mean" and fitted.loss["mean"] == min(fitted.loss.values())


def test_trees_are_taken_where_no_line_will_do() -> None:
    columns, _, user = clicks(3000, 3)
    reward = (columns[:, 0] * columns[:, 1] > 0).astype(float)
    assert cross_fit(columns, reward, user).name == "trees"


def test_revenue_has_a_ridge_line() -> None:
    columns, _, user = clicks(300, 4)
    reward = 5 + 3 * columns[:, 0]
    fitted = cross_fit(columns, reward, user)
    assert fitted.name == "ridge" and np.abs(fitted.shown(columns) - reward).max() < 0.3


def test_what_is_expected_of_a_policy_is_a_weighted_mean_over_its_candidates() -> None:
    columns, reward, user = clicks(600, 5)
    fitted = cross_fit(columns, reward, user)
    said = fitted.shown(columns)
    row = np.arange(600)
    assert np.allclose(fitted.expected(row, np.full(600, 0.3), columns), said)
    twice, other = np.concatenate([row, row]), np.concatenate([columns, columns + 1])
    mixed = fitted.expected(twice, np.repeat([0.2, 0.6], 600), other)
    assert np.allclose(mixed, (0.2 * said + 0.6 * fitted.shown(columns + 1)) / 0.8)
    assert np.isnan(fitted.expected(row[1:], np.ones(599), columns[1:])[0])


def test_fewer_users_than_folds() -> None:
    with pytest.raises(ValueError, match="3 clusters"):
        cross_fit(np.zeros((9, 1)), np.zeros(9), np.repeat([1, 2, 3], 3))
