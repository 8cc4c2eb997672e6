"""Law 10: the same job gives equal rows on Sail and on Apache Spark, on rows made to tell them apart."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from hostile import LINES, PRODUCTS, event

from pipelines.settings import Settings

DAY = date(2020, 1, 2)
ROOT = Path(__file__).parents[3]
# In a process of its own: a process holds one local Spark, and this one may already have a Sail session.
RUN = """
import sys
from datetime import date
from pathlib import Path
from pipelines import fence
from pipelines.preprocess import stages
from pipelines.preprocess.job import preprocess
from pipelines.settings import Settings, night
stages.ROWS_PER_FILE = 150  # so that the events are written in slices, as a large day's are
settings, batch = Settings(home=Path(sys.argv[1]), engine=sys.argv[2]), night(date(2020, 1, 2))
preprocess(settings, batch, fence.take(settings, "preprocess", batch.key))
"""


def land(settings: Settings, entity: str, lines: list[str]) -> None:
    path = settings.landing / "shop" / entity / f"date={DAY}" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(line.replace("\n", " ") for line in lines) + "\n", encoding="utf-8", newline="")


def staged(settings: Settings) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, str(settings.home), settings.engine]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]
    folder = settings.staging / str(DAY)
    folder /= json.loads((folder / "current.json").read_text())["attempt"]
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = {}
    for name in ("events", "products", "quarantine"):
        found = ds.dataset(folder / name, partitioning="hive").to_table().to_pylist()
        rows[name] = sorted(json.dumps(row, default=str, sort_keys=True) for row in found)
    return {**rows, "counts": manifest["entities"], "refused": manifest["quarantine"]}


@pytest.mark.slow
@pytest.mark.java
def test_both_engines_stage_the_same_rows(settings: Settings) -> None:
    times = [f"2020-01-02T{n % 24:02d}:{n % 7 * 9:02d}:00Z" for n in range(200)]
    visits = [event(event_id=f"v{n % 150}", user_id=f"u{n % 5}", occurred_at=t) for n, t in enumerate(times)]
    found = []
    for engine in ("sail", "spark"):
        one = replace(settings, home=settings.home / engine, engine=engine)
        land(one, "events", [*LINES, *visits, *LINES[::2]])
        land(one, "products", list(PRODUCTS))
        found.append(staged(one))
    sail, spark = found
    assert sail == spark
    assert len(sail["events"]) > 200
    assert len({r["reason"] for r in sail["refused"]}) > 15
