"""The text tower: hashed n-grams that are learned here, beside the frozen sentence vectors of the nlp family."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import nn

from models.multimodal.configs import Words
from models.nlp import grams
from models.nlp.search import encoders
from models.nlp.text import clean

Bag = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Buckets int64 [k] and weights float32 [k] of all texts end to end, starts int64 [n], sentences float32 [n, h]."""


@dataclass(frozen=True)
class Read:
    """Texts as the tower reads them: `bags` float32 [n, 2 · 2^bits]; `sentences` float32 [n, h], h 0 without any."""

    bags: sparse.csr_array
    sentences: np.ndarray

    def rows(self, chosen: np.ndarray) -> Bag:
        part = self.bags[chosen]
        return (
            torch.from_numpy(part.indices.astype(np.int64)), torch.from_numpy(part.data),
            torch.from_numpy(part.indptr[:-1].astype(np.int64)), torch.from_numpy(self.sentences[chosen]),
        )  # fmt: skip


class Reader:
    """Turns titles into what the tower reads. `rarity` float32 [2 · 2^bits]: inverse document frequency, 0 unknown."""

    def __init__(self, config: Words, rarity: np.ndarray, encoder: encoders.Encoder | None) -> None:
        self.config, self.rarity, self.encoder = config, rarity, encoder
        self.width = 0 if encoder is None else encoder.encode(["width"]).shape[1]

    def read(self, titles: Sequence[str | None], encoded: np.ndarray | None = None) -> Read:
        """`encoded` bool [n]: whose sentences are encoded, which is what takes time; None: all. The rest are zeros."""
        texts = [clean(title or "") for title in titles]
        counts = counted(texts, self.config.bits)
        value = (1 + np.log(counts.data)) * self.rarity[counts.indices]
        row = np.repeat(np.arange(len(texts)), np.diff(counts.indptr))
        block = 2 * row + (counts.indices >> self.config.bits)
        length = np.sqrt(np.bincount(block, weights=value.astype(np.float64) ** 2, minlength=2 * len(texts)))
        weights = (value / np.maximum(length[block], 1e-9)).astype(np.float32)
        bags = sparse.csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)
        if self.encoder is None:
            return Read(bags, np.zeros((len(texts), 0), np.float32))
        if encoded is not None:
            texts = [text if wanted else "" for text, wanted in zip(texts, encoded, strict=True)]
        return Read(bags, self.encoder.encode(texts))

    def nothing(self, n: int) -> Read:
        """What `read` makes of n products without a title."""
        bags = sparse.csr_array((n, 2 << self.config.bits), dtype=np.float32)
        return Read(bags, np.zeros((n, self.width), np.float32))


def counted(texts: Sequence[str], bits: int) -> sparse.csr_array:
    """float32 [n, 2 · 2^bits]: how often each n-gram stands in each text, words first, then letter groups."""
    wide = grams.counted(texts, grams.RECIPES["en"])
    low = (wide.indices & ((1 << bits) - 1)) + ((wide.indices >> grams.BITS) << bits)
    found = sparse.csr_array((wide.data, low.astype(np.int32), wide.indptr), shape=(len(texts), 2 << bits))
    found.sum_duplicates()
    return found


def rarity(texts: Sequence[str], bits: int) -> np.ndarray:
    """log((1 + n) / (1 + texts with it)) + 1; 0 for what stands in none. float32 [2 · 2^bits]."""
    counts = counted(texts, bits)
    inside = np.bincount(counts.indices, minlength=2 << bits)
    return np.where(inside > 0, np.log((1 + len(texts)) / (1 + inside)) + 1, 0).astype(np.float32)


class TextTower(nn.Module):
    """`Bag` of n texts to float [n, hidden], before projection."""

    def __init__(self, config: Words, sentences: int) -> None:
        super().__init__()
        self.drop = config.drop
        self.bags = nn.EmbeddingBag(2 << config.bits, config.width, mode="sum")
        nn.init.zeros_(self.bags.weight)  # an n-gram that training never meets says nothing
        self.mixed = nn.Sequential(
            nn.LayerNorm(config.width + sentences), nn.Linear(config.width + sentences, config.hidden), nn.GELU(),
            nn.Dropout(config.drop),
        )  # fmt: skip
        self.width = config.width + config.hidden

    def forward(self, bag: Bag) -> torch.Tensor:
        buckets, weights, starts, sentences = bag
        summed = self.bags(buckets, starts, F.dropout(weights, self.drop, self.training))
        read = torch.cat([summed, F.dropout(sentences, self.drop, self.training)], dim=1)
        return torch.cat([summed, self.mixed(read).float()], dim=1)


def encoder_for(titles: Sequence[str | None], source: str, device: str) -> tuple[str, encoders.Encoder | None]:
    """The frozen encoder that `Words.sentences` asks for, and the name by which `encoder_named` finds it again."""
    if source == "none":
        return "none", None
    if source != "auto":
        return source, encoders.Transformer(source, device)
    found = encoders.encoder_for(titles, device)
    if isinstance(found, encoders.Letters):  # n-grams are read anyway
        return "none", None
    return found.name, found


def encoder_named(name: str, device: str) -> encoders.Encoder | None:
    """Raises `encoders.NoEncoder` where its weights are not at hand."""
    if name == "none":
        return None
    if name == encoders.Multilingual.name:
        return encoders.Multilingual()
    spec = importlib.util.find_spec(encoders.ENGLISH_PACKAGE)
    if name == "all-MiniLM-L6-v2" and spec is not None and spec.submodule_search_locations:
        return encoders.Transformer(str(Path(spec.submodule_search_locations[0]) / "model"), device, name)
    return encoders.Transformer(name, device)
