"""Popularity and coverage of lists as this project counts them, beside RecTools.

    .venv/bin/python -m benchmarks.exposure [--data FILE.parquet --user household_id --item product_id]

Lists of ten of every user, random and uneven, and the popularity of items in a shop's purchases (by default Complete
Journey, from its package). `difference` is the largest of any user's for ARP, and that of the one number for coverage.
What RecTools has not got (Gini, APLT, ACLT, PopLift, calibration) is held against hand-computed fractions and, where
scipy has the formula, against that, in tests/models/monitoring/test_exposure.py.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks._peers import ask
from benchmarks.drift import complete_journey
from models.metrics import coverage
from models.monitoring import exposure
from models.sample import SEED

K = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.exposure", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a Parquet file; by default the lines of Complete Journey")
    parser.add_argument("--user", default="household_id")
    parser.add_argument("--item", default="product_id")
    asked = parser.parse_args()
    rows = pq.read_table(asked.data or complete_journey(), columns=[asked.user, asked.item]).drop_null()
    users = len(rows[asked.user].unique())
    item = rows[asked.item].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    catalogue = int(item.max()) + 1
    popularity = np.bincount(item, minlength=catalogue)
    lists = drawn(users, catalogue)
    with tempfile.TemporaryDirectory(prefix="exposure-") as folder:
        paths = {"lists": lists, "item": item}
        for name, array in paths.items():
            np.save(Path(folder) / f"{name}.npy", array)
        question = {name: str(Path(folder) / f"{name}.npy") for name in paths} | {"k": K, "catalogue": catalogue}
        theirs = ask("rectools", "exposure_rectools.py", question, threads=1).result
    arp = exposure.average_popularity(lists, popularity)
    ours = {"coverage": coverage(lists, catalogue), "arp": float(arp.mean())}
    answer = {
        "benchmark": "exposure", "users": users, "items": catalogue, "ours": ours,
        "rectools": {name: theirs[name] for name in ours},
        "difference": {
            "arp": float(np.abs(arp - np.array(theirs["arp_of_users"])).max()),
            "coverage": abs(ours["coverage"] - theirs["coverage"]),
        },
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def drawn(users: int, catalogue: int) -> np.ndarray:
    """int64 [users, K] without repeats in a list, the first items of the catalogue far more often than the others."""
    generator = np.random.default_rng(SEED)
    lists = np.empty((users, K), dtype=np.int64)
    for row in lists:
        found = np.unique((catalogue * generator.random(4 * K) ** 3).astype(np.int64))
        row[:] = generator.permutation(found)[:K]
    return lists


if __name__ == "__main__":
    main()
