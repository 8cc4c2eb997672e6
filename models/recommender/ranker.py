"""The second stage: a blend proposes, gradient-boosted trees put its proposals in order (LambdaRank).

A candidate of a user is an item among the best `candidates` of any part of the blend, or of the blend itself. Trees
(LightGBM, objective lambdarank, Burges 2010) read each part's scaled score and rank and the columns of
`candidate_features`, where the shop has reviews those of `opinions` as well, and what comes out is turned into a
probability. Below the candidates the blend's own order goes on. How the trees, the lift and the calibration are
learned: `ranker_learning`.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.days import Past
from models.interactions import Interactions
from models.recommender import candidate_features, opinions
from models.recommender.blend import BlendModel, scaled
from models.recommender.candidate_features import USER, Features
from models.recommender.configs import Ranker
from models.recommender.history import purchase_counts
from models.recommender.ranking import top_k
from models.split import tail_items
from models.trees import Trees

BLEND = "blend"
CALIBRATED_BY = ("user_days", "user_days_28d", "user_basket", "user_items", "user_since")
"""What a ranker's scores lack: they compare the items of one user, and users differ in how much they buy."""
OUTSIDE = 0.5
"""What the best item outside the candidates gets of the least candidate's score."""


@dataclass(frozen=True)
class Candidates:
    """P pairs of a block of B users, by user and item, and what the parts say of them."""

    row: np.ndarray  # int64 [P], place among the users of the block
    item: np.ndarray  # int64 [P]
    scores: np.ndarray  # float32 [P, parts + 1], scaled to 0..1 per user; the last column is the blend's
    ranks: np.ndarray  # float32 [P, parts + 1], from 1; candidates + 1 where a part ranks the item lower


class RankerModel:
    """score(u, i) = probability that u buys i within the horizon, given that u buys anything, for candidates.

    p = 1 / (1 + exp(−(a · (trees(u, i) + lift · [i is a tail item]) + b(u)))), b(u) linear in logarithms of what u is
    used to buying: Platt's scaling (1999) with an intercept per user. Inside a list only a > 0 and the trees decide.
    """

    def __init__(self, blend: BlendModel, trees: Trees, config: Ranker) -> None:
        self.blend, self.trees, self.config = blend, trees, config
        self._counted: tuple[Interactions, Features, np.ndarray] | None = None
        self._lock = threading.Lock()

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        features, tail = self._known(data)
        found, total = propose(self.blend, data, users, self.config)
        raw = self.trees.predict(columns(found, features, users, said_of(data, self.config)))
        raw += self.config.lift * tail[found.item]
        chance = probability(raw, features.user[users[found.row]], self.config.calibration)
        least = np.ones(len(users), dtype=np.float32)
        np.minimum.at(least, found.row, chance)
        peak = total.max(axis=1, keepdims=True, initial=0)
        total *= OUTSIDE * least[:, None] / np.where(peak > 0, peak, 1)
        total[found.row, found.item] = chance
        return total

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The blend's: the trees only change the order of what it found."""
        return self.blend.evidence(data, users, items)

    def arrays(self) -> dict[str, np.ndarray]:
        return {**{f"blend.{name}": array for name, array in self.blend.arrays().items()}, **self.trees.arrays()}

    def _known(self, data: Interactions) -> tuple[Features, np.ndarray]:
        """Counted once for all blocks, which are worked on side by side."""
        with self._lock:
            if self._counted is None or self._counted[0] is not data:
                self._counted = data, candidate_features.features(Past.of(data)), tail_items(data)
            return self._counted[1:]


def parts_of(blend: BlendModel) -> list[str]:
    """The parts that the blend uses for anybody, in one order."""
    return [name for name in sorted(blend.parts) if any(weights[name] > 0 for weights in blend.weights.values())]


def propose(blend: BlendModel, data: Interactions, users: np.ndarray, config: Ranker) -> tuple[Candidates, np.ndarray]:
    """The candidates of these users, and what the blend gives every item, float32 [B, I].

    Every part that the blend uses is asked about every user, also where its weight for the segment is 0.
    """
    bought = None if config.repeat else purchase_counts(data, users).tocoo()
    scored = {}
    for name in config.parts:
        if name in blend.parts:
            scored[name] = scaled(blend.parts[name].scores(data, users))
            if bought is not None:
                scored[name][bought.row, bought.col] = 0
    total = blend.weigh(data, users, scored)
    size = (len(users), len(data.items))
    tops = [_best(scored[name], config.candidates) if name in scored else None for name in config.parts]
    tops.append(_best(total, config.candidates))
    proposed = [keys for keys, _ in (top for top in tops if top is not None)]
    key = np.unique(np.concatenate(proposed))
    row, item = np.divmod(key, max(1, size[1]))
    peak = total.max(axis=1, initial=0)
    values = [scored[name][row, item] if name in scored else np.zeros(len(key)) for name in config.parts]
    values.append(total[row, item] / np.where(peak > 0, peak, 1)[row])
    ranks = [_ranks(top, key, config.candidates + 1) for top in tops]
    found = np.stack(values, axis=1).astype(np.float32), np.stack(ranks, axis=1).astype(np.float32)
    blend.remember(data, users, scored)
    return Candidates(row, item, *found), total


def _best(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys (row · I + item, ascending) of the n best positive items of each row, and their ranks from 1."""
    items, values = top_k(scores, n)
    row, place = np.nonzero((items >= 0) & (values > 0))
    key = row * scores.shape[1] + items[row, place]
    order = np.argsort(key)
    return key[order], place[order] + 1


def _ranks(top: tuple[np.ndarray, np.ndarray] | None, key: np.ndarray, otherwise: int) -> np.ndarray:
    found = np.full(len(key), otherwise, dtype=np.float32)
    if top is not None and len(top[0]):
        place = np.minimum(np.searchsorted(top[0], key), len(top[0]) - 1)
        hit = top[0][place] == key
        found[hit] = top[1][place[hit]]
    return found


def said_of(data: Interactions, config: Ranker) -> np.ndarray | None:
    """float32 [I, 3], what reviews say of each item, NaN where nothing is known of any; None where no tree asks."""
    if not config.reviews:
        return None
    return np.full((len(data.items), 3), np.nan, np.float32) if data.opinions is None else data.opinions


def columns(found: Candidates, features: Features, users: np.ndarray, said: np.ndarray | None = None) -> np.ndarray:
    """What the trees read, float32 [P, F]; its names are `column_names`."""
    read = [found.scores, found.ranks, features.of(users[found.row], found.item)]
    return np.concatenate(read if said is None else [*read, said[found.item]], axis=1)


def column_names(parts: tuple[str, ...], reviews: bool = False) -> list[str]:
    told = (*parts, BLEND)
    names = [*(f"score_{name}" for name in told), *(f"rank_{name}" for name in told), *candidate_features.NAMES]
    return [*names, *opinions.NAMES] if reviews else names


def used_to(user: np.ndarray) -> np.ndarray:
    """float64 [P, 5]: logarithms of the columns `CALIBRATED_BY` of `user` float32 [P, len(USER)]; unknown counts 0."""
    chosen = user[:, [USER.index(name) for name in CALIBRATED_BY]].astype(np.float64)
    return np.log1p(np.nan_to_num(chosen))


def probability(raw: np.ndarray, user: np.ndarray, calibration: Mapping[str, float]) -> np.ndarray:
    """float32 [P] in (0, 1), see `RankerModel`."""
    log_odds = calibration["score"] * raw + calibration["intercept"]
    log_odds += used_to(user) @ np.array([calibration[name] for name in CALIBRATED_BY])
    return (1 / (1 + np.exp(-np.clip(log_odds, -15, 15)))).astype(np.float32)  # further out float32 has only 0 and 1
