"""One judgement for every model: the same split, policy, users and lists of ten."""

from dataclasses import dataclass

import numpy as np

from models import metrics
from models.recommender import popular
from models.recommender.configs import Popular
from models.recommender.ranking import Recommender, rank_users
from models.split import SLICES, Split

K = 10
SEED = 20_170_101


@dataclass(frozen=True)
class Result:
    """Per-user values of one model: {slice: {metric: float64 [users of the slice]}}, and coverage of its lists."""

    values: dict[str, dict[str, np.ndarray]]
    coverage: dict[str, float]

    def rows(self) -> list[dict[str, float | int | str | None]]:
        """One row per slice and metric: value, low, high (95 %, None where the metric is no mean), users."""
        rows: list[dict[str, float | int | str | None]] = []
        for part in SLICES:
            for metric, per_user in self.values[part].items():
                known = per_user[~np.isnan(per_user)]
                if not len(known):
                    continue
                low, high = metrics.bootstrap_interval(known, SEED)
                rows.append(_row(part, metric, float(known.mean()), low, high, len(known)))
            if part in self.coverage:
                users = len(self.values[part]["recall"])
                rows.append(_row(part, "coverage", self.coverage[part], None, None, users))
        return rows


def _row(
    part: str, metric: str, value: float, low: float | None, high: float | None, users: int
) -> dict[str, float | int | str | None]:
    return {"slice": part, "metric": f"{metric}@{K}", "value": value, "low": low, "high": high, "users": users}


def lists(model: Recommender, split: Split, available: np.ndarray) -> np.ndarray:
    """int32 [T, 10]: the list of each test user, filled from the popular items; -1 is padding."""
    fill = popular.fit(split.train, Popular()).order
    ranked = rank_users(model, split.train, split.test_users, K, fill, available, split.seen)
    return np.concatenate([block.items for block in ranked] or [np.empty((0, K), np.int32)])


def evaluate(model: Recommender, split: Split, available: np.ndarray) -> Result:
    """Judge a model fitted on `split.train`. `available` bool [I]: what may be recommended on the cut-off day."""
    listed = lists(model, split, available)
    row = np.repeat(np.arange(len(listed)), K).reshape(listed.shape)
    hits = np.asarray(split.relevant[row.ravel(), np.maximum(listed, 0).ravel()]).reshape(listed.shape) & (listed >= 0)
    relevant = np.diff(split.relevant.indptr) + split.unknown
    new_users, tail = split.masks()
    tail_relevant = split.relevant.astype(np.int64) @ tail.astype(np.int64) + split.unknown
    tail_users = tail_relevant > 0
    everyone = np.ones(len(listed), dtype=bool)
    values = {
        "all": _values(hits, relevant, everyone),
        "new_users": _values(hits, relevant, new_users),
        "tail_items": _values(hits & tail[np.maximum(listed, 0)], tail_relevant, tail_users),
    }
    values["all"]["popularity_lift"] = _lift(listed, split)
    return Result(values, {"all": metrics.coverage(listed, int(available.sum()))})


def _values(hits: np.ndarray, relevant: np.ndarray, users: np.ndarray) -> dict[str, np.ndarray]:
    return {name: metric(hits[users], relevant[users]) for name, metric in metrics.PER_USER.items()}


def _lift(listed: np.ndarray, split: Split) -> np.ndarray:
    data = split.train
    counts = np.bincount(data.item, minlength=len(data.items))
    events = np.diff(data.offsets)
    total = np.bincount(data.user, counts[data.item], len(data.users))
    own = np.where(events > 0, total / np.maximum(events, 1), np.nan)
    return metrics.popularity_lift(listed, counts, own[split.test_users])
