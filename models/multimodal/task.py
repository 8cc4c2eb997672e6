"""What a space is trained towards, and what is decided on held-out products."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.multimodal.attributes import NONE, Pools, fit_weights, readings_of, subset
from models.multimodal.configs import FUSED, KINDS, PHRASES, TEXT, Config
from models.multimodal.fusion import contrast
from models.multimodal.media import Prepared
from models.multimodal.net import Net
from models.multimodal.phrases import Phrases
from models.multimodal.retrieval import found_at
from models.multimodal.space import fuse, hear

MOST_SHARP = 50.0
LEAST_ROWS = 30
"""Held-out products below which the weights of a pool are left equal."""


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
        """Contrast between modalities, between what the fusion saw and what it did not, and between products that were
        bought together; and the attributes, from every reading.
        """
        assert isinstance(net, Net), "one process trains a space"
        known = torch.from_numpy(self.store.present[batch.rows])
        inputs = {
            kind: self.store.inputs(kind, batch.rows[known[:, place].numpy()], self.device)
            for place, kind in enumerate(KINDS)
            if bool(known[:, place].any())
        }
        said = net(inputs, known.to(self.device))
        codes = torch.from_numpy(self.codes[batch.rows]).to(self.device)
        sharpness = net.sharpness.exp().clamp(max=MOST_SHARP)
        loss = self._between(said.vectors, said.present, codes, sharpness)
        seen = _hidden(said.present, self.config.training.drop)
        state = net.fusion(said.vectors, seen)
        fused = F.normalize(state, dim=1)
        loss = loss + self._with_fused(fused, said.vectors, said.present & ~seen, codes, sharpness)
        if len(batch.pairs):
            left, right = torch.from_numpy(batch.pairs.T.copy()).to(self.device)
            same = (left[:, None] == left) | (right[:, None] == right)
            loss = loss + contrast(fused[left], fused[right], sharpness, same)
        return loss + self.config.training.attributes * self._attributes(net, said.states, state, batch), len(
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
            counts = 1 + np.bincount(answer[self.train][answer[self.train] >= 0], minlength=len(all_classes))
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
