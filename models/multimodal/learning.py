"""Training: products to a space."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.devices import device_of
from models.loop import Fitted, LoopConfig, fit
from models.multimodal.attributes import NONE, Pools, fit_weights, readings_of, subset
from models.multimodal.configs import FUSED, KINDS, PHRASES, TEXT, Config, as_json
from models.multimodal.fusion import contrast
from models.multimodal.images import Pretrained
from models.multimodal.media import Media, Prepared, kinds_of, prepared
from models.multimodal.net import Net, Shape
from models.multimodal.phrases import Phrases
from models.multimodal.phrases import fit as fit_phrases
from models.multimodal.retrieval import found_at
from models.multimodal.space import Space, fuse, hear
from models.multimodal.words import Reader, encoder_for, rarity
from models.nlp.text import clean

MOST_SHARP = 50.0
LEAST_ROWS = 30
"""Held-out products below which the weights of a pool are left equal."""


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
    store = prepared(media, config, reader, pictures)
    classes, answers = labelled(products.labels, train)
    shape = Shape(kinds, reader.width, pictures.width if pictures else 0, {n: len(c) for n, c in classes.items()})
    torch.manual_seed(training.seed)
    net = Net(config, shape)
    task = Task(config, store, answers, codes_of(media), products.pairs, train, held_out, place)
    loop = LoopConfig(
        epochs=training.epochs, patience=training.epochs, learning_rate=training.learning_rate,
        average=training.average, weight_decay=training.weight_decay, warmup_steps=training.warmup,
        checkpoint_steps=1000, seed=training.seed,
    )  # fmt: skip
    fitted = fit(net, task, loop, folder / _digest(products, config), place, observe)
    net.eval()
    titled = train[store.present[train, KINDS.index(TEXT)]]
    phrases = fit_phrases(store.read.bags[titled], {name: answer[titled] for name, answer in answers.items()}, classes)
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


def codes_of(media: Media) -> np.ndarray:
    """int64 [n]: equal for products of the same title, their own for products without."""
    titles = [clean(title or "").lower() or f"\n{row}" for row, title in enumerate(media.titles)]
    return np.unique(titles, return_inverse=True)[1].astype(np.int64)


def labelled(
    labels: Mapping[str, Sequence[str | None]], train: np.ndarray
) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
    """Classes of each attribute among the products trained on, and int64 [n] of every product; -1: unknown, or new."""
    classes, answers = {}, {}
    for name, given in labels.items():
        known = sorted({str(given[row]) for row in train if given[row]})
        place = {value: number for number, value in enumerate(known)}
        if known:
            classes[name] = known
            answers[name] = np.array([place.get(str(value), -1) if value else -1 for value in given], np.int64)
    return classes, answers


@dataclass(frozen=True)
class Batch:
    rows: np.ndarray
    pairs: np.ndarray
    """int64 [p, 2], places in `rows`."""


@dataclass(frozen=True)
class Task:
    config: Config
    store: Prepared
    answers: dict[str, np.ndarray]
    codes: np.ndarray
    bought: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    device: torch.device

    def epoch(self, number: int) -> Iterator[Batch]:
        """Every product that has more than a title once; titles alone go round at their own pace."""
        training = self.config.training
        draw = np.random.default_rng([training.seed, number])
        only_title = self.store.present[self.train].sum(axis=1) == self.store.present[self.train][:, KINDS.index(TEXT)]
        rich, plain = self.train[~only_title], self.train[only_title]
        if not len(rich):
            rich, plain = plain, rich
        rich, plain = draw.permutation(rich), draw.permutation(plain)
        bought = self.bought[np.isin(self.bought, self.train).all(axis=1)]
        steps = max(1, len(rich) // training.rows)
        beside = min(training.titles, len(plain))
        for step, rows in enumerate(np.array_split(rich, steps)):
            titles = plain[np.arange(step * beside, (step + 1) * beside) % max(len(plain), 1)]
            pairs = bought[draw.integers(0, len(bought), training.pairs)] if len(bought) else bought
            all_rows = np.unique(np.concatenate([rows, titles, pairs.ravel()]))
            yield Batch(all_rows, np.searchsorted(all_rows, pairs))

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, int]:
        known = torch.from_numpy(self.store.present[batch.rows])
        inputs = {
            kind: self.store.inputs(kind, batch.rows[known[:, place].numpy()], self.device)
            for place, kind in enumerate(KINDS)
            if bool(known[:, place].any())
        }
        said = net(inputs, known.to(self.device))
        own = net.module if hasattr(net, "module") else net
        assert isinstance(own, Net)
        codes = torch.from_numpy(self.codes[batch.rows]).to(self.device)
        sharpness = own.sharpness.exp().clamp(max=MOST_SHARP)
        loss = self._between(said.vectors, said.present, codes, sharpness)
        seen = _hidden(said.present, self.config.training.drop)
        state = own.fusion(said.vectors, seen)
        fused = F.normalize(state, dim=1)
        loss = loss + self._with_fused(fused, said.vectors, said.present & ~seen, codes, sharpness)
        if len(batch.pairs):
            left, right = torch.from_numpy(batch.pairs.T.copy()).to(self.device)
            same = (left[:, None] == left) | (right[:, None] == right)
            loss = loss + contrast(fused[left], fused[right], sharpness, same)
        return loss + self.config.training.attributes * self._attributes(own, said.states, state, batch), len(
            batch.rows
        )

    def _between(
        self, vectors: torch.Tensor, present: torch.Tensor, codes: torch.Tensor, sharpness: torch.Tensor
    ) -> torch.Tensor:
        """The contrast between each two modalities, over the products that have both."""
        loss = sharpness.new_zeros(())
        for a in range(len(KINDS)):
            for b in range(a):
                rows = present[:, a] & present[:, b]
                if int(rows.sum()) > 1:
                    same = codes[rows][:, None] == codes[rows]
                    loss = loss + contrast(vectors[rows, a], vectors[rows, b], sharpness, same)
        return loss

    def _with_fused(
        self, fused: torch.Tensor, vectors: torch.Tensor, unseen: torch.Tensor, codes: torch.Tensor,
        sharpness: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """The contrast between what the fusion was shown and each modality that was hidden from it."""
        loss = sharpness.new_zeros(())
        for place in range(len(KINDS)):
            rows = unseen[:, place]
            if int(rows.sum()) > 1:
                same = codes[rows][:, None] == codes[rows]
                loss = loss + contrast(fused[rows], vectors[rows, place], sharpness, same)
        return loss

    def _attributes(self, net: Net, states: dict[str, torch.Tensor], fused: torch.Tensor, batch: Batch) -> torch.Tensor:
        loss = net.sharpness.new_zeros(())
        known = self.store.present[batch.rows]
        for kind in (*states, FUSED):
            rows = batch.rows if kind == FUSED else batch.rows[known[:, KINDS.index(kind)]]
            for name, logits in net.read(kind, fused if kind == FUSED else states[kind]).items():
                answer = torch.from_numpy(self.answers[name][rows]).to(self.device)
                if bool((answer >= 0).any()):
                    smoothing = self.config.training.smoothing
                    loss = loss + F.cross_entropy(logits, answer, ignore_index=-1, label_smoothing=smoothing)
        return loss

    def validate(self, net: nn.Module) -> float | None:
        """The mean of what is asked of a space, on held-out products: Recall@10 between modalities, and the share of
        attributes that the fusion tells.
        """
        assert isinstance(net, Net)
        if not len(self.held_out):
            return None
        values = []
        vectors, present, logs = self._heard(net)
        for a in range(len(KINDS)):
            for b in range(a):
                rows = present[:, a] & present[:, b]
                if rows.sum() > 1:
                    values += [
                        float(found_at(vectors[rows, x], vectors[rows, y], (10,))[10].mean())
                        for x, y in ((a, b), (b, a))
                    ]
        for name in self.answers:
            answer = self.answers[name][self.held_out]
            if (answer >= 0).any():
                values.append(float((logs[FUSED][name].argmax(axis=1) == answer)[answer >= 0].mean()))
        return float(np.mean(values)) if values else None

    def pools(self, net: Net, classes: dict[str, list[str]], phrases: Phrases) -> Pools:
        """Weights of the readings, found on the held-out products for every subset of what they have."""
        found: Pools = {}
        vectors, present, logs = self._heard(net)
        titled = present[:, KINDS.index(TEXT)]
        logs[PHRASES] = phrases.logs(self.store.read.bags[self.held_out], titled)
        for name, all_classes in classes.items():
            answer = self.answers[name]
            counts = np.bincount(answer[self.train][answer[self.train] >= 0], minlength=len(all_classes))
            found[name] = {NONE: [float(share) for share in np.log(counts / counts.sum())]}
            answer = answer[self.held_out]
            for part in _parts(present):
                rows = (answer >= 0) & (present | ~part).all(axis=1)
                if rows.sum() < LEAST_ROWS:
                    continue
                _, fused = fuse(net, vectors[rows], np.broadcast_to(part, (int(rows.sum()), len(KINDS))), self.device)
                label = subset(part[None])[0]
                readings = [
                    fused[name] if kind == FUSED else logs[kind][name][rows] for kind in readings_of(label, logs)
                ]
                found[name][label] = fit_weights(readings, answer[rows])
        return found

    def _heard(self, net: Net) -> tuple[np.ndarray, np.ndarray, dict[str, dict[str, np.ndarray]]]:
        """Of the held-out products: vectors [n, kinds, d], present [n, kinds], log chances by reading and attribute."""
        part = self.store.of(self.held_out)
        heard = hear(net, part, self.device)
        vectors = np.zeros((len(self.held_out), len(KINDS), self.config.dimension), np.float32)
        for kind, found in heard.items():
            vectors[:, KINDS.index(kind)] = found.vectors
        logs = {kind: found.logs for kind, found in heard.items()}
        logs[FUSED] = fuse(net, vectors, part.present, self.device)[1]
        return vectors, part.present, logs


def _parts(present: np.ndarray) -> Iterator[np.ndarray]:
    """Every subset but the empty one of the kinds that any product has, bool [kinds]."""
    some = present.any(axis=0)
    for number in range(1, 1 << len(KINDS)):
        part = np.array([bool(number >> place & 1) for place in range(len(KINDS))])
        if not (part & ~some).any():
            yield part


def _hidden(present: torch.Tensor, drop: float) -> torch.Tensor:
    """Of products with several modalities, as often as `drop` says, all but one drawn at random are hidden."""
    draw = torch.rand((len(present), len(KINDS) + 1), device=present.device)
    kept = F.one_hot(draw[:, 1:].masked_fill(~present, -1).argmax(dim=1), len(KINDS)).bool() & present
    alone = (draw[:, :1] < drop) & (present.sum(dim=1, keepdim=True) > 1)
    return torch.where(alone, kept, present)


def _digest(products: Products, config: Config) -> str:
    """Names what is trained on what: a checkpoint of anything else is never gone on with."""
    media = products.media
    told = json.dumps([as_json(config), list(media.titles), {k: list(v) for k, v in products.labels.items()}])
    found = hashlib.sha256(told.encode())
    for array in (media.pixels, media.picture, products.pairs, products.held_out, media.sound, *media.waves):
        found.update(b"drawn" if array is None else np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]
