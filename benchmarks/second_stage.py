"""The second stage, propensity and next basket on a landed shop, on 28 days that nothing was learned from.

    .venv/bin/python -m benchmarks.second_stage --data FOLDER_OF_UCI_CSVS --until 2011-09-30
    .venv/bin/python -m benchmarks.second_stage --data complete_journey --until 2017-12-27

`models`: blend and ranker as `nightmarket train recommender` trains and judges them, NDCG@10 over users; `minus` is the
difference to the blend, user by user. `propensity_7d`, `propensity_28d`: each model made as the night of the cut-off
makes it, judged on the days after; `saved` is log loss less than the floor's, and `chosen` says which one that night
took by the days before it. `next_basket` likewise, on the first day with a purchase after the cut-off; TIFU-kNN in the
setting of `_tifu.SETTINGS` that reached most on the 28 days before; `gained` is F1@10 above the floor's. Intervals are
95 %, by bootstrap over users.
"""

import json
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _tifu
from benchmarks._measure import watching
from benchmarks._shop import arguments, shop
from models import metrics
from models.calibration import auc, brier, calibration_error, log_loss, resampled
from models.choice import SEED
from models.days import Past
from models.interactions import encode
from models.next_basket import forecast as basket
from models.next_basket.baskets import Candidates, baskets, known_at
from models.propensity import forecast as propensity
from models.propensity.learners import LEARNERS, TABLE
from models.recommender.configs import BLEND, CONFIGS, RANKER
from models.recommender.ranking import top_k
from pipelines import lake
from pipelines.candidates import fit_floors, learn_and_blend
from pipelines.scoring.propensity import visits_by
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER, Choices, Run, begin, transformer_of


def main() -> None:
    parser = arguments("second_stage", __doc__)
    parser.add_argument("--until", type=date.fromisoformat, help="last test day; by default the newest in the lake")
    parser.add_argument("--config", default="base", help="of the transformer in the blend")
    parser.add_argument("--without-ranker", action="store_true", help="only propensity and next basket")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, shop(asked.data, asked.work) as settings:
        until = asked.until or lake.landed_days(settings)[-1]
        cutoff = until - timedelta(basket.HORIZON)
        answer: dict[str, Any] = {
            "benchmark": "second_stage", "data": asked.data, "cutoff": str(cutoff), "until": str(until),
        }  # fmt: skip
        if not asked.without_ranker:
            answer |= ranked(trained(settings, until, asked.config))
        for horizon in propensity.HORIZONS:
            answer[f"propensity_{horizon}d"] = propensities(settings, cutoff, until, horizon)
        answer["next_basket"] = baskets_after(settings, cutoff, until)
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps(answer), flush=True)


# ---- the second stage ------------------------------------------------------------------------------------------


def trained(settings: Settings, until: date, config: str) -> Run:
    chosen = Choices(config=config)
    run = begin(settings, RECOMMENDER, until, lambda words: print(words, flush=True), chosen)
    fit_floors(run)
    with tempfile.TemporaryDirectory(prefix="second-stage-") as folder:
        learn_and_blend(run, transformer_of(chosen), "auto", Path(folder), lambda row: None)
    return run


def ranked(run: Run) -> dict[str, Any]:
    rows = {}
    floors = {name: values for name, values in run.values().items() if name in CONFIGS}
    best = max(floors, key=lambda name: float(floors[name]["all"].mean()))
    for name in (best, BLEND, RANKER):
        row: dict[str, Any] = {}
        for part, values in run.values()[name].items():
            row[part] = mean(values)
            row[f"{part}_minus"] = minus(values, run.values()[BLEND][part])
        row |= {key: round(value["all"], 4) for key, value in _others(run, name).items() if "all" in value}
        rows[name] = row
    return {
        "users": len(run.split.test_users), "models": rows, "fit_seconds": run.seconds,
        "second_stage": {key: value for key, value in run.learning["second_stage"].items() if key != "calibration"},
    }  # fmt: skip


def _others(run: Run, name: str) -> dict[str, dict[str, float]]:
    return {"coverage": run.results[name].coverage, "calibration_error": run.results[name].calibration}


# ---- propensity ------------------------------------------------------------------------------------------------


def propensities(settings: Settings, cutoff: date, until: date, horizon: int) -> dict[str, Any]:
    visits = visits_by(settings, cutoff)
    past = propensity.Past(visits)
    taken = propensity.forecast(past, horizon)
    users, columns = visits.at(visits.today)
    later = lake.interactions(settings, until, (until - cutoff).days).filter(_bought_by(cutoff + timedelta(horizon)))
    bought = np.isin(np.array(visits.users.take(users).to_pylist()), np.array(later["user_id"].unique().to_pylist()))
    chances = {}
    for name in LEARNERS:
        made = propensity.make(past, name, visits.today, horizon)
        if made is not None:
            chances[name] = made.chance(columns)
    rows: dict[str, Any] = {}
    for name, chance in chances.items():
        rows[name] = {
            "log_loss": mean(log_loss(chance, bought)), "brier": mean(brier(chance, bought)),
            "auc": [round(auc(chance, bought), 4), *_ends(resampled(auc, chance, bought, SEED))],
            "calibration_error": [
                round(calibration_error(chance, bought), 4), *_ends(resampled(calibration_error, chance, bought, SEED)),
            ],
            "saved": minus(log_loss(chances[TABLE], bought), log_loss(chance, bought)),
            "chosen": name == taken.model, "users": len(users), "bought": round(float(bought.mean()), 4),
        }  # fmt: skip
        print(f"propensity {horizon} days, {name}: {rows[name]}", flush=True)
    return rows


def _bought_by(last: date) -> Any:
    import pyarrow.compute as pc

    return (pc.field("event_type") == "purchase") & (pc.field("event_date") <= last)


# ---- next basket -----------------------------------------------------------------------------------------------


def baskets_after(settings: Settings, cutoff: date, until: date) -> dict[str, Any]:
    data = encode(lake.sequences(settings, cutoff, basket.REACH), cutoff)
    taken, then = basket.forecast(data), Past.of(data)
    learned, held_out = (basket.prepared(then, turn * basket.HORIZON) for turn in (2, 1))
    whole = Past.of(encode(lake.interactions(settings, until, basket.REACH + basket.HORIZON), until))
    back = (until - cutoff).days
    test, before = (basket.prepared(whole, days, most=10**9) for days in (back, back + basket.HORIZON))
    if test is None or before is None:
        raise SystemExit(f"too few people have bought after {cutoff}, or before it")
    found = {}
    for name in (basket.FLOOR, basket.TREES):
        made = basket.make(name, learned, held_out)
        if made is not None:
            found[name] = basket.judge(made, test.found, test.bought, test.users, test.size)
    best = max(
        _tifu.SETTINGS,
        key=lambda setting: tifu(whole, back + basket.HORIZON, before, setting)["f1@10"].mean(),
    )
    print(f"tifu_knn: validation chose {best}", flush=True)
    found["tifu_knn"] = tifu(whole, back, test, best)
    rows: dict[str, Any] = {}
    for name, values in found.items():
        rows[name] = {metric: mean(values[metric]) for metric in ("recall@10", "f1@10", "recall@20", "f1@20")}
        rows[name]["gained"] = minus(values["f1@10"], found[basket.FLOOR]["f1@10"])
        if name in (basket.FLOOR, basket.TREES):
            rows[name]["calibration_error@20"] = round(calibration_error(values["chance"], values["bought"]), 4)
            rows[name]["size_error"] = mean(np.abs(test.expected - test.size))
        rows[name] |= {"chosen": name == taken.model, "users": len(test.users)}
        print(f"next basket, {name}: {rows[name]}", flush=True)
    size = baskets(known_at(whole, back), test.users).size
    rows["mean_of_the_shop"] = {"size_error": mean(np.abs(size - test.size))}
    return rows


def tifu(past: Past, back: int, asked: basket.Day, setting: _tifu.Tifu) -> dict[str, np.ndarray]:
    """As `next_basket.forecast.judge` judges, over the whole catalogue."""
    after = basket.next_baskets(past, back, basket.HORIZON)
    scores = _tifu.scores(known_at(past, back), asked.users, setting)
    lists = [top_k(scores[n : n + 200].toarray().astype(np.float32), 20)[0] for n in range(0, len(asked.users), 200)]
    items = np.concatenate(lists)
    user = np.repeat(asked.users, items.shape[1])
    hit = np.asarray(after[user, np.maximum(items, 0).ravel()]).ravel().astype(bool)
    columns = np.zeros((len(user), 0), dtype=np.float32)
    return basket.judge(_AsListed(), Candidates(user, items.ravel(), columns), hit, asked.users, asked.size)


class _AsListed:
    """The rows are lists already."""

    def order(self, found: Candidates, chance: np.ndarray) -> np.ndarray:
        return -found.rank.astype(np.float64)

    def chance(self, found: Candidates) -> np.ndarray:
        return np.full(len(found.user), 0.5)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


# ---- numbers ---------------------------------------------------------------------------------------------------


def mean(values: np.ndarray) -> list[float]:
    """The mean and the ends of its interval."""
    return [round(float(values.mean()), 5), *_ends(metrics.bootstrap_interval(values, SEED))]


def minus(values: np.ndarray, other: np.ndarray) -> list[float]:
    return mean(values - other)


def _ends(interval: tuple[float, float]) -> list[float]:
    return [round(end, 5) for end in interval]


if __name__ == "__main__":
    main()
