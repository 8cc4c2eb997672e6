"""The linear readers: TF-IDF of words and letters, and a linear support vector machine on it.

`svc` is the floor. `svc_nb` adds to it the same machine on rows scaled by naive Bayes log-count ratios (Wang and
Manning 2012); both are linear in the same n-grams, so their sum costs what one costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.beside import side_by_side
from models.nlp.grams import AT_ONCE, BITS, BUCKETS, RECIPES, encode, weigh

FLOOR, BETTER = "svc", "svc_nb"
SEED = 20_180_101
COST = {FLOOR: 1.0, BETTER: 0.2}
"""C of the machines: the usual one; and smaller where two are added, by cross-validation on clothing reviews."""


@dataclass(frozen=True)
class Linear:
    """`rarity` float32 [BUCKETS]: inverse document frequency, 0 where unknown; `weights` float32 [BUCKETS]."""

    name: str
    language: str
    rarity: np.ndarray
    weights: np.ndarray
    shift: float

    def margin(self, texts: Sequence[str]) -> np.ndarray:
        """float64 [n] of cleaned texts: above 0 is positive."""

        def read(start: int) -> np.ndarray:
            codes = encode(texts[start : start + AT_ONCE])
            return weigh(codes, RECIPES[self.language], self.rarity, self.weights[:, None])[:, 0]

        parts = list(side_by_side(read, range(0, len(texts), AT_ONCE)))
        return np.concatenate(parts) + self.shift if parts else np.zeros(0)

    def arrays(self) -> dict[str, np.ndarray]:
        known = np.flatnonzero(self.rarity).astype(np.int32)
        return {
            "linear.bucket": known, "linear.rarity": self.rarity[known], "linear.weights": self.weights[known],
            "linear.shift": np.array([self.shift]),
        }  # fmt: skip


def restore(arrays: dict[str, np.ndarray], name: str, language: str) -> Linear:
    """The inverse of `Linear.arrays`."""
    rarity, weights = np.zeros((2, BUCKETS), np.float32)
    rarity[arrays["linear.bucket"]] = arrays["linear.rarity"]
    weights[arrays["linear.bucket"]] = arrays["linear.weights"]
    return Linear(name, language, rarity, weights, float(arrays["linear.shift"][0]))


def fit(counts: sparse.csr_array, positive: np.ndarray, name: str, language: str) -> Linear:
    """`counts` [n, BUCKETS] as `grams.counted` makes them, `positive` bool [n] with both values among them."""
    rarity = _rarity(counts, RECIPES[language].least)
    rows = tf_idf(counts, rarity)
    weights, shift = _machine(rows, positive, COST[name])
    if name == BETTER:
        ratio = _log_count_ratio(rows, positive)
        scaled, moved = _machine(_columns_times(rows, ratio), positive, COST[name])
        weights, shift = weights + scaled * ratio, shift + moved
    weights = np.where(rarity > 0, weights, 0)
    return Linear(name, language, rarity, weights.astype(np.float32), shift)


def margins(counts: sparse.csr_array, model: Linear) -> np.ndarray:
    """float64 [n]: what `Linear.margin` gives for the texts that were counted."""
    return np.asarray(tf_idf(counts, model.rarity) @ model.weights.astype(np.float64)) + model.shift


def out_of_fold(
    counts: sparse.csr_array, positive: np.ndarray, fold: np.ndarray, name: str, language: str
) -> np.ndarray:
    """float64 [n]: each row's margin by a model that was fitted without its fold. `fold` int [n]."""
    found = np.zeros(len(positive))
    for part in np.unique(fold):
        inside = fold == part
        found[inside] = margins(counts[inside], fit(counts[~inside], positive[~inside], name, language))
    return found


def folds(positive: np.ndarray, n: int) -> np.ndarray:
    """int [rows]: a fold for each row, drawn so that all have their share of both classes."""
    draw = np.random.default_rng(SEED)
    found = np.empty(len(positive), np.int64)
    for value in (False, True):
        rows = draw.permutation(np.flatnonzero(positive == value))
        found[rows] = np.arange(len(rows)) % n
    return found


def tf_idf(counts: sparse.csr_array, rarity: np.ndarray) -> sparse.csr_array:
    """float32 [n, BUCKETS]: (1 + log count) · rarity, each block of a row divided by its length (Salton and Buckley
    1988); n-grams without rarity are left out.
    """
    row = np.repeat(np.arange(counts.shape[0], dtype=np.int64), np.diff(counts.indptr))
    kept = rarity[counts.indices] > 0
    row, column = row[kept], counts.indices[kept]
    value = (1 + np.log(counts.data[kept])) * rarity[column]
    block = 2 * row + (column >> BITS)
    length = np.sqrt(np.bincount(block, weights=value.astype(np.float64) ** 2, minlength=2 * counts.shape[0]))
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=counts.shape[0]))]).astype(np.int32)
    data = (value / length[block]).astype(np.float32)
    return sparse.csr_array((data, column.astype(np.int32), ends), shape=counts.shape)


def _rarity(counts: sparse.csr_array, least: int) -> np.ndarray:
    """log((1 + n) / (1 + texts with it)) + 1, float32 [BUCKETS]."""
    texts = np.bincount(counts.indices, minlength=BUCKETS)
    found = np.log((1 + counts.shape[0]) / (1 + texts)) + 1
    return np.where(texts >= least, found, 0).astype(np.float32)


def _log_count_ratio(rows: sparse.csr_array, positive: np.ndarray) -> np.ndarray:
    """float64 [BUCKETS]: log of an n-gram's share among positive texts over that among negative ones, plus one each."""
    share = []
    for value in (True, False):
        seen = 1.0 + np.bincount(rows[positive == value].indices, minlength=BUCKETS)
        share.append(seen / seen.sum())
    return np.asarray(np.log(share[0] / share[1]))


def _columns_times(rows: sparse.csr_array, ratio: np.ndarray) -> sparse.csr_array:
    data = (rows.data * ratio[rows.indices]).astype(np.float32)
    return sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)


def _machine(rows: sparse.csr_array, positive: np.ndarray, cost: float) -> tuple[np.ndarray, float]:
    """Weights float64 [BUCKETS] and intercept of a linear SVM with squared hinge loss (Fan et al. 2008)."""
    from sklearn.svm import LinearSVC

    seen = np.unique(rows.indices)  # the solver's time and memory go by the number of columns
    place = np.zeros(BUCKETS, np.int32)
    place[seen] = np.arange(len(seen), dtype=np.int32)
    narrow = sparse.csr_matrix((rows.data, place[rows.indices], rows.indptr), shape=(rows.shape[0], len(seen)))
    machine = LinearSVC(C=cost, random_state=SEED % (1 << 31)).fit(narrow, positive)
    weights = np.zeros(BUCKETS)
    weights[seen] = machine.coef_[0]
    return weights, float(machine.intercept_[0])
