"""One judgement for every model: the same split, policy, users and lists of ten."""

from dataclasses import dataclass, field, replace

import numpy as np

from models import calibration, metrics
from models.recommender import popular
from models.recommender.configs import Popular
from models.recommender.ranking import Recommender, rank_users
from models.split import SLICES, Split

K = 10
SEED = 20_170_101


@dataclass(frozen=True)
class Result:
    """Per-user values of one model: {slice: {metric: float64 [users of the slice]}}, and coverage of its lists.

    `calibration`: of the listed items' scores, by slice, where these are probabilities; see `calibration_error`.
    """

    values: dict[str, dict[str, np.ndarray]]
    coverage: dict[str, float]
    calibration: dict[str, float] = field(default_factory=dict)

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
            users = len(self.values[part]["recall"])
            for metric, found in (("coverage", self.coverage), ("calibration_error", self.calibration)):
                if part in found:
                    rows.append(_row(part, metric, found[part], None, None, users))
        return rows


def _row(
    part: str, metric: str, value: float, low: float | None, high: float | None, users: int
) -> dict[str, float | int | str | None]:
    return {"slice": part, "metric": f"{metric}@{K}", "value": value, "low": low, "high": high, "users": users}


def lists(model: Recommender, split: Split, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32 [T, 10]: the list of each test user, filled from the popular items; -1 is padding. float32 [T, 10]: scores,
    0 where an item was filled in.
    """
    fill = popular.fit(split.train, Popular()).order
    ranked = list(rank_users(model, split.train, split.test_users, K, fill, available, split.seen))
    items = np.concatenate([block.items for block in ranked] or [np.empty((0, K), np.int32)])
    return items, np.concatenate([block.scores for block in ranked] or [np.empty((0, K), np.float32)])


def evaluate(model: Recommender, split: Split, available: np.ndarray, probabilities: bool = False) -> Result:
    """Judge a model fitted on `split.train`. `available` bool [I]: what may be recommended on the cut-off day.

    `probabilities`: the scores claim to be some, so their calibration is judged, too.
    """
    listed, scores = lists(model, split, available)
    result = judge_lists(listed, split, available)
    if not probabilities:
        return result
    claimed = scores > 0
    error = calibration.calibration_error(scores[claimed], _hits(listed, split)[claimed])
    return replace(result, calibration={"all": error})


def judge_lists(listed: np.ndarray, split: Split, available: np.ndarray) -> Result:
    """Judge the lists of the split's test users, int32 [T, 10], wherever they come from; -1 is padding."""
    hits = _hits(listed, split)
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


def _hits(listed: np.ndarray, split: Split) -> np.ndarray:
    """bool [T, 10]: whether the item in each place is relevant."""
    row = np.repeat(np.arange(len(listed)), K).reshape(listed.shape)
    return np.asarray(split.relevant[row.ravel(), np.maximum(listed, 0).ravel()]).reshape(listed.shape) & (listed >= 0)


def _values(hits: np.ndarray, relevant: np.ndarray, users: np.ndarray) -> dict[str, np.ndarray]:
    return {name: metric(hits[users], relevant[users]) for name, metric in metrics.PER_USER.items()}


def _lift(listed: np.ndarray, split: Split) -> np.ndarray:
    data = split.train
    counts = np.bincount(data.item, minlength=len(data.items))
    events = np.diff(data.offsets)
    total = np.bincount(data.user, counts[data.item], len(data.users))
    own = np.where(events > 0, total / np.maximum(events, 1), np.nan)
    return metrics.popularity_lift(listed, counts, own[split.test_users])
