"""A reward model for doubly robust estimates, cross-fitted: a row is predicted by what other users' rows taught.

A model that had seen the row would explain its reward away, and the correction that makes an estimate doubly robust
would correct nothing (Chernozhukov et al. 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.calibration import fit_logistic, log_loss, sigmoid
from models.feedback.resampling import SEED
from models.trees import grow

FOLDS = 5
RIDGE = 3.0
ROUNDS = 60
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 100,
    "lambda_l2": 10.0,
    "max_bin": 63,
}
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class CrossFitted:
    """`fold` int [n]: the model that has not seen the row's cluster; `loss`: out of fold, of each way of learning."""

    name: str
    loss: dict[str, float]
    fold: np.ndarray
    models: list[Predict]

    def shown(self, columns: np.ndarray) -> np.ndarray:
        """Expected reward float64 [n] of what was shown; `columns` [n, F], those that were learned from."""
        found = np.empty(len(columns))
        for number, model in enumerate(self.models):
            found[self.fold == number] = model(columns[self.fold == number])
        return found

    def expected(self, row: np.ndarray, chance: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Expected reward float64 [n] of a policy: Σ chance · q over the candidates of each row, over Σ chance.

        Candidates come in long form: `row` int [P] says whose each is, `chance` [P] is the policy's probability of it,
        `columns` [P, F]. A row whose candidates have no probability gets NaN.
        """
        reward = np.empty(len(row))
        for number, model in enumerate(self.models):
            own = self.fold[row] == number
            reward[own] = model(columns[own])
        rows = len(self.fold)
        with np.errstate(invalid="ignore"):
            return np.bincount(row, chance * reward, rows) / np.bincount(row, chance, rows)


def cross_fit(columns: np.ndarray, reward: np.ndarray, cluster: np.ndarray, seed: int = SEED) -> CrossFitted:
    """Of three ways to learn the one with the lowest loss out of fold: the mean, a line, boosted trees.

    `columns` float [n, F], `reward` [n], `cluster` [n]. Rewards of 0 and 1 have the log loss, a logistic line and
    trees; others (revenue) squared error and a ridge line. Raises ValueError with fewer clusters than folds.
    """
    names, code = np.unique(cluster, return_inverse=True)
    if len(names) < FOLDS:
        raise ValueError(f"{len(names)} clusters, fewer than {FOLDS} folds")
    fold = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[code]
    binary = bool(np.isin(reward, (0, 1)).all())
    losses: dict[str, float] = {}
    made: dict[str, CrossFitted] = {}
    for name, learn in (BINARY if binary else OTHER).items():
        models = [learn(columns[fold != number], reward[fold != number]) for number in range(FOLDS)]
        made[name] = CrossFitted(name, losses, fold, models)
        said = made[name].shown(columns)
        losses[name] = float((log_loss(said, reward > 0) if binary else (said - reward) ** 2).mean())
    return made[min(losses, key=lambda name: losses[name])]


def _mean(columns: np.ndarray, reward: np.ndarray) -> Predict:
    mean = float(reward.mean())
    return lambda columns: np.full(len(columns), mean)


def _logistic(columns: np.ndarray, reward: np.ndarray) -> Predict:
    weights = fit_logistic(columns, reward, RIDGE)
    return lambda columns: sigmoid(columns @ weights[:-1] + weights[-1])


def _trees(columns: np.ndarray, reward: np.ndarray) -> Predict:
    trees = grow(columns.astype(np.float32), reward > 0, PARAMETERS, ROUNDS)
    return lambda columns: sigmoid(trees.predict(columns.astype(np.float32)))


def _ridge(columns: np.ndarray, reward: np.ndarray) -> Predict:
    middle, mean = columns.mean(axis=0, dtype=np.float64), float(reward.mean())
    design = columns - middle
    weights = np.linalg.solve(design.T @ design + RIDGE * np.eye(design.shape[1]), design.T @ (reward - mean))
    return lambda columns: (columns - middle) @ weights + mean


_Learn = Callable[[np.ndarray, np.ndarray], Predict]
BINARY: dict[str, _Learn] = {"mean": _mean, "logistic": _logistic, "trees": _trees}
OTHER: dict[str, _Learn] = {"mean": _mean, "ridge": _ridge}
