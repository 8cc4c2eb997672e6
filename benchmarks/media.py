"""Pictures a second through the media stage, on N and on four times N pictures: landed, judged, decoded and embedded.

    .venv/bin/python -m benchmarks.media --images fashion_images.tar
    .venv/bin/python -m benchmarks.media --images FOLDER --space var/models/multimodal/VERSION

Each size gets a home of its own: the pictures land through the source `files`, preprocess judges them, `read_media`
decodes and embeds them, and once more as the night after that brings nothing new. `read` is the night's own figure;
`alone` tells its two halves apart, one after the other, with all cores each. Without `--space` a picture is embedded by
its mean colour, which costs next to nothing.
"""

import argparse
import csv
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks._measure import watching
from pipelines import lake
from pipelines.contracts import LANDING_DATE, PRODUCT_IMAGES
from pipelines.fence import take
from pipelines.land import land
from pipelines.media.pictures import picture
from pipelines.media.step import PICTURES_AT_A_TIME, Tower, read_media
from pipelines.media.stream import in_order
from pipelines.preprocess.job import preprocess
from pipelines.settings import Settings, night

DAY = date(2026, 1, 5)
ALONE = 2_000


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.media", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a tar file or a folder of pictures")
    parser.add_argument("--count", type=int, default=1_500, help="N")
    parser.add_argument("--space", type=Path, help="folder of a trained space; without it the mean colour")
    asked = parser.parse_args()
    contents = list(islice(pictures_in(asked.images), 4 * asked.count))
    tower = tower_of(asked.space)
    answer: dict[str, Any] = {
        "benchmark": "media", "tower": tower.version, "size": tower.size, "different_pictures": len(contents),
        "bytes": round(sum(map(len, contents)) / len(contents)),
    }  # fmt: skip
    for count in (asked.count, 4 * asked.count):
        answer[str(count)] = staged(contents, count, tower)
        print(json.dumps({count: answer[str(count)]}), flush=True)
    answer["alone"] = alone(contents, tower)
    print(json.dumps(answer), flush=True)


def tower_of(folder: Path | None) -> Tower:
    if folder is None:
        return Tower("mean-colour", lambda pixels: pixels.mean((1, 2), dtype=np.float32))
    from models.multimodal.space import Space

    space = Space.load(folder)
    return Tower(space.name, space.images, size=space.config.pictures.size)


def pictures_in(place: Path) -> Iterator[bytes]:
    """The files of a tar or of a folder, in the order of their names or as they lie."""
    if place.is_dir():
        yield from (path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file())
        return
    with tarfile.open(place) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield file.read()


def staged(contents: list[bytes], count: int, tower: Tower) -> dict[str, Any]:
    """The whole way of `count` pictures. Where there are fewer, some come again with other bytes behind their end."""
    with tempfile.TemporaryDirectory() as folder:
        home, origin = Path(folder) / "home", Path(folder) / "origin"
        lay_out(origin, contents, count)
        settings = Settings(home=home, shop="bench")
        found = {"land": timed(count, lambda: land(settings, "files", origin / "shop.yaml", None, None))}
        attempt = take(settings, "preprocess", str(DAY))
        found["judge"] = timed(count, lambda: preprocess(settings, night(DAY), attempt))
        rows = settings.staging / str(DAY) / attempt.id / PRODUCT_IMAGES.name
        assert (rows / f"{LANDING_DATE}={DAY}").is_dir()
        lake.commit(settings, PRODUCT_IMAGES.name, rows, [DAY], {}, attempt)
        for name in ("read", "next_night"):
            attempt = take(settings, "media", "media")
            found[name] = timed(count, lambda attempt=attempt: read_media(settings, DAY, tower, attempt))
            found[name]["embedded"] = found[name].pop("result")["rows"]
        return {name: {k: v for k, v in one.items() if k != "result"} for name, one in found.items()}


def lay_out(origin: Path, contents: list[bytes], count: int) -> None:
    (origin / "pictures").mkdir(parents=True)
    with (origin / f"images-{DAY}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sku", "file"])
        for n, content in enumerate(islice(cycle(contents), count)):
            again = n // len(contents)
            (origin / "pictures" / str(n)).write_bytes(content + (str(again).encode() if again else b""))
            rows.writerow([f"i{n}", str(n)])
    (origin / f"events-{DAY}.csv").write_text(f"at\n{DAY}T08:00:00Z\n")
    events = {"occurred_at": "at", "event_type": {"const": "search"}, "query": {"const": "mug"}}
    images = {"item_id": "sku", "position": {"const": 1}, "uri": "file"}
    entities = {
        "events": {"glob": "events-*.csv", "delivered_on": "filename", "columns": events},
        PRODUCT_IMAGES.name: {
            "glob": "images-*.csv", "delivered_on": "filename", "columns": images, "media": "pictures",
        },
    }  # fmt: skip
    (origin / "shop.yaml").write_text(yaml.safe_dump({"timezone": "UTC", "entities": entities}))


def timed(count: int, work: Callable[[], Any]) -> dict[str, Any]:
    with watching(os.getpid()) as watch:
        started, busy = time.monotonic(), time.process_time()
        result = work()
        seconds, cpu = time.monotonic() - started, time.process_time() - busy
    return {
        "pictures_per_second": round(count / seconds), "pictures_per_cpu_second": round(count / cpu),
        "seconds": round(seconds, 2), "peak_mib": watch.peak >> 20 or None,  # None: over before anybody looked
        "result": result,
    }  # fmt: skip


def alone(contents: list[bytes], tower: Tower) -> dict[str, Any]:
    some = list(islice(cycle(contents), ALONE))
    assert tower.images is not None
    started, busy = time.monotonic(), time.process_time()
    pixels = np.stack(list(in_order(partial(picture, size=tower.size), some)))
    decoded, decoded_cpu = time.monotonic() - started, time.process_time() - busy
    started, busy = time.monotonic(), time.process_time()
    for start in range(0, ALONE, PICTURES_AT_A_TIME):
        tower.images(pixels[start : start + PICTURES_AT_A_TIME])
    embedded, embedded_cpu = time.monotonic() - started, time.process_time() - busy
    return {
        "decoded_per_second": round(ALONE / decoded), "decoded_per_cpu_second": round(ALONE / decoded_cpu),
        "embedded_per_second": round(ALONE / embedded), "embedded_per_cpu_second": round(ALONE / embedded_cpu),
    }  # fmt: skip


if __name__ == "__main__":
    main()
