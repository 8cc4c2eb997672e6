"""Learn one space for what products read, look and sound like, aligned with what is bought together.

    ... known at the cut-off: learn | test_days: what was bought beside what

Judged by what it is used for: of a product somebody bought in the test days, how high do the other products stand that
the same person bought in them? The floor is the encoder of the search reading titles alone.
"""

import hashlib
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake, staging
from pipelines.contracts import CONTENT_HASH, PRODUCT_AUDIO, PRODUCT_IMAGES
from pipelines.errors import NightmarketError, TooLittle, UsageError
from pipelines.language.trial import CHAMPION, FLOOR, LEARNED, NDCG, Metric, Trial, interval, keep, standing
from pipelines.settings import Settings
from pipelines.training_run import MULTIMODAL, Choices, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from models.interactions import Interactions
    from models.multimodal.learning import Learned
    from models.multimodal.media import Media
    from models.multimodal.space import Space
    from models.multimodal.titles import Titles
    from models.registry import Promotion

LEAST_PRODUCTS, LEAST_ASKED = 50, 30
MOST_ASKED, MOST_PAIRS = 2_000, 200_000
"""Purchases that are judged by, and pairs that are learned from, at most; more are drawn from."""
MOST_CLASSES, LEAST_COVERED = 60, 0.3
"""An attribute helps to learn where it has no more values than that, and at least this share of products has one."""
K = 10
ALL, NEW = "all", "new_products"
ASKED, SHOWN = 8, 6
"""Products in the picture of a run, and what is nearest to each: itself first."""


@dataclass(frozen=True)
class Catalogue:
    """Products in the order of their ids, as known on a day."""

    items: pa.Array
    media: "Media"
    labels: dict[str, list[str | None]]


def train_multimodal(settings: Settings, until: date | None, say: Report, choices: Choices) -> dict[str, Any]:
    """Fit and judge a space; nothing is promoted. A killed run goes on where it was; the same data ends equal.

    `until`: the last day that is judged by, by default the newest one. Raises TooLittle where fewer than 50 products
    have a title, a picture or a sound, or fewer than 30 purchases can be judged by.
    """
    from models.multimodal.configs import CONFIGS
    from models.multimodal.learning import Products, learn

    if choices.config not in CONFIGS:
        raise UsageError(f"unknown config {choices.config!r} of {MULTIMODAL}; known: {', '.join(CONFIGS)}")
    config = CONFIGS[choices.config]
    until = until or lake.newest_day(settings)
    cutoff = until - timedelta(settings.test_days)
    champion = standing(settings, MULTIMODAL, cutoff)
    before = catalogue(settings, cutoff, config.pictures.size, config.sounds.seconds)
    staging.require_whole(settings)
    known = int(before.media.present().any(axis=1).sum())
    if known < LEAST_PRODUCTS:
        raise TooLittle(
            f"cannot train {MULTIMODAL}: {known} products have a title, a picture or a sound on {cutoff}, and"
            f" {LEAST_PRODUCTS} are needed; land products, or choose a later --until"
        )
    pairs = bought_together(settings, cutoff, before.items)
    told = ", ".join(f"{n:,} with {kind}" for kind, n in _counts(before.media).items())
    say(f"{known:,} products ({told}), {len(pairs):,} pairs bought together, attributes: {', '.join(before.labels)}")
    folder = settings.run / "training" / f"{MULTIMODAL}-{cutoff}"
    learned = learn(
        Products(before.media, before.labels, pairs), config, choices.device, folder,
        lambda row: say(f"epoch {row['epoch']:.0f}  loss {row['loss']:.4f}  held out {row.get('validation', 0):.4f}"),
    )  # fmt: skip
    trial = _trial(settings, learned, champion, before, (cutoff, until), choices.device)
    answer = keep(settings, trial, champion)
    shutil.rmtree(folder, ignore_errors=True)
    return {**answer, "products": known, "pairs": len(pairs)}


def catalogue(settings: Settings, day: date, size: int, seconds: float) -> Catalogue:
    """Every product known on `day`, with its first picture and sound, decoded; what cannot be read is left out."""
    from models.multimodal.media import Media
    from pipelines.media.pictures import picture
    from pipelines.media.sounds import sound

    products = lake.products(settings, day)
    items = products["item_id"].combine_chunks().cast(pa.string())
    pixels, shown = _decoded(settings, PRODUCT_IMAGES.name, day, items, lambda data: picture(data, size))
    waves, heard = _decoded(settings, PRODUCT_AUDIO.name, day, items, lambda data: sound(data, seconds))
    stacked = np.stack(pixels) if pixels else np.zeros((0, size, size, 3), np.uint8)
    media = Media(products["title"].to_pylist(), stacked, shown, waves, heard)
    return Catalogue(items, media, _labels(products))


def _decoded(
    settings: Settings, entity: str, day: date, items: pa.Array, decode: Any
) -> tuple[list[np.ndarray], np.ndarray]:
    """Decoded media, and int64 [I]: which of them is the first of each item, or -1."""
    from pipelines.media import store
    from pipelines.media.faulty import MediaError
    from pipelines.media.kinds import KINDS
    from pipelines.media.stream import in_order

    rows = lake.media(settings, entity, day)
    place = {item: n for n, item in enumerate(items.to_pylist())}
    first: dict[str, str] = {}
    for item, digest in zip(rows["item_id"].to_pylist(), rows[CONTENT_HASH].to_pylist(), strict=True):
        if item in place:
            first.setdefault(item, digest)
    folder, most = (store.folder_of(settings) if first else None), KINDS[entity].most_bytes

    def read(digest: str) -> np.ndarray | MediaError:
        assert folder is not None
        try:
            return np.asarray(decode(store.get(folder, digest, most)))
        except MediaError as error:
            return error

    due = sorted(set(first.values()))
    good: list[np.ndarray] = []
    number: dict[str, int] = {}
    for digest, made in zip(due, in_order(read, due), strict=True):
        if not isinstance(made, MediaError):
            number[digest] = len(good)
            good.append(made)
    found = np.full(len(items), -1, np.int64)
    for item, digest in first.items():
        found[place[item]] = number.get(digest, -1)
    return good, found


def _labels(products: pa.Table) -> dict[str, list[str | None]]:
    """Category, brand and the attributes that have few values and are often given: what the towers learn to tell."""
    from models.nlp.search.catalogue import leaf

    columns: dict[str, list[str | None]] = {
        "category": [leaf(path) or None for path in products["category_path"].to_pylist()],
        "brand": products["brand"].to_pylist(),
    }
    maps = [dict(pairs or []) for pairs in products["attributes"].to_pylist()]
    for name in sorted({name for one in maps for name in one}):
        columns[f"attribute {name}"] = [one.get(name) for one in maps]
    kept = {}
    for name, values in columns.items():
        given = [value for value in values if value]
        if all(value.isdigit() for value in given):
            continue  # numbers are no classes, and often change: what is in stock, a price
        if len(given) >= LEAST_COVERED * max(len(values), 1) and 2 <= len(set(given)) <= MOST_CLASSES:
            kept[name] = values
    return kept


def bought_together(settings: Settings, day: date, items: pa.Array) -> np.ndarray:
    """int64 [p, 2]: two products (rows of `items`) that one person bought on one day, drawn where they are many."""
    from models.interactions import encode
    from models.sample import drawn

    data = encode(lake.interactions(settings, day, settings.training_days), day)
    row = pc.fill_null(pc.index_in(data.items, value_set=items), -1).to_numpy().astype(np.int64)
    left, right = _beside(data, within_days=True)
    pairs = np.stack([row[left], row[right]], axis=1)
    pairs = pairs[(pairs >= 0).all(axis=1)]
    return pairs[drawn(np.arange(len(pairs)), MOST_PAIRS)]


def _beside(data: "Interactions", within_days: bool) -> tuple[np.ndarray, np.ndarray]:
    """Items bought one after the other by a person: of a day, or at all. Each once a person and day."""
    from models.interactions import MICROSECONDS_PER_DAY, PURCHASE

    bought = data.event == PURCHASE
    day = data.time[bought] // MICROSECONDS_PER_DAY if within_days else np.zeros(int(bought.sum()), np.int64)
    rows = np.unique(np.stack([data.user[bought], day, data.item[bought]], axis=1).astype(np.int64), axis=0)
    same = (rows[1:, :2] == rows[:-1, :2]).all(axis=1)
    return rows[:-1, 2][same], rows[1:, 2][same]


def _counts(media: "Media") -> dict[str, int]:
    from models.multimodal.configs import KINDS

    present = media.present()
    return {kind: int(present[:, n].sum()) for n, kind in enumerate(KINDS) if present[:, n].any()}


def _trial(
    settings: Settings,
    learned: "Learned",
    champion: "Promotion | None",
    before: Catalogue,
    dates: tuple[date, date],
    device: str,
) -> Trial:
    """Every product known in the end, by each model; those that came after the cut-off were in nobody's training."""
    from models.multimodal.card import card
    from models.multimodal.titles import Titles
    from models.nlp.search.encoders import encoder_for

    space = learned.space
    now = catalogue(settings, dates[1], space.config.pictures.size, space.config.sounds.seconds)
    floor = Titles(encoder_for([title or "" for title in before.media.titles], device))
    vectors = {FLOOR: floor.texts(now.media.titles), LEARNED: space.products(now.media)}
    if champion is not None:
        loaded = _champion(settings, champion, device)
        if isinstance(loaded, Titles):
            vectors[CHAMPION] = loaded.texts(now.media.titles)
        else:
            own = catalogue(settings, dates[1], loaded.config.pictures.size, loaded.config.sounds.seconds)
            vectors[CHAMPION] = loaded.products(own.media)
    new = pc.invert(pc.is_in(now.items, before.items)).to_numpy(zero_copy_only=False)
    judged = _judged(settings, dates, now.items, new, vectors)
    folder = settings.models / MULTIMODAL
    versions = {FLOOR: floor.save(folder), LEARNED: space.save(folder)}
    metrics: dict[tuple[str, str], dict[str, Metric]] = {
        (name, part): {NDCG: interval(values)} for name, parts in judged.items() for part, values in parts.items()
    }
    said = [f"{item}\t{title}" for item, title in zip(before.items.to_pylist(), before.media.titles, strict=True)]
    digest = hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    counts = {f"products with {kind}": n for kind, n in _counts(before.media).items()}
    measures = {
        f"NDCG@{K} of what was bought beside a product, {name}, {part}": values
        for name, parts in judged.items()
        for part, values in parts.items()
    }
    return Trial(
        MULTIMODAL, *dates, NDCG, versions, judged, metrics, card(learned, dates[0], counts, measures), "products",
        digest, len(before.items), {"dimension": space.dimension, "kinds": ", ".join(space.kinds)},
        _figures(now, vectors[LEARNED]),
    )  # fmt: skip


def _figures(now: Catalogue, vectors: np.ndarray) -> "dict[str, Figure]":
    """What is near what, by pictures, and all products on a plane."""
    from models.multimodal.pictures import embedding, grid
    from models.multimodal.retrieval import nearest
    from models.sample import drawn

    known = np.flatnonzero(vectors.any(axis=1))
    labels = now.labels.get("category", [None] * len(now.items))
    found = {"plots/products.png": embedding(vectors[known], [labels[row] for row in known], "products by category")}
    shown = np.flatnonzero(now.media.picture >= 0).tolist()
    if len(shown) > SHOWN:
        asked = drawn(np.array(shown), ASKED).tolist()
        near = nearest(vectors[asked], vectors[shown], SHOWN)
        pixels = now.media.pixels[now.media.picture[shown]]
        queries = [now.media.pixels[now.media.picture[row]] for row in asked]
        found["plots/nearest.png"] = grid(queries, near, pixels, [now.media.titles[row] for row in shown])
    return found


def _champion(settings: Settings, champion: "Promotion", device: str) -> "Space | Titles":
    from models.artefact import ArtefactError
    from models.multimodal.space import Space
    from models.multimodal.titles import Titles, is_titles
    from models.nlp.search.encoders import NoEncoder

    folder = settings.models / MULTIMODAL / champion.version
    try:
        return Titles.load(folder, device) if is_titles(folder) else Space.load(folder, device)
    except (ArtefactError, NoEncoder) as error:
        raise NightmarketError(f"champion of {MULTIMODAL}: {error}") from error


def _judged(
    settings: Settings, dates: tuple[date, date], items: pa.Array, new: np.ndarray, vectors: dict[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """NDCG@10 of each question: a product somebody bought in the test days, and what else they bought in them."""
    from models.interactions import PURCHASE, encode
    from models.multimodal.beside import ndcg_at
    from models.sample import drawn

    data = encode(lake.interactions(settings, dates[1], settings.test_days), dates[1])
    row = pc.fill_null(pc.index_in(data.items, value_set=items), -1).to_numpy().astype(np.int64)
    bought = (data.event == PURCHASE) & (row[data.item] >= 0)
    pairs = np.unique(np.stack([data.user[bought], row[data.item[bought]]], axis=1), axis=0)
    many = np.bincount(pairs[:, 0], minlength=len(data.users))[pairs[:, 0]] > 1
    asked = drawn(np.flatnonzero(many), MOST_ASKED)
    if len(asked) < LEAST_ASKED:
        raise TooLittle(
            f"cannot train {MULTIMODAL}: in the test days {len(asked)} purchases have another one beside them, and"
            f" {LEAST_ASKED} are needed to judge by; choose a later --until"
        )
    values = {name: ndcg_at(rows, pairs, asked, K) for name, rows in vectors.items()}
    parts = {ALL: np.ones(len(asked), dtype=bool), NEW: new[pairs[asked, 1]]}
    return {
        name: {part: found[chosen] for part, chosen in parts.items() if chosen.sum() >= LEAST_ASKED}
        for name, found in values.items()
    }
