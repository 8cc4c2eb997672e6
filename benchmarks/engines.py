"""Law 10 on real data: preprocess gives equal rows on Sail and on Apache Spark.

    .venv/bin/python -m benchmarks.engines --data FOLDER_OF_UCI_CSVS --rees46 CSV

Lands a stretch of the UCI shop and the REES46 file once each, preprocesses both on each engine in processes and homes
of their own, and compares every staged table (entities and quarantine) row by row, and the counts per file. Exit 1 on
any difference. Needs Java 17.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks._measure import nightmarket
from pipelines.contracts import ENTITIES, QUARANTINE
from pipelines.doctor import require_java
from pipelines.tablehash import relation_hash

ENGINES = ("sail", "spark")
SHOWN = 3


@dataclass(frozen=True)
class Shop:
    source: str
    path: Path
    first: date
    last: date

    @property
    def batch(self) -> tuple[str, ...]:
        return ("--from", str(self.first), "--until", str(self.last))


def main() -> None:
    shops = _shops()
    require_java()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-engines-"))
    try:
        found = {shop.source: _compare(shop, work / shop.source) for shop in shops}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    equal = all(shop["equal"] for shop in found.values())
    print(json.dumps({"benchmark": "engines", "equal": equal, "shops": found}), flush=True)
    sys.exit(0 if equal else 1)


def _shops() -> list[Shop]:
    parser = argparse.ArgumentParser(prog="benchmarks.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of UCI Online Retail CSV files, one a day")
    parser.add_argument("--rees46", type=Path, help="a REES46 CSV file")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2010, 12, 1))
    parser.add_argument("--until", dest="last", type=date.fromisoformat, default=date(2010, 12, 20))
    given = parser.parse_args()
    shops = [Shop("uci_online_retail", given.data, given.first, given.last)]
    if given.rees46:  # the first day of the public files
        shops.append(Shop("rees46", given.rees46, date(2019, 10, 1), date(2019, 10, 1)))
    return shops


def _compare(shop: Shop, work: Path) -> dict[str, Any]:
    origin = work / "origin"
    nightmarket(origin, "land", "--source", shop.source, "--path", str(shop.path), *shop.batch)
    ran, staged = {}, {}
    for engine in ENGINES:
        shutil.copytree(origin / "landing", work / engine / "landing")
        ran[engine] = nightmarket(work / engine, "preprocess", *shop.batch, engine=engine)
        staged[engine] = _staged(work / engine, shop)
    counts = [_counts(staged[engine]) for engine in ENGINES]
    with duckdb.connect(config={"memory_limit": "2GB", "threads": 2}) as bench:
        bench.execute("set timezone = 'UTC'")
        tables = {name: _table(bench, name, staged) for name in (*ENTITIES, QUARANTINE)}
    return {
        "equal": counts[0] == counts[1] and all(table["equal"] for table in tables.values()),
        "counts_equal": counts[0] == counts[1],
        "tables": {name: table for name, table in tables.items() if any(table["rows"].values())},
        "seconds": {engine: one.seconds for engine, one in ran.items()},
        "peak_mib": {engine: one.peak_mib for engine, one in ran.items()},
    }


def _staged(home: Path, shop: Shop) -> Path:
    (batch,) = (home / "staging").glob(f"{shop.first}*")
    attempt: str = json.loads((batch / "current.json").read_text())["attempt"]
    return batch / attempt


def _counts(staged: Path) -> dict[str, Any]:
    manifest = json.loads((staged / "manifest.json").read_text())
    return {name: manifest[name] for name in ("entities", QUARANTINE)}


def _table(bench: duckdb.DuckDBPyConnection, name: str, staged: dict[str, Path]) -> dict[str, Any]:
    """Hash and rows of one table by engine. Rows that only one engine has are counted, the first ones shown."""
    hashes, rows = {}, {}
    for engine, folder in staged.items():
        files = [str(file) for file in (folder / name).glob("*/*.parquet")]
        if not files:
            hashes[engine], rows[engine] = "", 0
            continue
        bench.execute(
            f"create or replace temp table {engine} as from read_parquet(?, hive_partitioning = true)", [files]
        )
        hashes[engine], rows[engine] = relation_hash(bench, engine)
    if len(set(hashes.values())) == 1:
        return {"equal": True, "rows": rows}
    if all(hashes.values()):
        _show(bench, name)
    return {"equal": False, "rows": rows}


def _show(bench: duckdb.DuckDBPyConnection, name: str) -> None:
    for one, other in (ENGINES, ENGINES[::-1]):
        lost = bench.execute(f"select * from {one} except all by name select * from {other}").fetchall()
        print(f"{name}: {len(lost)} rows only on {one}", *lost[:SHOWN], sep="\n  ", file=sys.stderr)


if __name__ == "__main__":
    main()
