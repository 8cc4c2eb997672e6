"""What `search.Search` does after a product, as one compiled loop over users: the same keys, bit for bit.

Between operations of torch the values of a block leave the core's own cache; a loop over one user at a time looks into
them while they are there. That costs some seconds of compiling in each process: `Engine` compiles once enough has been
scored for it to pay. Indices are unsigned because numba else looks for negative ones at every access, which keeps loops
from becoming vector instructions (measured: ten times slower).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from models.recommender.engine.catalogue import Catalogue
from models.recommender.engine.numbers import HALF_STEP, NOTHING, SMALLEST, TINY, WHOLE, lowest_whole
from models.recommender.engine.select import GROUP, sets_for

AT_ONCE = 64
"""Survivors ranked together."""
LONGEST = 128
"""Places of a list, at most: each new survivor is compared with all of them."""


class Compiled:
    """The loop and what it works on, as arrays: making one from a tensor takes as long as looking into a row."""

    def __init__(self, catalogue: Catalogue, values: torch.Tensor) -> None:
        """`values` [step, columns] of the catalogue's low type will hold the products."""
        self.loop, self.catalogue = select_loop(catalogue.low), catalogue
        self.values = values.view(WHOLE[catalogue.low]).numpy()
        self.items, self.vectors = catalogue.items.numpy(), catalogue.vectors.numpy()
        self.bias = np.zeros(1, np.float32) if catalogue.bias is None else catalogue.bias.numpy()
        self.groups = catalogue.columns // GROUP
        self.maxima, self.sets = np.empty((2, self.groups), self.values.dtype)
        self.picked = np.empty(2 * catalogue.columns + GROUP, np.int64)

    def looker(
        self, users: torch.Tensor, margin: torch.Tensor, found: torch.Tensor
    ) -> Callable[[int, torch.Tensor, slice], None]:
        """What brings into `found` [B, k] what the values of a tile hold for a slice of users; see `Search.best`."""
        users_of, margin_of, found_of = users.numpy(), margin.numpy(), found.numpy()
        sets, columns = self.sets[: sets_for(found.shape[1], self.groups)], self.catalogue.columns

        def look(tile: int, masked: torch.Tensor, part: slice) -> None:
            self.loop(
                self.values[: part.stop - part.start], masked.numpy(), self.catalogue.used(tile),
                margin_of[tile, part], self.items[tile * columns : (tile + 1) * columns], self.vectors, self.bias,
                users_of[part], found_of[part], self.maxima, sets, self.picked,
            )  # fmt: skip

        return look


Function = Callable[..., Any]

SIGN32, MASK32 = np.int32(31), np.int32(0x7FFF_FFFF)


@cache
def select_loop(low: torch.dtype) -> Callable[..., int]:
    """Compile for values of this type; some seconds. Raises ImportError without numba."""
    import numba

    compiled = numba.njit(nogil=True, boundscheck=False, error_model="numpy")
    take_maxima, threshold = _bounds(compiled, low)
    return _select(compiled, low, take_maxima, threshold, _survivors(compiled), *_exact(compiled))


def _maxima(compiled: Function, whole: Any) -> tuple[Function, Function]:
    """`take_maxima`, and `put_in_order`, which takes them anew of values that compare as whole numbers."""
    index, one = np.uint64, np.uint64(1)
    sign, mask = whole(np.iinfo(whole).bits - 1), whole(np.iinfo(whole).max)

    @compiled
    def take_maxima(line: Any, top: Any, sets: Any) -> None:
        """Of groups and of sets of groups, as in `select.Block`."""
        groups, count = index(len(top)), index(len(sets))
        for g in range(groups):
            top[g] = line[g]
        for first in range(groups, index(len(line)), groups):
            for g in range(groups):
                top[g] = max(top[g], line[first + g])
        for s in range(count):
            sets[s] = top[s]
        for first in range(count, groups - count + one, count):
            for s in range(count):
                sets[s] = max(sets[s], top[first + s])

    @compiled
    def put_in_order(line: Any, top: Any, sets: Any) -> None:
        for c in range(index(len(line))):
            line[c] ^= (line[c] >> sign) & mask
        take_maxima(line, top, sets)

    return take_maxima, put_in_order


def _reading(compiled: Function, whole: Any) -> tuple[Function, Function]:
    """`kth_largest` of whole numbers, and `value_of` one that stands for a float32."""
    index, least, most = np.uint64, int(np.iinfo(whole).min), int(np.iinfo(whole).max)

    @compiled
    def kth_largest(values: Any, k: int) -> int:
        """By halving the range: counting is what vector units are fast at."""
        low_end, high_end = least, most
        while low_end < high_end:
            middle = (low_end + high_end + 1) >> 1
            pivot, count = whole(middle), whole(0)
            for n in range(index(len(values))):
                count += whole(values[n] >= pivot)
            if count >= k:
                low_end = middle
            else:
                high_end = middle - 1
        return low_end

    @compiled
    def value_of(bits_in_order: Any, real: Any, bits: Any) -> float:
        bits[0] = bits_in_order ^ ((bits_in_order >> SIGN32) & MASK32)
        return np.float64(real[0])

    return kth_largest, value_of


def _bounds(compiled: Function, low: torch.dtype) -> tuple[Function, Function]:
    """`take_maxima`, and `threshold` that reads them: what a value must reach."""
    whole: Any = _whole(low)
    take_maxima, put_in_order = _maxima(compiled, whole)
    kth_largest, value_of = _reading(compiled, whole)
    lowest, half_step = lowest_whole(low), HALF_STEP[low]
    shift, word = np.int32(32 - np.iinfo(whole).bits), np.int64(32)

    @compiled
    def threshold(mine: Any, line: Any, top: Any, sets: Any, margin: float, real: Any, bits: Any) -> Any:
        """What a value must reach: by the k best so far, else by the maxima of sets."""
        k, in_order, bound = len(mine), False, -np.inf
        if mine[k - 1] != NOTHING:
            bound = value_of(np.int32(mine[k - 1] >> word), real, bits)
        elif k <= len(sets):
            reached = kth_largest(sets, k)
            if reached <= 0:
                put_in_order(line, top, sets)
                in_order, reached = True, kth_largest(sets, k)
            if reached >= lowest:
                value = value_of(np.int32(reached) << shift, real, bits)
                bound = value - abs(value) * half_step - margin - TINY
        needed = lowest
        if bound != -np.inf:  # from here on as in `numbers.least_whole`
            real[0] = bound - margin - abs(bound - margin) * 2.0**-22
            if abs(real[0]) < SMALLEST:
                real[0] = -SMALLEST
            needed = max((bits[0] ^ ((bits[0] >> SIGN32) & MASK32)) >> shift, lowest)
        if needed <= 0 and not in_order:
            put_in_order(line, top, sets)
        return whole(needed)

    return take_maxima, threshold


def _survivors(compiled: Function) -> Function:
    index, zero, group = np.uint64, np.uint64(0), np.uint64(GROUP)

    @compiled
    def survivors(line: Any, top: Any, sets: Any, needed: Any, picked: Any) -> Any:
        """Columns that reach what is needed, behind the first len(line) places of `picked`; where they end.

        Writing always and moving on only after a hit leaves no branches that no processor could foresee.
        """
        columns, groups, count, hits = index(len(line)), index(len(top)), index(len(sets)), zero
        for s in range(count):
            if sets[s] >= needed:
                for g in range(s, groups, count):
                    picked[hits] = g
                    hits += index(top[g] >= needed)
        end = columns
        for h in range(hits):
            for j in range(group):
                c = picked[h] + j * groups
                picked[end] = c
                end += index(line[c] >= needed)
        return end

    return survivors


def _exact(compiled: Function) -> tuple[Function, Function]:
    """`score` in the defined order of operations, and `keep_best` of the keys made of scores."""
    index, one = np.uint64, np.uint64(1)

    @compiled
    def score(item: Any, user: Any, products: Any) -> Any:
        """`numbers.pairwise_sums` of the products; their number is a power of two, at least 32."""
        half = index(len(user)) >> one
        for j in range(half):
            products[j] = item[j] * user[j] + item[j + half] * user[j + half]
        half >>= one
        while half >= index(16):
            for j in range(half):
                products[j] += products[j + half]
            half >>= one
        for j in range(index(8)):
            products[j] += products[j + index(8)]
        for j in range(index(4)):
            products[j] += products[j + index(4)]
        return (products[0] + products[2]) + (products[1] + products[3])

    @compiled
    def keep_best(keys: Any, count: Any, k: Any, ranked: Any) -> Any:
        """Bring the k largest of `keys`, all different, to its front in order; how many there are."""
        for a in range(count):
            key, rank = keys[a], 0
            for c in range(count):
                rank += keys[c] > key
            ranked[min(index(rank), k)] = key
        count = min(count, k)
        for a in range(count):
            keys[a] = ranked[a]
        return count

    return score, keep_best


def _select(
    compiled: Function, low: torch.dtype, take_maxima: Function, threshold: Function, survivors: Function,
    score: Function, keep_best: Function,
) -> Callable[..., int]:  # fmt: skip
    """The loop over users; what it calls becomes part of it when it is compiled."""
    index, zero, one = np.uint64, np.uint64(0), np.uint64(1)
    word, low_word, nil = np.int64(32), np.int64(0x7FFF_FFFF), np.float32(0)
    nowhere = _whole(low)(torch.tensor(-np.inf, dtype=low).view(WHOLE[low]).item())

    @compiled
    def select(
        values: Any, masked: Any, used: int, margin: Any, items: Any, vectors: Any, bias: Any, users: Any, best: Any,
        top: Any, sets: Any, picked: Any,
    ) -> Any:  # fmt: skip
        """Bring what a tile holds into the keys `best` [B, k]; how many values were looked into.

        `values` [B, columns] are integers of the low type's bits, only the first `used` columns count and none of the
        `masked` flat places; `items` are the indices of the columns; `bias` [I], or one zero; the rest is memory.
        """
        columns, k, width = index(values.shape[1]), index(best.shape[1]), index(vectors.shape[1])
        flat = values.reshape(-1)
        for n in range(index(len(masked))):
            flat[masked[n]] = nowhere
        real = np.empty(1, np.float32)
        bits = real.view(np.int32)
        products, touched, looked_into = np.empty(width, np.float32), nil, zero
        keys, ranked = np.empty(k + index(AT_ONCE), np.int64), np.empty(k + one, np.int64)
        for row in range(index(values.shape[0])):
            line, mine, user = values[row], best[row], users[row]
            for c in range(index(used), columns):
                line[c] = nowhere
            take_maxima(line, top, sets)
            needed = threshold(mine, line, top, sets, margin[row], real, bits)
            end = survivors(line, top, sets, needed, picked)
            looked_into += end - columns
            for n in range(columns, end):  # ask for all vectors before the first is needed
                picked[n] = items[picked[n]]
                for j in range(zero, width, index(16)):
                    touched += vectors[picked[n], j]
            held = zero
            while held < k and mine[held] != NOTHING:
                keys[held] = mine[held]
                held += one
            for start in range(columns, end, index(AT_ONCE)):
                for n in range(start, min(start + index(AT_ONCE), end)):
                    item = picked[n]
                    own = bias[item] if len(bias) > 1 else bias[0]
                    real[0] = (score(vectors[item], user, products) + own) + nil
                    word_of = bits[0] ^ ((bits[0] >> SIGN32) & MASK32)
                    keys[held] = (np.int64(word_of) << word) | (low_word - np.int64(item))
                    held += one
                held = keep_best(keys, held, k, ranked)
            for n in range(held):
                mine[n] = keys[n]
        products[0] = touched  # so that the asking is not left out
        return looked_into

    result: Callable[..., int] = select
    return result


def _whole(low: torch.dtype) -> Any:
    """numpy's type of the integers that hold the bits of a value."""
    return np.int16 if WHOLE[low] == torch.int16 else np.int32
