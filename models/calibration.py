"""Probabilities: a logistic map that makes them, and how good they are.

`chance` float [P] are probabilities, `happened` bool [P] what came of them.
"""

from collections.abc import Callable

import numpy as np

RIDGE = 1e-3
BINS = 10


def fit_logistic(columns: np.ndarray, happened: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Coefficients float64 [F + 1], the intercept last, of P(happened) = sigmoid(columns · w + w₀), by Newton's method.

    With the score of a model as the only column this is Platt's scaling (Platt 1999). A small ridge on all but the
    intercept keeps the solution finite where a column separates the two outcomes.
    """
    design = np.column_stack([columns, np.ones(len(columns))]).astype(np.float64)
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-9
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chance = sigmoid(design @ weights)
        slope = design.T @ (happened - chance) - penalty * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def log_odds(chance: np.ndarray) -> np.ndarray:
    """The inverse of `sigmoid`; certainty is cut at a millionth."""
    inside = np.clip(chance, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def brier(chance: np.ndarray, happened: np.ndarray) -> np.ndarray:
    """Brier score of each row: (p − y)² (Brier 1950). The mean over rows is what is reported; lower is better."""
    return np.asarray((chance - happened) ** 2)


def log_loss(chance: np.ndarray, happened: np.ndarray) -> np.ndarray:
    """−log of the probability given to what happened, in nats, of each row; lower is better."""
    inside = np.clip(chance, 1e-6, 1 - 1e-6)
    return -np.log(np.where(happened, inside, 1 - inside))


def auc(chance: np.ndarray, happened: np.ndarray) -> float:
    """Share of the pairs (one that happened, one that did not) that are ordered rightly, ties counting half.

    The rank-sum form (Mann and Whitney 1947); NaN where everything happened, or nothing did.
    """
    yes, no = int(happened.sum()), int((~happened).sum())
    if not yes or not no:
        return float("nan")
    order = np.argsort(chance, kind="stable")
    start = np.flatnonzero(np.diff(chance[order], prepend=np.nan) != 0)  # of each group of equals
    size = np.diff(np.append(start, len(order)))
    rank = np.cumsum(size) - (size - 1) / 2
    of_group = np.add.reduceat(happened[order].astype(np.int64), start)
    return float(((rank * of_group).sum() - yes * (yes + 1) / 2) / (yes * no))


def calibration_error(chance: np.ndarray, happened: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: rows in order of their probability, in `bins` groups of equal size; the mean over
    groups of |mean probability − share that happened|, weighted by size (Naeini et al. 2015, with equal-mass bins).
    """
    if not len(chance):
        return float("nan")
    order = np.argsort(chance, kind="stable")
    groups = [g for g in np.array_split(order, bins) if len(g)]
    gaps = [len(g) * abs(float(chance[g].mean()) - float(happened[g].mean())) for g in groups]
    return sum(gaps) / len(chance)


def resampled(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    chance: np.ndarray,
    happened: np.ndarray,
    seed: int,
    n: int = 200,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic that is no mean, from n resamples of rows (Efron 1979)."""
    if not len(chance):
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    order = np.argsort(chance, kind="stable")
    chance, happened = chance[order], happened[order]
    found = []
    for _ in range(n):
        times = np.bincount(generator.integers(0, len(chance), len(chance)), minlength=len(chance))
        rows = np.repeat(np.arange(len(chance)), times)  # in order already: statistics sort them again
        found.append(statistic(chance[rows], happened[rows]))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)
