"""A catalogue made ready for the search, and the shape of the work on it."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from models.recommender.engine.numbers import Rounded, margin_of, norms, rounded
from models.recommender.engine.select import TILE, reserve

PREPARED = 1 << 16
"""Items rounded at once when a catalogue is made ready."""


@dataclass(frozen=True)
class Shape:
    """Of the work of one thread at a time. It moves the speed and nothing else."""

    rows: int  # users prepared together
    step: int  # users of one product
    compiled_step: int  # the same where a compiled loop looks into it, which wants the values close
    columns: int  # items of a tile, at most


CPU = Shape(rows=2048, step=512, compiled_step=128, columns=16_384)
GPU = Shape(rows=4096, step=4096, compiled_step=4096, columns=65_536)


class Catalogue:
    """I items made ready: those available rounded and laid out in tiles, highest first, each tile with its margin."""

    def __init__(
        self, vectors: torch.Tensor, width: int, bias: torch.Tensor | None, available: torch.Tensor, low: torch.dtype
    ) -> None:
        """`vectors` float32 [I, w], zeros from column `width` on; `bias` float32 [I]; `available` bool [I]; all on one
        device. Raises ValueError where a vector cannot be scored with.
        """
        self.vectors, self.width, self.bias, self.low = vectors, width, bias, low
        self.shape = GPU if vectors.is_cuda else CPU
        kept = available.nonzero().squeeze(1)
        level = norms(vectors)[kept]
        if bias is not None:
            level = level + bias[kept]
        # What scores high comes first: the bound is tight from the start, and the last tiles may be out of reach.
        self.items = kept[torch.argsort(level, descending=True, stable=True)]
        self.tiles = -(-len(kept) // self.shape.columns)
        even = -(-len(kept) // max(1, self.tiles))
        self.columns = -(-max(1, even) // TILE) * TILE
        self.position = torch.full((len(vectors),), -1, device=vectors.device)
        self.position[self.items] = torch.arange(len(kept), device=vectors.device)
        self.available = available.cpu().numpy()
        alone = np.zeros(len(vectors), np.float32) if bias is None else bias.cpu().numpy()
        self.by_bias = np.argsort(-alone, kind="stable")  # how a user with a zero vector likes them
        self.by_bias = self.by_bias[self.available[self.by_bias]]
        self._round()

    def _round(self) -> None:
        """Make `coarse`, for each tile [n, columns] with zeros in padding, and `margin`."""
        places, device = self.tiles * self.columns, self.vectors.device
        width = self.width + (0 if self.bias is None else 2)  # a bias is two columns: rounded, and most of the rest
        coarse = reserve((places, width), self.low, device).zero_()
        known = torch.zeros((4, places), dtype=torch.float64, device=device)  # as `margin_of` takes them
        known[2] = -math.inf
        for start in range(0, len(self.items), PREPARED):
            chosen = self.items[start : start + PREPARED]
            part = slice(start, start + len(chosen))
            made = rounded(self.vectors[chosen, : self.width], self.low)
            coarse[part, : self.width] = made.low
            known[0, part], known[1, part], known[2, part] = made.norm, made.error, 0
            if self.bias is not None:
                bias = self.bias[chosen]
                first = bias.to(self.low)
                second = (bias - first.float()).to(self.low)
                coarse[part, -2], coarse[part, -1] = first, second
                known[2, part] = bias.double()
                known[3, part] = (bias.double() - first.double() - second.double()).abs()
        self.margin = margin_of(known, self.columns, width)
        self.coarse = [tile.T for tile in coarse.view(self.tiles, self.columns, width)]

    def used(self, tile: int) -> int:
        """Columns of the tile that are items; the rest is padding."""
        return min(self.columns, len(self.items) - tile * self.columns)

    def users(self, vectors: torch.Tensor) -> Rounded:
        """Vectors float32 [B, w] of users, rounded for the product. Raises ValueError."""
        made = rounded(vectors[:, : self.width], self.low)
        if self.bias is None:
            return made
        ones = torch.ones((len(vectors), 2), dtype=self.low, device=vectors.device)
        return Rounded(torch.cat([made.low, ones], 1), made.norm, made.error)
