"""Shoppers of the simulated shop react to the lists that were published, and the next night learns from it.

    .venv/bin/python -m benchmarks.closed_loop --picture docs/images/closed-loop.png

Three policies fill a shelf of 20 places that every session of a known shopper opens with: popular in the last 7 days,
the blend (weights learned before the loop, refit every night), and the blend with a small share of its places drawn.
Each seed is a shop of its own; in one shop all policies meet the same visits and the same numbers decide
(`_loop_shop`), so they are compared in pairs. Intervals are Student's, 95 %, over seeds; with one seed there are none.
`policies`: clicks, purchases, revenue in all; the other measures are means over nights, `last_…` of the last seven,
`amplified` the Gini of what is bought in the last week less that of the week before the loop, `reached` the share of
the clicks that the best possible lists would get (chances, not draws). `estimates`: what the exploring run's log says
of other policies, against the exact truth. It says nothing about people: docs/closed-loop.md.

With --work a run that was stopped goes on with the shops that are missing.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._loop import POLICIES, Asked, measured
from benchmarks._loop_estimates import CHALLENGERS
from benchmarks._loop_picture import PANELS, draw
from benchmarks._measure import ROOT, watching

SEED = 20_180_101
POPULAR, BLEND, EXPLORING = POLICIES
TOTALS = ("clicks", "purchases", "revenue")
MEANS = ("ctr", "reached", "taste_rank", "coverage", "gini", "arp", "aplt", "new_share")
LAST = 7
Runs = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.closed_loop", description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=10, help="shops")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--share", type=float, default=0.05, help="of the places below the second that are drawn")
    parser.add_argument("--config", default="quick", help="of the transformer in the blend")
    parser.add_argument("--work", type=Path, help="a folder for the results of each shop: kept, and used again")
    parser.add_argument("--picture", type=Path, default=ROOT / "var" / "closed-loop.png")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="shops at once")
    asked = parser.parse_args()
    shape = (asked.users, asked.items, asked.nights, asked.share, asked.config)
    shops = [Asked(SEED + number, *shape) for number in range(asked.seeds)]
    started = time.monotonic()
    with watching(os.getpid()) as watch, tempfile.TemporaryDirectory(prefix="closed-loop-") as own:
        runs = results(shops, asked.work or Path(own), asked.jobs)
    picture(runs, asked.picture)
    answer = {
        "benchmark": "closed_loop", "nights": asked.nights, "seeds": asked.seeds, "users": asked.users,
        "items": asked.items, "share": asked.share, "config": asked.config, **summary(runs),
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def results(shops: list[Asked], work: Path, jobs: int) -> Runs:
    """What each shop gave, in their order; those that `work` holds already are not run again."""
    work.mkdir(parents=True, exist_ok=True)
    due = [shop for shop in shops if not shop.path(work).exists()]
    print(f"{len(shops) - len(due)} of {len(shops)} shops are there", file=sys.stderr, flush=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that start now
    with ProcessPoolExecutor(max(1, jobs), get_context("spawn")) as pool:
        running = {pool.submit(measured, shop): shop for shop in due}
        for number, done in enumerate(as_completed(running), start=1):
            path = running[done].path(work)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(done.result()))
            part.replace(path)
            print(f"shop {running[done].seed}: {number} of {len(due)}", file=sys.stderr, flush=True)
    return [json.loads(shop.path(work).read_text()) for shop in shops]


# ---- numbers ---------------------------------------------------------------------------------------------------


def summary(runs: Runs) -> dict[str, Any]:
    of = {policy: [numbers(run["policies"][policy]) for run in runs] for policy in POLICIES}
    names = list(of[POPULAR][0])
    each = {
        policy: {name: interval(np.array([row[name] for row in rows])) for name in names} for policy, rows in of.items()
    }
    weights = {
        segment: {part: mean(run["weights"][segment][part] for run in runs) for part in given}
        for segment, given in runs[0]["weights"].items()
    }
    return {
        "policies": each, "differences": differences(of, names), "weights": weights, "estimates": estimates(runs),
    }  # fmt: skip


def differences(of: dict[str, list[dict[str, float]]], names: list[str]) -> dict[str, dict[str, Any]]:
    """Shop by shop, and the gain in clicks and revenue in per cent."""
    found = {}
    for title, one, other in (("blend_less_popular", BLEND, POPULAR), ("exploring_less_blend", EXPLORING, BLEND)):
        pairs = list(zip(of[one], of[other], strict=True))
        found[title] = {name: interval(np.array([a[name] - b[name] for a, b in pairs])) for name in names}
        for name in ("clicks", "revenue"):
            percent = np.array([100 * (a[name] / b[name] - 1) for a, b in pairs])
            found[title] |= {f"{name}_percent": interval(percent), f"{name}_ahead_in": int((percent > 0).sum())}
    return found


def numbers(policy: dict[str, Any]) -> dict[str, float]:
    """One run in one number a measure."""
    nights = with_rates(policy["nights"])
    last = {name: float(nights[name][-LAST:].mean()) for name in ("clicks", "revenue", "coverage", "gini")}
    newcomers = {f"new_items_{name}": value for name, value in policy["newcomers"].items() if name != "came"}
    return {
        **{name: float(nights[name].sum()) for name in TOTALS},
        **{name: float(nights[name].mean()) for name in MEANS},
        **{f"last_{name}": value for name, value in last.items()},
        "amplified": float(nights["gini_bought"][-1]) - policy["start"],
        "drift": float(nights["drift"][-LAST:].mean() / nights["drift"][0]),
        **newcomers,
    }


def with_rates(rows: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Each measure over the nights, and what is a ratio of two."""
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    found["ctr"] = found["clicks"] / found["impressions"]
    found["reached"] = found["expected_clicks"] / found["oracle_clicks"]
    return found


def estimates(runs: Runs) -> dict[str, dict[str, Any]]:
    """By challenger: how often a gate would have gone by an estimate, and how often its interval held the truth."""
    given = [run["policies"][EXPLORING]["estimates"] for run in runs if "estimates" in run["policies"][EXPLORING]]
    found: dict[str, dict[str, Any]] = {}
    for name in CHALLENGERS if given else ():
        rows = [one[name] for one in given]
        chosen = [row for row in rows if row["chosen"]]
        taken = [(row["estimates"][row["chosen"]], row["truth"]) for row in chosen]
        found[name] = {
            "truth": mean(row["truth"] for row in rows),
            "supported": mean(row["supported"] for row in rows),
            "effective": mean(row["effective"] for row in rows),
            "chosen_in": len(chosen),
            "holds": sum(low <= truth <= high for (_, low, high), truth in taken),
            "error": mean(abs(value / truth - 1) for (value, _, _), truth in taken),
            "width": mean((high - low) / truth for (_, low, high), truth in taken),
            "hold_if_asked": {
                estimator: sum(
                    row["estimates"][estimator][1] <= row["truth"] <= row["estimates"][estimator][2] for row in rows
                )
                for estimator in rows[0]["estimates"]
            },
            "of": len(rows),
        }
    return found


def mean(values: Iterator[float]) -> float | None:
    found = list(values)
    return round(float(np.mean(found)), 5) if found else None


def interval(values: np.ndarray) -> list[float | None]:
    """The mean over shops and the ends of its interval, None with one shop: mean ± t(.975, n − 1) · s / √n."""
    middle, half = float(values.mean()), half_width(values)
    ends = [None, None] if math.isnan(half) else [middle - half, middle + half]
    return [None if one is None else round(one, 4) for one in (middle, *ends)]


def half_width(values: np.ndarray) -> float:
    from scipy.special import stdtrit

    n = len(values)
    return float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def picture(runs: Runs, to: Path) -> None:
    curves: dict[str, dict[str, np.ndarray]] = {name: {} for name in PANELS}
    bands: dict[str, dict[str, np.ndarray]] = {name: {} for name in PANELS}
    for policy in POLICIES:
        nights = [with_rates(run["policies"][policy]["nights"]) for run in runs]
        for name in PANELS:
            values = np.stack([one[name] for one in nights])
            curves[name][policy] = values.mean(axis=0)
            bands[name][policy] = np.nan_to_num(np.array([half_width(column) for column in values.T]))
    draw(curves, bands, to)


if __name__ == "__main__":
    main()
