"""What will be in each active user's next basket, and how well that was said a horizon ago.

    ... learn from the day today − 2h | calibrate on today − h | list today
    ... the same, h days earlier ... | list, and judge by the baskets since

Learned from are users who bought within the horizon after such a day; what is foreseen is the first basket of it. So a
probability is one *given that the user buys at all*; how likely that is stands in `propensity`. The floor is each
user's most frequent items, filled from the popular ones (GP-TopFreq in Li et al. 2023, "A next basket recommendation
reality check", where no deep model beats it clearly).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.calibration import calibration_error, fit_logistic, log_odds, sigmoid
from models.choice import SEED, simplest_unbeaten
from models.days import Past
from models.interactions import Interactions
from models.metrics import bootstrap_intervals
from models.next_basket.baskets import (
    BASKETS,
    LOOKBACK,
    POPULARITY,
    SHARE,
    Candidates,
    baskets,
    buyers,
    candidates,
    expected_sizes,
    known_at,
    next_baskets,
)
from models.sample import drawn
from models.trees import NoTrees, Trees, grow

HORIZON = 28
REACH = LOOKBACK + 3 * HORIZON
"""Days that are read before today, today included."""
LEAST_USERS = 100
"""With fewer users who bought after a day nothing is learned from it, nor judged on it."""
MOST_USERS = 1_500
"""Users of a day that are learned from, or judged, at most; more are drawn from."""
LENGTHS = (10, 20)
FLOOR, TREES = "top_frequent", "trees"
ROUNDS = 40
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.6,
    "lambda_l2": 10.0,
    "max_bin": 63,
}


class Model(Protocol):
    """`chance` float64 [P] in (0, 1); `order` float64 [P]: a user's candidates are listed by it, highest first."""

    def chance(self, found: Candidates) -> np.ndarray: ...
    def order(self, found: Candidates, chance: np.ndarray) -> np.ndarray: ...
    def arrays(self) -> dict[str, np.ndarray]: ...


class TopFrequent:
    """The most frequent first. A chance is made of the share of the own, or of all recent, baskets with the item."""

    def __init__(self, weights: np.ndarray | None) -> None:
        self.weights = weights

    @classmethod
    def calibrated(cls, found: Candidates, bought: np.ndarray) -> "TopFrequent":
        return cls(fit_logistic(_shares(found), bought))

    def order(self, found: Candidates, chance: np.ndarray) -> np.ndarray:
        return -found.rank.astype(np.float64)

    def chance(self, found: Candidates) -> np.ndarray:
        shares = _shares(found)
        if self.weights is None:
            return sigmoid(shares[:, 0] + shares[:, 1])
        return sigmoid(shares @ self.weights[:-1] + self.weights[-1])

    def arrays(self) -> dict[str, np.ndarray]:
        return {} if self.weights is None else {"weights": self.weights}


def _shares(found: Candidates) -> np.ndarray:
    """float64 [P, 3]: log-odds of the own share where the item was bought before, of its popularity where not; which.

    The own share is (times − ½) / baskets: an item bought once, in the only basket, is not certain.
    """
    repeat = found.repeat
    count = np.maximum(found.columns[:, BASKETS].astype(np.float64), 1)
    own = log_odds(np.maximum(found.columns[:, SHARE] - 0.5 / count, 1e-6))
    crowd = log_odds(found.columns[:, POPULARITY].astype(np.float64))
    return np.stack([np.where(repeat, own, 0), np.where(repeat, 0, crowd), repeat], axis=1)


class Grown:
    """Boosted trees over `baskets.NAMES`, calibrated; listed by probability."""

    def __init__(self, trees: Trees, scale: float, shift: float) -> None:
        self.trees, self.scale, self.shift = trees, scale, shift

    def order(self, found: Candidates, chance: np.ndarray) -> np.ndarray:
        return chance

    def chance(self, found: Candidates) -> np.ndarray:
        return sigmoid(self.scale * self.trees.predict(found.columns) + self.shift)

    def arrays(self) -> dict[str, np.ndarray]:
        return {**self.trees.arrays(), "calibration": np.array([self.scale, self.shift])}


@dataclass(frozen=True)
class Forecast:
    """The candidates of every active user, best first, and `judged` and `note` as in `propensity.forecast`."""

    users: np.ndarray  # int64 [n], the active ones
    user: np.ndarray  # int64 [P]
    item: np.ndarray  # int64 [P]
    chance: np.ndarray  # float64 [P]
    repeat: np.ndarray  # bool [P]
    size: np.ndarray  # float64 [n], expected distinct items of the next basket
    model: str
    arrays: dict[str, np.ndarray]
    judged: list[dict[str, Any]]
    note: str


@dataclass(frozen=True)
class Day:
    """The candidates of those who bought within the horizon after a day, and what their next basket held."""

    found: Candidates
    bought: np.ndarray  # bool [P]
    users: np.ndarray  # int64 [n]
    size: np.ndarray  # int64 [n], of the basket
    expected: np.ndarray  # float64 [n]


def forecast(data: Interactions) -> Forecast:
    """As of the last day of `data`, which holds the `REACH` days that end with it, or fewer."""
    past = Past.of(data)
    days = {turn: prepared(past, turn * HORIZON) for turn in (1, 2, 3)}
    judged = _judge(days)
    if judged:
        model = simplest_unbeaten({name: 1 - values["f1@10"] for name, values in judged.items()})
        note = f"judged on the baskets of {len(judged[model]['f1@10'])} users in the last {HORIZON} days"
    else:
        model, note = FLOOR, f"too few days or users to judge the last {HORIZON} days: the floor"
    made = make(model, days[2], days[1]) or TopFrequent(None)
    now = known_at(past, 0)
    users = buyers(now)
    held = baskets(now, users)
    found = candidates(now, held, users)
    chance = made.chance(found)
    order = np.lexsort((found.item, -made.order(found, chance), found.user))
    return Forecast(
        users, found.user[order], found.item[order], chance[order], found.repeat[order], expected_sizes(held, users),
        model, made.arrays(), list(_measures(judged, days[1])), note,
    )  # fmt: skip


def prepared(past: Past, back: int, most: int = MOST_USERS) -> Day | None:
    """The day `back` days ago, of at most so many users; None where fewer than `LEAST_USERS` have bought since."""
    now, after = known_at(past, back), next_baskets(past, back, HORIZON)
    users = drawn(np.intersect1d(buyers(now), np.flatnonzero(np.diff(after.indptr))), most)
    if len(users) < LEAST_USERS:
        return None
    held = baskets(now, users)
    found = candidates(now, held, users)
    bought = np.asarray(after[found.user, found.item]).ravel().astype(bool)
    if not bought.any():
        return None
    return Day(found, bought, users, np.diff(after.indptr)[users], expected_sizes(held, users))


def make(name: str, learned: Day | None, held_out: Day | None) -> Model | None:
    if held_out is None:
        return None
    if name == FLOOR:
        return TopFrequent.calibrated(held_out.found, held_out.bought)
    if learned is None:
        return None
    try:
        trees = grow(learned.found.columns, learned.bought, PARAMETERS, ROUNDS)
        raw = trees.predict(held_out.found.columns)
    except NoTrees:
        return None
    scale, shift = fit_logistic(raw[:, None], held_out.bought)
    return Grown(trees, float(scale), float(shift))


def _judge(days: dict[int, Day | None]) -> dict[str, dict[str, np.ndarray]]:
    """Each model made as of a horizon ago: recall and F1 of every user, and the chances of what it listed."""
    judged_on = days[1]
    if judged_on is None:
        return {}
    found = {}
    for name in (FLOOR, TREES):
        made = make(name, days[3], days[2])
        if made is not None:
            found[name] = judge(made, judged_on.found, judged_on.bought, judged_on.users, judged_on.size)
    return found if FLOOR in found else {}


def judge(
    model: Model, found: Candidates, bought: np.ndarray, users: np.ndarray, size: np.ndarray
) -> dict[str, np.ndarray]:
    """float64 [n] of each of `users`: recall@k = hits / items of the basket, F1@k = 2 · hits / (k listed + items).

    F1 is the harmonic mean of precision and recall. Also, [P] of what is listed to the longest k: `chance`, `bought`.
    """
    chance = model.chance(found)
    order = np.lexsort((found.item, -model.order(found, chance), found.user))
    owner, hit = np.searchsorted(users, found.user[order]), bought[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    values: dict[str, np.ndarray] = {}
    for length in LENGTHS:
        listed = rank < length
        count = np.bincount(owner[listed], minlength=len(users))
        hits = np.bincount(owner[listed], hit[listed], len(users))
        values[f"recall@{length}"] = hits / size
        values[f"f1@{length}"] = 2 * hits / (count + size)
    listed = rank < max(LENGTHS)
    return {**values, "chance": chance[order][listed], "bought": hit[listed]}


def _measures(judged: dict[str, dict[str, np.ndarray]], day: Day | None) -> Iterator[dict[str, Any]]:
    for name, values in judged.items():
        means = {metric: v for metric, v in values.items() if metric not in ("chance", "bought")}
        if name != FLOOR:
            means["f1_gained@10"] = values["f1@10"] - judged[FLOOR]["f1@10"]
        if day is not None:
            means["basket_size_error"] = np.abs(day.expected - day.size)
        intervals = bootstrap_intervals(np.stack(list(means.values()), axis=1), SEED).tolist()
        for (metric, v), (low, high) in zip(means.items(), intervals, strict=True):
            yield _row(name, metric, float(v.mean()), low, high, len(v))
        error = calibration_error(values["chance"], values["bought"])
        yield _row(name, f"calibration_error@{max(LENGTHS)}", error, None, None, len(values["f1@10"]))


def _row(name: str, metric: str, value: float, low: float | None, high: float | None, users: int) -> dict[str, Any]:
    return {"model_name": name, "metric": metric, "value": value, "low": low, "high": high, "users": users}
