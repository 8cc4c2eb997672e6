"""TIFU-kNN (Hu, He, Gao and Zhang 2020, "Modeling personalized item frequency information for next-basket
recommendation"), the neighbourhood method that next-basket papers compare with.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.days import Past
from models.next_basket.baskets import baskets, buyers


@dataclass(frozen=True)
class Tifu:
    """`group`: baskets in a group. `within`, `between`: decay per basket inside a group, and per group. `own`: α."""

    group: int = 7
    within: float = 0.9
    between: float = 0.7
    neighbours: int = 300
    own: float = 0.7


SETTINGS = (
    Tifu(),
    Tifu(group=3, between=0.6),
    Tifu(within=1.0, between=0.9),
    Tifu(group=2, within=0.95, between=0.95),
    Tifu(neighbours=100, own=0.9),
)
"""The first are those of the paper's data sets, the others forget more slowly; validation chooses."""


def scores(past: Past, users: np.ndarray, setting: Tifu) -> sparse.csr_array:
    """float64 [n, I] = α · v_u + (1 − α) · the mean v of the nearest users (Euclidean).

    v: groups of baskets counted from the newest; a basket's items weigh within^age inside its group, averaged over it,
    a group's weigh between^age, averaged over the groups.
    """
    vectors = _vectors(past, setting)
    active = np.flatnonzero(np.diff(vectors.indptr))
    others, own = vectors[active], vectors[users]
    length = np.asarray(others.multiply(others).sum(axis=1)).ravel()
    count = min(setting.neighbours + 1, len(active))
    found = []
    for start in range(0, len(users), 500):
        block = own[start : start + 500]
        distance = length - 2 * (block @ others.T).toarray()
        distance[users[start : start + 500][:, None] == active] = np.inf  # nobody is their own neighbour
        nearest = np.argpartition(distance, count - 2, axis=1)[:, : count - 1]
        row = np.repeat(np.arange(block.shape[0]), count - 1)
        share = np.full(len(row), 1 / (count - 1))
        near = sparse.csr_array((share, (row, nearest.ravel())), shape=(block.shape[0], len(active)))
        found.append(setting.own * block + (1 - setting.own) * (near @ others))
    return sparse.csr_array(sparse.vstack(found))


def _vectors(past: Past, setting: Tifu) -> sparse.csr_array:
    held = baskets(past, buyers(past))
    user = held.days.user
    group, inside = np.divmod(held.back, setting.group)
    groups = -(-held.count // setting.group)
    oldest = group == groups[user] - 1
    size = np.where(oldest, held.count[user] - group * setting.group, setting.group)
    weight = setting.within**inside / size * setting.between**group / groups[user]
    shape = (held.days.users, held.days.items)
    return sparse.csr_array((weight, (user, held.days.item)), shape=shape)
