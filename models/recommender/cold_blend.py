"""What each signal about a new item counts, learned on items that were new before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EQUAL = 0.3
"""What every signal counts before anything is learned: about what is learned where there is much to learn from."""
DRAWN = 30.0
"""Strength, in users, with which the weights are drawn towards `EQUAL`. Of 3, 30 and 300 none was better on UCI."""


@dataclass(frozen=True)
class Cohort:
    """B users and C items that were new at one moment: what was known then, and who bought what afterwards."""

    signals: np.ndarray  # float32 [B, C, F]
    bought: np.ndarray  # bool [B, C]


@dataclass(frozen=True)
class ColdBlend:
    """score(u, c) = Σ over signals of weight · signal(u, c); see `cold.ColdItems.signals`. No weight is negative."""

    weights: dict[str, float]

    def scores(self, names: Sequence[str], signals: np.ndarray) -> np.ndarray:
        """float32 [B, C] from [B, C, F]; a signal that was not there when the weights were learned counts `EQUAL`."""
        weight = np.array([self.weights.get(name, EQUAL) for name in names], dtype=np.float32)
        return np.asarray(signals @ weight)


def learn(cohorts: Sequence[Cohort], names: Sequence[str]) -> ColdBlend:
    """Weights that make likely, under a softmax over the items of a cohort, what its users bought.

    loss = Σ over users of the mean over what they bought of −log softmax(score) + `DRAWN` / 2 · |weight − EQUAL|²,
    smallest over weights of at least 0. Convex; without cohorts all weights are `EQUAL`.
    """
    from scipy.optimize import minimize

    if not names:  # a shop that had no openings: scipy minimises over nothing with an error
        return ColdBlend({})
    given = [_with_targets(one) for one in cohorts if one.bought.any()]

    def loss(weight: np.ndarray) -> tuple[float, np.ndarray]:
        away = weight - EQUAL
        value, slope = DRAWN / 2 * float(away @ away), DRAWN * away
        for signals, wanted in given:
            score = signals @ weight
            score -= score.max(axis=1, keepdims=True)
            log_total = np.log(np.exp(score).sum(axis=1, keepdims=True))
            chance = np.exp(score - log_total)
            value -= float((wanted * (score - log_total)).sum())
            slope = slope - np.einsum("bc,bcf->f", wanted - chance, signals)
        return value, slope

    start = np.full(len(names), EQUAL)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(names))
    return ColdBlend(dict(zip(names, found.x.tolist(), strict=True)))


def _with_targets(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Signals and targets float64 of the users who bought any of the items; the targets of each sum to 1."""
    buyers = cohort.bought.any(axis=1)
    bought = cohort.bought[buyers].astype(np.float64)
    return cohort.signals[buyers].astype(np.float64), bought / bought.sum(axis=1, keepdims=True)
