"""Every model of the recommender on a file of the S3-Rec form, leave-one-out (`benchmarks._leave_one_out`).

    .venv/bin/python -m benchmarks.sequential --data Beauty.txt

Settings are frozen in `models.recommender.configs.SEQUENTIAL`, the same for every file. What is chosen is chosen by
code on the validation items: when the transformer stops, which of its frozen settings is kept, and the blend's
weights. Then each model is asked for the test items once. Intervals are 95 %, by bootstrap over users.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._leave_one_out import Histories, per_user, ranks, read, split_before
from benchmarks._measure import watching
from models.metrics import bootstrap_interval
from models.recommender import floors
from models.recommender.blend import BlendModel, learn_weights
from models.recommender.configs import BLEND, SEQUENTIAL, TRANSFORMER
from models.recommender.evaluation import SEED
from models.recommender.learned import Learned, learn
from models.recommender.ranking import Recommender
from models.split import Split


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.sequential", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="one user a line: an id, then item ids in time order")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch:
        histories = read(asked.data)
        say(f"{len(histories.users):,} users, {len(histories.items):,} items")
        models, seconds, chosen = fitted(split_before(histories, 2))
        found = {name: judged(model, histories, name) for name, model in models.items()}
    answer = {
        "benchmark": "sequential", "data": asked.data.name, "users": len(histories.users),
        "items": len(histories.items), "models": found, "fit_seconds": seconds, "chosen": chosen,
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def fitted(validation: Split) -> tuple[dict[str, Recommender], dict[str, float], dict[str, Any]]:
    """Every model, fitted on all but the last two items; seconds by name; what the validation items chose."""
    models: dict[str, Recommender] = {}
    seconds: dict[str, float] = {}
    for name, (model, took) in floors.fit_all(validation.train, SEQUENTIAL.floors).items():
        if isinstance(model, floors.NotApplicable):
            say(f"{name}: not applicable, {model}")
            continue
        models[name], seconds[name] = model, round(took, 1)
        say(f"{name}: fitted in {took:.1f} s")
    started = time.monotonic()
    number, learned = best_transformer(validation)
    models[TRANSFORMER] = learned.model
    seconds[TRANSFORMER] = round(time.monotonic() - started, 1)
    started = time.monotonic()
    weights = learn_weights(models, validation)
    models[BLEND] = BlendModel(dict(models), weights)
    seconds[BLEND] = round(time.monotonic() - started, 1)
    chosen = {"transformer": number, "best_epoch": learned.fitted.best_epoch, "curve": learned.fitted.curve}
    return models, seconds, {**chosen, "weights": weights}


def best_transformer(validation: Split) -> tuple[int, Learned]:
    """The frozen setting that reaches most on the validation items; of equals the first."""
    available = np.ones(len(validation.train.items), dtype=bool)
    tried = []
    for number, config in enumerate(SEQUENTIAL.transformers):
        with tempfile.TemporaryDirectory(prefix="sequential-") as folder:
            tried.append(learn(validation, available, config, Path(folder), "auto", say_epoch, start=SEQUENTIAL.start))
        say(f"transformer {number}: validation NDCG@10 {tried[-1].fitted.best:.4f}")
    best = max(range(len(tried)), key=lambda number: tried[number].fitted.best or 0.0)
    return best, tried[best]


def judged(model: Recommender, histories: Histories, name: str) -> dict[str, Any]:
    """Recall@10 and NDCG@10 on the test items, with their intervals."""
    found: dict[str, Any] = {}
    for metric, values in per_user(ranks(model, histories.before(1), histories.target(1))).items():
        low, high = bootstrap_interval(values, SEED)
        found[metric] = round(float(values.mean()), 5)
        found[f"{metric}_interval"] = [round(low, 5), round(high, 5)]
    say(f"{name}: test " + ", ".join(f"{metric} {found[metric]:.4f}" for metric in ("recall@10", "ndcg@10")))
    return found


def say_epoch(row: dict[str, float]) -> None:
    say(f"transformer: epoch {row['epoch']:.0f}  loss {row['loss']:.4f}  validation NDCG@10 {row['validation']:.4f}")


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
