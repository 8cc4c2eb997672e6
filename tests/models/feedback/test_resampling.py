"""Sums by cluster, and resamples whose spread is that of the sums."""

import math

import numpy as np
import pytest

from models.feedback import resampling
from models.feedback.resampling import ends, resampled, sums


def test_sums_by_cluster() -> None:
    columns = np.array([[1.0, 2], [3, 4], [5, 6]])
    assert sums(columns, np.array(["b", "a", "b"])).tolist() == [[3, 4], [6, 8]]


def test_many_clusters_share_groups_and_a_mean_shows_the_same_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).exponential(size=20_000)
    monkeypatch.setattr(resampling, "MOST", 1_000)
    grouped = sums(np.column_stack([np.ones(20_000), values]), np.arange(20_000))
    assert grouped.shape == (1_000, 2) and grouped.sum(axis=0) == pytest.approx([20_000, values.sum()])
    drawn = resampled(grouped)
    assert (drawn[:, 1] / drawn[:, 0]).std() == pytest.approx(values.std() / math.sqrt(20_000), rel=0.1)


def test_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    drawn = resampled(np.column_stack([np.ones(400), values]))
    low, high = ends(drawn[:, 1] / drawn[:, 0])
    error = values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.04)
