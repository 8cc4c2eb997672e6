"""The search of the scoring engine: for a block of users the k best keys of a catalogue, tile of items by tile."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from models.recommender.engine.catalogue import Catalogue
from models.recommender.engine.compiled import Compiled
from models.recommender.engine.numbers import (
    HALF_STEP,
    NOTHING,
    TINY,
    WHOLE,
    keys_of,
    least_whole,
    ordered,
    pairwise_sums,
    scores_of,
)
from models.recommender.engine.select import GROUP, Block, best_by_row, reserve

PRODUCTS = 1 << 18
"""Products of survivors held at once, a megabyte of float32: what a core's own cache takes."""
MERGED = 1 << 15
"""Survivors merged into the lists at once."""


@dataclass(frozen=True)
class Pairs:
    """P pairs of a row of the block and an item, int64 [P] each, sorted by row."""

    row: torch.Tensor
    item: torch.Tensor


class Search:
    """The memory of one thread, used again and again: it depends on `Shape` and k, not on users or items."""

    def __init__(self, catalogue: Catalogue, compiled: bool = False) -> None:
        self.catalogue, shape = catalogue, catalogue.shape
        device, low, width = catalogue.vectors.device, catalogue.low, catalogue.vectors.shape[1]
        self.step = shape.compiled_step if compiled else shape.step
        self._values = reserve((self.step, catalogue.columns), low, device)
        self._compiled = Compiled(catalogue, self._values) if compiled else None
        if not compiled:
            groups = (self.step, catalogue.columns // GROUP)
            self._maxima, self._spare = (reserve(groups, WHOLE[low], device) for _ in range(2))
        self._chunk = PRODUCTS // width
        self._left, self._right = (reserve((self._chunk, width), torch.float32, device) for _ in range(2))
        levels = range(1, width.bit_length())
        self._halves = [reserve((self._chunk, width >> level), torch.float32, device) for level in levels]

    def best(self, users: torch.Tensor, banned: Pairs, k: int) -> torch.Tensor:
        """Keys int64 [B, k], highest first, `NOTHING` in what is left; `users` float32 [B, w], B at most `Shape.rows`.

        Items that are not available are never found, nor are `banned` pairs. Raises ValueError (`rounded`).
        """
        catalogue = self.catalogue
        made = catalogue.users(users)
        margin, reach = catalogue.margin.of(made), catalogue.margin.reach(made)
        found = torch.full((len(users), k), NOTHING, device=users.device)
        look = None if self._compiled is None else self._compiled.looker(users, margin, found)
        masked = self._places(banned, len(users))
        for tile in range(catalogue.tiles):
            places = [next(masked) for _ in range(0, len(users), self.step)]
            if tile and not bool((reach[tile] >= scores_of(found[:, -1])).any()):
                continue
            for start, mine in zip(range(0, len(users), self.step), places, strict=True):
                part = slice(start, min(start + self.step, len(users)))
                torch.mm(made.low[part], catalogue.coarse[tile], out=self._values[: part.stop - start])
                if look is None:
                    self._look(tile, mine, users[part], margin[tile, part], found[part])
                else:
                    look(tile, mine, part)
        return found

    def _look(
        self, tile: int, masked: torch.Tensor, users: torch.Tensor, margin: torch.Tensor, found: torch.Tensor
    ) -> None:
        """Bring into `found` [B, k] what the values of a tile hold; `masked` are flat places among them."""
        catalogue, rows, k = self.catalogue, len(users), found.shape[1]
        values = self._values[:rows]
        values[:, catalogue.used(tile) :] = -math.inf
        values.view(-1).index_fill_(0, masked, -math.inf)
        block = Block(values.view(WHOLE[catalogue.low]), self._maxima[:rows], self._spare[:rows])
        known = scores_of(found[:, -1]).double()
        if not bool(known.isfinite().all()):
            known = torch.maximum(known, self._first_bound(block, margin, k))
        best = found if tile else None
        for row, column in block.survivors(least_whole(known - margin, catalogue.low)):
            item = catalogue.items.index_select(0, column + tile * catalogue.columns)
            best = self.merge(best, users, Pairs(row, item), k)
        if best is not None:
            found.copy_(best)

    def _first_bound(self, block: Block, margin: torch.Tensor, k: int) -> torch.Tensor:
        """float64 [B]: a score that k items of the tile reach; -inf where none can be told."""
        reached = block.reached(k)
        if reached is None:
            return torch.full_like(margin, -math.inf)
        value = ordered(reached).view(self.catalogue.low).double()
        bound = value - value.abs() * HALF_STEP[self.catalogue.low] - margin - TINY
        return torch.where(value.isfinite(), bound, -math.inf)

    def merge(
        self, found: torch.Tensor | None, users: torch.Tensor, pairs: Pairs, k: int, more: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The best keys among `found` [B, k] and the pairs, none of which is in it; `more` [P] is added to scores."""
        for start in range(0, len(pairs.row), MERGED):
            row, item = pairs.row[start : start + MERGED], pairs.item[start : start + MERGED]
            scores = self._scores(users, row, item)
            if more is not None:
                scores = scores + more[start : start + MERGED]
            found = best_by_row(row, keys_of(scores, item), found, len(users), k)
        return torch.full((len(users), k), NOTHING, device=users.device) if found is None else found

    def _scores(self, users: torch.Tensor, row: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """float32 [P], exactly as `numbers` says."""
        scores = torch.empty(len(row), device=users.device)
        for start in range(0, len(row), self._chunk):
            rows, items = row[start : start + self._chunk], item[start : start + self._chunk]
            left, right = self._left[: len(rows)], self._right[: len(rows)]
            torch.index_select(self.catalogue.vectors, 0, items, out=left)
            torch.index_select(users, 0, rows, out=right)
            halves = [half[: len(rows)] for half in self._halves]
            scores[start : start + self._chunk] = pairwise_sums(left.mul_(right), halves)
        return scores if self.catalogue.bias is None else scores + self.catalogue.bias.index_select(0, item)

    def _places(self, banned: Pairs, rows: int) -> Iterator[torch.Tensor]:
        """Of banned pairs the flat places among the values, for each tile and step of users in it."""
        catalogue, device = self.catalogue, banned.row.device
        column = catalogue.position[banned.item]
        tile = torch.div(column, catalogue.columns, rounding_mode="floor")  # -1: not available
        place = banned.row % self.step * catalogue.columns + column - tile * catalogue.columns
        group = tile * rows + banned.row
        if catalogue.tiles > 1 or bool((column < 0).any()):  # else they are in this order
            order = torch.argsort(group, stable=True)
            place, group = place.index_select(0, order), group.index_select(0, order)
        steps = torch.arange(0, rows, self.step, device=device)
        starts = torch.arange(catalogue.tiles, device=device)[:, None] * rows + steps
        bounds = torch.searchsorted(group, starts.view(-1)).tolist()
        return (place[low:high] for low, high in zip(bounds, [*bounds[1:], len(place)], strict=False))
