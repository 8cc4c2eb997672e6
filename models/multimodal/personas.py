"""Personas: groups of users whose vectors point the same way, as many as come out alike from other users of the shop.

Their names are kept from night to night: a group is the one of yesterday that most of its members were in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from models.multimodal.lookalike import unit_rows
from models.sample import drawn

SEED = 20_180_101
NAME = "persona {}"


@dataclass(frozen=True)
class PersonaConfig:
    """`slack`: how much less than the steadiest number of groups another may be (adjusted Rand index), to be finer."""

    fewest: int = 2
    most: int = 10
    slack: float = 0.15
    resamples: int = 3
    restarts: int = 4
    rounds: int = 30
    learners: int = 20_000
    least_share: float = 0.02  # of the users, in the smallest group


@dataclass(frozen=True)
class Personas:
    """k groups; users without a vector belong to none.

    Directions are told apart as seen from `middle`: what all users of a shop have in common tells nobody from others.
    """

    middle: np.ndarray  # float32 [d], mean of the users' vectors of length 1
    centroids: np.ndarray  # float32 [k, d], length 1
    of: np.ndarray  # int32 [U], −1 without a vector
    cosine: np.ndarray  # float32 [U], with the own centroid; 0 without a vector
    stability: dict[int, float]  # by number of groups tried, the mean adjusted Rand index

    @property
    def typical(self) -> list[np.ndarray]:
        """By group its users, the most typical first; ties by index."""
        order = np.lexsort((np.arange(len(self.of)), -self.cosine))
        return [order[self.of[order] == group] for group in range(len(self.centroids))]


def group(vectors: np.ndarray, config: PersonaConfig, before: Personas | None = None) -> Personas:
    """Groups of users by vectors float32 [U, d], whatever their length; spherical k-means (Dhillon and Modha 2001).

    The number of groups is the largest for which two groupings, each learned from a half of the users, agree about all
    of them nearly as well as those of the steadiest number do (mean adjusted Rand index of `resamples` pairs of halves,
    as in Lange et al. 2004, not more than `slack` below), and no group is
    smaller than `least_share`. With `before`, of an earlier night in the same
    space, its number and its middle are kept and the search starts there. Groups are numbered by size, largest first.
    """
    rows = unit_rows(vectors)
    said = np.flatnonzero(rows.any(axis=1))
    if not len(said):
        nobody = np.full(len(rows), -1, np.int32), np.zeros(len(rows), np.float32)
        return Personas(np.zeros(rows.shape[1], np.float32), rows[:0], *nobody, {})
    learned = _by_content(rows[drawn(said, config.learners)])
    middle = learned.mean(axis=0, dtype=np.float64).astype(np.float32) if before is None else before.middle
    rows[said], learned = unit_rows(rows[said] - middle), unit_rows(learned - middle)
    stability: dict[int, float] = {}
    if before is None:
        stability = _stability(learned, config)
        centroids = _best_of(learned, _chosen(stability, learned, config), config, SEED)
    else:
        centroids, _ = _moved(learned, before.centroids, config.rounds)
    near = _nearest(rows[said], centroids)
    sizes = np.bincount(near, minlength=len(centroids))
    order = np.lexsort((np.arange(len(sizes)), -sizes))
    order = order[sizes[order] > 0]
    place = np.full(len(sizes), -1, np.int32)
    place[order] = np.arange(len(order))
    of, cosine = np.full(len(rows), -1, np.int32), np.zeros(len(rows), np.float32)
    of[said] = place[near]
    cosine[said] = (rows[said] * centroids[near]).sum(axis=1)
    return Personas(middle, centroids[order], of, cosine, stability)


def named(personas: Personas, users: list[str], yesterday: Mapping[str, str]) -> list[str]:
    """A name for each group [k]: that of yesterday's group with which it shares most, each given once.

    `yesterday`: the name of each user's group then. Groups are matched so that the sum of shared / joint members
    (Jaccard, over the users known on both nights) is largest; what shares nothing gets the next number above
    yesterday's. Names survive a new model, whose vectors cannot be compared with those of the old.
    """
    then = [yesterday.get(user) for user in users]
    names = sorted(set(yesterday.values()))
    count = len(personas.centroids)
    both = np.zeros((count, len(names)))
    place = {name: column for column, name in enumerate(names)}
    for now, before in zip(personas.of.tolist(), then, strict=True):
        if now >= 0 and before is not None:
            both[now, place[before]] += 1
    joint = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    row, column = linear_sum_assignment(-both / np.maximum(joint, 1))
    found = {int(r): names[c] for r, c in zip(row, column, strict=True) if both[r, c] > 0}
    following = 1 + max((_number(name) for name in names), default=0)
    result = []
    for one in range(count):
        if one not in found:
            found[one], following = NAME.format(following), following + 1
        result.append(found[one])
    return result


def _number(name: str) -> int:
    last = name.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0


# ---- spherical k-means -----------------------------------------------------------------------------------------


def _by_content(rows: np.ndarray) -> np.ndarray:
    """Rows in an order of their own, so that nothing depends on the order of users."""
    return rows[np.lexsort(rows.T[::-1])]


def _best_of(rows: np.ndarray, k: int, config: PersonaConfig, seed: int) -> np.ndarray:
    """Centroids float32 [k, d] of the best of some starts."""
    draw = np.random.default_rng(seed)
    found = [_moved(rows, _spread(rows, k, draw), config.rounds) for _ in range(config.restarts)]
    return max(found, key=lambda one: one[1])[0]


def _spread(rows: np.ndarray, k: int, draw: np.random.Generator) -> np.ndarray:
    """Starting rows, each drawn in proportion to 1 − cosine with the nearest so far (k-means++, Arthur and
    Vassilvitskii 2007).
    """
    chosen = [int(draw.integers(len(rows)))]
    far = 1 - rows @ rows[chosen[0]]
    for _ in range(k - 1):
        total = np.cumsum(np.maximum(far, 0), dtype=np.float64)
        chosen.append(int(min(np.searchsorted(total, draw.random() * total[-1]), len(rows) - 1)))
        far = np.minimum(far, 1 - rows @ rows[chosen[-1]])
    return rows[chosen]


def _moved(rows: np.ndarray, centroids: np.ndarray, rounds: int) -> tuple[np.ndarray, float]:
    """Centroids after at most so many rounds, and the mean cosine of rows with theirs; an empty group stays put."""
    near = _nearest(rows, centroids)
    for _ in range(rounds):
        members = sparse.csr_array(
            (np.ones(len(rows)), (near, np.arange(len(rows)))), shape=(len(centroids), len(rows))
        )
        moved = unit_rows(members @ rows)
        centroids = np.where(moved.any(axis=1, keepdims=True), moved, centroids)
        before, near = near, _nearest(rows, centroids)
        if np.array_equal(before, near):
            break
    return centroids, float((rows * centroids[near]).sum(axis=1).mean())


def _nearest(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return np.asarray((rows @ centroids.T).argmax(axis=1))


# ---- how many --------------------------------------------------------------------------------------------------


def _stability(rows: np.ndarray, config: PersonaConfig) -> dict[int, float]:
    draw = np.random.default_rng(SEED)
    halves = []
    for _ in range(config.resamples):
        mixed = draw.permutation(len(rows))
        halves.append((rows[np.sort(mixed[: len(rows) // 2])], rows[np.sort(mixed[len(rows) // 2 :])]))
    found = {}
    for k in range(config.fewest, min(config.most, len(rows) // 4) + 1):
        values = []
        for number, pair in enumerate(halves):
            one, other = (_nearest(rows, _best_of(half, k, config, SEED + number)) for half in pair)
            values.append(adjusted_rand(one, other))
        found[k] = float(np.mean(values))
    return found


def _chosen(stability: dict[int, float], rows: np.ndarray, config: PersonaConfig) -> int:
    if not stability:
        return 1
    steadiest = max(sorted(stability), key=lambda k: stability[k])
    for k in sorted(stability, reverse=True):
        if stability[k] >= stability[steadiest] - config.slack:
            near = _nearest(rows, _best_of(rows, k, config, SEED))
            if np.bincount(near, minlength=k).min() >= config.least_share * len(rows):
                return k
    return steadiest


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """How far two groupings [n] agree about pairs, 1 for equal ones, 0 as by chance (Hubert and Arabie 1985).

    (Σ C(n_ij, 2) − e) / ((Σ C(a_i, 2) + Σ C(b_j, 2)) / 2 − e), e = Σ C(a_i, 2) · Σ C(b_j, 2) / C(n, 2).
    """
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(table, (one, other), 1)

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    total = len(one) * (len(one) - 1) / 2
    expected = rows * columns / max(total, 1)
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)
