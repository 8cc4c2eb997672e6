"""What the exploring run's own log says of other policies, beside what the same shoppers would truly have done.

The challengers are held against the nights of that run: the lists that each would have published from what was known
then, to the same visits. Their truth is exact: the mean over all places of the chance of a click by the simulator's
formulas. A reward model sees what a shop knows, never the formulas.
"""

from dataclasses import dataclass, field

import numpy as np

from benchmarks._loop_measures import Truth
from benchmarks._loop_night import Lists
from benchmarks._loop_shop import Shelf
from models.feedback.exploration import Exploration, chance_of
from models.feedback.offpolicy import Logged, Predicted, evaluate
from models.feedback.reward import cross_fit

BLEND, POPULAR, LAST_POPULAR = CHALLENGERS = ("blend", "popular", "blend_5_popular")
"""The blend without exploration; the popular list; the blend whose last five places hold popular items that it does
not list: all of these can be drawn."""
LAST = 5


@dataclass(frozen=True)
class Night:
    """Places of one day, n in all: those with an item. [n] each, [n, F] columns of the reward model."""

    reward: np.ndarray
    propensity: np.ndarray
    user: np.ndarray
    columns: np.ndarray
    policy: dict[str, np.ndarray]  # by challenger: the chance of what was shown
    wanted: dict[str, np.ndarray]  # columns of what the challenger would have shown there
    truth: dict[str, np.ndarray]  # chance of a click on that
    support: dict[str, np.ndarray]  # chance with which the log could have shown it, given the challenger's items above


@dataclass
class Estimates:
    how: Exploration
    nights: list[Night] = field(default_factory=list)

    def see(self, lists: Lists, shelf: Shelf, truth: Truth) -> None:
        user = shelf.visits.user
        ranked, pool, popular = lists.ranked[user], lists.pool[user], lists.popular
        scores = np.where(pool >= 0, np.take_along_axis(lists.scores[user], np.maximum(pool, 0), 1), 0)
        place = np.full(lists.scores.shape[1], len(popular))
        place[popular] = np.arange(len(popular))
        whole = np.broadcast_to(popular, ranked.shape)
        lists_of = {BLEND: ranked, POPULAR: whole, LAST_POPULAR: with_popular_last(ranked, popular)}
        shown, certain = shelf.shown, Exploration(0.0)

        def columns(items: np.ndarray) -> np.ndarray:
            at = np.broadcast_to(np.log1p(np.arange(items.shape[1])), items.shape)
            score = np.take_along_axis(lists.scores[user], np.maximum(items, 0), 1)
            best = np.take_along_axis(lists.scores[user], np.maximum(ranked[:, :1], 0), 1)
            rest = (at, score, np.broadcast_to(best, items.shape), np.log1p(place[np.maximum(items, 0)]))
            return np.stack([column[shown] for column in rest], axis=1)

        self.nights.append(
            Night(
                shelf.did.clicked[shown].astype(np.float64),
                shelf.propensity[shown],
                np.broadcast_to(user[:, None], shown.shape)[shown],
                columns(shelf.items),
                {n: chance_of(shelf.items, one, pool, scores, certain)[shown] for n, one in lists_of.items()},
                {n: columns(one) for n, one in lists_of.items()},
                {n: truth.clicks(one)[shown] for n, one in lists_of.items()},
                {n: chance_of(one, ranked, pool, scores, self.how)[shown] for n, one in lists_of.items()},
            )
        )

    def summary(self) -> dict[str, dict[str, object]]:
        """By challenger: the truth, every estimate with its interval, and the one that a gate would go by."""
        reward, propensity, user, columns = (
            np.concatenate([getattr(night, name) for night in self.nights])
            for name in ("reward", "propensity", "user", "columns")
        )
        fitted = cross_fit(columns, reward, user)
        expected, rows = fitted.shown(columns), np.arange(len(reward))
        found: dict[str, dict[str, object]] = {}
        for name in CHALLENGERS:
            policy, wanted, truth, support = (
                np.concatenate([getattr(night, part)[name] for night in self.nights])
                for part in ("policy", "wanted", "truth", "support")
            )
            model = fitted.expected(rows, np.ones(len(rows)), wanted)
            one = evaluate(Logged(reward, propensity, policy, user), Predicted(expected, model))
            found[name] = {
                "truth": float(truth.mean()),
                "own": float(reward.mean()),
                "supported": float((support > 0).mean()),
                "mean_weight": one.overlap.mean_weight,
                "effective": one.overlap.effective,
                "chosen": one.chosen,
                "sentence": one.sentence,
                "estimates": {n: [e.value, e.low, e.high] for n, e in one.estimates.items()},
            }
        return found


def with_popular_last(ranked: np.ndarray, popular: np.ndarray) -> np.ndarray:
    """`ranked` int [V, k] whose last places hold the most popular items that the list does not; int [k] `popular`."""
    found = ranked.copy()
    absent = (popular[None, :, None] != ranked[:, None, :]).all(axis=2)
    order = np.argsort(~absent, axis=1, kind="stable")[:, :LAST]
    there = np.take_along_axis(absent, order, 1)
    found[:, -LAST:] = np.where(there, popular[order], ranked[:, -LAST:])
    return found
