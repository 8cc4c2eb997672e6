"""One day of a shop staged by an engine, in a process of its own, and read back as plain rows."""

import io
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from hostile import LINES, PRODUCTS, event
from personal import CHINESE, CLEAN, ENGLISH, MISSED
from PIL import Image

from pipelines.media.store import FOLDER, put
from pipelines.settings import Settings

DAY = date(2020, 1, 2)
ROOT = Path(__file__).parents[3]
# In a process of its own: a process holds one local Spark, and this one may already have a Sail session.
RUN = """
import sys
from datetime import date
from pathlib import Path
from pipelines import fence
from pipelines.preprocess import writing
from pipelines.preprocess.job import preprocess
from pipelines.settings import Settings, night
writing.ROWS_PER_FILE = int(sys.argv[3])  # so that the events are written in slices, as a large day's are
settings, batch = Settings(home=Path(sys.argv[1]), engine=sys.argv[2]), night(date(2020, 1, 2))
preprocess(settings, batch, fence.take(settings, "preprocess", batch.key))
"""


def land(settings: Settings, entity: str, lines: list[str]) -> None:
    path = settings.landing / "shop" / entity / f"date={DAY}" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(line.replace("\n", " ") for line in lines) + "\n", encoding="utf-8", newline="")


def land_day(settings: Settings) -> None:
    """Rows made to tell engines apart, visits with pauses, and every second odd row once more."""
    times = [f"2020-01-02T{n % 24:02d}:{n % 7 * 9:02d}:00Z" for n in range(200)]
    visits = [event(event_id=f"v{n % 150}", user_id=f"u{n % 5}", occurred_at=t) for n, t in enumerate(times)]
    land(settings, "events", [*LINES, *visits, *LINES[::2]])
    land(settings, "products", list(PRODUCTS))
    land(settings, "reviews", reviews())
    land(settings, "product_images", images(settings))


def images(settings: Settings) -> list[str]:
    """A picture under odd spellings of its hash and position, one that is cut, one that never came."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, "PNG")
    folder = settings.landing / "shop" / FOLDER
    good, cut = put(folder, file.getvalue()), put(folder, file.getvalue()[:50])
    hashes: list[Any] = [good, f" {good}\t", good.upper(), good[:-1], f"{good}\n", cut, "0" * 64, 1, None, "", [good]]
    rows = [{"item_id": f"i{n}", "position": 1, "content_hash": digest} for n, digest in enumerate(hashes)]
    places = (0, -1, "2.0", 1000, 1001, "1e2", "first", None)
    rows += [{"item_id": f"p{n}", "position": place, "content_hash": good} for n, place in enumerate(places)]
    names = ("a.png", "a.jpg", "\u202egnp.a", "", "x" * 300)
    rows += [{"item_id": f"n{n}", "position": 1, "uri": name, "content_hash": good} for n, name in enumerate(names)]
    twice = json.dumps(rows[0])[:-1] + f', "content_hash": "{cut}"}}'
    return [*map(json.dumps, rows), twice, json.dumps(rows[0])]


def reviews() -> list[str]:
    """Sentences about personal data, some with the marks around it and some without, and two rows that are refused."""
    said = [s for sentence in (*ENGLISH, *CHINESE, *CLEAN, *MISSED) for s in (sentence, sentence.strip("«»"))]
    said += [sentence.replace("«", "").replace("»", "") for sentence in (*ENGLISH, *CHINESE)]
    rows = [
        {"review_id": f"r{n}", "item_id": "i", "created_at": f"{DAY}T10:00:00Z", "title": text[:20], "body": text}
        for n, text in enumerate(said)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    return [*lines, lines[0].replace('"item_id": "i", ', ""), lines[-1][:-1]]


def start(settings: Settings, rows_per_file: int = 150, **environment: str) -> subprocess.Popen[str]:
    """Preprocess the day in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(settings.home), settings.engine, str(rows_per_file)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], settings: Settings) -> dict[str, Any]:
    """What it staged, once it has ended well."""
    _, said = process.communicate(timeout=1500)
    assert process.returncode == 0, said[-2000:]
    return read_staged(settings)


def read_staged(settings: Settings) -> dict[str, Any]:
    folder = settings.staging / str(DAY)
    folder /= json.loads((folder / "current.json").read_text())["attempt"]
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = {}
    for name in ("events", "products", "reviews", "quarantine"):
        if not (folder / name).exists():
            rows[name] = []
            continue
        found = ds.dataset(folder / name, partitioning="hive").to_table().to_pylist()
        rows[name] = sorted(json.dumps(row, default=str, sort_keys=True) for row in found)
    return {**rows, "counts": manifest["entities"], "refused": manifest["quarantine"], "masked": manifest["masked"]}
