"""Four ways to say how likely a purchase is, from the simplest: counts, a table, a logistic line, boosted trees.

Each is fitted on rows (columns float32 [n, F] of `visits.NAMES`, bought bool [n]) and gives log-odds.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from models.calibration import fit_logistic, log_odds
from models.propensity.visits import FREQUENCY, LONGEST, LOOKBACK, NAMES, RECENCY
from models.trees import Trees, grow

RECENCY_EDGES, FREQUENCY_EDGES = np.array([3, 7, 14, 28, 56, 90]), np.array([1, 2, 4, 8, 16])
PRIOR_ROWS = 20.0
"""Rows with the overall share that every cell of the table is given: a cell of few users says little."""
ROUNDS = 100
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "lambda_l2": 10.0,
    "max_bin": 63,
}


class Learner(Protocol):
    """`arrays`: all that was learned, by name."""

    def log_odds(self, columns: np.ndarray) -> np.ndarray: ...
    def arrays(self) -> dict[str, np.ndarray]: ...


class Table:
    """The share that bought, by days since the last purchase (rows) and purchase days in the lookback (columns)."""

    def __init__(self, share: np.ndarray) -> None:
        self.share = share

    @classmethod
    def fit(cls, columns: np.ndarray, bought: np.ndarray) -> "Table":
        """share = (bought in the cell + 20 · overall share) / (users in the cell + 20)."""
        cell, shape = _cell(columns), (len(RECENCY_EDGES) + 1, len(FREQUENCY_EDGES) + 1)
        users = np.bincount(cell, minlength=shape[0] * shape[1])
        buyers = np.bincount(cell, bought, shape[0] * shape[1])
        overall = float(bought.mean())
        return cls(((buyers + PRIOR_ROWS * overall) / (users + PRIOR_ROWS)).reshape(shape))

    def log_odds(self, columns: np.ndarray) -> np.ndarray:
        return log_odds(self.share.ravel()[_cell(columns)])

    def arrays(self) -> dict[str, np.ndarray]:
        return {"share": self.share}


def _cell(columns: np.ndarray) -> np.ndarray:
    recency = np.searchsorted(RECENCY_EDGES, columns[:, RECENCY])
    return recency * (len(FREQUENCY_EDGES) + 1) + np.searchsorted(FREQUENCY_EDGES, columns[:, FREQUENCY])


class Line:
    """Logistic regression on logarithms of the columns, each brought to mean 0 and deviation 1."""

    def __init__(self, mean: np.ndarray, deviation: np.ndarray, weights: np.ndarray) -> None:
        self.mean, self.deviation, self.weights = mean, deviation, weights

    @classmethod
    def fit(cls, columns: np.ndarray, bought: np.ndarray) -> "Line":
        design = _design(columns)
        mean, deviation = design.mean(axis=0), design.std(axis=0) + 1e-9
        return cls(mean, deviation, fit_logistic((design - mean) / deviation, bought, ridge=1.0))

    def log_odds(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray((_design(columns) - self.mean) / self.deviation @ self.weights[:-1] + self.weights[-1])

    def arrays(self) -> dict[str, np.ndarray]:
        return {"mean": self.mean, "deviation": self.deviation, "weights": self.weights}


_NEVER = {"interval": float(LOOKBACK), "recency_in_intervals": 1.0, "interval_spread": LONGEST}
"""What stands for a value that does not exist: one purchase says nothing of the days between two."""


def _design(columns: np.ndarray) -> np.ndarray:
    instead = np.array([_NEVER.get(name, 0.0) for name in NAMES])
    known = np.where(np.isnan(columns), instead, columns).astype(np.float64)
    return np.sign(known) * np.log1p(np.abs(known))


class Boosted:
    """LightGBM on the columns as they are."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees

    @classmethod
    def fit(cls, columns: np.ndarray, bought: np.ndarray) -> "Boosted":
        return cls(grow(columns, bought, PARAMETERS, ROUNDS))

    def log_odds(self, columns: np.ndarray) -> np.ndarray:
        return self.trees.predict(columns)

    def arrays(self) -> dict[str, np.ndarray]:
        return self.trees.arrays()


def counts(purchase_days: np.ndarray, days: int, horizon: int) -> np.ndarray:
    """P(a purchase within the horizon) [n] of users with so many purchase days in `days` days, without any training.

    Purchase days are Poisson with a rate that differs between users by a gamma distribution (NBD, Ehrenberg 1959):
    1 − ((b + T) / (b + T + h))^(a + n), a and b by the moments of n. Nobody ever leaves in this model; it is for shops
    too young for any other.
    """
    if not len(purchase_days):
        return np.empty(0)
    mean, variance = float(purchase_days.mean()), float(purchase_days.var())
    shape = min(mean**2 / (variance - mean), 100.0) if variance > mean else 100.0
    rate = shape * days / mean
    return np.asarray(1 - ((rate + days) / (rate + days + horizon)) ** (shape + purchase_days))


TABLE, LINE, TREES = "recency_frequency", "logistic", "trees"
LEARNERS: dict[str, Callable[[np.ndarray, np.ndarray], Learner]] = {
    TABLE: Table.fit,
    LINE: Line.fit,
    TREES: Boosted.fit,
}
"""From the simplest, which is the floor."""
COUNTS = "purchase_rate"
