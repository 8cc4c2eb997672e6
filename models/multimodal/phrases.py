"""Attributes told by a title's n-grams alone: linear machines, the reading of texts that is hardest to beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

COST = 0.5
SEED = 20_180_101 % (1 << 31)


@dataclass(frozen=True)
class Phrases:
    """`weights` float32 [buckets, classes] and `shift` float32 [classes] by attribute."""

    weights: Mapping[str, np.ndarray]
    shift: Mapping[str, np.ndarray]

    def logs(self, bags: sparse.csr_array, present: np.ndarray) -> dict[str, np.ndarray]:
        """By attribute, the logarithm of the softmax of each title's margins, float32 [n, classes]; NaN where there is
        no title. What the margins are worth as chances, the pool learns.
        """
        found = {}
        for name, weights in self.weights.items():
            margins = np.asarray(bags @ weights) + self.shift[name]
            top = margins.max(axis=1, keepdims=True)
            logs = margins - top - np.log(np.exp(margins - top).sum(axis=1, keepdims=True))
            found[name] = np.where(present[:, None], logs, np.nan).astype(np.float32)
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"{part}.{name}": value
            for part, held in (("weights", self.weights), ("shift", self.shift))
            for name, value in held.items()
        }


def restore(arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> Phrases:
    """The inverse of `Phrases.arrays`."""
    return Phrases({n: arrays[f"weights.{n}"] for n in names}, {n: arrays[f"shift.{n}"] for n in names})


def fit(bags: sparse.csr_array, answers: Mapping[str, np.ndarray], classes: Mapping[str, Sequence[str]]) -> Phrases:
    """One linear machine with squared hinge loss for each class against all others (Fan et al. 2008).

    `bags` float32 [n, buckets] of titles; `answers` int [n] by attribute, -1 where unknown. A class without a title, or
    an only one, is never told from titles.
    """
    from sklearn.svm import LinearSVC

    weights, shift = {}, {}
    for name, answer in answers.items():
        rows = np.flatnonzero((answer >= 0) & (np.diff(bags.indptr) > 0))
        weights[name] = np.zeros((bags.shape[1], len(classes[name])), np.float32)
        shift[name] = np.full(len(classes[name]), -1.0, np.float32)
        met = np.unique(answer[rows])
        if len(met) < 2:
            continue
        part = bags[rows]
        narrow = sparse.csr_matrix((part.data, part.indices.astype(np.int32), part.indptr.astype(np.int32)), part.shape)
        machine = LinearSVC(C=COST, random_state=SEED).fit(narrow, answer[rows])
        two = len(met) == 2  # then there is one machine, for the second class
        weights[name][:, met] = np.vstack([-machine.coef_, machine.coef_]).T if two else machine.coef_.T
        shift[name][met] = [-machine.intercept_[0], machine.intercept_[0]] if two else machine.intercept_
    return Phrases(weights, shift)
