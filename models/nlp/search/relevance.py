"""The trained order of products for a query: boosted trees over the columns of `features`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.nlp.search.features import NAMES
from models.trees import Trees, grow, restore

ROUNDS = 250
SHARED: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "lambda_l2": 10.0,
    "max_bin": 63,
}
LISTWISE: dict[str, Any] = {**SHARED, "objective": "lambdarank", "lambdarank_truncation_level": 15}
POINTWISE: dict[str, Any] = {**SHARED, "objective": "regression"}
MOST_GRADES = 31
MOST_GAIN = 30.0
SCALES = "scales"


@dataclass(frozen=True)
class Relevance:
    """Two views of relevance, each divided by its deviation on what it learned from, then added.

    `order` (LambdaRank, Burges 2010) knows which of two products of one query is better; `amount` (regression on the
    gain) also compares products across queries.
    """

    order: Trees
    amount: Trees
    scales: np.ndarray  # float64 [2]

    def score(self, columns: np.ndarray) -> np.ndarray:
        """float64 [P] of `columns` float32 [P, len(NAMES)]; higher is better."""
        return self.order.predict(columns) / self.scales[0] + self.amount.predict(columns) / self.scales[1]

    def gain(self) -> dict[str, float]:
        """Each column's share of what the splits of both gained; it sums to 1."""
        return dict(zip(NAMES, ((self.order.gain() + self.amount.gain()) / 2).tolist(), strict=True))

    def arrays(self) -> dict[str, np.ndarray]:
        parts = {"order": self.order, "amount": self.amount}
        found = {f"{part}.{name}": a for part, trees in parts.items() for name, a in trees.arrays().items()}
        return {**found, SCALES: self.scales}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Relevance:
    """The inverse of `Relevance.arrays`."""

    def part(prefix: str) -> Trees:
        return restore({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})

    return Relevance(part("order."), part("amount."), arrays[SCALES])


def gains(grade: np.ndarray) -> np.ndarray:
    """float64 [P]: 2^grade − 1 (Burges et al. 2005). Raises `ValueError` for a grade below 0 or above 30."""
    values = grade.astype(np.float64)
    if not len(values) or not np.isfinite(values).all() or values.min() < 0 or values.max() > MOST_GAIN:
        raise ValueError("grades are numbers from 0 (no answer) to 30, and there is at least one")
    return np.asarray(2**values - 1)


def learn(columns: np.ndarray, grade: np.ndarray, query: np.ndarray) -> Relevance:
    """From P judged pairs: `columns` float32 [P, F], `grade` [P] from 0, `query` int [P].

    Grades need not be whole: LambdaRank is given the place of each among the different ones, and its gain.
    Raises `ValueError` where a grade is out of range or there are more than 31 different ones.
    """
    gain = gains(grade)
    order = np.argsort(query, kind="stable")
    columns, gain, query = columns[order], gain[order], query[order]
    different, label = np.unique(gain, return_inverse=True)
    if len(different) > MOST_GRADES:
        raise ValueError(f"{len(different)} different grades; {MOST_GRADES} at most")
    sizes = np.bincount(query)
    listwise = {**LISTWISE, "label_gain": different.tolist()}
    ranked = grow(columns, label, listwise, ROUNDS, sizes[sizes > 0])
    # Whole numbers are what `grow` takes; a part in a thousand of the largest gain is finer than anybody judges.
    amount = grow(columns, np.rint(1000 * gain / max(float(different[-1]), 1e-12)), POINTWISE, ROUNDS)
    scales = [max(float(trees.predict(columns).std()), 1e-9) for trees in (ranked, amount)]
    return Relevance(ranked, amount, np.array(scales))
