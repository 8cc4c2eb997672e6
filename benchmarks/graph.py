"""Look-alikes by the user graph: do the nearest users buy the same things afterwards?

    .venv/bin/python -m benchmarks.graph --data FOLDER_OF_UCI_CSVS --until 2011-09-30
    .venv/bin/python -m benchmarks.graph --data complete_journey

Vectors are learned on the 180 days up to a cut-off 28 days before `--until`. Users are those who bought before and
after it, 2,000 of them at most, drawn; of each, the 20 nearest of the others are its look-alikes. `shared`: the mean
over them of the items that both buy afterwards / that either buys (Jaccard). `shared_new`: the same of items that the
user, who is asked about, did not have in the 180 days. `shared_categories`: of categories, where the feed names any.
Means over users with 95 % intervals by bootstrap; `graph_minus` is the graph less a method, user by user.

Methods: `graph` (`Graph.alike`), `graph_of_nights` (as narrow as in a night), `graph_without_others` (without
categories), `user_vectors` (cosine of the vectors themselves), `lightgcn` (learned by BPR), `purchases` (cosine of what
was bought, each item once), `purchases_recent` (of roots of weights that halve in 120 days), `same_size` (as many
different items before), `random`.

`lists`: for information, Recall@20 and NDCG@20 of all that these users bought afterwards, repeats included, by the
graph, by LightGCN, by item-kNN and by popularity in 7 days.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow.compute as pc
from scipy import sparse

from benchmarks import _lightgcn
from benchmarks._measure import watching
from benchmarks._shop import arguments, shop
from models import metrics
from models.interactions import Interactions, encode
from models.multimodal.graph import GraphConfig, Links, fit
from models.multimodal.links import category_rows
from models.multimodal.lookalike import nearest
from models.recommender import item_knn, popular
from models.recommender.configs import ItemKnn, Popular
from models.recommender.history import Weighting, history_weights
from models.recommender.ranking import top_k
from models.sample import drawn
from models.split import bought
from pipelines import lake
from pipelines.settings import Settings
from pipelines.vectors.people import GRAPH as GRAPH_OF_NIGHTS

TRAINING, HORIZON, K, MOST_USERS = 180, 28, 20, 2000
SEED = 20_180_101
GRAPH = "graph"


def main() -> None:
    parser = arguments("graph", __doc__)
    parser.add_argument("--until", type=date.fromisoformat, help="last day; by default the newest in the lake")
    parser.add_argument("--epochs", type=int, default=40, help="of LightGCN; 0 leaves it out")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, shop(asked.data, asked.work) as settings:
        until = asked.until or lake.landed_days(settings)[-1]
        found = measure(settings, until, asked.epochs)
    answer = {
        "benchmark": "graph", "data": asked.data, "until": str(until), **found,
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def measure(settings: Settings, until: date, epochs: int) -> dict[str, Any]:
    cutoff = until - timedelta(HORIZON)
    data = encode(lake.interactions(settings, cutoff, TRAINING), cutoff)
    later = lake.interactions(settings, until, HORIZON)
    after = bought(later.filter(pc.greater(later["event_date"], cutoff)), data)
    before = bought(lake.interactions(settings, cutoff, TRAINING), data)
    users = drawn(np.flatnonzero((np.diff(before.indptr) > 0) & (np.diff(after.indptr) > 0)), MOST_USERS)
    categories = categories_of(settings, cutoff, data)
    seconds: dict[str, float] = {}
    alike, scores = vectors(data, users, categories, epochs, seconds)
    found = {name: nearest(rows, np.arange(len(users)), K).index for name, rows in alike.items()}
    found |= by_size(np.diff(before.indptr)[users])
    had, then = (one[users].astype(np.float32) for one in (before, after))
    values = {
        name: {"shared": shared(then, None, who), "shared_new": shared(then, had, who)} for name, who in found.items()
    }
    if categories is not None:
        kinds = sparse.csr_array(then @ categories.T)
        kinds.data[:] = 1
        for name, who in found.items():
            values[name]["shared_categories"] = shared(kinds, None, who)
    return {
        "cutoff": str(cutoff), "users": len(users), "items": len(data.items), "look_alikes": K,
        "methods": compared(values), "lists": lists(scores, then), "fit_seconds": seconds,
    }  # fmt: skip


def categories_of(settings: Settings, day: date, data: Interactions) -> sparse.csr_array | None:
    products = lake.products(settings, day)
    row = pc.index_in(data.items, value_set=products["item_id"].combine_chunks())
    return category_rows(products["category_path"].combine_chunks().take(row))


def vectors(
    data: Interactions, users: np.ndarray, categories: sparse.csr_array | None, epochs: int, seconds: dict[str, float]
) -> tuple[dict[str, np.ndarray], dict[str, Callable[[np.ndarray], np.ndarray]]]:
    """By method: vectors of the users, and what scores items for those at some places among them."""
    once, recent = Weighting(power=0.0), Weighting(half_life_days=120.0, power=0.5)
    alike: dict[str, np.ndarray] = {}
    scores: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    started = time.monotonic()
    graph = fit(data, GraphConfig(), Links(categories=categories))
    own = graph.users(data, users)
    seconds[GRAPH] = round(time.monotonic() - started, 1)
    alike |= {GRAPH: graph.alike(own), "user_vectors": own}
    nightly = fit(data, GRAPH_OF_NIGHTS, Links(categories=categories))
    alike["graph_of_nights"] = nightly.alike(nightly.users(data, users))
    scores[GRAPH] = lambda rows: graph.foreseen(own[rows]) @ graph.items.T
    if categories is not None:
        plain = fit(data, GraphConfig())
        alike["graph_without_others"] = plain.alike(plain.users(data, users))
    if epochs:
        started = time.monotonic()
        people, items = _lightgcn.learn(history_weights(data, np.arange(len(data.users)), once), epochs)
        seconds["lightgcn"] = round(time.monotonic() - started, 1)
        alike["lightgcn"] = people[users]
        scores["lightgcn"] = lambda rows: people[users[rows]] @ items.T
    for name, weighting in (("purchases", once), ("purchases_recent", recent)):
        alike[name] = reduced(history_weights(data, users, weighting))
    knn, crowd = item_knn.fit(data, ItemKnn()), popular.fit(data, Popular())
    scores["item_knn"] = lambda rows: knn.scores(data, users[rows])
    scores["popular_7_days"] = lambda rows: crowd.scores(data, users[rows])
    return alike, scores


def reduced(rows: sparse.csr_array) -> np.ndarray:
    """float32 [B, b], b ≤ B: rows with the same products among themselves as these, however many columns those have."""
    squares, turn = np.linalg.eigh((rows @ rows.T).toarray().astype(np.float64))
    return np.asarray(turn * np.sqrt(np.maximum(squares, 0)), dtype=np.float32)


def by_size(size: np.ndarray) -> dict[str, np.ndarray]:
    """int [B, K]: users with as many items before, and anybody; not oneself."""
    draw, users = np.random.default_rng(SEED), len(size)
    tie = draw.random(users)
    same = [np.lexsort((tie, np.abs(size - size[one])))[: K + 1] for one in range(users)]
    anybody = [draw.permutation(users)[: K + 1] for _ in range(users)]
    return {
        name: np.array([row[row != one][:K] for one, row in enumerate(rows)])
        for name, rows in (("same_size", same), ("random", anybody))
    }


def shared(then: sparse.csr_array, had: sparse.csr_array | None, who: np.ndarray) -> np.ndarray:
    """float64 [B]: mean over look-alikes `who` [B, K] of |own ∩ theirs| / |own ∪ theirs|; −1 in `who` shares nothing.

    `then` 0/1 [B, I]; where `had` is given, only of items that the user did not have. NaN where nothing is left.
    """
    new = then if had is None else sparse.csr_array(then - then.multiply(had))
    new.eliminate_zeros()
    both = (new @ then.T).toarray()
    theirs = np.diff(then.indptr)[None, :] - (0 if had is None else (had @ then.T).toarray())
    own = np.diff(new.indptr)[:, None]
    overlap = both / np.maximum(own + theirs - both, 1)
    value = np.where(who >= 0, np.take_along_axis(overlap, np.maximum(who, 0), 1), 0).mean(axis=1)
    return np.where(own[:, 0] > 0, value, np.nan)


def compared(values: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    rows = {}
    for name, found in values.items():
        rows[name] = {
            metric: {"value": mean(value), "graph_minus": mean(values[GRAPH][metric] - value)}
            for metric, value in found.items()
        }
        print(f"{name}: {rows[name]}", flush=True)
    return rows


def lists(scores: dict[str, Callable[[np.ndarray], np.ndarray]], then: sparse.csr_array) -> dict[str, Any]:
    relevant, rows = np.diff(then.indptr), {}
    for name, score in scores.items():
        hits = []
        for start in range(0, len(relevant), 250):
            block = np.arange(start, min(start + 250, len(relevant)))
            top, _ = top_k(np.ascontiguousarray(score(block), dtype=np.float32), K)
            hits.append(np.take_along_axis(then[block].toarray() > 0, top.astype(np.int64), 1))
        found = np.concatenate(hits)
        rows[name] = {
            "recall@20": mean(metrics.recall(found, relevant)),
            "ndcg@20": mean(metrics.ndcg(found, relevant)),
        }
        print(f"lists, {name}: {rows[name]}", flush=True)
    return rows


def mean(values: np.ndarray) -> list[float]:
    """The mean over users who have a value, and the ends of its interval."""
    known = values[~np.isnan(values)]
    return [round(float(number), 5) for number in (known.mean(), *metrics.bootstrap_interval(known, SEED))]


if __name__ == "__main__":
    main()
