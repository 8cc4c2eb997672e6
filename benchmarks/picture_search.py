"""A photo taken in a store finds its product: the towers beside what needs no learning.

    .venv/bin/python -m benchmarks.picture_search --data grocery_store.tar

The Grocery Store Dataset (Klasson et al. 2019) as it is published, in a tar file or unpacked: photos of 81 products in
given splits, an iconic picture and a description of each. Photos of `train` are learned from, those of `val` choose the
epoch, those of `test` are judged. Two catalogues are searched: `iconic` knows a product by its iconic picture (and the
towers by its name and description, which is what a catalogue holds); `photos` adds the photos of `train`, and a product
is as near as its nearest picture. Every method gets the same pictures in the same size:

- `pixels`: 16 x 16 pixels, brought to mean 0 and length 1 over all channels;
- `colours`: roots of a histogram of 8 x 8 x 8 colours, compared as Bhattacharyya does;
- `towers`: the image tower for photos; for the iconic catalogue, picture and words fused.

Recall@1 and @5 over photos, equal scores in random order; `minus`: towers minus each method's better catalogue, photo
by photo. Intervals: 95 %, by bootstrap over photos; photos of one visit to a store resemble each other, so the
intervals are rather narrow.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import watching
from benchmarks._pictures import read_pictures, read_texts
from benchmarks.cross_modal import SEED, say
from models.metrics import bootstrap_interval, paired_interval
from models.multimodal.configs import CONFIGS, Config
from models.multimodal.learning import Products, learn
from models.multimodal.media import Media
from models.nlp.search.encoders import unit

KS = (1, 5)
CATALOGUES = ("iconic", "photos")


@dataclass(frozen=True)
class Store:
    """`pixels` uint8 [n, S, S, 3]; of photos `product` int64 [n] and `part` (train, val, test); the rows `iconic` int64
    [products] are the iconic pictures.
    """

    pixels: np.ndarray
    product: np.ndarray
    part: np.ndarray
    iconic: np.ndarray
    names: list[str]
    words: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.picture_search", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="tar or folder")
    parser.add_argument("--config", choices=sorted(CONFIGS), default="base")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    started = time.monotonic()
    config = CONFIGS[asked.config]
    with watching(os.getpid()) as watch, tempfile.TemporaryDirectory() as folder:
        answer = measured(read(asked.data, config.pictures.size), config, asked.device, Path(folder), say)
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps({"benchmark": "picture_search", **answer}), flush=True)


def read(place: Path, size: int) -> Store:
    """Raises KeyError where the lists name a picture that is not there."""
    texts = read_texts(place, lambda path: path if path.startswith("dataset/") else None)
    lines = [line.split(",") for line in texts["dataset/classes.csv"].splitlines()[1:] if line.strip()]
    pictures, pixels = read_pictures(place, size, lambda path: path if path.startswith("dataset/") else None)
    rows, product, part = [], [], []
    for name in ("train", "val", "test"):
        for line in texts[f"dataset/{name}.txt"].splitlines():
            path, number, _ = line.split(", ")
            rows.append(pictures[f"dataset/{path}"])
            product.append(int(number))
            part.append(name)
    for line in lines:
        rows.append(pictures[f"dataset{line[4]}"])
        product.append(int(line[1]))
        part.append("iconic")
    order = np.array(product[-len(lines) :])
    iconic = len(rows) - len(lines) + np.argsort(order)
    words = [texts[f"dataset{line[5].strip()}"] for line in lines]
    sorted_lines = np.argsort(order)
    return Store(
        pixels[rows], np.array(product, np.int64), np.array(part), iconic,
        [lines[n][0].replace("-", " ") for n in sorted_lines], [words[n] for n in sorted_lines],
    )  # fmt: skip


def measured(store: Store, config: Config, device: str, folder: Path, tell: Callable[[object], None]) -> dict[str, Any]:
    """What the last line says, without time and memory."""
    test, train = np.flatnonzero(store.part == "test"), np.flatnonzero(store.part == "train")
    found: dict[str, dict[str, dict[int, np.ndarray]]] = {}
    for method, make in {"pixels": small, "colours": histogram, "towers": None}.items():
        if make is None:
            queries, iconic, photos = embedded(store, test, train, config, device, folder, tell)
        else:
            made = make(store.pixels)
            queries, iconic, photos = made[test], made[store.iconic], made[train]
        near = queries @ iconic.T
        nearer = np.maximum(near, of_products(queries @ photos.T, store.product[train], len(iconic)))
        scores = dict(zip(CATALOGUES, (near, nearer), strict=True))
        found[method] = {name: ranked(score, store.product[test]) for name, score in scores.items()}
        tell({method: {name: {k: float(v.mean()) for k, v in at.items()} for name, at in found[method].items()}})
    answer: dict[str, Any] = {"judged": len(test), "products": len(store.iconic)}
    for name in CATALOGUES:
        answer[name] = {method: told(found[method][name]) for method in found}
    answer["minus"] = {method: gained(found["towers"], found[method]) for method in found if method != "towers"}
    return answer


def embedded(
    store: Store, test: np.ndarray, train: np.ndarray, config: Config, device: str, folder: Path,
    tell: Callable[[object], None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Vectors of photos that are asked with, of products, and of photos that were learned from."""
    known = np.flatnonzero(store.part != "test")
    place = {row: n for n, row in enumerate(known.tolist())}
    product = store.product[known]
    titles = [f"{store.names[n]}. {store.words[n]}" for n in product]
    iconic = np.array([place[row] for row in store.iconic.tolist()])
    learned_from = np.array([place[row] for row in train.tolist()])
    media = Media(titles, store.pixels[known], np.arange(len(known)))
    pairs = np.column_stack([learned_from, iconic[product[learned_from]]])
    products = Products(
        media, {"product": [store.names[n] for n in product]}, pairs, np.flatnonzero(store.part[known] == "val")
    )
    space = learn(products, config, device, folder, tell).space
    shown = Media([titles[n] for n in iconic], media.pixels, iconic)
    return space.images(store.pixels[test]), space.products(shown), space.images(store.pixels[train])


def of_products(scores: np.ndarray, product: np.ndarray, n: int) -> np.ndarray:
    """float32 [queries, n]: the best score of each product's photos, -inf without one. `scores` [queries, photos]."""
    found = np.full((len(scores), n), -np.inf, np.float32)
    for number in np.unique(product):
        found[:, number] = scores[:, product == number].max(axis=1)
    return found


def ranked(scores: np.ndarray, answer: np.ndarray) -> dict[int, np.ndarray]:
    """By k, float64 [n]: the chance that the right product is among the k best; see `models.multimodal.retrieval`."""
    own = scores[np.arange(len(scores)), answer][:, None]
    better, ties = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    return {k: np.clip((k - better) / ties, 0, 1) for k in KS}


def small(pixels: np.ndarray) -> np.ndarray:
    """float32 [n, 768]: means over squares of the picture, 16 x 16 of them."""
    n, size = len(pixels), pixels.shape[1]
    edges = np.arange(17) * size // 16
    rows = np.add.reduceat(pixels.astype(np.float32), edges[:-1], axis=1)
    cells = np.add.reduceat(rows, edges[:-1], axis=2).reshape(n, -1)
    return unit(cells - cells.mean(axis=1, keepdims=True))


def histogram(pixels: np.ndarray) -> np.ndarray:
    """float32 [n, 512], rows of length 1."""
    eighth = (pixels >> 5).astype(np.int64)
    bins = (eighth[..., 0] * 8 + eighth[..., 1]) * 8 + eighth[..., 2]
    counts = np.stack([np.bincount(row.ravel(), minlength=512) for row in bins])
    return unit(np.sqrt(counts).astype(np.float32))


def told(at: dict[int, np.ndarray]) -> dict[str, Any]:
    ends = {f"recall@{k}": [round(end, 4) for end in bootstrap_interval(values, SEED)] for k, values in at.items()}
    return {f"recall@{k}": round(float(values.mean()), 4) for k, values in at.items()} | {"intervals": ends}


def gained(ours: dict[str, dict[int, np.ndarray]], other: dict[str, dict[int, np.ndarray]]) -> dict[str, Any]:
    """In each catalogue, and against the catalogue in which the other method is better."""
    best = max(CATALOGUES, key=lambda name: other[name][1].mean())
    return {
        name: {
            f"recall@{k}": [round(end, 4) for end in paired_interval(ours[name][k], other[best][k], SEED)] for k in KS
        }
        for name in CATALOGUES
    }


if __name__ == "__main__":
    main()
