"""Nights replayed one after the other for `benchmarks.cold_start`."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models import metrics
from models.recommender import popular
from models.recommender.blend import BlendModel
from models.recommender.configs import BLEND, STARTER, Popular
from models.recommender.evaluation import evaluate
from models.recommender.newcomers import placed
from models.recommender.ranking import Ranked, Recommender, rank_users
from models.recommender.saved import Saved, load, refit, starter
from pipelines import lake
from pipelines.lake import FIRST_DELIVERED
from pipelines.scoring.known import Night, known_from
from pipelines.settings import Settings
from pipelines.training import train
from pipelines.training_run import RECOMMENDER, Choices, availability, split_at

HORIZON, K, SEED = 28, 20, 20_110_701
AHEAD = 7
"""Days that the catalogue is ahead of the first sale in the second way of looking at items, one night in as many."""
Bought = dict[str, set[str]]
"""Items by user."""
POPULAR, WITH, WITHOUT = "popular_7_days", "with_places", "without"


def measure(settings: Settings, first: date, nights: int, config: str) -> dict[str, Any]:
    trained = train(settings, RECOMMENDER, first - timedelta(1), choices=Choices(config=config))
    champion = load(settings.models / RECOMMENDER / trained["versions"][BLEND])
    events = lake.interactions(settings, lake.landed_days(settings)[-1])
    begins = dict(zip(*_first_days(events), strict=True))
    users, items = Users(), {"as_delivered": Items(), "ahead": Items()}
    for number in range(nights):
        night = first + timedelta(number)
        later, products = _bought(events, night), lake.products(settings, night)
        scored = Scored.of(settings, champion, night, products)
        users.see(scored, later, {user for user, day in begins.items() if day == night})
        if len(scored.known.newcomers.items):
            items["as_delivered"].see(settings, scored, later)
            if number % AHEAD == 0:
                scored = Scored.of(settings, champion, night, _ahead(settings, night, products))
                items["ahead"].see(settings, scored, later)
        print(f"{night}: {len(users.values[POPULAR])} new users so far", file=sys.stderr, flush=True)
    return {
        "from": str(first), "nights": nights, "weights": trained["learning"]["weights"],
        "before_the_first_champion": _unlearned(settings, trained), "new_users": users.summary(),
        "new_items": {name: one.summary(name) for name, one in items.items() if one.nights},
    }  # fmt: skip


def _unlearned(settings: Settings, trained: dict[str, Any]) -> dict[str, Any]:
    """NDCG@10 of all test users of the training run: the starter, and the floors it is made of."""
    cutoff, until = date.fromisoformat(trained["cutoff"]), date.fromisoformat(trained["until"])
    split = split_at(settings, cutoff, until)
    available = availability(lake.products(settings, cutoff), split.train.items, cutoff)
    _, model = starter(split.train)
    found = {STARTER: model, **model.parts}
    rows = {name: evaluate(one, split, available).rows() for name, one in found.items()}
    return {
        f"{name}, {part}": {key: round(float(row[key] or 0), 4) for key in ("value", "low", "high")}
        for name, all_of_it in rows.items()
        for part in ("all", "new_users")
        for row in all_of_it
        if (row["metric"], row["slice"]) == ("ndcg@10", part)
    }


@dataclass(frozen=True)
class Scored:
    """A night as `nightmarket score` sees it: what is known, the champion brought up to it, the popular list."""

    known: Night
    model: Recommender
    fill: popular.PopularModel

    @staticmethod
    def of(settings: Settings, champion: Saved, night: date, products: pa.Table) -> "Scored":
        known = known_from(settings, night, products)
        _, model = refit(champion.config, champion.model, known.data)
        return Scored(known, model, popular.fit(known.data, Popular()))


def _first_days(events: pa.Table) -> tuple[list[str], list[date]]:
    found = events.group_by("user_id").aggregate([("event_date", "min")])
    return found["user_id"].to_pylist(), found["event_date_min"].to_pylist()


def _bought(events: pa.Table, night: date) -> Bought:
    """What each user buys in the days after the night."""
    day = events["event_date"]
    inside = pc.and_(pc.greater(day, pa.scalar(night)), pc.less_equal(day, pa.scalar(night + timedelta(HORIZON))))
    rows = events.filter(pc.and_(inside, pc.equal(events["event_type"], "purchase")))
    found: dict[str, set[str]] = defaultdict(set)
    for user, item in zip(rows["user_id"].to_pylist(), rows["item_id"].to_pylist(), strict=True):
        found[user].add(item)
    return found


def _ahead(settings: Settings, night: date, products: pa.Table) -> pa.Table:
    """The catalogue as if each item had been delivered `AHEAD` days before it was."""
    coming = lake.products(settings, night + timedelta(AHEAD))
    coming = coming.filter(pc.greater(coming[FIRST_DELIVERED], pa.scalar(night)))
    both = pa.concat_tables([products, coming])
    founded = pc.min(products[FIRST_DELIVERED])
    days = pc.subtract(both[FIRST_DELIVERED].cast(pa.int32()), pa.scalar(AHEAD, pa.int32()))
    earlier = days.cast(pa.date32())
    earlier = pc.if_else(pc.equal(both[FIRST_DELIVERED], founded), founded, earlier)
    return both.set_column(both.schema.get_field_index(FIRST_DELIVERED), FIRST_DELIVERED, earlier)


def hits_of(items: np.ndarray, names: np.ndarray, relevant: list[set[str]]) -> np.ndarray:
    """bool [B, k]."""
    return np.array(
        [[item >= 0 and names[item] in wanted for item in row] for row, wanted in zip(items, relevant, strict=True)],
        dtype=bool,
    ).reshape(items.shape)


@dataclass
class Users:
    """NDCG@10 of the first list of each new user who bought something in the days after, by model."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    new: int = 0
    events: list[int] = field(default_factory=list)

    def see(self, scored: Scored, later: Bought, new: set[str]) -> None:
        known, model = scored.known, scored.model
        names = np.array(known.data.users.to_pylist())
        self.new += len(new)
        users = np.flatnonzero(np.isin(names, sorted(new & later.keys())))
        if not len(users):
            return
        wanted = [later[name] for name in names[users]]
        items = np.array(known.data.items.to_pylist())
        sizes = np.array([len(one) for one in wanted])
        self.events += np.diff(known.data.offsets)[users].tolist()
        parts = model.parts if isinstance(model, BlendModel) else {}
        for name, one in {**parts, BLEND: model, STARTER: starter(known.data)[1]}.items():
            blocks = rank_users(one, known.data, users, 10, scored.fill.order, known.available, known.seen)
            listed = np.concatenate([block.items for block in blocks])
            self.values[name] += metrics.ndcg(hits_of(listed, items, wanted), sizes).tolist()

    def summary(self) -> dict[str, Any]:
        base = np.array(self.values[POPULAR])
        return {
            "new": self.new, "came_back": len(base), "median_events": float(np.median(self.events or [0])),
            "models": {name: _against(np.array(values), base) for name, values in self.values.items()},
        }  # fmt: skip


def _against(values: np.ndarray, base: np.ndarray) -> dict[str, float]:
    low, high = metrics.paired_interval(values, base, SEED)
    named = {"ndcg@10": values.mean(), "minus_popular": (values - base).mean(), "low": low, "high": high}
    return {name: round(float(value), 4) for name, value in named.items()}


@dataclass
class Items:
    """By way of making lists: purchases of newcomers that a list foresaw; what the lists of all users are worth."""

    wanted: int = 0
    found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    value: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    given: int = 0
    given_hits: int = 0
    begin: dict[str, date] = field(default_factory=dict)
    shown: dict[str, dict[str, date]] = field(default_factory=lambda: defaultdict(dict))
    newcomers: int = 0
    nights: int = 0

    def see(self, settings: Settings, scored: Scored, later: Bought) -> None:
        known, model, fill = scored.known, scored.model, scored.fill
        names, items = np.array(known.data.users.to_pylist()), np.array(known.data.items.to_pylist())
        history = np.diff(known.data.offsets) > 0
        users = np.flatnonzero(history)
        new = np.zeros(len(items), dtype=bool)
        new[known.newcomers.items] = True
        self.newcomers, self.nights = self.newcomers + int(new.sum()), self.nights + 1
        for item in items[new]:
            self.begin.setdefault(item, known.day)
        popular_list = fill.order[known.available[fill.order]][:K]
        for block in rank_users(model, known.data, users, K, fill.order, known.available, known.seen):
            lists, where = placed(
                block, known.data, known.newcomers, known.available, known.seen, settings.new_item_places
            )
            crowd = np.tile(popular_list, (len(block.users), 1))
            ways = {WITHOUT: block.items, WITH: lists.items, POPULAR: crowd}
            for way in (WITH, WITHOUT):
                for item in items[np.unique(ways[way][new[ways[way]] & (ways[way] >= 0)])]:
                    self.shown[way].setdefault(item, known.day)
            self._judge(known, block, ways, where, names, items, new, later)

    def _judge(
        self,
        known: Night,
        block: Ranked,
        ways: dict[str, np.ndarray],
        where: np.ndarray,
        names: np.ndarray,
        items: np.ndarray,
        new: np.ndarray,
        later: Bought,
    ) -> None:
        asked = np.flatnonzero([name in later for name in names[block.users]])
        wanted = [later[name] for name in names[block.users[asked]]]
        fresh_names = set(items[new])
        had = [set(items[i]) for i in _histories(known, block.users[asked])]
        unseen = [(one & fresh_names) - own for one, own in zip(wanted, had, strict=True)]
        self.wanted += sum(map(len, unseen))
        sizes = np.array([len(one) for one in wanted])
        for way, lists in ways.items():
            hits = hits_of(lists[asked], items, wanted)
            self.found[way] += int(hits_of(lists[asked], items, unseen).sum())
            for k in (10, 20):
                for user, value in zip(names[block.users[asked]], metrics.ndcg(hits[:, :k], sizes), strict=True):
                    self.value[f"ndcg@{k} {way}"][user].append(value)
            for user, count in zip(names[block.users[asked]], hits.sum(axis=1), strict=True):
                self.value[f"hits@20 {way}"][user].append(count)
            if way == WITH:
                self.given += int(where[asked].sum())
                self.given_hits += int((hits & where[asked]).sum())

    def summary(self, name: str) -> dict[str, Any]:
        cost = {}
        for metric in ("ndcg@10", "ndcg@20", "hits@20"):
            ways = [self.value[f"{metric} {way}"] for way in (WITH, WITHOUT)]
            mean = [np.array([np.mean(way[user]) for user in sorted(way)]) for way in ways]
            low, high = metrics.paired_interval(*mean, SEED)
            cost[metric] = {
                "with": round(float(mean[0].mean()), 5), "without": round(float(mean[1].mean()), 5),
                "difference": round(float((mean[0] - mean[1]).mean()), 5), "low": round(low, 5), "high": round(high, 5),
            }  # fmt: skip
        return {
            "newcomers_a_night": round(self.newcomers / self.nights, 1), "purchases": self.wanted,
            "recall@20": {way: round(self.found[way] / max(1, self.wanted), 4) for way in (WITH, WITHOUT, POPULAR)},
            "places": self.given, "hits_a_place": round(self.given_hits / max(1, self.given), 4),
            "all_users": cost,
            **({"nights_until_shown": {way: self._waited(way) for way in (WITH, WITHOUT)}} if name != "ahead" else {}),
        }  # fmt: skip

    def _waited(self, way: str) -> dict[str, Any]:
        """Of items that became newcomers in the nights after the first: nights until a list held them."""
        start = min(self.begin.values())
        came = {item: day for item, day in self.begin.items() if day > start}
        waits = [(self.shown[way][item] - day).days for item, day in came.items() if item in self.shown[way]]
        return {
            "items": len(came), "same_night": round(sum(wait == 0 for wait in waits) / max(1, len(came)), 4),
            "never": round(1 - len(waits) / max(1, len(came)), 4),
            "median_of_shown": float(np.median(waits)) if waits else None,
        }  # fmt: skip


def _histories(known: Night, users: np.ndarray) -> Iterator[np.ndarray]:
    for user in users:
        yield np.unique(known.data.item[known.data.offsets[user] : known.data.offsets[user + 1]])
