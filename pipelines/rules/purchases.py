"""Who bought what, how long ago, and what of it must not be shown again yet."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from pipelines import lake
from pipelines.rules.facts import Facts
from pipelines.rules.file import USUAL, Rule
from pipelines.settings import Settings

LOOK_BACK_DAYS = 365
"""How far back `usual` looks."""
LEAST_INTERVALS = 5
"""Fewer intervals between purchases than this say nothing usual, of an item or of its category."""


@dataclass(frozen=True)
class Purchases:
    """Distinct days on which known users bought items, P of them, by user, item and day. `items` holds every item
    bought, the vocabulary of the night first.
    """

    items: pa.Array  # string [J]
    user: np.ndarray  # int64 [P], index into the users of the night
    item: np.ndarray  # int64 [P], index into items
    ago: np.ndarray  # int64 [P], days before the night

    def last(self) -> "Purchases":
        """Only each user's last day with an item."""
        newest = np.ones(len(self.user), dtype=bool)
        newest[:-1] = (np.diff(self.user) != 0) | (np.diff(self.item) != 0)
        return Purchases(self.items, self.user[newest], self.item[newest], self.ago[newest])

    def usual_days(self, category: np.ndarray) -> np.ndarray:
        """int64 [J]: the usual number of days between two purchases of an item by one customer; -1 where not known.

        The lower median over the customers' intervals of the last 365 days; that of the item's category (int [J], -1
        is none) where there are fewer than 5 of the item itself.
        """
        recent = self.ago < LOOK_BACK_DAYS
        user, item, ago = self.user[recent], self.item[recent], self.ago[recent]
        again = (np.diff(user) == 0) & (np.diff(item) == 0)
        days, of = -np.diff(ago)[again], item[1:][again]
        own = _lower_medians(of, days, len(self.items))
        groups = int(category.max(initial=-1)) + 1
        of_category = np.append(_lower_medians(category[of], days, groups), -1)
        return np.where(own >= 0, own, of_category[category])


def purchases(settings: Settings, night: date, days: int, users: pa.Array, items: pa.Array) -> Purchases:
    """What is known at the end of the night of the last `days` days."""
    events = lake.interactions(settings, night, days)
    events = events.filter(pc.equal(events["event_type"], "purchase"))
    bought = events.select(["user_id", "item_id", "event_date"]).group_by(["user_id", "item_id", "event_date"])
    rows = bought.aggregate([]).combine_chunks()
    everything = pc.unique(pa.chunked_array([items, rows["item_id"].combine_chunks()]))
    user = pc.index_in(rows["user_id"], value_set=users).combine_chunks()
    item = pc.index_in(rows["item_id"], value_set=everything).to_numpy().astype(np.int64)
    day = pc.cast(rows["event_date"], pa.int32()).to_numpy().astype(np.int64)
    ago = (night - date(1970, 1, 1)).days - day
    known = pc.is_valid(user).to_numpy(zero_copy_only=False)
    user = pc.fill_null(user, 0).to_numpy().astype(np.int64)[known]
    item, ago = item[known], ago[known]
    order = np.lexsort((-ago, item, user))
    return Purchases(everything, user[order], item[order], ago[order])


@dataclass(frozen=True)
class NotAgain:
    """What one rule keeps from customers: single items, and all items of groups."""

    rule: int
    pairs: sparse.csr_array  # bool [U, I]
    groups: sparse.csr_array | None  # bool [U, G]
    group: np.ndarray  # int32 [I], -1 is none

    def masked(self, users: np.ndarray) -> sparse.csr_array:
        """bool [users, I]"""
        hidden = self.pairs[users]
        if self.groups is None:
            return hidden
        held = self.group >= 0
        shape = (self.groups.shape[1], len(self.group))
        of = sparse.csr_array((np.ones(held.sum(), bool), (self.group[held], np.flatnonzero(held))), shape=shape)
        return ((hidden.astype(np.int32) + self.groups[users].astype(np.int32) @ of.astype(np.int32)) > 0).tocsr()

    @property
    def customers(self) -> int:
        """How many the rule keeps anything from."""
        kept = np.diff(self.pairs.indptr) > 0
        if self.groups is not None:
            kept |= np.diff(self.groups.indptr) > 0
        return int(kept.sum())

    @property
    def items(self) -> np.ndarray:
        """bool [I]: what is kept from anybody."""
        kept = np.zeros(len(self.group), dtype=bool)
        kept[self.pairs.indices] = True
        if self.groups is not None:
            kept |= (self.group >= 0) & np.isin(self.group, self.groups.indices)
        return kept


def not_again(rule: Rule, number: int, bought: Purchases, facts: Facts, members: np.ndarray, items: int) -> NotAgain:
    """`facts` are of `bought.items`, of which the first `items` are the night's; `members` bool [U]."""
    last = bought.last()
    if rule.count == USUAL:
        usual = bought.usual_days(facts.groups("category", None))[last.item]
        early = (last.ago < LOOK_BACK_DAYS) & ((usual < 0) | (last.ago < usual))
    else:
        early = last.ago < rule.count
    early &= members[last.user] & facts.named(rule.where)[last.item]
    user, item = last.user[early], last.item[early]
    of_night = item < items
    pairs = _pairs(user[of_night], item[of_night], (len(members), items))
    if rule.each in (None, "item"):
        return NotAgain(number, pairs, None, np.full(items, -1, np.int32))
    group = facts.groups(rule.each, rule.where)
    grouped = group[item] >= 0
    held = _pairs(user[grouped], group[item[grouped]], (len(members), int(group.max(initial=-1)) + 1))
    return NotAgain(number, pairs, held, group[:items])


def days_needed(rules: tuple[Rule, ...]) -> int:
    """How many days of purchases these rules look back on; 0 where none does."""
    return max((LOOK_BACK_DAYS if r.count == USUAL else r.count for r in rules if r.kind == "repurchase"), default=0)


def _pairs(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    found = sparse.csr_array((np.ones(len(row), dtype=bool), (row, column)), shape=shape)
    found.sum_duplicates()
    return found


def _lower_medians(group: np.ndarray, value: np.ndarray, groups: int) -> np.ndarray:
    """int64 [groups]: the lower median of each group's values; -1 where there are too few."""
    order = np.lexsort((value, group))
    group, value = group[order], value[order]
    start = np.searchsorted(group, np.arange(groups), "left")
    count = np.searchsorted(group, np.arange(groups), "right") - start
    enough = count >= LEAST_INTERVALS
    found = np.full(groups, -1, dtype=np.int64)
    found[enough] = value[(start + (count - 1) // 2)[enough]]
    return found
