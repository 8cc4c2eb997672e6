"""Pictures and titles of products in one space: does each find the other, and what do both tell that one does not?

    .venv/bin/python -m benchmarks.cross_modal --data PRODUCTS.csv --images TAR_OR_FOLDER --title COL \\
        --attributes COL,COL [--test-data PRODUCTS.csv --test-images TAR_OR_FOLDER]

The first column of a CSV names a product, and ID.jpg its picture. Judged on 1,000 products with picture and title that
are drawn at random, or on those of `--test-data` (1,000 of them where there are more). Nothing is trained on a judged
product, nor on any product with the title of one. Towers, fusion and readings are trained here on all other products;
titles without a picture teach words alone. What ships decides everything on a tenth of the training products.

- `title_to_image`: a title's own picture among the k nearest of all judged pictures; the picture of another product
  with the same title counts as a miss. `image_to_title`: likewise; equal titles come in random order.
- `attributes`: share told rightly, unknown classes counted as wrong, from the picture, the title, and both. `headroom`:
  share of the products that one modality tells and the better one does not: no fusion that only chooses gains more.
  `in_space`: the same from the learned vectors alone, without the linear machine on the title's n-grams that ships
  beside them: what the picture's tower tells, what the title's tells, and what their fusion does.
- `removed`: the same for every combination of modalities that is left at scoring time, with the share of the ten
  nearest judged products that agree on the attribute.
- `intervals`: 95 %, by bootstrap over products; `fused_minus_best`: product by product, minus the better of the two.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import watching
from benchmarks._pictures import read_pictures
from models.metrics import bootstrap_interval, paired_interval
from models.multimodal.configs import CONFIGS, FUSED, IMAGE, KINDS, TEXT, Config
from models.multimodal.learning import Products, codes_of, learn
from models.multimodal.media import Media, Prepared
from models.multimodal.retrieval import found_at, nearest
from models.multimodal.space import Heard, Space

SEED = 20_180_101
JUDGED = 1_000
KS = (1, 10)
NEIGHBOURS = 10


@dataclass(frozen=True)
class Shop:
    ids: list[str]
    media: Media
    labels: dict[str, list[str | None]]

    def part(self, rows: np.ndarray) -> "Shop":
        media = Media([self.media.titles[row] for row in rows], self.media.pixels, self.media.picture[rows])
        labels = {name: [given[row] for row in rows] for name, given in self.labels.items()}
        return Shop([self.ids[row] for row in rows], media, labels)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.cross_modal", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="CSV, a product a row, its name first")
    parser.add_argument("--images", type=Path, required=True, help="tar or folder of NAME.jpg")
    parser.add_argument("--title", required=True, help="its column")
    parser.add_argument("--attributes", required=True, help="their columns, with commas between")
    parser.add_argument("--test-data", type=Path)
    parser.add_argument("--test-images", type=Path)
    parser.add_argument("--config", choices=sorted(CONFIGS), default="base")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    if (asked.test_data is None) != (asked.test_images is None):
        parser.error("--test-data and --test-images go together")
    started = time.monotonic()
    config, columns = CONFIGS[asked.config], asked.attributes.split(",")
    with watching(os.getpid()) as watch, tempfile.TemporaryDirectory() as folder:
        shop = read(asked.data, asked.images, asked.title, columns, config.pictures.size)
        other = None
        if asked.test_data is not None:
            other = read(asked.test_data, asked.test_images, asked.title, columns, config.pictures.size)
        answer = measured(shop, other, config, asked.device, Path(folder), say)
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps({"benchmark": "cross_modal", **answer}, ensure_ascii=False), flush=True)


def say(row: object) -> None:
    print(row, flush=True)


def read(data: Path, images: Path, title: str, columns: Sequence[str], size: int) -> Shop:
    import pandas as pd

    rows = pd.read_csv(data, dtype=str).drop_duplicates(subset=[pd.read_csv(data, nrows=0).columns[0]])
    ids = [str(name) for name in rows.iloc[:, 0]]
    known = set(ids)

    def wanted(path: str) -> str | None:
        name = Path(path).stem
        return name if name in known else None

    place, pixels = read_pictures(images, size, wanted)
    picture = np.array([place.get(name, -1) for name in ids], np.int64)
    labels = {name: _values(rows[name]) for name in columns}
    return Shop(ids, Media(_values(rows[title]), pixels, picture), labels)


def _values(column: Any) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in column]


def measured(
    shop: Shop, other: Shop | None, config: Config, device: str, folder: Path, tell: Callable[[object], None]
) -> dict[str, Any]:
    """What the last line says, without time and memory. Where `other` is None the judged products come from `shop`."""
    judged, rest = split(shop, other)
    tell(f"{len(rest.ids)} products to learn from, {len(judged.ids)} to judge on")
    learned = learn(Products(rest.media, rest.labels), config, device, folder, tell)
    space = learned.space
    tell(f"weights of the readings: {_told(space)}")
    started = time.monotonic()
    pictures = space.images(judged.media.pixels[judged.media.picture])
    rate = len(pictures) / (time.monotonic() - started)
    titles = space.texts(judged.media.titles)
    answer: dict[str, Any] = {
        "judged": len(judged.ids), "trained_on": len(rest.ids),
        "trained_on_with_picture": int((rest.media.picture >= 0).sum()),
        "title_to_image": recalls(titles, pictures), "image_to_title": recalls(pictures, titles),
    }  # fmt: skip
    store = space.prepared(judged.media)
    heard = space.heard(store)
    removed = {name: left(space, judged, store, heard, hidden) for name, hidden in combinations(space).items()}
    answer["attributes"] = {
        name: attribute({k: found["right"][name] for k, found in removed.items()}) for name in space.classes
    }
    spoken = told_in_space(space, judged, store)
    for name, found in answer["attributes"].items():
        found["in_space"] = compared({kind: right[name] for kind, right in spoken.items()})
    answer["removed"] = {
        kept: {
            name: {"told": _mean(found["right"][name]), "neighbours": _mean(found["alike"][name])}
            for name in space.classes
        }
        for kept, found in removed.items()
    }
    return answer | {"epochs": learned.fitted.best_epoch, "pictures_per_second": round(rate)}


def split(shop: Shop, other: Shop | None) -> tuple[Shop, Shop]:
    """(judged, learned from): no product, and no title, is in both."""
    given = shop if other is None else other
    whole = np.flatnonzero(given.media.present()[:, [KINDS.index(IMAGE), KINDS.index(TEXT)]].all(axis=1))
    draw = np.random.default_rng(SEED).permutation(whole)[:JUDGED]
    judged = given.part(np.sort(draw))
    both = Media([*judged.media.titles, *shop.media.titles], shop.media.pixels, np.full(len(draw) + len(shop.ids), -1))
    codes = codes_of(both)
    seen, names = set(codes[: len(draw)].tolist()), set(judged.ids if other is None else other.ids)
    kept = [r for r, name in enumerate(shop.ids) if name not in names and int(codes[len(draw) + r]) not in seen]
    return judged, shop.part(np.array(kept, np.int64))


def recalls(queries: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    found = found_at(queries, targets, KS)
    said: dict[str, Any] = {f"recall@{k}": _mean(found[k]) for k in KS}
    ends = {f"recall@{k}": _ends(bootstrap_interval(found[k], SEED)) for k in KS}
    return said | {"chance@10": round(min(1.0, 10 / len(targets)), 5), "intervals": ends}


def combinations(space: Space) -> dict[str, tuple[str, ...]]:
    """What is hidden, by the name of what is left."""
    found = {}
    for number in range((1 << len(space.kinds)) - 1, -1, -1):
        kept = [kind for place, kind in enumerate(space.kinds) if number >> place & 1]
        found["+".join(kept) or "none"] = tuple(kind for kind in space.kinds if kind not in kept)
    return found


def left(
    space: Space, judged: Shop, store: Prepared, heard: dict[str, Heard], hidden: tuple[str, ...]
) -> dict[str, dict[str, np.ndarray]]:
    """With some modalities hidden: by attribute, whether each product's is told rightly, and which share of its nearest
    judged products agrees; of the products whose attribute is known.
    """
    here = store.present
    shown = [kind for kind in heard if kind not in hidden]
    vectors = space.fused(
        {kind: heard[kind].vectors for kind in heard},
        {kind: here[:, KINDS.index(kind)] & (kind in shown) for kind in heard},
    )
    alike = nearest(vectors, vectors, NEIGHBOURS + 1)
    own = np.arange(len(vectors))[:, None]
    beside = np.stack([row[row != n][:NEIGHBOURS] for n, row in enumerate(alike)]) if len(vectors) > 1 else own
    right, agree = {}, {}
    for name, chances in space.guesses(store, hidden).items():
        answer = np.array([value or "" for value in judged.labels[name]])
        known = answer != ""
        right[name] = _right(space, judged, name, chances)
        agree[name] = (answer[beside] == answer[:, None])[known].mean(axis=1)
    return {"right": right, "alike": agree}


def told_in_space(space: Space, judged: Shop, store: Prepared) -> dict[str, dict[str, np.ndarray]]:
    """By tower and for the fusion of both, by attribute: whether each product's is told rightly from vectors alone."""
    _, logs = space.readings(store)
    return {
        reading: {name: _right(space, judged, name, logs[reading][name]) for name in space.classes}
        for reading in (IMAGE, TEXT, FUSED)
    }


def _right(space: Space, judged: Shop, name: str, chances: np.ndarray) -> np.ndarray:
    """Float [known]: of the products whose attribute is known, whether the likeliest class is the right one."""
    answer = np.array([value or "" for value in judged.labels[name]])
    said = np.array(space.classes[name])[chances.argmax(axis=1)]
    return (said == answer)[answer != ""].astype(np.float64)


def attribute(right: dict[str, np.ndarray]) -> dict[str, Any]:
    """Of one attribute, from whether each product's was told by each combination, float [n]."""
    values = {IMAGE: right[IMAGE], TEXT: right[TEXT], FUSED: right[f"{IMAGE}+{TEXT}"]}
    return compared(values) | {"nothing": _mean(right["none"])}


def compared(values: dict[str, np.ndarray]) -> dict[str, Any]:
    """Picture, title and both, float [n] each: shares, and both minus the better one, product by product."""
    best, other = sorted((IMAGE, TEXT), key=lambda kind: -values[kind].mean())
    return {
        **{name: _mean(told) for name, told in values.items()}, "best_single": best,
        "fused_minus_best": round(float((values[FUSED] - values[best]).mean()), 4),
        "headroom": _mean((values[other] > values[best]).astype(np.float64)),
        "intervals": {name: _ends(bootstrap_interval(told, SEED)) for name, told in values.items()}
        | {"fused_minus_best": _ends(paired_interval(values[FUSED], values[best], SEED))},
    }  # fmt: skip


def _mean(values: np.ndarray) -> float:
    return round(float(values.mean()), 4)


def _ends(interval: tuple[float, float]) -> list[float]:
    return [round(end, 4) for end in interval]


def _told(space: Space) -> str:
    said = {
        name: {k: np.round(w, 2).tolist() for k, w in pool.items() if k != "none"} for name, pool in space.pools.items()
    }
    return json.dumps(said)


if __name__ == "__main__":
    main()
