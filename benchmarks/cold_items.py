"""New items and people with a past: who buys which of the items that a shop did not have four weeks ago.

    .venv/bin/python -m benchmarks.cold_items --data FOLDER_OF_UCI_CSVS
    .venv/bin/python -m benchmarks.cold_items --data SHOP.yaml --towers base

**Cold items** are those whose first event of a known user lies in the 28 days to `--until`; nothing of these days is
learned from. The catalogue says what they are (the newest text delivered by `--until`; UCI makes it from receipts).
**Users** have an event in the 180 days before and buy a cold item afterwards; the cold items they buy are relevant, the
list is of the cold items alone; Recall@20 and NDCG@20 are means over users, intervals 95 % by bootstrap over users, and
`blend_minus` is the blend less a model, user by user. The blend's weights are learned in the same way at up to four
moments, 28 days apart, that lie before (`models.recommender.cold_blend`).

`at_cutoff`: nobody has had any of the items, so there is no popularity of their own; `popular_alike_SPACE` is what the
items that they are like sold in the last 28 days. `night_by_night`: each user is judged once, by what was known at the
end of the day before they first bought a cold item; `popular` is the number of people who had each by then,
`popular_7_days` of those in the last week, and the blend knows the second as well. Other baselines: `random`;
`SPACE_knn`, what a user's past gives to the items that a new one is like; `newcomers`, the wishes of the rule in
`models.recommender.newcomers`. Spaces are the words of the feed, an encoder's vectors of title, brand and category, and
any that `--vectors` brings: a Parquet file of item_id, modality, vector. With `--towers` a space of pictures, texts and
sounds (`models.multimodal`) is learned of the catalogue and the purchases known at the first moment that the blend
learns from, so neither the cold items nor those of the earlier moments are in it; its readings of pictures and sounds
are spaces, too.

`warm`: lists of the starter (`models.recommender.saved`) of all who bought anything, with two places for cold items, as
a night places newcomers, filled by the blend at the cut-off (`learned`) or by the rule, and without: NDCG@10 and @20
over everything that was bought, and how many of the cold items that a list holds its reader bought.
"""

import json
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from benchmarks._measure import watching
from benchmarks._shop import arguments, shop
from models import metrics
from models.interactions import Interactions
from models.multimodal.configs import CONFIGS, Config
from models.multimodal.learning import Products
from models.multimodal.learning import learn as learn_space
from models.nlp.search.catalogue import Catalogue
from models.nlp.search.encoders import encoder_for, unit
from models.recommender import popular
from models.recommender.cold import CROWD, WORDS, Modality, sales_alike
from models.recommender.cold_blend import Cohort, ColdBlend, learn
from models.recommender.cold_places import LearnedNewcomers
from models.recommender.cold_window import DAYS, WEEK, Window, first_seen, window
from models.recommender.configs import Popular
from models.recommender.newcomers import Newcomers, newcomers, placed
from models.recommender.ranking import rank_users, top_k
from models.recommender.saved import starter
from models.split import bought
from pipelines import lake
from pipelines.catalogue import described
from pipelines.settings import Settings
from pipelines.vectors.training import bought_together, catalogue

TRAINING, COHORTS, K, PLACES = 180, 4, 20, 2
SEED = 20_180_101
TEXT, BLEND = "text", "blend"
Vectors = dict[str, tuple[pa.Array, np.ndarray]]
"""By space: item ids [n], and rows of length 1, or zeros, float32 [n, d]."""


def main() -> None:
    parser = arguments("cold_items", __doc__)
    parser.add_argument("--until", type=date.fromisoformat, help="last day; by default the newest in the lake")
    parser.add_argument("--vectors", type=Path, help="a Parquet file of item_id, modality, vector")
    parser.add_argument("--towers", choices=CONFIGS, help="learn a space of pictures and sounds, with these settings")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, shop(asked.data, asked.work) as settings:
        until = asked.until or lake.landed_days(settings)[-1]
        more = given(asked.vectors) if asked.vectors else {}
        if asked.towers:
            more |= towers(settings, until, CONFIGS[asked.towers])
        found = measure(settings, until, more)
    answer = {
        "benchmark": "cold_items", "data": asked.data, "until": str(until), **found,
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def measure(settings: Settings, until: date, more: Vectors) -> dict[str, Any]:
    known, moments = Known.of(settings, until, more), moments_before(until)
    test = known.window(moments[0])
    if test is None:
        raise SystemExit(f"too few items were first seen in the {DAYS} days to {until}, or too few people bought them")
    earlier = [found for day in moments[1:] if (found := known.window(day)) is not None]
    result: dict[str, Any] = {
        "cutoff": str(moments[0]), "cold_items": len(test.cold.items), "users": len(test.users),
        "learned_at": [str(one.data.as_of) for one in earlier], "spaces": known.names,
        "known": {one.name: round(float(one.known.mean()), 3) for one in test.cold.likeness},
    }  # fmt: skip
    for name, nightly in (("at_cutoff", False), ("night_by_night", True)):
        blends, scores = scored(test, earlier, nightly)
        result[name] = {"weights": blends[BLEND].weights, "models": judged(test, scores, name)}
        if not nightly:
            result["warm"] = warm_lists(known, test, blends[BLEND])
    return result


def moments_before(until: date) -> list[date]:
    """The cut-off, and the moments before it that are learned from."""
    return [until - timedelta(DAYS * back) for back in range(1, COHORTS + 2)]


# ---- what is known -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """Of a shop up to a day: its events, its catalogue, and vectors of its items by space."""

    settings: Settings
    events: pa.Table
    products: pa.Table
    vectors: Vectors
    names: dict[str, str]

    @staticmethod
    def of(settings: Settings, until: date, more: Vectors) -> "Known":
        products = lake.products(settings, until)
        table = products.select(["item_id", "title", "brand"]).append_column("category", products["category_path"])
        texts = Catalogue.of(table)
        encoder = encoder_for(texts.spoken())
        ids = products["item_id"].combine_chunks()
        found = {TEXT: (ids, encoder.encode(texts.spoken()))}
        names = {WORDS: "words and letter groups of the feed", TEXT: encoder.name}
        names |= {name: f"{rows.shape[1]} numbers of {len(ids)} items" for name, (ids, rows) in more.items()}
        return Known(settings, lake.interactions(settings, until), products, found | more, names)

    def window(self, day: date) -> Window | None:
        past = lake.interactions(self.settings, day, TRAINING)
        return window(past, self.events, day, first_seen(self.events), self._described, self._spaces)

    def _described(self, data: Interactions) -> Interactions:
        return described(data, self.products)

    def _spaces(self, data: Interactions) -> list[Modality]:
        return [Modality.of(name, data.items, ids, rows) for name, (ids, rows) in self.vectors.items()]


def towers(settings: Settings, until: date, config: Config) -> Vectors:
    """What the towers for pictures and sounds make of every item known at the end, learned at the first moment."""
    begun = lake.landed_days(settings)[0]
    day = min(moment for moment in moments_before(until) if moment - timedelta(DAYS) >= begun)
    size, seconds = config.pictures.size, config.sounds.seconds
    before, now = (catalogue(settings, one, size, seconds) for one in (day, until))
    pairs = bought_together(settings, day, before.items)
    with tempfile.TemporaryDirectory() as folder:
        products = Products(before.media, before.labels, pairs)
        learned = learn_space(products, config, "auto", Path(folder), lambda row: print(f"{day}: {row}", flush=True))
    heard = learned.space.heard(now.media)
    return {kind: (now.items, heard[kind].vectors) for kind in heard if kind != TEXT}


def given(path: Path) -> Vectors:
    """By modality, the vectors of a Parquet file brought to length 1."""
    table = pq.read_table(path)
    if missing := {"item_id", "modality", "vector"} - set(table.column_names):
        raise SystemExit(f"--vectors {path}: no column {', '.join(sorted(missing))}")
    found = {}
    for name in sorted(table["modality"].unique().to_pylist()):
        rows = table.filter(pc.equal(table["modality"], name))
        vectors = np.stack([np.asarray(row, np.float32) for row in rows["vector"].to_pylist()])
        found[name] = rows["item_id"].combine_chunks().cast(pa.string()), unit(vectors)
    return found


# ---- models --------------------------------------------------------------------------------------------------


def scored(test: Window, earlier: list[Window], nightly: bool) -> tuple[dict[str, ColdBlend], dict[str, np.ndarray]]:
    """The blends, of all spaces and of each vector space with the words, and float [B, C] of every model."""
    names, signals = test.cold.names, test.signals(nightly)
    cohorts = [one.cohort(nightly) for one in earlier]
    words = [one.name for one in test.cold.likeness if one.name == WORDS]
    dense = [one.name for one in test.cold.likeness if one.name != WORDS]
    kept_spaces = [*([words] if words else []), *([*words, one] for one in dense if len(dense) > 1), dense]
    subsets = {BLEND: tuple(names)} | {
        f"{BLEND}_{'_'.join(kept)}": tuple(name for name in names if name == CROWD or _space(name) in kept)
        for kept in kept_spaces
    }
    blends, scores = {}, {}
    for label, kept in subsets.items():
        columns = [names.index(name) for name in kept if nightly or name != CROWD]
        narrow = [Cohort(one.signals[:, :, columns], one.bought) for one in cohorts]
        chosen = [names[column] for column in columns]
        blends[label] = learn(narrow, chosen)
        scores[label] = blends[label].scores(chosen, signals[:, :, columns])
    return blends, scores | baselines(test, signals, nightly)


def _space(signal: str) -> str:
    return signal.rsplit("_", 1)[0]


def baselines(test: Window, signals: np.ndarray, nightly: bool) -> dict[str, np.ndarray]:
    shape, names = test.bought.shape, test.cold.names
    found = {"random": np.random.default_rng(SEED).random(shape)}
    for one in test.cold.likeness:
        found[f"{one.name}_knn"] = signals[:, :, names.index(f"{one.name}_near")]
        found[f"popular_alike_{one.name}"] = np.broadcast_to(sales_alike(test.data, test.cold, one.name), shape)
    rule = by_rule(test)
    if len(rule.items):
        found["newcomers"] = rule.wishes(test.data, test.users).toarray()
    if nightly:
        found |= {"popular": test.crowd(DAYS), "popular_7_days": test.crowd(WEEK)}
    return found


# ---- numbers -------------------------------------------------------------------------------------------------


def judged(test: Window, scores: dict[str, np.ndarray], way: str) -> dict[str, Any]:
    """Recall@20 and NDCG@20 of each model, and what the blend has over it."""
    relevant = test.bought.sum(axis=1)
    values = {}
    for name, one in scores.items():
        top, _ = top_k(np.ascontiguousarray(one, dtype=np.float32), K)
        hits = np.take_along_axis(test.bought, np.maximum(top, 0), 1) & (top >= 0)
        values[name] = {"recall@20": metrics.recall(hits, relevant), "ndcg@20": metrics.ndcg(hits, relevant)}
    rows = {}
    for name, found in values.items():
        rows[name] = {metric: mean(value) for metric, value in found.items()}
        rows[name]["blend_minus"] = {metric: mean(values[BLEND][metric] - value) for metric, value in found.items()}
        print(f"{way}, {name}: {rows[name]}", flush=True)
    return rows


def warm_lists(known: Known, test: Window, blend: ColdBlend) -> dict[str, Any]:
    """Lists of all with a past who bought anything afterwards, with and without places for the cold items."""
    data, everything = test.data, np.ones(len(test.data.items), dtype=bool)
    after = bought(known.events.filter(pc.greater(known.events["event_date"], pa.scalar(data.as_of))), data)
    users = np.flatnonzero((np.diff(after.indptr) > 0) & (np.diff(data.offsets) > 0))
    fill = popular.fit(data, Popular()).order
    learned = LearnedNewcomers(test.cold, blend, np.zeros(len(test.cold.items)))
    lists: dict[str, list[np.ndarray]] = {"without": [], "learned": [], "rule": []}
    for block in rank_users(starter(data)[1], data, users, K, fill, everything):
        lists["without"].append(block.items)
        for way, wanted in (("learned", learned), ("rule", by_rule(test))):
            lists[way].append(placed(block, data, wanted, everything, None, PLACES)[0].items)
    values = {way: listed(np.concatenate(found), after[users], test.cold.items) for way, found in lists.items()}
    result: dict[str, Any] = {"users": len(users)}
    for way, row in values.items():
        result[way] = {name: mean(value) for name, value in row.items()}
        result[way]["minus_without"] = {name: mean(row[name] - values["without"][name]) for name in row}
    result["learned"]["minus_rule"] = {name: mean(values["learned"][name] - values["rule"][name]) for name in row}
    return result


def listed(top: np.ndarray, after: sparse.csr_array, cold: np.ndarray) -> dict[str, np.ndarray]:
    """Of lists int [B, K]: NDCG@10 and @20, and how many of the cold items in it each user bought."""
    row = np.repeat(np.arange(len(top)), top.shape[1])
    hits = np.asarray(after[row, np.maximum(top, 0).ravel()]).reshape(top.shape).astype(bool) & (top >= 0)
    found = {f"ndcg@{k}": metrics.ndcg(hits[:, :k], np.diff(after.indptr)) for k in (10, K)}
    return found | {"cold_hits": (hits & np.isin(top, cold)).sum(axis=1).astype(np.float64)}


def by_rule(test: Window) -> Newcomers:
    fresh = np.zeros(len(test.data.items), dtype=bool)
    fresh[test.cold.items] = True
    return newcomers(test.data, fresh)


def mean(values: np.ndarray) -> list[float]:
    """The mean and the ends of its interval."""
    return [round(float(number), 5) for number in (values.mean(), *metrics.bootstrap_interval(values, SEED))]


if __name__ == "__main__":
    main()
