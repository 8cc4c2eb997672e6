"""Learn the second stage from one split, without a look at the test days that will judge it.

    ... training_days ... | validation days | test days |
                          ^ learned until   ^ cutoff    ^ until

Candidates and their columns are those of the day "learned until": parts fitted up to it, counts up to it. What is
learned from is what the candidates' users bought on the validation days. On the cut-off day the parts are fitted anew
and the columns counted anew, the trees stay: the test days were seen by nothing.

The same validation days choose the number of trees, the lift and the calibration, and so they are cut by users: each
third of the users is scored by trees that learned from the other two thirds. Two things of those days are shared all
the same: when the transformer stopped, and the blend's weights, were chosen by all validation users. That is a choice
among some forty epochs and of a dozen numbers against thousands of users, and what it flatters is the validation
score, never the test.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models import calibration, metrics
from models.beside import side_by_side
from models.days import Past
from models.recommender import candidate_features
from models.recommender.blend import PRICE, BlendModel
from models.recommender.configs import Blend, Ranker
from models.recommender.learned import SEED, TooLittle
from models.recommender.ranker import (
    CALIBRATED_BY,
    Candidates,
    column_names,
    columns,
    parts_of,
    propose,
    said_of,
    used_to,
)
from models.recommender.ranking import BLOCK_CELLS
from models.split import Split, tail_items
from models.trees import Trees, grow

LEARNERS = 5_000
"""Users that are learned from, at most; more are drawn from."""
LEAST_LEARNERS = 60
"""With fewer buyers on the validation days there is no second stage."""
FOLDS = 3
ROUNDS, STEP = 100, 10
LIFTS = tuple(n / 20 for n in range(31))
K = 10
PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 15,
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "lambda_l2": 10.0,
    "max_bin": 63,
}


@dataclass(frozen=True)
class Learned:
    """`facts`: what the card says of how it was learned."""

    config: Ranker
    trees: Trees
    facts: dict[str, Any]


@dataclass(frozen=True)
class Pool:
    """P candidates of U users, by user."""

    user: np.ndarray  # int64 [P], place among the U users
    columns: np.ndarray  # float32 [P, F]
    used_to: np.ndarray  # float64 [P, 5]
    bought: np.ndarray  # bool [P]
    tail: np.ndarray  # bool [P]
    relevant: np.ndarray  # int64 [U], bought items, candidates or not
    tail_relevant: np.ndarray  # int64 [U]


def learn_ranker(kind: Blend, blend: BlendModel, split: Split) -> Learned:
    """`blend` has its parts fitted on `split.train` alone. Raises `TooLittle` where too few people bought."""
    split = split.sample(LEARNERS, SEED)
    users = split.test_users
    if len(users) < LEAST_LEARNERS:
        raise TooLittle(f"{len(users)} people bought on the validation days; {LEAST_LEARNERS} are needed")
    said = split.train.opinions is not None
    draft = Ranker(kind, tuple(parts_of(blend)), split.seen is None, 0.0, {}, reviews=said)
    pool = _pool(blend, split, users, draft)
    if not pool.bought.any():
        raise TooLittle("nothing that the blend proposes was bought on the validation days")
    fold = pool.user % FOLDS
    grown = list(side_by_side(lambda out: _boost(pool, fold != out), range(FOLDS)))
    staged = np.zeros((ROUNDS // STEP, len(pool.user)))
    for out, trees in enumerate(grown):
        staged[:, fold == out] = list(trees.staged(pool.columns[fold == out], ROUNDS, STEP))
    levels = [_mean_ndcg(pool, raw, pool.bought, pool.relevant) for raw in staged]
    best = int(np.argmax(levels))
    raw = staged[best]
    lift = _lift(pool, raw, len(draft.parts))
    raw = raw + lift * pool.tail
    weights = calibration.fit_logistic(np.column_stack([raw, pool.used_to]), pool.bought)
    names = ("score", *CALIBRATED_BY, "intercept")
    given = dict(zip(names, (float(w) for w in weights), strict=True))
    rounds = (best + 1) * STEP
    kept = Trees([text for trees in grown for text in trees.first(rounds).texts])
    blended = _mean_ndcg(pool, pool.columns[:, len(draft.parts)], pool.bought, pool.relevant)
    facts = {
        "users": len(users), "candidates": len(pool.user), "folds": FOLDS, "rounds": rounds,
        "lift": lift, "calibration": given, "validation_ndcg": levels[best], "validation_ndcg_of_the_blend": blended,
        "gain": _gain(kept, column_names(draft.parts, said)),
    }  # fmt: skip
    return Learned(replace(draft, lift=lift, calibration=given), kept, facts)


def _pool(blend: BlendModel, split: Split, users: np.ndarray, config: Ranker) -> Pool:
    data = split.train
    features, tail = candidate_features.features(Past.of(data)), tail_items(data)
    size = max(1, BLOCK_CELLS // max(1, len(data.items)))

    def block(start: int) -> tuple[Candidates, np.ndarray, np.ndarray]:
        asked = users[start : start + size]
        found, _ = propose(blend, data, asked, config)
        bought = np.asarray(split.relevant[found.row + start, found.item]).ravel()
        return found, columns(found, features, asked, said_of(data, config)), bought

    starts = range(0, len(users), size)
    blocks = list(side_by_side(block, starts))
    user = np.concatenate([found.row + start for (found, *_), start in zip(blocks, starts, strict=True)])
    item = np.concatenate([found.item for found, *_ in blocks])
    relevant = np.diff(split.relevant.indptr) + split.unknown
    tail_relevant = split.relevant.astype(np.int64) @ tail.astype(np.int64) + split.unknown
    return Pool(
        user,
        np.concatenate([read for _, read, _ in blocks]),
        used_to(features.user[users[user]]),
        np.concatenate([bought for *_, bought in blocks]).astype(bool),
        tail[item],
        relevant,
        tail_relevant,
    )


def _boost(pool: Pool, rows: np.ndarray) -> Trees:
    sizes = np.bincount(pool.user[rows])
    return grow(pool.columns[rows], pool.bought[rows], PARAMETERS, ROUNDS, sizes[sizes > 0])


def _lift(pool: Pool, raw: np.ndarray, parts: int) -> float:
    """What is added to tail items: the value in `LIFTS` with the best NDCG@10 less the price of the tail (see `blend`).

    The trees learn what most people buy, and so they lose the tail; what the best single part gives it is the measure.
    """
    alone = [_mean_ndcg(pool, pool.columns[:, part], pool.bought, pool.relevant) for part in range(parts)]
    least = _tail_ndcg(pool, pool.columns[:, int(np.argmax(alone))])

    def value(lift: float) -> float:
        lifted = raw + lift * pool.tail
        level = _mean_ndcg(pool, lifted, pool.bought, pool.relevant)
        return level - (PRICE * max(0.0, 1 - _tail_ndcg(pool, lifted) / least) if least > 0 else 0.0)

    return max(LIFTS, key=value)


def _tail_ndcg(pool: Pool, score: np.ndarray) -> float:
    return _mean_ndcg(pool, score, pool.bought & pool.tail, pool.tail_relevant)


def _mean_ndcg(pool: Pool, score: np.ndarray, hits: np.ndarray, relevant: np.ndarray) -> float:
    """Mean NDCG@10 over the users with something relevant, of the candidates in the order of `score`."""
    order = np.lexsort((np.arange(len(score)), -score, pool.user))
    user = pool.user[order]
    rank = np.arange(len(user)) - np.searchsorted(user, user)
    top = rank < K
    grid = np.zeros((len(relevant), K), dtype=bool)
    grid[user[top], rank[top]] = hits[order][top]
    known = relevant > 0
    return float(metrics.ndcg(grid[known], relevant[known]).mean()) if known.any() else 0.0


def _gain(trees: Trees, names: list[str]) -> dict[str, float]:
    """Each column's share of what the splits gained, the largest ten."""
    share = trees.gain()
    return {names[n]: round(float(share[n]), 4) for n in np.argsort(-share, kind="stable")[:10]}
