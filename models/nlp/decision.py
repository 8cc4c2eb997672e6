"""Where a probability becomes a yes, and how good the answers are.

`positive` and `said` bool [n]: what is true and what was answered; `weight` float [n]: how many rows one stands for.
"""

from collections.abc import Callable

import numpy as np

SEED = 20_180_101


def accuracy(positive: np.ndarray, said: np.ndarray) -> float:
    return float((positive == said).mean())


def f1(positive: np.ndarray, said: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN) of the positive class; 0 where nothing is positive and nothing was called so."""
    hits = int((positive & said).sum())
    wrong = int((positive != said).sum())
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0


def balanced_accuracy(positive: np.ndarray, said: np.ndarray) -> float:
    """The mean of the shares of positives and of negatives that were answered rightly; NaN without one of them."""
    if positive.all() or not positive.any():
        return float("nan")
    return float((said[positive].mean() + (~said[~positive]).mean()) / 2)


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy, "f1": f1, "balanced_accuracy": balanced_accuracy,
}  # fmt: skip


def intervals(
    positive: np.ndarray, said: np.ndarray, other: np.ndarray | None = None, n: int = 1000
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of each measure, or of its gain over the answers `other`, from n resamples of rows.

    A measure depends on a row only through what it holds (truth, both answers), so that the eight kinds are resampled
    by their counts, a multinomial draw, instead of the rows themselves.
    """
    beside = said if other is None else other
    kind = 4 * positive.astype(np.int64) + 2 * said + beside
    share = np.bincount(kind, minlength=8) / len(kind)
    drawn = np.random.default_rng(SEED).multinomial(len(kind), share, n).astype(np.float64)
    found = _of_counts(drawn, 2)
    if other is not None:
        without = _of_counts(drawn, 1)
        found = {name: found[name] - without[name] for name in found}
    ends = {name: np.nanpercentile(values, [2.5, 97.5]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _of_counts(counts: np.ndarray, bit: int) -> dict[str, np.ndarray]:
    """The measures of draws [n, 8] of rows of each kind; `bit`: the one of a kind that is the answer."""
    kinds = np.arange(8)
    truth, said = (kinds & 4) > 0, (kinds & bit) > 0

    def of(chosen: np.ndarray) -> np.ndarray:
        return np.asarray(counts[:, chosen].sum(axis=1))

    hits, wrong = of(truth & said), of(truth != said)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": 1 - wrong / counts.sum(axis=1),
            "f1": np.where(hits + wrong > 0, 2 * hits / (2 * hits + wrong), 0.0),
            "balanced_accuracy": (hits / of(truth) + of(~truth & ~said) / of(~truth)) / 2,
        }


def threshold(chance: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None) -> float:
    """A row is called positive from this probability on.

    F1 is nearly flat around its best, while balanced accuracy is not. So of all thresholds whose F1 is within one
    standard error of the best one, the one with the highest balanced accuracy is taken: the one-standard-error rule of
    Breiman et al. 1984, with another virtue in the place of simplicity. Ties go to the lower threshold.
    """
    weight = np.ones(len(chance)) if weight is None else weight
    order = np.argsort(chance, kind="stable")
    chance, positive, weight = chance[order], positive[order], weight[order]
    ends = np.flatnonzero(np.diff(chance, prepend=-1.0) > 0)  # a cut before each group of equals
    missed = np.concatenate([[0.0], np.cumsum(weight * positive)])[ends]
    rejected = np.concatenate([[0.0], np.cumsum(weight * ~positive)])[ends]
    all_positive, all_negative = float((weight * positive).sum()), float((weight * ~positive).sum())
    hits, false = all_positive - missed, all_negative - rejected
    score = 2 * hits / np.maximum(2 * hits + missed + false, 1e-12)
    best = int(score.argmax())
    close = score >= score[best] - _standard_error(positive, chance >= chance[ends[best]], weight)
    balanced = hits / max(all_positive, 1e-12) + rejected / max(all_negative, 1e-12)
    at = int(ends[np.where(close, balanced, -1.0).argmax()])
    return float(chance[at] + chance[at - 1]) / 2 if at else float(chance[at])


def _standard_error(positive: np.ndarray, said: np.ndarray, weight: np.ndarray) -> float:
    """Of F1 = 2 A / (2 A + B) by its influence function: row by row w · (2 a (1 − F1) − b F1) / (2 A + B), squared,
    summed, rooted.
    """
    hit, wrong = positive & said, positive != said
    total = float((weight * (2.0 * hit + wrong)).sum())
    if not total:
        return 0.0
    value = float((weight * 2.0 * hit).sum()) / total
    return float(np.sqrt(((weight * (2.0 * hit * (1 - value) - wrong * value)) ** 2).sum()) / total)
