"""A policy's value from the logs of another, on the Open Bandit data inside the PyPI package obp: no file is needed.

    .venv/bin/python -m benchmarks.off_policy

Six logs of 10,000 impressions each: campaigns all, men and women, shown by a uniformly random policy and by Bernoulli
Thompson sampling. From each log the value of the other policy is estimated; the truth is the mean of the other log,
itself an estimate from 38 to 69 clicks: `covers` holds the interval against that mean, `covers_both` lets the truth be
uncertain, too. The Thompson policy is replicated as obp documents, by 100,000 draws from the prior it ships. Clusters
are moments: the data have no user. Nothing is set by log; the reward model knows the item and its place.

`simulated`: logs of the same size drawn from rates of clicks that are known (those of that prior), where the truth is
exact: share of 95 % intervals that hold it, and error, of each estimator.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import watching
from benchmarks._peers import ask
from models.feedback.offpolicy import IPS, Evaluation, Logged, Predicted, evaluate
from models.feedback.resampling import SEED, ends, resampled, sums
from models.feedback.reward import cross_fit

CAMPAIGNS = ("all", "men", "women")
OTHER = {"random": "bts", "bts": "random"}
EQUAL = 1e-9
ROWS = 10_000
"""Of a log, real or simulated."""
RARE = 0.005
"""Of the simulated Thompson logger, the share that it leaves to chance; else much would never be shown."""
SMOOTHING = 200
"""Impressions with the overall rate that every item of the simulated reward model is given."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.off_policy", description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=200, help="logs drawn of each kind")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, tempfile.TemporaryDirectory(prefix="off-policy-") as place:
        folder = Path(place)
        ask("obp", "off_policy_obp.py", {"load": place}, threads=1)
        found, given = {}, {}
        for campaign in CAMPAIGNS:
            policies = np.load(folder / f"policies_{campaign}.npz")
            logs = {name: dict(np.load(folder / f"{name}_{campaign}.npz")) for name in OTHER}
            for name, other in OTHER.items():
                title, file = f"{campaign}, {name} logs", folder / f"given_{name}_{campaign}.npz"
                evaluation, model = estimated(logs[name], policies[other])
                np.savez(file, policy=policies[other], model=model, **logs[name])
                given[title] = {"file": str(file), "shrinkage": evaluation.shrinkage}
                found[title] = row(evaluation, logs[other]["reward"], logs[other]["moment"])
                say(title, found[title])
        theirs = ask("obp", "off_policy_obp.py", {"estimate": given}, threads=1).result
        answer = {
            "benchmark": "off_policy", "logs": found, "summary": summary(found),
            "furthest_from_obp": furthest(found, theirs), "simulated": simulated(folder, asked.simulated),
        }  # fmt: skip
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps(answer), flush=True)


def estimated(log: dict[str, np.ndarray], policy: np.ndarray) -> tuple[Evaluation, np.ndarray]:
    """The evaluation, and the reward model [n, actions, places] of each row's fold, for obp."""
    actions, places = policy.shape
    cells = _cells(actions, places)
    at = log["action"] * places + log["position"]
    fitted = cross_fit(cells[at], log["reward"], log["moment"])
    print(f"reward model: {fitted.name}; loss out of fold {fitted.loss}", flush=True)
    tables = np.stack([model(cells).reshape(actions, places) for model in fitted.models])
    return evaluate(*_columns(log, policy, tables, fitted.fold)), tables[fitted.fold]


def _cells(actions: int, places: int) -> np.ndarray:
    """float32 [actions · places, actions + places]: which item, which place."""
    return np.hstack([
        np.repeat(np.eye(actions, dtype=np.float32), places, axis=0),
        np.tile(np.eye(places, dtype=np.float32), (actions, 1)),
    ])  # fmt: skip


def _columns(
    log: dict[str, np.ndarray], policy: np.ndarray, tables: np.ndarray, fold: np.ndarray
) -> tuple[Logged, Predicted]:
    """`tables` [folds, actions, places]. Both policies look at no user, so a row's candidates are its place's."""
    action, place = log["action"], log["position"]
    expected = (tables * policy).sum(axis=1) / policy.sum(axis=0)
    return (
        Logged(log["reward"].astype(float), log["propensity"], policy[action, place], log["moment"]),
        Predicted(tables[fold, action, place], expected[fold, place]),
    )


def row(found: Evaluation, reward: np.ndarray, moment: np.ndarray) -> dict[str, Any]:
    """One log's line: the truth, every estimator against it, the choice."""
    columns = sums(np.column_stack([np.ones(len(reward)), reward]), moment)
    drawn = resampled(columns, SEED + 1)
    truth, around = float(reward.mean()), ends(drawn[:, 1] / drawn[:, 0])
    plain = found.estimates[IPS].high - found.estimates[IPS].low
    rows = {}
    for name, one in found.estimates.items():
        rows[name] = {
            "value": one.value, "relative_error": abs(one.value - truth) / truth, "low": one.low, "high": one.high,
            "covers": one.low <= truth <= one.high, "width_of_ips": (one.high - one.low) / plain,
            "covers_both": apart(one.value, (one.low, one.high), truth, around), "effective": one.effective,
        }  # fmt: skip
    overlap = {"mean_weight": found.overlap.mean_weight, "largest_weight": found.overlap.largest_weight}
    return {
        "truth": truth, "truth_interval": list(around), "estimators": rows, "chosen": found.chosen,
        "sentence": found.sentence, "shrinkage": found.shrinkage, **overlap,
    }  # fmt: skip


def apart(value: float, interval: tuple[float, float], truth: float, around: tuple[float, float]) -> bool:
    """Whether 0 lies in the 95 % interval of value − truth made of the two intervals (Zou and Donner 2008)."""
    low = value - truth - np.hypot(value - interval[0], around[1] - truth)
    high = value - truth + np.hypot(interval[1] - value, truth - around[0])
    return bool(low <= 0 <= high)


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """By estimator over the logs; `chosen` is the one that each log's own columns chose."""
    lines = {
        name: [one["estimators"][name] for one in found.values()] for name in next(iter(found.values()))["estimators"]
    }
    lines["chosen"] = [one["estimators"][one["chosen"]] for one in found.values() if one["chosen"]]
    return {
        name: {
            "logs": len(rows), "covers": sum(one["covers"] for one in rows),
            "covers_both": sum(one["covers_both"] for one in rows),
            "no_wider_than_ips": sum(one["width_of_ips"] <= 1 for one in rows),
            "mean_relative_error": round(float(np.mean([one["relative_error"] for one in rows])), 3),
            "mean_width_of_ips": round(float(np.mean([one["width_of_ips"] for one in rows])), 3),
        }
        for name, rows in lines.items()
    }  # fmt: skip


def furthest(found: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Largest difference between our values and obp's. Raises SystemExit where they are not equal."""
    gaps = {
        (title, name): abs(found[title]["estimators"][name]["value"] - value)
        for title, values in theirs.items() for name, value in values.items()
    }  # fmt: skip
    worst = max(gaps, key=lambda key: gaps[key])
    if gaps[worst] > EQUAL:
        raise SystemExit(f"{worst} differs from obp by {gaps[worst]}")
    return gaps[worst]


# ---- where the truth is known ----------------------------------------------------------------------------------


def simulated(folder: Path, draws: int) -> dict[str, Any]:
    """Of the campaign with the most items."""
    if not draws:
        return {}
    policies, generator = np.load(folder / "policies_all.npz"), np.random.default_rng(SEED)
    clicks, none = policies["prior"]
    rate = np.tile((clicks / (clicks + none))[:, None], policies["bts"].shape[1])
    uniform, thompson = policies["random"], (1 - RARE) * policies["bts"] + RARE * policies["random"]
    found = {}
    for title, logging, wanted in (("random logs", uniform, thompson), ("bts logs", thompson, uniform)):
        found[title] = held(rate, logging, wanted, draws, generator)
        print(f"simulated, {title}: {found[title]}", flush=True)
    return found


def held(
    rate: np.ndarray, logging: np.ndarray, wanted: np.ndarray, draws: int, generator: Any, rows: int = ROWS
) -> dict[str, Any]:
    """Share of intervals that hold the truth, and root mean square of the relative error, over so many drawn logs.

    The reward model is the smoothed rate by item of one more log, drawn likewise.
    """
    truth = float((wanted * rate).sum(axis=0).mean())
    actions, places = rate.shape
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(draws):
        past, log = (drawn(rate, logging, generator, rows) for _ in range(2))
        shown = np.bincount(past["action"], minlength=actions)
        won = np.bincount(past["action"], past["reward"], actions)
        smoothed = (won + SMOOTHING * past["reward"].mean()) / (shown + SMOOTHING)
        table = np.tile(smoothed[:, None], places)[None]
        found = evaluate(*_columns(log, wanted, table, np.zeros(rows, dtype=int)), n=500)
        named = dict(found.estimates) | ({"chosen": found.estimates[found.chosen]} if found.chosen else {})
        for name, one in named.items():
            lines.setdefault(name, []).append((one.value, one.low, one.high))
    plain = np.array(lines[IPS])
    return {
        name: _held(np.array(each), truth, float((plain[:, 2] - plain[:, 1]).mean())) for name, each in lines.items()
    }


def _held(each: np.ndarray, truth: float, plain: float) -> dict[str, float]:
    """`each` [logs, 3]: value, low, high. `truth_below`: the truth is lower than the interval says it can be."""
    value, low, high = each.T
    return {
        "covers": round(float(((low <= truth) & (truth <= high)).mean()), 3),
        "truth_below": round(float((truth < low).mean()), 3),
        "error": round(float(np.sqrt(((value / truth - 1) ** 2).mean())), 3),
        "width_of_ips": round(float((high - low).mean()) / plain, 3),
        "logs": len(each),
    }


def drawn(rate: np.ndarray, logging: np.ndarray, generator: Any, rows: int) -> dict[str, np.ndarray]:
    actions, places = rate.shape
    place = generator.integers(0, places, rows)
    action = np.empty(rows, dtype=int)
    for k in range(places):
        action[place == k] = generator.choice(actions, (place == k).sum(), p=logging[:, k] / logging[:, k].sum())
    reward = (generator.random(rows) < rate[action, place]).astype(float)
    return {
        "action": action, "position": place, "reward": reward, "propensity": logging[action, place],
        "moment": np.arange(rows),
    }  # fmt: skip


def say(title: str, found: dict[str, Any]) -> None:
    print(f"{title}: truth {found['truth']:.5f}, {found['sentence']}", flush=True)
    for name, one in found["estimators"].items():
        print(
            f"  {name:5} {one['value']:.5f} [{one['low']:.5f}, {one['high']:.5f}] off by {one['relative_error']:.0%}, "
            f"{'holds' if one['covers'] else 'misses'} the truth, {one['width_of_ips']:.2f} of the width of ips",
            flush=True,
        )


if __name__ == "__main__":
    main()
