"""Are the reasons true? What a listed item loses when the item that is named as its reason leaves the history.

    .venv/bin/python -m benchmarks.explanations --data FOLDER_OF_UCI_CSVS --until 2011-09-30

Trains as `nightmarket train recommender` does (28 held-out days, all else before them), draws `--users` of the users
with a history, with a fixed seed, and makes each model's list of 20 for the cut-off day, with reasons. For every place
that names a past item, all events with that item are taken out of the history, and apart from that all events with one
other item of it, drawn at random; the model, its parameters unchanged, scores both shorter histories. Reported, for all
places and by kind of reason: how often the score, the rank, or either fell, by the named and by the random item; their
difference with its 95 % interval, by bootstrap over users; how often the named one costs more ranks than the random
one; how often an item of the first ten left them. A rank is among all available items, filled up as lists are. Users
with a single item in their history are left out: there is no other item to draw. `unnamed` is the share of places that
name no past item, because the crowd carries them.
"""

import json
import os
import time
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from benchmarks._measure import watching
from benchmarks._shop import arguments, shop
from models.interactions import Interactions
from models.metrics import bootstrap_interval
from models.recommender import popular
from models.recommender.configs import Popular
from models.recommender.history import lookup, purchase_counts
from models.recommender.occlusion import without
from models.recommender.ranking import Recommender, rank_users
from models.recommender.saved import load
from pipelines import lake
from pipelines.reasons import REASONS, reason_codes
from pipelines.settings import Settings
from pipelines.training import train
from pipelines.training_run import RECOMMENDER, Choices, availability, split_at

K, TOP, SEED = 20, 10, 20_111_001
BLOCK_CELLS = 4_000_000
FELL = 1e-6
"""A score fell where it lost more than this share of itself: sums in another order differ by less."""


def main() -> None:
    parser = arguments("explanations", __doc__)
    parser.add_argument("--until", type=date.fromisoformat, help="last held-out day; the newest by default")
    parser.add_argument("--config", default="base", help="of the transformer")
    parser.add_argument("--users", type=int, default=300)
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, shop(asked.data, asked.work) as settings:
        found = measure(settings, asked.until, asked.config, asked.users)
    answer = {
        "benchmark": "explanations", "data": asked.data, **found,
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def measure(settings: Settings, until: date | None, config: str, users: int) -> dict[str, Any]:
    trained = train(settings, RECOMMENDER, until, choices=Choices(config=config))
    cutoff = date.fromisoformat(trained["cutoff"])
    split = split_at(settings, cutoff, date.fromisoformat(trained["until"]))
    data = split.train
    available = availability(lake.products(settings, cutoff), data.items, cutoff)
    several = np.array(
        [len(np.unique(data.item[a:b])) > 1 for a, b in zip(data.offsets, data.offsets[1:], strict=False)]
    )
    known = split.test_users[several[split.test_users]]
    drawn = np.sort(np.random.default_rng(SEED).choice(known, min(users, len(known)), replace=False))
    models = {}
    for name, version in trained["versions"].items():
        model = load(settings.models / RECOMMENDER / version).model
        models[name] = judged(model, data, drawn, available)
        print(f"{name:<16} {json.dumps(models[name].get('all'))}", flush=True)
    return {"cutoff": str(cutoff), "users": len(drawn), "models": models}


@dataclass(frozen=True)
class Places:
    """P places of lists that name a past item, before and after it, or another one, is taken out."""

    user: np.ndarray  # int [P]
    code: np.ndarray  # int [P], index into REASONS
    score: np.ndarray  # float [P, 3]: with the whole history, without the named item, without a random other
    rank: np.ndarray  # int [P, 3], likewise; 1 is the best

    def where(self, chosen: np.ndarray) -> "Places":
        return Places(self.user[chosen], self.code[chosen], self.score[chosen], self.rank[chosen])


def judged(model: Recommender, data: Interactions, users: np.ndarray, available: np.ndarray) -> dict[str, Any]:
    fill = popular.fit(data, Popular())
    blocks = rank_users(model, data, users, K, fill.order, available, with_evidence=True)
    draw = np.random.default_rng(SEED)
    named, listed, seconds = [], 0, time.monotonic()
    for block in blocks:
        row, place = np.nonzero(block.items >= 0)
        listed += len(row)
        item, source = block.items[row, place], block.evidence[row, place]
        counts = lookup(purchase_counts(data, block.users), row, np.maximum(source, 0))
        table = np.stack([block.users[row], item, source, reason_codes(item, source, counts, fill)], axis=1)
        named.append(table[source >= 0])
    places = np.concatenate(named)
    seconds = time.monotonic() - seconds
    other = np.array([_other(data, user, source, draw) for user, _, source, _ in places])
    if not len(places):
        return {"places": 0, "unnamed": 1.0}
    found = _measured(model, data, places, other, fill.order, available)
    kinds = {REASONS[code][0]: summary(found.where(found.code == code)) for code in np.unique(found.code)}
    return {
        "unnamed": round(1 - len(places) / listed, 4),
        "list_seconds": round(seconds, 2),
        "all": summary(found),
        "by_reason": kinds,
    }


def _other(data: Interactions, user: int, named: int, draw: np.random.Generator) -> int:
    history = np.unique(data.item[data.offsets[user] : data.offsets[user + 1]])
    return int(draw.choice(history[history != named]))


def _measured(
    model: Recommender,
    data: Interactions,
    places: np.ndarray,
    other: np.ndarray,
    fill: np.ndarray,
    available: np.ndarray,
) -> Places:
    place = np.full(len(data.items), -np.inf, dtype=np.float32)
    place[fill] = -1 - np.arange(len(fill), dtype=np.float32)
    place[~available] = -np.inf
    score, rank = np.zeros((len(places), 3)), np.zeros((len(places), 3), dtype=np.int64)
    size = max(1, BLOCK_CELLS // len(data.items))
    for start in range(0, len(places), size):
        part = slice(start, start + size)
        user, item, source = places[part, 0], places[part, 1], places[part, 2]
        asked, row = np.unique(user, return_inverse=True)
        ways = [model.scores(data, asked)[row]]
        for gone in (source, other[part]):
            ways.append(model.scores(without(data, user, gone), np.arange(len(user))))
        for way, scores in enumerate(ways):
            filled = np.where((scores > 0) & available, scores, place)
            own = filled[np.arange(len(item)), item][:, None]
            ahead = (filled > own) | ((filled == own) & (np.arange(len(place)) < item[:, None]))
            score[part, way] = np.maximum(scores[np.arange(len(item)), item], 0)
            rank[part, way] = 1 + ahead.sum(axis=1)
    return Places(places[:, 0], places[:, 3], score, rank)


def summary(found: Places) -> dict[str, Any]:
    """Shares over places; the interval is of the mean over users of what is the difference within a user."""
    lower = found.score[:, 1:] < found.score[:, :1] * (1 - FELL)
    worse = found.rank[:, 1:] > found.rank[:, :1]
    either = lower | worse
    _, user = np.unique(found.user, return_inverse=True)
    difference = np.bincount(user, either[:, 0].astype(float) - either[:, 1]) / np.bincount(user)
    top = found.rank[:, 0] <= TOP
    left = found.rank[top][:, 1:] > TOP
    low, high = bootstrap_interval(difference, SEED)
    rounded = {
        "lower_score_or_rank": either, "lower_score": lower, "lower_rank": worse, "left_first_ten": left,
    }  # fmt: skip
    shares = {
        name: [round(float(v), 4) for v in value.mean(axis=0)] if len(value) else None
        for name, value in rounded.items()
    }
    return {
        "places": len(found.user), "users": len(difference), **shares,
        "difference": round(float(difference.mean()), 4), "low": round(low, 4), "high": round(high, 4),
        "costs_more_ranks": round(float((found.rank[:, 1] > found.rank[:, 2]).mean()), 4),
        "costs_fewer_ranks": round(float((found.rank[:, 1] < found.rank[:, 2]).mean()), 4),
    }  # fmt: skip


if __name__ == "__main__":
    main()
