"""What a policy would have earned, from impressions that another policy chose with known probabilities.

One row is one impression: the reward r that followed, the propensity with which the logging policy showed this action
at this place, and the probability with which the evaluated policy would have. w = policy / propensity. A reward model
adds q, the reward it expects of what was shown, and m, what it expects of the evaluated policy's own choice at that
place; both must come from rows of other users (`reward.cross_fit`).

    ips    mean(w r)                                  Horvitz and Thompson 1952
    snips  sum(w r) / sum(w)                          Swaminathan and Joachims 2015
    dm     mean(m)                                    the direct method
    dr     mean(m + w (r − q))                        Dudík, Langford and Li 2011
    sndr   mean(m) + sum(w (r − q)) / sum(w)          Thomas and Brunskill 2016
    dros   mean(m + v (r − q)), v = λ w / (w² + λ)    Su, Dimakopoulou, Krishnamurthy and Dudík 2020, optimistic

v is w where w² is far below λ and never above √λ / 2. λ is set so that this cap is a third of the number of rewards in
the logs, Kish's (Σ|r|)² / Σr²: no single reward then makes up more than about a third of the estimate. The cap grows
with the logs, faster than the square root that truncation needs (Ionides 2008), so what shrinking leaves out vanishes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.feedback.resampling import RESAMPLES, SEED, ends, resampled, sums

IPS, SNIPS, DM, DR, SNDR, DROS = ESTIMATORS = ("ips", "snips", "dm", "dr", "sndr", "dros")
CAP = 1 / 3
LEAST_EFFECTIVE = 100
"""Impressions that weighted ones must be worth (Kish 1965), and the fewest users that intervals are made of."""
LEAST_REWARDS = 30
"""Rewards below which no interval is gone by: the rows that would widen it have mostly not been drawn yet."""
LEAST_SURE = 4.0
"""Standard errors that the mean weight may be away from 1."""
COLUMNS = ("rows", "reward", "weight", "ips", "dm", "dr", "dros")


class BadLogs(ValueError):
    """Columns that no value can be estimated from; the text says which, and how many rows."""


@dataclass(frozen=True)
class Logged:
    """n impressions. All are float [n] but `cluster` [n], the user or session of each, any sortable ids."""

    reward: np.ndarray
    propensity: np.ndarray
    policy: np.ndarray
    cluster: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        return np.asarray(self.policy / self.propensity, np.float64)


@dataclass(frozen=True)
class Predicted:
    """float [n] each: the expected reward of the shown action, and of the evaluated policy at that place."""

    shown: np.ndarray
    policy: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """Value a row and its 95 % interval; `gain*`: the same less the mean reward of the logs.

    `effective`: impressions that the weighted ones are worth; `refused`: why it may not be chosen, or empty.
    """

    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    effective: float
    refused: str


@dataclass(frozen=True)
class Overlap:
    """How far the logs speak of the evaluated policy. `top_share`: of the sum of weights, what one row holds."""

    rows: int
    clusters: int
    rewards: float
    effective: float
    mean_weight: float
    mean_weight_error: float
    largest_weight: float
    top_share: float

    @property
    def refused(self) -> str:
        """Why no estimate may be trusted, or empty. A mean weight below 1 is what is wanted but never shown."""
        if self.rewards < LEAST_REWARDS:
            return f"{self.rewards:.0f} rewards in the logs, fewer than {LEAST_REWARDS}"
        if self.clusters < LEAST_EFFECTIVE:
            return f"{self.clusters} users or sessions in the logs, fewer than {LEAST_EFFECTIVE}"
        if abs(self.mean_weight - 1) > LEAST_SURE * self.mean_weight_error + 1e-9:
            return f"weights are {self.mean_weight:.3f} on average, not 1: the policy wants what the logs never show"
        return ""


@dataclass(frozen=True)
class Evaluation:
    """`chosen`: the name of the estimate to go by, None where none may be trusted; `sentence` says why."""

    estimates: dict[str, Estimate]
    overlap: Overlap
    shrinkage: float
    chosen: str | None
    sentence: str


def evaluate(logged: Logged, predicted: Predicted | None = None, seed: int = SEED, n: int = RESAMPLES) -> Evaluation:
    """Every estimator's value with its interval by `n` resamples of clusters, and the choice among them.

    Without `predicted` there are only ips and snips. Raises `BadLogs`.
    """
    check(logged, predicted)
    weight, shrinkage = logged.weight, shrinkage_of(logged.reward)
    by_cluster = sums(contributions(logged, predicted, shrinkage), logged.cluster, seed)
    total, drawn = by_cluster.sum(axis=0), resampled(by_cluster, seed, n)
    drawn = drawn[(drawn[:, 0] > 0) & (drawn[:, 2] > 0)]  # nothing can be said of a resample without a weight
    overlap = _overlap(logged, weight, total, drawn)
    names = ESTIMATORS if predicted is not None else (IPS, SNIPS)
    used = {name: shrunk(weight, shrinkage) if name == DROS else weight for name in names}
    estimates = {name: _estimate(name, total, drawn, effective(used[name])) for name in names}
    chosen, sentence = choose(estimates, overlap)
    return Evaluation(estimates, overlap, shrinkage, chosen, sentence)


def choose(estimates: dict[str, Estimate], overlap: Overlap) -> tuple[str | None, str]:
    """The narrowest interval among estimates that are not refused, of equals the first; and a sentence why.

    It looks at the logs only. The direct method is never chosen: its interval knows nothing of the model's error.
    """
    if overlap.refused:
        return None, overlap.refused
    able = [name for name, found in estimates.items() if not found.refused]
    if not able:
        return None, f"logs worth {overlap.effective:.0f} impressions of this policy, fewer than {LEAST_EFFECTIVE}"
    best = min(able, key=lambda name: estimates[name].high - estimates[name].low)
    left = [f"{name} ({found.refused})" for name, found in estimates.items() if found.refused]
    return best, f"{best}: the narrowest interval of {', '.join(able)}" + (f"; not {', '.join(left)}" if left else "")


def check(logged: Logged, predicted: Predicted | None) -> None:
    """Raises `BadLogs` where a column cannot be what it says."""
    columns = {"reward": logged.reward, "propensity": logged.propensity, "policy": logged.policy}
    if predicted is not None:
        columns |= {"predicted.shown": predicted.shown, "predicted.policy": predicted.policy}
    rows = len(logged.reward)
    if not rows:
        raise BadLogs("no impressions")
    for name, values in (*columns.items(), ("cluster", logged.cluster)):
        if len(values) != rows:
            raise BadLogs(f"{name} has {len(values)} rows, reward has {rows}")
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise BadLogs(f"{name} is no number in {int((~np.isfinite(values)).sum())} rows")
    for name, wrong in (
        ("propensity is 0 or below, though the action was shown,", logged.propensity <= 0),
        ("propensity is above 1", logged.propensity > 1),
        ("policy is no probability", (logged.policy < 0) | (logged.policy > 1 + 1e-9)),
    ):
        if wrong.any():
            raise BadLogs(f"{name} in {int(wrong.sum())} of {rows} rows, first in row {int(wrong.argmax())}")
    if not logged.policy.any():
        raise BadLogs("the evaluated policy would have shown nothing of what was shown")


def contributions(logged: Logged, predicted: Predicted | None, shrinkage: float) -> np.ndarray:
    """float64 [n, K] of `COLUMNS`: every estimator is a ratio of their totals, or the sum of two."""
    weight, reward = logged.weight, np.asarray(logged.reward, np.float64)
    columns = [np.ones(len(reward)), reward, weight, weight * reward]
    if predicted is not None:
        left = reward - predicted.shown
        columns += [predicted.policy, weight * left, shrunk(weight, shrinkage) * left]
    return np.column_stack(columns)


_VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    # of totals [..., K]
    IPS: lambda t: t[..., 3] / t[..., 0],
    SNIPS: lambda t: t[..., 3] / t[..., 2],
    DM: lambda t: t[..., 4] / t[..., 0],
    DR: lambda t: (t[..., 4] + t[..., 5]) / t[..., 0],
    SNDR: lambda t: t[..., 4] / t[..., 0] + t[..., 5] / t[..., 2],
    DROS: lambda t: (t[..., 4] + t[..., 6]) / t[..., 0],
}


def shrunk(weight: np.ndarray, shrinkage: float) -> np.ndarray:
    """λ w / (w² + λ); 0 at λ = 0."""
    return np.asarray(shrinkage * weight / (weight**2 + shrinkage)) if shrinkage else np.zeros(len(weight))


def shrinkage_of(reward: np.ndarray) -> float:
    """λ = (2 · CAP · rewards)², so that v has its peak, √λ / 2, at a third of the rewards."""
    return (2 * CAP * effective(np.abs(reward))) ** 2


def effective(weight: np.ndarray) -> float:
    """(Σw)² / Σw²: how many equal ones give a mean as sure as these (Kish 1965); 0 of nothing."""
    total, squares = float(weight.sum()), float((weight**2).sum())
    return total**2 / squares if squares else 0.0


def _estimate(name: str, total: np.ndarray, drawn: np.ndarray, worth: float) -> Estimate:
    of = _VALUES[name]
    value, values = float(of(total)), of(drawn)
    own, owns = float(total[1] / total[0]), drawn[:, 1] / drawn[:, 0]
    refused = ""
    if name == DM:
        refused = "its interval leaves out the model's error"
    elif worth < LEAST_EFFECTIVE:
        refused = f"worth {worth:.0f} impressions"
    return Estimate(value, *ends(values), value - own, *ends(values - owns), worth, refused)


def _overlap(logged: Logged, weight: np.ndarray, total: np.ndarray, drawn: np.ndarray) -> Overlap:
    return Overlap(
        rows=len(weight),
        clusters=len(np.unique(logged.cluster)),
        rewards=effective(np.abs(np.asarray(logged.reward, np.float64))),
        effective=effective(weight),
        mean_weight=float(total[2] / total[0]),
        mean_weight_error=float((drawn[:, 2] / drawn[:, 0]).std()),
        largest_weight=float(weight.max()),
        top_share=float(weight.max() / weight.sum()),
    )
