"""Which values of a block can be among the k best of their row, without sorting the row: by maxima of small groups.

The columns fall into groups of `GROUP`; group g holds columns g, g + groups, g + 2 groups, ..., so that the maxima are
one maximum over whole rows, which is what vector units do best. Only groups that reach a bound are looked into.

Values are compared as the integers of their bits, several times faster than as floats. Bits of floats that are not
negative sort as they are; only rows whose bound is not positive are brought into order (`numbers.ordered`).
"""

import math
from collections.abc import Iterator

import numpy as np
import torch

from models.recommender.engine.numbers import ordered

GROUP = 8
SETS = 64
"""Sets of columns whose maxima give a first bound, at least; and at least three for each place of a list: more are
closer to the true bound, and take longer to rank."""
TILE = GROUP * SETS
"""What the number of columns of a block is a multiple of."""
ORDERED = 1 << 19
"""Values brought into order at once, a megabyte of bfloat16: what a core's own cache takes."""
LINE = 64
"""Bytes of a cache line."""
HITS = 1 << 15
"""Groups looked into at once."""


class Block:
    """Values [B, columns] as integers of their bits, and their maxima. `columns` is a multiple of `TILE`."""

    def __init__(self, whole: torch.Tensor, maxima: torch.Tensor, spare: torch.Tensor) -> None:
        """`maxima` and `spare` [B, columns / GROUP] are memory."""
        self.whole, self.maxima, self.spare = whole, maxima, spare
        self.columns, self.groups = whole.shape[1], whole.shape[1] // GROUP
        torch.amax(whole.view(-1, GROUP, self.groups), 1, out=maxima)
        self.in_order = torch.zeros(len(whole), dtype=torch.bool, device=whole.device)

    def _put_in_order(self, wanted: torch.Tensor) -> None:
        """Make the integers of these rows, bool [B], sort as their values do."""
        rows = places(wanted & ~self.in_order)
        at_once = max(1, ORDERED // self.columns)
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            values = ordered(self.whole.index_select(0, some))
            self.whole.index_copy_(0, some, values)
            self.maxima.index_copy_(0, some, values.view(-1, GROUP, self.groups).amax(1))
        self.in_order |= wanted

    def reached(self, k: int) -> torch.Tensor | None:
        """What k columns of each row reach, as `ordered` integers [B]; None where k is too large to tell."""
        if k > self.groups:
            return None
        found = self._worst_of_best(k)
        if int(found.min()) <= 0:
            self._put_in_order(found <= 0)
            found = self._worst_of_best(k)
        return found

    def _worst_of_best(self, k: int) -> torch.Tensor:
        """The k-th largest of the maxima of disjoint sets."""
        sets = sets_for(k, self.groups)
        fold = self.groups // sets
        maxima = self.maxima[:, : fold * sets].view(len(self.whole), fold, sets).amax(1)
        return torch.topk(maxima, k, sorted=False).values.amin(1)

    def survivors(self, least: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Row and column, int64, of every value that is at least `least` [B], in portions, sorted by row."""
        if int(least.min()) <= 0:
            self._put_in_order(least <= 0)
        hits = places(_reaching(self.maxima, least[:, None], self.spare))
        member = torch.arange(GROUP, device=least.device) * self.groups
        flat = self.whole.view(-1)
        for start in range(0, len(hits), HITS):
            hit = hits[start : start + HITS]
            row = torch.div(hit, self.groups, rounding_mode="floor")
            first = hit + row * (self.columns - self.groups)  # the place of its first column
            value = flat.index_select(0, (first[:, None] + member).view(-1)).view(-1, GROUP)
            passed = places(value >= least.index_select(0, row)[:, None])
            of = torch.div(passed, GROUP, rounding_mode="floor")
            row = row.index_select(0, of)
            yield row, hit.index_select(0, of) - row * self.groups + (passed - of * GROUP) * self.groups


def sets_for(k: int, groups: int) -> int:
    return min(groups, -(-3 * k // SETS) * SETS)


def best_by_row(row: torch.Tensor, keys: torch.Tensor, found: torch.Tensor | None, rows: int, k: int) -> torch.Tensor:
    """int64 [rows, k], largest first: of `found` [rows, k] and of `keys` [P], whose rows are sorted."""
    begin = torch.searchsorted(row, torch.arange(rows + 1, device=row.device))
    kept, widest = (0 if found is None else k), int(torch.diff(begin).max())
    wide = torch.full((rows, max(k, kept + widest)), torch.iinfo(torch.int64).min, device=row.device)
    if found is not None:
        wide[:, :k] = found
    shift = torch.arange(rows, device=row.device) * wide.shape[1] + kept - begin[:-1]
    wide.view(-1).scatter_(0, torch.arange(len(row), device=row.device) + shift.index_select(0, row), keys)
    return torch.topk(wide, k).values


def _reaching(values: torch.Tensor, least: torch.Tensor, spare: torch.Tensor) -> torch.Tensor:
    """bool: values >= least. torch compares short integers one by one; what stands here it does by vectors."""
    below = least - 1
    torch.maximum(values, below, out=spare)
    return spare.bitwise_xor_(below).bool()


def places(mask: torch.Tensor) -> torch.Tensor:
    """int64: where the flattened mask is true, ascending."""
    if mask.is_cuda:
        return mask.view(-1).nonzero().squeeze(1)
    return torch.from_numpy(np.flatnonzero(mask.numpy()))  # numpy skips what is false eight at a time


def reserve(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Memory to write to, from a cache line on. numpy asks the system for large pages, which speeds up reading here
    and there.
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return torch.from_numpy(memory[start : start + size]).view(dtype).view(shape)
