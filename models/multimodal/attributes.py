"""Attributes of a product from whatever is known of it: the towers' readings and the fusion's, pooled.

A logarithmic pool (Genest and Zidek 1986): log chance = Σ weight · log chance of each reading, made to sum to 1. A
reading that is unsure of everything adds the same to all classes: the picture decides where the title is silent.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from models.multimodal.configs import FUSED, KINDS, PHRASES, TEXT

Pools = dict[str, dict[str, list[float]]]
"""By attribute and by subset of kinds (`image+text`): weights of the readings, in the order of `readings_of`."""
NONE = "none"
MOST = 20.0
STEPS = 60


def subset(present: np.ndarray) -> list[str]:
    """The name of each row's subset of kinds, from bool [n, kinds]."""
    names = {
        tuple(row): "+".join(k for k, here in zip(KINDS, row, strict=True) if here)
        for row in np.unique(present, axis=0)
    }
    return [names[tuple(row)] or NONE for row in present]


def pooled(logs: Mapping[str, np.ndarray], present: np.ndarray, weights: Mapping[str, list[float]]) -> np.ndarray:
    """Chances float64 [n, classes]. `logs` by reading [n, classes], `present` bool [n, kinds]; `weights` by subset: a
    subset that training did not meet is read with equal weights. Under `none` stand the log shares of the classes.
    """
    shares = np.asarray(weights[NONE])
    found = np.zeros((len(present), len(shares)))
    named = np.array(subset(present))
    for name in np.unique(named):
        rows = named == name
        if name == NONE:
            found[rows] = shares
            continue
        readings = readings_of(name, logs)
        given = weights.get(name, [1 / len(readings)] * len(readings))
        found[rows] = sum(
            w * logs[reading][rows].astype(np.float64) for w, reading in zip(given, readings, strict=True)
        )
    return softmax(found)


def readings_of(name: str, logs: Iterable[str]) -> list[str]:
    """Which of the readings in `logs` a subset has: its towers', that of its title's n-grams, the fusion's."""
    kinds = name.split("+")
    given = set(logs)
    return [
        *(kind for kind in kinds if kind in given),
        *([PHRASES] if TEXT in kinds and PHRASES in given else []),
        FUSED,
    ]


def fit_weights(logs: list[np.ndarray], answer: np.ndarray) -> list[float]:
    """Weights ≥ 0 of readings [n, classes] that make `answer` int [n] most likely, on rows that none was trained on.

    First each reading is sharpened by itself (Guo et al. 2017), which brings them to one scale; then they are weighed
    against each other, and a ridge keeps them equal where few rows say otherwise.
    """
    alone = [_likeliest(reading[:, :, None], answer, np.ones(1), 1e-4)[0] for reading in logs]
    stacked = np.stack(logs, axis=2) * alone
    weights = _likeliest(stacked, answer, np.full(len(logs), 1 / len(logs)), 1e-3) * alone
    return [float(weight) for weight in weights]


def _likeliest(stacked: np.ndarray, answer: np.ndarray, start: np.ndarray, ridge: float) -> np.ndarray:
    """float64 [readings], from `stacked` [n, classes, readings], by L-BFGS-B."""
    from scipy.optimize import minimize

    given, rows = stacked.astype(np.float64), np.arange(len(answer))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        chance = softmax(given @ weights)
        wrong = chance.copy()
        wrong[rows, answer] -= 1
        slope = np.einsum("nc,ncr->r", wrong, given) / len(rows) + 2 * ridge * (weights - start)
        value = -np.log(np.maximum(chance[rows, answer], 1e-300)).mean() + ridge * ((weights - start) ** 2).sum()
        return float(value), slope

    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, MOST)] * len(start), options={"maxiter": STEPS}
    )
    return np.asarray(found.x)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Of each row, float64."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
