"""Every model and the peers on a landed shop under a global time split: 28 days held out, judged by lists of ten.

    .venv/bin/python -m benchmarks.timesplit --data FOLDER_OF_UCI_CSVS --until 2011-09-30
    .venv/bin/python -m benchmarks.timesplit --data complete_journey --until 2017-12-27

Ours are trained as `nightmarket train recommender` trains them: floors on the 180 days before the test days, the
transformer, blend and ranker chosen on the 28 days before those. The peers get the same events, the same repeat policy,
items and fill from the popular list: RecTools' SASRec (2 blocks, 2 heads, 64 factors, length 128, sampled softmax, as
many epochs as `--epochs`), implicit's ALS and item-kNN in the settings of `SETTINGS`, of which the one that reaches
most on the 28 validation days counts, fitted again up to the test days. NDCG@10 and Recall@10 are means over users
with 95 % intervals by bootstrap; `minus` is a model less the blend, user by user.
"""

import json
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._measure import watching
from benchmarks._peers import ask, pins
from benchmarks._shop import arguments, shop
from models import metrics
from models.recommender import popular
from models.recommender.configs import BLEND, EVENT_WEIGHTS, Popular
from models.recommender.evaluation import SEED, K, Result, judge_lists
from models.split import Split
from pipelines import lake
from pipelines.candidates import fit_floors, learn_and_blend
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER, Choices, Run, availability, begin, split_at, transformer_of

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "implicit_als": [
        {"kind": "als", "factors": factors, "regularization": 0.05, "alpha": alpha, "iterations": 15}
        for factors in (64, 128)
        for alpha in (1.0, 10.0, 40.0)
    ],
    "implicit_item_knn": [
        {"kind": kind, "neighbours": neighbours} for kind in ("cosine", "tfidf", "bm25") for neighbours in (20, 100)
    ],
}


def main() -> None:
    parser = arguments("timesplit", __doc__)
    parser.add_argument("--until", type=date.fromisoformat, help="last test day; by default the newest in the lake")
    parser.add_argument("--epochs", type=int, default=10, help="of RecTools' SASRec")
    parser.add_argument("--config", default="base", help="of our transformer")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, shop(asked.data, asked.work) as settings:
        chosen = Choices(config=asked.config)
        run = begin(settings, RECOMMENDER, asked.until, lambda words: print(words, flush=True), chosen)
        fit_floors(run)
        with tempfile.TemporaryDirectory(prefix="timesplit-") as folder:
            learn_and_blend(run, transformer_of(chosen), "auto", Path(folder), lambda row: None)
        found = dict(run.results)
        found |= peers(settings, run, asked.epochs)
    answer = {
        "benchmark": "timesplit", "data": asked.data, "cutoff": str(run.cutoff), "until": str(run.until),
        "users": len(run.split.test_users), "items": len(run.split.train.items), "models": summary(found),
        "fit_seconds": run.seconds, "not_applicable": run.skipped,
        "versions": {"rectools": pins("rectools")["rectools"], "implicit": pins("implicit")["implicit"]},
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def summary(found: dict[str, Result]) -> dict[str, Any]:
    """Means with their intervals, coverage, and the difference to the blend of each model."""
    best = found[BLEND].values["all"]["ndcg"]
    rows: dict[str, Any] = {}
    for name, result in found.items():
        row: dict[str, Any] = {f"coverage@{K}": round(result.coverage["all"], 4)}
        for metric in ("ndcg", "recall"):
            values = result.values["all"][metric]
            row[f"{metric}@{K}"] = round(float(values.mean()), 5)
            row[f"{metric}@{K}_interval"] = [round(end, 5) for end in metrics.bootstrap_interval(values, SEED)]
        own = result.values["all"]["ndcg"]
        row["minus_blend"] = round(float((own - best).mean()), 5)
        row["minus_blend_interval"] = [round(end, 5) for end in metrics.paired_interval(own, best, SEED)]
        rows[name] = row
        print(f"{name}: NDCG@10 {row['ndcg@10']:.4f} {row['ndcg@10_interval']}", flush=True)
    return rows


def peers(settings: Settings, run: Run, epochs: int) -> dict[str, Result]:
    """The peers' results on the test days."""
    then = run.cutoff - timedelta(run.settings.test_days)
    validation = split_at(run.settings, then, run.cutoff)
    open_then = availability(lake.products(settings, then), validation.train.items, then)
    found = {}
    for name, tried in SETTINGS.items():
        results = implicit(validation, open_then, tried)
        best = max(range(len(tried)), key=lambda number: results[number].values["all"]["ndcg"].mean())
        print(f"{name}: validation chose {tried[best]}", flush=True)
        found[name] = implicit(run.split, run.available, [tried[best]])[0]
    found["rectools_sasrec"] = rectools(run.split, run.available, epochs)
    return found


def implicit(split: Split, available: np.ndarray, settings: list[dict[str, Any]]) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="timesplit-") as folder:
        question = written(Path(folder), split, available) | {"settings": settings}
        ask("implicit", "implicit_models.py", question, torch.get_num_threads())
        return [judged(lists, split, available) for lists in np.load(question["lists"])]


def rectools(split: Split, available: np.ndarray, epochs: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="timesplit-") as folder:
        question = written(Path(folder), split, available) | {
            "epochs": epochs, "seconds": 10**6, "width": 64, "blocks": 2, "heads": 2, "length": 128, "dropout": 0.2,
            "learning_rate": 1e-3, "batch": 128, "loss": "sampled_softmax", "negatives": 256,
        }  # fmt: skip
        took = ask("rectools", "sasrec_rectools.py", question, torch.get_num_threads())
        print(f"rectools_sasrec: {took.result}", flush=True)
        return judged(np.load(question["lists"]), split, available)


def written(folder: Path, split: Split, available: np.ndarray) -> dict[str, Any]:
    """The split as a peer's files; an item twice on one receipt counts once, as for our models."""
    data = split.train
    rows = {"user": data.user, "item": data.item, "weight": np.asarray(EVENT_WEIGHTS, np.float32)[data.event]}
    np.savez(folder / "train.npz", **rows)
    np.save(folder / "users.npy", split.test_users)
    np.save(folder / "items.npy", np.flatnonzero(available).astype(np.int32))
    return {
        "train": str(folder / "train.npz"), "input": str(folder / "train.npz"), "users": str(folder / "users.npy"),
        "items": str(folder / "items.npy"), "lists": str(folder / "lists.npy"), "k": K, "seed": 1,
        "filter_viewed": split.seen is not None, "threads": torch.get_num_threads(),
        "people": len(data.users), "catalogue": len(data.items),
    }  # fmt: skip


def judged(lists: np.ndarray, split: Split, available: np.ndarray) -> Result:
    """A peer's lists, filled from the popular items as ours are."""
    order = popular.fit(split.train, Popular()).order
    order = order[available[order]]
    filled = lists.copy()
    for row in np.flatnonzero((lists < 0).any(axis=1)):
        own = lists[row][lists[row] >= 0]
        seen = split.seen[[split.test_users[row]]].indices if split.seen is not None else np.empty(0, np.int32)
        more = order[: 2 * K + len(own) + len(seen)]
        filled[row] = np.concatenate([own, more[~np.isin(more, np.concatenate([own, seen]))]])[:K]
    return judge_lists(filled, split, available)


if __name__ == "__main__":
    main()
