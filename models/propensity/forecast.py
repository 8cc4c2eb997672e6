"""How likely each active user buys within a horizon, and how well that was said a horizon ago.

    ... learn from days up to today − 2h ... | calibrate on today − h | score today
    ... the same, h days earlier ...  | calibrate | score, and judge by what came since

What is learned from lies a whole horizon before what calibrates, and that a whole horizon before today: every outcome
is known by tonight, and no row is used twice. The judgement makes everything anew as it could have been made h days
ago; which model forecasts tonight follows from it. The floor, a table of shares, needs no calibration and so counts the
newest complete days as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.calibration import auc, brier, calibration_error, fit_logistic, log_loss, resampled, sigmoid
from models.choice import SEED, simplest_unbeaten
from models.metrics import bootstrap_intervals
from models.propensity import learners
from models.propensity.learners import COUNTS, LEARNERS, TABLE, Learner
from models.propensity.visits import FREQUENCY, LOOKBACK, Visits
from models.sample import drawn
from models.trees import NoTrees

HORIZONS = (7, 28)
CUTS, STEP = 8, 7
"""Days that are learned from, and the days between two of them: whole weeks, so that all are the same weekday."""
LEAST_PAST = LOOKBACK // 2
"""A day with fewer days of past is not learned from."""
LEAST_USERS = 100
"""With fewer active users on a day nothing is learned from it, nor judged on it."""
MOST_USERS = 20_000
"""Users of a day that are learned from, or judged, at most; more are drawn from."""
REACH = LOOKBACK + 3 * max(HORIZONS) + CUTS * STEP
"""Days before today that are looked at, at most."""


@dataclass(frozen=True)
class Made:
    """A learner as fitted, and the map that calibrates it: log-odds' = scale · log-odds + shift."""

    learner: Learner
    scale: float = 1.0
    shift: float = 0.0

    def chance(self, columns: np.ndarray) -> np.ndarray:
        return sigmoid(self.scale * self.learner.log_odds(columns) + self.shift)

    def arrays(self) -> dict[str, np.ndarray]:
        return {**self.learner.arrays(), "calibration": np.array([self.scale, self.shift])}


@dataclass(frozen=True)
class Forecast:
    """`judged`: rows of model_name, metric, value, low, high, users. `note`: why this model."""

    horizon: int
    users: np.ndarray  # int64 [n], the active ones
    chance: np.ndarray  # float64 [n], to buy within the horizon
    model: str
    arrays: dict[str, np.ndarray]
    judged: list[dict[str, Any]]
    note: str


class Past:
    """The days of a shop that are learned from: the columns of a day are counted once, whoever asks."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        self._read: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def rows(self, day: int, horizon: int, known: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Columns and outcomes of users that were active on a day; None where they, or the days before, are too few.

        `known`: the day as of which the outcomes are looked up.
        """
        if day - self.visits.first < LEAST_PAST:
            return None
        if day not in self._read:
            users, columns = self.visits.at(day)
            chosen = drawn(np.arange(len(users)), MOST_USERS)
            self._read[day] = users[chosen], columns[chosen]
        users, columns = self._read[day]
        bought = self.visits.bought(users, day, horizon, known)
        if len(users) < LEAST_USERS or bought.all() or not bought.any():
            return None
        return columns, bought


def forecasts(visits: Visits) -> list[Forecast]:
    """One for each horizon; a shorter one never gives a user more than a longer one."""
    past = Past(visits)
    found = [forecast(past, horizon) for horizon in HORIZONS]
    longest = found[-1].chance
    return [
        Forecast(f.horizon, f.users, np.minimum(f.chance, longest), f.model, f.arrays, f.judged, f.note) for f in found
    ]


def forecast(past: Past, horizon: int) -> Forecast:
    visits = past.visits
    users, columns = visits.at(visits.today)
    judged = _judge(past, horizon)
    if judged:
        model = simplest_unbeaten({name: log_loss(chance, bought) for name, (chance, bought) in judged.items()})
        note = f"judged on {len(judged[model][0])} users of the last {horizon} days"
    else:
        model, note = TABLE, f"too few days or users to judge the last {horizon} days: the floor"
    made = make(past, model, visits.today, horizon) if len(users) else None
    rows = list(_measures(judged, horizon))
    if made is None:
        days = min(LOOKBACK, visits.today - visits.first + 1)
        chance = learners.counts(columns[:, FREQUENCY].astype(np.float64), days, horizon)
        note = f"no {horizon} days with {LEAST_USERS} active users and {LEAST_PAST} days of past before them: rates"
        return Forecast(horizon, users, chance, COUNTS, {}, rows, note)
    return Forecast(horizon, users, made.chance(columns), model, made.arrays(), rows, note)


def _judge(past: Past, horizon: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each learner its chances as of a horizon ago, and who has bought since; empty where that cannot be said."""
    day = past.visits.today - horizon
    rows = past.rows(day, horizon, past.visits.today)
    if rows is None:
        return {}
    found = {}
    for name in LEARNERS:
        made = make(past, name, day, horizon)
        if made is not None:
            found[name] = made.chance(rows[0]), rows[1]
    return found if TABLE in found else {}


def make(past: Past, name: str, day: int, horizon: int) -> Made | None:
    """A learner fitted and calibrated with what was known at the end of `day`; None where that is too little."""
    newest = day - horizon
    cuts = [newest - horizon - STEP * back for back in range(CUTS)]
    if name == TABLE:
        cuts = [newest, *cuts]
    learned = [rows for cut in cuts if (rows := past.rows(cut, horizon, day)) is not None]
    held_out = past.rows(newest, horizon, day)
    if not learned or held_out is None:
        return None
    columns, bought = (np.concatenate(part) for part in zip(*learned, strict=True))
    try:
        learner = LEARNERS[name](columns, bought)
    except NoTrees:
        return None
    if name == TABLE:
        return Made(learner)
    scale, shift = fit_logistic(learner.log_odds(held_out[0])[:, None], held_out[1])
    return Made(learner, float(scale), float(shift))


def _measures(judged: dict[str, tuple[np.ndarray, np.ndarray]], horizon: int) -> Iterator[dict[str, Any]]:
    """Brier score, log loss, AUC, calibration error of each model, and the log loss it saves against the floor."""
    if not judged:
        return
    floor = log_loss(*judged[TABLE])
    means: dict[tuple[str, str], np.ndarray] = {}
    for name, (chance, bought) in judged.items():
        means |= {(name, "brier"): brier(chance, bought), (name, "log_loss"): log_loss(chance, bought)}
        if name != TABLE:
            means[name, "log_loss_saved"] = floor - means[name, "log_loss"]
    intervals = bootstrap_intervals(np.stack(list(means.values()), axis=1), SEED)
    for (name, metric), (low, high) in zip(means, intervals.tolist(), strict=True):
        values = means[name, metric]
        yield _row(name, f"{metric}_{horizon}d", float(values.mean()), low, high, len(values))
    for name, (chance, bought) in judged.items():
        low, high = resampled(auc, chance, bought, SEED)
        yield _row(name, f"auc_{horizon}d", auc(chance, bought), low, high, len(chance))
        # No interval: a resample's error lies above that of all rows, since noise only ever adds to it.
        yield _row(name, f"calibration_error_{horizon}d", calibration_error(chance, bought), None, None, len(chance))


def _row(name: str, metric: str, value: float, low: float | None, high: float | None, users: int) -> dict[str, Any]:
    return {"model_name": name, "metric": metric, "value": value, "low": low, "high": high, "users": users}
