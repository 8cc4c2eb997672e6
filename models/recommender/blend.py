"""A weighted sum of models: each one's scores on a scale from 0 to 1 per user, the weights learned on held-out days."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models import metrics
from models.beside import side_by_side
from models.interactions import PURCHASE, Interactions
from models.recommender import occlusion
from models.recommender.configs import NEW, REGULAR
from models.recommender.occlusion import Additive, Sources
from models.recommender.ranking import Recommender, top_k
from models.split import NEW_USER_PURCHASES, Split

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)
"""Shares of the whole that are tried for one weight, in turn, while the others keep their proportions."""
PRICE = 0.1
"""What it costs, in NDCG@10, that tail items fall short by the whole of their value."""
CANDIDATES = 60
"""Items that each model proposes for each user; the weights are learned on the union of them."""
LEARNERS = 20_000
"""Users that the weights are learned on, at most; more are drawn from."""
SEED = 20_180_101
LEAST_LEARNERS = 20
"""Fewer new users than this have no weights of their own."""
BLOCK = 200
ROUNDS = 5
K = 10

Weights = Mapping[str, float]


@dataclass(frozen=True)
class _Share:
    """What a part adds for some of the users asked about."""

    part: str
    rows: np.ndarray  # int64 [R], places among the users
    values: np.ndarray  # float32 [R, I]


class BlendModel:
    """score(u, i) = sum over models m of weight_m(u) · √(s_m(u, i) / max over j of s_m(u, j)).

    The root lifts what stands in the middle of a list: softmax and cosine scores both fall off steeply. New users
    (fewer than 5 purchases in what is read) have weights of their own: who has no past is best served by the crowd's.
    Weights are at least 0; a part of weight 0 is never asked.
    """

    def __init__(self, parts: Mapping[str, Recommender], weights: Mapping[str, Weights]) -> None:
        self.parts, self.weights = parts, weights
        self._asked = threading.local()  # blocks of users are ranked side by side

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        total = np.zeros((len(users), len(data.items)), dtype=np.float32)
        for share in self._shares(data, users):
            total[share.rows] += share.values
        return total

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The past item without which the item loses most of its score over all parts; see `occlusion.strongest`."""
        given, found = self._given(data, users, items), [np.empty((0, items.shape[1]), dtype=np.int32)]
        for block in occlusion.blocks(*items.shape):
            sources = occlusion.sources_of(data, users[block])
            values = {name: value[block] for name, value in given.items()}
            gone = self._lost(data, users[block], items[block], sources, values)
            found.append(occlusion.strongest(gone, sources, items[block]))
        return np.concatenate(found)

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        """Sum over parts of weight · (√s − √(s less what the part loses)), over the score; see `occlusion.Additive`.

        Scales and weights are held: what is asked is where the score came from. A part without a closed form is asked
        only about users of whose list it carries an item more than any other part does.
        """
        return self._lost(data, users, items, sources, self._given(data, users, items))

    def _given(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
        """float32 [B, k] by part: what it adds to each listed item."""
        given = {}
        for share in self._shares(data, users):
            given[share.part] = np.zeros(items.shape, dtype=np.float32)
            listed = np.maximum(items[share.rows], 0)
            given[share.part][share.rows] = np.take_along_axis(share.values, listed, 1)
        return given

    def _lost(
        self,
        data: Interactions,
        users: np.ndarray,
        items: np.ndarray,
        sources: Sources,
        given: dict[str, np.ndarray],
    ) -> np.ndarray:
        values = np.stack([np.zeros(items.shape, np.float32), *given.values()])
        score, most = values.sum(axis=0), values.max(axis=0)
        total = np.zeros((len(sources.row), items.shape[1]), dtype=np.float32)
        for name, value in given.items():
            part = self.parts[name]
            carries = (value > 0) & (items >= 0) & (isinstance(part, Additive) | (value == most))
            asked = np.flatnonzero(carries.any(axis=1))
            pairs = np.flatnonzero(np.isin(sources.row, asked))
            gone = occlusion.lost(part, data, users[asked], items[asked], sources.of(asked))
            total[pairs] += value[sources.row[pairs]] * (1 - np.sqrt(np.maximum(1 - gone, 0)))
        return total / np.where(score > 0, score, 1)[sources.row]

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.arrays().items()}

    def weigh(self, data: Interactions, users: np.ndarray, scored: Mapping[str, np.ndarray]) -> np.ndarray:
        """What `scores` gives, for parts that were asked already: `scored` holds their scaled scores, [B, I] each."""
        total = np.zeros((len(users), len(data.items)), dtype=np.float32)
        for name in self._used():
            total += scored[name] * self._weight(name, data, users)[:, None]
        return total

    def remember(self, data: Interactions, users: np.ndarray, scored: Mapping[str, np.ndarray]) -> None:
        """Keep these scaled scores for the `evidence` that is asked for next. They are changed in place."""
        everybody, shares = np.arange(len(users)), []
        for name in self._used():
            values = scored[name]
            values *= self._weight(name, data, users)[:, None]
            shares.append(_Share(name, everybody, values))
        self._asked.last = data, users.copy(), shares

    def _weight(self, name: str, data: Interactions, users: np.ndarray) -> np.ndarray:
        new = is_new(data)[users]
        return np.where(new, self.weights[NEW][name], self.weights[REGULAR][name]).astype(np.float32)

    def _shares(self, data: Interactions, users: np.ndarray) -> "list[_Share]":
        """What each used part adds, asked only about the users it has a weight for. A thread's last answer is kept:
        reasons are asked for right after it.
        """
        last: tuple[Interactions, np.ndarray, list[_Share]] | None = getattr(self._asked, "last", None)
        if last is None or last[0] is not data or not np.array_equal(last[1], users):
            shares = []
            for name in self._used():
                weight = self._weight(name, data, users)
                rows = np.flatnonzero(weight)
                if len(rows):
                    values = scaled(self.parts[name].scores(data, users[rows]))
                    values *= weight[rows, None]
                    shares.append(_Share(name, rows, values))
            self._asked.last = last = data, users.copy(), shares
        return last[2]

    def _used(self) -> list[str]:
        # In one order wherever the blend comes from, so that sums, and ties between reasons, are the same.
        return [name for name in sorted(self.parts) if any(weights[name] > 0 for weights in self.weights.values())]


def is_new(data: Interactions) -> np.ndarray:
    """bool [U]: users with fewer than 5 purchases, as `Split.masks` counts them."""
    return np.bincount(data.user[data.event == PURCHASE], minlength=len(data.users)) < NEW_USER_PURCHASES


def scaled(scores: np.ndarray) -> np.ndarray:
    """√(s / max of the row), 0 where s is not positive; float32, same shape."""
    result = np.maximum(scores, 0, dtype=np.float32)  # all in place: these arrays are the largest
    peak = result.max(axis=1, keepdims=True, initial=0)
    result /= np.where(peak > 0, peak, 1)
    return np.sqrt(result, out=result)


# ---- learning the weights ------------------------------------------------------------------------------------


def learn_weights(parts: Mapping[str, Recommender], split: Split) -> dict[str, dict[str, float]]:
    """Weights of regular and of new users, each summing to 1, learned on the test users of the split.

    `parts` must be fitted on `split.train` alone. Where new users are too few they share the weights of the others.
    """
    pool = _pool(parts, split)
    regular = _ascend(pool.of(~pool.new))
    new = _ascend(pool.of(pool.new)) if pool.new.sum() >= LEAST_LEARNERS else regular
    return {
        segment: {name: float(weight) for name, weight in zip(parts, weights, strict=True)}
        for segment, weights in ((REGULAR, regular), (NEW, new))
    }


@dataclass(frozen=True)
class _Pool:
    """Each user's candidates, C of them with padding: what the weights are learned on."""

    features: np.ndarray  # float32 [U, C, parts]
    hits: np.ndarray  # bool [U, C]
    tail: np.ndarray  # bool [U, C], the candidate is a tail item
    relevant: np.ndarray  # int64 [U]
    tail_relevant: np.ndarray  # int64 [U]
    new: np.ndarray  # bool [U]

    def of(self, users: np.ndarray) -> "_Pool":
        return _Pool(*(getattr(self, name)[users] for name in self.__dataclass_fields__))


def _ascend(pool: _Pool) -> np.ndarray:
    """Weights [parts] by coordinate ascent on NDCG@10 itself (Metzler and Croft 2007); nothing is drawn.

    What is maximised is the mean over users, less `PRICE` times the share by which tail items fall short of what the
    best single part gives them: what is gained for bestsellers is not to be paid for by all other items. Of equal
    steps the first is taken. The result is never below the best part by itself.
    """
    count = pool.features.shape[2]
    alone = [_levels(pool, one) for one in np.eye(count)]
    start = max(range(count), key=lambda place: alone[place][0])
    least, weights = alone[start][1], np.eye(count)[start]
    tried = 0.6 * weights + 0.4 / count  # begin among all parts: beside one alone every small step may be uphill
    value = _value(_levels(pool, tried), least)
    for _ in range(ROUNDS):
        before = value
        for place in range(count):
            for step in _steps(tried, place):
                found = _value(_levels(pool, step), least)
                if found > value:
                    value, tried = found, step
        if value == before:
            break
    return tried if value > alone[start][0] else weights


def _value(levels: tuple[float, float], least: float) -> float:
    return levels[0] - (PRICE * max(0.0, 1 - levels[1] / least) if least > 0 else 0.0)


def _steps(weights: np.ndarray, place: int) -> list[np.ndarray]:
    """The weights with one of them set to each of `SHARES` of the whole, the others keeping their proportions."""
    others = weights.copy()
    others[place] = 0
    if not others.sum():
        return []
    one = np.eye(len(weights))[place]
    return [share * one + (1 - share) * others / others.sum() for share in SHARES]


def _pool(parts: Mapping[str, Recommender], split: Split) -> _Pool:
    split = split.sample(LEARNERS, SEED)
    users = split.test_users
    _, tail = split.masks()

    def proposals(start: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each user of a block: items, their features [C, parts], and which of them are relevant."""
        block, found = users[start : start + BLOCK], []
        scores = [_masked(scaled(part.scores(split.train, block)), split, block) for part in parts.values()]
        proposed = np.concatenate([top_k(s, CANDIDATES)[0] for s in scores], axis=1)
        for row in range(len(block)):
            items = np.unique(proposed[row][proposed[row] >= 0])
            wanted = split.relevant.indptr[start + row : start + row + 2]
            hits = np.isin(items, split.relevant.indices[wanted[0] : wanted[1]])
            found.append((items, np.stack([s[row, items] for s in scores], axis=1), hits))
        return found

    blocks = side_by_side(proposals, range(0, len(users), BLOCK))
    proposed = [user for block in blocks for user in block]
    chosen, features, hits = ([user[part] for user in proposed] for part in range(3))
    shape = (len(users), max((len(items) for items in chosen), default=0))
    padded = np.zeros((*shape, len(parts)), dtype=np.float32)
    marked, tails = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for row, items in enumerate(chosen):
        padded[row, : len(items)], marked[row, : len(items)] = features[row], hits[row]
        tails[row, : len(items)] = tail[items]
    relevant = np.diff(split.relevant.indptr) + split.unknown
    tail_relevant = split.relevant.astype(np.int64) @ tail.astype(np.int64) + split.unknown
    return _Pool(padded, marked, tails, relevant, tail_relevant, is_new(split.train)[users])


def _masked(scores: np.ndarray, split: Split, users: np.ndarray) -> np.ndarray:
    if split.seen is not None:
        seen = split.seen[users].tocoo()
        scores[seen.row, seen.col] = 0
    return scores


def _levels(pool: _Pool, weights: np.ndarray) -> tuple[float, float]:
    """Mean NDCG@10 of all users of the pool, and of its tail items; 0 where there are none."""
    top, _ = top_k(pool.features @ weights.astype(np.float32), min(K, pool.features.shape[1]))
    at, real = np.maximum(top, 0), top >= 0
    hits = np.take_along_axis(pool.hits, at, 1) & real
    tail_hits = hits & np.take_along_axis(pool.tail, at, 1)
    everybody = np.ones(len(hits), dtype=bool)
    return _mean_ndcg(hits, pool.relevant, everybody), _mean_ndcg(tail_hits, pool.tail_relevant, pool.tail_relevant > 0)


def _mean_ndcg(hits: np.ndarray, relevant: np.ndarray, users: np.ndarray) -> float:
    padded = np.pad(hits[users], ((0, 0), (0, K - hits.shape[1])))
    return float(metrics.ndcg(padded, relevant[users]).mean()) if users.any() else 0.0
