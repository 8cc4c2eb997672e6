"""Training: products to a space."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from models.devices import device_of
from models.loop import Fitted, LoopConfig, fit
from models.multimodal import phrases as grams
from models.multimodal.configs import KINDS, TEXT, Config, as_json
from models.multimodal.images import Pretrained
from models.multimodal.media import Media, kinds_of, prepared
from models.multimodal.net import Net, Shape
from models.multimodal.space import Space
from models.multimodal.task import Task
from models.multimodal.words import Reader, encoder_for, rarity
from models.nlp.text import clean


@dataclass(frozen=True)
class Products:
    """What is learned from. `labels` by attribute, one of each product or None. `pairs` int64 [p, 2]: products (rows)
    that were bought together or one after the other, all of them before the night the space is for. `held_out`: rows
    that decide and are not trained on; None: drawn, see `split`.
    """

    media: Media
    labels: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    pairs: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    held_out: np.ndarray | None = None


@dataclass(frozen=True)
class Learned:
    space: Space
    fitted: Fitted
    held_out: np.ndarray
    """Rows that chose the epoch and the weights of the pools, and were not trained on."""


def learn(
    products: Products, config: Config, device: str, folder: Path, observe: Callable[[dict[str, float]], None]
) -> Learned:
    """A space of these products. A killed run goes on in `folder`; equal products, config, device and threads
    give equal bits. Raises ValueError where no product has a picture, a word or a sound.
    """
    media, place, training = products.media, device_of(device), config.training
    kinds = kinds_of(media)
    if not kinds:
        raise ValueError("no product has a picture, a title or a sound")
    if products.held_out is None:
        train, held_out = split(media, training.held_out, training.seed)
    else:
        held_out = products.held_out
        train = np.setdiff1d(np.flatnonzero(media.present().any(axis=1)), held_out)
    texts = [clean(media.titles[row] or "") for row in train]
    sentences, encoder = encoder_for(texts, config.words.sentences, device)
    reader = Reader(config.words, rarity([text for text in texts if text], config.words.bits), encoder)
    pictures = Pretrained(config.pictures.source, place) if config.pictures.source else None
    used = np.union1d(towers_learn_from(media, train, training.plain, training.seed), held_out)
    store = prepared(media, config, reader, pictures, np.isin(np.arange(len(media)), used))
    classes, answers = labelled(products.labels, train)
    shape = Shape(kinds, reader.width, pictures.width if pictures else 0, {n: len(c) for n, c in classes.items()})
    torch.manual_seed(training.seed)
    net = Net(config, shape)
    task = Task(config, store, answers, codes_of(media), products.pairs, np.intersect1d(used, train), held_out, place)
    loop = LoopConfig(
        epochs=training.epochs, patience=training.epochs, learning_rate=training.learning_rate,
        average=training.average, weight_decay=training.weight_decay, warmup_steps=training.warmup,
        checkpoint_steps=1000, seed=training.seed,
    )  # fmt: skip
    fitted = fit(net, task, loop, folder / _digest(products, config), place, observe)
    net.eval()
    titled = train[store.present[train, KINDS.index(TEXT)]]
    phrases = grams.fit(store.read.bags[titled], {name: answer[titled] for name, answer in answers.items()}, classes)
    pools = task.pools(net, classes, phrases)
    return Learned(Space(net, reader, classes, phrases, pools, (sentences, pictures), place), fitted, held_out)


def split(media: Media, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(trained on, held out): rows. About `share` of the products with the most modalities is held out, and with them
    all products of the same titles.
    """
    present = media.present()
    codes = codes_of(media)
    rich = present.sum(axis=1) == present.sum(axis=1).max()
    drawn = np.random.default_rng(seed).permutation(np.unique(codes[rich]))
    size = np.bincount(codes[rich], minlength=codes.max() + 1)[drawn]
    out = drawn[np.cumsum(size) <= share * rich.sum()]
    inside = np.isin(codes, out)
    some = present.any(axis=1)
    return np.flatnonzero(~inside & some), np.flatnonzero(inside & some)


def towers_learn_from(media: Media, train: np.ndarray, plain: int, seed: int) -> np.ndarray:
    """Rows of `train`: all that have more than a title, and at most `plain` of the others, drawn at random; all of
    these where no product has more.
    """
    present = media.present()[train]
    more = present.sum(axis=1) > present[:, KINDS.index(TEXT)]
    others = train[~more]
    if more.any() and len(others) > plain:
        others = np.random.default_rng([seed, 1]).choice(others, plain, replace=False)
    return np.union1d(train[more], others)


def codes_of(media: Media) -> np.ndarray:
    """int64 [n]: equal for products of the same title, their own for products without."""
    titles = [clean(title or "").lower() or f"\n{row}" for row, title in enumerate(media.titles)]
    return np.unique(titles, return_inverse=True)[1].astype(np.int64)


def labelled(
    labels: Mapping[str, Sequence[str | None]], train: np.ndarray
) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
    """Classes of each attribute among the products trained on, and int64 [n] of every product; -1: unknown, or new.

    Attributes in the order of their names: so they come back from an artefact, and heads are told apart by their place.
    """
    classes, answers = {}, {}
    for name, given in sorted(labels.items()):
        known = sorted({str(given[row]) for row in train if given[row]})
        place = {value: number for number, value in enumerate(known)}
        if known:
            classes[name] = known
            answers[name] = np.array([place.get(str(value), -1) if value else -1 for value in given], np.int64)
    return classes, answers


def _digest(products: Products, config: Config) -> str:
    """Names what is trained on what: a checkpoint of anything else is never gone on with."""
    media = products.media
    told = json.dumps([as_json(config), list(media.titles), {k: list(v) for k, v in products.labels.items()}])
    found = hashlib.sha256(told.encode())
    for array in (media.pixels, media.picture, products.pairs, products.held_out, media.sound, *media.waves):
        found.update(b"drawn" if array is None else np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]
