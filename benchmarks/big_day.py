"""How long a day of millions of events takes through preprocess and audit, and what memory it needs.

    .venv/bin/python -m benchmarks.big_day --data FOLDER_OF_UCI_CSVS --events 10000000

The UCI shop lands through its own source; its events are then repeated onto one date, with the dirt that
`benchmarks/_scaled.py` names. Everything happens in a temporary folder that is removed at the end.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from benchmarks import _scaled
from benchmarks._measure import Ran, nightmarket
from pipelines.contracts import EVENTS


def main() -> None:
    given = _arguments()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-big-day-", dir=given.work))
    try:
        started = time.monotonic()
        origin, home = work / "origin", work / "home"
        made = _scale(_scaled.land_origin(given.data, origin), home / "landing" / _scaled.SOURCE, given)
        _say(f"{given.events:,} rows in {made['files']} files, {made['mib']} MiB, {time.monotonic() - started:.0f} s")
        steps = _steps(home, given)
        print(json.dumps(_summary(home, given, made, steps)), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.big_day", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of UCI Online Retail CSV files, one a day")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--engine", choices=("sail", "spark"), default="sail")
    parser.add_argument("--format", choices=("jsonl", "jsonl.gz", "parquet"), default="jsonl.gz")
    parser.add_argument("--date", type=date.fromisoformat, default=date(2011, 10, 13), help="the day all happens on")
    parser.add_argument("--work", type=Path, default=None, help="where temporary data goes (about 5 GB for 10 million)")
    return parser.parse_args()


# ---- landing files ---------------------------------------------------------------------------------------------
def _scale(origin: Path, shop: Path, given: argparse.Namespace) -> dict[str, int]:
    """Write the day's events, and the products and users of the origin's last days, as landing files."""
    _scaled.copy_others(origin, shop, given.date)
    with _scaled.opened(origin, shop / ".spill") as bench:
        files = _scaled.write_day(bench, shop, _scaled.Day(given.date, 0, given.events), given.format)
    return {"files": len(files), "mib": sum(f.stat().st_size for f in files) >> 20}


# ---- the day ---------------------------------------------------------------------------------------------------
def _steps(home: Path, given: argparse.Namespace) -> dict[str, Ran]:
    day = ("--date", str(given.date))
    commands = {
        "preprocess": ("preprocess",),
        "audit landing": ("audit", "landing"),
        "audit events": ("audit", "events"),
    }
    steps = {}
    for name, command in commands.items():
        steps[name] = nightmarket(home, *command, *day, engine=given.engine)
        _say(f"{name}: {steps[name].seconds} s, {steps[name].peak_mib} MiB")
    return steps


def _summary(home: Path, given: argparse.Namespace, made: dict[str, int], steps: dict[str, Ran]) -> dict[str, Any]:
    staged = home / "staging" / str(given.date)
    staged /= json.loads((staged / "current.json").read_text())["attempt"]
    files = json.loads((staged / "manifest.json").read_text())["entities"][EVENTS.name]["files"]
    rows: Counter[str] = Counter()
    for file in files:
        rows.update({name: number for name, number in file.items() if name.startswith("rows_")})
    return {
        "benchmark": "big_day",
        "events": given.events,
        "engine": given.engine,
        "format": given.format,
        "landing_files": made["files"],
        "landing_mib": made["mib"],
        "staged_files": len(list((staged / EVENTS.name).glob("*/*.parquet"))),
        **rows,
        "seconds": {name: step.seconds for name, step in steps.items()},
        "cpu_seconds": {name: step.cpu_seconds for name, step in steps.items()},
        "seconds_by_phase": steps["preprocess"].result["seconds_by_phase"],
        "seconds_total": round(sum(step.seconds for step in steps.values()), 1),
        "peak_mib": {name: step.peak_mib for name, step in steps.items()},
        "memory_measured_as": "sum of PSS over the process tree, every 0.25 s",
        "cpus": os.cpu_count(),
        "machine_memory_mib": psutil.virtual_memory().total >> 20,
        "load_average": round(os.getloadavg()[1], 1),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
