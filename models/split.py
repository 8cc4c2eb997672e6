"""The global time split: fit on what happened up to a cut-off date, judge on purchases in the days that follow.

The repeat policy is part of the split, so that it is the same for every model. Where a shop's customers buy again
(`repeat=True`) nothing is masked. Otherwise items a user already bought are neither recommended nor relevant.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from models.interactions import PURCHASE, Interactions, encode

NEW_USER_PURCHASES = 5
HEAD_SHARE = 0.8
SLICES = ("all", "new_users", "tail_items")


@dataclass(frozen=True)
class Split:
    """Training interactions and, for T test users, what they bought afterwards.

    `seen` holds, where the policy forbids repeats, what each training user bought before the cut (bool [U, I]).
    Bought items unknown to training stay relevant (nobody can hit them): they are counted in `unknown`.
    """

    train: Interactions
    test_users: np.ndarray  # int32 [T], index into train.users, ascending
    relevant: sparse.csr_array  # bool [T, I]
    unknown: np.ndarray  # int64 [T], relevant items that training has never seen
    seen: sparse.csr_array | None

    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """New users, bool [T]: fewer than 5 training purchases. Tail items, bool [I]: see `tail_items`."""
        bought = np.bincount(self.train.user[self.train.event == PURCHASE], minlength=len(self.train.users))
        return bought[self.test_users] < NEW_USER_PURCHASES, tail_items(self.train)

    def sample(self, most: int, seed: int) -> "Split":
        """The same split with at most `most` of its test users, drawn: their order may have a meaning."""
        if len(self.test_users) <= most:
            return self
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self.test_users))[:most])
        return replace(
            self, test_users=self.test_users[drawn], relevant=self.relevant[drawn], unknown=self.unknown[drawn]
        )


def tail_items(train: Interactions) -> np.ndarray:
    """bool [I]: items outside the head, the fewest best-selling items that hold 80 % of the training interactions."""
    counts = np.bincount(train.item, minlength=len(train.items))
    order = np.lexsort((np.arange(len(counts)), -counts))
    before = np.cumsum(counts[order]) - counts[order]
    tail = np.ones(len(counts), dtype=bool)
    tail[order[before < HEAD_SHARE * counts.sum()]] = False
    return tail


def time_split(
    past: pa.Table, future: pa.Table, cutoff: date, test_days: int, training_days: int, repeat: bool
) -> Split:
    """Two tables of interactions (see `encode`, plus event_date): `past` as known at the end of `cutoff`, `future`.

    They are two because a row delivered after the cut-off may speak of a day before it: it belongs to neither side.
    Training: the `training_days` that end with the cut-off. Test: purchases in (cutoff, cutoff + test_days]. Test users
    without any training event are kept: their history is empty. Users left without a relevant item are dropped.
    """
    past = past.filter(pc.less_equal(past["event_date"], pa.scalar(cutoff)))
    window = past.filter(pc.greater(past["event_date"], pa.scalar(cutoff - timedelta(training_days))))
    day = future["event_date"]
    later = future.filter(
        pc.and_(pc.greater(day, pa.scalar(cutoff)), pc.less_equal(day, pa.scalar(cutoff + timedelta(test_days))))
    )
    later = later.filter(pc.equal(later["event_type"], "purchase"))
    pairs = _pairs(later)
    train = encode(window, cutoff, extra_users=pairs["user_id"].unique())
    seen = None
    if not repeat:
        seen = bought(past, train)
        earlier = _pairs(past.filter(pc.equal(past["event_type"], "purchase")))
        pairs = pairs.join(earlier, ["user_id", "item_id"], join_type="left anti")
    user = pc.index_in(pairs["user_id"], value_set=train.users).to_numpy()
    item = pc.fill_null(pc.index_in(pairs["item_id"], value_set=train.items), -1).to_numpy()
    test_users, row = np.unique(user, return_inverse=True)
    known = item >= 0
    shape = (len(test_users), len(train.items))
    relevant = sparse.csr_array((np.ones(known.sum(), dtype=bool), (row[known], item[known])), shape=shape)
    unknown = np.bincount(row[~known], minlength=len(test_users))
    return Split(train, test_users.astype(np.int32), relevant, unknown, seen)


def bought(table: pa.Table, data: Interactions) -> sparse.csr_array:
    """bool [U, I]: what each user of `data` ever bought according to `table`, in the vocabularies of `data`."""
    rows = table.filter(pc.equal(table["event_type"], "purchase"))
    user = pc.fill_null(pc.index_in(rows["user_id"], value_set=data.users), -1).to_numpy()
    item = pc.fill_null(pc.index_in(rows["item_id"], value_set=data.items), -1).to_numpy()
    known = (user >= 0) & (item >= 0)
    shape = (len(data.users), len(data.items))
    matrix = sparse.csr_array((np.ones(known.sum(), dtype=bool), (user[known], item[known])), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _pairs(table: pa.Table) -> pa.Table:
    return table.select(["user_id", "item_id"]).group_by(["user_id", "item_id"]).aggregate([])
