"""The trained order of products for a query: boosted trees and a straight line over the columns of `features`.

Judged queries are few even where judged pairs are many, so the trees are small and may only rise with evidence that
speaks for a product: what would be a kink at one query's grades is not learned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.nlp.search.features import NAMES
from models.nlp.search.understanding import KINDS
from models.trees import Trees, grow, restore

RISING = frozenset(
    {
        "bm25", "cosine", "fusion", "bm25_title", "bm25_description", "title_share", "title_weight", "any_weight",
        "phrase", "longest_run", "pairs_share", "last_word_in_title", "head_in_query", "last_word_is_head",
        "title_in_query", "letters", "bm25_gap", "cosine_gap", "title_gap", "like_all", "like_best",
        "words_like_best", *KINDS,
    }
)  # fmt: skip
FALLING = frozenset({"missing_weight", "first_at", "bm25_rank", "cosine_rank"})
ROUNDS = 250
SHARED: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 7,
    "feature_fraction": 0.3,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "monotone_constraints": [1 if name in RISING else -1 if name in FALLING else 0 for name in NAMES],
}
RIDGE = 300.0
LEAF, LEAVES = 200, 40
"""Pairs that a leaf needs: 200, or a fortieth of all where that is fewer."""
LISTWISE: dict[str, Any] = {**SHARED, "objective": "lambdarank", "lambdarank_truncation_level": 15}
POINTWISE: dict[str, Any] = {**SHARED, "objective": "regression"}
MOST_GRADES = 31
MOST_GAIN = 30.0
SCALES = "scales"


@dataclass(frozen=True)
class Line:
    """Ridge regression of the gain on columns brought to mean 0 and deviation 1; what is unknown counts as 0."""

    mean: np.ndarray  # float64 [F]
    deviation: np.ndarray  # float64 [F]
    weights: np.ndarray  # float64 [F]

    @classmethod
    def fit(cls, columns: np.ndarray, gain: np.ndarray) -> "Line":
        known = np.where(np.isnan(columns), 0.0, columns).astype(np.float64)
        mean, deviation = known.mean(axis=0), known.std(axis=0) + 1e-9
        design = (known - mean) / deviation
        square = design.T @ design + RIDGE * np.eye(design.shape[1])
        return cls(mean, deviation, np.linalg.solve(square, design.T @ (gain - gain.mean())))

    def predict(self, columns: np.ndarray) -> np.ndarray:
        known = np.where(np.isnan(columns), 0.0, columns).astype(np.float64)
        # Not a matrix product: its rounding of a row may depend on how many rows there are.
        return np.asarray((((known - self.mean) / self.deviation) * self.weights).sum(axis=1))


@dataclass(frozen=True)
class Relevance:
    """Three views of relevance, each divided by its deviation on what it learned from, then added.

    `order` (LambdaRank, Burges 2010) knows which of two products of one query is better; `amount` (trees) and `line`
    regress the gain, and so also compare products across queries.
    """

    order: Trees
    amount: Trees
    line: Line
    scales: np.ndarray  # float64 [3]

    def score(self, columns: np.ndarray) -> np.ndarray:
        """float64 [P] of `columns` float32 [P, len(NAMES)]; higher is better."""
        views = self.order.predict(columns), self.amount.predict(columns), self.line.predict(columns)
        return np.asarray(sum(view / scale for view, scale in zip(views, self.scales.tolist(), strict=True)))

    def gain(self) -> dict[str, float]:
        """Each column's share of what the splits of the trees gained; it sums to 1."""
        return dict(zip(NAMES, ((self.order.gain() + self.amount.gain()) / 2).tolist(), strict=True))

    def arrays(self) -> dict[str, np.ndarray]:
        trees = {"order": self.order, "amount": self.amount}
        found = {f"{part}.{name}": a for part, one in trees.items() for name, a in one.arrays().items()}
        line = {"line.mean": self.line.mean, "line.deviation": self.line.deviation, "line.weights": self.line.weights}
        return {**found, **line, SCALES: self.scales}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Relevance:
    """The inverse of `Relevance.arrays`."""

    def part(prefix: str) -> Trees:
        return restore({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})

    line = Line(arrays["line.mean"], arrays["line.deviation"], arrays["line.weights"])
    return Relevance(part("order."), part("amount."), line, arrays[SCALES])


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
    least = {"min_data_in_leaf": max(2, min(LEAF, len(gain) // LEAVES))}
    listwise = {**LISTWISE, **least, "label_gain": different.tolist()}
    ranked = grow(columns, label, listwise, ROUNDS, sizes[sizes > 0])
    # Whole numbers are what `grow` takes; a part in a thousand of the largest gain is finer than anybody judges.
    amount = grow(columns, np.rint(1000 * gain / max(float(different[-1]), 1e-12)), {**POINTWISE, **least}, ROUNDS)
    line = Line.fit(columns, gain / max(float(different[-1]), 1e-12))
    scales = [max(float(view.predict(columns).std()), 1e-9) for view in (ranked, amount, line)]
    return Relevance(ranked, amount, line, np.array(scales))
